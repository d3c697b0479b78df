/* noun_semaphore.c - a shared object: semaphore */
#include "object.h"

const struct noun_rules noun_semaphore = { 0 };

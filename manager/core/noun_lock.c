/* noun_lock.c - a shared object: lock */
#include "object.h"

const struct noun_rules noun_lock = { 0 };

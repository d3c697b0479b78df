/* noun_barrier.c - a shared object: barrier */
#include "object.h"

const struct noun_rules noun_barrier = { 0 };

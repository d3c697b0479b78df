/* noun_array.c - a shared array of numbers or bytes */
#include "object.h"

const struct noun_rules noun_array = { 0 };

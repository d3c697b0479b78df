/* noun_condition.c - a shared object: condition */
#include "object.h"

const struct noun_rules noun_condition = { 0 };

/* noun_value.c - one shared number, or bytes */
#include "object.h"

const struct noun_rules noun_value = { 0 };

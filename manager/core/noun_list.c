/* noun_list.c - a shared list */
#include "object.h"

const struct noun_rules noun_list = { 0 };

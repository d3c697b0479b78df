/* noun_dict.c - a shared dict, and a namespace, which is one */
#include "object.h"

const struct noun_rules noun_dict = { 0 };

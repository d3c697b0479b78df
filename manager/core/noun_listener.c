/* noun_listener.c - a shared object: listener */
#include "object.h"

const struct noun_rules noun_listener = { 0 };

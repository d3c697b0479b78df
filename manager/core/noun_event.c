/* noun_event.c - a shared object: event */
#include "object.h"

const struct noun_rules noun_event = { 0 };

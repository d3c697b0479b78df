/* noun_service.c - a shared object: service */
#include "object.h"

const struct noun_rules noun_service = { 0 };

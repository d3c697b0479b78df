/* noun_pipe.c - a shared object: pipe */
#include "object.h"

const struct noun_rules noun_pipe = { 0 };

/* nothing.c - the function of the least work, for figure_functions.c */
#include <muster/function.h>

MUSTER_FUNCTION(nothing)
{
    muster_call_return(call, NULL, 0);
}

/* main.c - the `muster` program: see command.c */
#include "command.h"

int
main(int argc, char **argv)
{
    return command_main(argc, argv);
}

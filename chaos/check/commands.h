/* What the program does besides judging: making histories, and spoiling them. */
#ifndef CHECK_COMMANDS_H
#define CHECK_COMMANDS_H

/* argv[0] is the command's name. Return the exit status: 0, or 2 after having said why. */
int command_generate(int argc, char **argv);
int command_mutate(int argc, char **argv);

#endif

/* How `trilog` ends: what scripts may rely on. */
#ifndef CLI_EXIT_STATUS_H
#define CLI_EXIT_STATUS_H

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* refused, or it went wrong: nothing was changed */
    EXIT_USAGE = 2,       /* the command line is wrong, or a confirmation could not be asked for */
    EXIT_PARTLY = 3,      /* some of it is done, or still going on, or its fate is not known */
    EXIT_UNREACHABLE = 4, /* no node answered */
};

#endif

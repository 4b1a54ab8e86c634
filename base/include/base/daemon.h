/* What nodes and routers do alike as programs: their command line, the signals that they heed, what
 * is said when one comes or when nothing starts. */
#ifndef BASE_DAEMON_H
#define BASE_DAEMON_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

struct daemon_arguments {
    const char *config; /* the file of settings; borrowed from the command line */
    bool should_check, should_print;
};

/* -1: go on; otherwise the exit status, and `program`'s usage was told. */
int daemon_read_arguments(const char *program, int count, char **values,
                          struct daemon_arguments *arguments);

/* Blocks these signals (0 ends them) for this thread and those that it starts: before the first
 * one. They are taken by sigwait() only. A peer that went away raises none. Returns the set. */
sigset_t daemon_block_signals(const int *numbers);

/* Events. */
void daemon_tell_stopping(int signal_number);
void daemon_tell_start_failed(int err, const struct err_note *note);

#endif

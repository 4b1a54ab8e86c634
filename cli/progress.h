/* Waiting with a line of progress, until it is done, time is over, or Ctrl-C. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "command.h"

#define PROGRESS_TEXT_SIZE 160

/* Looks once; `text` says how far it is, for the operator. True when it is done. */
typedef bool (*progress_cb)(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE]);

/* --wait is a number that can be taken; else it is told, and the command line is wrong. To be
 * asked before anything is changed. */
bool progress_can_wait(struct session *s);

/* Looks twice a second as long as --wait says and shows each new text on `err`, where that is a
 * terminal; elsewhere only the last one, and that only when it is not done. True when it is. */
bool progress_watch(struct session *s, progress_cb look, void *data);
/* The same; not at all with --no-wait. EXIT_DONE; EXIT_PARTLY when it is not done: it goes on
 * without us, and `where` says how to see it. */
int progress_wait(struct session *s, progress_cb look, void *data, const char *where);

#endif

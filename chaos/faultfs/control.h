/* The control socket: lines in, lines out. */
#ifndef FAULTFS_CONTROL_H
#define FAULTFS_CONTROL_H

#include <stddef.h>

struct volume;
struct control;

/* Longest line of a command or an answer, with its newline. */
#define CONTROL_LINE_BYTES 16384

/* Listens at `path` and serves from a thread of its own. NULL and said why on stderr. */
struct control *control_start(struct volume *volume, const char *path);
/* Ends the thread, removes the socket. */
void control_stop(struct control *control);

/* One command's answer, without newline: `ok …` or `error …`. */
void control_answer(struct volume *volume, const char *line, char *answer, size_t size);

#endif

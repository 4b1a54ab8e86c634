/* Wand's control socket: lines in, answers out, for several clients at once. */
#ifndef WAND_CONTROL_H
#define WAND_CONTROL_H

#include <stddef.h>
#include <sys/un.h>

#include "command.h"

#define CONTROL_CLIENTS_MAX 16

struct control_client {
    int descriptor;                /* -1: free */
    size_t used_bytes;             /* of `line` */
    char line[COMMAND_LINE_BYTES]; /* what has come of a line that has not ended */
};

struct control {
    struct sockaddr_un address;      /* where the socket's file is; empty: not there */
    int listener;                    /* -1: not started */
    int epoll;                       /* the listener and all clients */
    struct delay_line *const *lines; /* borrowed: what commands act on */
    size_t line_count;               /* of them */
    struct control_client clients[CONTROL_CLIENTS_MAX];
};

/* Listens at `path`, in place of a socket that a dead program left there. `lines` is borrowed
 * until control_stop(). Returns 0, or -1 after a line on stderr. */
int control_start(struct control *c, const char *path, struct delay_line *const *lines,
                  size_t line_count);

/* Ends all connections and removes the socket's file. */
void control_stop(struct control *c);

/* For epoll: readable when control_serve() has something to do. */
int control_descriptor(const struct control *c);

/* Takes new clients, runs the lines that have come and answers them; never waits. */
void control_serve(struct control *c);

#endif

/* A socket that listens, for clients and for the operator. */
#ifndef CLUSTER_SERVER_LISTEN_SOCKET_H
#define CLUSTER_SERVER_LISTEN_SOCKET_H

#include "base/err.h"
#include "conf/conf.h"

/* Listens on the address: *descriptor is the caller's to close, without blocking and closed on
 * exec. Resolves names, so blocking. On failure the note names `setting` and what is wrong. */
int listen_socket_open(const struct conf_address *address, const char *setting, int backlog,
                       int *descriptor, struct err_note *note);

#endif

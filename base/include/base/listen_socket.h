/* A socket that listens, for clients and for operators. */
#ifndef BASE_LISTEN_SOCKET_H
#define BASE_LISTEN_SOCKET_H

#include <stdint.h>

#include "base/err.h"

/* Listens on the address: *descriptor is the caller's to close, without blocking and closed on
 * exec. Resolves names, so blocking. On failure the note names `setting` and what is wrong. */
int listen_socket_open(const char *host, uint16_t port, const char *setting, int backlog,
                       int *descriptor, struct err_note *note);

#endif

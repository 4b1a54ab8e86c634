/* A connection to whichever of a name's addresses answers first. Private to libtrilog. */
#ifndef CLIENT_SITE_CONNECT_H
#define CLIENT_SITE_CONNECT_H

#include <netdb.h>

/* Tries them in their order, the next one as soon as one fails, or takes long; those before go on
 * meanwhile. 0: *connected is a socket that does not block. Else the last one's errno, negative, or
 * UV_ETIMEDOUT. */
int site_connect(const struct addrinfo *addresses, int timeout_ms, int *connected);

#endif

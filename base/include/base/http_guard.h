/* Who may ask: the token, and the two marks of a browser that was led here.
 *
 * Without a token the port is for this machine only. But a page in a browser on this machine
 * reaches loopback too, and by changing what its own name resolves to ("DNS rebinding") it can even
 * read the answers. Its requests carry its name as Host, and an Origin when they could change
 * anything: so a foreign Host is refused where there is no token, and any Origin everywhere. Pure
 * functions. */
#ifndef BASE_HTTP_GUARD_H
#define BASE_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GUARD_TOKEN_SIZE_MIN 16
#define GUARD_TOKEN_SIZE_MAX 256

struct http_guard {
    char token[GUARD_TOKEN_SIZE_MAX + 1];
    size_t token_size;       /* 0: no token is wanted */
    const char *listen_host; /* borrowed: a name by which this port may be called */
};

/* Reads the token, the only line of its file. ERR_INVALID when it is empty, short, long or not
 * printable; libuv's codes for the file: then the guard is as it was. */
int guard_read_token(struct http_guard *guard, const char *path, struct err_note *note);

/* Does "Bearer …" carry the token? In a time that depends on the length of what was sent only.
 * True when no token is wanted. `authorization` may be NULL. */
bool guard_has_token(const struct http_guard *guard, const char *authorization);

/* Is the Host header (may be NULL) an address, "localhost", or the name this port listens on? Names
 * are what rebinding can turn; addresses are not. */
bool guard_is_own_host(const struct http_guard *guard, const char *host);

#endif

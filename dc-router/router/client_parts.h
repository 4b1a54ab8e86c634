/* The inside of a client's connection. */
#ifndef ROUTER_CLIENT_PARTS_H
#define ROUTER_CLIENT_PARTS_H

#include "router/client.h"

/* client_read.c: takes the requests that are there, and reads on or pauses. */
void client_read(struct client *c);
void client_read_stop(struct client *c);
/* Gives its input back. */
void client_read_end(struct client *c);
/* client.c: NULL without memory. */
struct client_request *client_request_create(struct client *c, struct slice frame);

/* client.c: no more requests are taken; it lingers once what was taken is answered. */
void client_leave(struct client *c);
/* client_leave.c: all is answered: the client is told the end, and the connection closes when it
 * has heard, or after a while. */
void client_linger(struct client *c);

#endif

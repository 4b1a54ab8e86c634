/* The address where clients connect: accepts and spreads connections over the shards. */
#ifndef CLUSTER_SERVER_LISTENER_H
#define CLUSTER_SERVER_LISTENER_H

#include "base/err.h"
#include "broker.h"
#include "server/client_shard.h"

struct listener;

/* Listens; accepting begins with the shard 0's loop. `clients` has one per shard. Before shards
 * start. Returned owned (listener_close, on shard 0 or after shards stopped). */
int listener_open(struct broker *b, struct client_shard *clients, struct listener **listener,
                  struct err_note *note);
/* No more connections. On shard 0. */
void listener_close(struct listener *l);

#endif

/* What the client connections of one shard share: who has answers to write, who is paused, and
 * the deadlines of parked requests. Touched on that shard only. */
#ifndef CLUSTER_SERVER_CLIENT_SHARD_H
#define CLUSTER_SERVER_CLIENT_SHARD_H

#include "base/event_pace.h"
#include "broker.h"
#include "request.h"
#include "base/client_count.h"
#include "server/request_count.h"

#define DEADLINE_SLOTS   256
#define DEADLINE_SLOT_MS 10

struct connection;

struct client_shard {
    struct broker *broker;
    struct shard *shard;
    struct connection *connections; /* all open ones */
    struct connection *answering;   /* have answers that can leave; written at the turn's end */
    struct buffer *spare_input;     /* an ordinary input buffer that nobody uses; may be NULL */
    struct request_count count;     /* any thread reads it */
    struct event_pace commit_pace;  /* of events about single commits */
    struct event_pace refused_pace; /* of those about what routers passed on */
    uint64_t ticked_slot;           /* last deadline slot that was looked at */
    struct request_deadline *deadlines[DEADLINE_SLOTS]; /* by at_ms / 10 */
};

/* Takes over an accepted socket that was counted; closes it when that fails. Its number rises in
 * the order in which the node takes connections, whatever their shards. */
void client_shard_accept(struct client_shard *s, int descriptor,
                         const struct client_address *address, uint64_t number);
/* At the end of each turn: writes the answers that are due. */
void client_shard_turn(void *data);
/* About every 10 ms: deadlines, paused and idle connections. */
void client_shard_tick(struct client_shard *s);
/* deadline.c: runs those that are due. */
void client_shard_tick_deadlines(struct client_shard *s, uint64_t now_ms);
/* Closes every connection of the shard (stop). */
void client_shard_close_all(struct client_shard *s);

#endif

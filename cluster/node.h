/* A node's life: opened, founded or found again, serving, stopped. */
#ifndef CLUSTER_NODE_H
#define CLUSTER_NODE_H

#include "base/disk.h"
#include "base/err.h"
#include "broker.h"
#include "identity.h"

struct node;

/* Opens the data folder, founds or joins as design section 6 says, opens WAL and groups, and
 * serves. Blocking until it serves or `should_stop` is set (then ERR_CLOSED). Returned owned. */
int node_start(const struct conf_settings *conf, const atomic_bool *should_stop, struct node **node,
               struct err_note *note);
/* Stops serving and frees. Everything acknowledged is durable at any time: this only hurries. */
void node_stop(struct node *n);

/* founding_phase.c: talks to the other founders until the identity is FOUNDED. */
int founding_phase_run(const struct conf_settings *conf, const struct disk *disk,
                       struct identity *identity, const atomic_bool *should_stop,
                       struct err_note *note);

/* Who we are for peers, from configuration and identity. */
void node_peer_identity(const struct conf_settings *conf, const struct identity *identity,
                        struct peer_identity *peer);
/* The other founding nodes' addresses; returns how many. */
unsigned node_peer_addresses(const struct conf_settings *conf,
                             struct peer_address addresses[REPL_NODES_MAX]);

#endif

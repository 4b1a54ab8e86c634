/* A node's life: opened, founded or found again, serving, stopped. */
#ifndef CLUSTER_NODE_H
#define CLUSTER_NODE_H

#include "base/err.h"
#include "broker.h"

struct node;

/* Opens the data folder, founds or joins as design section 6 says, opens WAL and groups, and
 * serves. Blocking until it serves or `should_stop` is set (then ERR_CLOSED). Returned owned. */
int node_start(const struct conf_settings *conf, const atomic_bool *should_stop, struct node **node,
               struct err_note *note);
/* Stops serving and frees. Everything acknowledged is durable at any time: this only hurries. */
void node_stop(struct node *n);

#endif

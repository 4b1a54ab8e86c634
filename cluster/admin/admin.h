/* The operator's port: HTTP and JSON, on a thread of its own (docs/admin-api.md).
 *
 * It opens before the node does, so that health can be asked of a node that is still founding, and
 * closes after it. Nothing that comes in by it can hold up a shard: what belongs to a shard is
 * asked by posting, and answered when it comes or when the call's time is up. */
#ifndef CLUSTER_ADMIN_ADMIN_H
#define CLUSTER_ADMIN_ADMIN_H

#include "base/err.h"
#include "broker.h"
#include "conf/conf.h"

struct admin;

/* Reads the token and opens the port. `conf` is borrowed until admin_stop. 0 with *admin NULL when
 * there is to be no such port, or when the default one is taken: then an event says so, for the
 * node's own work does not depend on it. One that was set and can't be had is an error. Returned
 * owned (admin_stop). */
int admin_start(const struct conf_settings *conf, struct admin **admin, struct err_note *note);

/* The node serves: it can be asked about, as long as the process lives. Any thread; NULL admin is
 * allowed. */
void admin_attach(struct admin *a, struct broker *b);
/* The node is about to stop: it is no longer ready, and nothing new is asked of it. */
void admin_detach(struct admin *a);

/* Closes the port, ends the thread, frees. The node's shards have stopped. NULL is allowed. */
void admin_stop(struct admin *a);

#endif

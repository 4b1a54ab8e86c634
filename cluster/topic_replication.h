/* A topic's replication and home site (trilog.replication, trilog.home.site): whether they go
 * together, and the raft group that they ask for. */
#ifndef CLUSTER_TOPIC_REPLICATION_H
#define CLUSTER_TOPIC_REPLICATION_H

#include "cluster/metadata.h"
#include "controller.h"

/* Checks what the topic's configs would be after a TOPIC_CREATE or TOPIC_CONFIG: each was checked
 * by itself. 0, or ERR_INVALID with a sentence for the client. Takes the metadata's read lock. */
int topic_replication_check(struct metadata *m, const struct metadata_change *change,
                            struct err_note *note);

/* Makes the change that adds a raft group for the topic of a TOPIC_CREATE. False: there is one, it
 * asks for none, or none can be now. Takes the metadata's read lock; of `group` body and size are
 * set, which the controller takes. */
bool topic_replication_new_group(struct metadata *m, const struct metadata_change *change,
                                 struct controller_change *group);

#endif

/* A lost node that comes back, told so by its operator: the file "returning" in its data folder.
 *
 * After a forced recovery two lost sites are a majority of what they know. They hear of the
 * recovery when they are connected, before they can elect anybody; but where nobody who knows of it
 * runs just then (the survivor is being started, too, or is cut off from them) nothing tells this
 * return from that of two sites while the third one is away, which must serve. So an operator can
 * say it: a node that finds the file takes part in no raft group, not even by a vote, until it has
 * heard of a recovery and has put its replicas aside; that removes the file (start/recovery.h). */
#ifndef CLUSTER_MEMBERSHIP_RETURNING_H
#define CLUSTER_MEMBERSHIP_RETURNING_H

#include "broker.h"

/* Once, when the groups are open and no shard runs yet. Sets b->is_returning. 0, or the disk's
 * error: then the node must not start. Blocking. */
int returning_look(struct broker *b, struct err_note *note);

#endif

/* Waits until the partitions of a topic are open, so that a client that has created a topic can
 * use it at once.
 *
 * A partition is open when its raft group has applied the entry that says so. Every node applies
 * every group, so this node need only look at its own machines, shard by shard: what is open here
 * is open at the leader. */
#ifndef CLUSTER_REQUEST_OPEN_WAIT_H
#define CLUSTER_REQUEST_OPEN_WAIT_H

#include "request.h"

struct open_wait;
/* Also when the time is up: the topic exists, clients try again. */
typedef void (*open_wait_cb)(struct open_wait *wait);

/* In the request's arena; on the connection's shard. */
struct open_wait {
    void *data;
    struct request *request;
    uint8_t topic_id[16];
    uint64_t until_ms; /* clock */
    open_wait_cb cb;
    unsigned shard_index; /* being looked at */
    bool is_missing;      /* one that is not open was found in this round */
    struct work_item visit;
    struct request_deadline pause;
};

void open_wait_begin(struct open_wait *wait, struct request *r, const uint8_t topic_id[16],
                     uint64_t timeout_ms, open_wait_cb cb);

#endif

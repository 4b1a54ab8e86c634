/* Which committed offsets of a group are over (KIP-211). */
#ifndef CLUSTER_CONSUMER_EXPIRY_H
#define CLUSTER_CONSUMER_EXPIRY_H

#include "cluster/live_group.h"
#include "consumer/subscription.h"

struct expiry {
    const struct consumer_group *group;
    int64_t now_ms, retention_ms;                                /* wall clock */
    enum { EXPIRY_NEVER, EXPIRY_OF_ALL, EXPIRY_OF_UNREAD } what; /* private from here on */
    struct subscription_topics *topics;
    bool has_read_topics;
};

/* Borrows the group as its table shows it until expiry_end(). `live` NULL: nobody has joined. */
void expiry_begin(struct expiry *e, const struct consumer_group *group,
                  const struct live_group *live, int64_t now_ms, int64_t retention_ms);
bool expiry_is_over(struct expiry *e, const struct consumer_offset *offset);
void expiry_end(struct expiry *e);

#endif

/* Offsets of partitions, as their leaders answer after a read index (ListOffsets): first, next, or
 * the first at or after a time. */
#ifndef CLUSTER_ADMIN_OFFSET_LOOKUP_H
#define CLUSTER_ADMIN_OFFSET_LOOKUP_H

#include "admin/ask.h"
#include "cluster/metadata.h"

#define OFFSET_LOOKUP_LATEST   (-1)
#define OFFSET_LOOKUP_EARLIEST (-2)

#define OFFSET_LOOKUP_PARTITIONS_MAX 2000 /* of one question */
/* All partitions of a cluster, and of each leader some that fill no question. */
#define OFFSET_LOOKUP_PARTS_MAX                                                                    \
    (METADATA_PARTITIONS_MAX / OFFSET_LOOKUP_PARTITIONS_MAX + METADATA_LIVE_NODES_MAX)

struct offset_wish {
    const char *topic; /* borrowed until the lookup's cb */
    int32_t partition;
    int64_t timestamp_ms; /* since 1970, or one of the above */
    size_t tag;           /* the caller's own: wishes come back in another order */
    uint32_t leader;      /* out: node id, 0 when nobody is known to lead */
    bool is_known;        /* out: the leader has answered */
    int64_t offset;       /* out: -1 when no record is so late */
    int32_t leader_epoch; /* out: of that offset; -1 when there is none */
};

struct offset_lookup;
typedef void (*offset_lookup_cb)(struct offset_lookup *lookup);

/* One question: some wishes of one leader. */
struct offset_lookup_part {
    struct offset_lookup *lookup;
    struct offset_wish *wishes;
    size_t count;
};

struct offset_lookup {
    void *data;
    struct admin *admin;
    struct broker *broker;
    const void *owner;          /* of its questions: ask_cancel(owner) ends the lookup */
    struct offset_wish *wishes; /* borrowed until cb; sorted by leader, topic, partition */
    size_t count;
    offset_lookup_cb cb; /* private from here on */
    size_t pending;
    unsigned part_count;
    struct offset_lookup_part parts[OFFSET_LOOKUP_PARTS_MAX];
};

/* Asks the leaders of all wishes at once. `cb` runs once, later or from inside the call (where
 * there is nobody to ask): what no leader has answered is not known. On the port's thread. */
void offset_lookup_start(struct offset_lookup *lookup, offset_lookup_cb cb);

#endif

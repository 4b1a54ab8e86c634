/* Fetch on the side of a raft group: what one partition's read goes through there. */
#ifndef CLUSTER_FETCH_PATH_H
#define CLUSTER_FETCH_PATH_H

#include "broker.h"
#include "cluster/machine.h"
#include "log/partition.h"

/* One partition of a fetch. Inputs are set by the request; a visit sets the rest. */
struct fetch_part {
    struct broker_group *group;
    struct broker_place place;
    int64_t offset;            /* first wanted */
    int32_t leader_epoch;      /* that the client knows, or -1 */
    size_t size_bytes_max;     /* of this partition */
    bool may_follow;           /* the client can fetch from followers (Fetch 11, client.rack) */
    const char *rack;          /* client.rack; "" when it has none; outlives the fetch */
    int16_t error_code;        /* out: Kafka's */
    int64_t high_watermark;    /* out: -1 when not known */
    int64_t log_start_offset;  /* out */
    int32_t preferred_replica; /* out: node id nearer to the client, or -1 */
    struct slice *slices;      /* out: owned (fetch_part_drop); NULL when nothing was read */
    unsigned slice_count;
    size_t size_bytes;
    struct partition_waiter waiter; /* group's shard: while the fetch is parked */
};

/* Checks what can be checked without reading: role, epoch, offset, nearer replica. Returns true
 * when there are records to read. On the group's shard. */
bool fetch_part_check(struct fetch_part *part);

/* Moves what was read into the part. UV_ENOMEM drops it. */
int fetch_part_take(struct fetch_part *part, struct log_read *read);
/* Nothing was read. Where that is because the offset lies in the gap that ends the log, the part
 * gets the control batch that leads out of it, which counts as no bytes. 0 or UV_ENOMEM. On the
 * group's shard. */
int fetch_part_pass_gap(struct fetch_part *part);
void fetch_part_drop(struct fetch_part *part);

#endif

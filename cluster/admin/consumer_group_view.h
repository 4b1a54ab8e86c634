/* A consumer group as its coordinator tells it, by a read index, and where the partitions that it
 * reads begin and end, as their leaders tell it. Gathered for one call, on the port's thread. */
#ifndef CLUSTER_ADMIN_CONSUMER_GROUP_VIEW_H
#define CLUSTER_ADMIN_CONSUMER_GROUP_VIEW_H

#include "admin/call.h"
#include "admin/offset_lookup.h"
#include "protocol/arena.h"

#define CONSUMER_VIEW_BYTES_MAX (64u << 20) /* of one group's rows and texts */

/* A partition that the group has committed, is assigned, or was asked for. */
struct consumer_view_row {
    const char *topic; /* in the view's arena */
    int32_t partition;
    bool is_committed;
    int64_t committed_offset;
    int32_t leader_epoch;  /* -1: not known */
    const char *metadata;  /* or NULL */
    const char *member_id; /* who reads it, or NULL */
    bool has_start, has_end;
    int64_t start_offset, end_offset; /* while has_… */
};

struct consumer_group_view;
/* Error 0: the view is complete. Else the call was refused already. */
typedef void (*consumer_view_cb)(struct consumer_group_view *view, bool is_complete);

struct consumer_group_view {
    void *data;
    struct admin_call *call;
    const char *group_id; /* borrowed from the call */
    const char *topic;    /* NULL: all partitions; else only this topic's, committed or not */
    int32_t partition;    /* of `topic`; -1: all */
    uint32_t coordinator; /* out, as all that follows: node id */
    const char *state;    /* Kafka's name of it; "Dead": there is no such group */
    const char *protocol_type, *protocol_name;
    json_t *members;                /* owned by the view */
    struct consumer_view_row *rows; /* by topic and partition */
    size_t row_count;
    consumer_view_cb cb; /* private from here on */
    struct kafka_arena arena;
    size_t row_space;
    bool is_short; /* beyond the arena's limit */
    struct offset_wish *first, *next;
    struct offset_lookup lookups[2];
    unsigned pending;
};

/* Zeroed but for data, call, group_id, topic, partition. `cb` runs once, later or from inside the
 * call, unless it was cancelled. */
void consumer_group_view_start(struct consumer_group_view *view, consumer_view_cb cb);
/* Gives back what the view has; ends its questions. Not `view` itself. */
void consumer_group_view_close(struct consumer_group_view *view);

#endif

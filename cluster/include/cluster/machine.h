/* The state machine of a raft group: what its committed entries make.
 *
 * One kind of machine serves all groups: partitions with their records, consumer groups in
 * partitions of __consumer_offsets, and, in group 0, the cluster's metadata. Apply is a function
 * of the group's entries and nothing else (invariant 12): offsets, verdicts on repeated batches,
 * segment boundaries and the bytes of __consumer_offsets come out the same on every replica.
 *
 * All functions on the group's shard. */
#ifndef CLUSTER_MACHINE_H
#define CLUSTER_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/entry.h"
#include "cluster/metadata.h"
#include "log/store.h"
#include "replication/group.h"

struct machine;
struct consumer_table; /* cluster/consumer_table.h */

/* A partition as the machine knows it. */
struct partition {
    uint32_t number;           /* within the group */
    uint16_t flags;            /* enum partition_flag */
    int32_t epoch_base;        /* leader epoch = this + term */
    struct log_partition *log; /* owned by the group's store */
    struct log_partition_id id;
    struct log_partition_settings settings;
    struct consumer_table *consumers; /* of an offsets partition, else NULL */
    uint64_t moved_index;             /* raft index of the MOVE_OUT that closed it; 0: it is open */
    int32_t moved_epoch;              /* its leader epoch at that entry */
    uint64_t opened_index;            /* raft index of the last MOVE_IN that opened it, when that
                                         was since the last start, else 0; not part of the state */
    bool is_shown_elsewhere;          /* moved away, and this node's metadata says so: nobody is
                                         served from here any more; not part of the state */
    struct partition_waiter *waiters; /* wait for the next offset to rise (long polls) */
};

/* Woken once, on the group's shard, when the partition's next offset is above `offset`, when the
 * partition is closed, or when the group's role changes; then it is out of the list. */
struct partition_waiter {
    void *data;
    int64_t offset;
    void (*on_wake)(struct partition_waiter *waiter);
    struct partition_waiter *next, **previous; /* private; previous is NULL when not listed */
};

/* What apply answered for an entry of this node. */
struct machine_result {
    int error; /* 0 or: ERR_NOT_FOUND (no such partition), ERR_INVALID … */
    enum log_producer_verdict verdict; /* RECORD_BATCH */
    int64_t base_offset;               /* RECORD_BATCH: given, or the first time for a duplicate */
    int64_t log_append_time_ms;        /* RECORD_BATCH with LogAppendTime, else -1 */
    int64_t log_start_offset;          /* RECORD_BATCH, LOG_START */
    struct metadata_result metadata;   /* METADATA */
    struct bytes detail; /* GROUP_STATE: borrowed during on_applied; consumer_table.h */
};

struct machine_request;
typedef void (*machine_cb)(struct machine_request *req, int status);

/* One entry proposed by this node and what became of it. Embed it in your own. */
struct machine_request {
    void *data;                   /* the caller's own */
    struct repl_submit submit;    /* head.kind, head.partition_number and body set by the caller */
    struct machine_result result; /* out, when status is 0 */
    machine_cb cb;                /* private, set by machine_submit */
};

struct machine_options {
    uint32_t group_id;
    struct metadata *metadata;       /* group 0 only, else NULL: written by apply */
    void (*on_metadata)(void *data); /* group 0 only: something changed (once a turn) */
    void *metadata_data;
    void (*on_role)(void *data, enum repl_role role, uint64_t term); /* passed on */
    void *role_data;
#ifdef TRILOG_BREAK_APPLY_READS_LOCAL
    size_t broken_batch_size_max; /* a local setting that apply must not read */
#endif
};

int machine_create(const struct machine_options *options, struct machine **machine);
void machine_destroy(struct machine *m);

/* The callbacks for repl_group_create. */
struct repl_machine machine_callbacks(struct machine *m);
/* Set once after repl_group_create, so that machine_submit can be used. */
void machine_set_group(struct machine *m, struct repl_group *group);

/* Proposes. Returns 0: `cb` runs exactly once, later: status 0 with `result`, or
 * ERR_LEADERSHIP_LOST (unknown fate), ERR_NOT_LEADER (it never entered the log), ERR_CLOSED.
 * Returns ERR_NOT_LEADER, ERR_BUSY: no `cb`. */
int machine_submit(struct machine *m, struct machine_request *req, machine_cb cb);
/* The same, also for a leader that may not serve yet (repl_group_submit_ahead): what it has applied
 * so far may be behind what it leads. */
int machine_submit_ahead(struct machine *m, struct machine_request *req, machine_cb cb);

/* NULL when not open. */
struct partition *machine_partition(struct machine *m, uint32_t number);
typedef void (*machine_partition_cb)(void *data, struct partition *p);
void machine_each_partition(struct machine *m, machine_partition_cb cb, void *data);

void machine_wait(struct partition *p, struct partition_waiter *waiter);
void machine_wait_cancel(struct partition_waiter *waiter); /* also when not listed */

/* Of a partition that moved away: what its new group opens it from (cluster/move_entry.h). Owned
 * (free). ERR_NOT_FOUND; ERR_BUSY: not in a durable checkpoint yet; UV_ENOMEM. */
int machine_moved_state(struct machine *m, uint32_t number, uint8_t **bytes, size_t *size);
/* Partitions whose moved state has come in part. */
typedef void (*machine_incoming_cb)(void *data, uint32_t number);
void machine_each_incoming(struct machine *m, machine_incoming_cb cb, void *data);
/* This node's metadata shows the moved partition elsewhere: wakes who waits at it. */
void machine_show_elsewhere(struct partition *p);

bool machine_is_ready(const struct machine *m); /* leader that may serve */
int32_t machine_leader_epoch(const struct machine *m, const struct partition *p);
int64_t machine_wall_ms(const struct machine *m); /* clock of the last applied entry */
uint32_t machine_feature_level(const struct machine *m);

/* How many records an entry carries (`data` is not looked at), and those of all entries applied
 * since the group began: as struct repl_machine wants them; `data` is the machine. */
uint32_t machine_count(void *data, const struct repl_entry_head *head, struct bytes body);
void machine_totals(void *data, struct repl_totals *totals);

/* A checksum over the applied state (partitions' offsets, epochs, producers, consumer tables,
 * metadata) for comparing replicas at the same index (invariant 8). */
uint32_t machine_checksum(struct machine *m);

struct machine_counters {
    uint64_t batches, duplicates, out_of_order, fenced, unknown_partition, malformed;
};
void machine_counters(const struct machine *m, struct machine_counters *counters);

#endif

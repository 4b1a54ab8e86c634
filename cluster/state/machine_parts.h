/* The inside of a group's state machine; shared by its files only. */
#ifndef CLUSTER_STATE_MACHINE_PARTS_H
#define CLUSTER_STATE_MACHINE_PARTS_H

#include <uthash.h>

#include "cluster/consumer_table.h"
#include "cluster/machine.h"
#include "byte_list.h"

/* A partition with its places in the machine's tables. */
struct partition_entry {
    struct partition partition; /* what others see; first, so that the pointers are the same */
    bool is_grown;              /* has new records since waiters were last looked at */
    struct partition_entry *grown_next;
    UT_hash_handle hh; /* by number */
};

/* The state of a partition that moves here, as far as its pieces have come. */
struct incoming {
    uint32_t number;
    uint32_t from_group;
    uint64_t from_index;
    uint32_t total_size;
    struct byte_list bytes;
    UT_hash_handle hh; /* by number */
};

struct machine {
    struct machine_options options;
    struct repl_group *group;           /* NULL until set */
    struct log_store *store;            /* given by restore */
    struct partition_entry *partitions; /* by number */
    struct partition_entry *grown;      /* partitions with new records, in no order */
    struct incoming *incoming;          /* by number */
    int64_t wall_ms;                    /* clock of the last applied entry */
    uint32_t feature_level;             /* of the group's log */
    struct repl_totals totals;          /* of all entries applied since the group began */
    uint64_t closed_version;   /* newest metadata version by which a partition was closed */
    uint64_t term;             /* of the role */
    bool is_ready;             /* leader that may serve */
    bool has_metadata_changed; /* since the last turn */
    struct machine_counters counters;
};

/* machine_apply.c */
void machine_apply(void *data, const struct log_entry *entry, const struct repl_entry_head *head,
                   struct repl_submit *own);

/* machine_move.c: as what machine_apply.c does. Ints: 0 or UV_ENOMEM. */
void machine_apply_move_out(struct machine *m, struct partition_entry *entry,
                            const struct log_entry *raft_entry);
int machine_apply_move_in(struct machine *m, uint32_t number, const struct log_entry *raft_entry,
                          struct machine_result *result);
/* Was there any? */
bool machine_forget_incoming(struct machine *m, uint32_t number);
void machine_put_incoming(struct machine *m, struct byte_list *list);
int machine_read_incoming(struct machine *m, struct bytes_reader *r);

/* machine_recovery.c: as what machine_apply.c does. 0 or UV_ENOMEM. */
int machine_apply_recovery(struct machine *m, const struct log_entry *raft_entry,
                           struct machine_result *result);
/* Of a partition that is opened: a gap up to its first offset, if that is behind recoveries. */
int machine_stride_to(struct partition *p, int64_t first_offset);

/* machine_count.c */
void machine_add_to_totals(struct machine *m, const struct repl_entry_head *head,
                           struct bytes body);

/* machine_snapshot.c */
int machine_encode_state(void *data, uint8_t **bytes, size_t *size, uint32_t *feature_level);
int machine_restore(void *data, struct log_store *store, const struct log_store_state *state);

/* machine.c */
struct partition_entry *machine_entry(struct machine *m, uint32_t number);
/* Adds a partition; its log and consumer table become the machine's to close. NULL: no memory. */
struct partition_entry *machine_add(struct machine *m, const struct partition *partition);
/* Wakes its waiters and forgets it; the store keeps or removes the log. */
void machine_forget(struct machine *m, struct partition_entry *entry);
void machine_mark_grown(struct machine *m, struct partition_entry *entry);

#endif

/* The model's inside; shared by sim_check*.c only. */
#ifndef SIM_CHECK_PARTS_H
#define SIM_CHECK_PARTS_H

#include "sim/sim_check.h"
#include "sim/sim_compaction.h"

/* A committed command, as the first replica applied it. */
struct seen_entry {
    uint64_t term; /* 0: not seen (or no command) */
    uint32_t crc;
    int64_t next_before, next_after; /* of its partition */
    int64_t acknowledged_ms;         /* by the clock of who said so first */
    struct repl_entry_head head;
    uint8_t head_bytes[LOG_ENTRY_HEAD_SIZE];
    struct buffer *body;  /* whole, for the replay */
    bool is_acknowledged; /* someone was told that it is done */
    bool has_checksum;    /* of the state after it */
    uint32_t checksum;
};

/* A batch that got offsets. */
struct seen_batch {
    int64_t base_offset, next_offset;
    uint32_t crc; /* Kafka's own, over what does not change */
    int32_t leader_epoch;
    uint64_t index;
    uint32_t client;
    uint64_t number;
};

/* A record of the compacted partition. */
struct seen_record {
    uint32_t sum;
    int64_t timestamp_ms;
    uint8_t key;
    bool is_tombstone;
};

struct check_partition {
    bool is_open, is_closed;
    bool is_of_offsets;   /* carries consumer groups */
    uint64_t moved_index; /* of the entry that closed it for a move; 0: none */
    int32_t epoch_base;
    int64_t next_offset;
    int64_t given_end;          /* offsets below were given, perhaps in a history that is lost */
    int64_t log_start;          /* highest that an entry asked for */
    struct seen_batch *batches; /* by offset */
    size_t batch_count, batch_capacity;
    struct seen_record *records; /* by offset, of the compacted one */
    size_t record_capacity;
    int64_t newest[SIM_KEYS];              /* offset of each key's newest record */
    uint64_t last_number[SIM_CLIENTS_MAX]; /* per client: number of its last batch + 1 */
};

/* A vote or a term that a raft id had on disk. */
struct seen_vote {
    uint64_t raft_id, term, voted_for;
};

/* What a forced recovery is about to lose, as it says. */
struct check_plan {
    uint64_t kept_index;
    uint64_t records; /* known lost */
    int64_t known_until_ms;
};

struct check_group {
    uint32_t group_id;
    uint32_t generation;
    struct check_plan plan;
    bool is_recovery_told;      /* the newest recovery's entry was met: it may be met again */
    uint64_t replayed_index;    /* by the survivor, so far */
    int64_t replay_next_before; /* of the partition of the entry that it is at */
    struct seen_entry *entries; /* by index */
    size_t entry_capacity;
    uint64_t last_index; /* highest command seen */
    uint64_t acknowledged_index;
    struct check_partition partitions[SIM_PARTITION_NUMBERS];
    uint64_t *leaders; /* by term: raft id, 0 unknown */
    size_t leader_capacity;
    struct seen_vote *votes;
    size_t vote_count, vote_capacity;
    unsigned voter_count_min; /* of the last two configurations seen */
    unsigned voter_count;
    uint64_t configuration_hash; /* of the last one seen */
    uint64_t configuration_term; /* of the leader that showed it */
};

struct sent_batch {
    uint32_t crc;
    bool is_sent;
    bool is_acknowledged;
    int64_t acknowledged_offset;
    uint32_t group_id, partition; /* where it was seen */
    int64_t seen_offset;          /* -1: not yet */
};

struct check_client {
    bool is_idempotent;
    struct sent_batch *batches; /* by number */
    size_t capacity;
};

struct sim_check {
    struct sim *sim;
    struct check_group groups[SIM_RAFT_GROUPS_MAX];
    struct check_client clients[SIM_CLIENTS_MAX];
    struct check_consumers *consumers; /* see sim_check_consumer.c; NULL: there are none */
};

static inline struct check_group *check_group_of(struct sim_check *c, uint32_t group_id)
{
    return &c->groups[group_id - 1];
}

/* Is its replica held, and of a generation that is over? What it does then is nobody's. */
bool check_is_over(struct sim_check *c, const struct sim_group *g);

/* The partition of this place is, wherever it is, one whose records have keys. */
bool check_is_compacted(const struct sim_check *c, uint32_t group_id, uint32_t partition);

/* Somebody is told that the entry is done. */
void check_acknowledge(struct sim_check *c, uint32_t group_id, uint64_t index, int64_t wall_ms);

/* The first time that an entry is applied. */
void check_note_first(struct sim_check *c, struct check_group *g,
                      const struct sim_applied *applied);
/* What it does to the model's history. */
void check_note_effect(struct sim_check *c, struct check_group *g,
                       const struct sim_applied *applied);
/* NULL when nobody sent it. */
struct sent_batch *check_find_sent(struct sim_check *c, uint32_t client, uint64_t number);

/* Makes room for `index` in an array of items of this size, zeroed. */
void *check_grow(void *items, size_t *capacity, size_t index, size_t item_size);

/* ---- consumer groups over a forced recovery (sim_check_consumer_recovery.c) ---- */

/* The survivor's replica, as its order is about to be written. */
void sim_check_consumers_plan(struct sim_check *c, struct sim_group *g);
/* What lies behind the kept index is about to be forgotten. */
void sim_check_consumers_lose(struct sim_check *c, const struct check_group *g);
/* All is forgotten; then each kept entry is told again; then the table must be so. */
void sim_check_consumers_forget(struct sim_check *c, const struct check_group *g);
void sim_check_consumers_again(struct sim_check *c, const struct check_group *g,
                               const struct sim_applied *applied);
void sim_check_consumers_recovered(struct sim_check *c, const struct check_group *g,
                                   struct machine *machine, unsigned node_id);
/* A replica begins from a checkpoint or a shipped snapshot. */
void sim_check_consumers_restored(struct sim_check *c, struct sim_group *g);

/* The batch that holds the offset, or NULL. */
const struct seen_batch *check_find(const struct check_partition *p, int64_t offset);

#endif

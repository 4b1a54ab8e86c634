/* The consumer groups of one partition of __consumer_offsets, as its entries made them.
 *
 * A GROUP_STATE entry (cluster/group_entry.h) carries a commit, a membership (one generation's
 * members and assignments), or a deletion. Apply decides; only what it accepted becomes records
 * of the partition, in Kafka's own layout. Every replica keeps the table, so a new coordinator
 * answers at once. Pure; part of the group's checkpoint.
 *
 * The no-rollback rule is here (consumer/table_commit.c), and so is the history of what moved a
 * group's offsets (consumer/table_history.c): who, from where, when, from which to which.
 *
 * Generations never repeat (invariant 13): a number is taken by an entry before any member hears
 * of it, and a group that is made again starts above all that were ever taken here. */
#ifndef CLUSTER_CONSUMER_TABLE_H
#define CLUSTER_CONSUMER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "cluster/group_entry.h"

#define CONSUMER_GROUP_ID_SIZE_MAX 1024
#define CONSUMER_GROUP_BYTES_MAX   (16u << 20)  /* of one group's offsets */
#define CONSUMER_TABLE_BYTES_MAX   (256u << 20) /* of one table */

/* The history's bounds; past them the oldest lines go, as they do past the time that is set. Lines
 * that only go forward, and the others, have such bounds each: so the former never push out the
 * latter. */
#define CONSUMER_HISTORY_LINES_MAX 500        /* of one group */
#define CONSUMER_HISTORY_BYTES_MAX (2u << 20) /* of one table */
#define CONSUMER_HISTORY_TEXT_MAX  255        /* of a client's id, host and member id */

struct consumer_table;

int consumer_table_create(struct consumer_table **table);
void consumer_table_destroy(struct consumer_table *t);

/* Applies the body of a GROUP_STATE entry. What it accepted comes back as one uncompressed
 * record batch v2 (base offset 0, timestamps from wall_ms) in *batch, owned (free), with
 * *batch_size 0 when nothing is to be recorded. *error is the verdict: 0, ERR_MALFORMED,
 * ERR_VERSION, ERR_TOO_LARGE, ERR_FULL (the table is full), ERR_NOT_FOUND (no such group),
 * ERR_GROUP_GENERATION, ERR_GROUP_MEMBER, ERR_GROUP_NOT_EMPTY. *detail, owned (free), is the answer
 * for the proposer: of a commit that got no error, what became of each offset
 * (commit_detail_read); else NULL. Returns 0, or UV_ENOMEM (ends the process). */
int consumer_table_apply(struct consumer_table *t, struct bytes body, int64_t wall_ms, int *error,
                         uint8_t **batch, size_t *batch_size, uint8_t **detail,
                         size_t *detail_size);

/* A forced recovery: generations move on, and memberships are over: nobody knows which members the
 * lost side has let in since. Members that live join anew; offsets stay, and of a group that had
 * members they expire no sooner than if its last one had left at `wall_ms`, having just committed
 * them where an old client said for how long. */
void consumer_table_stride(struct consumer_table *t, int32_t generations, int64_t wall_ms);

enum commit_outcome {
    COMMIT_STORED = 0,  /* of a member, not below what was stored */
    COMMIT_REWIND = 1,  /* of a member, below, and stored */
    COMMIT_OUTSIDE = 2, /* of no member: stored, as Kafka does */
    COMMIT_KEPT = 3,    /* below what others had stored: that stays; the client is told success */
    COMMIT_DENIED = 4   /* below what was stored, under `deny`: that stays */
};
#define COMMIT_OUTCOME_COUNT 5

struct commit_result {
    enum commit_outcome outcome;
    bool is_news;   /* the history has a line more: it did not just go on */
    int64_t before; /* what was stored before the commit; -1: nothing */
};
/* Of the offset at this place of the commit; false when the detail has none. */
bool commit_detail_read(struct bytes detail, uint32_t at, struct commit_result *result);

int consumer_table_encode(const struct consumer_table *t, uint8_t **bytes, size_t *size);
int consumer_table_decode(struct consumer_table *t, struct bytes from);

/* ---- queries; what they show is valid until the next apply or decode ---- */

struct consumer_group {
    struct kafka_string group_id;
    int32_t generation_taken;           /* the next one is above this */
    int64_t changed_at_ms;              /* wall clock of the last membership, or of its end by a
                                           forced recovery; 0: it has had none */
    bool has_membership;                /* else it has only had offsets, or a number taken, since it
                                           began, or since a forced recovery */
    struct group_membership membership; /* zero when it has none */
    enum group_policy policy;           /* its own, or GROUP_POLICY_DEFAULT */
    uint32_t offset_count;
};

struct consumer_offset {
    struct group_offset committed;
    int64_t committed_at_ms;       /* wall clock */
    int64_t expire_at_ms;          /* -1: by the broker's retention */
    int32_t generation;            /* in which it was committed; -1: by no member */
    struct kafka_string member_id; /* and by whom; "": by no member */
    int64_t floor;                 /* what others had stored before that member, in that generation,
                                      began to commit: it may go back so far; -1: nothing */
    uint64_t metadata_version;     /* newest in which a commit of it saw its topic */
};

bool consumer_table_group(const struct consumer_table *t, struct kafka_string group_id,
                          struct consumer_group *group);
/* The next group's generation is above this even when it is new. */
int32_t consumer_table_generation_floor(const struct consumer_table *t);
bool consumer_table_has_member(const struct consumer_table *t, struct kafka_string group_id,
                               struct kafka_string member_id);
bool consumer_table_offset(const struct consumer_table *t, struct kafka_string group_id,
                           struct kafka_string topic, int32_t partition,
                           struct consumer_offset *offset);

typedef void (*consumer_group_cb)(void *data, const struct consumer_group *group);
void consumer_table_each_group(const struct consumer_table *t, consumer_group_cb cb, void *data);
typedef void (*consumer_offset_cb)(void *data, const struct consumer_offset *offset);
void consumer_table_each_offset(const struct consumer_table *t, struct kafka_string group_id,
                                consumer_offset_cb cb, void *data);

/* ---- history ---- */

enum history_kind {
    HISTORY_COMMIT = 1,     /* a member went forward */
    HISTORY_REWIND = 2,     /* a member went back, and that was done */
    HISTORY_OUTSIDE = 3,    /* a tool, or a program that is no member */
    HISTORY_KEPT = 4,       /* a member asked to go back; what was stored stayed */
    HISTORY_DENIED = 5,     /* the same, and it was told so */
    HISTORY_DELETED = 6,    /* by OffsetDelete or DeleteGroups */
    HISTORY_EXPIRED = 7,    /* offsets.retention.minutes */
    HISTORY_TOPIC_GONE = 8, /* the topic was deleted */
    HISTORY_POLICY = 9      /* the group's policy: old and new are enum group_policy */
};
#define HISTORY_KIND_COUNT 10

/* One act; or several in a row, when they were one client's that went forward, or one client's
 * that were refused. */
struct history_line {
    enum history_kind kind;
    int64_t first_at_ms, last_at_ms; /* entry clock */
    uint32_t count;                  /* acts in it */
    int32_t generation;              /* -1: of no member */
    struct kafka_string member_id;   /* this and the next two: cut where very long */
    struct kafka_string client_id, client_host;
    struct kafka_string topic; /* "" and -1 where it is about no partition */
    int32_t partition;
    int64_t old_offset; /* before the first; of what was refused: what stayed. -1: nothing */
    int64_t new_offset; /* after the last; of what was refused: what was asked for */
};

/* Oldest first. Also of a group that is gone. */
typedef void (*consumer_history_cb)(void *data, const struct history_line *line);
void consumer_table_each_history(const struct consumer_table *t, struct kafka_string group_id,
                                 consumer_history_cb cb, void *data);
/* When the line that has been silent for longest was last added to; INT64_MAX without lines. */
int64_t consumer_table_history_oldest_ms(const struct consumer_table *t);
size_t consumer_table_history_bytes(const struct consumer_table *t);

/* The newest metadata in which a committed offset's topic was seen. Who knows at least this
 * version and not the topic knows that it was deleted. */
uint64_t consumer_table_metadata_version(const struct consumer_table *t);
size_t consumer_table_bytes(const struct consumer_table *t); /* without the history */

#endif

/* What was found wrong: a count per property, and the first few of each in full. */
#ifndef CHECK_VERDICT_H
#define CHECK_VERDICT_H

#include "history.h"

/* name in the output, what it says */
#define PROPERTIES(X)                                                                              \
    X(LOST, "lost", "acknowledged, but not in a final read")                                       \
    X(TWO_RECORDS, "two-records-at-one-offset", "observers saw different records at an offset")    \
    X(TWO_OFFSETS, "record-at-two-offsets", "an idempotent producer's record lies at two offsets") \
    X(INVENTED, "invented", "read, but never sent like that")                                      \
    X(READ_THOUGH_FAILED, "read-though-failed", "there, though the send is said to have failed")   \
    X(READ_THEN_GONE, "read-then-gone", "read by somebody, and not there at the end")              \
    X(PRODUCER_ORDER, "producer-order", "a producer's records lie in another order than sent")     \
    X(REAL_TIME, "offsets-real-time", "sent after another was there, and has the lower offset")    \
    X(POLL_GAP, "poll-gap", "a reader skipped records")                                            \
    X(POLL_STEP_BACK, "poll-step-back", "a reader got records again without having moved")         \
    X(THROWN_TO_BEGINNING, "thrown-to-beginning", "a reader was set to the log's beginning")       \
    X(THROWN_TO_END, "thrown-to-end", "a reader was set to the log's end")                         \
    X(COMMIT_ROLLED_BACK, "commit-rolled-back", "a commit that had been acknowledged is undone")   \
    X(COMMIT_FROM_NOWHERE, "commit-from-nowhere", "a group's offset that nobody committed")        \
    X(COMMIT_BEYOND_END, "commit-beyond-end", "a group's offset behind the end of the log")        \
    X(WRONG_RESUME, "wrong-resume", "a group went on at another offset than committed")            \
    X(REPLICAS_DIFFER, "replicas-differ", "replicas hold different things at the end")             \
    X(TWO_LEADERS, "two-leaders-in-one-epoch", "an epoch of a partition had two leaders")          \
    X(EPOCH_STEP_BACK, "epoch-step-back", "a later record has an earlier leader's epoch")          \
    X(STALE_LIST_OFFSETS, "stale-list-offsets", "a log's bounds as they can't have been")          \
    X(ACKNOWLEDGED_TWICE, "acknowledged-twice", "a send was completed a second time")

enum property {
#define X(name, text, meaning) name,
    PROPERTIES(X)
#undef X
        PROPERTY_COUNT
};

struct violation {
    uint32_t record;             /* NONE */
    uint32_t partition;          /* NONE */
    uint32_t process;            /* NONE */
    int64_t offset, epoch, node; /* -1: says nothing */
    struct place place;
    char what[240]; /* one sentence */
};

struct verdict {
    struct history *history; /* judged records are marked in it */
    size_t shown_max;        /* of each property */
    uint64_t counts[PROPERTY_COUNT];
    VECTOR(struct violation) shown[PROPERTY_COUNT];
    VECTOR(char *) incomplete; /* what could not be judged, in words */
    uint64_t incomplete_count;
    /* What is no violation, and worth a number. */
    uint64_t repeated_plain; /* records of producers that are not idempotent, lying there again */
    uint64_t lost_records, lost_bytes;
    /* What forced recoveries took, and may: acknowledged records, others that were read. */
    uint64_t taken_records, taken_bytes, taken_reads;
    int64_t lost_time_us; /* from the oldest lost acknowledgement to the fault behind it */
    uint64_t unjudged_partitions;
    uint64_t unknown_values, unjudged_fetches; /* after a file was cut short */
};

const char *property_name(enum property property);
const char *property_meaning(enum property property);

void verdict_init(struct verdict *v, struct history *h, size_t shown_max);
void verdict_close(struct verdict *v);

/* Nothing known but what is set afterwards. */
struct violation violation_blank(void);
/* About a record at an offset, with what the slot knows. slot: may be NULL */
struct violation violation_at(const struct history *h, uint32_t partition, int64_t offset,
                              const struct slot *slot);
/* Counts it, and keeps it if there is room; `format` makes its sentence. */
__attribute__((format(printf, 4, 5))) void verdict_add(struct verdict *v, enum property property,
                                                       struct violation violation,
                                                       const char *format, ...);
__attribute__((format(printf, 2, 3))) void verdict_add_incomplete(struct verdict *v,
                                                                  const char *format, ...);
uint64_t verdict_violations(const struct verdict *v);

/* ---- the properties: each adds what it finds ---- */
void judge_records(struct verdict *v); /* property_records.c */
void judge_order(struct verdict *v);   /* property_order.c */
void judge_readers(struct verdict *v); /* property_readers.c */
void judge_commits(struct verdict *v); /* property_commits.c */
void judge_cluster(struct verdict *v); /* property_cluster.c */
void judge(struct verdict *v);         /* all of them */

/* What a jump from one offset to another is called: thrown to an end of the log, or `otherwise`.
 * last_at: when the reader was last known to be where it should be */
enum property reader_jump_is(const struct history *h, uint32_t partition, int64_t from, int64_t to,
                             int64_t last_at, enum property otherwise);

#endif

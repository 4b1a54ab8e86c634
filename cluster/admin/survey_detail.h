/* What a survey that asks for it brings of each partition and consumer group, from one shard.
 *
 * All partitions of the shard's replicas, for the lag of a group that is coordinated here may be in
 * a partition that is led elsewhere; of consumer groups those that are coordinated here. Offsets of
 * consumer groups are bounded: a group whose offsets have no room any more is counted, not shown.
 */
#ifndef CLUSTER_ADMIN_SURVEY_DETAIL_H
#define CLUSTER_ADMIN_SURVEY_DETAIL_H

#include "broker.h"
#include "state/byte_list.h"

/* Offsets that a forced recovery has left out: nobody's lag. */
struct survey_gap {
    int64_t from, until;
};

struct survey_partition {
    uint32_t group_id; /* raft group */
    uint32_t number;   /* within it */
    bool is_led;       /* here, and served */
    int64_t start_offset, next_offset;
    size_t gap_at; /* among the detail's gaps */
    unsigned gap_count;
};

/* Texts are places in `texts`, each with its end. */
struct survey_consumer {
    size_t group_at;
    uint32_t member_count;
};

struct survey_commit {
    size_t group_at, topic_at;
    int32_t partition;
    int64_t offset;
};

struct survey_detail {
    size_t commits_max; /* of consumer groups, and of their offsets, each; set before */
    struct survey_partition *partitions;
    size_t partition_count, partition_space;
    struct survey_gap *gaps; /* of a partition together, rising */
    size_t gap_count, gap_space;
    struct survey_consumer *consumers;
    size_t consumer_count, consumer_space;
    struct survey_commit *commits;
    size_t commit_count, commit_space;
    struct byte_list texts;
    uint64_t consumers_left_out, commits_left_out;
    bool is_failed; /* no memory: not to be used */
};

/* Adds one raft group; on its shard. */
void survey_detail_take(struct survey_detail *d, struct broker_group *g);
/* How many offsets of [from, until) lie in the gap. */
int64_t survey_gap_within(const struct survey_gap *gap, int64_t from, int64_t until);
void survey_detail_close(struct survey_detail *d);

#endif

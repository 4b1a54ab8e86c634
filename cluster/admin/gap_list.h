/* The offsets that forced recoveries have left out, of all partitions that have a replica here:
 * what lies between two offsets is not all records. */
#ifndef CLUSTER_ADMIN_GAP_LIST_H
#define CLUSTER_ADMIN_GAP_LIST_H

#include "admin/survey.h"

struct gap_list_item {
    uint32_t group_id, number; /* of the partition */
    struct survey_gap gap;
};

struct gap_list {
    struct gap_list_item *items; /* owned; by partition, rising */
    size_t count;
};

/* From a detailed survey; of silent shards nothing. 0 or UV_ENOMEM. */
int gap_list_take(struct gap_list *list, const struct survey *survey);
/* How many of the partition's offsets of [from, until) were left out. */
int64_t gap_list_within(const struct gap_list *list, uint32_t group_id, uint32_t number,
                        int64_t from, int64_t until);
void gap_list_close(struct gap_list *list);

#endif

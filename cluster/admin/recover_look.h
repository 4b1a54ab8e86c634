/* What a forced recovery's plan needs of this node's shards, beyond a survey. */
#ifndef CLUSTER_ADMIN_RECOVER_LOOK_H
#define CLUSTER_ADMIN_RECOVER_LOOK_H

#include "admin/survey.h"
#include "cluster/consumer_table.h"

#define RECOVER_OFFSETS_MAX 500000 /* committed offsets kept of a shard; the rest is counted */

struct recover_group {
    bool is_known;
    uint64_t last_term;      /* of the last entry that this replica has */
    int64_t applied_wall_ms; /* its leader's clock in the last entry applied here; 0: none */
    unsigned member_count;
    struct repl_member members[REPL_MEMBERS_MAX];
};

struct recover_partition {
    struct log_partition_id id;
    uint32_t group_id;
    int64_t next_offset; /* applied here */
};

struct recover_offset {
    char *group; /* owned */
    uint8_t topic_id[16];
    int32_t partition;
    int64_t offset;
};

struct recover_shard {
    struct recover_partition *partitions;
    size_t partition_count, partition_capacity;
    struct recover_offset *offsets;
    size_t offset_count, offset_capacity;
    size_t offsets_max;                           /* kept at most */
    size_t offsets_left_out, partitions_left_out; /* beyond that, or without memory */
};

struct recover_look {
    struct recover_group groups[METADATA_GROUPS_MAX];
    unsigned shard_count;
    struct recover_shard shards[REPL_SHARDS_MAX];
};

/* Owned; freed by the survey. */
struct recover_look *recover_look_create(unsigned shard_count);
/* What it keeps of one group, on the group's shard. */
void recover_look_at(struct recover_look *look, unsigned shard, uint32_t group_id,
                     struct machine *machine);
/* For survey_start_with. */
struct survey_look recover_look_of(struct recover_look *look);
/* Once, when all shards have answered, before anything is looked for. */
void recover_look_sort(struct recover_look *look);
/* NULL when this node has no such partition, or its shard was silent. */
const struct recover_partition *recover_look_find(const struct recover_look *look,
                                                  const uint8_t topic_id[16], int32_t partition);

#endif

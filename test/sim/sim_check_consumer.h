/* The model of consumer groups: its inside; shared by sim_check_consumer*.c, sim_check_told.c and
 * sim_check_offsets.c only. */
#ifndef SIM_CHECK_CONSUMER_H
#define SIM_CHECK_CONSUMER_H

#include "sim/sim_check_parts.h"
#include "sim/sim_consumer.h"

/* What a group has committed of a partition, from this index on. */
struct seen_value {
    uint64_t index;
    int64_t offset; /* -1: nothing */
    int64_t committed_at_ms, expire_at_ms;
    int32_t generation; /* by whom: -1 and "" for no member */
    char member_id[SIM_MEMBER_ID_SIZE];
    int64_t others; /* what others had committed before that member, in that generation, began */
};

struct seen_offsets {
    struct seen_value *values; /* oldest first; none: nothing was ever committed */
    size_t count, capacity;
    uint64_t acknowledged_index; /* of the newest change that anybody was told */
};

/* What members were told of a generation. */
struct seen_generation {
    int32_t number;
    uint8_t leader;              /* client that was told the members, + 1 */
    uint32_t members;            /* checksum of their ids */
    uint8_t owner[SIM_CONSUMED]; /* client that was given the partition, + 1 */
};

struct seen_group {
    bool is_there;
    int64_t changed_at_ms; /* of the last membership, or of its end by a forced recovery */
    int64_t ended_at_ms;   /* of its end by one; 0: it has had members since, or never */
    int32_t taken;         /* highest generation that an entry has taken since it is there */
    int32_t highest;       /* ever */
    int32_t generation;
    enum group_policy policy;
    unsigned member_count;
    char members[SIM_MEMBERS_MAX][SIM_MEMBER_ID_SIZE];
    struct seen_offsets offsets[SIM_CONSUMED];
    struct seen_generation *generations; /* in the order in which they were first told */
    size_t generation_count, generation_capacity;
};

struct check_consumers {
    struct seen_group groups[SIM_CONSUMER_GROUPS];
    int32_t floor[SIM_GROUPS];     /* by raft group: of the groups that were deleted */
    int64_t highest[SIM_CONSUMED]; /* that anybody has committed of a partition */
    int64_t read[SIM_CONSUMER_GROUPS][SIM_CONSUMED]; /* from the records of a replica */
    int64_t held[SIM_CONSUMER_GROUPS][SIM_CONSUMED]; /* by the survivor, at its order */
    uint64_t held_index[SIM_GROUPS];                 /* by raft group: applied there by then */
    bool is_telling_again; /* what was seen: nothing of it counts, or can be wrong, once more */
};

/* A replica's table, to be compared. */
struct seen_table {
    struct sim_check *check;
    const struct consumer_table *table;
    unsigned node_id;
};

static inline struct seen_group *seen_of(const struct sim_check *c,
                                         const struct sim_consumer_group *g)
{
    return &c->consumers->groups[g->number];
}

/* NULL for a name of none. */
const struct sim_consumer_group *seen_group_named(struct kafka_string name);
/* The value that was there at that index. */
const struct seen_value *seen_value_at(const struct seen_offsets *o, uint64_t index);

/* What the entry does. */
void seen_change_by(struct sim_check *c, const struct sim_applied *applied);

/* An entry says that the offset is over: may it go? Not while a member reads it; it is a violation
 * when that is said too early. */
bool seen_may_expire(struct sim_check *c, const struct sim_consumer_group *group, unsigned place,
                     int64_t wall_ms);

/* What the table has; -1: nothing. */
int64_t seen_table_offset(const struct seen_table *t, const struct sim_consumer_group *group,
                          unsigned place);
/* The groups of the raft group must have committed there what they had after the index. */
void seen_table_compare_offsets(const struct seen_table *t, uint32_t group_id, uint64_t index);
/* The same after the last index, and all else that the model knows of these groups. */
void seen_table_compare(const struct seen_table *t, uint32_t group_id, uint64_t index);

#endif

/* Committed beyond what survives: these consumers wait for the first new record.
 *
 * What survives is told by what the survivor has applied. One that began anew while nobody told it
 * what is committed has applied its checkpoint only: it may keep more than is said here, and a
 * partition that was opened since has none yet.
 *
 * Offset and partition may lie on two shards, so both are gathered first (recover_look.h). What
 * there was no room for is counted: a list that is cut says so. */
#include "admin/recover_beyond.h"

struct beyond {
    const struct recover_plan *plan;
    json_t *rows;
    size_t count, not_looked_at;
    bool knows_all_partitions;
};

static void add_row(struct beyond *beyond, const struct recover_offset *o, int64_t next_offset)
{
    const struct metadata_topic *t = metadata_topic_by_id(beyond->plan->broker->metadata,
                                                          o->topic_id);
    if (beyond->count++ < RECOVER_SHOWN_MAX)
        json_array_append_new(beyond->rows,
                              json_pack("{s:s, s:s, s:i, s:I, s:I}", "group", o->group, "topic",
                                        t == NULL ? "" : t->name, "partition", (int)o->partition,
                                        "committed", (json_int_t)o->offset, "survives",
                                        (json_int_t)next_offset));
}

/* A partition that the metadata knows and the survivor has not applied; in no raft group: -1. */
static int64_t group_of_unopened(const struct recover_plan *plan, const struct recover_offset *o)
{
    const struct metadata_topic *t = metadata_topic_by_id(plan->broker->metadata, o->topic_id);
    return t == NULL || o->partition >= t->partition_count
               ? -1
               : (int64_t)t->partitions[o->partition].group_id;
}

static void look_at(struct beyond *beyond, const struct recover_offset *o)
{
    const struct recover_plan *plan = beyond->plan;
    const struct recover_partition *p = recover_look_find(plan->look, o->topic_id, o->partition);
    int64_t group_id = p != NULL ? (int64_t)p->group_id : group_of_unopened(plan, o);
    int64_t next_offset = p != NULL ? p->next_offset : 0;
    if (p == NULL && !beyond->knows_all_partitions)
        beyond->not_looked_at++;
    else if (o->offset > next_offset && group_id >= 0 &&
             recover_plan_place(plan, (uint32_t)group_id) >= 0)
        add_row(beyond, o, next_offset);
}

void recover_beyond_add(const struct recover_plan *plan, json_t *json)
{
    const struct recover_look *look = plan->look;
    struct beyond beyond = {.plan = plan, .rows = json_array(), .knows_all_partitions = true};
    for (unsigned i = 0; i < look->shard_count; i++) {
        beyond.knows_all_partitions &= look->shards[i].partitions_left_out == 0;
        beyond.not_looked_at += look->shards[i].offsets_left_out;
    }
    for (unsigned i = 0; i < look->shard_count; i++)
        for (size_t k = 0; k < look->shards[i].offset_count; k++)
            look_at(&beyond, &look->shards[i].offsets[k]);
    json_object_set_new(json, "consumer_offsets_beyond", beyond.rows);
    json_object_set_new(json, "consumer_offsets_beyond_count",
                        json_integer((json_int_t)beyond.count));
    json_object_set_new(json, "consumer_offsets_not_looked_at",
                        json_integer((json_int_t)beyond.not_looked_at));
}

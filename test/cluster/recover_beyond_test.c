/* Whose committed offsets lie beyond what survives a forced recovery: a list that is cut says so.
 */
#include "admin/recover_beyond.h"

#include "consumer_bodies.h"
#include "machine_stage.h"
#include "metadata_bodies.h"

#define TOPIC_PARTITION 1 /* as commit_body's topic id says */
#define OFFSETS         2
#define RAFT_GROUP      5

struct beyond_stage {
    struct machine_stage machine;
    struct meta meta;
    struct recover_look *look;
    struct broker *broker;
    struct recover_plan *plan;
};

/* So many groups have committed offset 50 of an empty partition. */
static void stage_commits(struct beyond_stage *s, unsigned groups)
{
    struct partition_state state = stage_state(PARTITION_OPEN, OFFSETS);
    state.flags = PARTITION_IS_OFFSETS;
    machine_stage_open(&s->machine, NULL);
    cr_assert_eq(stage_open_partition(&s->machine, TOPIC_PARTITION), 0);
    cr_assert_eq(stage_put_state(&s->machine, OFFSETS, &state), 0);
    for (unsigned i = 0; i < groups; i++) {
        char name[16];
        snprintf(name, sizeof name, "group-%u", i);
        struct byte_list body = commit_body(name, -1, "", "orders", 0, 50);
        stage_apply_bytes(&s->machine, ENTRY_GROUP_STATE, OFFSETS, bytes_of(body.data, body.size));
        free(body.data);
    }
}

static void beyond_stage_open(struct beyond_stage *s, unsigned groups, size_t offsets_max)
{
    stage_commits(s, groups);
    s->meta = meta_create();
    s->broker = calloc(1, sizeof *s->broker);
    s->broker->metadata = s->meta.m;
    s->look = recover_look_create(1);
    s->look->shards[0].offsets_max = offsets_max;
    recover_look_at(s->look, 0, RAFT_GROUP, s->machine.machine);
    recover_look_sort(s->look);
    s->plan = calloc(1, sizeof *s->plan);
    s->plan->broker = s->broker;
    s->plan->look = s->look;
    s->plan->group_count = 1;
    s->plan->group_ids[0] = RAFT_GROUP;
}

static void beyond_stage_close(struct beyond_stage *s)
{
    struct survey_look look = recover_look_of(s->look);
    look.free(look.data);
    free(s->plan);
    free(s->broker);
    metadata_destroy(s->meta.m);
    machine_stage_close(&s->machine);
}

/* Rows, how many there are, and how many nobody has looked at. */
static void check_list(const struct beyond_stage *s, size_t rows, int count, int not_looked_at)
{
    json_t *json = json_object();
    recover_beyond_add(s->plan, json);
    cr_assert_eq(json_array_size(json_object_get(json, "consumer_offsets_beyond")), rows);
    cr_assert_eq(json_integer_value(json_object_get(json, "consumer_offsets_beyond_count")), count);
    cr_assert_eq(json_integer_value(json_object_get(json, "consumer_offsets_not_looked_at")),
                 not_looked_at);
    json_decref(json);
}

Test(cluster_recover_beyond, counts_all_and_shows_the_first_thousand)
{
    struct beyond_stage s;
    beyond_stage_open(&s, 1100, RECOVER_OFFSETS_MAX);
    check_list(&s, RECOVER_SHOWN_MAX, 1100, 0);
    s.plan->group_count = 0;
    check_list(&s, 0, 0, 0);
    beyond_stage_close(&s);
}

Test(cluster_recover_beyond, counts_what_it_had_no_room_to_look_at)
{
    struct beyond_stage s;
    beyond_stage_open(&s, 8, 5);
    check_list(&s, 5, 5, 3);
    s.look->shards[0].partition_count = 0; /* as without memory for them */
    s.look->shards[0].partitions_left_out = 2;
    check_list(&s, 0, 0, 8);
    beyond_stage_close(&s);
}

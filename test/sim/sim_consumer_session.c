/* Joins, syncs, heartbeats and leaving, as the daemon's handlers (cluster/request/) do them. */
#include <assert.h>
#include <stdio.h>

#include "protocol/error.h"
#include "sim/sim_consumer_call.h"

static void copy_text(char into[SIM_MEMBER_ID_SIZE], struct kafka_string from)
{
    assert(from.size < SIM_MEMBER_ID_SIZE);
    snprintf(into, SIM_MEMBER_ID_SIZE, "%.*s", from.size > 0 ? (int)from.size : 0, from.data);
}

/* ---- joins ---- */

/* Kafka's ConsumerProtocolSubscription: i16 version 0, i32 count, topics, i32 size of no user data.
 * What others bring is not of that form: then nobody can say what they read. */
static const uint8_t first_topic[] = {0, 0, 0, 0, 0, 1, 0, 2, 'g', '1', 255, 255, 255, 255};

static void on_join_known(void *data)
{
    struct sim_group_call *c = data;
    sim_group_call_tell(c, "join");
    if (c->error_code == KAFKA_ERROR_NONE)
        sim_check_joined(c->call.sim->check, c);
    sim_call_answer(&c->call, 0);
}

static void on_joined(struct group_join *join)
{
    struct sim_group_call *c = join->data;
    c->generation = join->generation;
    copy_text(c->member_id, join->answer_member_id);
    copy_text(c->leader, join->leader);
    for (uint32_t i = 0; i < join->member_count && i < SIM_MEMBERS_MAX; i++)
        copy_text(c->members[c->member_count++], join->members[i].member_id);
    sim_group_call_answer_behind(c, join->error_code, on_join_known);
}

void sim_group_work_join(struct sim_group_call *c)
{
    c->protocol = (struct group_protocol){.name = kafka_string_of("sim")};
    if (c->group->kind == SIM_GROUP_FLEETING)
        c->protocol.metadata = bytes_of(first_topic, sizeof first_topic);
    c->join = (struct group_join){
        .data = c,
        .done = on_joined,
        .partition_number = SIM_OFFSETS_PARTITION,
        .group_id = kafka_string_of(c->group->name),
        .member_id = kafka_string_of(c->member_id),
        .instance_id = sim_group_call_text(c->instance_id),
        .client_id = kafka_string_of("sim"),
        .client_host = kafka_string_of("/sim"),
        .protocol_type = kafka_string_of("consumer"),
        .session_timeout_ms = c->session_timeout_ms,
        .rebalance_timeout_ms = c->rebalance_timeout_ms,
        .needs_member_id = true,
        .reason = KAFKA_STRING_NULL,
        .protocols = &c->protocol,
        .protocol_count = 1,
    };
    kafka_arena_init(&c->join.arena, 1 << 16);
    group_join_begin(sim_group_call_groups(c), &c->join);
}

/* ---- syncs ---- */

static void on_sync_known(void *data)
{
    struct sim_group_call *c = data;
    sim_group_call_tell(c, "sync");
    if (c->error_code == KAFKA_ERROR_NONE)
        sim_check_synced(c->call.sim->check, c);
    sim_call_answer(&c->call, 0);
}

static void on_synced(struct group_sync *sync)
{
    struct sim_group_call *c = sync->data;
    c->mask = sync->assignment.size == 1 ? sync->assignment.data[0] : 0;
    sim_group_call_answer_behind(c, sync->error_code, on_sync_known);
}

void sim_group_work_sync(struct sim_group_call *c)
{
    for (unsigned i = 0; i < c->member_count; i++)
        c->assignments[i] = (struct group_assignment){.member_id = kafka_string_of(c->members[i]),
                                                      .assignment = bytes_of(&c->masks[i], 1)};
    c->sync = (struct group_sync){
        .data = c,
        .done = on_synced,
        .group_id = kafka_string_of(c->group->name),
        .generation = c->generation,
        .member_id = kafka_string_of(c->member_id),
        .instance_id = sim_group_call_text(c->instance_id),
        .protocol_type = KAFKA_STRING_NULL,
        .protocol_name = KAFKA_STRING_NULL,
        .assignments = c->assignments,
        .assignment_count = c->member_count,
    };
    kafka_arena_init(&c->sync.arena, 1 << 16);
    group_sync_begin(sim_group_call_groups(c), &c->sync);
}

/* ---- heartbeats, leaving ---- */

void sim_group_work_beat(struct sim_group_call *c)
{
    (void)sim_group_call_is_heard(c);
    sim_group_call_answer(
        c, group_heartbeat(sim_group_call_groups(c), kafka_string_of(c->group->name), c->generation,
                           kafka_string_of(c->member_id), sim_group_call_text(c->instance_id)));
}

void sim_group_work_leave(struct sim_group_call *c)
{
    sim_group_call_answer(c, group_leave(sim_group_call_groups(c), kafka_string_of(c->group->name),
                                         kafka_string_of(c->member_id),
                                         sim_group_call_text(c->instance_id), KAFKA_STRING_NULL));
}

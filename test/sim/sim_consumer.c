/* Which consumer groups there are, who uses them, and the partitions that they consume. */
#include "sim/sim_consumer.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim/sim_check_parts.h"

#define NEAR        100 /* records */
#define KEEP_MS_MIN 500
#define KEEP_MS_MAX 4000

const struct sim_consumer_group sim_consumer_groups[SIM_CONSUMER_GROUPS] = {
    {0, "forward", SIM_GROUP_FORWARD, 1},   {1, "static", SIM_GROUP_STATIC, 2},
    {2, "seeking", SIM_GROUP_SEEKING, 1},   {3, "outside", SIM_GROUP_OUTSIDE, 2},
    {4, "fleeting", SIM_GROUP_FLEETING, 1},
};

static bool is_settled; /* one simulation a process */

void sim_consumers_settle(struct sim *s)
{
    (void)s;
    is_settled = true;
}

bool sim_consumers_are_settled(void)
{
    return is_settled;
}

/* ---- what is consumed ---- */

struct sim_place sim_consumed_place(unsigned place)
{
    return (struct sim_place){.group_id = place / SIM_FIRST_PARTITIONS + 1,
                              .partition = place % SIM_FIRST_PARTITIONS + 1};
}

unsigned sim_consumed_of(struct kafka_string topic, int32_t partition)
{
    if (topic.size != 2 || topic.data[0] != 'g' || topic.data[1] < '1' ||
        topic.data[1] >= '1' + SIM_GROUPS || partition < 1 || partition > SIM_FIRST_PARTITIONS)
        return SIM_CONSUMED;
    return (unsigned)(topic.data[1] - '1') * SIM_FIRST_PARTITIONS + (unsigned)partition - 1;
}

static void on_fresh(struct repl_read *req, int status)
{
    struct sim_call *call = req->data;
    struct partition *p = machine_partition(call->group->machine, call->partition);
    if (status != 0 || p == NULL) {
        sim_call_answer(call, status != 0 ? status : ERR_NOT_FOUND);
        return;
    }
    call->offset = log_partition_next_offset(p->log);
    call->position = log_partition_behind_gap(p->log, call->position);
    call->number = (uint64_t)log_partition_start_offset(p->log);
    sim_check_end_told(call->sim->check, call);
    sim_call_answer(call, 0);
}

static void run_end(struct sim_call *call)
{
    call->read.data = call;
    sim_check_end_asked(call->sim->check, call);
    int err = repl_group_read(call->group->raft, &call->read, on_fresh);
    if (err != 0)
        sim_call_answer(call, err);
}

void sim_consumed_ask(struct sim_actor *a, unsigned place, int64_t position, sim_call_cb cb)
{
    struct sim_place home = sim_consumed_place(place);
    a->group_id = home.group_id;
    a->partition = home.partition;
    struct sim_call *call = sim_actor_call(a, run_end, cb);
    call->place = place;
    call->position = position;
    sim_actor_send(a, call);
}

int64_t sim_consumed_before(struct world *w, int64_t position)
{
    bool is_near = position > NEAR && random_chance(world_random(w), 0.5);
    return (int64_t)world_between(w, (uint64_t)(is_near ? position - NEAR : 0), (uint64_t)position);
}

int32_t sim_consumer_keep_ms(struct world *w, const struct sim_consumer_group *g)
{
    if (g->kind != SIM_GROUP_FLEETING || random_chance(world_random(w), 0.1))
        return 0;
    return (int32_t)world_between(w, KEEP_MS_MIN, KEEP_MS_MAX);
}

/* ---- who uses them ---- */

void sim_consumers_found(struct sim *s)
{
    sim_coordinators_found(s);
    s->check->consumers = sim_check_consumers_create();
    is_settled = false;
}

static void add_members(struct sim *s, unsigned group, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sim_member_make(sim_client_add(s), &sim_consumer_groups[group], i);
}

void sim_consumers_start(struct sim *s)
{
    const uint32_t half = 0x15;
    if (!s->has_consumers)
        return;
    add_members(s, 0, SIM_GROUP_MEMBERS);
    add_members(s, 1, 2);
    add_members(s, 2, 2);
    sim_reset_make(sim_client_add(s), &sim_consumer_groups[2]);
    sim_outside_make(sim_client_add(s), &sim_consumer_groups[3], half);
    sim_outside_make(sim_client_add(s), &sim_consumer_groups[3], SIM_ALL_CONSUMED & ~half);
    add_members(s, 4, 1);
    sim_passing_make(sim_client_add(s), &sim_consumer_groups[4],
                     SIM_ALL_CONSUMED & ~SIM_FLEETING_MASK);
    sim_asker_make(sim_client_add(s));
    sim_asker_make(sim_client_add(s));
}

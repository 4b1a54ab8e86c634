/* All clients: their start, where they send to, the partitions that they know. */
#include "sim/sim_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "sim/sim_actor.h"
#include "sim/sim_check.h"
#include "sim/sim_consumer.h"
#include "sim/sim_moves.h"

unsigned sim_actor_node(struct sim_actor *a, uint32_t group_id)
{
    struct sim *s = a->sim;
    struct world *w = s->world;
    if (random_chance(world_random(w), 0.02))
        return (unsigned)world_between(w, 0, s->node_count - 1); /* an old address */
    struct sim_node *asked = s->nodes[world_between(w, 0, s->node_count - 1)];
    struct repl_leader leader;
    if (asked->life != NULL && repl_node_leader(asked->life->repl, group_id, &leader) &&
        leader.node_id != 0 && leader.node_id <= s->node_count)
        a->node = leader.node_id - 1;
    return a->node;
}

struct sim_call *sim_actor_call(struct sim_actor *a, sim_call_cb run, sim_call_cb cb)
{
    struct sim_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        abort();
    call->sim = a->sim;
    call->data = a;
    struct sim_place place = sim_moves_place(a->sim, (struct sim_place){a->group_id, a->partition});
    call->group_id = place.group_id;
    call->partition = place.partition;
    call->run = run;
    call->cb = cb;
    a->open_count++;
    return call;
}

void sim_actor_send(struct sim_actor *a, struct sim_call *call)
{
    call->node = sim_actor_node(a, call->group_id);
    sim_call_send(call, &a->wire);
}

static void on_act(void *data)
{
    struct sim_actor *a = data;
    a->is_act_queued = false;
    if (!a->sim->clients->is_stopping || a->has_backlog)
        a->act(a);
}

void sim_actor_act_in(struct sim_actor *a, uint64_t delay_ns)
{
    if (a->is_act_queued)
        return;
    a->is_act_queued = true;
    world_in(a->sim->world, delay_ns, NULL, on_act, a);
}

uint64_t sim_actor_pace(struct sim_actor *a)
{
    return world_between(a->sim->world, a->pace_ns / 4, a->pace_ns * 7 / 4);
}

struct sim_actor *sim_client_add(struct sim *s)
{
    struct sim_clients *c = s->clients;
    struct sim_actor *a = &c->actors[c->count];
    *a = (struct sim_actor){.sim = s, .number = c->count++};
    sim_actor_act_in(a, world_between(s->world, 0, WORLD_S));
    return a;
}

static void add(struct sim *s, uint32_t group_id, uint32_t partition, uint64_t pace_ns,
                void (*make)(struct sim_actor *a))
{
    struct sim_clients *c = s->clients;
    struct sim_actor *a = &c->actors[c->count];
    *a = (struct sim_actor){.sim = s,
                            .number = c->count++,
                            .group_id = group_id,
                            .partition = partition,
                            .pace_ns = pace_ns};
    make(a);
    sim_actor_act_in(a, sim_actor_pace(a));
}

void sim_clients_start(struct sim *s, uint64_t pace_ns)
{
    s->clients = calloc(1, sizeof *s->clients);
    if (s->clients == NULL)
        abort();
    for (uint32_t group_id = 1; group_id <= SIM_GROUPS; group_id++) {
        add(s, group_id, 0, 10 * pace_ns, sim_keeper_make);
        for (uint32_t partition = 1; partition <= SIM_FIRST_PARTITIONS; partition++) {
            add(s, group_id, partition, pace_ns, sim_idempotent_make);
            add(s, group_id, partition, pace_ns, sim_reader_make);
        }
        if (!s->does_recover) { /* what is compacted is judged by its offsets, without gaps */
            add(s, group_id, SIM_COMPACTED_PARTITION, pace_ns, sim_idempotent_make);
            add(s, group_id, SIM_COMPACTED_PARTITION, pace_ns, sim_reader_make);
        }
        add(s, group_id, 1, pace_ns, sim_plain_make);
        add(s, group_id, 2, pace_ns, sim_plain_make);
        add(s, group_id, 1, pace_ns, sim_fresh_make);
    }
    sim_consumers_start(s);
}

void sim_clients_stop(struct sim *s)
{
    s->clients->is_stopping = true;
}

bool sim_clients_are_idle(struct sim *s, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < s->clients->count; i++)
        if (s->clients->actors[i].open_count > 0 || s->clients->actors[i].has_backlog)
            return false;
    return true;
}

uint64_t sim_clients_slowest(const struct sim *s)
{
    uint64_t slowest = UINT64_MAX;
    for (unsigned i = 0; i < s->clients->count; i++) {
        const struct sim_actor *a = &s->clients->actors[i];
        if (a->is_producer && a->done_count < slowest)
            slowest = a->done_count;
    }
    return slowest;
}

void sim_clients_count_anew(struct sim *s)
{
    for (unsigned i = 0; i < s->clients->count; i++)
        s->clients->actors[i].done_count = 0;
}

void sim_clients_tell(const struct sim *s)
{
    for (unsigned i = 0; i < s->clients->count; i++) {
        const struct sim_actor *a = &s->clients->actors[i];
        if (a->is_producer && a->done_count == 0)
            printf("  client %u group %u partition %u idempotent %d backlog %u in flight %u "
                   "draining %d next %llu\n",
                   a->number, a->group_id, a->partition, a->is_idempotent, a->backlog_count,
                   a->in_flight_count, a->is_draining, (unsigned long long)a->next_number);
    }
}

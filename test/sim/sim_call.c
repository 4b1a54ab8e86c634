/* The way of a request from a client to a node and back. */
#include "sim/sim_call.h"

#include "base/err.h"
#include "sim/sim_check.h"

#define WAY_NS_MAX (3 * WORLD_MS)
#define TIMEOUT_NS (1500 * WORLD_MS)

static void finish(struct sim_call *call, int status)
{
    if (call->is_done)
        return; /* the client has given up on it */
    call->is_done = true;
    call->status = status;
    if (sim_call_is_unknown(status))
        sim_count(call->sim, SIM_unknown_fates, 1);
    call->cb(call);
}

static void on_timeout(void *data)
{
    finish(data, ERR_TIMEOUT);
}

static void on_refused(void *data)
{
    finish(data, UV_ECONNREFUSED);
}

static void on_reset(void *data)
{
    finish(data, UV_ECONNRESET);
}

static void on_answer(void *data)
{
    struct sim_call *call = data;
    finish(call, call->answer);
}

/* ---- at the node ---- */

static void open_call(struct sim_call *call, struct sim_life *life)
{
    call->life = life;
    call->next = life->calls;
    call->previous = &life->calls;
    if (call->next != NULL)
        call->next->previous = &call->next;
    life->calls = call;
}

static void close_call(struct sim_call *call)
{
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
}

static void run_call(struct work_item *item)
{
    struct sim_call *call = item->data;
    call->group = &call->life->groups[call->group_id - 1];
    call->run(call);
}

static void on_arrival(void *data)
{
    struct sim_call *call = data;
    struct sim *s = call->sim;
    struct sim_life *life = s->nodes[call->node]->life;
    const struct sim_connection *c = call->connection;
    if (life == NULL || (c != NULL && (c->life != life || c->is_closed))) {
        world_in(s->world, world_between(s->world, 1, WAY_NS_MAX), NULL,
                 life == NULL ? on_refused : on_reset, call);
        return;
    }
    open_call(call, life);
    call->item.data = call;
    work_submit(&life->shard.seam, &call->item, run_call);
}

void sim_call_answer(struct sim_call *call, int status)
{
    struct sim *s = call->sim;
    if (call->is_answered)
        world_violation(s->world, "17 one answer", "node %u answered a request twice",
                        call->node + 1);
    call->is_answered = true;
    close_call(call);
    call->answer = status;
    if (random_chance(world_random(s->world), s->lost_answer_chance)) {
        sim_count(s, SIM_answers_lost, 1);
        return; /* the client's timeout tells it */
    }
    world_in(s->world, world_between(s->world, WORLD_US, WAY_NS_MAX), NULL, on_answer, call);
}

/* Apply calls back before the checks have seen what the entry did: the answer leaves behind it. */
static void on_known(void *data)
{
    struct sim_call *call = data;
    if (call->answer == 0)
        sim_check_answered(call->sim->check, call);
    sim_call_answer(call, call->answer);
}

static void on_machine(struct machine_request *req, int status)
{
    struct sim_call *call = req->data;
    if (call->is_answered)
        world_violation(call->sim->world, "17 one answer", "a proposal was completed twice");
    call->answer = status == 0 ? call->request.result.error : status;
    world_in(call->sim->world, 0, &call->life->span, on_known, call);
}

void sim_call_submit(struct sim_call *call)
{
    call->request.data = call;
    int err = machine_submit_ahead(call->group->machine, &call->request, on_machine);
    if (err != 0)
        sim_call_answer(call, err);
}

void sim_calls_broken(struct sim_life *life)
{
    for (struct sim_call *call = life->calls; call != NULL; call = call->next) {
        struct world *world = call->sim->world;
        world_in(world, world_between(world, WORLD_US, WAY_NS_MAX), NULL, on_reset, call);
    }
    life->calls = NULL;
}

/* ---- at the client ---- */

/* Arrives behind what was sent before, and not before `held_ns`. */
static void send_behind(struct sim_call *call, uint64_t *last_ns, uint64_t held_ns)
{
    struct world *world = call->sim->world;
    uint64_t at_ns = world_now_ns(world) + world_between(world, WORLD_US, WAY_NS_MAX);
    if (at_ns < held_ns)
        at_ns = held_ns;
    if (at_ns <= *last_ns)
        at_ns = *last_ns + 1;
    *last_ns = at_ns;
    sim_count(call->sim, SIM_operations, 1);
    world_at(world, at_ns, NULL, on_arrival, call);
    world_in(world, call->timeout_ns != 0 ? call->timeout_ns : TIMEOUT_NS, NULL, on_timeout, call);
}

void sim_call_send(struct sim_call *call, struct sim_wire *wire)
{
    send_behind(call, &wire->last_ns[call->node], 0);
}

void sim_call_send_on(struct sim_call *call, struct sim_connection *connection)
{
    call->connection = connection;
    call->node = connection->node;
    send_behind(call, &connection->last_ns, connection->held_ns);
}

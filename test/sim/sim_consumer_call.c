/* The way of a request about a consumer group: what its client sends and tells, and what a node
 * looks at before it does the work, as the daemon's request handlers (cluster/request/). */
#include "sim/sim_consumer_call.h"

#include <stdlib.h>

#include "protocol/error.h"

#define JOIN_TIMEOUT_NS (8 * WORLD_S)
#define ROUTERS         2

/* ---- at the node ---- */

void sim_group_call_tell(const struct sim_group_call *c, const char *what)
{
    sim_tell(c->call.sim, "client %u: %s of group %s by \"%s\" in generation %d: %d", c->client,
             what, c->group->name, c->member_id, c->generation, c->error_code);
}

void sim_group_call_answer(struct sim_group_call *c, int16_t error_code)
{
    c->error_code = error_code;
    sim_group_call_tell(c, c->is_fresh ? "fetch" : "request");
    sim_call_answer(&c->call, 0);
}

static void work_if_ready(struct sim_group_call *c)
{
    int16_t error_code = sim_coordinator_check(c->call.group);
    if (error_code != KAFKA_ERROR_NONE)
        sim_group_call_answer(c, error_code);
    else
        c->work(c);
}

static void on_fresh(struct repl_read *read, int status)
{
    struct sim_group_call *c = read->data;
    if (status != 0)
        sim_group_call_answer(c, group_error_of(status == ERR_TIMEOUT ? ERR_NOT_LEADER : status));
    else
        work_if_ready(c);
}

static void run(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    int16_t error_code = sim_coordinator_check(call->group);
    c->is_late = call->is_done;
    if (error_code != KAFKA_ERROR_NONE || !c->is_fresh) {
        work_if_ready(c);
        return;
    }
    sim_check_fetching(call->sim->check, c);
    call->read.data = c;
    int err = repl_group_read(call->group->raft, &call->read, on_fresh);
    if (err != 0)
        sim_group_call_answer(c, group_error_of(err));
}

struct group_set *sim_group_call_groups(const struct sim_group_call *c)
{
    return sim_coordinator_groups(c->call.group);
}

void sim_group_call_answer_behind(struct sim_group_call *c, int16_t error_code, world_cb known)
{
    c->error_code = error_code;
    world_in(c->call.sim->world, 0, &c->call.life->span, known, c);
}

struct kafka_string sim_group_call_text(const char *text)
{
    return text[0] == '\0' ? KAFKA_STRING_NULL : kafka_string_of(text);
}

bool sim_group_call_is_heard(const struct sim_group_call *c)
{
    bool is_heard = group_hear(sim_group_call_groups(c), kafka_string_of(c->group->name),
                               kafka_string_of(c->member_id), &c->connection->way);
    if (!is_heard) /* as group_call_hear() */
        sim_coordinator_accept(c->call.life);
    return is_heard;
}

/* ---- at the client ----
 *
 * A connection is accepted before anything can be sent on it, so its number is given then: what is
 * held up on it comes late on an old connection, never as the first on a new one. */

/* What is asked and told of the groups that only go forward is in the history of the run, too:
 * there a commit is a write and a fetch a read of what certainly never goes back. */
static void each_line(const struct sim_group_call *c, const char *type, bool is_end,
                      enum sim_history_outcome outcome)
{
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        struct sim_history_group line = {.type = type,
                                         .group = c->group->name,
                                         .client = c->client,
                                         .id = c->id * SIM_CONSUMED + i,
                                         .place = sim_consumed_place(i),
                                         .offset = c->offsets[i]};
        if (!c->is_fresh && (c->mask >> i & 1) == 0)
            continue;
        if (is_end)
            sim_history_group_ended(c->call.sim, &line, outcome);
        else
            sim_history_group_begun(c->call.sim, &line);
    }
}

/* A coordinator that has lost its office can't tell what became of a commit. */
static enum sim_history_outcome outcome_of(const struct sim_group_call *c)
{
    if (c->call.status != 0 || c->error_code == KAFKA_ERROR_NOT_COORDINATOR ||
        c->error_code == KAFKA_ERROR_REQUEST_TIMED_OUT)
        return SIM_HISTORY_UNKNOWN;
    return c->error_code == KAFKA_ERROR_NONE ? SIM_HISTORY_OK : SIM_HISTORY_FAIL;
}

static void on_back(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    if (c->told_as != NULL)
        each_line(c, c->told_as, true, outcome_of(c));
    c->then(call);
}

static void tell_history(struct sim_group_call *c, const char *type)
{
    static uint64_t next_id; /* of all clients */
    if (sim_consumer_may_lower(c->group))
        return;
    c->id = next_id++;
    c->told_as = type;
    each_line(c, type, false, SIM_HISTORY_OK);
}

struct sim_group_call *sim_group_call_create(struct sim_actor *a,
                                             const struct sim_consumer_group *group,
                                             struct sim_connection *connection, sim_call_cb cb)
{
    struct sim_group_call *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->call.sim = a->sim;
    c->call.data = a;
    c->call.group_id = group->group_id;
    c->call.partition = SIM_OFFSETS_PARTITION;
    c->call.run = run;
    c->call.cb = on_back;
    c->then = cb;
    c->group = group;
    c->connection = connection;
    c->client = a->number;
    c->generation = -1;
    a->open_count++;
    return c;
}

static void send_for(struct sim_group_call *c, sim_group_work work)
{
    c->work = work;
    sim_call_send_on(&c->call, c->connection);
}

void sim_group_join(struct sim_group_call *c)
{
    c->call.timeout_ns = JOIN_TIMEOUT_NS;
    send_for(c, sim_group_work_join);
}

void sim_group_sync(struct sim_group_call *c)
{
    c->call.timeout_ns = JOIN_TIMEOUT_NS;
    send_for(c, sim_group_work_sync);
}

void sim_group_beat(struct sim_group_call *c)
{
    send_for(c, sim_group_work_beat);
}

void sim_group_leave(struct sim_group_call *c)
{
    send_for(c, sim_group_work_leave);
}

void sim_group_commit(struct sim_group_call *c)
{
    c->is_of_commit = true;
    tell_history(c, "commit");
    send_for(c, sim_group_work_commit);
}

void sim_group_fetch(struct sim_group_call *c)
{
    c->is_fresh = true;
    tell_history(c, "offset-fetch");
    send_for(c, sim_group_work_fetch);
}

void sim_group_delete_offsets(struct sim_group_call *c)
{
    send_for(c, sim_group_work_delete_offsets);
}

void sim_group_delete(struct sim_group_call *c)
{
    send_for(c, sim_group_work_delete);
}

void sim_group_set_policy(struct sim_group_call *c)
{
    send_for(c, sim_group_work_policy);
}

/* A router knows of a node's numbers what it heard last: here, when a client of its came before. */
struct router {
    uint64_t clients;
    struct {
        const struct sim_life *life;
        uint64_t now;
    } heard[SIM_NODES_MAX];
};

/* By a router: its own connection to the node is of no account, but for what is held up on it. */
static struct group_way way_by(unsigned router, unsigned node, struct sim_life *life)
{
    static struct router routers[ROUTERS];
    struct router *r = &routers[router];
    bool is_of_life = r->heard[node].life == life;
    struct group_way way = {
        .router = router + 1, .number = ++r->clients, .since = is_of_life ? r->heard[node].now : 0};
    r->heard[node].life = life;
    r->heard[node].now = sim_coordinator_now(life);
    return way;
}

/* Every other one is to a router, and of those every other one to the same. */
static struct group_way way_of(unsigned node, struct sim_life *life)
{
    static unsigned turn;
    if (turn++ % 2 == 1)
        return way_by(turn / 2 % ROUTERS, node, life);
    uint64_t number = sim_coordinator_accept(life);
    return (struct group_way){.number = number, .since = number};
}

struct sim_connection *sim_group_connect(struct sim *s, unsigned node)
{
    struct sim_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->node = node;
    c->life = s->nodes[node]->life;
    if (c->life != NULL)
        c->way = way_of(node, c->life);
    return c;
}

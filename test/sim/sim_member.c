/* Members of consumer groups, as clients' libraries behave: they join, are given partitions, ask
 * what is committed there, go on from that, commit and beat.
 *
 *   AWAY ──begins──▶ JOINING ──generation──▶ SYNCING ──partitions──▶ FETCHING ──offsets──▶
 * CONSUMING ▲                 ▲───────────rebalance, not a member any
 * more────────┴─────────────────┤ └─────────────────────────────dies,
 * leaves──────────────────────────────────────────────┘
 *
 * A member whose request has no answer in time makes a new connection, to whoever coordinates now,
 * and goes on as the member it is. What it had sent may still arrive. One that stood still for long
 * goes on with what it knew: it beats and commits for a generation that is over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "protocol/error.h"
#include "sim/sim_consumer.h"

#define PACE_NS         (60 * WORLD_MS)
#define BACKOFF_NS      (50 * WORLD_MS)
#define BEAT_NS         (300 * WORLD_MS)
#define STEP_MAX        40 /* records at a time */
#define HOLD_CHANCE     0.03
#define HOLD_NS_MAX     (14 * WORLD_S)
#define AWAY_NS_MAX     (6 * WORLD_S)
#define FLEETING_NS_MAX (14 * WORLD_S)
#define DIE_CHANCE      0.003 /* an act */
#define LEAVE_CHANCE    0.001
#define FREEZE_CHANCE   0.002
#define SEEK_CHANCE     0.01
#define STALE_CHANCE    0.3 /* an assignment, of a member that seeks */

enum member_state {
    MEMBER_AWAY,
    MEMBER_JOINING,
    MEMBER_SYNCING,
    MEMBER_FETCHING,
    MEMBER_CONSUMING
};

struct member {
    struct sim_actor *actor;
    const struct sim_consumer_group *group;
    struct sim_connection *connection; /* to its coordinator; NULL: it looks for one */
    uint64_t life;                     /* rises when the process begins anew */
    enum member_state state;
    char id[SIM_MEMBER_ID_SIZE], instance_id[SIM_MEMBER_ID_SIZE];
    int32_t generation;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    bool is_asking, is_committing, is_beating, is_reading;
    bool is_frozen;                 /* what it is told meanwhile it never hears */
    uint64_t beat_ns;               /* its last one */
    uint32_t mask;                  /* partitions that it has been given */
    int64_t position[SIM_CONSUMED]; /* the next to read */
    int64_t told[SIM_CONSUMED];     /* committed, as far as it knows */
    unsigned leader_of_count;       /* members that it is to give partitions to */
    char members[SIM_MEMBERS_MAX][SIM_MEMBER_ID_SIZE];
    unsigned last_node; /* whose coordinator answered its last commit */
};

static struct member *member_of(const struct sim_call *call)
{
    const struct sim_actor *a = call->data;
    return a->consumer;
}

static struct sim *sim_of(const struct member *m)
{
    return m->actor->sim;
}

static bool happens(const struct member *m, double chance)
{
    return random_chance(world_random(sim_of(m)->world), chance);
}

/* ---- its way to the coordinator ---- */

static void give_up_connection(struct member *m)
{
    if (m->connection != NULL)
        m->connection->is_given_up = true;
    m->connection = NULL;
}

static struct sim_group_call *ask(struct member *m, sim_call_cb cb)
{
    if (m->connection == NULL)
        m->connection = sim_group_connect(sim_of(m), sim_actor_node(m->actor, m->group->group_id));
    struct sim_group_call *c = sim_group_call_create(m->actor, m->group, m->connection, cb);
    c->life = m->life;
    c->generation = m->generation;
    c->session_timeout_ms = m->session_timeout_ms;
    c->rebalance_timeout_ms = m->rebalance_timeout_ms;
    memcpy(c->member_id, m->id, sizeof c->member_id);
    memcpy(c->instance_id, m->instance_id, sizeof c->instance_id);
    return c;
}

/* False: nothing was heard, or it is not for this life. A coordinator that is none is left. */
static bool is_heard(struct member *m, const struct sim_group_call *c)
{
    m->actor->open_count--;
    if (c->life != m->life || m->is_frozen)
        return false;
    bool is_lost = c->call.status != 0 || c->error_code == KAFKA_ERROR_NOT_COORDINATOR;
    if (is_lost && m->connection == c->connection)
        give_up_connection(m);
    return !is_lost && c->error_code != KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

static void rejoin(struct member *m, bool is_known)
{
    if (!is_known)
        m->id[0] = '\0';
    m->state = MEMBER_JOINING;
    m->generation = -1;
    m->mask = 0;
}

/* ---- joining ---- */

static void on_joined(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    struct member *m = member_of(call);
    bool is_mine = c->life == m->life;
    if (is_mine)
        m->is_asking = false;
    if (!is_heard(m, c) || m->state != MEMBER_JOINING)
        return;
    if (c->error_code == KAFKA_ERROR_MEMBER_ID_REQUIRED) {
        memcpy(m->id, c->member_id, sizeof m->id);
    } else if (c->error_code == KAFKA_ERROR_NONE) {
        memcpy(m->id, c->member_id, sizeof m->id);
        m->generation = c->generation;
        m->leader_of_count = c->member_count;
        memcpy(m->members, c->members, sizeof m->members);
        m->state = MEMBER_SYNCING;
    } else if (c->error_code != KAFKA_ERROR_REBALANCE_IN_PROGRESS) {
        rejoin(m, false);
    }
}

static void ask_generation(struct member *m)
{
    struct sim_group_call *c = ask(m, on_joined);
    m->is_asking = true;
    sim_group_join(c);
}

static void on_synced(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    struct member *m = member_of(call);
    if (c->life == m->life)
        m->is_asking = false;
    if (!is_heard(m, c) || m->state != MEMBER_SYNCING)
        return;
    if (c->error_code != KAFKA_ERROR_NONE) {
        rejoin(m, c->error_code == KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        return;
    }
    m->mask = c->mask;
    m->state = MEMBER_FETCHING;
}

static uint32_t read_by(const struct sim_consumer_group *g)
{
    return g->kind == SIM_GROUP_FLEETING ? SIM_FLEETING_MASK : SIM_ALL_CONSUMED;
}

static void ask_assignment(struct member *m)
{
    struct sim_group_call *c = ask(m, on_synced);
    c->member_count = m->leader_of_count;
    memcpy(c->members, m->members, sizeof c->members);
    for (unsigned i = 0; i < SIM_CONSUMED && c->member_count > 0; i++)
        c->masks[i % c->member_count] |= (uint8_t)(read_by(m->group) & 1u << i);
    m->is_asking = true;
    sim_group_sync(c);
}

/* ---- what is committed ---- */

/* A stale one begins where it believes to have been, and says so before it knows better. */
static int64_t begin_at(const struct member *m, int64_t committed)
{
    int64_t at = committed < 0 ? 0 : committed;
    if (m->group->kind != SIM_GROUP_SEEKING || sim_consumers_are_settled() ||
        !happens(m, STALE_CHANCE))
        return at;
    return sim_consumed_before(sim_of(m)->world, at);
}

static void on_fetched(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    struct member *m = member_of(call);
    if (c->life == m->life)
        m->is_asking = false;
    if (!is_heard(m, c) || m->state != MEMBER_FETCHING || c->error_code != KAFKA_ERROR_NONE)
        return;
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        m->told[i] = c->offsets[i];
        m->position[i] = begin_at(m, c->offsets[i]);
    }
    m->state = MEMBER_CONSUMING;
}

static void ask_offsets(struct member *m)
{
    struct sim_group_call *c = ask(m, on_fetched);
    c->mask = m->mask;
    m->is_asking = true;
    sim_group_fetch(c);
}

/* ---- commits ---- */

static bool is_rejoin_wanted(int16_t error_code)
{
    return error_code == KAFKA_ERROR_REBALANCE_IN_PROGRESS ||
           error_code == KAFKA_ERROR_ILLEGAL_GENERATION ||
           error_code == KAFKA_ERROR_UNKNOWN_MEMBER_ID ||
           error_code == KAFKA_ERROR_FENCED_INSTANCE_ID;
}

static void note_refusal(struct member *m, const struct sim_group_call *c)
{
    sim_count(sim_of(m), SIM_commits_refused, 1);
    if (m->state == MEMBER_CONSUMING && c->generation == m->generation &&
        is_rejoin_wanted(c->error_code))
        rejoin(m, c->error_code != KAFKA_ERROR_UNKNOWN_MEMBER_ID &&
                      c->error_code != KAFKA_ERROR_FENCED_INSTANCE_ID);
}

static void on_committed(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    struct member *m = member_of(call);
    if (c->life == m->life)
        m->is_committing = false;
    if (!is_heard(m, c))
        return;
    if (c->error_code != KAFKA_ERROR_NONE) {
        note_refusal(m, c);
        return;
    }
    m->actor->done_count++;
    if (c->generation == m->generation && m->last_node != call->node)
        sim_count(sim_of(m), SIM_coordinators_changed, 1);
    m->last_node = call->node;
    for (unsigned i = 0; i < SIM_CONSUMED && c->generation == m->generation; i++)
        if (c->mask >> i & 1)
            m->told[i] = c->offsets[i];
}

/* Sometimes the connection is held up from here on: a cut that heals long after. */
static void commit(struct member *m)
{
    struct sim_group_call *c = ask(m, on_committed);
    struct world *w = sim_of(m)->world;
    c->mask = m->mask;
    c->keep_ms = sim_consumer_keep_ms(w, m->group);
    memcpy(c->offsets, m->position, sizeof c->offsets);
    m->is_committing = true;
    if (!sim_consumers_are_settled() && happens(m, HOLD_CHANCE))
        m->connection->held_ns = world_now_ns(w) + world_between(w, WORLD_S / 2, HOLD_NS_MAX);
    sim_group_commit(c);
}

/* ---- heartbeats ---- */

static void on_beaten(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    struct member *m = member_of(call);
    if (c->life == m->life)
        m->is_beating = false;
    if (!is_heard(m, c) || m->state != MEMBER_CONSUMING || c->generation != m->generation ||
        !is_rejoin_wanted(c->error_code))
        return;
    if (m->mask != 0 && !m->is_committing && happens(m, 0.5))
        commit(m); /* as who is told to give its partitions back */
    rejoin(m, c->error_code != KAFKA_ERROR_UNKNOWN_MEMBER_ID &&
                  c->error_code != KAFKA_ERROR_FENCED_INSTANCE_ID);
}

static void beat(struct member *m)
{
    m->is_beating = true;
    m->beat_ns = world_now_ns(sim_of(m)->world);
    sim_group_beat(ask(m, on_beaten));
}

/* ---- reading ---- */

static void on_end(struct sim_call *call)
{
    struct member *m = member_of(call);
    unsigned place = call->place;
    int64_t start = (int64_t)call->number;
    m->actor->open_count--;
    m->is_reading = false;
    if (call->status != 0 || m->is_frozen || m->state != MEMBER_CONSUMING ||
        (m->mask >> place & 1) == 0)
        return;
    if (m->position[place] < start) /* by the topic's own retention */
        m->position[place] = start;
    if (m->position[place] < call->position) /* behind a gap */
        m->position[place] = call->position;
    int64_t left = call->offset - m->position[place];
    if (left > 0)
        m->position[place] += (int64_t)world_between(sim_of(m)->world, 1,
                                                     left < STEP_MAX ? (uint64_t)left : STEP_MAX);
}

static void read_some(struct member *m)
{
    unsigned place = (unsigned)world_between(sim_of(m)->world, 0, SIM_CONSUMED - 1);
    while ((m->mask >> place & 1) == 0)
        place = (place + 1) % SIM_CONSUMED;
    m->is_reading = true;
    sim_consumed_ask(m->actor, place, m->position[place], on_end);
}

/* ---- what it does to itself ---- */

static void begin_life(struct member *m)
{
    struct world *w = sim_of(m)->world;
    m->life++;
    m->id[0] = '\0';
    m->session_timeout_ms = (int32_t)world_between(w, 1000, 4000);
    m->rebalance_timeout_ms = (int32_t)world_between(w, 1000, 3000);
    m->is_asking = m->is_committing = m->is_beating = false;
    give_up_connection(m);
    rejoin(m, false);
}

static void on_left(struct sim_call *call)
{
    ((struct sim_actor *)call->data)->open_count--;
}

static uint64_t end_life(struct member *m, bool does_leave)
{
    if (does_leave)
        sim_group_leave(ask(m, on_left));
    else
        sim_count(sim_of(m), SIM_members_lost, 1);
    m->state = MEMBER_AWAY;
    m->life++;
    return world_between(sim_of(m)->world, WORLD_S / 4,
                         m->group->kind == SIM_GROUP_FLEETING ? FLEETING_NS_MAX : AWAY_NS_MAX);
}

/* How long it stands still, and is dead or not when it goes on; 0: it goes on as before. */
static uint64_t misbehave(struct member *m)
{
    struct world *w = sim_of(m)->world;
    if (sim_consumers_are_settled() || m->state == MEMBER_AWAY)
        return 0;
    bool is_steady = !sim_consumer_may_lower(m->group);
    if (happens(m, is_steady ? DIE_CHANCE : 3 * DIE_CHANCE))
        return end_life(m, false);
    if (happens(m, LEAVE_CHANCE) && m->instance_id[0] == '\0')
        return end_life(m, true);
    if (m->state == MEMBER_CONSUMING && happens(m, FREEZE_CHANCE)) {
        sim_count(sim_of(m), SIM_members_frozen, 1);
        m->is_frozen = true;
        return world_between(w, WORLD_S / 2, 3 * (uint64_t)m->session_timeout_ms * WORLD_MS);
    }
    if (m->group->kind != SIM_GROUP_SEEKING || m->mask == 0 || !happens(m, SEEK_CHANCE))
        return 0;
    unsigned place = (unsigned)world_between(w, 0, SIM_CONSUMED - 1);
    m->position[place] = sim_consumed_before(w, m->position[place]);
    sim_count(sim_of(m), SIM_members_sought_back, 1);
    return 0;
}

static void consume(struct member *m)
{
    if (!m->is_beating && world_now_ns(sim_of(m)->world) - m->beat_ns >= BEAT_NS)
        beat(m);
    if (m->mask == 0)
        return;
    if (!m->is_reading)
        read_some(m);
    if (!m->is_committing && happens(m, 0.5))
        commit(m);
}

static void go_on(struct member *m)
{
    if (m->state == MEMBER_AWAY)
        begin_life(m);
    else if (m->state == MEMBER_CONSUMING)
        consume(m);
    else if (m->is_asking)
        return;
    else if (m->state == MEMBER_JOINING)
        ask_generation(m);
    else if (m->state == MEMBER_SYNCING)
        ask_assignment(m);
    else
        ask_offsets(m);
}

static void act(struct sim_actor *a)
{
    struct member *m = a->consumer;
    m->is_frozen = false;
    uint64_t pause_ns = misbehave(m);
    if (pause_ns == 0)
        go_on(m);
    sim_actor_act_in(a, pause_ns != 0 ? pause_ns : sim_actor_pace(a));
}

void sim_member_make(struct sim_actor *a, const struct sim_consumer_group *group, unsigned number)
{
    struct member *m = calloc(1, sizeof *m);
    if (m == NULL)
        abort();
    m->actor = a;
    m->group = group;
    m->generation = -1;
    if (group->kind == SIM_GROUP_STATIC)
        snprintf(m->instance_id, sizeof m->instance_id, "static-%u", number);
    a->consumer = m;
    a->pace_ns = PACE_NS;
    a->is_producer = true; /* its commits must go on */
    a->act = act;
}

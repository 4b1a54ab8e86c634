/* Looks again and again, and notes when something was last otherwise. */
#include "sim/sim_truth.h"

#include <string.h>

#include "sim/sim_actor.h"

#define LOOK_NS      (100 * WORLD_MS)
#define SLOW_DISK_NS (10 * WORLD_MS)

enum state { DOWN, FROZEN, ILL, WELL };

static struct { /* one simulation a process */
    struct sim *sim;
    void (*on_look)(struct sim *s);
    enum state states[SIM_NODES_MAX];
    struct sim_life *lives[SIM_NODES_MAX];
    uint64_t changed_ns;                             /* any of these */
    uint64_t well_ns[SIM_NODES_MAX];                 /* since when; 0: it is not */
    uint64_t clear_ns[SIM_NODES_MAX][SIM_NODES_MAX]; /* the same */
    uint64_t silent_ns[SIM_NODES_MAX];               /* nobody elsewhere hears it */
    struct sim_group *leader;
    uint64_t leader_term, led_ns;
    uint64_t level_ns[SIM_NODES_MAX]; /* for that leader, as a voter; 0: not */
} truth;

static uint64_t now_ns(void)
{
    return world_now_ns(truth.sim->world);
}

static void keep_since(uint64_t *since_ns, bool is_so)
{
    if (!is_so)
        *since_ns = 0;
    else if (*since_ns == 0)
        *since_ns = now_ns();
}

static enum state state_of(const struct sim_node *n)
{
    const struct sim_life *life = n->life;
    if (life == NULL)
        return DOWN;
    if (life->shard.paused_until_ns > now_ns())
        return FROZEN;
    bool is_ill = life->writer.paused_until_ns > now_ns() ||
                  life->readers.paused_until_ns > now_ns() ||
                  life->writer.delay_ns_max > SLOW_DISK_NS || n->full_until_ns > now_ns() ||
                  n->is_lying || n->has_lost_writes || life->is_beginning_anew;
    return is_ill ? ILL : WELL;
}

static void look_at_node(struct sim_node *n)
{
    unsigned i = n->number;
    enum state state = state_of(n);
    if (state != truth.states[i] || n->life != truth.lives[i]) {
        truth.changed_ns = now_ns();
        truth.well_ns[i] = 0;
    }
    truth.states[i] = state;
    truth.lives[i] = n->life;
    keep_since(&truth.well_ns[i], state == WELL);
}

/* What it sent may be under way after it froze. */
static void listen_to_node(const struct sim_node *n)
{
    const struct sim *s = truth.sim;
    bool is_silent = true;
    for (unsigned i = 0; i < s->node_count; i++) {
        bool is_elsewhere = strcmp(s->nodes[i]->site, n->site) != 0;
        bool is_cut = truth.states[n->number] <= FROZEN ? sim_net_is_silent(s->net, n->number, i)
                                                        : sim_net_is_cut(s->net, n->number, i);
        is_silent &= !is_elsewhere || is_cut;
    }
    keep_since(&truth.silent_ns[n->number], is_silent);
}

static void look_at_links(void)
{
    const struct sim *s = truth.sim;
    for (unsigned a = 0; a < s->node_count; a++)
        for (unsigned b = 0; b < s->node_count; b++)
            keep_since(&truth.clear_ns[a][b], a == b || (sim_net_is_clear(s->net, a, b) &&
                                                         sim_net_is_clear(s->net, b, a)));
}

static void look_at_replicas(const struct repl_group_status *status)
{
    bool is_level[SIM_NODES_MAX] = {false};
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_replica_status *r = &status->replicas[i];
        const struct sim_node *n = truth.sim->nodes[repl_raft_id_node(r->member.raft_id) - 1];
        is_level[n->number] |= r->member.is_voter && r->is_level &&
                               sim_node_raft_id(n) == r->member.raft_id;
    }
    for (unsigned i = 0; i < truth.sim->node_count; i++)
        keep_since(&truth.level_ns[i], is_level[i]);
}

static void look_at_leader(void)
{
    struct sim_group *g = sim_leader(truth.sim, SIM_METADATA_GROUP);
    struct repl_group_status status = {0};
    if (g != NULL)
        repl_group_status(g->raft, &status);
    if (g != truth.leader || status.term != truth.leader_term)
        truth.led_ns = now_ns();
    truth.leader = g;
    truth.leader_term = status.term;
    look_at_replicas(&status);
}

static void on_time(void *data)
{
    struct sim *s = data;
    for (unsigned i = 0; i < s->node_count; i++)
        look_at_node(s->nodes[i]);
    for (unsigned i = 0; i < s->node_count; i++)
        listen_to_node(s->nodes[i]);
    look_at_links();
    look_at_leader();
    truth.on_look(s);
    if (!s->clients->is_stopping)
        world_in(s->world, LOOK_NS, NULL, on_time, s);
}

void sim_truth_start(struct sim *s, void (*on_look)(struct sim *s))
{
    truth.sim = s;
    truth.on_look = on_look;
    truth.changed_ns = now_ns();
    on_time(s);
}

static uint64_t since(uint64_t from_ns)
{
    return from_ns == 0 ? 0 : now_ns() - from_ns;
}

uint64_t sim_truth_steady_ns(void)
{
    return since(truth.changed_ns);
}

uint64_t sim_truth_well_ns(const struct sim_node *n)
{
    return since(truth.well_ns[n->number]);
}

uint64_t sim_truth_level_ns(const struct sim_node *n)
{
    return since(truth.level_ns[n->number]);
}

uint64_t sim_truth_clear_ns(unsigned a, unsigned b)
{
    return since(truth.clear_ns[a][b]);
}

uint64_t sim_truth_dead_ns(const struct sim *s, const char *site)
{
    uint64_t least_ns = UINT64_MAX;
    for (unsigned i = 0; i < s->node_count; i++)
        if (strcmp(s->nodes[i]->site, site) == 0 && since(truth.silent_ns[i]) < least_ns)
            least_ns = since(truth.silent_ns[i]);
    return least_ns == UINT64_MAX ? 0 : least_ns;
}

struct sim_group *sim_truth_leader(uint64_t *for_ns)
{
    if (truth.sim != NULL)
        look_at_leader(); /* it may be another one since */
    *for_ns = truth.leader == NULL ? 0 : since(truth.led_ns);
    return truth.leader;
}

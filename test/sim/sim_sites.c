/* What stands around the real part (cluster/site/part.h) here, and the tries of the real path. */
#include "sim/sim_sites.h"

#include <stdlib.h>
#include <string.h>

#include "sim/sim_metadata.h"

#define TRY_EVERY_NS  (500 * WORLD_MS)
#define TRY_NS_MAX    (600 * WORLD_MS) /* as the daemon's */
#define ANSWER_NS_MAX (80 * WORLD_MS)
#define STUCK_DISK_NS                                                                              \
    (100 * WORLD_MS) /* a disk that takes so long for a write commits nothing in time */

struct router_judge_options sim_sites_judging(void)
{
    struct router_judge_options options = router_judge_options_default();
    options.quiet_ms = 6000;
    options.frozen_ms = 15000;
    options.leaves_max = 2;
    options.leaves_window_ms = 30000;
    return options;
}

void sim_sites_found(struct sim *s)
{
    sim_metadata_found(s, NULL, 0);
    s->has_verdict = true;
}

static bool has_path(const struct sim *s)
{
    return world_seed(s->world) % 2 == 0;
}

/* ---- a node's part ---- */

int sim_sites_open(struct sim_life *life)
{
    struct router_judge_options options = sim_sites_judging();
    return life->node->sim->has_verdict ? site_board_create(&options, &life->board) : 0;
}

static bool is_alive(void *data, uint32_t node_id)
{
    const struct sim_life *life = data;
    return repl_node_is_alive(life->repl, node_id);
}

static void tell(void *data, struct bytes message)
{
    struct sim_life *life = data;
    const struct sim *s = life->node->sim;
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i] != life->node)
            repl_node_send(life->repl, sim_node_id(s->nodes[i]), message);
}

static void propose(void *data, const struct metadata_change *change)
{
    struct sim_life *life = data;
    sim_metadata_submit(&life->groups[SIM_METADATA_GROUP - 1], change);
}

static struct site_around around(struct sim_life *life)
{
    const struct sim_node *n = life->node;
    return (struct site_around){
        .data = life,
        .metadata = life->metadata,
        .board = life->board,
        .node_id = sim_node_id(n),
        .site = n->site,
        .is_ready = machine_is_ready(life->groups[SIM_METADATA_GROUP - 1].machine),
        .has_no_path = !has_path(n->sim),
        .is_alive = is_alive,
        .tell = tell,
        .propose = propose};
}

void sim_sites_tick(struct sim_life *life)
{
    if (life->board == NULL)
        return;
    const struct site_around a = around(life);
    site_part_run(&life->site_part, &a, clock_now_ms(&life->clock));
}

bool sim_sites_on_message(struct sim_life *life, uint32_t from_node_id, struct bytes message)
{
    if (life->board == NULL || message.size == 0 || message.data[0] != SITE_MESSAGE_TYPE)
        return false;
    const struct site_around a = around(life);
    site_part_take(&a, from_node_id, message, clock_now_ms(&life->clock));
    return true;
}

/* ---- tries of the real path ---- */

struct
try {
    struct sim *sim;
    struct sim_life *life; /* who tries; NULL: nothing is under way */
    unsigned from, to;
    uint64_t begun_ns;
    enum router_stage newest; /* stage of the newest that ended */
    uint64_t ended_ns;        /* 0: none */
    struct work_item item;
};

/* By pair of nodes; a node's own path as well. One simulation a process. */
static struct try tries[SIM_NODES_MAX][SIM_NODES_MAX];

static bool is_paused(const struct sim_work *w)
{
    return world_now_ns(w->world) < w->paused_until_ns;
}

/* How far one gets that is over now. */
static enum router_stage stage_of(const struct try *t)
{
    const struct sim *s = t->sim;
    const struct sim_life *life = s->nodes[t->to]->life;
    bool is_cut = t->from != t->to && (sim_net_is_cut(s->net, t->from, t->to) ||
                                       sim_net_is_cut(s->net, t->to, t->from));
    if (life == NULL || is_cut)
        return ROUTER_STAGE_CONNECT;
    if (is_paused(&life->shard))
        return ROUTER_STAGE_ANSWER;
    if (is_paused(&life->writer) || life->writer.delay_ns_max > STUCK_DISK_NS)
        return ROUTER_STAGE_PRODUCE;
    return ROUTER_STAGE_NONE;
}

/* Of a site that has several nodes one that goes well is enough. */
static enum router_stage stage_of_site(const struct try *t)
{
    const struct sim *s = t->sim;
    uint64_t now_ns = world_now_ns(s->world);
    enum router_stage stage = t->newest;
    for (unsigned i = t->to % 3; i < s->node_count; i += 3) {
        const struct try *other = &tries[t->from][i];
        bool is_fresh = other->ended_ns != 0 && now_ns - other->ended_ns < SITE_FRESH_MS * WORLD_MS;
        if (is_fresh && other->newest == ROUTER_STAGE_NONE)
            stage = ROUTER_STAGE_NONE;
    }
    return stage;
}

/* On its shard: a process that stood still hears late, and says when it heard. */
static void run_report(struct work_item *item)
{
    struct try *t = item->data;
    struct sim_life *life = t->life;
    const struct sim *s = t->sim;
    struct site_report r = {.told = {.stage = stage_of_site(t)}, .reporter = t->from + 1};
    bytes_copy_text(r.told.from, sizeof r.told.from, s->nodes[t->from]->site);
    bytes_copy_text(r.told.to, sizeof r.told.to, s->nodes[t->to]->site);
    t->life = NULL;
    site_board_take(life->board, &r, true, clock_now_ms(&life->clock));
}

static void on_over(void *data)
{
    struct try *t = data;
    t->newest = stage_of(t);
    t->ended_ns = world_now_ns(t->sim->world);
    work_submit(&t->life->shard.seam, &t->item, run_report);
}

static void begin(struct sim *s, unsigned from, unsigned to)
{
    struct try *t = &tries[from][to];
    struct sim_life *life = s->nodes[from]->life;
    bool is_under_way = t->life != NULL && !t->life->span.is_over;
    if (life == NULL || is_under_way || is_paused(&life->shard))
        return;
    if (t->life != life && t->life != NULL)
        t->ended_ns = 0; /* another process knows nothing of it */
    t->sim = s;
    t->life = life;
    t->from = from;
    t->to = to;
    t->begun_ns = world_now_ns(s->world);
    t->item.data = t;
    bool is_well = stage_of(t) == ROUTER_STAGE_NONE;
    world_in(s->world, is_well ? world_between(s->world, WORLD_MS, ANSWER_NS_MAX) : TRY_NS_MAX,
             &life->span, on_over, t);
}

static void on_time(void *data)
{
    struct sim *s = data;
    for (unsigned from = 0; from < s->node_count; from++)
        for (unsigned to = 0; to < s->node_count; to++)
            begin(s, from, to);
    world_in(s->world, TRY_EVERY_NS, NULL, on_time, s);
}

void sim_sites_start(struct sim *s)
{
    if (s->has_verdict && has_path(s))
        on_time(s);
}

/* Who is tried when, for how long, and what is said of it. Where all nodes are of one site there is
 * nothing to choose between, and nobody is tried.
 *
 * A site is well while one of its nodes is: who has several has them so that one may be lost. The
 * next try of a node begins when site_canary_ms have passed, and not before the one before is over;
 * a try that runs into its timeout is followed by the next at once. So there are as many tries
 * under way as there are nodes, and what they cost does not grow with load or trouble. All nodes
 * begin at the same time, as far as their clocks agree: then a sync of a disk is for several
 * records.
 *
 * A try has so many round trips to the farthest node as it may need, and never so long that what
 * was found before would be too old by then. Where that is not enough a node is judged by whether
 * it answers. While this node stood still itself, no time of a try passes.
 *
 * A node whose newest try failed fails until one goes well, and that is said several times a
 * second: a try that hangs says nothing until its time is over, and a judge reckons with what it is
 * told. */
#include "site/canary.h"

#include <stdlib.h>
#include <string.h>

#include "site/board.h"
#include "site/pace.h"
#include "site/try.h"
#include "upkeep/maintain.h"

#define STOOD_MS_LEAST  100    /* between two ticks: this node stood still */
#define STILL_MS        100    /* between two reports of a node that fails */
#define DISK_US_MAX     800000 /* a write that takes longer commits nothing in time */
#define MAINTAIN_MS     2000   /* between two looks whether the topic is there */
#define RETENTION_MS    "60000"
#define SEGMENT_BYTES   "1048576"
#define TARGETS_LOOK_MS 500

struct target {
    struct site_try way;
    struct site_canary *canary;
    char site[METADATA_SITE_SIZE]; /* "": this place is free */
    struct site_begun begun;
    uint64_t ended_at_ms, told_at_ms;
    bool was_well;           /* the newest try */
    enum router_stage stage; /* of the newest that said something */
};

struct site_canary {
    struct broker *broker;
    struct target targets[METADATA_NODES_MAX]; /* by node id */
    struct site_record newest;
    struct site_pace pace;
    uint64_t ticked_at_ms;
    uint64_t looked_at_ms;     /* at who is there, and how far away */
    uint64_t maintained_at_ms; /* group 0's leader: at the topic */
    bool has_choice;           /* there are nodes of other sites */
    bool is_stopped;
};

int site_canary_create(struct broker *b, struct site_canary **canary)
{
    *canary = calloc(1, sizeof **canary);
    if (*canary == NULL)
        return UV_ENOMEM;
    (*canary)->broker = b;
    return 0;
}

/* ---- what is said ---- */

/* Of those of the site that were tried lately: one that went well, else the newest. */
static enum router_stage stage_of(const struct site_canary *c, const char *site, uint64_t now_ms)
{
    const struct target *newest = NULL;
    for (unsigned i = 0; i < METADATA_NODES_MAX; i++) {
        const struct target *t = &c->targets[i];
        if (strcmp(t->site, site) != 0 || t->ended_at_ms == 0 ||
            now_ms - t->ended_at_ms >= SITE_FRESH_MS)
            continue;
        if (t->stage == ROUTER_STAGE_NONE)
            return ROUTER_STAGE_NONE;
        if (newest == NULL || t->ended_at_ms > newest->ended_at_ms)
            newest = t;
    }
    return newest == NULL ? ROUTER_STAGE_NONE : newest->stage;
}

/* What is fetched from it may be in its memory only, and what it leads goes on without it: a node
 * whose disk hangs says so itself (its heartbeats do). */
static bool is_disk_hanging(struct broker *b, uint32_t node_id)
{
    struct repl_disk_report report;
    return repl_node_disk(b->node, node_id, &report) &&
           (report.state == REPL_DISK_STUCK || report.sync_recent_us >= DISK_US_MAX);
}

static void tell(struct target *t, uint64_t now_ms)
{
    struct broker *b = t->canary->broker;
    struct site_report report = {.told = {.stage = stage_of(t->canary, t->site, now_ms)},
                                 .reporter = (uint64_t)b->conf.node_id};
    t->told_at_ms = now_ms;
    bytes_copy_text(report.told.from, sizeof report.told.from, b->conf.site);
    bytes_copy_text(report.told.to, sizeof report.told.to, t->site);
    site_board_take(b->sites, &report, true, now_ms);
}

static void on_tried(void *data, enum router_stage stage)
{
    struct target *t = data;
    struct broker *b = t->canary->broker;
    t->was_well = stage == ROUTER_STAGE_NONE;
    if (stage == SITE_TRY_UNSURE)
        return;
    bool is_hanging = stage == ROUTER_STAGE_NONE && is_disk_hanging(b, t->way.node_id);
    t->stage = is_hanging ? ROUTER_STAGE_PRODUCE : stage;
    t->ended_at_ms = clock_now_ms(&b->clock);
    tell(t, t->ended_at_ms);
}

/* Between the ends of two tries. */
static void tell_still(struct target *t, uint64_t now_ms)
{
    if (t->ended_at_ms == 0 || now_ms - t->told_at_ms < STILL_MS)
        return;
    if (t->stage == ROUTER_STAGE_NONE && is_disk_hanging(t->canary->broker, t->way.node_id)) {
        t->stage = ROUTER_STAGE_PRODUCE;
        t->ended_at_ms = now_ms;
    }
    if (t->stage != ROUTER_STAGE_NONE)
        tell(t, now_ms);
}

/* ---- who is tried ---- */

static void look(struct site_canary *c, uint64_t now_ms)
{
    struct metadata *m = c->broker->metadata;
    uint32_t round_trip_us, longest_us = 0;
    if (now_ms - c->looked_at_ms < TARGETS_LOOK_MS)
        return;
    c->looked_at_ms = now_ms;
    c->has_choice = false;
    metadata_read_lock(m);
    for (uint32_t id = 1; id < METADATA_NODES_MAX; id++) {
        struct target *t = &c->targets[id];
        const struct metadata_node *node = metadata_node_by_id(m, id);
        bool is_there = node != NULL && node->state != METADATA_NODE_GONE && node->host[0] != '\0';
        if (!is_there && t->site[0] != '\0')
            site_try_stop(&t->way);
        bytes_copy_text(t->site, sizeof t->site, is_there ? node->site : "");
        c->has_choice |= is_there && strcmp(node->site, c->broker->conf.site) != 0;
        if (is_there && repl_node_round_trip(c->broker->node, id, &round_trip_us))
            longest_us = round_trip_us > longest_us ? round_trip_us : longest_us;
    }
    metadata_read_unlock(m);
    c->pace = site_pace_of(longest_us);
}

static void start(struct site_canary *c, uint32_t node_id, uint64_t now_ms, uint64_t wall_ms)
{
    struct target *t = &c->targets[node_id];
    t->canary = c;
    t->begun = site_begin((uint64_t)c->broker->conf.site_canary_ms, now_ms, wall_ms);
    t->way.broker = c->broker;
    t->way.known = &site_try_known_here;
    t->way.loop = shard_loop(c->broker->shards[0]);
    t->way.node_id = node_id;
    t->way.newest = &c->newest;
    t->way.data = t;
    site_try_start(&t->way, now_ms, c->pace, on_tried);
}

/* How long this node did not run, by how late this tick is. */
static uint64_t stood_ms(struct site_canary *c, uint64_t now_ms)
{
    uint64_t passed_ms = c->ticked_at_ms == 0 ? 0 : now_ms - c->ticked_at_ms;
    c->ticked_at_ms = now_ms;
    return passed_ms < STOOD_MS_LEAST ? 0 : passed_ms;
}

static void tick_target(struct site_canary *c, uint32_t node_id, uint64_t now_ms)
{
    struct target *t = &c->targets[node_id];
    uint64_t interval_ms = (uint64_t)c->broker->conf.site_canary_ms;
    uint64_t wall_ms = (uint64_t)clock_wall_ms(&c->broker->clock);
    site_try_tick(&t->way, now_ms);
    tell_still(t, now_ms);
    if (c->has_choice && !t->way.is_busy &&
        site_is_due(&t->begun, t->was_well, interval_ms, now_ms, wall_ms))
        start(c, node_id, now_ms, wall_ms);
}

void site_canary_tick(struct site_canary *c)
{
    uint64_t now_ms = clock_now_ms(&c->broker->clock);
    if (c->broker->conf.site_canary_ms == 0 || c->is_stopped)
        return;
    uint64_t stood = stood_ms(c, now_ms);
    look(c, now_ms);
    for (uint32_t id = 1; id < METADATA_NODES_MAX; id++) {
        if (c->targets[id].site[0] == '\0')
            continue;
        site_try_put_off(&c->targets[id].way, stood);
        tick_target(c, id, now_ms);
    }
}

void site_canary_stop(struct site_canary *c)
{
    c->is_stopped = true;
    for (unsigned i = 0; i < METADATA_NODES_MAX; i++)
        site_try_stop(&c->targets[i].way);
}

/* ---- the topic ---- */

static void propose_topic(struct broker_group *g)
{
    static char retention[] = "retention.ms", segment[] = "segment.bytes",
                retention_ms[] = RETENTION_MS, segment_bytes[] = SEGMENT_BYTES;
    static const struct metadata_config configs[] = {{retention, retention_ms},
                                                     {segment, segment_bytes}};
    struct broker *b = g->broker;
    const struct metadata_group *first = metadata_group_at(b->metadata, 0);
    struct metadata_change change = {.kind = METADATA_TOPIC_CREATE,
                                     .name = SITE_CANARY_TOPIC,
                                     .partition_count = (int32_t)metadata_group_count(b->metadata) -
                                                        1,
                                     .replication_factor = (int16_t)first->node_count,
                                     .configs = configs,
                                     .config_count = 2};
    for (unsigned i = 0; i < sizeof change.id; i += 8)
        bytes_put_le64(change.id + i, random_u64(&b->node_random));
    maintain_propose_metadata(g, &change);
}

void site_canary_maintain(struct broker_group *g)
{
    struct broker *b = g->broker;
    struct site_canary *c = b->canary;
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (b->conf.site_canary_ms == 0 || now_ms - c->maintained_at_ms < MAINTAIN_MS)
        return;
    c->maintained_at_ms = now_ms;
    const struct router_verdict *verdict = metadata_verdict(b->metadata);
    bool is_wanted = verdict != NULL && verdict->site_count > 1 &&
                     metadata_group_count(b->metadata) > 1 &&
                     metadata_topic_by_name(b->metadata, SITE_CANARY_TOPIC,
                                            strlen(SITE_CANARY_TOPIC)) == NULL;
    if (is_wanted)
        propose_topic(g);
}

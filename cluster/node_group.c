/* The raft groups of a node: those that it knows of when it starts, and those that come later.
 *
 *   group 0 says --> store opened, first     --> replica started   --> served
 *                    checkpoint, identity        on its shard
 *                    (disk pool)
 *
 * Groups are numbered without a gap and opened in that order, one at a time. Who is of a later
 * group's first configuration begins its store with that as a checkpoint (repl_group_found), before
 * anything of the group is sent or voted; then the identity file says that the group was opened, so
 * that the next start finds its damage, if there is any, with that of all others. After a crash in
 * between the same is done again: group 0 keeps the configuration as it was. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "consumer/coordinator.h"
#include "controller.h"
#include "membership/recovered.h"
#include "membership/topic_move.h"
#include "node_parts.h"
#include "produce_path.h"
#include "upkeep/compaction.h"
#include "upkeep/maintain.h"

#define TRAILING_ENTRIES 1000000
#define AGAIN_MS         5000 /* after a group found no room on the disk */

struct shard *node_shard_of(const struct broker *b, uint32_t group_id)
{
    return b->shards[group_id % b->shard_count];
}

/* ---- what a group reports ---- */

static void on_reconcile(struct work_item *item)
{
    struct broker_group *g = item->data;
    atomic_store(&g->is_reconcile_posted, false);
    maintain_partitions(g);
    topic_move_tick(g);
    g->placed_at_ms = 0; /* where its leader belongs may have changed */
}

/* Group 0 applied a change: every group looks whether it concerns it. */
static void on_metadata(void *data)
{
    struct node *n = data;
    struct broker *b = &n->broker;
    for (unsigned i = 1; i < b->group_count; i++)
        if (!atomic_exchange(&b->groups[i]->is_reconcile_posted, true))
            broker_group_post(b->groups[i], &b->groups[i]->reconcile_item, on_reconcile);
    controller_on_metadata(b->controller);
    b->are_peers_stale = true;
    node_groups_look(n);
}

static void on_role(void *data, enum repl_role role, uint64_t term)
{
    struct broker_group *g = data;
    event_info("group_role", "group=%u role=%s term=%llu", g->group_id,
               role == REPL_LEADER ? "leader" : "follower", (unsigned long long)term);
    if (role == REPL_LEADER)
        g->led_since_ms = clock_now_ms(&g->broker->clock);
    else
        produce_group_lost(g);
    coordinator_on_role(g->coordinator, role, term);
    g->maintained_at_ms = g->placed_at_ms = 0; /* look at once: it may still need the old site */
}

static void on_fatal(void *data, int status)
{
    const struct broker_group *g = data;
    event_error("group_failed", "group=%u error=%s reason=\"%s\"", g->group_id, err_name(status),
                err_text(status));
    _exit(1); /* nothing is acknowledged from here on; peers elect */
}

/* ---- making one ---- */

size_t node_cache_share(const struct broker *b)
{
    return (size_t)b->conf.catch_up_kept_bytes / (b->group_count + 1) + (1 << 20);
}

static struct repl_group_options group_options(struct node *n, struct broker_group *g)
{
    struct broker *b = &n->broker;
    bool is_founded = g->group_id < n->founded_group_count;
    return (struct repl_group_options){
        .identity = {.group_id = g->group_id,
                     .generation = g->generation,
                     .recovery_id = g->recovery_id},
        .raft_id = repl_raft_id(n->identity.node_id, n->identity.incarnation),
        .founders = n->founders,
        .founder_count = is_founded ? n->founder_count : 0,
        .clock = &b->clock,
        .random = &g->random,
        .home = shard_work(g->shard),
        .wal = b->wal,
        .store = g->store,
        .node = b->node,
        .machine = machine_callbacks(g->machine),
        .election_timeout_ms = (unsigned)b->conf.election_timeout_ms,
        .in_flight_entries_max = (unsigned)b->conf.peer_inflight_entries_max,
        .in_flight_bytes_max = (size_t)b->conf.peer_window_bytes,
        .cache_bytes_max = node_cache_share(b),
        .trailing_entries = TRAILING_ENTRIES,
        .shard = shard_index(g->shard),
        .is_small = g->group_id == 0,
        .on_fatal = on_fatal,
        .fatal_data = g,
        .is_unsettled = coordinator_is_unsettled,
        .unsettled_data = g->coordinator,
    };
}

/* All of it but its store and its replica. */
static int create(struct node *n, uint32_t group_id, struct broker_group **created)
{
    struct broker *b = &n->broker;
    struct broker_group *g = calloc(1, sizeof *g);
    if (g == NULL)
        return UV_ENOMEM;
    g->broker = b;
    g->group_id = group_id;
    g->shard = node_shard_of(b, group_id);
    g->reconcile_item.data = g;
    random_init_system(&g->random);
    struct machine_options machine = {
        .group_id = group_id,
        .metadata = group_id == 0 ? b->metadata : NULL,
        .on_metadata = on_metadata,
        .metadata_data = n,
        .on_role = on_role,
        .role_data = g,
#ifdef TRILOG_BREAK_APPLY_READS_LOCAL
        .broken_batch_size_max = (size_t)b->conf.max_message_bytes,
#endif
    };
    int err = machine_create(&machine, &g->machine);
    if (err == 0)
        err = coordinator_create(g, &g->coordinator);
    if (err == 0)
        err = compaction_create(g, &g->compaction);
    if (err != 0)
        return err; /* at start: the process ends; later: it has run out of memory */
    *created = g;
    return 0;
}

static int start_replica(struct node *n, struct broker_group *g, struct err_note *note)
{
    g->generation = log_store_state(g->store)->generation;
    g->recovery_id = log_store_state(g->store)->recovery_id;
    struct repl_group_options options = group_options(n, g);
    int err = repl_group_create(&options, &g->raft, note);
    if (err != 0)
        return err;
    machine_set_group(g->machine, g->raft);
    recovered_hold(g);
    return 0;
}

/* ---- at the start ---- */

static int open_group(struct node *n, uint32_t group_id, struct err_note *note)
{
    struct broker_group *g;
    int err = create(n, group_id, &g);
    if (err == 0) {
        n->broker.groups[group_id] = g;
        g->store = n->stores[group_id];
        err = start_replica(n, g, note);
    }
    if (err != 0)
        return err_prefix(note, err, "open group %u", group_id);
    if (group_id < n->founded_group_count) /* until group 0 says where it belongs */
        repl_group_set_preferred(
            g->raft, n->identity.founders[group_id % n->identity.founder_count].node_id);
    return 0;
}

int node_groups_open(struct node *n, struct err_note *note)
{
    const struct broker *b = &n->broker;
    for (uint32_t id = b->group_count; id-- > 0;) { /* group 0 last: the others hear its changes */
        int err = open_group(n, id, note);
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- later ---- */

struct group_opening {
    struct node *node;
    struct broker_group *group;
    struct work_item item;
    struct repl_member founders[METADATA_VOTERS_MAX];
    unsigned founder_count;
    struct identity identity; /* as it will be */
    bool is_under_way;
    uint64_t again_at_ms; /* not before */
    int status;
    struct err_note note;
};

static bool is_founder(const struct group_opening *o)
{
    uint64_t own = repl_raft_id(o->identity.node_id, o->identity.incarnation);
    for (unsigned i = 0; i < o->founder_count; i++)
        if (o->founders[i].raft_id == own)
            return true;
    return false;
}

/* Only where nothing is: a crash may have come after it, or the group been left since. */
static int found(struct group_opening *o)
{
    struct broker_group *g = o->group;
    const struct log_store_state *state = log_store_state(g->store);
    uint8_t *machine;
    size_t size;
    uint32_t feature_level;
    if (state->index > 0 || state->left_index > 0 || !is_founder(o))
        return 0;
    struct repl_machine callbacks = machine_callbacks(g->machine);
    int err = callbacks.encode_state(callbacks.data, &machine, &size, &feature_level);
    if (err != 0)
        return err;
    err = repl_group_found(g->store, o->founders, o->founder_count, bytes_of(machine, size),
                           feature_level);
    free(machine);
    return err;
}

static int check(struct group_opening *o)
{
    struct repl_group_options options = group_options(o->node, o->group);
    return repl_group_check(&options, &o->note);
}

/* On the pool of disk threads. What is damaged is noted as opened too: the next start sees to it.
 */
static void run_open(struct work_item *item)
{
    struct group_opening *o = item->data;
    struct broker_group *g = o->group;
    struct broker *b = g->broker;
    if (g->store == NULL)
        o->status = log_store_open(&b->disk, g->group_id, work_pool_work(b->readers),
                                   shard_work(g->shard), &g->store, &o->note);
    else
        o->status = 0; /* it found no room before */
    if (o->status == 0)
        o->status = found(o);
    if (o->status == 0)
        o->status = check(o);
    if (o->status == 0 || o->status == ERR_CORRUPT) {
        int err = identity_write(&b->disk, &o->identity);
        o->status = o->status == 0 ? err : o->status;
    }
}

/* Group 0's shard: it is there for everybody from here on. */
static void serve(struct work_item *item)
{
    struct group_opening *o = item->data;
    struct broker_group *g = o->group;
    struct broker *b = g->broker;
    o->node->stores[g->group_id] = g->store;
    b->groups[g->group_id] = g;
    atomic_store(&b->group_count, g->group_id + 1);
    event_info("group_opened", "group=%u", g->group_id);
    o->group = NULL;
    o->is_under_way = false;
    if (!atomic_exchange(&g->is_reconcile_posted, true))
        broker_group_post(g, &g->reconcile_item, on_reconcile);
    node_groups_look(o->node);
}

/* On the group's shard. */
static void start_later(struct work_item *item)
{
    struct group_opening *o = item->data;
    struct broker_group *g = o->group;
    struct broker *b = g->broker;
    int err = log_store_set_folders(g->store, b->folders);
    if (err == 0)
        err = start_replica(o->node, g, &o->note);
    if (err != 0) {
        event_error("group_failed", "group=%u error=%s reason=\"%s\"", g->group_id, err_name(err),
                    o->note.text);
        _exit(1);
    }
    log_store_set_scrubber(g->store, b->scrubber);
    shard_post(b->shards[0], &o->item, serve);
}

static void on_opened(struct work_item *item)
{
    struct group_opening *o = item->data;
    struct broker_group *g = o->group;
    if (err_is_no_room(o->status)) {
        event_warn("group_waits", "group=%u reason=\"%s\"", g->group_id, err_text(o->status));
        o->again_at_ms = clock_now_ms(&g->broker->clock) + AGAIN_MS;
        o->is_under_way = false;
        return;
    }
    if (o->status != 0) {
        event_error("group_failed", "group=%u error=%s reason=\"%s\"", g->group_id,
                    err_name(o->status), o->note.text);
        _exit(1); /* a disk that fails is never asked twice; damage is the next start's */
    }
    o->node->identity = o->identity;
    broker_group_post(g, &o->item, start_later);
}

static void run_and_return(struct work_item *item)
{
    struct group_opening *o = item->data;
    run_open(item);
    shard_post(o->node->broker.shards[0], &o->item, on_opened);
}

static void take_founders(struct group_opening *o, const struct metadata_founding *founding)
{
    o->founder_count = founding->founder_count;
    for (unsigned i = 0; i < founding->founder_count; i++) {
        const struct metadata_founder *from = &founding->founders[i];
        o->founders[i] = (struct repl_member){
            .raft_id = repl_raft_id(from->node_id, from->incarnation), .is_voter = from->is_voter};
        memcpy(o->founders[i].site, from->site, sizeof o->founders[i].site);
    }
}

static int begin(struct node *n, uint32_t group_id)
{
    struct group_opening *o = n->opening;
    if (o == NULL)
        o = n->opening = calloc(1, sizeof *o);
    if (o == NULL)
        return UV_ENOMEM;
    int err = o->group == NULL ? create(n, group_id, &o->group) : 0;
    if (err != 0)
        return err;
    o->node = n;
    o->item.data = o;
    o->is_under_way = true;
    o->note = (struct err_note){0};
    o->identity = n->identity;
    o->identity.group_count = (uint16_t)(group_id + 1);
    take_founders(o, metadata_group_founding(n->broker.metadata, group_id));
    work_submit(work_pool_work(n->broker.readers), &o->item, run_and_return);
    return 0;
}

void node_groups_look(struct node *n)
{
    struct broker *b = &n->broker;
    const struct group_opening *o = n->opening;
    if (metadata_group_count(b->metadata) <= b->group_count ||
        (o != NULL && (o->is_under_way || clock_now_ms(&b->clock) < o->again_at_ms)))
        return;
    int err = begin(n, b->group_count);
    if (err != 0)
        event_warn("group_waits", "group=%u reason=\"%s\"", b->group_count, err_text(err));
}

/* What stands around a replica.
 *
 * Frames reach the node through its shard's queue, so a paused process hears them late. Apply,
 * role and restore pass through here on their way to the machine, and the checks see them. */
#include "sim/sim_replica.h"

#include <stdlib.h>

#include "base/err.h"
#include "sim/sim_check.h"
#include "sim/sim_coordinator.h"
#include "sim/sim_home.h"

/* ---- from the network ---- */

enum report_kind { REPORT_FRAME, REPORT_UP, REPORT_DOWN };

struct report {
    struct work_item item;
    struct sim_life *life;
    enum report_kind kind;
    uint32_t node_id;
    enum net_channel channel;
    struct buffer *owner;
    struct bytes frame;
    int is_refused;
};

static void run_report(struct work_item *item)
{
    struct report *r = item->data;
    struct net_handler h = repl_node_handler(r->life->repl, 0);
    if (r->kind == REPORT_UP) {
        h.on_up(h.data, r->node_id);
    } else if (r->kind == REPORT_DOWN) {
        h.on_down(h.data, r->node_id, r->is_refused);
    } else {
        h.on_alive(h.data, r->node_id);
        h.on_frame(h.data, r->node_id, r->channel, r->frame, r->owner);
    }
    buffer_unref(r->owner);
    free(r);
}

static void post(struct sim_life *life, struct report report)
{
    struct report *r = malloc(sizeof *r);
    if (r == NULL)
        abort();
    *r = report;
    r->life = life;
    r->item.data = r;
    work_submit(&life->shard.seam, &r->item, run_report);
}

static void on_frame(void *data, uint32_t node_id, enum net_channel channel, struct bytes frame,
                     struct buffer *owner)
{
    post(data, (struct report){.kind = REPORT_FRAME,
                               .node_id = node_id,
                               .channel = channel,
                               .frame = frame,
                               .owner = buffer_ref(owner)});
}

static void on_alive(void *data, uint32_t node_id)
{
    (void)data; /* said again with the frame, when the process gets to it */
    (void)node_id;
}

static void on_up(void *data, uint32_t node_id)
{
    post(data, (struct report){.kind = REPORT_UP, .node_id = node_id});
}

static void on_down(void *data, uint32_t node_id, int is_refused)
{
    post(data, (struct report){.kind = REPORT_DOWN, .node_id = node_id, .is_refused = is_refused});
}

struct net_handler sim_replica_handler(struct sim_life *life)
{
    return (struct net_handler){.data = life,
                                .on_frame = on_frame,
                                .on_alive = on_alive,
                                .on_up = on_up,
                                .on_down = on_down};
}

/* ---- between group and machine ---- */

static int64_t next_offset(struct sim_group *g, uint32_t number)
{
    struct partition *p = machine_partition(g->machine, number);
    return p == NULL ? -1 : log_partition_next_offset(p->log);
}

static void on_apply(void *data, const struct log_entry *entry, const struct repl_entry_head *head,
                     struct repl_submit *own)
{
    struct sim_group *g = data;
    struct sim_check *check = g->life->node->sim->check;
    struct sim_applied applied = {
        .entry = entry, .head = head, .next_before = next_offset(g, head->partition_number)};
    sim_check_before_apply(check, g, &applied);
    g->applying_index = entry->index;
    g->inner.apply(g->inner.data, entry, head, own);
    applied.next_after = next_offset(g, head->partition_number);
    sim_check_after_apply(check, g, &applied);
}

static void on_role(void *data, enum repl_role role, uint64_t term)
{
    struct sim_group *g = data;
    sim_tell(g->life->node->sim, "group %u role %d term %llu", g->group_id, (int)role,
             (unsigned long long)term);
    if (role == REPL_LEADER)
        sim_check_leader(g->life->node->sim->check, g, term);
    g->inner.on_role(g->inner.data, role, term);
    sim_coordinator_on_role(g, role, term);
}

static void on_progress(void *data)
{
    struct sim_group *g = data;
    g->inner.on_progress(g->inner.data);
}

static int encode_state(void *data, uint8_t **bytes, size_t *size, uint32_t *feature_level)
{
    struct sim_group *g = data;
    return g->inner.encode_state(g->inner.data, bytes, size, feature_level);
}

static int restore(void *data, struct log_store *store, const struct log_store_state *state)
{
    struct sim_group *g = data;
    int err = g->inner.restore(g->inner.data, store, state);
    g->applied_index = state == NULL ? 0 : state->index;
    if (err == 0)
        sim_check_restored(g->life->node->sim->check, g);
    return err;
}

/* The process gives up: nothing of it goes on. */
static void on_fatal(void *data, int status)
{
    struct sim_group *g = data;
    struct sim_node *n = g->life->node;
    struct sim *s = n->sim;
    sim_tell(s, "group %u failed: %s", g->group_id, err_name(status));
    bool is_power = fake_disk_is_halted(n->disk);
    if (!is_power && n->has_lost_writes && status == ERR_CORRUPT)
        sim_count(s, SIM_lies_noticed, 1);
    else if (!is_power && n->is_damaged)
        sim_count(s, SIM_damage_found, 1); /* also a file that is gone */
    else if (!is_power && status != UV_EIO && status != UV_ENOSPC)
        world_violation(s->world, status == ERR_CORRUPT ? "19 known damage only" : "10 honest",
                        "node %u gives up without a disk error: %s", sim_node_id(n),
                        err_name(status));
    sim_node_end(n, is_power ? SIM_END_POWER : SIM_END_KILL);
    longjmp(s->loop, 1);
}

/* ---- opening ---- */

unsigned sim_replica_founders(struct sim_life *life)
{
    const struct sim *s = life->node->sim;
    struct repl_member *founders = life->founders;
    if (life->node->identity.is_rebuilt || life->node->number >= s->founder_count)
        return 0;
    for (unsigned i = 0; i < s->founder_count; i++) {
        founders[i] = (struct repl_member){.raft_id = repl_raft_id(i + 1, 1), .is_voter = true};
        memcpy(founders[i].site, s->nodes[i]->site, sizeof founders[i].site);
    }
    return s->founder_count;
}

static uint32_t count(void *data, const struct repl_entry_head *head, struct bytes body)
{
    struct sim_group *g = data;
    return g->inner.count(g->inner.data, head, body);
}

static void totals(void *data, struct repl_totals *totals)
{
    struct sim_group *g = data;
    g->inner.totals(g->inner.data, totals);
}

static struct repl_machine observed(struct sim_group *g)
{
    return (struct repl_machine){.data = g,
                                 .apply = on_apply,
                                 .count = count,
                                 .totals = totals,
                                 .on_role = on_role,
                                 .on_progress = on_progress,
                                 .encode_state = encode_state,
                                 .restore = restore};
}

static int open_raft(struct sim_group *g, struct err_note *note)
{
    struct sim_life *life = g->life;
    struct sim_node *n = life->node;
    bool is_later = sim_home_is_alone(n->sim, g->group_id);
    unsigned founder_count = is_later ? 0 : sim_replica_founders(life);
    struct repl_group_options options = {
        .identity = {.group_id = g->group_id,
                     .generation = g->generation,
                     .recovery_id = g->recovery_id},
        .raft_id = sim_node_raft_id(n),
        .founders = life->founders,
        .founder_count = founder_count,
        .clock = &life->clock,
        .random = &g->random,
        .home = &life->shard.seam,
        .wal = life->wal,
        .store = g->store,
        .node = life->repl,
        .machine = observed(g),
        .election_timeout_ms = 1000,
        .in_flight_entries_max = n->settings.in_flight_entries,
        .in_flight_bytes_max = 1 << 20,
        .append_bytes_max = 64 << 10,
        .cache_bytes_max = n->settings.cache_bytes,
        .trailing_entries = n->settings.trailing_entries,
        .on_fatal = on_fatal,
        .fatal_data = g,
    };
    return repl_group_create(&options, &g->raft, note);
}

int sim_replica_open(struct sim_life *life, unsigned index, struct err_note *note)
{
    struct sim_group *g = &life->groups[index];
    struct sim_node *n = life->node;
    g->life = life;
    g->group_id = index + 1;
    g->is_moving = calloc(SIM_GROUPS * SIM_HOME_NUMBERS, sizeof *g->is_moving);
    if (g->is_moving == NULL)
        return UV_ENOMEM;
    random_init(&g->random, random_u64(world_random(n->sim->world)));
    struct machine_options options = {.group_id = g->group_id};
    if (g->group_id == SIM_METADATA_GROUP)
        options.metadata = life->metadata;
#ifdef TRILOG_BREAK_APPLY_READS_LOCAL
    options.broken_batch_size_max = n->settings.broken_batch_size_max;
#endif
    g->store = life->stores[index];
    log_store_set_scrubber(g->store, life->scrubber);
    g->generation = log_store_state(g->store)->generation;
    g->recovery_id = log_store_state(g->store)->recovery_id;
    int err = machine_create(&options, &g->machine);
    if (err != 0)
        return err;
    g->inner = machine_callbacks(g->machine);
    err = sim_home_found(g);
    if (err == 0)
        err = open_raft(g, note);
    if (err != 0)
        return err;
    machine_set_group(g->machine, g->raft);
    g->has_left = repl_group_has_left(g->raft);
    repl_group_set_preferred(g->raft, 1 + index % n->sim->founder_count);
    sim_home_opened(g);
    return 0;
}

/* Each node judges its disk by what the real code measures, and acts as the daemon does; the faults
 * touch the fake disk and the writer's thread only. */
#include "sim/sim_disk.h"

#include <uv.h>

#define LOOK_NS (200 * WORLD_MS)

void sim_disk_open(struct sim_life *life)
{
    repl_disk_judge_init(&life->judge,
                         &(struct repl_disk_judge_options){.reserve_percent = 5,
                                                           .reserve_bytes = SIM_RESERVE_BYTES,
                                                           .slow_factor = 4,
                                                           .slow_ms = 50,
                                                           .stuck_ms = 2000});
}

static struct repl_disk_measure measure(struct sim_life *life)
{
    struct log_wal_pace pace;
    struct repl_disk_measure m = {0};
    log_wal_pace(life->wal, &pace);
    if (disk_free_bytes(fake_disk_seam(life->node->disk), &m.free_bytes, &m.total_bytes) != 0)
        m.total_bytes = 0;
    m.sync_p50_us = pace.p50_us;
    m.sync_p99_us = pace.p99_us;
    m.sync_recent_us = pace.recent_us;
    m.sync_count = pace.sync_count;
    m.writing_ms = (uint32_t)(pace.writing_us / 1000);
    m.is_out_of_files = pace.is_out_of_files;
    m.queue_percent = (uint8_t)pace.queue_percent;
    return m;
}

static void count_state(struct sim_life *life, enum repl_disk_state before,
                        enum repl_disk_state state)
{
    struct sim *s = life->node->sim;
    if (state == before)
        return;
    sim_tell(s, "disk of node %u: %s", sim_node_id(life->node), repl_disk_state_name(state));
    sim_count(s, SIM_disks_seen_full, state == REPL_DISK_FULL);
    sim_count(s, SIM_disks_seen_slow, state == REPL_DISK_SLOW);
    sim_count(s, SIM_disks_seen_stuck, state == REPL_DISK_STUCK);
}

void sim_disk_tick(struct sim_life *life)
{
    struct repl_disk_report peers[REPL_NODES_MAX];
    uint64_t now_ns = world_now_ns(life->node->sim->world);
    if (now_ns - life->looked_ns < LOOK_NS)
        return;
    life->looked_ns = now_ns;
    enum repl_disk_state before = life->judge.report.state;
    struct repl_disk_measure m = measure(life);
    unsigned count = repl_node_peer_disks(life->repl, peers);
    const struct repl_disk_report *r = repl_disk_judge_look(&life->judge, now_ns / WORLD_MS, &m,
                                                            peers, count);
    repl_node_set_disk(life->repl, r);
    log_wal_set_tight(life->wal, r->is_low || r->is_out_of_files);
    count_state(life, before, r->state);
}

/* ---- what breaks them ---- */

static void on_space(void *data)
{
    struct sim_node *n = data;
    if (world_now_ns(n->sim->world) >= n->full_until_ns)
        fake_disk_set_capacity(n->disk, 0);
}

void sim_disk_fill(struct sim_node *n, uint64_t free_bytes, uint64_t duration_ns)
{
    uint64_t was_free, total;
    if (disk_free_bytes(fake_disk_seam(n->disk), &was_free, &total) != 0)
        return;
    sim_count(n->sim, SIM_full_disks, 1);
    fake_disk_set_capacity(n->disk, total - was_free + free_bytes);
    n->full_until_ns = world_now_ns(n->sim->world) + duration_ns;
    world_in(n->sim->world, duration_ns, NULL, on_space, n);
}

static void on_fast_disk(void *data)
{
    struct sim_life *life = data;
    life->writer.delay_ns_max = WORLD_MS;
}

void sim_disk_slow(struct sim_node *n, uint64_t delay_ns, uint64_t duration_ns)
{
    if (n->life == NULL)
        return;
    sim_count(n->sim, SIM_slow_disks, 1);
    n->life->writer.delay_ns_max = delay_ns;
    world_in(n->sim->world, duration_ns, &n->life->span, on_fast_disk, n->life);
}

void sim_disk_hang(struct sim_node *n, uint64_t duration_ns)
{
    if (n->life == NULL)
        return;
    sim_count(n->sim, SIM_hung_disks, 1);
    uint64_t until_ns = world_now_ns(n->sim->world) + duration_ns;
    n->life->writer.paused_until_ns = n->life->readers.paused_until_ns = until_ns;
}

/* ---- the table's faults ---- */

static struct sim_node *any_node(struct sim *s)
{
    struct sim_group *g = sim_leader(s, (uint32_t)world_between(s->world, 1, s->group_count));
    return g == NULL || random_chance(world_random(s->world), 0.3)
               ? s->nodes[world_between(s->world, 0, s->node_count - 1)]
               : g->life->node;
}

static uint64_t draw_ns(struct sim *s)
{
    return world_between(s->world, WORLD_S / 5, 8 * WORLD_S);
}

/* Often a little, now and then nothing at all. */
static uint64_t draw_room(struct sim *s)
{
    bool is_nothing = random_chance(world_random(s->world), 0.3);
    return is_nothing ? 4096 : world_between(s->world, 4096, 2 * SIM_RESERVE_BYTES);
}

void sim_fault_slow_disk(struct sim *s)
{
    uint64_t delay_ns = world_between(s->world, 20 * WORLD_MS, 900 * WORLD_MS);
    sim_disk_slow(any_node(s), delay_ns, draw_ns(s));
}

void sim_fault_hung_disk(struct sim *s)
{
    sim_disk_hang(any_node(s), draw_ns(s));
}

void sim_fault_full_disk(struct sim *s)
{
    uint64_t room = draw_room(s);
    sim_disk_fill(any_node(s), room, draw_ns(s));
}

void sim_fault_all_disks_full(struct sim *s)
{
    uint64_t duration_ns = draw_ns(s);
    for (unsigned i = 0; i < s->node_count; i++)
        sim_disk_fill(s->nodes[i], draw_room(s), duration_ns);
}

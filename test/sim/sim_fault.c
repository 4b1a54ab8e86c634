/* A table of faults, each with its weight, drawn one after the other. */
#include "sim/sim_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "sim/sim_damage.h"
#include "sim/sim_disk.h"
#include "sim/sim_lie.h"
#include "sim/sim_operator.h"
#include "sim/sim_rot.h"

struct faults {
    struct sim *sim;
    uint64_t until_ns, pace_ns;
    bool has_lost_disk; /* one was replaced or damaged */
    bool are_held;      /* none comes */
};

static struct faults *faults; /* one simulation a process */

static struct sim_node *any_node(struct sim *s)
{
    return s->nodes[world_between(s->world, 0, s->node_count - 1)];
}

static struct sim_node *any_leader(struct sim *s)
{
    struct sim_group *g = sim_leader(s, (uint32_t)world_between(s->world, 1, s->group_count));
    return g == NULL || random_chance(world_random(s->world), 0.4) ? any_node(s) : g->life->node;
}

/* ---- processes ---- */

static void cut_power(struct sim *s)
{
    sim_node_end(any_leader(s), SIM_END_POWER);
}

static void cut_power_in_write(struct sim *s)
{
    struct sim_node *n = any_leader(s);
    if (n->life != NULL)
        fake_disk_halt_at(n->disk, world_between(s->world, 1, 30));
}

static void cut_all_power(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++)
        sim_node_end(s->nodes[i], SIM_END_POWER);
}

static void kill_process(struct sim *s)
{
    sim_node_end(any_leader(s), SIM_END_KILL);
}

static void pause_process(struct sim *s)
{
    sim_count(s, SIM_pauses, 1);
    sim_node_pause(any_leader(s), world_between(s->world, WORLD_S / 5, 5 * WORLD_S));
}

/* ---- links ---- */

struct link {
    struct sim *sim;
    unsigned from, to;
};

static struct link *draw_link(struct sim *s)
{
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        abort();
    l->sim = s;
    l->from = any_leader(s)->number;
    l->to = (l->from + (unsigned)world_between(s->world, 1, s->node_count - 1)) % s->node_count;
    return l;
}

static void on_heal(void *data)
{
    struct link *l = data;
    sim_net_heal(l->sim->net, l->from, l->to);
}

void sim_fault_cut(struct sim *s, unsigned from, unsigned to, uint64_t duration_ns)
{
    struct link *l = draw_link(s);
    l->from = from;
    l->to = to;
    sim_net_cut(s->net, from, to, random_chance(world_random(s->world), 0.5));
    world_in(s->world, duration_ns, NULL, on_heal, l);
}

static uint64_t draw_cut_ns(struct sim *s)
{
    return world_between(s->world, WORLD_S / 5, 6 * WORLD_S);
}

static void cut_link(struct sim *s)
{
    struct link *l = draw_link(s);
    uint64_t duration_ns = draw_cut_ns(s);
    sim_count(s, SIM_network_cuts, 1);
    sim_fault_cut(s, l->from, l->to, duration_ns);
    sim_fault_cut(s, l->to, l->from, duration_ns);
}

static void cut_one_way(struct sim *s)
{
    struct link *l = draw_link(s);
    sim_count(s, SIM_one_way_cuts, 1);
    sim_fault_cut(s, l->from, l->to, draw_cut_ns(s));
}

static void isolate(struct sim *s)
{
    unsigned node = any_leader(s)->number;
    uint64_t duration_ns = draw_cut_ns(s);
    sim_count(s, SIM_network_cuts, 1);
    for (unsigned i = 0; i < s->node_count; i++)
        if (i != node) {
            sim_fault_cut(s, node, i, duration_ns);
            sim_fault_cut(s, i, node, duration_ns);
        }
}

/* Two sides that don't hear each other. */
static void split(struct sim *s)
{
    unsigned side = (unsigned)world_between(s->world, 1, (1u << s->node_count) - 2);
    uint64_t duration_ns = draw_cut_ns(s);
    sim_count(s, SIM_network_cuts, 1);
    for (unsigned a = 0; a < s->node_count; a++)
        for (unsigned b = 0; b < s->node_count; b++)
            if ((side >> a & 1) != (side >> b & 1))
                sim_fault_cut(s, a, b, duration_ns);
}

static void reset_link(struct sim *s)
{
    struct link *l = draw_link(s);
    sim_count(s, SIM_connections_reset, 1);
    sim_net_reset(s->net, l->from, l->to);
}

static void change_delay(struct sim *s)
{
    struct link *l = draw_link(s);
    uint64_t delay_ns = world_between(s->world, WORLD_MS / 5, 120 * WORLD_MS);
    sim_count(s, SIM_slow_links, 1);
    sim_net_set_delay(s->net, l->from, l->to, delay_ns, world_between(s->world, 0, 2 * delay_ns));
}

static void on_full_rate(void *data)
{
    struct link *l = data;
    sim_net_set_rate(l->sim->net, l->from, l->to, 0);
}

static void slow_link(struct sim *s)
{
    struct link *l = draw_link(s);
    sim_count(s, SIM_slow_links, 1);
    sim_net_set_rate(s->net, l->from, l->to, world_between(s->world, 20000, 400000));
    world_in(s->world, draw_cut_ns(s), NULL, on_full_rate, l);
}

static void stall_channel(struct sim *s)
{
    struct link *l = draw_link(s);
    enum net_channel channel = (enum net_channel)world_between(s->world, 0, NET_CHANNEL_COUNT - 1);
    sim_count(s, SIM_stalled_channels, 1);
    sim_net_stall(s->net, l->from, l->to, channel, world_now_ns(s->world) + draw_cut_ns(s) / 2);
}

/* ---- disks ---- */

static void fail_disk(struct sim *s)
{
    static const enum fake_disk_operation operations[] = {
        FAKE_DISK_WRITE, FAKE_DISK_SYNC, FAKE_DISK_READ, FAKE_DISK_OPEN, FAKE_DISK_RENAME};
    struct sim_node *n = any_leader(s);
    unsigned operation = (unsigned)world_between(s->world, 0, 7);
    sim_count(s, SIM_disk_errors, 1);
    fake_disk_fail_nth(n->disk, operations[operation > 4 ? operation - 5 : operation],
                       world_between(s->world, 1, 20), UV_EIO);
}

bool sim_fault_flip(struct sim_node *n, const char *folder)
{
    struct world *w = n->sim->world;
    char path[SIM_PATH_SIZE];
    if (!sim_damage_choose_file(n, folder, path))
        return false;
    int64_t size = sim_damage_size_of(n, path);
    uint64_t position = size <= 0 ? 0 : world_between(w, 0, (uint64_t)size - 1);
    sim_harm_note(n, SIM_HARM_FLIPPED, path, position, position + 1);
    if (size <= 0 ||
        fake_disk_flip_bit(n->disk, path, position, (unsigned)world_between(w, 0, 7)) != 0)
        return false;
    sim_tell(n->sim, "a bit of %s on node %u flips", path, sim_node_id(n));
    n->is_damaged = true;
    n->damaged_ns = world_now_ns(w);
    n->has_tail_damage = true;
    sim_count(n->sim, SIM_bits_flipped, 1);
    return true;
}

static void flip_bits(struct sim *s)
{
    struct sim_node *n = any_node(s);
    if (n->life == NULL || faults->has_lost_disk || !sim_damage_is_allowed(s))
        return;
    for (int i = 0; i < 5; i++)
        faults->has_lost_disk |= sim_fault_flip(n, "wal");
}

/* What the node mends by itself may happen again once it is whole. */
static void damage(struct sim *s)
{
    struct sim_node *n = any_node(s);
    if (n->life != NULL && sim_damage_is_allowed(s))
        sim_damage(n, (enum sim_damage)world_between(s->world, 0, SIM_DAMAGE_KINDS - 1));
}

static void replace_disk(struct sim *s)
{
    struct sim_node *n = any_node(s);
    if (faults->has_lost_disk || !sim_damage_is_allowed(s))
        return;
    faults->has_lost_disk = true;
    sim_node_end(n, SIM_END_POWER);
    sim_node_wipe(n);
}

/* ---- others ---- */

static void jump_wall_clock(struct sim *s)
{
    struct sim_node *n = any_node(s);
    sim_count(s, SIM_wall_clock_jumps, 1);
    n->wall_offset_ms += (int64_t)world_between(s->world, 0, 200000000) - 100000000;
}

static void transfer(struct sim *s)
{
    struct sim_group *g = sim_leader(s, (uint32_t)world_between(s->world, 1, s->group_count));
    if (g != NULL)
        repl_group_transfer(g->raft, (uint32_t)world_between(s->world, 1, s->node_count));
}

struct fault {
    const char *name;
    unsigned weight;
    void (*strike)(struct sim *s);
    bool spoils_forecasts; /* a disk forgets what it had, or a clock what time it is: then nobody
                              says what a forced recovery loses */
};

static const struct fault table[] = {
    {"power cut", 6, cut_power, false},
    {"power cut in a write", 10, cut_power_in_write, false},
    {"power cut of all", 2, cut_all_power, false},
    {"kill", 6, kill_process, false},
    {"pause", 8, pause_process, false},
    {"cut", 8, cut_link, false},
    {"one-way cut", 8, cut_one_way, false},
    {"isolation", 5, isolate, false},
    {"split", 5, split, false},
    {"reset", 4, reset_link, false},
    {"delay", 6, change_delay, false},
    {"slow link", 5, slow_link, false},
    {"stalled channel", 6, stall_channel, false},
    {"disk error", 6, fail_disk, false},
    {"slow disk", 4, sim_fault_slow_disk, false},
    {"hung disk", 4, sim_fault_hung_disk, false},
    {"full disk", 4, sim_fault_full_disk, false},
    {"all disks full", 1, sim_fault_all_disks_full, false},
    {"bit flips", 2, flip_bits, true},
    {"rotten segments", 6, sim_rot_strike, true},
    {"damage", 14, damage, true},
    {"lying disk", 4, sim_fault_lie, true},
    {"new disk", 2, replace_disk, true},
    {"wall clock jump", 4, jump_wall_clock, true},
    {"transfer", 8, transfer, false},
};

static const struct fault *draw_fault(struct sim *s)
{
    unsigned sum = 0, count = sizeof table / sizeof table[0];
    for (unsigned i = 0; i < count; i++)
        sum += table[i].weight;
    uint64_t place = world_between(s->world, 0, sum - 1);
    unsigned i = 0;
    for (; place >= table[i].weight; i++)
        place -= table[i].weight;
    return &table[i];
}

static void strike_one(struct sim *s)
{
    const struct fault *f = draw_fault(s);
    while (s->does_recover && f->spoils_forecasts)
        f = draw_fault(s);
    sim_tell(s, "fault: %s", f->name);
    sim_count(s, SIM_faults, 1);
    f->strike(s);
}

static void on_fault_time(void *data)
{
    struct sim *s = data;
    if (world_now_ns(s->world) >= faults->until_ns)
        return;
    if (!faults->are_held)
        strike_one(s);
    world_in(s->world, world_between(s->world, faults->pace_ns / 5, faults->pace_ns * 9 / 5), NULL,
             on_fault_time, s);
}

void sim_faults_start(struct sim *s, uint64_t until_ns, uint64_t pace_ns)
{
    faults = calloc(1, sizeof *faults);
    if (faults == NULL)
        abort();
    *faults = (struct faults){.sim = s, .until_ns = until_ns, .pace_ns = pace_ns};
    on_fault_time(s);
}

static void mend_node(struct sim_node *n)
{
    for (int operation = 0; operation < FAKE_DISK_OPERATION_COUNT; operation++)
        fake_disk_fail_nth(n->disk, (enum fake_disk_operation)operation, 0, 0);
    fake_disk_halt_at(n->disk, 0);
    fake_disk_set_capacity(n->disk, 0);
    if (n->is_damaged) /* it looks for itself when it starts */
        sim_node_end(n, SIM_END_KILL);
    if (n->life == NULL && !n->has_lost_writes) /* that one's story brings it back */
        sim_node_restart_in(n, WORLD_S / 10);
    else if (n->life != NULL) {
        n->life->writer.delay_ns_max = WORLD_MS;
        n->life->writer.paused_until_ns = n->life->readers.paused_until_ns = 0;
    }
}

static void mend_all(struct sim *s)
{
    sim_net_heal_all(s->net);
    for (unsigned a = 0; a < s->node_count; a++) {
        mend_node(s->nodes[a]);
        for (unsigned b = 0; b < s->node_count; b++)
            if (a != b) {
                sim_net_set_rate(s->net, a, b, 0);
                sim_net_set_delay(s->net, a, b, 5 * WORLD_MS, WORLD_MS);
            }
    }
}

void sim_faults_hold(struct sim *s, bool are_held)
{
    if (faults == NULL)
        return;
    sim_tell(s, are_held ? "faults pause" : "faults go on");
    faults->are_held = are_held;
    if (are_held)
        mend_all(s);
}

bool sim_faults_are_held(void)
{
    return faults != NULL && faults->are_held;
}

void sim_faults_end(struct sim *s)
{
    sim_tell(s, "faults end");
    mend_all(s);
}

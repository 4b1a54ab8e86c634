/* A node's process: opened on its disk as the daemon opens it, driven by the world.
 *
 * All I/O happens in items of its works; a disk that halts in the middle of one (a power cut in
 * mid-write) ends the process right behind that item, before anyone hears of it. A process that
 * gives up (on_fatal) ends at once: the code below it never goes on, as after _exit(). */
#include "sim/sim_node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "log/folders.h"
#include "log/repair.h"
#include "sim/sim_call.h"
#include "sim/sim_check.h"
#include "sim/sim_coordinator.h"
#include "sim/sim_disk.h"
#include "sim/sim_home.h"
#include "sim/sim_metadata.h"
#include "sim/sim_moves.h"
#include "sim/sim_recovery.h"
#include "sim/sim_replica.h"
#include "sim/sim_rot.h"
#include "sim/sim_sites.h"

#define TICK_NS           (10 * WORLD_MS)
#define SHARD_DELAY_NS    (50 * WORLD_US)
#define WRITER_DELAY_NS   (800 * WORLD_US)
#define READER_DELAY_NS   (2 * WORLD_MS)
#define DAMAGE_SETTLES_NS (2 * WORLD_S)
#define SCRUB_MS          20000
#define SCRUB_BYTES       (8 << 20) /* a second */

static unsigned running; /* node id, for the story */

unsigned sim_node_running(void)
{
    return running;
}

uint64_t sim_node_raft_id(const struct sim_node *n)
{
    return repl_raft_id(sim_node_id(n), n->incarnation);
}

static void draw_settings(struct sim_node *n)
{
    struct world *w = n->sim->world;
    n->settings = (struct sim_settings){
        .wal_file_bytes = world_between(w, 4, 12) * (64 << 10),
        .wal_kept_bytes = world_between(w, 4, 24) * (64 << 10),
        .in_flight_entries = (unsigned)world_between(w, 8, 128),
        .cache_bytes = world_between(w, 8, 512) << 10,
        .trailing_entries = world_between(w, 20, 600),
        .broken_batch_size_max = 2000 + 3000 * (size_t)n->number,
    };
}

struct sim_node *sim_node_create(struct sim *s, unsigned number)
{
    struct sim_node *n = calloc(1, sizeof *n);
    if (n == NULL)
        abort();
    n->sim = s;
    n->number = number;
    n->incarnation = 1;
    snprintf(n->site, sizeof n->site, "%c", 'a' + number % 3);
    n->disk = fake_disk_create(world_between(s->world, 1, UINT32_MAX));
    draw_settings(n);
    return n;
}

/* ---- its clock ---- */

static uint64_t node_now_ns(void *data)
{
    const struct sim_node *n = data;
    return world_now_ns(n->sim->world) + n->number * 77 * WORLD_S; /* no two start alike */
}

static int64_t node_wall_ms(void *data)
{
    const struct sim_node *n = data;
    return INT64_C(1700000000000) + (int64_t)(world_now_ns(n->sim->world) / WORLD_MS) +
           n->wall_offset_ms;
}

/* ---- turns and ticks ---- */

static void around_item(void *data, bool is_after)
{
    struct sim_life *life = data;
    running = sim_node_id(life->node);
    if (is_after && fake_disk_is_halted(life->node->disk)) {
        sim_count(life->node->sim, SIM_cuts_in_mid_write, 1);
        sim_node_end(life->node, SIM_END_POWER);
    }
}

static void around_shard_item(void *data, bool is_after)
{
    struct sim_life *life = data;
    running = sim_node_id(life->node);
    for (unsigned i = 0; is_after && i < life->node->sim->group_count && !life->span.is_over; i++) {
        repl_group_turn(life->groups[i].raft);
        sim_check_turn(life->node->sim->check, &life->groups[i]);
    }
}

static void run_tick(struct work_item *item)
{
    struct sim_life *life = item->data;
    life->is_tick_queued = false;
    sim_disk_tick(life);
    repl_node_tick(life->repl);
    for (unsigned i = 0; i < life->node->sim->group_count; i++) {
        repl_group_tick(life->groups[i].raft);
        sim_coordinator_tick(&life->groups[i]);
    }
    sim_moves_tick(life);
    sim_recovery_tick(life);
    sim_home_tick(life);
    sim_sites_tick(life);
}

static void on_tick_time(void *data)
{
    struct sim_life *life = data;
    struct world *world = life->node->sim->world;
    if (!life->is_tick_queued) {
        life->is_tick_queued = true;
        life->tick_item.data = life;
        work_submit(&life->shard.seam, &life->tick_item, run_tick);
    }
    world_in(world, TICK_NS, &life->span, on_tick_time, life);
}

/* ---- opening ---- */

void sim_node_keep_durable(struct sim_node *n)
{
    for (unsigned i = 0; i < SIM_RAFT_GROUPS_MAX; i++)
        if (n->wiped_index[i] < n->durable_index[i])
            n->wiped_index[i] = n->durable_index[i];
}

/* Its replicas are others from here on: what it had as the one it was is not forgotten by the check
 * of what a majority has. */
static void sim_node_is_another(struct sim_node *n)
{
    sim_node_keep_durable(n);
    n->has_lost_writes = false;
    n->incarnation = n->identity.incarnation;
    sim_tell(n->sim, "node %u is incarnation %llx from here on", sim_node_id(n),
             (unsigned long long)n->incarnation);
}

static void sim_node_is_rebuilt(struct sim_node *n, const struct storage_report *report)
{
    struct sim *s = n->sim;
    for (unsigned i = 0; i < report->damage_count && i < STORAGE_DAMAGES_MAX; i++)
        sim_tell(s, "node %u found damage: %s", sim_node_id(n), report->damages[i].text);
    if (!n->is_damaged && !n->has_lost_writes && !s->is_blind)
        world_violation(s->world, "19 known damage only",
                        "node %u finds damage on a sound disk: %s", sim_node_id(n),
                        report->damages[0].text);
    if (report->damages[0].part == STORAGE_GROUP)
        sim_rot_watch(n); /* an older manifest names segments that are gone since */
    sim_count(s, SIM_damage_found, 1);
    sim_count(s, SIM_rebuilt_by_itself, 1);
    sim_node_is_another(n);
}

static void init_works(struct sim_life *life)
{
    struct world *world = life->node->sim->world;
    sim_work_init(&life->writer, world, &life->span, true, WRITER_DELAY_NS);
    sim_work_init(&life->readers, world, &life->span, false, READER_DELAY_NS);
    sim_work_init(&life->shard, world, &life->span, true, SHARD_DELAY_NS);
    life->writer.around = life->readers.around = around_item;
    life->shard.around = around_shard_item;
    life->writer.around_data = life->readers.around_data = life->shard.around_data = life;
}

/* Who it is by its disk. A new disk founds, or was invited: its incarnation is the simulation's.
 * One that has data and no identity is invited again. */
static int open_identity(struct sim_life *life, struct err_note *note)
{
    struct sim_node *n = life->node;
    const struct disk *disk = fake_disk_seam(n->disk);
    int err = identity_open(disk, disk, "sim", sim_node_id(n), &life->random, &n->identity, note);
    if (err == 0 && n->identity.state != IDENTITY_FOUNDED) {
        bool is_lost = n->identity.state == IDENTITY_LOST;
        sim_count(n->sim, SIM_identities_lost, is_lost);
        n->identity.is_rebuilt = is_lost || n->incarnation > 1;
        n->identity.state = IDENTITY_FOUNDED;
        n->identity.cluster_id[0] = 1;
        n->identity.cluster_id[1] = 2;
        if (!is_lost)
            n->identity.incarnation = n->incarnation;
        err = identity_write(disk, &n->identity);
    }
    if (err == 0 && n->identity.incarnation != n->incarnation)
        sim_node_is_another(n);
    return err;
}

static const struct work *home_of(void *data, uint32_t group_id)
{
    struct sim_life *life = data;
    (void)group_id;
    return &life->shard.seam;
}

static int open_storage(struct sim_life *life, struct err_note *note)
{
    struct sim_node *n = life->node;
    struct storage_report report;
    struct storage_options options = {
        .disk = fake_disk_seam(n->disk),
        .wal_disk = fake_disk_seam(n->disk),
        .wal = {.directory = "wal",
                .file_size_bytes = n->settings.wal_file_bytes,
                .queue_bytes_max = 4 << 20,
                .kept_bytes_max = n->settings.wal_kept_bytes,
                .cluster_id = {1, 2},
                .clock = &life->clock},
        .writer = &life->writer.seam,
        .readers = &life->readers.seam,
        .home = home_of,
        .data = life,
        .folders = life->folders,
        .first_group_id = 1,
        .group_count = n->sim->group_count,
        .metadata_group_id = SIM_METADATA_GROUP,
        .random = &life->random,
    };
    options.first_later_group_id = n->sim->has_asynchronous ? SIM_ASYNCHRONOUS_GROUP : 0;
    options.founder_count = sim_replica_founders(life);
    options.founders = life->founders;
    int err = sim_recovery_run(life, &options, note);
    if (err != 0)
        return err;
    err = storage_open(&options, &n->identity, &life->wal, life->stores, &report, note);
    if (report.damage_count > 0)
        sim_node_is_rebuilt(n, &report);
    return err;
}

static void on_message(void *data, uint32_t from_node_id, struct bytes message,
                       struct buffer *owner)
{
    if (!sim_sites_on_message(data, from_node_id, message))
        sim_recovery_on_message(data, from_node_id, message, owner);
}

static int open_repl_node(struct sim_life *life)
{
    struct sim_node *n = life->node;
    struct repl_node_options options = {
        .node_id = sim_node_id(n),
        .incarnation = n->incarnation,
        .clock = &life->clock,
        .random = &life->random,
        .heartbeat_ms = 75,
        .gone_ms = 300,
        .settle_ms = 3000,
        .on_application = on_message,
        .application_data = life,
        .ship_compression = (enum repl_ship_compression)(n->number % 3), /* they differ */
    };
    memcpy(options.site, n->site, sizeof options.site);
    int err = repl_node_create(&options, &life->repl);
    if (err == 0)
        repl_node_set_shard(life->repl, 0, sim_net_seam(n->sim->net, n->number), &life->shard.seam);
    return err;
}

static int open_scrubber(struct sim_life *life)
{
    struct log_scrubber_options options = {
        .clock = &life->clock, .interval_ms = SCRUB_MS, .bytes_per_second = SCRUB_BYTES};
    life->scrubber = log_scrubber_create(&options);
    life->folders = log_folders_create();
    return life->scrubber == NULL || life->folders == NULL ? UV_ENOMEM : 0;
}

static int open_parts(struct sim_life *life, struct err_note *note)
{
    int err = open_identity(life, note);
    if (err == 0)
        err = open_scrubber(life);
    if (err == 0)
        err = open_storage(life, note);
    if (err == 0)
        err = open_repl_node(life);
    if (err == 0)
        err = sim_metadata_open(life);
    if (err == 0)
        err = sim_sites_open(life);
    for (unsigned i = 0; i < life->node->sim->group_count && err == 0; i++)
        err = sim_replica_open(life, i, note);
    return err == 0 ? sim_coordinator_open(life) : err;
}

static void replace_damaged(struct sim_node *n, const char *why)
{
    struct sim *s = n->sim;
    sim_tell(s, "node %u refuses its damaged disk: %s", sim_node_id(n), why);
    sim_count(s, SIM_damage_found, 1);
    sim_node_wipe(n);
    sim_node_restart_in(n, world_between(s->world, 1, WORLD_S));
}

/* A disk that lies loses all of it when the story says so, and else nothing. */
static void crash_disk(struct sim_node *n)
{
    if (n->is_lying && !n->has_lost_writes) {
        n->is_lying = false;
        fake_disk_lie(n->disk, NULL);
    }
    sim_harm_note_cut(n, n->is_lying ? SIM_HARM_LIED_OF : SIM_HARM_UNSYNCED);
    fake_disk_crash(n->disk, NULL);
}

static void fail_to_start(struct sim_node *n, int err, const struct err_note *note)
{
    struct sim *s = n->sim;
    sim_tell(s, "node %u can't start: %s (%s)", sim_node_id(n), err_name(err), note->text);
    if (fake_disk_is_halted(n->disk))
        crash_disk(n);
    else if (err == ERR_CORRUPT && n->is_damaged)
        replace_damaged(n, note->text);
    else if (err != UV_EIO && err != UV_ENOSPC)
        world_violation(s->world, "19 known damage only",
                        "node %u can't start on a sound disk: %s (%s)", sim_node_id(n),
                        err_name(err), note->text);
    sim_node_restart_in(n, world_between(s->world, WORLD_S / 5, 2 * WORLD_S));
}

void sim_node_start(struct sim_node *n)
{
    if (n->life != NULL || n->is_lost)
        return;
    struct err_note note = {0};
    struct sim_life *life = calloc(1, sizeof *life);
    if (life == NULL)
        abort();
    running = sim_node_id(n);
    life->node = n;
    life->clock = (struct clock){.data = n, .now_ns = node_now_ns, .wall_ms = node_wall_ms};
    random_init(&life->random, random_u64(world_random(n->sim->world)));
    init_works(life);
    sim_disk_open(life);
    n->life = life;
    int err = open_parts(life, &note);
    if (err != 0 || fake_disk_is_halted(n->disk)) {
        life->span.is_over = true;
        n->life = NULL;
        fail_to_start(n, err, &note);
        return;
    }
    sim_recovery_opened(life);
    sim_tell(n->sim, "node %u runs", sim_node_id(n));
    n->is_damaged = false; /* WAL, manifests, identity are read whole at each start */
    n->has_tail_damage = false;
    sim_net_join(n->sim->net, n->number, sim_replica_handler(life));
    world_in(n->sim->world, world_between(n->sim->world, 1, TICK_NS), &life->span, on_tick_time,
             life);
}

/* ---- its end ---- */

void sim_node_collect(struct sim_life *life)
{
    struct sim *s = life->node->sim;
    struct log_wal_counters wal;
    log_wal_counters(life->wal, &wal);
    sim_count(s, SIM_torn_tails_cut, wal.torn_tails_cut);
    sim_count(s, SIM_wal_files_recycled, wal.files_recycled);
    for (unsigned i = 0; i < s->group_count && life->groups[i].raft != NULL; i++) {
        struct repl_counters c;
        repl_group_counters(life->groups[i].raft, &c);
        sim_count(s, SIM_elections, c.elections_started);
        sim_count(s, SIM_terms_led, c.terms_led);
        sim_count(s, SIM_truncations, c.truncations);
        sim_count(s, SIM_snapshots_sent, c.snapshots_sent);
        sim_count(s, SIM_snapshots_installed, c.snapshots_installed);
        sim_count(s, SIM_shipped_bytes, c.shipped_bytes);
        sim_count(s, SIM_shipped_bytes_saved, c.shipped_bytes - c.shipped_wire_bytes);
        sim_count(s, SIM_transfers, c.transfers_done);
        sim_count(s, SIM_entries_applied, c.entries_applied);
        sim_count(s, SIM_entries_from_cache, c.entries_from_cache);
        sim_count(s, SIM_entries_from_wal, c.entries_from_wal);
        struct log_damage_status damage;
        log_store_damage(life->groups[i].store, &damage);
        sim_count(s, SIM_files_found_damaged, damage.files_found);
        sim_count(s, SIM_segments_repaired, damage.segments_repaired);
    }
}

static void on_restart(void *data)
{
    struct sim_node *n = data;
    n->is_restart_queued = false;
    sim_node_start(n);
    running = 0;
}

void sim_node_restart_in(struct sim_node *n, uint64_t delay_ns)
{
    if (n->is_restart_queued || n->life != NULL || n->is_lost)
        return;
    n->is_restart_queued = true;
    world_in(n->sim->world, delay_ns, NULL, on_restart, n);
}

static uint64_t wal_index(struct sim_life *life, unsigned group)
{
    struct log_wal_state state;
    uint64_t index = life->groups[group].store == NULL
                         ? 0
                         : log_store_state(life->groups[group].store)->index;
    if (log_wal_state(life->wal, life->groups[group].group_id, &state) == 0 &&
        state.last_index > index)
        index = state.last_index;
    return index;
}

void sim_node_end(struct sim_node *n, enum sim_end how)
{
    struct sim_life *life = n->life;
    if (life == NULL)
        return;
    struct sim *s = n->sim;
    sim_tell(s, "node %u ends: %s", sim_node_id(n), how == SIM_END_POWER ? "power cut" : "killed");
    sim_count(s, how == SIM_END_POWER ? SIM_power_cuts : SIM_kills, 1);
    for (unsigned i = 0; i < s->group_count; i++)
        n->durable_index[i] = wal_index(life, i);
    sim_node_collect(life);
    life->span.is_over = true;
    n->life = NULL;
    sim_net_leave(s->net, n->number);
    sim_calls_broken(life);
    if (how == SIM_END_POWER)
        crash_disk(n);
    /* Damage to the very last write can't be told from a torn one (docs/wal_format.md): a disk that
     * was damaged just before the end is not used again. */
    if (n->has_tail_damage && world_now_ns(s->world) < n->damaged_ns + DAMAGE_SETTLES_NS)
        sim_node_wipe(n);
    if (s->is_restarting)
        sim_node_restart_in(n, world_between(s->world, WORLD_S / 10, 6 * WORLD_S));
}

void sim_node_wipe(struct sim_node *n)
{
    sim_node_keep_durable(n);
    memset(n->durable_index, 0, sizeof n->durable_index);
    n->incarnation++;
    n->is_damaged = n->has_tail_damage = n->has_damaged_segments = false;
    n->is_lying = n->has_lost_writes = false;
    n->disk = fake_disk_create(random_u64(world_random(n->sim->world)));
    sim_count(n->sim, SIM_replicas_rebuilt, 1);
}

void sim_node_pause(struct sim_node *n, uint64_t duration_ns)
{
    if (n->life == NULL)
        return;
    uint64_t until_ns = world_now_ns(n->sim->world) + duration_ns;
    n->life->shard.paused_until_ns = n->life->writer.paused_until_ns = until_ns;
    n->life->readers.paused_until_ns = until_ns;
}

uint64_t sim_node_durable_index(struct sim_node *n, uint32_t group_id)
{
    unsigned group = group_id - 1;
    uint64_t index = n->life != NULL ? wal_index(n->life, group) : n->durable_index[group];
    return index > n->wiped_index[group] ? index : n->wiped_index[group];
}

struct sim_group *sim_node_group(struct sim_node *n, uint32_t group_id)
{
    return n->life == NULL ? NULL : &n->life->groups[group_id - 1];
}

struct sim_group *sim_leader(struct sim *s, uint32_t group_id)
{
    struct sim_group *found = NULL;
    uint64_t term = 0;
    for (unsigned i = 0; i < s->node_count; i++) {
        struct sim_group *g = sim_node_group(s->nodes[i], group_id);
        struct repl_group_status status;
        if (g == NULL)
            continue;
        repl_group_status(g->raft, &status);
        if (status.role == REPL_LEADER && status.is_ready && status.term > term) {
            found = g;
            term = status.term;
        }
    }
    return found;
}

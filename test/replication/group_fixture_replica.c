/* The fixture's processes: a node with WAL, store and one replica, started, killed, wiped. */
#include "base/err.h"
#include "group_fixture.h"

static void on_fatal(void *data, int status)
{
    struct replica *r = data;
    r->fatal_status = status;
    r->fatal_count++;
}

uint64_t replica_raft_id(const struct replica *r)
{
    return repl_raft_id(r->node_id, r->incarnation);
}

struct repl_member replica_member(const struct replica *r)
{
    struct repl_member m = {.raft_id = replica_raft_id(r), .is_voter = true};
    bytes_copy_text(m.site, sizeof m.site, r->site);
    return m;
}

static void on_node_change(void *data)
{
    struct replica *r = data;
    r->node_changes++;
}

static int open_disk(struct replica *r, struct err_note *note)
{
    struct cluster *c = r->cluster;
    struct log_wal_options options = {.directory = "wal",
                                      .file_size_bytes = 256u << 10,
                                      .queue_bytes_max = 1u << 20,
                                      .kept_bytes_max = c->wal_kept_bytes,
                                      .cluster_id = {1, 2},
                                      .clock = &c->clock.seam};
    int err = log_wal_open(fake_disk_seam(r->disk), &options, &r->writer.seam, &r->worker.seam,
                           &r->wal, note);
    return err != 0 ? err
                    : log_store_open(fake_disk_seam(r->disk), GROUP_ID, &r->worker.seam,
                                     &r->home.seam, &r->store, note);
}

static void open_node(struct replica *r)
{
    struct repl_node_options options = {.node_id = r->node_id,
                                        .incarnation = r->incarnation,
                                        .clock = &r->cluster->clock.seam,
                                        .random = &r->random,
                                        .heartbeat_ms = 75,
                                        .gone_ms = GONE_MS,
                                        .settle_ms = 2000,
                                        .return_every_ms = r->cluster->return_every_ms,
                                        .freeze_ms_max = r->cluster->freeze_ms_max,
                                        .peer_window_bytes = r->cluster->peer_window_bytes,
                                        .ship_bytes_per_second = r->cluster->ship_bytes_per_second,
                                        .ship_compression = r->cluster->ship_compression,
                                        .on_change = on_node_change,
                                        .change_data = r};
    bytes_copy_text(options.site, sizeof options.site, r->site);
    cr_assert_eq(repl_node_create(&options, &r->node), 0);
    r->net = net_of(r);
    repl_node_set_shard(r->node, 0, &r->net, &r->home.seam);
    r->handler = repl_node_handler(r->node, 0);
}

/* As a founder of a group that comes later does, on a store that has nothing yet. */
static void found_later(struct replica *r)
{
    struct cluster *c = r->cluster;
    struct repl_machine machine = machine_of(r);
    uint8_t *state;
    size_t size;
    uint32_t feature_level;
    if (log_store_state(r->store)->index > 0 || !r->is_founder)
        return;
    cr_assert_eq(machine.encode_state(machine.data, &state, &size, &feature_level), 0);
    cr_assert_eq(repl_group_found(r->store, c->founders, c->founder_count, bytes_of(state, size),
                                  feature_level),
                 0);
    free(state);
}

static bool is_unsettled(void *data)
{
    const struct replica *r = data;
    return r->is_unsettled;
}

static int open_group(struct replica *r, struct err_note *note)
{
    struct cluster *c = r->cluster;
    bool has_founders = r->is_founder && !c->is_founded_later;
    for (unsigned i = 0; i < c->founder_count; i++) {
        c->founders[i] = replica_member(&c->replicas[i]);
        c->founders[i].raft_id = repl_raft_id(c->replicas[i].node_id, 1); /* first incarnations */
        c->founders[i].is_voter = (c->founding_learners >> i & 1) == 0;
    }
    if (c->is_founded_later)
        found_later(r);
    struct repl_group_options options = {
        .identity = {.group_id = GROUP_ID,
                     .generation = r->generation,
                     .recovery_id = r->recovery_id},
        .raft_id = replica_raft_id(r),
        .founders = has_founders ? c->founders : NULL,
        .founder_count = has_founders ? c->founder_count : 0,
        .clock = &c->clock.seam,
        .random = &r->random,
        .home = &r->home.seam,
        .wal = r->wal,
        .store = r->store,
        .node = r->node,
        .machine = machine_of(r),
        .election_timeout_ms = ELECTION_MS,
        .in_flight_entries_max = c->in_flight_entries_max,
        .in_flight_bytes_max = c->in_flight_bytes_max,
        .append_bytes_max = c->append_bytes_max,
        .cache_bytes_max = c->cache_bytes_max,
        .trailing_entries = c->trailing_entries,
        .on_fatal = on_fatal,
        .fatal_data = r,
        .is_unsettled = is_unsettled,
        .unsettled_data = r,
    };
    int err = repl_group_create(&options, &r->group, note);
    if (err == 0)
        repl_group_set_preferred(r->group, c->preferred_node_id);
    return err;
}

static void close_process(struct replica *r)
{
    repl_node_destroy(r->node);
    if (r->store != NULL)
        log_store_close(r->store);
    if (r->wal != NULL)
        log_wal_close(r->wal);
    r->node = NULL;
    r->store = NULL;
    r->wal = NULL;
    r->group = NULL;
}

int replica_try_start(struct replica *r, struct err_note *note)
{
    int err = open_disk(r, note);
    r->role = REPL_FOLLOWER;
    r->fatal_status = 0;
    r->fatal_count = 0;
    r->is_paused = r->is_writer_paused = false;
    if (err == 0) {
        open_node(r);
        r->cluster->speaking = (int)r->number;
        err = open_group(r, note);
        r->cluster->speaking = -1;
    }
    if (err != 0)
        close_process(r);
    return err;
}

/* The links come up, both ways. */
static void link_up(struct cluster *c, struct replica *r)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct replica *other = &c->replicas[i];
        if (other == r || other->group == NULL || c->is_cut[i][r->number])
            continue;
        r->handler.on_up(r->handler.data, other->node_id);
        other->handler.on_up(other->handler.data, r->node_id);
    }
}

void replica_start(struct replica *r)
{
    struct err_note note = {0};
    int err = replica_try_start(r, &note);
    cr_assert_eq(err, 0, "node %u: %s: %s", r->node_id, err_name(err), note.text);
    link_up(r->cluster, r);
}

/* Ends what is under way: a group is destroyed only when nothing of it is with WAL or store. */
void replica_end(struct replica *r)
{
    repl_group_stop(r->group);
    for (unsigned i = 0; i < 1000 && !repl_group_is_idle(r->group); i++) {
        fake_work_run_all(&r->writer, NULL);
        fake_work_run_all(&r->worker, NULL);
        fake_work_run_all(&r->home, NULL);
    }
    cr_assert(repl_group_is_idle(r->group), "a stopped group comes to rest");
    repl_group_destroy(r->group);
    fake_work_drop(&r->writer);
    fake_work_drop(&r->worker);
    fake_work_drop(&r->home);
    close_process(r);
}

void replica_kill(struct replica *r)
{
    struct cluster *c = r->cluster;
    c->speaking = (int)r->number;
    fake_disk_halt(r->disk);
    replica_end(r);
    fake_disk_crash(r->disk, NULL);
    c->speaking = -1;
    r->applied_count = 0;
    r->applied_index = 0;
    net_drop(c, r->number);
    for (unsigned i = 0; i < c->count; i++)
        if (c->replicas[i].group != NULL && !c->is_cut[r->number][i])
            c->replicas[i].handler.on_down(c->replicas[i].handler.data, r->node_id, 1);
}

void replica_wipe(struct replica *r)
{
    cr_assert_null(r->group);
    fake_disk_destroy(r->disk);
    r->incarnation++;
    r->disk = fake_disk_create(1000 + r->node_id * 10 + r->incarnation);
    r->is_founder = false;
}

struct repl_group_status replica_status(const struct replica *r)
{
    struct repl_group_status status;
    repl_group_status(r->group, &status);
    return status;
}

struct repl_counters replica_counters(const struct replica *r)
{
    struct repl_counters counters;
    repl_group_counters(r->group, &counters);
    return counters;
}

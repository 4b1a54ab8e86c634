/* Catch-up of a replica that is behind all that the leader keeps, by shipping. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

/* Values also go to a partition, so there are files; memory and WAL keep little behind a
 * checkpoint. */
static struct replica *started(unsigned count, unsigned founders, uint64_t seed)
{
    cluster_init(&c, count, founders, seed);
    c.has_partition = true;
    c.trailing_entries = 5;
    c.cache_bytes_max = 4096;
    c.wal_kept_bytes = 1;
    c.value_size = 1000;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    return leader;
}

/* `gone` misses so much that entries no longer do. */
static void leave_behind(struct replica *gone)
{
    cluster_append(&c, 20);
    cluster_settle(&c, 1000);
    replica_kill(gone);
    for (unsigned round = 0; round < 4; round++) {
        cluster_append(&c, 200);
        for (unsigned i = 0; i < c.count; i++)
            if (c.replicas[i].group != NULL)
                cluster_checkpoint(&c, &c.replicas[i]);
    }
    cluster_append(&c, 10);
}

static unsigned pieces_seen, pieces_max;

static bool let_pieces(struct cluster *cluster, unsigned from, unsigned to,
                       const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    if (m->type != REPL_SHIP_PIECE || m->file == UINT32_MAX)
        return true;
    return pieces_seen++ < pieces_max;
}

static void check_partitions(void)
{
    int64_t next = -1;
    for (unsigned i = 0; i < c.count; i++) {
        if (c.replicas[i].group == NULL)
            continue;
        struct log_partition *p = log_store_partition(c.replicas[i].store, PARTITION_RECORDS);
        cr_assert_not_null(p);
        if (next < 0)
            next = log_partition_next_offset(p);
        cr_assert_eq(log_partition_next_offset(p), next);
    }
}

Test(repl_group_ship, brings_a_replica_level_that_is_behind_the_kept_log)
{
    struct replica *leader = started(3, 3, 50);
    struct replica *gone = cluster_other(&c, leader, 0);
    leave_behind(gone);
    replica_start(gone);
    cluster_settle(&c, 5000);
    cr_assert_eq(replica_counters(gone).snapshots_installed, 1);
    cluster_check_same(&c);
    check_partitions();
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    replica_kill(gone); /* what was installed is what is on its disk */
    replica_start(gone);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_ship, goes_on_with_the_next_leader_when_the_source_dies_in_the_middle)
{
    struct replica *leader = started(5, 5, 51);
    struct replica *gone = cluster_other(&c, leader, 0);
    leave_behind(gone);
    c.filter = let_pieces;
    pieces_seen = 0;
    pieces_max = 1;
    replica_start(gone);
    for (unsigned i = 0; i < 3000 && pieces_seen < 2; i++)
        cluster_run_ms(&c, 1);
    cr_assert_geq(pieces_seen, 2, "it is in the middle");
    cr_assert_eq(replica_counters(gone).snapshots_installed, 0);
    pieces_max = UINT32_MAX;
    replica_kill(leader);
    cluster_run_ms(&c, 2000);
    cluster_append(&c, 5);
    cluster_settle(&c, 5000);
    cr_assert_eq(replica_counters(gone).snapshots_installed, 1);
    cluster_check_same(&c);
    cluster_close(&c);
}

static bool is_led_by_another(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id != (uint32_t)(uintptr_t)cluster->filter_data;
}

/* It led once, proposed what it has itself, and has heard nothing of its successor but the
 * snapshot: whoever recovers it goes on with all that it has applied. */
Test(repl_group_ship, keeps_what_a_leader_of_the_past_has_applied_when_the_snapshot_does_not_come)
{
    struct replica *old = started(3, 3, 55);
    cluster_append(&c, 20);
    cluster_settle(&c, 1000);
    uint64_t applied = replica_status(old).applied_index;
    cluster_isolate(&c, old->number);
    c.filter_data = (void *)(uintptr_t)old->node_id;
    cluster_run_until(&c, is_led_by_another, 3000, "another leader");
    for (unsigned round = 0; round < 4; round++) {
        cluster_append(&c, 200);
        for (unsigned i = 0; i < c.count; i++)
            if (&c.replicas[i] != old)
                cluster_checkpoint(&c, &c.replicas[i]);
    }
    c.filter = let_pieces;
    pieces_seen = pieces_max = 0;
    cluster_heal(&c);
    for (unsigned i = 0; i < 5000 && pieces_seen == 0; i++)
        cluster_run_ms(&c, 1);
    cr_assert_gt(pieces_seen, 0, "it waits for the snapshot");
    cluster_isolate(&c, old->number);
    cluster_run_ms(&c, 2000); /* it gives that up, and begins again from its checkpoint */
    cr_assert_geq(replica_status(old).applied_index, applied);
    cr_assert_geq(replica_status(old).kept_index, applied);
    pieces_max = UINT32_MAX;
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_ship, gives_its_vote_when_the_source_dies_in_the_middle)
{
    struct replica *leader = started(3, 3, 52);
    struct replica *gone = cluster_other(&c, leader, 0), *other = cluster_other(&c, leader, 1);
    leave_behind(gone);
    c.filter = let_pieces;
    pieces_seen = 0;
    pieces_max = 1;
    replica_start(gone);
    for (unsigned i = 0; i < 3000 && pieces_seen < 2; i++)
        cluster_run_ms(&c, 1);
    cr_assert_geq(pieces_seen, 2);
    replica_kill(leader);
    pieces_max = UINT32_MAX;
    cluster_run_ms(&c, 1500);
    cr_assert_eq(replica_status(other).role, REPL_LEADER, "two of three are there");
    cluster_append(&c, 1);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_ship, survives_a_power_cut_of_the_receiver_at_any_point)
{
    for (unsigned at = 1; at < 120; at += 7) {
        struct replica *leader = started(3, 3, 53);
        struct replica *gone = cluster_other(&c, leader, 0);
        leave_behind(gone);
        replica_start(gone);
        cluster_run_ms(&c, at);
        replica_kill(gone);
        cluster_append(&c, 1);
        replica_start(gone);
        cluster_settle(&c, 5000);
        cluster_check_same(&c);
        check_partitions();
        cluster_close(&c);
    }
}

static unsigned contents_asked;

static bool count_asks(struct cluster *cluster, unsigned from, unsigned to,
                       const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    contents_asked += m->type == REPL_SHIP_ASK && m->file == UINT32_MAX && m->position == 0;
    return true;
}

/* Before the point of no return (a staged file that can't be settled) and after it. */
Test(repl_group_ship, outlives_a_swap_that_finds_no_room)
{
    static const struct {
        enum fake_disk_operation operation;
        uint64_t nth;
        bool is_given_up;
    } failures[] = {
        {FAKE_DISK_TRUNCATE, 1, true}, {FAKE_DISK_RENAME, 1, false}, {FAKE_DISK_RENAME, 3, false}};
    for (unsigned i = 0; i < 3; i++) {
        struct replica *leader = started(3, 3, 60 + i);
        struct replica *gone = cluster_other(&c, leader, 0);
        leave_behind(gone);
        replica_start(gone);
        c.filter = count_asks;
        contents_asked = 0;
        uint64_t before = fake_disk_count(gone->disk, failures[i].operation);
        fake_disk_fail_nth(gone->disk, failures[i].operation, failures[i].nth, UV_ENOSPC);
        cluster_settle(&c, 8000);
        cr_assert_gt(fake_disk_count(gone->disk, failures[i].operation), before + failures[i].nth,
                     "it has failed, and was done again");
        cr_assert_eq(gone->fatal_count, 0, "%s", err_name(gone->fatal_status));
        cr_assert_eq(replica_counters(gone).snapshots_installed, 1);
        cr_assert_eq(contents_asked > 1, failures[i].is_given_up);
        check_partitions();
        cluster_append(&c, 5);
        cluster_settle(&c, 1000);
        cluster_checkpoint(&c, gone);
        replica_kill(gone);
        replica_start(gone);
        cluster_settle(&c, 3000);
        cluster_check_same(&c);
        cluster_close(&c);
    }
}

Test(repl_group_ship, ends_at_a_stop_in_its_middle)
{
    struct replica *leader = started(3, 3, 54);
    struct replica *gone = cluster_other(&c, leader, 0);
    leave_behind(gone);
    c.filter = let_pieces;
    pieces_seen = pieces_max = 0;
    replica_start(gone);
    for (unsigned i = 0; i < 3000 && pieces_seen == 0; i++)
        cluster_run_ms(&c, 1);
    cr_assert_gt(pieces_seen, 0);
    cluster_close(&c); /* asserts that all comes to rest */
}

Test(repl_group_ship, brings_level_what_has_written_entries_when_it_begins)
{
    struct replica *leader = started(3, 3, 55);
    struct replica *gone = cluster_other(&c, leader, 0);
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    gone->is_writer_paused = true; /* entries under way when the snapshot comes */
    cluster_append(&c, 10);
    cluster_isolate(&c, gone->number);
    for (unsigned round = 0; round < 4; round++) {
        cluster_append(&c, 200);
        cluster_checkpoint(&c, leader);
        cluster_checkpoint(&c, cluster_other(&c, leader, 1));
    }
    cluster_append(&c, 10);
    c.filter = let_pieces;
    pieces_seen = pieces_max = 0;
    cluster_heal(&c);
    for (unsigned i = 0; i < 5000 && pieces_seen == 0; i++)
        cluster_run_ms(&c, 1);
    cr_assert_gt(pieces_seen, 0);
    replica_kill(leader); /* given up while the disk is still at it */
    cluster_run_ms(&c, 100);
    pieces_max = UINT32_MAX;
    gone->is_writer_paused = false;
    cluster_run_ms(&c, 1500);
    cluster_append(&c, 10);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* The source's disk takes its time with the first piece that it is asked for. */
static bool hold_first_read(struct cluster *cluster, unsigned from, unsigned to,
                            const struct repl_message *m)
{
    (void)from;
    if (m->type == REPL_SHIP_ASK && m->file != UINT32_MAX && pieces_seen++ == 0)
        cluster->replicas[to].is_worker_paused = true;
    return true;
}

Test(repl_group_ship, holds_nothing_back_for_who_led_while_it_was_read)
{
    struct replica *source = started(3, 3, 56);
    struct replica *gone = cluster_other(&c, source, 0), *next = cluster_other(&c, source, 1);
    leave_behind(gone);
    c.filter = hold_first_read;
    pieces_seen = 0;
    replica_start(gone);
    for (unsigned i = 0; i < 3000 && !source->is_worker_paused; i++)
        cluster_run_ms(&c, 1);
    cr_assert(source->is_worker_paused);
    cluster_run_ms(&c, 20);
    cr_assert_eq(repl_group_transfer(source->group, next->node_id), 0);
    cluster_run_ms(&c, 200);
    cr_assert_eq(cluster_leader_now(&c), next);
    source->is_worker_paused = false;
    cluster_settle(&c, 5000);
    cluster_isolate(&c, source->number); /* now the source itself needs files */
    for (unsigned round = 0; round < 4; round++) {
        cluster_append(&c, 200);
        cluster_checkpoint(&c, next);
        cluster_checkpoint(&c, gone);
    }
    cluster_heal(&c);
    cluster_append(&c, 10);
    cluster_settle(&c, 5000);
    cr_assert_eq(replica_counters(source).snapshots_installed, 1);
    cluster_check_same(&c);
    cluster_close(&c);
}

static unsigned pages_seen;

static bool count_pages(struct cluster *cluster, unsigned from, unsigned to,
                        const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    bool is_page = m->type == REPL_SHIP_PIECE && m->file == UINT32_MAX;
    pages_seen += is_page;
    return !is_page || pages_seen != 2; /* the second is lost once */
}

Test(repl_group_ship, takes_contents_larger_than_a_frame_page_by_page)
{
    struct replica *leader = started(3, 3, 57);
    struct replica *gone = cluster_other(&c, leader, 0);
    leave_behind(gone);
    c.append_bytes_max = 100; /* also the size of a page, as the receiver asks */
    c.filter = count_pages;
    pages_seen = 0;
    replica_start(gone);
    cluster_settle(&c, 5000);
    cr_assert_eq(replica_counters(gone).snapshots_installed, 1);
    cr_assert_gt(pages_seen, 3);
    cluster_check_same(&c);
    check_partitions();
    cluster_close(&c);
}

static uint64_t shipped_bytes;

static bool count_shipped(struct cluster *cluster, unsigned from, unsigned to,
                          const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    shipped_bytes += m->type == REPL_SHIP_PIECE ? m->piece.size : 0;
    return true;
}

/* How long the replica that was left behind takes to have the snapshot. */
static uint64_t install_ms(uint64_t bytes_per_second, uint64_t seed)
{
    struct replica *leader = started(3, 3, seed);
    struct replica *gone = cluster_other(&c, leader, 0);
    leave_behind(gone);
    c.ship_bytes_per_second = bytes_per_second;
    c.filter = count_shipped;
    shipped_bytes = 0;
    replica_start(gone);
    uint64_t since_ns = c.clock.now_ns;
    for (unsigned i = 0; i < 60000 && replica_counters(gone).snapshots_installed == 0; i++)
        cluster_run_ms(&c, 1);
    uint64_t took_ms = (c.clock.now_ns - since_ns) / 1000000;
    cr_assert_eq(replica_counters(gone).snapshots_installed, 1);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    cluster_close(&c);
    return took_ms;
}

Test(repl_group_ship, goes_no_faster_than_its_rate)
{
    uint64_t free_ms = install_ms(0, 58);
    uint64_t slow_ms = install_ms(50000, 58);
    cr_assert_gt(shipped_bytes, 300000, "%llu bytes", (unsigned long long)shipped_bytes);
    cr_assert_gt(slow_ms, free_ms + shipped_bytes / 50 / 3, "%llu ms, free %llu ms, %llu bytes",
                 (unsigned long long)slow_ms, (unsigned long long)free_ms,
                 (unsigned long long)shipped_bytes);
}

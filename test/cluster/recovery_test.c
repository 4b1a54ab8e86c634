/* A forced recovery carried out on one node's disk (start/recovery.c), with the power going at each
 * point of it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../cluster/start/recovery.h"
#include "base/crc32c.h"
#include "cluster/machine.h"
#include "cluster/move_entry.h"
#include "fake/quiet.h"
#include "machine_stage.h"
#include "node_stage.h"

#define GROUPS    2
#define BATCHES   5
#define ID        0xfeedu
#define DIRECTORY "aside/000000000000feed"
#define FOLDER    "topics/01000000000000000000000000000000-0"

TestSuite(cluster_recovery, .init = be_quiet, .timeout = 50);

/* As a start of the process: the order first. */
static int try_open(struct node *n)
{
    struct storage_options options = node_options(n);
    struct recovery_report report;
    int err = node_open_identity(n);
    if (err == 0)
        err = recovery_run(&options, &n->identity, &n->clock.seam, NULL, &report, &n->note);
    return err != 0 ? err : node_open_storage(n);
}

static void open_node(struct node *n)
{
    int err = try_open(n);
    cr_assert_eq(err, 0, "%s: %s", err_name(err), n->note.text);
}

static struct log_entry entry_of(uint64_t index, enum entry_kind kind, uint32_t number,
                                 struct slice body)
{
    struct log_entry e = {.term = 4, .index = index, .type = LOG_ENTRY_COMMAND, .body = body};
    struct repl_entry_head head = {
        .kind = (uint8_t)kind, .partition_number = number, .wall_ms = 1000 + (int64_t)index};
    struct buffer *owner = buffer_create(LOG_ENTRY_HEAD_SIZE);
    repl_entry_head_encode(&head, owner->data);
    e.head = (struct slice){.owner = owner, .bytes = bytes_of(owner->data, LOG_ENTRY_HEAD_SIZE)};
    e.crc = crc32c(crc32c(0, e.head.bytes), e.body.bytes);
    return e;
}

static void append(struct node *n, uint32_t group_id, struct log_entry *e)
{
    int status = 1;
    struct log_wal_append req = {.data = &status,
                                 .group = {.group_id = group_id},
                                 .has_vote = true,
                                 .term = 4,
                                 .entries = e,
                                 .entry_count = 1,
                                 .home = &n->work.seam};
    cr_assert_eq(log_wal_append(n->wal, &req, node_on_append), 0);
    fake_work_run_all(&n->work, NULL);
    cr_assert_eq(status, 0);
    slice_unref(&e->head);
    slice_unref(&e->body);
}

static void append_nothing(struct node *n, uint32_t group_id, uint64_t index)
{
    struct log_entry e = entry_of(index, ENTRY_NOTHING, 0, (struct slice){0});
    append(n, group_id, &e);
}

static void append_state(struct node *n, uint32_t group_id, uint64_t index,
                         enum partition_action action)
{
    struct partition_state state = stage_state(action, 1);
    struct buffer *owner = buffer_create(PARTITION_STATE_SIZE);
    partition_state_encode(&state, owner->data);
    struct slice body = {.owner = owner, .bytes = bytes_of(owner->data, PARTITION_STATE_SIZE)};
    struct log_entry e = entry_of(index, ENTRY_PARTITION_STATE, 1, body);
    append(n, group_id, &e);
}

/* A partition with some batches, in the WAL only. */
static void append_partition(struct node *n, uint32_t group_id)
{
    append_state(n, group_id, 2, PARTITION_OPEN);
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch_of of = {.record_count = 2};
        struct log_entry e = entry_of(3 + i, ENTRY_RECORD_BATCH, 1, stage_batch(&of));
        append(n, group_id, &e);
    }
}

static void open_first(struct node *n, uint64_t seed, unsigned group_count)
{
    node_init(n, seed, 3, group_count);
    n->founder_count = 3;
    for (unsigned i = 0; i < 3; i++)
        n->founders[i] = (struct repl_member){
            .raft_id = repl_raft_id(i + 1, 5), .site = {(char)('a' + i)}, .is_voter = true};
    open_node(n);
}

/* The partition is in group 1; of group 0 there is something, too. */
static void make_node(struct node *n, uint64_t seed)
{
    open_first(n, seed, GROUPS);
    append_nothing(n, 0, 2);
    append_nothing(n, 0, 3);
    append_partition(n, 1);
    node_close(n);
    fake_disk_crash(n->disk, NULL);
}

static struct recovery_order order_of(enum recovery_action action)
{
    struct recovery_order order = {.stage = RECOVERY_REPLAY, .row_count = GROUPS};
    for (unsigned i = 0; i < GROUPS; i++)
        order.rows[i] = (struct recovery_row){
            .group_id = i, .action = action, .generation = 1, .recovery_id = ID};
    if (action == RECOVERY_SURVIVE)
        order.entry = (struct recovery_entry){.generation = 1,
                                              .recovery_id = ID,
                                              .producer_id_end = RECOVERY_PRODUCER_STRIDE,
                                              .site = "c",
                                              .group_count = 2,
                                              .group_ids = {0, 1}};
    return order;
}

static void give(struct node *n, enum recovery_action action)
{
    struct recovery_order order = order_of(action);
    cr_assert_eq(recovery_order_write(fake_disk_seam(n->disk), &order), 0);
}

static void check_survivor(struct node *n)
{
    struct log_wal_state wal;
    for (unsigned i = 0; i < GROUPS; i++) {
        const struct log_store_state *state = log_store_state(n->stores[i]);
        cr_assert_eq(state->generation, 1);
        cr_assert_eq(state->recovery_id, ID);
        cr_assert_eq(state->index, (1u << 16) + 1,
                     "behind all that the lost side may have written");
        cr_assert_gt(state->term, 4);
        cr_assert_neq(log_wal_state(n->wal, i, &wal), 0, "its vote was of the old generation");
    }
    struct log_partition *p = log_store_partition(n->stores[1], 1);
    cr_assert_not_null(p);
    cr_assert_eq(log_partition_next_offset(p), LOG_OFFSET_STRIDE, "moved on once, not twice");
    cr_assert_eq(log_partition_count_between(p, 0, INT64_MAX), 2 * BATCHES);
}

static void check_begun_anew(struct node *n)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        const struct log_store_state *state = log_store_state(n->stores[i]);
        cr_assert_eq(state->generation, 1);
        cr_assert_eq(state->index, 0);
        cr_assert_gt(state->left_index, 0, "it votes for nobody, and founds nothing");
        cr_assert_null(log_store_partition(n->stores[i], 1));
    }
}

/* What lies aside has all that the replica had. */
static void check_aside(struct node *n)
{
    const struct disk *disk = fake_disk_seam(n->disk);
    struct log_store *store;
    cr_assert_eq(disk_rename(disk, DIRECTORY "/groups/1", "groups/1x"), 0);
    node_close(n);
    cr_assert_eq(disk_remove_tree(disk, "groups/1"), 0);
    cr_assert_eq(disk_rename(disk, "groups/1x", "groups/1"), 0);
    cr_assert_eq(disk_rename(disk, DIRECTORY "/" FOLDER, FOLDER), 0);
    cr_assert_eq(log_store_open(disk, 1, &n->work.seam, &n->work.seam, &store, &n->note), 0);
    struct log_partition *p = log_store_partition(store, 1);
    cr_assert_not_null(p);
    cr_assert_eq(log_partition_next_offset(p), 2 * BATCHES);
    log_store_close(store);
}

Test(cluster_recovery, makes_a_survivor_the_only_voter_of_a_new_generation)
{
    struct node n;
    make_node(&n, 1);
    give(&n, RECOVERY_SURVIVE);
    open_node(&n);
    check_survivor(&n);
    node_close(&n);
    open_node(&n);
    check_survivor(&n);
    node_free(&n);
}

Test(cluster_recovery, puts_a_replica_aside_and_begins_it_anew)
{
    struct node n;
    make_node(&n, 1);
    give(&n, RECOVERY_ASIDE);
    open_node(&n);
    check_begun_anew(&n);
    check_aside(&n);
    node_free(&n);
}

/* An old leader's own end of the log, of which it acknowledged nothing. */
Test(cluster_recovery, leaves_out_what_is_behind_the_kept_index)
{
    struct node n;
    make_node(&n, 1);
    struct recovery_order order = order_of(RECOVERY_SURVIVE);
    order.rows[1].kept_index = 2 + BATCHES - 2; /* of two batches */
    cr_assert_eq(recovery_order_write(fake_disk_seam(n.disk), &order), 0);
    open_node(&n);
    struct log_partition *p = log_store_partition(n.stores[1], 1);
    cr_assert_eq(log_partition_count_between(p, 0, INT64_MAX), 2 * (BATCHES - 2));
    cr_assert_eq(log_partition_next_offset(p), LOG_OFFSET_STRIDE);
    const struct log_store_state *state = log_store_state(n.stores[1]);
    cr_assert_eq(state->index, (1u << 16) + 1, "behind what it left out, too");
    node_free(&n);
}

/* As a release before wrote it: without kept indexes. */
Test(cluster_recovery, reads_an_order_of_version_1)
{
    struct recovery_order order = order_of(RECOVERY_SURVIVE), read;
    uint8_t *bytes, old[1024], *at = old;
    size_t size, row = 28, rows_at = 16, rest = rows_at + GROUPS * row;
    order.rows[1].kept_index = 9;
    cr_assert_eq(recovery_order_encode(&order, &bytes, &size), 0);
    cr_assert_eq(recovery_order_decode(bytes_of(bytes, size), &read), 0);
    cr_assert_eq(read.rows[1].kept_index, 9);
    at = mempcpy(at, bytes, rows_at);
    bytes_put_le16(old + 8, 1);
    for (unsigned i = 0; i < GROUPS; i++)
        at = mempcpy(at, bytes + rows_at + i * row, row - 8);
    at = mempcpy(at, bytes + rest, size - 4 - rest);
    at = bytes_put_le32(at, crc32c(0, bytes_of(old, (size_t)(at - old))));
    cr_assert_eq(recovery_order_decode(bytes_of(old, (size_t)(at - old)), &read), 0);
    cr_assert(read.row_count == GROUPS && read.rows[1].recovery_id == ID);
    cr_assert(read.rows[1].kept_index == 0 && read.entry.group_count == 2);
    bytes_put_le16(old + 8, 3);
    at = bytes_put_le32(at - 4, crc32c(0, bytes_of(old, (size_t)(at - 4 - old))));
    cr_assert_eq(recovery_order_decode(bytes_of(old, (size_t)(at - old)), &read), ERR_VERSION);
    free(bytes);
}

static bool is_done_after(struct node *n, uint64_t operations)
{
    fake_disk_halt_at(n->disk, operations);
    int err = try_open(n);
    bool was_cut = fake_disk_is_halted(n->disk);
    cr_assert(was_cut || err == 0, "%s: %s", err_name(err), n->note.text);
    if (err == 0 && was_cut)
        cr_assert_not_null(n->wal);
    if (err == 0)
        node_close(n);
    fake_disk_crash(n->disk, NULL);
    return !was_cut;
}

static void cut_at_each_point(enum recovery_action action, void (*check)(struct node *n))
{
    bool is_done = false;
    for (uint64_t operations = 1; !is_done; operations += 3) {
        struct node n;
        make_node(&n, operations);
        give(&n, action);
        is_done = is_done_after(&n, operations);
        open_node(&n);
        check(&n);
        node_free(&n);
    }
}

Test(cluster_recovery, comes_to_the_same_survivor_wherever_the_power_goes)
{
    cut_at_each_point(RECOVERY_SURVIVE, check_survivor);
}

Test(cluster_recovery, puts_aside_the_same_wherever_the_power_goes)
{
    cut_at_each_point(RECOVERY_ASIDE, check_begun_anew);
}

Test(cluster_recovery, does_not_start_by_an_order_that_it_cannot_read)
{
    struct node n;
    make_node(&n, 1);
    give(&n, RECOVERY_SURVIVE);
    cr_assert_eq(fake_disk_flip_bit(n.disk, "recovery", 20, 3), 0);
    cr_assert_eq(try_open(&n), ERR_CORRUPT);
    cr_assert(strstr(n.note.text, "recovery") != NULL);
    n.wal = NULL;
    node_free(&n);
}

/* ---- a partition on its way ---- */

#define OLD 2 /* the group that it leaves; the one that it goes to, 1, is recovered first */

static struct work_pump pump;

static const struct work *pump_home(void *data, uint32_t group_id)
{
    (void)data;
    (void)group_id;
    return &pump.seam;
}

static void open_pumped(struct node *n)
{
    struct storage_options options = node_options(n);
    work_pump_init(&pump);
    options.writer = options.readers = &pump.seam;
    options.home = pump_home;
    cr_assert_eq(storage_open(&options, &n->identity, &n->wal, n->stores, &n->report, &n->note), 0);
}

static void close_pumped(struct node *n)
{
    for (unsigned i = 0; i < n->group_count; i++)
        log_store_close(n->stores[i]);
    log_wal_stop(n->wal);
    work_pump_run(&pump);
    log_wal_close(n->wal);
    fake_disk_destroy(n->disk);
}

/* As a leader's replica would have it, whose checkpoint has the closing. */
static void put_moved_state(uint64_t seed, uint8_t **bytes, size_t *size)
{
    static struct node n;
    open_first(&n, seed, OLD + 1);
    append_partition(&n, OLD);
    append_state(&n, OLD, 3 + BATCHES, PARTITION_MOVE_OUT);
    node_close(&n);
    open_pumped(&n);
    struct replay replay = {.group_id = OLD,
                            .wal = n.wal,
                            .store = n.stores[OLD],
                            .pump = &pump,
                            .founders = n.founders,
                            .founder_count = 3};
    cr_assert_eq(replay_open(&replay, &n.note), 0);
    cr_assert_eq(replay_run(&replay, &n.note), 0);
    cr_assert_eq(machine_moved_state(replay.machine, 1, bytes, size), 0);
    replay_close(&replay);
    close_pumped(&n);
}

static void append_moved(struct node *n, struct bytes moved)
{
    struct partition_state state = stage_state(PARTITION_MOVE_IN, 1);
    struct move_in in = {.state = state,
                         .from_group = OLD,
                         .from_index = 3 + BATCHES,
                         .total_size = (uint32_t)moved.size,
                         .piece = moved};
    struct buffer *owner = buffer_create(MOVE_IN_HEAD_SIZE + moved.size);
    in.state.start_offset = 2 * BATCHES;
    size_t size = move_in_encode(&in, owner->data);
    struct slice body = {.owner = owner, .bytes = bytes_of(owner->data, size)};
    struct log_entry e = entry_of(2, ENTRY_PARTITION_STATE, 1, body);
    append(n, 1, &e);
}

Test(cluster_recovery, takes_the_group_that_a_partition_comes_to_behind_the_one_that_it_leaves)
{
    static struct node n;
    uint8_t *moved;
    size_t size;
    put_moved_state(41, &moved, &size);
    open_first(&n, 42, OLD + 1);
    append_nothing(&n, 0, 2);
    append_partition(&n, OLD);
    append_state(&n, OLD, 3 + BATCHES, PARTITION_MOVE_OUT);
    append_moved(&n, bytes_of(moved, size));
    free(moved);
    node_close(&n);
    fake_disk_crash(n.disk, NULL);
    struct recovery_order order = order_of(RECOVERY_SURVIVE);
    order.rows[order.row_count++] = (struct recovery_row){
        .group_id = OLD, .action = RECOVERY_SURVIVE, .generation = 1, .recovery_id = ID};
    order.entry.group_ids[order.entry.group_count++] = OLD;
    cr_assert_eq(recovery_order_write(fake_disk_seam(n.disk), &order), 0);
    open_node(&n);
    for (unsigned i = 0; i <= OLD; i++)
        cr_assert_eq(log_store_state(n.stores[i])->generation, 1, "group %u", i);
    const struct log_partition *p = log_store_partition(n.stores[1], 1);
    cr_assert_eq(log_partition_next_offset(p), LOG_OFFSET_STRIDE);
    node_free(&n);
}

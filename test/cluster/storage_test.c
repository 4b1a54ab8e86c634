/* A node's disk opened after damage: the same incarnation only with everything that it promised by.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "fake/quiet.h"
#include "node_stage.h"

#define GROUPS 3

TestSuite(cluster_storage, .init = be_quiet);

static int try_open(struct node *n)
{
    int err = node_open_identity(n);
    return err != 0 ? err : node_open_storage(n);
}

static void open_node(struct node *n)
{
    int err = try_open(n);
    cr_assert_eq(err, 0, "%s: %s", err_name(err), n->note.text);
}

static void vote(struct node *n, uint32_t group_id, uint64_t term)
{
    int status = 1;
    struct log_wal_append req = {.data = &status,
                                 .group = {.group_id = group_id},
                                 .has_vote = true,
                                 .term = term,
                                 .voted_for = 77,
                                 .home = &n->work.seam};
    cr_assert_eq(log_wal_append(n->wal, &req, node_on_append), 0);
    fake_work_run_all(&n->work, NULL);
    cr_assert_eq(status, 0);
}

static void on_checkpoint(struct log_checkpoint *req, int status)
{
    *(int *)req->data = status;
}

/* One founder's configuration, in libraft's encoding. */
static const uint8_t configuration[] = {1, 1, 0, 0, 0, 0,   0,   0,   0, 9, 0, 0,
                                        0, 0, 0, 0, 0, '9', '@', 'a', 0, 1, 0, 0};

static void checkpoint(struct node *n, unsigned group, uint64_t index)
{
    int status = 1;
    struct log_checkpoint req = {.data = &status};
    req.state.index = index;
    req.state.term = 1;
    req.state.configuration_index = 1;
    req.state.configuration = bytes_of(configuration, sizeof configuration);
    cr_assert_eq(log_store_checkpoint(n->stores[group], &req, on_checkpoint), 0);
    fake_work_run_all(&n->work, NULL);
    cr_assert_eq(status, 0);
}

/* It has voted in every group, and has two checkpoints of each; then the process ends. */
static void make_node(struct node *n, uint64_t seed)
{
    node_init(n, seed, 2, GROUPS);
    n->founders[0] = (struct repl_member){.raft_id = 9, .site = "a", .is_voter = true};
    n->founder_count = 1;
    open_node(n);
    cr_assert_eq(n->report.damage_count, 0);
    for (uint32_t group = 0; group < GROUPS; group++) {
        vote(n, group, 5 + group);
        checkpoint(n, group, 10);
        checkpoint(n, group, 20);
    }
    vote(n, 0, 50); /* so that no damage falls into the last write */
    vote(n, 0, 51);
    node_close(n);
}

static bool has_votes(struct node *n, uint32_t group_id, uint64_t term)
{
    struct log_wal_state state;
    return log_wal_state(n->wal, group_id, &state) == 0 && state.term == term;
}

Test(cluster_storage, keeps_all_it_has_when_nothing_is_damaged)
{
    struct node n;
    make_node(&n, 1);
    uint64_t incarnation = n.identity.incarnation;
    open_node(&n);
    cr_assert_eq(n.report.damage_count, 0);
    cr_assert_eq(n.identity.incarnation, incarnation);
    cr_assert(has_votes(&n, 0, 51) && has_votes(&n, 2, 7));
    node_free(&n);
}

Test(cluster_storage, takes_a_new_incarnation_when_the_log_is_damaged_and_keeps_its_checkpoints)
{
    struct node n;
    make_node(&n, 2);
    uint64_t incarnation = n.identity.incarnation;
    fake_disk_flip_bit(n.disk, "wal/00000000.wal", 2 * 4096 + 80, 1);
    open_node(&n);
    cr_assert_eq(n.report.damage_count, 1);
    cr_assert_eq(n.report.damages[0].part, STORAGE_WAL);
    cr_assert_not_null(strstr(n.report.damages[0].text, "00000000.wal"));
    cr_assert_eq(n.report.lost_incarnation, incarnation);
    cr_assert_neq(n.identity.incarnation, incarnation);
    for (uint32_t group = 0; group < GROUPS; group++) {
        struct log_wal_state state;
        cr_assert_eq(log_wal_state(n.wal, group, &state), ERR_NOT_FOUND);
        cr_assert_eq(log_store_state(n.stores[group])->index, 20);
    }
    incarnation = n.identity.incarnation;
    node_close(&n);
    open_node(&n);
    cr_assert_eq(n.identity.incarnation, incarnation, "once for one damage");
    cr_assert_eq(n.report.damage_count, 0);
    node_free(&n);
}

Test(cluster_storage, takes_a_new_incarnation_when_a_manifest_is_damaged_and_keeps_all_else)
{
    struct node n;
    make_node(&n, 3);
    uint64_t incarnation = n.identity.incarnation;
    fake_disk_flip_bit(n.disk, "groups/1/manifest", 50, 1);
    open_node(&n);
    cr_assert_eq(n.report.damage_count, 1);
    cr_assert_eq(n.report.damages[0].part, STORAGE_GROUP);
    cr_assert_eq(n.report.damages[0].group_id, 1);
    cr_assert_neq(n.identity.incarnation, incarnation);
    cr_assert_eq(log_store_state(n.stores[0])->index, 20);
    cr_assert_eq(log_store_state(n.stores[1])->index, 0);
    cr_assert_eq(log_store_state(n.stores[2])->index, 20);
    cr_assert(has_votes(&n, 0, 51) && has_votes(&n, 2, 7));
    struct log_wal_state state;
    cr_assert_eq(log_wal_state(n.wal, 1, &state), ERR_NOT_FOUND);
    node_free(&n);
}

/* The log's entries begin behind a checkpoint that is gone, though no byte fails its checksum. */
Test(cluster_storage, misses_a_checkpoint_that_the_log_goes_on_from)
{
    struct node n;
    int status = 1;
    make_node(&n, 4);
    open_node(&n);
    struct log_wal_append req = {.data = &status,
                                 .group = {.group_id = 1},
                                 .snapshot_index = 20,
                                 .snapshot_term = 1,
                                 .home = &n.work.seam};
    cr_assert_eq(log_wal_append(n.wal, &req, node_on_append), 0);
    fake_work_run_all(&n.work, NULL);
    node_close(&n);
    uint64_t incarnation = n.identity.incarnation;
    cr_assert_eq(disk_remove(fake_disk_seam(n.disk), "groups/1/manifest"), 0);
    open_node(&n);
    cr_assert_eq(n.report.damage_count, 1);
    cr_assert_eq(n.report.damages[0].group_id, 1);
    cr_assert_neq(n.identity.incarnation, incarnation);
    node_free(&n);
}

/* Votes are there as they were, or they are another server's. */
static void check_promise(struct node *n, uint64_t incarnation, uint64_t nth)
{
    bool has_all = has_votes(n, 0, 51) && has_votes(n, 1, 6) && has_votes(n, 2, 7) &&
                   log_store_state(n->stores[1])->index == 20;
    cr_assert(has_all || n->identity.incarnation != incarnation,
              "cut at operation %llu: the same incarnation without what it promised",
              (unsigned long long)nth);
}

static void cut_at_every_operation(const char *path, uint64_t position)
{
    for (uint64_t nth = 1;; nth++) {
        struct node n;
        make_node(&n, nth);
        uint64_t incarnation = n.identity.incarnation;
        fake_disk_flip_bit(n.disk, path, position, 1);
        fake_disk_halt_at(n.disk, nth);
        try_open(&n);
        bool was_cut = fake_disk_is_halted(n.disk);
        node_close(&n);
        fake_disk_crash(n.disk, NULL);
        open_node(&n);
        check_promise(&n, incarnation, nth);
        node_close(&n);
        open_node(&n);
        check_promise(&n, incarnation, nth);
        cr_assert_eq(n.report.damage_count, 0, "it was mended");
        node_free(&n);
        if (!was_cut)
            return;
        cr_assert_lt(nth, 1000);
    }
}

Test(cluster_storage, never_forgets_under_the_same_incarnation_wherever_power_is_cut)
{
    cut_at_every_operation("wal/00000000.wal", 2 * 4096 + 80);
    cut_at_every_operation("groups/1/manifest", 50);
}

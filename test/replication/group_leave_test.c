/* A replica that has left its group gives up what it has, and may come again. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static int change(enum repl_change what, const struct replica *r)
{
    struct repl_member member = replica_member(r);
    struct err_note note = {0};
    return repl_group_change(cluster_leader_now(&c)->group, what, &member, &note);
}

static bool are_all_level(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    if (leader == NULL)
        return false;
    struct repl_group_status s = replica_status(leader);
    for (unsigned i = 0; i < s.replica_count; i++)
        if (!s.replicas[i].is_level || s.replicas[i].match_index == 0)
            return false;
    return s.commit_index == s.last_index && !s.is_changing;
}

static void until_level(void)
{
    cluster_run_until(&c, are_all_level, 30000, "all members are level");
}

/* Four nodes, three of them voters, values in a partition. */
static void start(uint64_t seed)
{
    cluster_init(&c, 4, 3, seed);
    c.has_partition = true;
    cluster_start(&c);
    cluster_leader(&c, 1000);
    cluster_append(&c, 20);
    for (unsigned i = 0; i < 3; i++)
        cluster_checkpoint(&c, &c.replicas[i]);
    cluster_append(&c, 5);
    until_level();
}

static uint64_t terms_led(void)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < c.count; i++)
        count += replica_counters(&c.replicas[i]).terms_led;
    return count;
}

/* The node's place goes to the fourth; the place may come back. */
static void replace(struct replica *old, struct replica *new)
{
    uint64_t led = terms_led();
    struct replica *leader = cluster_leader_now(&c);
    if (change(REPL_ADD_LEARNER, new) != 0) { /* it was told in this term that it had left */
        cluster_run_ms(&c, 200);
        cr_assert_neq(cluster_leader_now(&c), leader);
        cr_assert_eq(change(REPL_ADD_LEARNER, new), 0);
        led++;
    }
    until_level();
    cr_assert_eq(terms_led(), led, "nobody was disturbed");
    cr_assert_eq(change(REPL_PROMOTE, new), 0);
    until_level();
    if (cluster_leader_now(&c) == old) {
        cr_assert_eq(repl_group_transfer(old->group, new->node_id), 0);
        cluster_run_ms(&c, 500);
    }
    cr_assert_neq(cluster_leader_now(&c), old);
    cr_assert_eq(change(REPL_REMOVE, old), 0);
    cluster_append(&c, 1);
}

static struct replica *leaver;

static bool has_left(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    if (leader != NULL)
        repl_group_leave(leaver->group, replica_raft_id(leader));
    return repl_group_has_left(leaver->group);
}

static void until_left(struct replica *r)
{
    leaver = r;
    cluster_run_until(&c, has_left, 5000, "it has left");
    /* The fixture's order of values begins anew with what it is given. */
    cr_assert_eq(replica_status(r).applied_index, 0);
    cr_assert_eq(replica_status(r).last_index, 0);
    cr_assert_eq(log_store_state(r->store)->index, 0);
}

/* Every node answers who leads, whatever it has a part in. */
static void check_knows_leader(struct replica *r)
{
    struct repl_leader heard;
    cluster_run_ms(&c, 300);
    cr_assert(repl_node_leader(r->node, GROUP_ID, &heard));
    cr_assert_eq(heard.node_id, cluster_leader_now(&c)->node_id);
}

static struct log_wal_state wal_of(const struct replica *r)
{
    struct log_wal_state state;
    cr_assert_eq(log_wal_state(r->wal, GROUP_ID, &state), 0);
    return state;
}

Test(repl_group_leave, frees_what_a_removed_replica_has_and_keeps_its_vote)
{
    start(80);
    struct replica *old = cluster_other(&c, cluster_leader_now(&c), 0);
    replace(old, &c.replicas[3]);
    uint64_t term = wal_of(old).term;
    until_left(old);
    check_knows_leader(old);
    cr_assert_eq(wal_of(old).last_index, 0, "the WAL holds nothing for it");
    cr_assert_eq(wal_of(old).term, term + 1);
    cr_assert_eq(wal_of(old).voted_for, 0);
    replica_kill(old);
    replica_start(old); /* a founder, but its founding is over */
    cluster_run_ms(&c, 2000);
    check_knows_leader(old);
    cr_assert_eq(replica_status(old).last_index, 0);
    cr_assert_eq(wal_of(old).term, term + 1, "it rises once");
    cluster_append(&c, 3);
    cluster_close(&c);
}

Test(repl_group_leave, is_refused_to_whoever_is_a_member)
{
    start(81);
    struct replica *leader = cluster_leader_now(&c), *voter = cluster_other(&c, leader, 0);
    for (unsigned i = 0; i < 50; i++) {
        repl_group_leave(voter->group, replica_raft_id(leader));
        repl_group_leave(leader->group, replica_raft_id(leader));
        cluster_run_ms(&c, 20);
    }
    cr_assert_not(repl_group_has_left(voter->group));
    cr_assert_gt(replica_status(voter).last_index, 20);
    cluster_append(&c, 3);
    cluster_run_ms(&c, 200);
    cr_assert_eq(voter->applied_count, leader->applied_count);
    cluster_close(&c);
}

static bool is_loss_of_commits(struct cluster *cluster, unsigned from, unsigned to,
                               const struct repl_message *m)
{
    (void)to;
    return m->type != REPL_APPEND || from != cluster_leader_now(cluster)->number;
}

Test(repl_group_leave, is_not_answered_before_the_removal_is_committed)
{
    start(82);
    struct replica *old = cluster_other(&c, cluster_leader_now(&c), 0);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    until_level();
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[3]), 0);
    until_level();
    struct replica *leader = cluster_leader_now(&c);
    cr_assert_neq(leader, old);
    c.filter = is_loss_of_commits; /* entries reach nobody */
    cr_assert_eq(change(REPL_REMOVE, old), 0);
    for (unsigned i = 0; i < 15; i++) {
        repl_group_leave(old->group, replica_raft_id(leader));
        cluster_run_ms(&c, 20);
    }
    cr_assert_gt(replica_status(old).last_index, 20, "it could be a voter still");
    c.filter = NULL;
    until_level();
    until_left(old);
    cluster_close(&c);
}

Test(repl_group_leave, lets_it_come_again_as_learner_then_voter)
{
    start(83);
    struct replica *old = cluster_other(&c, cluster_leader_now(&c), 0);
    for (unsigned round = 0; round < 4; round++) {
        replace(old, &c.replicas[3]);
        until_left(old);
        cluster_append(&c, 3);
        replace(&c.replicas[3], old);
        until_left(&c.replicas[3]);
        cluster_append(&c, 3);
    }
    cluster_close(&c);
}

Test(repl_group_leave, survives_power_cuts_at_any_point)
{
    unsigned left = 0, stayed = 0;
    for (uint64_t nth = 1, is_halted = true; is_halted; nth++) {
        start(100 + nth);
        struct replica *old = cluster_other(&c, cluster_leader_now(&c), 0);
        replace(old, &c.replicas[3]);
        until_level();
        uint64_t term = wal_of(old).term;
        cluster_checkpoint(&c, cluster_leader_now(&c));
        fake_disk_halt_at(old->disk, nth);
        repl_group_leave(old->group, replica_raft_id(cluster_leader_now(&c)));
        cluster_run_ms(&c, 300);
        is_halted = fake_disk_is_halted(old->disk);
        replica_kill(old);
        old->fatal_status = 0;
        old->fatal_count = 0;
        replica_start(old);
        cluster_run_ms(&c, 300);
        bool is_gone = log_store_state(old->store)->left_index > 0;
        left += is_gone;
        stayed += !is_gone;
        cr_assert_geq(wal_of(old).term, term);
        until_left(old);
        cluster_run_ms(&c, 100);
        cr_assert_gt(wal_of(old).term, term);
        replace(&c.replicas[3], old);
        cluster_append(&c, 3);
        cluster_close(&c);
    }
    cr_assert_gt(left, 3);
    cr_assert_gt(stayed, 1);
}

static uint64_t held_below; /* snapshots below are what a later leader may still have */
static unsigned refused_count;

static bool name_old_snapshot(struct cluster *cluster, unsigned from, unsigned to,
                              const struct repl_message *m)
{
    (void)cluster;
    (void)from;
    if (m->type == REPL_APPEND_RESULT || m->type == REPL_INSTALL)
        refused_count += to == leaver->number && m->type == REPL_INSTALL &&
                         m->last_index < held_below;
    return true;
}

/* A leader that was not asked has an older checkpoint: from it the replica could vote for one who
 * lacks what it had acknowledged. */
Test(repl_group_leave, takes_no_snapshot_from_before_it_left)
{
    start(84);
    struct replica *first = cluster_leader_now(&c), *old = cluster_other(&c, first, 0);
    replace(old, &c.replicas[3]);
    until_left(old);
    held_below = log_store_state(old->store)->left_index;
    struct replica *next = NULL;
    for (unsigned i = 0; i < 3; i++)
        if (&c.replicas[i] != first && &c.replicas[i] != old)
            next = &c.replicas[i];
    until_level();
    cr_assert_eq(repl_group_transfer(first->group, next->node_id), 0);
    cluster_run_ms(&c, 500);
    cr_assert_eq(cluster_leader_now(&c), next);
    cr_assert_lt(log_store_state(next->store)->index, held_below);
    refused_count = 0;
    c.filter = name_old_snapshot;
    cr_assert_eq(change(REPL_ADD_LEARNER, old), 0);
    until_level();
    cr_assert_gt(refused_count, 0, "an old one was offered");
    cr_assert_geq(log_store_state(old->store)->index, held_below);
    cluster_append(&c, 3);
    cluster_close(&c);
}

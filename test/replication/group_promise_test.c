/* A replica whose disk has lost what it acknowledged: who notices, and who must not. */
#include <string.h>

#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(unsigned count, uint64_t seed)
{
    cluster_init(&c, count, count, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 20);
    cluster_settle(&c, 1000);
    return leader;
}

/* Its disk lies of the folder ("": of all it has) while all replicas acknowledge, then its power
 * goes. */
static void lose_writes(struct replica *r, const char *folder, unsigned count)
{
    fake_disk_lie(r->disk, folder);
    cluster_append(&c, count);
    cluster_settle(&c, 2000);
    replica_kill(r);
    fake_disk_lie(r->disk, NULL);
}

static bool has_somebody_ended(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        if (cluster->replicas[i].group != NULL && cluster->replicas[i].fatal_count > 0)
            return true;
    return false;
}

/* It notices at its leader's first messages, ends, and its WAL is refused from then on. */
static void check_ends(struct replica *r)
{
    struct err_note note = {0};
    cluster_run_until(&c, has_somebody_ended, 500, "the loss is noticed");
    cr_assert_eq(r->fatal_status, ERR_CORRUPT);
    cr_assert_eq(r->fatal_count, 1);
    replica_kill(r);
    cr_assert_eq(replica_try_start(r, &note), ERR_CORRUPT);
    cr_assert_not_null(strstr(note.text, "which acknowledged"), "%s", note.text);
}

static void check_unharmed(unsigned ms)
{
    cluster_run_ms(&c, ms);
    cr_assert_not(has_somebody_ended(&c));
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    cluster_close(&c);
}

static int change(enum repl_change what, const struct replica *r)
{
    struct repl_member member = replica_member(r);
    struct err_note note = {0};
    return repl_group_change(cluster_leader_now(&c)->group, what, &member, &note);
}

Test(repl_group_promise, ends_a_replica_whose_wal_has_less_than_it_acknowledged)
{
    struct replica *leader = started(3, 400), *liar = cluster_other(&c, leader, 0);
    lose_writes(liar, "wal", 10);
    replica_start(liar);
    check_ends(liar);
    cluster_close(&c);
}

Test(repl_group_promise, ends_a_replica_whose_whole_disk_is_as_it_once_was)
{
    struct replica *leader = started(3, 401), *liar = cluster_other(&c, leader, 0);
    lose_writes(liar, "", 1);
    replica_start(liar);
    check_ends(liar);
    cluster_close(&c);
}

Test(repl_group_promise, takes_the_replica_in_again_under_a_new_incarnation)
{
    struct replica *leader = started(3, 402), *liar = cluster_other(&c, leader, 1);
    lose_writes(liar, "", 30);
    replica_start(liar);
    check_ends(liar);
    cr_assert_eq(change(REPL_REMOVE, liar), 0);
    cluster_run_ms(&c, 20);
    replica_wipe(liar);
    replica_start(liar);
    cr_assert_eq(change(REPL_ADD_LEARNER, liar), 0);
    cluster_append(&c, 5);
    cluster_settle(&c, 5000);
    cr_assert_eq(change(REPL_PROMOTE, liar), 0);
    cluster_append(&c, 5);
    check_unharmed(1000);
}

static bool is_no_reminder(struct cluster *cluster, unsigned from, unsigned to,
                           const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    return m->type != REPL_PROMISE;
}

/* Why it has to be told: libraft never goes back below what was acknowledged. */
Test(repl_group_promise, would_leave_a_replica_behind_without_the_reminder)
{
    struct replica *leader = started(3, 403), *liar = cluster_other(&c, leader, 0);
    c.filter = is_no_reminder;
    lose_writes(liar, "", 10);
    size_t left = 20;
    replica_start(liar);
    for (unsigned second = 0; second < 10; second++) {
        cluster_append(&c, 5);
        cluster_run_ms(&c, 1000);
    }
    cr_assert_leq(liar->applied_count, left);
    cr_assert_eq(leader->applied_count, 80);
    c.filter = NULL;
    check_ends(liar);
    cluster_close(&c);
}

/* In no history may a sound replica be taken for one that has lost something: power cuts of one
 * and of all, at any moment, under load, over links that lose frames; terms change on the way. */
Test(repl_group_promise, ends_nobody_whose_disk_is_honest)
{
    for (uint64_t seed = 410; seed < 416; seed++) {
        cluster_init(&c, 3, 3, seed);
        c.trailing_entries = seed % 2 == 0 ? 20 : 100000; /* with and without snapshots */
        cluster_start(&c);
        struct random *random = &c.random;
        for (unsigned round = 0; round < 25; round++) {
            struct replica *leader = cluster_leader(&c, 5000);
            c.loss = random_chance(random, 0.5) ? 0.05 : 0;
            for (unsigned i = 0; i < 30; i++) {
                cluster_propose(&c, leader, &(int){0});
                cluster_run_ms(&c, (unsigned)random_below(random, 3));
            }
            cluster_checkpoint(&c, leader);
            struct replica *victim = &c.replicas[random_below(random, 3)];
            bool is_all = random_chance(random, 0.2);
            for (unsigned i = 0; i < 3; i++)
                if (is_all || victim == &c.replicas[i])
                    replica_kill(&c.replicas[i]);
            cluster_run_ms(&c, (unsigned)random_below(random, 1500));
            for (unsigned i = 0; i < 3; i++)
                if (is_all || victim == &c.replicas[i])
                    replica_start(&c.replicas[i]);
            cluster_run_ms(&c, (unsigned)random_below(random, 1000));
            cr_assert_not(has_somebody_ended(&c), "seed %u round %u", (unsigned)seed, round);
        }
        c.loss = 0;
        cluster_append(&c, 1);
        check_unharmed(500);
    }
}

/* Acknowledged in one term, by a minority, and replaced in the next: legal, whatever is said of it
 * afterwards. */
Test(repl_group_promise, is_of_one_term_only)
{
    struct replica *old = started(5, 420), *with = cluster_other(&c, old, 0);
    for (unsigned i = 1; i < 4; i++)
        cluster_cut(&c, old->number, cluster_other(&c, old, i)->number);
    for (unsigned i = 0; i < 50; i++)
        cluster_propose(&c, old, NULL);
    cluster_run_ms(&c, 20);
    struct repl_message late = {.type = REPL_PROMISE,
                                .group.group_id = GROUP_ID,
                                .from = replica_raft_id(old),
                                .to = replica_raft_id(with),
                                .term = replica_status(old).term,
                                .last_index = replica_status(with).last_index};
    cr_assert_eq(replica_status(with).last_index, replica_status(old).last_index);
    replica_kill(old);
    cluster_isolate(&c, with->number); /* it has the longest log, and is not asked */
    cluster_leader(&c, 3000);
    cluster_append(&c, 10);
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    cr_assert_lt(replica_status(with).last_index, late.last_index, "its tail was replaced");
    replica_start(old);
    cluster_settle(&c, 5000);
    cluster_inject(&c, old->number, with->number, &late, NULL, 0);
    check_unharmed(1000);
}

/* Its new leader was told nothing and has all that is committed: the replica gets what it lacks. */
Test(repl_group_promise, is_forgotten_with_its_leader_and_the_next_one_brings_the_replica_level)
{
    struct replica *leader = started(3, 421), *liar = cluster_other(&c, leader, 0);
    lose_writes(liar, "", 10);
    repl_group_transfer(leader->group, cluster_other(&c, leader, 1)->node_id);
    cluster_run_ms(&c, 500);
    cr_assert_eq(cluster_leader_now(&c), cluster_other(&c, leader, 1));
    replica_start(liar);
    cluster_settle(&c, 3000);
    cr_assert_eq(liar->applied_count, 30);
    check_unharmed(1000);
}

/* Of three two have lost the same: both end, nobody is elected in place of the one that has it, and
 * nothing is acknowledged any more. */
Test(repl_group_promise, ends_each_of_a_majority_and_what_they_lost_stays_with_the_leader)
{
    struct replica *leader = started(3, 422);
    struct replica *first = cluster_other(&c, leader, 0), *second = cluster_other(&c, leader, 1);
    fake_disk_lie(second->disk, "");
    lose_writes(first, "", 10);
    replica_start(first);
    check_ends(first);
    replica_kill(second);
    fake_disk_lie(second->disk, NULL);
    replica_start(second);
    check_ends(second);
    struct repl_group_status before = replica_status(leader);
    struct proposal *alone = cluster_propose(&c, leader, &(int){0});
    cluster_run_ms(&c, 5000);
    cr_assert_not(alone->is_applied);
    cr_assert_eq(leader->applied_count, 30);
    cr_assert_eq(replica_status(leader).commit_index, before.commit_index);
    cluster_close(&c);
}

Test(repl_group_promise, is_taken_from_its_leader_only_and_only_where_there_is_less)
{
    struct replica *leader = started(3, 423), *told = cluster_other(&c, leader, 0);
    struct repl_group_status s = replica_status(told);
    struct repl_message m = {.type = REPL_PROMISE,
                             .group.group_id = GROUP_ID,
                             .from = replica_raft_id(leader),
                             .to = replica_raft_id(told),
                             .term = s.term,
                             .last_index = s.last_index}; /* it has that */
    cluster_inject(&c, leader->number, told->number, &m, NULL, 0);
    m.last_index = s.last_index + 1000; /* it takes what its leader sends: so this is not true */
    cluster_inject(&c, leader->number, told->number, &m, NULL, 0);
    m.term = s.term - 1;
    cluster_inject(&c, leader->number, told->number, &m, NULL, 0);
    m.term = s.term + 1;
    cluster_inject(&c, leader->number, told->number, &m, NULL, 0);
    m.term = s.term;
    m.from = replica_raft_id(cluster_other(&c, leader, 1));
    cluster_inject(&c, cluster_other(&c, leader, 1)->number, told->number, &m, NULL, 0);
    m.from = replica_raft_id(leader);
    m.to = repl_raft_id(told->node_id, told->incarnation + 1);
    cluster_inject(&c, leader->number, told->number, &m, NULL, 0);
    m.to = replica_raft_id(told);
    m.group.recovery_id = 99; /* another history's */
    cluster_inject(&c, leader->number, told->number, &m, NULL, 0);
    m.group.recovery_id = 0;
    m.from = replica_raft_id(told); /* the leader itself is told nothing */
    m.to = replica_raft_id(leader);
    cluster_inject(&c, told->number, leader->number, &m, NULL, 0);
    check_unharmed(1000);
}

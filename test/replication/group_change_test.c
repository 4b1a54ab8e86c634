/* Changes of the configuration. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(unsigned count, unsigned founders, uint64_t seed)
{
    cluster_init(&c, count, founders, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_run_ms(&c, 50);
    return leader;
}

static int change(enum repl_change what, const struct replica *r)
{
    struct repl_member member = replica_member(r);
    struct err_note note = {0};
    return repl_group_change(cluster_leader_now(&c)->group, what, &member, &note);
}

static const struct repl_replica_status *of(const struct repl_group_status *s,
                                            const struct replica *r)
{
    for (unsigned i = 0; i < s->replica_count; i++)
        if (s->replicas[i].member.raft_id == replica_raft_id(r))
            return &s->replicas[i];
    return NULL;
}

static bool are_all_level(struct cluster *cluster)
{
    struct repl_group_status s = replica_status(cluster_leader_now(cluster));
    for (unsigned i = 0; i < s.replica_count; i++)
        if (!s.replicas[i].is_level || s.replicas[i].match_index == 0)
            return false;
    return s.commit_index == s.last_index;
}

static void until_level(void)
{
    cluster_run_until(&c, are_all_level, 5000, "all members are level");
}

Test(repl_group_change, adds_a_learner_to_a_young_group_and_promotes_it)
{
    started(4, 3, 60);
    cluster_append(&c, 3);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    until_level();
    cluster_append(&c, 10);
    cluster_settle(&c, 3000);
    cr_assert_eq(c.replicas[3].applied_count, 13);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[3]), 0);
    cluster_append(&c, 1);
    struct repl_group_status s = replica_status(cluster_leader_now(&c));
    cr_assert(of(&s, &c.replicas[3])->member.is_voter);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_change, comes_first_in_its_message_also_in_the_middle_of_a_stream)
{
    struct replica *leader = started(4, 3, 61);
    struct replica *late = leader == &c.replicas[0] ? &c.replicas[1] : &c.replicas[0];
    cluster_append(&c, 5);
    cluster_isolate(&c, late->number); /* it gets all of what follows in few messages */
    for (unsigned i = 0; i < 20; i++)
        cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 5);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    for (unsigned i = 0; i < 20; i++)
        cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 100);
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    /* The late one has the right configuration at the right index: also as the next leader. */
    repl_group_transfer(leader->group, late->node_id);
    for (unsigned i = 0; i < 500 && late->role != REPL_LEADER; i++)
        cluster_run_ms(&c, 1);
    cr_assert_eq(late->role, REPL_LEADER);
    struct repl_group_status s = replica_status(late);
    cr_assert_eq(s.replica_count, 4);
    cluster_append(&c, 5);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_change, replaces_a_wiped_replica_by_its_new_incarnation_as_often_as_needed)
{
    started(3, 3, 62);
    for (unsigned round = 0; round < 12; round++) {
        cluster_append(&c, 3);
        cluster_settle(&c, 3000);
        struct replica *leader = cluster_leader_now(&c);
        struct replica *wiped = &c.replicas[(leader->number + 1 + round % 2) % 3];
        replica_kill(wiped);
        cr_assert_eq(change(REPL_REMOVE, wiped), 0);
        cluster_run_ms(&c, 20);
        replica_wipe(wiped);
        replica_start(wiped);
        cr_assert_eq(change(REPL_ADD_LEARNER, wiped), 0, "round %u", round);
        until_level();
        cr_assert_eq(change(REPL_PROMOTE, wiped), 0, "round %u", round);
        cluster_settle(&c, 3000);
    }
    cluster_check_same(&c);
    cluster_close(&c);
}

/* The one that was emptied holds nothing any more of what its old raft id had. */
Test(repl_group_change, calls_nobody_level_whose_node_is_back_as_another_server)
{
    started(3, 3, 63);
    cluster_append(&c, 3);
    cluster_settle(&c, 3000);
    struct replica *leader = cluster_leader_now(&c);
    struct replica *wiped = &c.replicas[(leader->number + 1) % 3];
    uint64_t old_id = repl_raft_id(wiped->node_id, wiped->incarnation);
    replica_kill(wiped);
    cluster_run_ms(&c, 400);
    replica_wipe(wiped);
    replica_start(wiped);
    for (unsigned ms = 0; ms < 3000; ms++) {
        cluster_run_ms(&c, 1);
        struct repl_group_status s = replica_status(leader);
        for (unsigned i = 0; i < s.replica_count; i++)
            cr_assert(s.replicas[i].member.raft_id != old_id || !s.replicas[i].is_level,
                      "level %u ms after it was back", ms);
    }
    cluster_close(&c);
}

Test(repl_group_change, keeps_the_site_rule)
{
    cluster_init(&c, 5, 3, 63);
    c.replicas[3].site[0] = c.replicas[4].site[0] = 'a';
    cluster_start(&c);
    cluster_leader(&c, 1000);
    cluster_append(&c, 3);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    until_level();
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[4]), 0);
    until_level();
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[3]), 0, "two of four may be at one site");
    cluster_settle(&c, 1000);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[4]), ERR_CANT_CHANGE, "three of five may not");
    struct replica *leader = cluster_leader_now(&c);
    for (unsigned i = 1; i < 3; i++) /* nor two of three */
        if (&c.replicas[i] != leader)
            cr_assert_eq(change(REPL_REMOVE, &c.replicas[i]), ERR_CANT_CHANGE);
    cluster_close(&c);
}

Test(repl_group_change, promotes_nobody_who_is_not_level)
{
    started(4, 3, 64);
    cluster_append(&c, 3);
    struct replica *learner = &c.replicas[3];
    replica_kill(learner);
    cr_assert_eq(change(REPL_ADD_LEARNER, learner), 0);
    cluster_run_ms(&c, 50);
    cr_assert_eq(change(REPL_PROMOTE, learner), ERR_CANT_CHANGE, "it never said a word");
    replica_start(learner);
    until_level();
    cluster_isolate(&c, learner->number);
    cluster_run_ms(&c, 2500);
    cr_assert_eq(change(REPL_PROMOTE, learner), ERR_CANT_CHANGE, "it is gone");
    cluster_close(&c);
}

Test(repl_group_change, refuses_what_is_already_so_and_two_at_a_time)
{
    struct replica *leader = started(5, 3, 65);
    struct replica *voter = leader == &c.replicas[0] ? &c.replicas[1] : &c.replicas[0];
    cr_assert_eq(change(REPL_ADD_LEARNER, voter), ERR_CANT_CHANGE);
    cr_assert_eq(change(REPL_PROMOTE, voter), ERR_CANT_CHANGE);
    cr_assert_eq(change(REPL_DEMOTE, &c.replicas[3]), ERR_CANT_CHANGE);
    cr_assert_eq(change(REPL_REMOVE, &c.replicas[3]), ERR_CANT_CHANGE);
    cr_assert_eq(change(REPL_REMOVE, leader), ERR_CANT_CHANGE);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[4]), ERR_CANT_CHANGE, "one at a time");
    struct repl_member member = replica_member(&c.replicas[4]);
    cr_assert_eq(repl_group_change(voter->group, REPL_ADD_LEARNER, &member, NULL), ERR_NOT_LEADER);
    cluster_close(&c);
}

Test(repl_group_change, is_taken_back_with_its_entry_when_it_was_not_committed)
{
    struct replica *old = started(4, 3, 66);
    cluster_append(&c, 3);
    cluster_run_ms(&c, 50);
    cluster_isolate(&c, old->number);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    cluster_run_ms(&c, 2500);
    cluster_append(&c, 3);
    cluster_heal(&c);
    cluster_run_ms(&c, 2000);
    struct repl_group_status s = replica_status(cluster_leader_now(&c));
    cr_assert_eq(s.replica_count, 3);
    repl_group_transfer(cluster_leader_now(&c)->group, old->node_id);
    cluster_run_ms(&c, 300);
    cr_assert_eq(old->role, REPL_LEADER);
    s = replica_status(old);
    cr_assert_eq(s.replica_count, 3, "the old leader, too, has forgotten it");
    cluster_close(&c);
}

Test(repl_group_change, is_known_after_a_restart_and_after_a_checkpoint)
{
    started(4, 3, 67);
    cluster_append(&c, 3);
    cr_assert_eq(change(REPL_ADD_LEARNER, &c.replicas[3]), 0);
    until_level();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 4; i++)
            replica_kill(&c.replicas[i]);
        for (unsigned i = 0; i < 4; i++)
            replica_start(&c.replicas[i]);
        cluster_append(&c, 3);
        cluster_settle(&c, 3000);
        struct repl_group_status s = replica_status(cluster_leader_now(&c));
        cr_assert_eq(s.replica_count, 4);
        cluster_check_same(&c);
        for (unsigned i = 0; i < 4; i++)
            cluster_checkpoint(&c, &c.replicas[i]);
    }
    cluster_close(&c);
}

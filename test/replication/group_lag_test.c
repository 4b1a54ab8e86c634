/* How far replicas are behind, in records, bytes and time, and what survivors know of a leader
 * (replication/group_lag.c, group_heard.c). */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    return leader;
}

static struct repl_replica_status of(const struct replica *leader, const struct replica *other)
{
    struct repl_group_status status = replica_status(leader);
    for (unsigned i = 0; i < status.replica_count; i++)
        if (repl_raft_id_node(status.replicas[i].member.raft_id) == other->node_id)
            return status.replicas[i];
    cr_assert_fail("no replica of node %u", other->node_id);
    return (struct repl_replica_status){0};
}

Test(repl_group_lag, is_nothing_for_whoever_has_all)
{
    struct replica *leader = started(201);
    for (unsigned i = 0; i < 3; i++) {
        struct repl_replica_status r = of(leader, &c.replicas[i]);
        cr_assert(r.is_lag_known && r.lag_entries == 0 && r.lag_records == 0 && r.lag_bytes == 0 &&
                  r.lag_ms == 0);
    }
    cluster_close(&c);
}

Test(repl_group_lag, counts_records_bytes_and_time_of_what_a_replica_lacks)
{
    struct replica *leader = started(202), *away = cluster_other(&c, leader, 0);
    cluster_isolate(&c, away->number);
    cluster_append(&c, 40);
    cluster_run_ms(&c, 1000);
    cluster_append(&c, 2);
    struct repl_replica_status r = of(leader, away);
    cr_assert(r.is_lag_known);
    cr_assert_eq(r.lag_entries, 42);
    cr_assert_eq(r.lag_records, 42 * RECORDS_A_VALUE);
    cr_assert_eq(r.lag_bytes, 42 * (8 + c.value_size));
    cr_assert(r.lag_ms >= 1000 && r.lag_ms < 1500, "%llu ms", (unsigned long long)r.lag_ms);
    cr_assert_eq(of(leader, cluster_other(&c, leader, 1)).lag_records, 0);
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    cluster_run_ms(&c, 100);
    cr_assert_eq(of(leader, away).lag_records, 0);
    cluster_close(&c);
}

/* Who comes to lead has counted all along. A replica that it never heard is not said to be level,
 * nor its lag to be known. */
Test(repl_group_lag, is_known_to_a_new_leader_of_those_that_it_hears)
{
    struct replica *old = started(203), *next = cluster_other(&c, old, 0);
    struct replica *away = cluster_other(&c, old, 1);
    cluster_delay(&c, 5);
    cluster_cut(&c, next->number, away->number);
    cluster_append(&c, 10);
    cr_assert_eq(repl_group_transfer(old->group, next->node_id), 0);
    cluster_run_ms(&c, 500);
    cr_assert_eq(cluster_leader(&c, 2000), next);
    cluster_append(&c, 10);
    cluster_run_ms(&c, 50);
    cr_assert(of(next, old).is_lag_known && of(next, old).lag_records == 0);
    cr_assert_not(of(next, away).is_lag_known);
    cr_assert_not(of(next, away).is_level);
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    cluster_run_ms(&c, 100);
    cr_assert(of(next, away).is_lag_known && of(next, away).lag_records == 0);
    cluster_close(&c);
}

static unsigned starved; /* gets no entries */

static bool starve(struct cluster *cluster, unsigned from, unsigned to,
                   const struct repl_message *m)
{
    (void)cluster, (void)from;
    return to != starved || m->type != REPL_APPEND;
}

/* A majority dies: what the survivor was told of the leader's place, and what it has itself, give
 * what is known to be lost. */
Test(repl_group_lag, lets_a_survivor_say_what_it_knows_to_be_lost)
{
    struct replica *leader = started(204), *survivor = cluster_other(&c, leader, 0);
    cluster_run_ms(&c, 500);
    int64_t before_ms = clock_wall_ms(&c.clock.seam);
    starved = survivor->number;
    c.filter = starve; /* heartbeats pass */
    cluster_append(&c, 8);
    cluster_run_ms(&c, 400);
    uint64_t place = replica_status(leader).applied_index;
    cluster_isolate(&c, survivor->number);
    cluster_run_ms(&c, 20);
    struct repl_group_status s = replica_status(survivor);
    cr_assert_eq(s.heard.position, place, "nothing came behind the last heartbeat");
    cr_assert(s.is_tail_counted && s.last_index < place);
    cr_assert_eq(s.heard.totals.records - s.totals.records - s.tail.records,
                 (place - s.last_index) * RECORDS_A_VALUE);
    cr_assert_leq(s.heard.level_wall_ms, before_ms + 50, "what was acknowledged since may be lost");
    cr_assert_gt(s.heard.level_wall_ms, 0);
    cr_assert_gt(s.heard.leader_wall_ms, before_ms + 50);
    cluster_close(&c);
}

Test(repl_group_lag, of_a_leader_is_kept_through_a_power_cut_with_totals_and_clocks)
{
    struct replica *leader = started(205), *follower = cluster_other(&c, leader, 0);
    struct repl_heard heard;
    cluster_run_ms(&c, 1500);
    cluster_append(&c, 1); /* its sync covers what was heard before */
    cluster_run_ms(&c, 100);
    replica_kill(follower);
    replica_start(follower);
    cr_assert_eq(repl_heard_read(follower->wal, GROUP_ID, &heard), 0);
    cr_assert_geq(heard.totals.records, 5 * RECORDS_A_VALUE);
    cr_assert_leq(heard.totals.records, 6 * RECORDS_A_VALUE);
    cr_assert(heard.position > 0 && heard.leader_wall_ms > 0);
    cr_assert_eq(heard.position_term, leader->role_term);
    cr_assert(heard.level_wall_ms > 0 && heard.level_wall_ms <= heard.leader_wall_ms);
    cr_assert_not(replica_status(follower).is_tail_counted,
                  "what its WAL has is counted when it is applied");
    cluster_settle(&c, 3000);
    cr_assert(replica_status(follower).is_tail_counted);
    cluster_close(&c);
}

/* A survivor that is started again soon after its leader came must still know since when more may
 * be lost: what it kept first, of a leader that was not ready, has no such time in it. */
Test(repl_group_lag, of_a_leader_of_less_than_a_second_is_kept_as_soon_as_it_says_anything)
{
    struct replica *leader = started(206), *follower = cluster_other(&c, leader, 0);
    struct repl_heard heard;
    cluster_run_ms(&c, 300);
    cr_assert_gt(replica_status(follower).heard.level_wall_ms, 0);
    cluster_append(&c, 1); /* its sync covers what was heard before */
    cluster_run_ms(&c, 50);
    replica_kill(follower);
    replica_start(follower);
    cr_assert_eq(repl_heard_read(follower->wal, GROUP_ID, &heard), 0);
    cr_assert_gt(heard.level_wall_ms, 0);
    cr_assert_eq(replica_status(follower).heard.level_wall_ms, heard.level_wall_ms,
                 "what was all here stays so over a restart");
    cluster_close(&c);
}

/* It led, proposed in vain, was ended and can't tell its own entries from others' any more; what
 * its successor had meanwhile is shorter. */
Test(repl_group_lag, of_a_survivor_counts_an_older_leaders_tail_as_lacking)
{
    struct replica *old = started(216);
    bool is_other = false;
    cluster_isolate(&c, old->number);
    for (unsigned i = 0; i < 8; i++)
        cluster_propose(&c, old, NULL);
    cluster_run_ms(&c, 50);
    uint64_t committed = replica_status(old).commit_index;
    replica_kill(old);
    cluster_append(&c, 3);
    starved = old->number;
    c.filter = starve; /* heartbeats pass */
    cluster_heal(&c);
    replica_start(old);
    cluster_run_ms(&c, 1500);
    struct repl_group_status s = replica_status(old);
    cr_assert_eq(s.kept_index, committed + 8, "started anew, it keeps them");
    cr_assert(s.heard.position > committed && s.heard.position < s.kept_index);
    cr_assert_geq(repl_heard_lacking(&s, &s.heard, &is_other), 3);
    cr_assert(is_other);
    c.filter = NULL;
    cluster_settle(&c, 5000);
    cluster_run_ms(&c, 1500);
    s = replica_status(old);
    cr_assert_eq(repl_heard_lacking(&s, &s.heard, &is_other), 0);
    cluster_close(&c);
}

static bool hide_results(struct cluster *cluster, unsigned from, unsigned to,
                         const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    return m->type != REPL_APPEND_RESULT;
}

/* It has not applied yet what was acknowledged before it led. */
Test(repl_group_lag, has_no_time_before_a_new_leader_is_ready)
{
    struct replica *old = started(215), *next = cluster_other(&c, old, 0);
    struct replica *third = cluster_other(&c, old, 1);
    cluster_run_ms(&c, 500);
    int64_t killed_ms = clock_wall_ms(&c.clock.seam);
    uint64_t position = replica_status(third).heard.position;
    c.filter = hide_results;
    replica_kill(old);
    while (replica_status(next).role != REPL_LEADER && replica_status(third).role != REPL_LEADER)
        cluster_run_ms(&c, 1);
    cluster_run_ms(&c, 300); /* heartbeats of the new one */
    struct replica *follower = replica_status(next).role == REPL_LEADER ? third : next;
    struct repl_heard heard = replica_status(follower).heard;
    cr_assert_neq(repl_raft_id_node(heard.leader_raft_id), old->node_id);
    cr_assert_leq(heard.level_wall_ms, killed_ms);
    cr_assert_geq(heard.position, position);
    c.filter = NULL;
    cluster_run_ms(&c, 2000);
    cr_assert_gt(replica_status(follower).heard.level_wall_ms, killed_ms, "now it is");
    cluster_close(&c);
}

/* ---- until when a leader led ---- */

static unsigned unanswered; /* its word in the group gets nowhere; heartbeats pass */

static bool ignore(struct cluster *cluster, unsigned from, unsigned to,
                   const struct repl_message *m)
{
    (void)cluster, (void)m;
    return from != unanswered && to != unanswered;
}

Test(repl_group_led, is_known_to_an_idle_leader_to_about_a_second)
{
    struct replica *leader = started(207);
    for (unsigned i = 0; i < 50; i++) {
        cluster_run_ms(&c, 100);
        struct repl_group_status s = replica_status(leader);
        cr_assert_eq(s.led_term, s.term);
        cr_assert_leq(clock_now_ms(&c.clock.seam) - s.led_until_ms, 1100);
    }
    cluster_close(&c);
}

/* What others acknowledged from then on it can't know. */
Test(repl_group_led, ends_with_the_last_answer_although_peers_are_alive)
{
    struct replica *leader = started(208);
    cluster_run_ms(&c, 2000);
    uint64_t cut_ms = clock_now_ms(&c.clock.seam);
    unanswered = leader->number;
    c.filter = ignore;
    for (unsigned i = 0; i < 50; i++) {
        cluster_run_ms(&c, 100);
        cr_assert_leq(replica_status(leader).led_until_ms, cut_ms);
    }
    struct replica *next = cluster_leader(&c, 5000);
    cr_assert_neq(next, leader);
    cr_assert_gt(replica_status(next).led_until_ms, cut_ms);
    cluster_close(&c);
}

Test(repl_group_led, counts_from_when_a_round_was_asked_first)
{
    struct replica *leader = started(209);
    cluster_run_ms(&c, 2000);
    cluster_delay(&c, 200); /* asked again, each 50 ms, before the first answer comes */
    uint64_t asked_ms = clock_now_ms(&c.clock.seam);
    struct read_request read;
    cr_assert_eq(cluster_read(leader, &read), 0);
    while (read.answers == 0)
        cluster_run_ms(&c, 1);
    cr_assert_leq(replica_status(leader).led_until_ms, asked_ms + 10);
    cr_assert_geq(replica_status(leader).led_until_ms, asked_ms);
    cluster_close(&c);
}

Test(repl_group_led, goes_on_for_who_votes_alone)
{
    cluster_init(&c, 1, 1, 210);
    cluster_start(&c);
    struct replica *alone = cluster_leader(&c, 3000);
    cluster_run_ms(&c, 3000);
    cr_assert_leq(clock_now_ms(&c.clock.seam) - replica_status(alone).led_until_ms, 1100);
    cluster_close(&c);
}

/* ---- what a forced recovery keeps ---- */

static struct replica *isolated_with(uint64_t seed, unsigned count)
{
    struct replica *leader = started(seed);
    cluster_isolate(&c, leader->number);
    for (unsigned i = 0; i < count; i++)
        cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 50);
    return leader;
}

Test(repl_group_kept, is_not_what_a_leader_proposed_and_nobody_has)
{
    struct replica *old = isolated_with(211, 3);
    struct repl_group_status s = replica_status(old);
    cr_assert_eq(s.last_index, s.commit_index + 3);
    cr_assert_eq(s.kept_index, s.commit_index);
    cr_assert(s.tail.records == 0 && s.tail.bytes == 0);
    cluster_run_ms(&c, 5000);
    s = replica_status(old);
    cr_assert_neq(s.role, REPL_LEADER);
    cr_assert_eq(s.last_index, s.commit_index + 3);
    cr_assert_eq(s.kept_index, s.commit_index, "stepped down, it knows no more");
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    s = replica_status(old);
    cr_assert_eq(s.kept_index, s.last_index, "its successor has replaced it");
    cluster_close(&c);
}

/* The leader may have acknowledged it with this replica's help. */
Test(repl_group_kept, is_all_that_another_leader_has_sent)
{
    struct replica *leader = started(212), *survivor = cluster_other(&c, leader, 0);
    c.filter = hide_results;
    for (unsigned i = 0; i < 3; i++)
        cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 30);
    cluster_isolate(&c, survivor->number);
    struct repl_group_status s = replica_status(survivor);
    cr_assert_eq(s.last_index, s.commit_index + 3);
    cr_assert_eq(s.kept_index, s.last_index);
    cr_assert_eq(s.tail.records, 3 * RECORDS_A_VALUE);
    c.filter = NULL;
    cluster_close(&c);
}

/* What it was elected with is another's word, although it is not committed yet. */
Test(repl_group_kept, is_what_a_new_leader_was_elected_with)
{
    struct replica *old = started(213), *next = cluster_other(&c, old, 0);
    struct replica *third = cluster_other(&c, old, 1);
    c.filter = hide_results;
    for (unsigned i = 0; i < 3; i++)
        cluster_propose(&c, old, NULL);
    cluster_run_ms(&c, 30);
    uint64_t last = replica_status(next).last_index;
    replica_kill(old);
    while (replica_status(next).role != REPL_LEADER && replica_status(third).role != REPL_LEADER)
        cluster_run_ms(&c, 1);
    if (replica_status(next).role != REPL_LEADER)
        next = third;
    cluster_propose(&c, next, NULL);
    cluster_run_ms(&c, 50);
    struct repl_group_status s = replica_status(next);
    cr_assert_gt(s.last_index, last);
    cr_assert_lt(s.commit_index, last);
    cr_assert_eq(s.kept_index, last);
    c.filter = NULL;
    cluster_close(&c);
}

/* How far it was committed is not on the disk. */
Test(repl_group_kept, is_all_that_is_found_at_a_start)
{
    struct replica *old = isolated_with(214, 3);
    replica_kill(old);
    replica_start(old);
    cluster_run_ms(&c, 100);
    struct repl_group_status s = replica_status(old);
    cr_assert_gt(s.last_index, s.commit_index);
    cr_assert_eq(s.kept_index, s.last_index);
    cluster_close(&c);
}

/* ---- how long things take ---- */

Test(repl_group_lag, goes_with_measured_round_trips_and_elections)
{
    struct replica *leader = started(206), *other = cluster_other(&c, leader, 0);
    struct repl_election_report lost, handed_over;
    uint32_t us = 0;
    cluster_delay(&c, 20);
    cluster_run_ms(&c, 3000);
    cr_assert(repl_node_round_trip(other->node, leader->node_id, &us));
    cr_assert(us >= 35000 && us < 80000, "%u us over 20 ms one way", us);
    replica_kill(leader);
    struct replica *next = cluster_leader(&c, 5000);
    cr_assert(repl_node_elections(next->node, next->node_id, &lost, &handed_over));
    cr_assert(lost.count == 1 && lost.median_ms >= 20 && lost.median_ms < 5000);
    cluster_run_ms(&c, 500);
    struct replica *third = &c.replicas[3 - leader->number - next->number];
    cr_assert(repl_node_elections(third->node, next->node_id, &lost, &handed_over),
              "peers are told");
    cr_assert_eq(lost.count, 1);
    cr_assert_eq(repl_group_transfer(next->group, third->node_id), 0);
    cluster_run_ms(&c, 500);
    cr_assert(repl_node_elections(third->node, third->node_id, &lost, &handed_over));
    cr_assert(handed_over.count == 1 && handed_over.median_ms < 500);
    cluster_close(&c);
}

/* Wherever between two of its heartbeats a leader that works is cut off. */
Test(repl_group_lag, counts_an_election_from_the_lost_leaders_last_sign_of_life)
{
    for (unsigned past_ms = 0; past_ms < 75; past_ms += 10) {
        struct replica *leader = started(230 + past_ms);
        struct repl_election_report lost, handed_over;
        for (unsigned ms = 0; ms < 300 + past_ms; ms += 5) {
            cluster_propose(&c, leader, NULL);
            cluster_run_ms(&c, 5);
        }
        uint64_t cut_ms = clock_now_ms(&c.clock.seam);
        cluster_isolate(&c, leader->number);
        struct replica *next = NULL;
        while (next == NULL) {
            cluster_run_ms(&c, 1);
            for (unsigned i = 0; i < 3; i++) {
                struct repl_group_status s = replica_status(&c.replicas[i]);
                if (&c.replicas[i] != leader && s.role == REPL_LEADER && s.is_ready)
                    next = &c.replicas[i];
            }
        }
        uint64_t took_ms = clock_now_ms(&c.clock.seam) - cut_ms;
        cr_assert(repl_node_elections(next->node, next->node_id, &lost, &handed_over));
        cr_assert_leq(lost.longest_ms, took_ms + 15, "%u ms, not %llu", lost.longest_ms,
                      (unsigned long long)took_ms);
        cluster_close(&c);
    }
}

/* What is in the log, and what is committed of it. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(unsigned count, uint64_t seed)
{
    cluster_init(&c, count, count, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    return leader;
}

Test(repl_group, commits_with_a_majority_and_not_with_less)
{
    struct replica *leader = started(3, 20);
    cluster_other(&c, leader, 0)->is_writer_paused = true;
    struct proposal *with_two = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 50);
    cr_assert(with_two->is_applied);
    cluster_other(&c, leader, 1)->is_writer_paused = true;
    struct proposal *alone = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 200);
    cr_assert_eq(alone->answers, 0, "a follower answered before its disk had the entry");
    cluster_other(&c, leader, 0)->is_writer_paused = false;
    cluster_run_ms(&c, 50);
    cr_assert(alone->is_applied);
    cluster_other(&c, leader, 1)->is_writer_paused = false;
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, commits_by_its_followers_disks_while_its_own_is_slow)
{
    struct replica *leader = started(3, 21);
    leader->is_writer_paused = true;
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 50);
    cr_assert(p->is_applied);
    /* The power goes before its own disk has it: the others keep it. */
    replica_kill(leader);
    cluster_leader(&c, 2000);
    replica_start(leader);
    cluster_settle(&c, 3000);
    cr_assert(replica_has(leader, p->value));
    cluster_check_same(&c);
    cluster_close(&c);
}

/* Raft, figure 8: an entry of an old term that a majority has is not committed by that alone. */
Test(repl_group, does_not_commit_an_old_terms_entry_by_counting_figure_8)
{
    struct replica *first = started(5, 22);
    /* The first leader's entry reaches one other only. */
    struct replica *second = cluster_other(&c, first, 0), *third = cluster_other(&c, first, 1);
    for (unsigned i = 1; i < 4; i++)
        cluster_cut(&c, first->number, cluster_other(&c, first, i)->number);
    struct proposal *old = cluster_propose(&c, first, NULL);
    cluster_run_ms(&c, 20);
    cr_assert_eq(replica_status(second).last_index, replica_status(first).last_index);
    cr_assert_eq(old->answers, 0);
    replica_kill(first);
    replica_kill(second);
    cluster_heal(&c);
    /* Another one leads the three that lack it, and its own entries stay alone. */
    struct replica *other = cluster_leader(&c, 3000);
    cr_assert_neq(other, first);
    cluster_isolate(&c, other->number);
    struct proposal *newer = cluster_propose(&c, other, NULL);
    cluster_run_ms(&c, 20);
    uint64_t newer_last = replica_status(other).last_index;
    replica_kill(other);
    cluster_heal(&c);
    /* The first comes back: its entry gets to a majority. */
    replica_start(first);
    replica_start(second);
    cluster_leader(&c, 5000);
    cluster_settle(&c, 5000);
    replica_start(other);
    cluster_settle(&c, 5000);
    cluster_append(&c, 1);
    cluster_settle(&c, 5000);
    cluster_check_same(&c); /* and history never had two values at an index */
    cr_assert_not(newer->is_applied && !replica_has(third, newer->value));
    cr_assert_geq(replica_status(other).last_index, newer_last - 1);
    cluster_close(&c);
}

Test(repl_group, replaces_a_followers_leftover_tail_of_an_older_term)
{
    struct replica *old = started(3, 24);
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    cluster_isolate(&c, old->number);
    for (unsigned i = 0; i < 50; i++)
        cluster_propose(&c, old, NULL);
    cluster_run_ms(&c, 2500);
    cluster_append(&c, 20); /* shorter than the leftover */
    cr_assert_gt(replica_status(old).last_index, replica_status(cluster_leader_now(&c)).last_index);
    cluster_heal(&c);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cr_assert_eq(old->applied_count, 25);
    replica_kill(old);
    replica_start(old);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, replaces_a_leftover_tail_whose_write_is_still_under_way)
{
    struct replica *old = started(3, 25);
    cluster_isolate(&c, old->number);
    old->is_writer_paused = true;
    for (unsigned i = 0; i < 30; i++)
        cluster_propose(&c, old, NULL);
    cluster_run_ms(&c, 2500);
    cluster_append(&c, 40);
    cluster_heal(&c);
    cluster_run_ms(&c, 300); /* the new entries came; the old ones' write has not ended */
    uint64_t match = 0;
    struct repl_group_status s = replica_status(cluster_leader_now(&c));
    for (unsigned i = 0; i < s.replica_count; i++)
        if (s.replicas[i].member.raft_id == replica_raft_id(old))
            match = s.replicas[i].match_index;
    cr_assert_lt(match, s.last_index, "told as stored what is not");
    old->is_writer_paused = false;
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, keeps_committing_a_steady_stream_over_a_slow_link)
{
    struct replica *leader = started(3, 26);
    cluster_delay(&c, 50);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++)
            c.bytes_per_ms[i][j] = 400;
    size_t applied = leader->applied_count;
    for (unsigned ms = 0; ms < 3000; ms++) {
        cluster_propose(&c, leader, NULL);
        cluster_run_ms(&c, 1);
        if (ms % 500 == 499) {
            cr_assert_gt(leader->applied_count, applied + 300, "commits stopped at %u ms", ms);
            applied = leader->applied_count;
        }
    }
    cr_assert_eq(cluster_leader_now(&c), leader);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, goes_on_at_once_after_frames_were_lost)
{
    struct replica *leader = started(3, 27);
    cluster_delay(&c, 20);
    cluster_append(&c, 1);
    c.loss = 1;
    for (unsigned i = 0; i < 3; i++) {
        cluster_propose(&c, leader, NULL);
        cluster_run_ms(&c, 1);
    }
    c.loss = 0;
    for (unsigned i = 0; i < 30; i++) {
        cluster_propose(&c, leader, NULL);
        cluster_run_ms(&c, 1);
    }
    struct proposal *last = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 200); /* some round trips, less than libraft's heartbeat */
    cr_assert(last->is_applied);
    cluster_close(&c);
}

Test(repl_group, fails_pending_requests_once_when_it_loses_leadership)
{
    struct replica *leader = started(3, 28);
    cluster_isolate(&c, leader->number);
    unsigned first = c.proposal_count;
    for (unsigned i = 0; i < 100; i++) {
        cluster_propose(&c, leader, NULL);
        if (i % 10 == 0)
            cluster_run_ms(&c, 1);
    }
    cluster_run_ms(&c, 3000);
    for (unsigned i = first; i < c.proposal_count; i++) {
        cr_assert_eq(c.proposals[i]->answers, 1);
        cr_assert_eq(c.proposals[i]->status, ERR_LEADERSHIP_LOST);
    }
    int err;
    struct proposal *late = cluster_propose(&c, leader, &err);
    cr_assert_eq(err, ERR_NOT_LEADER);
    cr_assert_eq(late->answers, 0);
    cluster_close(&c);
}

Test(repl_group, refuses_more_than_its_bytes_in_flight_and_takes_again_later)
{
    cluster_init(&c, 3, 3, 29);
    c.in_flight_bytes_max = 64u << 10;
    c.value_size = 1000;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    int err = 0;
    unsigned taken = 0;
    while (err == 0 && taken < 1000) {
        cluster_propose(&c, leader, &err);
        taken += err == 0;
    }
    cr_assert_eq(err, ERR_BUSY);
    cr_assert(taken > 40 && taken <= 64, "%u", taken);
    cluster_run_ms(&c, 100);
    cluster_propose(&c, leader, &err);
    cr_assert_eq(err, 0);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, applies_from_the_wal_after_a_restart)
{
    started(3, 30);
    cluster_append(&c, 700); /* more than one read of the WAL */
    cluster_settle(&c, 1000);
    for (unsigned i = 0; i < 3; i++)
        replica_kill(&c.replicas[i]);
    for (unsigned i = 0; i < 3; i++)
        replica_start(&c.replicas[i]);
    cluster_append(&c, 1);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cr_assert_eq(c.replicas[0].applied_count, 701);
    cluster_close(&c);
}

Test(repl_group, begins_with_its_checkpoint_and_applies_what_came_after)
{
    started(3, 31);
    cluster_append(&c, 50);
    cluster_settle(&c, 1000);
    cluster_checkpoint(&c, &c.replicas[1]);
    cr_assert_gt(replica_status(&c.replicas[1]).checkpoint_index, 50);
    cluster_append(&c, 20);
    cluster_settle(&c, 1000);
    replica_kill(&c.replicas[1]);
    replica_start(&c.replicas[1]);
    cr_assert_eq(c.replicas[1].applied_count, 50);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, catches_up_from_the_wal_what_is_no_longer_in_memory)
{
    cluster_init(&c, 3, 3, 32);
    c.cache_bytes_max = 4096;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    struct replica *gone = cluster_other(&c, leader, 0);
    replica_kill(gone);
    cluster_append(&c, 1000);
    replica_start(gone);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    cr_assert_gt(replica_counters(leader).entries_from_wal, 500);
    cr_assert_eq(replica_counters(leader).snapshots_sent, 0);
    cluster_close(&c);
}

Test(repl_group, stops_at_a_failed_write_and_acknowledges_nothing_after_it)
{
    struct replica *leader = started(3, 33);
    cluster_append(&c, 3);
    fake_disk_fail_nth(leader->disk, FAKE_DISK_SYNC, 1, UV_EIO);
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 2);
    cr_assert_eq(leader->fatal_status, UV_EIO);
    cr_assert_eq(leader->fatal_count, 1, "told once");
    size_t applied = leader->applied_count;
    cluster_run_ms(&c, 200);
    cr_assert_eq(leader->applied_count, applied);
    cr_assert_eq(p->answers, 0, "acknowledged by a replica whose disk failed");
    replica_kill(leader);
    cluster_leader(&c, 2000);
    cluster_append(&c, 1);
    cluster_close(&c);
}

Test(repl_group, stops_as_a_follower_at_a_failed_write_and_never_tells_it_as_stored)
{
    struct replica *leader = started(3, 34);
    struct replica *failing = cluster_other(&c, leader, 0);
    cluster_isolate(&c, cluster_other(&c, leader, 1)->number);
    fake_disk_fail_nth(failing->disk, FAKE_DISK_SYNC, 1, UV_EIO);
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 300);
    cr_assert_eq(failing->fatal_status, UV_EIO);
    cr_assert_eq(p->answers, 0);
    cluster_close(&c);
}

Test(repl_group, refuses_messages_of_another_generation)
{
    cluster_init(&c, 3, 3, 35);
    for (unsigned i = 0; i < 2; i++) {
        c.replicas[i].generation = 1;
        c.replicas[i].recovery_id = 99;
    }
    cluster_start(&c);
    cluster_leader(&c, 1000);
    cluster_append(&c, 5);
    cluster_run_ms(&c, 5000);
    cr_assert_eq(c.replicas[2].applied_count, 0);
    cr_assert_neq(c.replicas[2].role, REPL_LEADER);
    cr_assert_gt(replica_counters(&c.replicas[2]).generation_refused, 0);
    cr_assert_eq(replica_status(&c.replicas[2]).term, 1, "nor do they raise its term");
    cr_assert_not(replica_status(cluster_leader_now(&c)).is_set_aside, "by an older one");
    cluster_close(&c);
}

/* Two nodes were given up, the third recovered alone; then they return and would outvote it. */
Test(repl_group, a_leader_that_hears_of_a_higher_generation_serves_nothing_any_more)
{
    struct replica *leader = started(3, 37), *other = cluster_other(&c, leader, 0);
    struct read_request read;
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    struct proposal *waiting = cluster_propose(&c, leader, NULL);
    cr_assert_eq(cluster_read(leader, &read), 0);
    struct repl_message m = {.type = REPL_REQUEST_VOTE,
                             .group = {.group_id = GROUP_ID, .generation = 1, .recovery_id = 9},
                             .from = replica_raft_id(other),
                             .to = replica_raft_id(leader),
                             .term = 50};
    cluster_inject(&c, other->number, leader->number, &m, NULL, 0);
    cr_assert_eq(leader->role, REPL_FOLLOWER, "at once");
    cr_assert_eq(waiting->status, ERR_NOT_LEADER, "it never entered the log");
    cr_assert_eq(read.status, ERR_LEADERSHIP_LOST);
    cr_assert(replica_status(leader).is_set_aside);
    cr_assert_not(repl_group_is_elected(leader->group), "nobody shall wait for it to serve");
    cr_assert_eq(repl_group_submit(leader->group, &waiting->submit, NULL), ERR_NOT_LEADER);
    uint64_t term = replica_status(leader).term;
    cluster_append(&c, 5);
    cluster_checkpoint(&c, leader);
    cluster_run_ms(&c, 5000);
    cr_assert_eq(replica_status(leader).term, term, "it takes part in no election");
    cr_assert_eq(replica_status(leader).leader_node_id, 0);
    cr_assert_eq(leader->applied_count, other->applied_count - 5);
    cr_assert_gt(replica_status(leader).checkpoint_index, 1, "its part of the WAL is let go");
    cr_assert_eq(leader->fatal_count, 0);
    cluster_close(&c);
}

Test(repl_group, stamps_entries_with_a_clock_that_never_goes_back)
{
    struct replica *leader = started(3, 36);
    cluster_append(&c, 1);
    int64_t before = c.proposals[c.proposal_count - 1]->submit.head.wall_ms;
    fake_clock_step_wall_ms(&c.clock, -3600000);
    cluster_append(&c, 1);
    cr_assert_geq(c.proposals[c.proposal_count - 1]->submit.head.wall_ms, before);
    /* Also the next leader's, and after a restart. */
    for (unsigned i = 0; i < 3; i++)
        replica_kill(&c.replicas[i]);
    for (unsigned i = 0; i < 3; i++)
        replica_start(&c.replicas[i]);
    (void)leader;
    cluster_append(&c, 1);
    cr_assert_geq(c.proposals[c.proposal_count - 1]->submit.head.wall_ms, before);
    cluster_close(&c);
}

Test(repl_group, ships_when_the_wal_gave_back_what_it_was_believed_to_have)
{
    cluster_init(&c, 3, 3, 37);
    c.cache_bytes_max = 4096;
    c.wal_kept_bytes = 1;
    c.value_size = 1000;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    struct replica *gone = cluster_other(&c, leader, 0);
    cluster_append(&c, 20);
    replica_kill(gone);
    cluster_append(&c, 200);
    cluster_checkpoint(&c, leader); /* libraft is told; the WAL's files go only later */
    for (unsigned i = 0; i < 5; i++) {
        cluster_append(&c, 100);
        cluster_checkpoint(&c, leader);
    }
    replica_start(gone);
    cluster_settle(&c, 5000);
    cr_assert_geq(replica_counters(gone).snapshots_installed, 1);
    cluster_check_same(&c);
    cluster_close(&c);
}

static uint64_t entries_sent, refusals;

static bool count_entries(struct cluster *cluster, unsigned from, unsigned to,
                          const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    if (m->type == REPL_APPEND)
        entries_sent += m->entry_count;
    refusals += m->type == REPL_APPEND_RESULT && m->rejected > 0;
    return true;
}

Test(repl_group, sends_each_entry_of_a_burst_once)
{
    cluster_init(&c, 3, 3, 38);
    c.in_flight_entries_max = 5000;
    c.value_size = 8;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 1);
    cluster_settle(&c, 1000);
    c.filter = count_entries;
    entries_sent = refusals = 0;
    for (unsigned i = 0; i < 3000; i++) /* several appends in one turn */
        cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 1);
    cluster_settle(&c, 1000);
    cr_assert_eq(refusals, 0);
    cr_assert_eq(entries_sent, 6000, "%llu", (unsigned long long)entries_sent);
    cluster_close(&c);
}

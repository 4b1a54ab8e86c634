/* How soon: commits after quiet times, over distances that differ, after a link came back. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

/* One replica is near the leader and one far: what is sent to them is answered apart. */
static struct replica *started(uint64_t seed, uint64_t near_ms, uint64_t far_ms)
{
    cluster_init(&c, 3, 3, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    unsigned near = (leader->number + 1) % 3, far = (leader->number + 2) % 3;
    c.delay_ms[leader->number][near] = c.delay_ms[near][leader->number] = near_ms;
    c.delay_ms[leader->number][far] = c.delay_ms[far][leader->number] = far_ms;
    return leader;
}

static unsigned ms_to_commit(struct replica *leader, unsigned ms_max)
{
    struct proposal *p = cluster_propose(&c, leader, NULL);
    unsigned ms = 0;
    while (p->answers == 0 && ms++ < ms_max)
        cluster_run_ms(&c, 1);
    cr_assert(p->is_applied, "not within %u ms", ms_max);
    return ms;
}

Test(repl_group_pace, commits_in_one_round_trip_after_any_quiet_time)
{
    struct replica *leader = started(90, 3, 40);
    for (unsigned quiet_ms = 50; quiet_ms < 3000; quiet_ms = quiet_ms * 5 / 4) {
        cluster_run_ms(&c, quiet_ms);
        unsigned ms = ms_to_commit(leader, 2000);
        cr_assert_leq(ms, 6 + 6, "%u ms after %u ms of quiet", ms, quiet_ms);
        cluster_run_ms(&c, 7); /* the far one's answer falls elsewhere each time */
        ms_to_commit(leader, 2000);
    }
    cluster_close(&c);
}

Test(repl_group_pace, reaches_the_far_replica_in_one_round_trip_after_any_quiet_time)
{
    struct replica *leader = started(91, 3, 40);
    unsigned near = (leader->number + 1) % 3;
    replica_kill(&c.replicas[near]);
    for (unsigned quiet_ms = 50; quiet_ms < 3000; quiet_ms = quiet_ms * 5 / 4) {
        cluster_run_ms(&c, quiet_ms);
        unsigned ms = ms_to_commit(leader, 2000);
        cr_assert_leq(ms, 80 + 10, "%u ms after %u ms of quiet", ms, quiet_ms);
    }
    cluster_close(&c);
}

/* An idle group costs little, whatever its links. */
Test(repl_group_pace, sends_little_while_nothing_happens)
{
    started(92, 3, 40);
    cluster_run_ms(&c, 1000);
    unsigned before = c.frame_count;
    cluster_run_ms(&c, 10000);
    unsigned a_second = (c.frame_count - before) / 10;
    cr_assert_lt(a_second, 120, "%u frames a second", a_second); /* 80 are heartbeats of nodes */
    cluster_close(&c);
}

/* What is asked for while a peer's window is full must not become a frame each. */
Test(repl_group_pace, sends_no_empty_messages_while_the_window_is_full)
{
    cluster_init(&c, 3, 3, 93);
    c.in_flight_entries_max = 4;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    cluster_delay(&c, 100);
    cluster_run_ms(&c, 200);
    unsigned before = c.frame_count;
    for (unsigned i = 0; i < 200; i++) {
        cluster_propose(&c, leader, NULL);
        cluster_run_ms(&c, 1);
    }
    cr_assert_lt(c.frame_count - before, 120, "%u frames", c.frame_count - before);
    cluster_settle(&c, 20000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* A leftover tail of many entries is stepped over by its term, not entry by entry. */
Test(repl_group_pace, replaces_a_long_leftover_tail_in_a_few_round_trips)
{
    cluster_init(&c, 3, 3, 94);
    cluster_start(&c);
    struct replica *old = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    cluster_isolate(&c, old->number);
    for (unsigned i = 0; i < 300; i++)
        cluster_propose(&c, old, NULL);
    cluster_run_ms(&c, 3000);
    struct replica *leader = cluster_leader(&c, 2000);
    cr_assert_neq(leader, old);
    for (unsigned i = 0; i < 4; i++)
        cluster_append(&c, 100);
    /* The next leader knows nothing of where the old one stands: it begins at the end. */
    struct replica *third = &c.replicas[3 - old->number - leader->number];
    cr_assert_eq(repl_group_transfer(leader->group, third->node_id), 0);
    cluster_run_ms(&c, 500);
    cr_assert_eq(cluster_leader(&c, 2000), third);
    cluster_delay(&c, 20);
    cluster_heal(&c);
    cluster_settle(&c, 1500);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* After a site's loss the others know how far its leader was, and when they last knew. */
Test(repl_group_pace, keeps_what_it_heard_of_its_leader_through_a_power_cut)
{
    struct replica *leader = started(95, 3, 3);
    struct replica *follower = &c.replicas[(leader->number + 1) % 3];
    cluster_append(&c, 10);
    uint64_t commit = replica_status(leader).commit_index;
    cluster_run_ms(&c, 1500);
    cluster_append(&c, 1); /* its sync covers what was heard before */
    cluster_run_ms(&c, 100);
    int64_t now_ms = clock_wall_ms(&c.clock.seam);
    replica_kill(follower);
    replica_start(follower);
    struct repl_heard heard;
    cr_assert_eq(repl_heard_read(follower->wal, GROUP_ID, &heard), 0);
    cr_assert_eq(heard.leader_raft_id, replica_raft_id(leader));
    cr_assert_eq(heard.term, leader->role_term);
    cr_assert_geq(heard.commit_index, commit);
    cr_assert_leq(heard.commit_index, replica_status(leader).commit_index);
    cr_assert(heard.wall_ms > now_ms - 3000 && heard.wall_ms <= now_ms);
    cluster_close(&c);
}

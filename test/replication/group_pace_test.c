/* How soon: commits after quiet times, over distances that differ, after a link came back. */
#include <string.h>

#include "../../replication/node_internal.h"
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

/* ---- the window of a peer ---- */

static size_t sent_bytes[REPLICAS_MAX];

static bool count_entries(struct cluster *cluster, unsigned from, unsigned to,
                          const struct repl_message *m)
{
    (void)cluster, (void)from;
    for (unsigned i = 0; m->type == REPL_APPEND && i < m->entry_count; i++)
        sent_bytes[to] += m->entries[i].head.bytes.size + m->entries[i].body.bytes.size;
    return true;
}

/* 200 values of 1 KB for peers whose answers take 300 ms. */
static struct replica *leader_with_far_peers(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    c.value_size = 1000;
    c.append_bytes_max = 4096;
    c.peer_window_bytes = 20000;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    cluster_delay(&c, 150);
    cluster_run_ms(&c, 400);
    c.filter = count_entries;
    memset(sent_bytes, 0, sizeof sent_bytes);
    return leader;
}

static void append_much(struct replica *leader)
{
    for (unsigned i = 0; i < 200; i++)
        cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 200); /* before any answer */
}

static void check_all_arrives(void)
{
    c.filter = NULL;
    cluster_settle(&c, 20000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_pace, has_no_more_under_way_to_a_peer_than_its_window)
{
    struct replica *leader = leader_with_far_peers(97);
    append_much(leader);
    for (unsigned i = 0; i < 3; i++)
        if (&c.replicas[i] != leader) {
            cr_assert_leq(sent_bytes[i], c.peer_window_bytes);
            cr_assert_gt(sent_bytes[i], c.peer_window_bytes - 8192);
        }
    check_all_arrives();
}

Test(repl_group_pace, shares_the_window_of_a_peer_with_other_groups_but_never_stands_still)
{
    struct replica *leader = leader_with_far_peers(98);
    unsigned near = (leader->number + 1) % 3, far = (leader->number + 2) % 3;
    uint32_t peer = c.replicas[near].node_id;
    cr_assert_eq(node_window_take(leader->node, peer, 20000), 20000); /* another group's */
    append_much(leader);
    cr_assert_gt(sent_bytes[near], 0);
    cr_assert_leq(sent_bytes[near], 4096 + 1100, "one frame");
    cr_assert_gt(sent_bytes[far], 4096 + 1100, "what goes to others is not held up");
    cluster_run_ms(&c, 2000);
    cr_assert_gt(sent_bytes[near], 3 * 4096);
    node_window_give(leader->node, peer, 20000);
    check_all_arrives();
}

Test(repl_group_pace, gives_the_window_back_when_leadership_or_the_peer_is_lost)
{
    struct replica *leader = leader_with_far_peers(99);
    append_much(leader);
    unsigned near = (leader->number + 1) % 3;
    uint32_t peer = c.replicas[near].node_id;
    cr_assert_not(node_has_window(leader->node, peer, 20000));
    cluster_isolate(&c, leader->number);
    cluster_run_ms(&c, 5000);
    cr_assert(node_has_window(leader->node, peer, 20000));
    cluster_heal(&c);
    cluster_delay(&c, 3);
    cluster_run_ms(&c, 3000);
    check_all_arrives();
}

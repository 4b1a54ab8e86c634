/* Leadership that moves on purpose. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(unsigned count, uint64_t seed)
{
    cluster_init(&c, count, count, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_run_ms(&c, 100);
    return leader;
}

static struct replica *other_than(const struct replica *r)
{
    return r == &c.replicas[0] ? &c.replicas[1] : &c.replicas[0];
}

Test(repl_group_transfer, moves_leadership_within_two_round_trips)
{
    struct replica *leader = started(3, 80), *next = other_than(leader);
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    for (unsigned i = 0; i < 100 && next->role != REPL_LEADER; i++)
        cluster_run_ms(&c, 1);
    cr_assert_eq(next->role, REPL_LEADER);
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_run_ms(&c, 10);
    cr_assert_eq(replica_counters(leader).transfers_done, 1);
    cluster_close(&c);
}

/* What clients are shown: each node's map. */
static void check_shown_leaders(uint32_t *shown_by_term)
{
    for (unsigned i = 0; i < c.count; i++) {
        struct repl_leader shown;
        if (!repl_node_leader(c.replicas[i].node, GROUP_ID, &shown))
            continue;
        cr_assert(shown.term < TERMS_MAX);
        if (shown_by_term[shown.term] == 0)
            shown_by_term[shown.term] = shown.node_id;
        cr_assert_eq(shown.node_id, shown_by_term[shown.term], "term %u: nodes %u and %u",
                     (unsigned)shown.term, shown.node_id, shown_by_term[shown.term]);
    }
}

Test(repl_group_transfer, never_shows_two_leaders_of_one_term)
{
    uint32_t shown_by_term[TERMS_MAX] = {0};
    struct replica *leader = started(3, 88);
    cluster_delay(&c, 25);
    for (unsigned round = 0; round < 4; round++) {
        struct replica *next = other_than(leader);
        cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
        for (unsigned ms = 0; ms < 500; ms++) {
            cluster_run_ms(&c, 1);
            check_shown_leaders(shown_by_term);
        }
        cr_assert_eq(cluster_leader_now(&c), next);
        leader = next;
    }
    cluster_close(&c);
}

Test(repl_group_transfer, loses_nothing_of_a_stream)
{
    struct replica *leader = started(3, 81);
    for (unsigned i = 0; i < 2000; i++) {
        int err;
        struct replica *now = cluster_leader_now(&c);
        if (now != NULL)
            cluster_propose(&c, now, &err);
        if (i == 500)
            repl_group_transfer(leader->group, other_than(leader)->node_id);
        cluster_run_ms(&c, 1);
    }
    cluster_settle(&c, 2000);
    cluster_check_same(&c);
    for (unsigned i = 0; i < c.proposal_count; i++)
        cr_assert(!c.proposals[i]->is_applied ||
                  replica_has(&c.replicas[0], c.proposals[i]->value));
    cr_assert_neq(cluster_leader_now(&c), leader);
    cluster_close(&c);
}

static bool drop_timeout_now(struct cluster *cluster, unsigned from, unsigned to,
                             const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    return m->type != REPL_TIMEOUT_NOW;
}

Test(repl_group_transfer, that_fails_goes_on_as_leader_after_200_ms)
{
    struct replica *leader = started(3, 82);
    c.filter = drop_timeout_now;
    cr_assert_eq(repl_group_transfer(leader->group, other_than(leader)->node_id), 0);
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 150);
    cr_assert_eq(p->answers, 0, "nothing enters while it hands over");
    cluster_run_ms(&c, 150);
    cr_assert(p->is_applied);
    cr_assert_eq(leader->role, REPL_LEADER);
    cr_assert_eq(replica_counters(leader).transfers_failed, 1);
    c.filter = NULL;
    cr_assert_eq(repl_group_transfer(leader->group, other_than(leader)->node_id), 0);
    cluster_run_ms(&c, 200);
    cr_assert_eq(other_than(leader)->role, REPL_LEADER);
    cluster_close(&c);
}

Test(repl_group_transfer, asks_again_while_the_target_still_writes)
{
    struct replica *leader = started(3, 83), *next = other_than(leader);
    unsigned dropped = 0;
    c.filter = drop_timeout_now;
    c.filter_data = &dropped;
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    cluster_run_ms(&c, 40); /* the first one is lost */
    c.filter = NULL;
    cluster_run_ms(&c, 130);
    cr_assert_eq(next->role, REPL_LEADER);
    cluster_close(&c);
}

Test(repl_group_transfer, refuses_who_is_not_level_or_no_voter_or_unknown)
{
    struct replica *leader = started(3, 84), *next = other_than(leader);
    cr_assert_eq(repl_group_transfer(next->group, leader->node_id), ERR_NOT_LEADER);
    cr_assert_eq(repl_group_transfer(leader->group, 99), ERR_NOT_FOUND);
    replica_kill(next);
    cluster_run_ms(&c, 100);
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), ERR_BUSY);
    cluster_close(&c);
}

static bool leads_at_home(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id == cluster->preferred_node_id;
}

Test(repl_group_transfer, returns_to_the_preferred_node_only_when_that_is_level)
{
    cluster_init(&c, 3, 3, 85);
    c.preferred_node_id = 2;
    c.cache_bytes_max = 16u << 10;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    struct replica *home = &c.replicas[1];
    cluster_append(&c, 3);
    replica_kill(home);
    cluster_run_ms(&c, 600);
    c.value_size = 500;
    cluster_append(&c, 400);
    /* Its way is slow: it is alive for long before it is level. */
    for (unsigned i = 0; i < 3; i++)
        c.bytes_per_ms[i][1] = 100;
    replica_start(home);
    for (unsigned i = 0; i < 20000 && home->role != REPL_LEADER; i++) {
        struct replica *leader = cluster_leader_now(&c);
        if (leader != NULL && i % 100 == 0)
            cluster_propose(&c, leader, NULL);
        uint64_t before = replica_status(home).last_index;
        cluster_run_ms(&c, 1);
        if (home->role == REPL_LEADER)
            cr_assert_geq(before + 1000, replica_status(home).last_index);
        cr_assert(home->role != REPL_LEADER || i > 2000, "before it was quiet for its time");
    }
    cr_assert_eq(home->role, REPL_LEADER);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

static bool is_led_at_home_in_order(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id == 3;
}

/* Group 7's order with node 2 preferred is 2, 3, 1. */
Test(repl_group_transfer, goes_to_the_next_in_order_while_the_preferred_node_is_away)
{
    cluster_init(&c, 3, 3, 86);
    c.preferred_node_id = 2;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 1000, "the preferred node leads");
    replica_kill(&c.replicas[1]);
    cluster_run_ms(&c, 1000);
    cr_assert_eq(cluster_leader_now(&c)->node_id, 3);
    cr_assert_eq(repl_group_transfer(c.replicas[2].group, 1), 0);
    cluster_run_ms(&c, 300);
    cr_assert_eq(cluster_leader_now(&c)->node_id, 1);
    cluster_run_until(&c, is_led_at_home_in_order, 4000, "the next in order leads");
    replica_start(&c.replicas[1]);
    cluster_run_until(&c, leads_at_home, 4000, "leadership comes home");
    cluster_close(&c);
}

/* ---- leaving ---- */

Test(repl_group_transfer, hands_over_at_once_when_its_node_is_about_to_stop)
{
    struct replica *leader = started(3, 87);
    cr_assert_eq(repl_node_leave(leader->node), 1);
    struct proposal *p = cluster_propose(&c, leader, NULL);
    for (unsigned i = 0; i < 60 && repl_node_leave(leader->node) > 0; i++)
        cluster_run_ms(&c, 1);
    cr_assert_eq(repl_node_leave(leader->node), 0);
    cluster_run_ms(&c, 10);
    cr_assert_eq(p->answers, 1, "whoever waits hears that it is over");
    struct replica *next = cluster_leader_now(&c);
    cr_assert_neq(next, leader);
    repl_group_set_preferred(next->group, leader->node_id);
    for (unsigned i = 0; i < 5000; i++) {
        cluster_run_ms(&c, 1);
        cr_assert_eq(cluster_leader_now(&c), next, "nothing comes back to it");
    }
    cr_assert_eq(replica_counters(next).elections_started, 1, "nor does it stand");
    cluster_close(&c);
}

Test(repl_group_transfer, hands_over_to_another_when_the_first_does_not_take_it)
{
    struct replica *leader = started(3, 88);
    uint32_t deaf = 0;
    for (unsigned i = 0; i < 3; i++) /* alive, but its disk does nothing */
        if (&c.replicas[i] != leader && deaf == 0) {
            deaf = c.replicas[i].node_id;
            c.replicas[i].is_writer_paused = true;
        }
    repl_node_leave(leader->node);
    for (unsigned i = 0; i < 500 && repl_node_leave(leader->node) > 0; i++)
        cluster_run_ms(&c, 1);
    cr_assert_eq(repl_node_leave(leader->node), 0);
    c.replicas[deaf - 1].is_writer_paused = false;
    struct replica *next = cluster_leader(&c, 1000);
    cr_assert(next != leader && next->node_id != deaf);
    cluster_close(&c);
}

Test(repl_group_transfer, leaves_at_once_where_nobody_can_take_it)
{
    struct replica *leader = started(3, 89);
    for (unsigned i = 0; i < 3; i++)
        if (&c.replicas[i] != leader)
            replica_kill(&c.replicas[i]);
    cluster_run_ms(&c, 20);
    cr_assert_eq(repl_node_leave(leader->node), 0);
    cluster_close(&c);
}

Test(repl_group_transfer, comes_back_to_a_node_that_was_started_again)
{
    struct replica *leader = started(3, 90);
    uint32_t node_id = leader->node_id;
    for (unsigned i = 0; i < 3; i++)
        repl_group_set_preferred(c.replicas[i].group, node_id);
    c.preferred_node_id = node_id;
    repl_node_leave(leader->node);
    cluster_run_ms(&c, 100);
    replica_kill(leader);
    cluster_run_ms(&c, 100);
    replica_start(leader);
    cluster_run_until(&c, leads_at_home, 5000, "it leads again");
    cluster_close(&c);
}

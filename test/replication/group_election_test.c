/* Who leads, and for how long. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(unsigned count, unsigned founders, uint64_t seed)
{
    cluster_init(&c, count, founders, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    return leader;
}

static struct replica *other_than(const struct replica *a, const struct replica *b)
{
    for (unsigned i = 0; i < c.count; i++)
        if (&c.replicas[i] != a && &c.replicas[i] != b)
            return &c.replicas[i];
    return NULL;
}

static bool has_other_leader(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id != (uint32_t)(uintptr_t)cluster->filter_data;
}

static bool is_leader_on_it(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id == (uint32_t)(uintptr_t)cluster->filter_data;
}

/* Waits for a leader that is not on this node. */
static struct replica *next_leader(const struct replica *old, unsigned ms_max)
{
    c.filter_data = (void *)(uintptr_t)old->node_id;
    cluster_run_until(&c, has_other_leader, ms_max, "another leader");
    return cluster_leader_now(&c);
}

Test(repl_group, elects_one_leader_that_all_follow)
{
    struct replica *leader = started(3, 3, 1);
    for (unsigned i = 0; i < 3; i++) {
        struct repl_group_status s = replica_status(&c.replicas[i]);
        cr_assert_eq(s.leader_node_id, leader->node_id);
        cr_assert_eq(s.term, leader->role_term);
    }
    cluster_append(&c, 10);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cr_assert_eq(leader->applied_count, 10);
    cluster_close(&c);
}

Test(repl_group, of_founders_begins_with_all_of_them_as_voters)
{
    struct replica *leader = started(3, 3, 2);
    struct repl_group_status s = replica_status(leader);
    cr_assert_eq(s.replica_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(s.replicas[i].member.is_voter);
        cr_assert_eq(s.replicas[i].member.raft_id, replica_raft_id(&c.replicas[i]));
        cr_assert_str_eq(s.replicas[i].member.site, c.replicas[i].site);
    }
    cluster_close(&c);
}

Test(repl_group, with_one_founder_only_elects_nobody_until_a_second_comes)
{
    cluster_init(&c, 3, 3, 3);
    replica_start(&c.replicas[0]);
    cluster_run_ms(&c, 5000);
    cr_assert_null(cluster_leader_now(&c));
    cr_assert_eq(replica_status(&c.replicas[0]).term, 1, "pre-vote does not raise the term");
    replica_start(&c.replicas[1]);
    cluster_leader(&c, 3000);
    cluster_close(&c);
}

Test(repl_group, has_a_new_leader_soon_after_the_old_ones_node_refused)
{
    struct replica *old = started(3, 3, 4);
    cluster_append(&c, 5);
    replica_kill(old);
    next_leader(old, 400);
    cluster_append(&c, 5);
    replica_start(old);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cr_assert_eq(old->applied_count, 10);
    cluster_close(&c);
}

Test(repl_group, has_a_new_leader_within_a_second_of_the_old_ones_silence)
{
    struct replica *old = started(3, 3, 5);
    cluster_delay(&c, 25);
    cluster_append(&c, 5);
    cluster_isolate(&c, old->number);
    next_leader(old, 1000);
    cluster_close(&c);
}

Test(repl_group, lets_the_preferred_node_stand_first)
{
    for (uint32_t preferred = 1; preferred <= 3; preferred++) {
        cluster_init(&c, 3, 3, 6 + preferred);
        c.preferred_node_id = preferred;
        cluster_start(&c);
        c.filter_data = (void *)(uintptr_t)preferred;
        cluster_run_until(&c, is_leader_on_it, 6000, "the preferred node leads");
        struct replica *old = &c.replicas[preferred - 1];
        for (unsigned i = 0; i < 3; i++) /* now another one is */
            repl_group_set_preferred(c.replicas[i].group, preferred % 3 + 1);
        replica_kill(old);
        cr_assert_eq(next_leader(old, 500)->node_id, preferred % 3 + 1);
        cluster_close(&c);
    }
}

/* The follower that is cut from the leader goes behind; then the leader falls silent for both. */
static uint64_t time_to_replace_with_one_behind(unsigned behind)
{
    struct replica *leader = started(3, 3, 31);
    struct replica *lesser = cluster_other(&c, leader, behind);
    cluster_delay(&c, 25);
    cluster_run_ms(&c, 500);
    cluster_cut(&c, leader->number, lesser->number);
    cluster_append(&c, 3);
    cluster_isolate(&c, leader->number);
    uint64_t since_ms = clock_now_ms(&c.clock.seam);
    struct replica *next = next_leader(leader, 3000);
    cr_assert_neq(next, lesser);
    uint64_t took_ms = clock_now_ms(&c.clock.seam) - since_ms;
    cluster_close(&c);
    return took_ms;
}

Test(repl_group, does_not_wait_for_a_turn_of_who_cannot_win)
{
    for (unsigned behind = 0; behind < 2; behind++)
        cr_assert_lt(time_to_replace_with_one_behind(behind), GONE_MS + 300);
}

/* A round trip longer than the time between two turns: the second in order is asked before its own
 * turn comes. */
Test(repl_group, gives_a_candidate_that_can_win_its_time)
{
    struct replica *leader = started(3, 3, 32);
    uint64_t started_before[REPLICAS_MAX];
    cluster_delay(&c, 100);
    cluster_run_ms(&c, 1000);
    cluster_append(&c, 3);
    cluster_run_ms(&c, 500);
    for (unsigned i = 0; i < 3; i++)
        started_before[i] = replica_counters(&c.replicas[i]).elections_started;
    cluster_isolate(&c, leader->number);
    struct replica *next = next_leader(leader, 3000), *voter = other_than(leader, next);
    cr_assert_gt(replica_counters(next).elections_started, started_before[next->number]);
    cr_assert_eq(replica_counters(voter).elections_started, started_before[voter->number],
                 "it would have stood between the question and the vote");
    cluster_close(&c);
}

/* Their metadata differ, as those of a switch that not all have heard of: each is first by its own
 * account. Whatever the one-way delay, they must not take each other's vote for ever. */
Test(repl_group, has_a_leader_also_where_two_who_are_left_each_take_themselves_for_the_first)
{
    for (unsigned delay_ms = 1; delay_ms <= 25; delay_ms += 8) {
        struct replica *old = started(3, 3, 30 + delay_ms), *one = other_than(old, NULL);
        struct replica *two = other_than(old, one);
        repl_group_set_preferred(one->group, one->node_id);
        repl_group_set_preferred(two->group, two->node_id);
        cluster_delay(&c, delay_ms);
        cluster_run_ms(&c, 500);
        replica_kill(old);
        next_leader(old, 5000);
        cluster_close(&c);
    }
}

Test(repl_group, lets_go_of_a_leader_in_a_minority_and_of_what_it_did_not_commit)
{
    struct replica *old = started(3, 3, 10);
    cluster_append(&c, 3);
    cluster_isolate(&c, old->number);
    struct proposal *lost = cluster_propose(&c, old, NULL);
    struct replica *leader = next_leader(old, 1500);
    cluster_append(&c, 2);
    cluster_run_ms(&c, 2 * ELECTION_MS);
    cr_assert_eq(old->role, REPL_FOLLOWER);
    cr_assert_eq(lost->answers, 1);
    cr_assert_eq(lost->status, ERR_LEADERSHIP_LOST);
    cluster_heal(&c);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cr_assert_eq(cluster_leader_now(&c), leader, "who returns disturbs nobody");
    cr_assert_not(replica_has(old, lost->value));
    cr_assert_eq(replica_counters(old).truncations, 1);
    cluster_close(&c);
}

Test(repl_group, does_not_mind_a_cut_between_two_nodes_while_the_third_hears_the_leader)
{
    struct replica *leader = started(3, 3, 11);
    struct replica *deaf = other_than(leader, NULL);
    uint64_t term = leader->role_term;
    cluster_cut(&c, leader->number, deaf->number);
    for (unsigned i = 0; i < 20; i++) {
        cluster_run_ms(&c, 200);
        cluster_append(&c, 1);
    }
    cr_assert_eq(cluster_leader_now(&c), leader);
    cr_assert_eq(replica_status(leader).term, term);
    cluster_heal(&c);
    cluster_settle(&c, 3000);
    cr_assert_eq(replica_status(leader).term, term, "nor its end");
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group, is_not_disturbed_by_a_node_that_returns)
{
    struct replica *leader = started(3, 3, 12);
    struct replica *gone = other_than(leader, NULL);
    uint64_t term = leader->role_term;
    cluster_isolate(&c, gone->number);
    cluster_run_ms(&c, 10000);
    cluster_append(&c, 5);
    cluster_heal(&c);
    cluster_settle(&c, 3000);
    cr_assert_eq(replica_status(gone).term, term, "it asked before it stood");
    cr_assert_eq(cluster_leader_now(&c), leader);
    cluster_close(&c);
}

static unsigned votes_granted;

static bool count_votes(struct cluster *cluster, unsigned from, unsigned to,
                        const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    votes_granted += m->type == REPL_REQUEST_VOTE_RESULT && m->is_granted && !m->is_pre_vote;
    return true;
}

static void ask_for_vote(unsigned from, unsigned to, uint64_t term)
{
    struct repl_message m = {.type = REPL_REQUEST_VOTE,
                             .group.group_id = GROUP_ID,
                             .from = replica_raft_id(&c.replicas[from]),
                             .to = replica_raft_id(&c.replicas[to]),
                             .term = term,
                             .last_index = 1000,
                             .last_term = term - 1,
                             .raft_version = 2};
    cluster_inject(&c, from, to, &m, NULL, 0);
}

Test(repl_group, votes_once_in_a_term_also_across_a_power_cut)
{
    cluster_init(&c, 3, 3, 13);
    c.filter = count_votes;
    replica_start(&c.replicas[0]);
    cluster_run_ms(&c, 3);
    c.replicas[1].group = c.replicas[2].group = NULL;
    votes_granted = 0;
    /* Somebody must be there to send to. */
    replica_start(&c.replicas[1]);
    replica_start(&c.replicas[2]);
    c.replicas[1].is_paused = c.replicas[2].is_paused = true;
    ask_for_vote(1, 0, 50);
    cr_assert_eq(votes_granted, 0, "nothing leaves before the vote is on the disk");
    cluster_run_ms(&c, 2);
    cr_assert_eq(votes_granted, 1);
    replica_kill(&c.replicas[0]);
    replica_start(&c.replicas[0]);
    cr_assert_eq(replica_status(&c.replicas[0]).term, 50);
    ask_for_vote(2, 0, 50);
    cluster_run_ms(&c, 5);
    cr_assert_eq(votes_granted, 1, "a second vote in a term");
    ask_for_vote(1, 0, 50);
    cluster_run_ms(&c, 5);
    cr_assert_eq(votes_granted, 2, "the same vote may be told again");
    ask_for_vote(2, 0, 51);
    cluster_run_ms(&c, 5);
    cr_assert_eq(votes_granted, 3);
    cluster_close(&c);
}

Test(repl_group, with_a_sole_voter_never_leads_twice_in_a_term)
{
    struct replica *leader = started(1, 1, 14);
    cluster_append(&c, 3);
    uint64_t term = leader->role_term;
    replica_kill(leader);
    replica_start(leader);
    cluster_leader(&c, 2000);
    cr_assert_gt(leader->role_term, term, "what the last life sent unsynced could come again");
    cluster_append(&c, 3);
    cr_assert_eq(leader->applied_count, 6);
    cluster_close(&c);
}

/* Whoever starts first would lead every group, until they go home one by one. */
Test(repl_group, waits_at_first_start_for_the_preferred_node)
{
    cluster_init(&c, 3, 3, 30);
    c.preferred_node_id = 3;
    replica_start(&c.replicas[0]);
    cluster_run_ms(&c, 200);
    replica_start(&c.replicas[1]);
    cluster_run_ms(&c, 600);
    cr_assert_null(cluster_leader_now(&c));
    replica_start(&c.replicas[2]);
    cr_assert_eq(cluster_leader(&c, 200)->node_id, 3);
    cluster_close(&c);
}

Test(repl_group, does_not_wait_long_for_a_preferred_node_that_stays_away)
{
    cluster_init(&c, 3, 3, 31);
    c.preferred_node_id = 3;
    replica_start(&c.replicas[0]);
    replica_start(&c.replicas[1]);
    cluster_leader(&c, 1500);
    cluster_close(&c);
}

Test(repl_group, survives_cuts_and_power_cuts_in_any_order)
{
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct random r;
        random_init(&r, seed);
        cluster_init(&c, 3, 3, seed);
        c.loss = seed % 3 == 0 ? 0.02 : 0;
        cluster_start(&c);
        for (unsigned step = 0; step < 40; step++) {
            struct replica *victim = &c.replicas[random_below(&r, 3)];
            uint64_t what = random_below(&r, 6);
            if (what == 0 && victim->group != NULL)
                replica_kill(victim);
            else if (what == 1)
                cluster_isolate(&c, victim->number);
            else if (what == 2)
                cluster_heal(&c);
            else if (victim->group == NULL)
                replica_start(victim);
            struct replica *leader = cluster_leader_now(&c);
            for (unsigned i = 0; leader != NULL && i < 20; i++)
                cluster_propose(&c, leader, NULL);
            cluster_run_ms(&c, (unsigned)random_below(&r, 700));
        }
        c.loss = 0;
        cluster_heal(&c);
        for (unsigned i = 0; i < 3; i++)
            if (c.replicas[i].group == NULL)
                replica_start(&c.replicas[i]);
        cluster_run_ms(&c, 2000);
        cluster_append(&c, 1);
        cluster_settle(&c, 10000);
        cluster_check_same(&c);
        for (unsigned i = 0; i < c.proposal_count; i++)
            cr_assert(!c.proposals[i]->is_applied ||
                          replica_has(&c.replicas[0], c.proposals[i]->value),
                      "seed %llu: an acknowledged value is lost", (unsigned long long)seed);
        cluster_close(&c);
    }
}

/* Leadership that moves on purpose. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *begun(void)
{
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_run_ms(&c, 100);
    return leader;
}

static struct replica *started(unsigned count, uint64_t seed)
{
    cluster_init(&c, count, count, seed);
    return begun();
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

/* What it had was answered, so it gave its vote away, too: there is an election. */
Test(repl_group_transfer, that_is_never_heard_ends_in_an_election)
{
    struct replica *leader = started(3, 82);
    uint64_t term = replica_status(leader).term;
    c.filter = drop_timeout_now;
    cr_assert_eq(repl_group_transfer(leader->group, other_than(leader)->node_id), 0);
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 30);
    cr_assert_eq(p->status, ERR_NOT_LEADER, "it never entered the log, and that is certain");
    leader = cluster_leader(&c, 1000);
    cr_assert_gt(replica_status(leader).term, term);
    c.filter = NULL;
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* Something is not answered, so the vote is not given away, and the leader goes on. */
Test(repl_group_transfer, that_fails_goes_on_as_leader_after_200_ms)
{
    struct replica *leader = started(3, 82), *next = cluster_other(&c, leader, 0);
    c.filter = drop_timeout_now;
    leader->is_writer_paused = true;
    cluster_cut(&c, leader->number, cluster_other(&c, leader, 1)->number);
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 10);
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    cluster_run_ms(&c, 100);
    cr_assert_eq(p->answers, 0, "its own disk and the third have it not");
    cluster_run_ms(&c, 110);
    cr_assert_eq(leader->role, REPL_LEADER);
    cr_assert_eq(replica_counters(leader).transfers_failed, 1);
    leader->is_writer_paused = false;
    cluster_heal(&c);
    cluster_run_ms(&c, 100);
    cr_assert(p->is_applied);
    cluster_close(&c);
}

static bool drop_first_votes(struct cluster *cluster, unsigned from, unsigned to,
                             const struct repl_message *m)
{
    unsigned *left = cluster->filter_data;
    (void)from, (void)to;
    if (m->type != REPL_REQUEST_VOTE_RESULT || *left == 0)
        return true;
    --*left;
    return false;
}

Test(repl_group_transfer, gives_its_vote_once_more_when_that_was_lost)
{
    struct replica *leader = started(3, 83), *next = other_than(leader);
    unsigned left = 3; /* the vote ahead, and both answers to the target's own question */
    c.filter = drop_first_votes;
    c.filter_data = &left;
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    cluster_run_ms(&c, 120);
    cr_assert_eq(left, 0);
    cr_assert_eq(next->role, REPL_LEADER);
    cr_assert_eq(cluster_leader_now(&c), next);
    cluster_close(&c);
}

/* Who takes what is to be replicated: the one in the highest term. */
static struct replica *taker_now(void)
{
    struct replica *taker = NULL;
    for (unsigned i = 0; i < c.count; i++) {
        struct replica *r = &c.replicas[i];
        if (repl_group_may_submit_ahead(r->group) &&
            (taker == NULL || replica_status(r).term > replica_status(taker).term))
            taker = r;
    }
    return taker;
}

/* The longest time without an answer of a stream that goes to whoever is elected. */
static uint64_t longest_gap_ms(uint64_t one_way_ms, unsigned in_flight_max, uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    c.in_flight_entries_max = in_flight_max;
    struct replica *leader = begun(), *next = other_than(leader);
    uint64_t answered_ns = 0, longest_ns = 0;
    unsigned done = 0, done_before = 0;
    cluster_delay(&c, one_way_ms);
    cluster_run_ms(&c, 300);
    for (unsigned ms = 0; ms < 1000; ms++) {
        struct replica *now = taker_now();
        if (ms == 300)
            cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
        if (now != NULL)
            cluster_propose(&c, now, NULL);
        cluster_run_ms(&c, 1);
        done = 0;
        for (unsigned i = 0; i < c.proposal_count; i++)
            done += c.proposals[i]->is_applied;
        if (done == done_before)
            continue;
        done_before = done;
        if (answered_ns != 0 && c.clock.now_ns - answered_ns > longest_ns)
            longest_ns = c.clock.now_ns - answered_ns;
        answered_ns = c.clock.now_ns;
    }
    cr_assert_eq(cluster_leader_now(&c), next);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
    return longest_ns / 1000000;
}

/* One way for the word, and two for the new leader's first entries: what comes to it right after
 * its election goes behind the term's first one. */
Test(repl_group_transfer, pauses_for_one_and_a_half_round_trips)
{
    for (uint64_t seed = 91; seed < 96; seed++) {
        uint64_t gap_ms = longest_gap_ms(25, 1000, seed);
        cr_assert_leq(gap_ms, 3 * 25 + 15, "%u ms", (unsigned)gap_ms);
    }
}

/* Of a peer that has not answered yet libraft thinks that it may lack everything, and sends it
 * nothing while that is more than may be in flight: any log but a very young one. */
Test(repl_group_transfer, pauses_no_longer_where_the_log_is_longer_than_what_may_be_in_flight)
{
    for (uint64_t seed = 91; seed < 96; seed++) {
        uint64_t gap_ms = longest_gap_ms(25, 120, seed);
        cr_assert_leq(gap_ms, 3 * 25 + 15, "%u ms", (unsigned)gap_ms);
    }
}

/* ---- the first entry of a term ---- */

static bool is_next_elected(struct cluster *cluster)
{
    const struct replica *next = cluster->filter_data;
    return replica_status(next).role == REPL_LEADER;
}

/* From the election to serving, where all that there is was known to be committed long before. */
static uint64_t quiet_serving_ms(uint64_t one_way_ms, uint64_t seed, bool is_leader_lost)
{
    struct replica *leader = started(3, seed), *next = other_than(leader);
    for (unsigned i = 0; i < 3; i++)
        repl_group_set_preferred(c.replicas[i].group, next->node_id);
    cluster_delay(&c, one_way_ms);
    cluster_run_ms(&c, 500);
    cr_assert_eq(replica_status(next).commit_index, replica_status(leader).last_index);
    if (is_leader_lost)
        replica_kill(leader);
    else
        cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    c.filter_data = next;
    cluster_run_until(&c, is_next_elected, 1000, "it is elected");
    uint64_t since_ms = clock_now_ms(&c.clock.seam);
    for (unsigned i = 0; i < 500 && next->role != REPL_LEADER; i++)
        cluster_run_ms(&c, 1);
    cr_assert_eq(next->role, REPL_LEADER);
    uint64_t took_ms = clock_now_ms(&c.clock.seam) - since_ms;
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
    return took_ms;
}

Test(repl_group_transfer, of_a_quiet_group_serves_a_round_trip_after_it_is_elected)
{
    for (uint64_t seed = 101; seed < 105; seed++) {
        uint64_t took_ms = quiet_serving_ms(25, seed, false);
        cr_assert_leq(took_ms, 2 * 25 + 5, "took %u ms", (unsigned)took_ms);
    }
}

Test(repl_group_transfer, that_the_leaders_loss_brings_serves_a_round_trip_after_it_is_elected)
{
    for (uint64_t seed = 106; seed < 110; seed++) {
        uint64_t took_ms = quiet_serving_ms(25, seed, true);
        cr_assert_leq(took_ms, 2 * 25 + 5, "took %u ms", (unsigned)took_ms);
    }
}

static bool shows(const struct replica *r, const struct replica *leader)
{
    struct repl_leader shown;
    return repl_node_leader(r->node, GROUP_ID, &shown) && shown.node_id == leader->node_id;
}

/* Clients that ask for the leader are told as soon as anybody can know. */
Test(repl_group_transfer, is_shown_by_the_new_leader_at_once_and_by_others_one_way_later)
{
    for (uint64_t seed = 131; seed < 141; seed++) {
        struct replica *leader = started(3, seed), *next = other_than(leader);
        cluster_delay(&c, 25);
        cluster_run_ms(&c, 500 + (unsigned)seed % 10);
        c.filter_data = next;
        cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
        cluster_run_until(&c, is_next_elected, 500, "it is elected");
        cr_assert(shows(next, next));
        cluster_run_ms(&c, 25 + 1);
        for (unsigned i = 0; i < 3; i++)
            cr_assert(shows(&c.replicas[i], next), "node %u", i + 1);
        cluster_close(&c);
    }
}

struct first_entries {
    unsigned from;               /* of this node */
    uint64_t index;              /* ... at this index */
    unsigned sent[REPLICAS_MAX]; /* to each */
    unsigned to_lose;
};

static bool watch_first_entries(struct cluster *cluster, unsigned from, unsigned to,
                                const struct repl_message *m)
{
    struct first_entries *f = cluster->filter_data;
    if (m->type != REPL_APPEND || from != f->from || m->entry_count == 0 ||
        m->entries[0].index != f->index)
        return true;
    return ++f->sent[to] > f->to_lose;
}

/* What was sent before libraft asked for it is not sent again when libraft does. */
Test(repl_group_transfer, sends_the_first_entry_once)
{
    struct replica *leader = started(3, 111), *next = other_than(leader);
    struct first_entries f = {.from = next->number};
    cluster_delay(&c, 25);
    cluster_run_ms(&c, 500);
    f.index = replica_status(leader).last_index + 1;
    c.filter = watch_first_entries;
    c.filter_data = &f;
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    cluster_run_ms(&c, 400);
    cr_assert_eq(next->role, REPL_LEADER);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(f.sent[i], i != next->number, "%u times to %u", f.sent[i], i);
    cluster_close(&c);
}

Test(repl_group_transfer, serves_also_when_the_first_entry_is_lost_on_its_way_to_all)
{
    struct replica *leader = started(3, 112), *next = other_than(leader);
    struct first_entries f = {.from = next->number, .to_lose = 1};
    cluster_run_ms(&c, 500);
    f.index = replica_status(leader).last_index + 1;
    c.filter = watch_first_entries;
    c.filter_data = &f;
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    cluster_run_ms(&c, ELECTION_MS);
    cr_assert_eq(next->role, REPL_LEADER);
    cr_assert_eq(replica_counters(next).elections_started, 1);
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* ---- what comes before it serves ---- */

static bool takes_ahead(struct cluster *cluster)
{
    const struct replica *next = cluster->filter_data;
    return repl_group_may_submit_ahead(next->group) && next->role != REPL_LEADER;
}

Test(repl_group_transfer, fails_once_what_came_before_it_serves_when_its_lead_is_lost)
{
    struct replica *leader = started(3, 114), *next = other_than(leader);
    c.filter_data = next;
    cluster_delay(&c, 25);
    cluster_run_ms(&c, 500);
    cr_assert_eq(repl_group_transfer(leader->group, next->node_id), 0);
    cluster_run_until(&c, takes_ahead, 500, "it is elected");
    cluster_isolate(&c, next->number);
    struct proposal *ahead[3];
    for (unsigned i = 0; i < 3; i++)
        ahead[i] = cluster_propose(&c, next, NULL);
    cluster_run_ms(&c, 3000);
    cr_assert_neq(cluster_leader_now(&c), next);
    cluster_append(&c, 3);
    cluster_heal(&c);
    cluster_run_ms(&c, 3000);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(ahead[i]->answers, 1);
        cr_assert(!ahead[i]->is_applied && ahead[i]->status == ERR_LEADERSHIP_LOST);
    }
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* The leader is lost as a voter comes back that lacks much: without it there is no majority, and
 * what comes meanwhile must not be in its way. */
Test(repl_group_transfer, takes_a_stream_while_its_majority_catches_up)
{
    for (uint64_t seed = 115; seed < 119; seed++) {
        struct replica *leader = started(3, seed), *next = other_than(leader);
        struct replica *behind = cluster_other(&c, leader, 1);
        if (behind == next)
            behind = cluster_other(&c, leader, 0);
        replica_kill(behind);
        c.value_size = 500;
        cluster_append(&c, 400);
        replica_kill(leader);
        replica_start(behind);
        cluster_delay(&c, 25);
        for (unsigned i = 0; i < 3; i++) /* so that it takes a while */
            c.bytes_per_ms[i][behind->number] = 1000;
        for (unsigned ms = 0; ms < 4000; ms++) {
            int err;
            if (repl_group_may_submit_ahead(next->group) && ms % 5 == 0)
                cluster_propose(&c, next, &err);
            cluster_run_ms(&c, 1);
        }
        cr_assert_eq(next->role, REPL_LEADER);
        cluster_settle(&c, 3000);
        cluster_check_same(&c);
        cluster_close(&c);
    }
}

static bool leads_at_home(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id == cluster->preferred_node_id;
}

/* ---- a site that nobody should lead in ---- */

static bool is_led_by_third(struct cluster *cluster)
{
    struct replica *leader = cluster_leader_now(cluster);
    return leader != NULL && leader->node_id == 3;
}

static void avoid(const char *site, uint32_t preferred)
{
    for (unsigned i = 0; i < 3; i++)
        if (c.replicas[i].group != NULL) {
            repl_group_set_preferred(c.replicas[i].group, preferred);
            repl_group_set_avoided(c.replicas[i].group, site);
        }
    c.preferred_node_id = preferred;
}

Test(repl_group_transfer, leaves_an_avoided_site_at_once_and_comes_back_in_quiet)
{
    cluster_init(&c, 3, 3, 97);
    c.preferred_node_id = 2;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    cluster_run_ms(&c, 3000);
    avoid("b", 3);
    cluster_run_until(&c, is_led_by_third, 400, "it is led elsewhere");
    avoid("", 2);
    cluster_run_ms(&c, 1500);
    cr_assert(is_led_by_third(&c), "not before its quiet time");
    cluster_run_until(&c, leads_at_home, 2000, "it is at home again");
    cluster_close(&c);
}

Test(repl_group_transfer, elects_nobody_in_an_avoided_site_while_others_can)
{
    cluster_init(&c, 3, 3, 98);
    c.preferred_node_id = 2;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    avoid("b", 3);
    cluster_run_until(&c, is_led_by_third, 1000, "it is led elsewhere");
    replica_kill(&c.replicas[2]);
    cluster_run_ms(&c, 2000);
    cr_assert_eq(cluster_leader_now(&c)->node_id, 1, "node 2 would be the next otherwise");
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

Test(repl_group_transfer, goes_home_without_the_quiet_time_when_it_is_asked_to)
{
    cluster_init(&c, 3, 3, 86);
    c.preferred_node_id = 2;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    struct replica *home = &c.replicas[1];
    replica_kill(home);
    cluster_run_ms(&c, 3000);
    replica_start(home);
    cluster_run_ms(&c, 600);
    struct replica *leader = cluster_leader_now(&c);
    cr_assert_neq(leader, home, "it has not been there for long");
    for (unsigned i = 0; i < 3; i++) /* of the others it is no business */
        repl_group_ask_home(c.replicas[i].group);
    cluster_run_ms(&c, 400);
    cr_assert_eq(cluster_leader_now(&c), home);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* The preferred node has come back, and the leader's owner is about something. */
static struct replica *unsettled_away_from_home(void)
{
    cluster_init(&c, 3, 3, 86);
    c.preferred_node_id = 2;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    replica_kill(&c.replicas[1]);
    cluster_run_ms(&c, 3000);
    struct replica *leader = cluster_leader_now(&c);
    leader->is_unsettled = true;
    replica_start(&c.replicas[1]);
    return leader;
}

Test(repl_group_transfer, goes_home_once_what_its_owner_is_about_has_settled)
{
    struct replica *leader = unsettled_away_from_home();
    cluster_run_ms(&c, 20000);
    cr_assert_eq(cluster_leader_now(&c), leader);
    leader->is_unsettled = false;
    cluster_run_until(&c, leads_at_home, 1000, "nothing holds it any more");
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_transfer, goes_home_after_a_minute_if_that_never_settles)
{
    struct replica *leader = unsettled_away_from_home();
    cluster_run_ms(&c, 60000);
    cr_assert_eq(cluster_leader_now(&c), leader);
    cluster_run_until(&c, leads_at_home, 10000, "it does not wait for ever");
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_transfer, goes_home_at_once_when_asked_whatever_its_owner_is_about)
{
    struct replica *leader = unsettled_away_from_home();
    cluster_run_ms(&c, 600);
    repl_group_ask_home(leader->group);
    cluster_run_until(&c, leads_at_home, 1500, "an operator has the last word");
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_transfer, does_not_go_home_to_who_is_not_level_whoever_asks)
{
    cluster_init(&c, 3, 3, 87);
    c.preferred_node_id = 2;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    struct replica *home = &c.replicas[1];
    replica_kill(home);
    cluster_run_ms(&c, 3000);
    struct replica *leader = cluster_leader_now(&c);
    repl_group_ask_home(leader->group);
    cluster_run_ms(&c, 1500);
    cr_assert_eq(cluster_leader_now(&c), leader);
    replica_start(home);
    cluster_run_ms(&c, 1000); /* the word is worth two seconds, and it is back for one */
    cluster_settle(&c, 8000);
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

/* Lost for half a second; how long it then has to be well until leadership is home again. */
static unsigned home_again_ms(struct replica *home)
{
    unsigned ms = 0;
    cluster_isolate(&c, home->number);
    cluster_run_ms(&c, 500);
    cr_assert_neq(cluster_leader_now(&c), home);
    cluster_heal(&c);
    for (; ms < 30000 && !leads_at_home(&c); ms++)
        cluster_run_ms(&c, 1);
    return ms;
}

/* The quiet time is two seconds here, and the most that it grows to is five. */
Test(repl_group_transfer, waits_longer_for_a_home_that_comes_and_goes_and_not_for_ever)
{
    cluster_init(&c, 3, 3, 113);
    c.preferred_node_id = 2;
    c.freeze_ms_max = 5000;
    cluster_start(&c);
    cluster_run_until(&c, leads_at_home, 8000, "the preferred node leads");
    static const unsigned quiet_ms[] = {2000, 2000, 2000, 4000, 5000, 5000};
    for (unsigned i = 0; i < sizeof quiet_ms / sizeof quiet_ms[0]; i++) {
        unsigned took_ms = home_again_ms(&c.replicas[1]);
        cr_assert_geq(took_ms, quiet_ms[i], "loss %u: %u ms", i + 1, took_ms);
        cr_assert_leq(took_ms, quiet_ms[i] + 800, "loss %u: %u ms", i + 1, took_ms);
    }
    cluster_run_ms(&c, 60000);
    cr_assert_lt(home_again_ms(&c.replicas[1]), 2800, "a minute without a loss is forgiven");
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

/* Groups that come when the cluster is there already: their first configuration is a checkpoint.
 * Also those whose voters are of one site: they commit there, and may go to another. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

/* Three nodes in three sites; the first votes, the others learn. */
static void start_async(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    c.is_founded_later = true;
    c.founding_learners = 1u << 1 | 1u << 2;
    cluster_start(&c);
    cr_assert_eq(cluster_leader(&c, 1000), &c.replicas[0]);
}

static void kill_all(void)
{
    for (unsigned i = 0; i < c.count; i++)
        if (c.replicas[i].group != NULL)
            replica_kill(&c.replicas[i]);
}

static void start_all(void)
{
    for (unsigned i = 0; i < c.count; i++)
        replica_start(&c.replicas[i]);
}

Test(repl_group_found, later_with_votes_everywhere_is_as_a_group_of_the_founding)
{
    cluster_init(&c, 3, 3, 1);
    c.is_founded_later = true;
    cluster_start(&c);
    cluster_leader(&c, 1000);
    cluster_append(&c, 20);
    cluster_settle(&c, 2000);
    cluster_check_same(&c);
    for (unsigned i = 0; i < c.count; i++)
        cr_assert_eq(log_store_state(c.replicas[i].store)->configuration_index, 1);
    kill_all();
    start_all();
    cluster_leader(&c, 3000);
    cluster_append(&c, 5);
    cluster_settle(&c, 2000);
    cluster_check_same(&c);
    cr_assert_eq(c.replicas[2].applied_count, 25);
    cluster_close(&c);
}

Test(repl_group_found, commits_in_its_voters_site_alone_and_the_others_follow)
{
    start_async(2);
    cluster_append(&c, 10);
    cluster_settle(&c, 2000);
    cr_assert_eq(c.replicas[2].applied_count, 10);
    cluster_cut(&c, 0, 1);
    cluster_cut(&c, 0, 2);
    cluster_run_ms(&c, 3000);
    cr_assert_eq(cluster_leader_now(&c), &c.replicas[0], "learners stand for nothing");
    cluster_append(&c, 5);
    cr_assert_eq(c.replicas[1].applied_count, 10);
    cluster_heal(&c);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cr_assert_eq(c.replicas[1].applied_count, 15);
    cr_assert_eq(repl_node_leave(c.replicas[0].node), 0, "nobody could take it: no reason to wait");
    cluster_close(&c);
}

Test(repl_group_found, outlives_power_cuts_of_all_and_a_member_that_comes_late)
{
    start_async(3);
    replica_kill(&c.replicas[2]);
    cluster_append(&c, 10);
    kill_all();
    start_all();
    cr_assert_eq(cluster_leader(&c, 3000), &c.replicas[0]);
    cluster_append(&c, 10);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cr_assert_eq(c.replicas[2].applied_count, 20);
    cluster_close(&c);
}

/* The others may have gone on without it: that is for its owner to find out. */
Test(repl_group_found, who_is_held_serves_nothing_though_nobody_else_could_be_elected)
{
    struct replica *home = &c.replicas[0];
    start_async(5);
    cluster_append(&c, 10);
    cluster_settle(&c, 2000);
    replica_kill(home);
    replica_start(home);
    repl_group_hold(home->group, true);
    cluster_run_ms(&c, 3000);
    cr_assert(repl_group_is_elected(home->group));
    cr_assert_not(replica_status(home).is_ready);
    cr_assert_neq(home->role, REPL_LEADER);
    cr_assert_not(repl_group_may_submit_ahead(home->group));
    repl_group_hold(home->group, false);
    cluster_run_ms(&c, 200);
    cr_assert(replica_status(home).is_ready);
    cluster_append(&c, 5);
    cluster_settle(&c, 2000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* ---- its voters go to another site ---- */

static int change(enum repl_change what, const struct replica *r)
{
    struct repl_member member = replica_member(r);
    struct err_note note = {0};
    return repl_group_change(cluster_leader_now(&c)->group, what, &member, &note);
}

static bool does_second_lead(struct cluster *cluster)
{
    return cluster_leader_now(cluster) == &cluster->replicas[1];
}

Test(repl_group_found, within_a_site_may_change_its_site_and_no_other_group_may)
{
    start_async(4);
    cluster_append(&c, 10);
    cluster_settle(&c, 2000);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[1]), 0, "of two voters none is a quorum");
    cluster_append(&c, 1);
    cluster_settle(&c, 2000);
    cr_assert_eq(repl_group_transfer(c.replicas[0].group, c.replicas[1].node_id), 0);
    cluster_run_until(&c, does_second_lead, 2000, "the second leads");
    cluster_append(&c, 1);
    cluster_settle(&c, 2000);
    cr_assert_eq(change(REPL_DEMOTE, &c.replicas[0]), ERR_CANT_CHANGE, "the site rule");
    repl_group_set_within_site(c.replicas[1].group, true);
    cr_assert_eq(change(REPL_DEMOTE, &c.replicas[0]), 0);
    cluster_append(&c, 1);
    cluster_settle(&c, 2000);
    cluster_isolate(&c, 1);
    cluster_append(&c, 3);
    cr_assert_eq(c.replicas[1].applied_count, 16);
    cluster_heal(&c);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* A value for whoever leads, if he takes it, and a millisecond. */
static void write_on(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (repl_group_may_submit_ahead(c.replicas[i].group))
            cluster_propose(&c, &c.replicas[i], NULL);
    cluster_run_ms(&c, 1);
}

/* Producers write all the while. What is answered is in the new site as well, from the moment that
 * it has a vote; and once it leads the old one answers nothing. */
Test(repl_group_found, is_fenced_on_its_way_to_another_site)
{
    struct replica *old = &c.replicas[0], *new = &c.replicas[1];
    start_async(6);
    cluster_delay(&c, 25);
    repl_group_set_within_site(old->group, true);
    repl_group_set_within_site(new->group, true);
    for (unsigned ms = 0; ms < 300; ms++)
        write_on();
    uint64_t alone = replica_status(old).commit_index;
    cr_assert_gt(alone, replica_status(new).last_index, "it is asynchronous");
    cr_assert_eq(change(REPL_PROMOTE, new), 0);
    for (unsigned ms = 0; ms < 300; ms++) {
        write_on();
        cr_assert(replica_status(old).commit_index <= alone ||
                  replica_status(old).commit_index <= replica_status(new).last_index);
    }
    cr_assert_eq(repl_group_transfer(old->group, new->node_id), 0);
    for (unsigned ms = 0; ms < 300 && new->role != REPL_LEADER; ms++) {
        write_on();
        cr_assert_geq(replica_status(new).last_index, replica_status(old).commit_index);
    }
    cr_assert(new->role == REPL_LEADER && old->role != REPL_LEADER);
    cr_assert_eq(change(REPL_DEMOTE, old), 0);
    for (unsigned ms = 0; ms < 300; ms++) {
        int err = 0;
        cluster_propose(&c, old, &err);
        cr_assert_eq(err, ERR_NOT_LEADER);
        write_on();
    }
    cluster_settle(&c, 2000);
    cluster_check_same(&c);
    for (unsigned i = 0; i < c.proposal_count; i++)
        cr_assert(!c.proposals[i]->is_applied || replica_has(new, c.proposals[i]->value));
    cluster_close(&c);
}

/* Lost as it gets its vote: whether it has heard of that or not, it has decided nothing alone. */
static void take_back_what_is_not_committed(uint64_t seed, bool is_heard_of)
{
    start_async(seed);
    cluster_append(&c, 10);
    cluster_settle(&c, 2000);
    repl_group_set_within_site(c.replicas[0].group, true);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[1]), 0);
    if (is_heard_of) {
        c.is_cut[1][0] = true; /* its answer is lost */
        cluster_run_ms(&c, 10);
    }
    cluster_isolate(&c, 1);
    struct proposal *waiting = cluster_propose(&c, &c.replicas[0], NULL);
    cluster_run_ms(&c, 200);
    cr_assert_eq(waiting->answers, 0, "of two voters none is a quorum");
    cr_assert(replica_status(&c.replicas[0]).is_changing);
    cr_assert(replica_status(&c.replicas[0]).can_take_back);
    cr_assert_eq(change(REPL_DEMOTE, &c.replicas[0]), ERR_CANT_CHANGE, "not this one's");
    cr_assert_eq(change(REPL_DEMOTE, &c.replicas[1]), 0);
    cluster_run_ms(&c, 200);
    cr_assert(waiting->is_applied, "it commits alone, as before");
    cr_assert_not(replica_status(&c.replicas[0]).is_changing);
    cluster_append(&c, 3);
    cluster_run_ms(&c, 3000); /* the other one stands in vain */
}

Test(repl_group_found, takes_a_vote_back_that_was_never_committed)
{
    for (uint64_t seed = 11; seed < 15; seed++) {
        take_back_what_is_not_committed(seed, seed % 2 == 0);
        cluster_heal(&c);
        cluster_settle(&c, 5000);
        cr_assert_eq(cluster_leader_now(&c), &c.replicas[0]);
        cluster_check_same(&c);
        cluster_run_ms(&c, 500);
        cr_assert_eq(change(REPL_PROMOTE, &c.replicas[1]), 0, "another time");
        cluster_append(&c, 1);
        cluster_settle(&c, 2000);
        cr_assert_eq(repl_group_transfer(c.replicas[0].group, c.replicas[1].node_id), 0);
        cluster_run_until(&c, does_second_lead, 2000, "the second leads");
        cluster_check_same(&c);
        cluster_close(&c);
    }
}

Test(repl_group_found, that_took_a_vote_back_outlives_power_cuts_of_all)
{
    for (uint64_t seed = 15; seed < 19; seed++) {
        take_back_what_is_not_committed(seed, seed % 2 == 0);
        kill_all();
        cluster_heal(&c);
        start_all();
        cr_assert_eq(cluster_leader(&c, 5000), &c.replicas[0]);
        cluster_append(&c, 3);
        cluster_settle(&c, 5000);
        cluster_check_same(&c);
        cluster_close(&c);
    }
}

Test(repl_group_found, gives_no_vote_to_a_site_that_was_not_heard_just_now)
{
    start_async(19);
    cluster_append(&c, 10);
    cluster_settle(&c, 2000);
    cluster_isolate(&c, 1);
    cluster_run_ms(&c, 200); /* not yet long enough to count as lost */
    cr_assert(replica_status(&c.replicas[0]).replicas[1].is_level);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[1]), ERR_CANT_CHANGE);
    cluster_heal(&c);
    cluster_run_ms(&c, 200);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[1]), 0);
    cluster_append(&c, 1);
    cluster_isolate(&c, 1);
    cluster_run_ms(&c, 200);
    cr_assert_eq(repl_group_transfer(c.replicas[0].group, c.replicas[1].node_id), ERR_BUSY);
    cluster_close(&c);
}

/* Past the deadline of a switch all is to be as before, also when the site where the votes were to
 * go is lost while both have one. */
Test(repl_group_found, takes_its_second_site_out_again_when_that_is_lost_while_both_vote)
{
    start_async(7);
    cluster_append(&c, 10);
    cluster_settle(&c, 2000);
    repl_group_set_within_site(c.replicas[0].group, true);
    cr_assert_eq(change(REPL_PROMOTE, &c.replicas[1]), 0);
    cluster_append(&c, 1);
    cluster_isolate(&c, 1);
    struct proposal *waiting = cluster_propose(&c, &c.replicas[0], NULL);
    cluster_run_ms(&c, 200);
    cr_assert_eq(waiting->answers, 0, "of two voters none is a quorum");
    cr_assert_eq(change(REPL_DEMOTE, &c.replicas[1]), 0);
    cluster_run_ms(&c, 200);
    cr_assert(waiting->is_applied, "it commits alone, as before");
    cluster_append(&c, 3);
    cluster_heal(&c);
    cluster_settle(&c, 5000);
    cr_assert_eq(cluster_leader_now(&c), &c.replicas[0]);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* ---- any way, with any trouble on it ---- */

static const struct repl_replica_status *status_of(const struct repl_group_status *s,
                                                   const struct replica *r)
{
    for (unsigned i = 0; i < s->replica_count; i++)
        if (s->replicas[i].member.raft_id == replica_raft_id(r))
            return &s->replicas[i];
    return NULL;
}

#define SEEDS 150

struct deeds {
    unsigned handed_over, taken_back, taken_back_early; /* ... before it was committed */
};

/* What a leader does that is to bring the votes to `wanted`, as placement_next_step() has it. */
static void step_towards(const struct replica *wanted, struct random *random, struct deeds *deeds)
{
    struct replica *leader = cluster_leader_now(&c), *other = &c.replicas[1 - wanted->number];
    if (leader == NULL || leader->group == NULL)
        return;
    struct repl_group_status s = replica_status(leader);
    const struct repl_replica_status *w = status_of(&s, wanted), *o = status_of(&s, other);
    if (s.role != REPL_LEADER || w == NULL || o == NULL)
        return;
    repl_group_set_within_site(leader->group, true);
    bool is_done = false;
    if (leader == wanted && o->member.is_voter) {
        deeds->handed_over += change(REPL_DEMOTE, other) == 0;
    } else if (leader != wanted && !w->member.is_voter) {
        change(REPL_PROMOTE, wanted);
    } else if (leader != wanted && w->is_gone) {
        is_done = change(REPL_DEMOTE, wanted) == 0;
    } else if (leader != wanted && random_below(random, 4) == 0) { /* not at once */
        repl_group_transfer(leader->group, wanted->node_id);
    }
    deeds->taken_back += is_done;
    deeds->taken_back_early += is_done && s.is_changing;
}

static void trouble(struct random *random)
{
    unsigned number = (unsigned)random_below(random, 3);
    struct replica *r = &c.replicas[number];
    switch (random_below(random, 8)) {
    case 0:
        if (r->group != NULL)
            replica_kill(r);
        break;
    case 1:
        cluster_isolate(&c, number);
        break;
    case 2:
        c.is_cut[number][(number + 1) % 3] = true; /* one way */
        break;
    case 3:
        r->is_paused = !r->is_paused;
        break;
    case 4:
        cluster_heal(&c);
        break;
    default:
        if (r->group == NULL)
            replica_start(r);
    }
}

static void end_trouble(void)
{
    cluster_heal(&c);
    for (unsigned i = 0; i < 3; i++) {
        c.replicas[i].is_paused = false;
        if (c.replicas[i].group == NULL)
            replica_start(&c.replicas[i]);
    }
}

/* The fixture looks all the while: one leader a term, one value an index. */
static void wander(uint64_t seed, struct deeds *deeds)
{
    struct random random;
    unsigned wanted = 1;
    random_init(&random, seed);
    start_async(seed);
    cluster_delay(&c, 1 + random_below(&random, 30));
    for (unsigned turn = 0; turn < 400; turn++) {
        struct replica *leader = cluster_leader_now(&c);
        if (random_below(&random, 20) == 0)
            wanted = 1 - wanted;
        if (random_below(&random, 6) == 0)
            trouble(&random);
        step_towards(&c.replicas[wanted], &random, deeds);
        if (leader != NULL && leader->group != NULL)
            cluster_propose(&c, leader, NULL);
        cluster_run_ms(&c, 10 + (unsigned)random_below(&random, 100));
    }
    end_trouble();
    cluster_run_ms(&c, 3000); /* what was begun comes to its end */
    cluster_leader(&c, 10000);
    cluster_append(&c, 3);
    cluster_settle(&c, 10000);
    cluster_check_same(&c);
    for (unsigned i = 0; i < c.proposal_count; i++)
        cr_assert(!c.proposals[i]->is_applied ||
                  replica_has(&c.replicas[0], c.proposals[i]->value));
    cluster_close(&c);
}

Test(repl_group_found, goes_from_site_to_site_by_any_way_and_loses_nothing)
{
    struct deeds deeds = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        wander(seed, &deeds);
    cr_assert_gt(deeds.handed_over, SEEDS);
    cr_assert_gt(deeds.taken_back_early, SEEDS / 10);
    cr_assert_gt(deeds.taken_back, deeds.taken_back_early + SEEDS / 10);
}

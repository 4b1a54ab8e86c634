/* The steps of one raft group from where it votes to where it is to vote: the site rule in each. */
#include "cluster/placement.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/random.h"

struct story {
    struct repl_group_status status;
    uint64_t leader;
};

static bool spans_two_sites(const struct repl_group_status *s)
{
    unsigned voters = 0, most = 0;
    for (unsigned i = 0; i < s->replica_count; i++) {
        unsigned here = 0;
        voters += s->replicas[i].member.is_voter;
        for (unsigned k = 0; k < s->replica_count; k++)
            here += s->replicas[k].member.is_voter &&
                    strcmp(s->replicas[i].member.site, s->replicas[k].member.site) == 0;
        most = here > most ? here : most;
    }
    return most <= voters / 2;
}

static void take(struct story *t, const struct placement_step *step)
{
    struct repl_group_status *s = &t->status;
    unsigned at = 0;
    while (at < s->replica_count && s->replicas[at].member.raft_id != step->member.raft_id)
        at++;
    if (step->change == REPL_ADD_LEARNER) {
        cr_assert_eq(at, s->replica_count);
        s->replicas[at].member = step->member;
        s->replicas[at].is_level = false;
        s->replicas[at].is_heard = true;
        s->replica_count++;
        return;
    }
    cr_assert_lt(at, s->replica_count);
    if (step->change == REPL_REMOVE) {
        cr_assert_neq(step->member.raft_id, t->leader, "a leader does not remove itself");
        s->replicas[at] = s->replicas[--s->replica_count];
        return;
    }
    cr_assert(step->change == REPL_DEMOTE || s->replicas[at].is_level);
    s->replicas[at].member.is_voter = step->change == REPL_PROMOTE;
}

/* Follows the steps to the end; any step may be the last of its leader. */
static unsigned walk(struct story *t, const struct placement_member *wanted, unsigned count,
                     struct random *random)
{
    unsigned steps = 0;
    for (; steps < 100; steps++) {
        struct placement_step step;
        placement_next_step(&t->status, t->leader, wanted, count, 0, &step);
        if (step.kind == PLACEMENT_AT_REST)
            break;
        if (step.kind == PLACEMENT_WAITS) {
            for (unsigned i = 0; i < t->status.replica_count; i++)
                t->status.replicas[i].is_level = true;
        } else if (step.kind == PLACEMENT_HANDS_OVER) {
            for (unsigned i = 0; i < t->status.replica_count; i++)
                if (repl_raft_id_node(t->status.replicas[i].member.raft_id) == step.node_id)
                    t->leader = t->status.replicas[i].member.raft_id;
        } else {
            take(t, &step);
        }
        cr_assert(spans_two_sites(&t->status), "after step %u", steps);
        if (random_below(random, 4) == 0) /* another leader goes on */
            for (unsigned i = 0; i < t->status.replica_count; i++)
                if (t->status.replicas[i].member.is_voter && t->status.replicas[i].is_level)
                    t->leader = t->status.replicas[i].member.raft_id;
    }
    cr_assert_lt(steps, 100);
    cr_assert_eq(t->status.replica_count, count);
    for (unsigned i = 0; i < count; i++) {
        bool is_there = false;
        for (unsigned k = 0; k < count; k++)
            is_there |= t->status.replicas[k].member.raft_id == wanted[i].raft_id &&
                        t->status.replicas[k].member.is_voter == wanted[i].is_voter;
        cr_assert(is_there);
    }
    return steps;
}

static struct story three_voters(void)
{
    struct story t = {.leader = repl_raft_id(1, 1)};
    t.status.replica_count = 3;
    for (unsigned i = 0; i < 3; i++) {
        t.status.replicas[i].member.raft_id = repl_raft_id(i + 1, 1);
        t.status.replicas[i].member.site[0] = (char)('a' + i);
        t.status.replicas[i].member.is_voter = t.status.replicas[i].is_level = true;
        t.status.replicas[i].is_heard = true;
    }
    return t;
}

static struct placement_member voter(uint32_t node_id, uint64_t incarnation, char site)
{
    return (struct placement_member){
        .raft_id = repl_raft_id(node_id, incarnation), .site = {site}, .is_voter = true};
}

Test(cluster_placement_step, keeps_the_old_voter_until_the_new_one_votes)
{
    struct story t = three_voters();
    struct placement_member wanted[3] = {voter(1, 1, 'a'), voter(4, 1, 'b'), voter(3, 1, 'c')};
    struct placement_step step;
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert(step.kind == PLACEMENT_CHANGES && step.change == REPL_ADD_LEARNER);
    take(&t, &step);
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.kind, PLACEMENT_WAITS, "it is not level");
    t.status.replicas[3].is_level = true;
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.change, REPL_PROMOTE);
    take(&t, &step);
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.change, REPL_REMOVE);
    cr_assert_eq(step.member.raft_id, repl_raft_id(2, 1));
    take(&t, &step);
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.kind, PLACEMENT_AT_REST);
}

Test(cluster_placement_step, takes_a_lost_voter_out_before_its_successor_votes)
{
    struct story t = three_voters();
    struct placement_member wanted[3] = {voter(1, 1, 'a'), voter(2, 2, 'b'), voter(3, 1, 'c')};
    struct placement_step step;
    t.status.replicas[1].is_level = false; /* the same node, before it lost its disk */
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.change, REPL_ADD_LEARNER);
    take(&t, &step);
    t.status.replicas[3].is_level = true;
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.change, REPL_REMOVE);
    cr_assert_eq(step.member.raft_id, repl_raft_id(2, 1));
    take(&t, &step);
    placement_next_step(&t.status, t.leader, wanted, 3, 0, &step);
    cr_assert_eq(step.change, REPL_PROMOTE);
}

Test(cluster_placement_step, hands_over_when_the_leader_itself_is_to_go)
{
    struct story t = three_voters();
    struct random random;
    random_init(&random, 1);
    struct placement_member wanted[3] = {voter(4, 1, 'a'), voter(2, 1, 'b'), voter(3, 1, 'c')};
    walk(&t, wanted, 3, &random);
    cr_assert_neq(t.leader, repl_raft_id(1, 1));
}

/* Two voters of one site of three: a third one there would be a majority of that site alone. */
Test(cluster_placement_step, hands_over_first_where_its_successor_can_not_vote_beside_the_leader)
{
    struct story t = three_voters();
    struct placement_member wanted[4] = {voter(5, 1, 'a'), voter(4, 1, 'a'), voter(2, 1, 'b'),
                                         voter(3, 1, 'c')};
    struct placement_step step;
    t.status.replica_count = 5;
    for (unsigned i = 3; i < 5; i++) {
        t.status.replicas[i].member.raft_id = wanted[4 - i].raft_id;
        t.status.replicas[i].member.site[0] = 'a';
        t.status.replicas[i].member.is_voter = i == 3;
        t.status.replicas[i].is_level = t.status.replicas[i].is_heard = true;
    }
    placement_next_step(&t.status, t.leader, wanted, 4, 0, &step);
    cr_assert_eq(step.kind, PLACEMENT_HANDS_OVER);
    struct random random;
    random_init(&random, 3);
    walk(&t, wanted, 4, &random);
}

Test(cluster_placement_step, mends_a_group_of_one_site_also_while_others_follow_it)
{
    struct story t = three_voters();
    struct placement_member wanted[4] = {voter(1, 1, 'a'), voter(2, 2, 'a'), voter(3, 1, 'a'),
                                         voter(4, 1, 'b')};
    struct placement_step step = {.kind = PLACEMENT_WAITS};
    wanted[3].is_voter = false;
    for (unsigned i = 0; i < 3; i++)
        t.status.replicas[i].member.site[0] = 'a';
    t.status.replicas[1].is_level = false; /* lost its disk, and is here under a new incarnation */
    for (unsigned i = 0; i < 20 && step.kind != PLACEMENT_AT_REST; i++) {
        placement_next_step(&t.status, t.leader, wanted, 4, 0, &step);
        if (step.kind == PLACEMENT_CHANGES)
            take(&t, &step);
        for (unsigned k = 0; step.kind == PLACEMENT_WAITS && k < t.status.replica_count; k++)
            t.status.replicas[k].is_level = t.status.replicas[k].member.raft_id !=
                                            repl_raft_id(2, 1);
    }
    cr_assert_eq(step.kind, PLACEMENT_AT_REST);
}

/* What two sites of two nodes each come back to after a forced recovery: one voter, and beside it,
 * in its own site, the learner that is level first. */
Test(cluster_placement_step, lets_another_site_vote_before_a_second_node_of_the_only_voters_site)
{
    struct story t = {.leader = repl_raft_id(3, 1)};
    struct placement_member wanted[6];
    struct placement_step step;
    struct random random;
    t.status.replica_count = 6;
    for (unsigned i = 0; i < 6; i++) {
        wanted[i] = voter(i + 1, 1, (char)('a' + i % 3));
        t.status.replicas[i].member.raft_id = wanted[i].raft_id;
        t.status.replicas[i].member.site[0] = wanted[i].site[0];
        t.status.replicas[i].is_heard = true;
    }
    t.status.replicas[2].member.is_voter = true;
    t.status.replicas[2].is_level = t.status.replicas[5].is_level = true;
    placement_next_step(&t.status, t.leader, wanted, 6, 0, &step);
    cr_assert_eq(step.kind, PLACEMENT_WAITS, "two voters of site c would be a quorum of one site");
    t.status.replicas[1].is_level = true;
    placement_next_step(&t.status, t.leader, wanted, 6, 0, &step);
    cr_assert(step.kind == PLACEMENT_CHANGES && step.change == REPL_PROMOTE);
    cr_assert_eq(step.member.raft_id, repl_raft_id(2, 1));
    take(&t, &step);
    random_init(&random, 4);
    walk(&t, wanted, 6, &random);
}

Test(cluster_placement_step, keeps_learners_that_are_to_follow_and_no_others)
{
    struct story t = three_voters();
    struct random random;
    random_init(&random, 2);
    struct placement_member wanted[4] = {voter(1, 1, 'a'), voter(2, 1, 'b'), voter(3, 1, 'c'),
                                         voter(4, 1, 'a')};
    wanted[3].is_voter = false;
    walk(&t, wanted, 4, &random);
    walk(&t, wanted, 3, &random);
    struct placement_member demoted[4] = {wanted[0], wanted[1], wanted[2], voter(4, 1, 'a')};
    demoted[0].is_voter = false; /* group 0: a node whose vote goes elsewhere still follows */
    walk(&t, demoted, 4, &random);
}

/* ---- an asynchronous group's voters go to another site ---- */

/* From node 1 in a to node 2 in b, which is where `voters` are; node 3 in c learns. */
static struct story on_its_way(unsigned voters, struct placement_member wanted[3])
{
    struct story t = three_voters();
    for (unsigned i = 0; i < 3; i++) {
        t.status.replicas[i].member.is_voter = voters & 1u << i;
        wanted[i] = voter(i + 1, 1, (char)('a' + i));
        wanted[i].is_voter = i == 1;
    }
    return t;
}

static struct placement_step step_of(const struct story *t, const struct placement_member wanted[3])
{
    struct placement_step step;
    placement_next_step(&t->status, t->leader, wanted, 3, 0, &step);
    return step;
}

#define OLD 1u
#define NEW 2u

Test(cluster_placement_step, goes_from_site_to_site_by_way_of_both)
{
    struct placement_member wanted[3];
    struct story t = on_its_way(OLD, wanted);
    struct placement_step step = step_of(&t, wanted);
    cr_assert(step.kind == PLACEMENT_CHANGES && step.change == REPL_PROMOTE);
    take(&t, &step);
    step = step_of(&t, wanted);
    cr_assert(step.kind == PLACEMENT_HANDS_OVER && step.node_id == 2);
    t.leader = repl_raft_id(2, 1);
    step = step_of(&t, wanted);
    cr_assert(step.kind == PLACEMENT_CHANGES && step.change == REPL_DEMOTE);
    cr_assert_eq(step.member.raft_id, repl_raft_id(1, 1));
    take(&t, &step);
    cr_assert_eq(step_of(&t, wanted).kind, PLACEMENT_AT_REST);
}

/* It may be level as far as anybody knows, and dead since a moment ago. */
Test(cluster_placement_step, gives_neither_vote_nor_lead_to_a_site_that_was_not_heard_just_now)
{
    struct placement_member wanted[3];
    struct story t = on_its_way(OLD, wanted);
    t.status.replicas[1].is_heard = false;
    cr_assert_eq(step_of(&t, wanted).kind, PLACEMENT_WAITS);
    t = on_its_way(OLD | NEW, wanted);
    t.status.replicas[1].is_heard = false;
    cr_assert_eq(step_of(&t, wanted).kind, PLACEMENT_WAITS);
}

Test(cluster_placement_step, takes_the_vote_back_from_a_site_that_is_lost_before_it_leads)
{
    struct placement_member wanted[3];
    for (unsigned is_changing = 0; is_changing < 2; is_changing++) {
        struct story t = on_its_way(OLD | NEW, wanted);
        struct repl_replica_status *lost = &t.status.replicas[1];
        t.status.is_changing = is_changing;
        lost->is_gone = true;
        lost->is_level = lost->is_heard = false;
        struct placement_step step = step_of(&t, wanted);
        cr_assert(step.kind == PLACEMENT_CHANGES && step.change == REPL_DEMOTE);
        cr_assert_eq(step.member.raft_id, repl_raft_id(2, 1));
        take(&t, &step);
        t.status.is_changing = false;
        cr_assert_eq(step_of(&t, wanted).kind, PLACEMENT_WAITS, "until it is back");
        lost->is_gone = false;
        lost->is_level = lost->is_heard = true;
        cr_assert_eq(step_of(&t, wanted).change, REPL_PROMOTE);
    }
}

Test(cluster_placement_step, begins_nothing_else_while_a_change_is_under_way)
{
    struct placement_member wanted[3];
    struct story t = on_its_way(OLD, wanted);
    t.status.is_changing = true;
    cr_assert_eq(step_of(&t, wanted).kind, PLACEMENT_WAITS);
}

Test(cluster_placement_step, goes_on_without_the_old_site_once_the_new_one_leads)
{
    struct placement_member wanted[3];
    struct story t = on_its_way(OLD | NEW, wanted);
    t.leader = repl_raft_id(2, 1);
    t.status.replicas[0].is_gone = true;
    t.status.replicas[0].is_level = t.status.replicas[0].is_heard = false;
    struct placement_step step = step_of(&t, wanted);
    cr_assert(step.kind == PLACEMENT_CHANGES && step.change == REPL_DEMOTE);
    cr_assert_eq(step.member.raft_id, repl_raft_id(1, 1));
}

/* From any sound placement to any other, whoever leads, whoever is behind. */
Test(cluster_placement_step, spans_two_sites_after_every_step_of_any_way)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random random;
        struct story t = three_voters();
        random_init(&random, seed);
        for (unsigned way = 0; way < 5; way++) {
            struct placement_member wanted[5];
            unsigned count = random_below(&random, 3) == 0 ? 5 : 3;
            for (unsigned i = 0; i < count; i++) /* 2-2-1 or 1-1-1 */
                wanted[i] = voter(
                    (uint32_t)(1 + i % 3 + 3 * (2 * random_below(&random, 3) + i / 3)), 1,
                    (char)('a' + i % 3));
            for (unsigned i = 0; i < t.status.replica_count; i++)
                t.status.replicas[i].is_level = t.status.replicas[i].member.raft_id == t.leader ||
                                                random_below(&random, 4) > 0;
            walk(&t, wanted, count, &random);
        }
    }
}

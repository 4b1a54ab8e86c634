/* Plans for random clusters, and the steps of one group: the site rule in each of them. */
#include "cluster/placement.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"

static struct placement p, before, after;

static void add_node(uint32_t node_id, unsigned site)
{
    struct placement_node *n = &p.nodes[p.node_count++];
    *n = (struct placement_node){.node_id = node_id, .may_carry = true};
    n->site[0] = (char)('a' + site);
}

static struct placement_node *node(uint32_t node_id)
{
    unsigned at = 0;
    while (at < p.node_count && p.nodes[at].node_id != node_id)
        at++;
    cr_assert_lt(at, p.node_count, "no node %u", node_id);
    return &p.nodes[at];
}

static void must_go(uint32_t node_id, bool is_leaving)
{
    node(node_id)->may_carry = false;
    node(node_id)->must_go = true;
    node(node_id)->is_leaving = is_leaving;
}

/* As founded: every node votes in every group, leaders go round. */
static void found(unsigned site_count, unsigned nodes_per_site, unsigned groups_per_node)
{
    unsigned node_count = site_count * nodes_per_site;
    memset(&p, 0, sizeof p);
    for (unsigned i = 0; i < node_count; i++)
        add_node(i + 1, i % site_count);
    p.group_count = 1 + groups_per_node * node_count;
    for (unsigned g = 0; g < p.group_count; g++) {
        p.groups[g].group_id = g;
        p.groups[g].node_count = node_count;
        p.groups[g].preferred_node_id = 1 + g % node_count;
        for (unsigned i = 0; i < node_count; i++)
            p.groups[g].node_ids[i] = i + 1;
    }
}

static unsigned load(uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned g = 1; g < p.group_count; g++)
        for (unsigned i = 0; i < p.groups[g].node_count; i++)
            count += p.groups[g].node_ids[i] == node_id;
    return count;
}

static unsigned leads(uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned g = 1; g < p.group_count; g++)
        count += p.groups[g].preferred_node_id == node_id;
    return count;
}

static void assert_sound(void)
{
    for (unsigned g = 0; g < p.group_count; g++) {
        const struct metadata_group *group = &p.groups[g];
        bool is_led_inside = false;
        cr_assert(placement_is_sound(&p, group), "group %u", g);
        for (unsigned i = 0; i < group->node_count; i++) {
            is_led_inside |= group->node_ids[i] == group->preferred_node_id;
            for (unsigned k = 0; k < i; k++)
                cr_assert_neq(group->node_ids[i], group->node_ids[k]);
        }
        cr_assert(is_led_inside, "group %u is to be led by a stranger", g);
    }
}

static void assert_even_in_sites(void)
{
    for (unsigned i = 0; i < p.node_count; i++)
        for (unsigned k = 0; k < p.node_count; k++) {
            if (!p.nodes[i].may_carry || !p.nodes[k].may_carry ||
                strcmp(p.nodes[i].site, p.nodes[k].site) != 0)
                continue;
            uint32_t a = p.nodes[i].node_id, b = p.nodes[k].node_id;
            cr_assert_leq(load(a), load(b) + 1, "nodes %u and %u", a, b);
            cr_assert_leq(leads(a), leads(b) + 1, "leaders of nodes %u and %u", a, b);
        }
}

static unsigned plan(void)
{
    static struct placement_move moves[PLACEMENT_MOVES_MAX];
    struct err_note note = {0};
    before = p;
    cr_assert_eq(placement_plan(&p, &note), 0, "%s", note.text);
    assert_sound();
    return placement_moves(&before, &p, moves);
}

Test(cluster_placement, leaves_a_founded_cluster_as_it_is)
{
    for (unsigned nodes = 1; nodes <= 2; nodes++) {
        found(3, nodes, 4);
        cr_assert_eq(plan(), 0);
        cr_assert_eq(memcmp(&p, &before, sizeof p), 0);
    }
}

Test(cluster_placement, gives_a_new_node_half_of_its_sites_replicas_and_leaders)
{
    found(3, 1, 4);
    add_node(4, 0);
    cr_assert_eq(plan(), 6, "half of twelve groups, and no move more");
    cr_assert_eq(load(1), 6);
    cr_assert_eq(load(4), 6);
    cr_assert_eq(leads(1), 2);
    cr_assert_eq(leads(4), 2);
    cr_assert_eq(leads(2), 4);
    cr_assert_eq(p.groups[0].node_ids[0], 1, "the metadata stays");
    cr_assert_eq(plan(), 0, "then all is at rest");
}

Test(cluster_placement, empties_a_leaving_node_into_its_own_site)
{
    found(3, 1, 4);
    add_node(4, 0);
    plan();
    must_go(1, true);
    cr_assert_eq(plan(), 6 + 1, "its six groups, and the metadata");
    cr_assert_eq(load(1), 0);
    cr_assert_eq(leads(1), 0);
    cr_assert_eq(load(4), 12);
    cr_assert_eq(leads(4), 4);
}

Test(cluster_placement, gives_everything_to_the_successor)
{
    found(3, 1, 4);
    add_node(4, 1);
    add_node(5, 1);
    node(4)->may_carry = false;
    must_go(2, true);
    node(2)->successor_id = 4;
    node(4)->may_carry = true;
    plan();
    cr_assert_eq(load(2), 0);
    assert_even_in_sites();
}

Test(cluster_placement, refuses_to_lose_the_last_node_of_one_of_three_sites)
{
    struct err_note note = {0};
    found(3, 1, 4);
    must_go(2, true);
    cr_assert_eq(placement_plan(&p, &note), ERR_CANT_CHANGE);
    cr_assert(strstr(note.text, "last that can carry") != NULL, "%s", note.text);
}

Test(cluster_placement, leaves_a_dead_nodes_replicas_where_nobody_can_take_them)
{
    found(3, 1, 4);
    must_go(2, false);
    cr_assert_eq(plan(), 0);
    cr_assert_eq(leads(2), 0, "it leads nothing");
    cr_assert_eq(leads(1) + leads(3), 12);
    add_node(4, 1);
    cr_assert_eq(plan(), 13);
    cr_assert_eq(load(2), 0);
}

Test(cluster_placement, goes_on_with_fewer_voters_where_the_site_rule_allows_it)
{
    found(3, 2, 1);
    must_go(1, true);
    plan();
    for (unsigned g = 0; g < p.group_count; g++)
        cr_assert_eq(p.groups[g].node_count, 5);
    must_go(2, true);
    plan();
    for (unsigned g = 0; g < p.group_count; g++)
        cr_assert_eq(p.groups[g].node_count, 3, "1-1-2 tolerates no lost site: one more goes");
}

Test(cluster_placement, takes_a_cluster_of_one_site_to_three_when_it_can)
{
    found(1, 1, 4);
    add_node(2, 1);
    cr_assert_eq(plan(), 0, "two sites tolerate less than one");
    add_node(3, 2);
    cr_assert_eq(plan(), 2 * 5);
    for (uint32_t i = 1; i <= 3; i++)
        cr_assert_eq(load(i), 4);
    cr_assert(leads(1) <= 2 && leads(2) <= 2 && leads(3) <= 2);
}

/* Coming, dying, returning and leaving in any order: sound each time, even, and at rest. */
static void change_something(struct random *random, uint32_t *next_id)
{
    struct placement_node *n = &p.nodes[random_below(random, p.node_count)];
    switch (random_below(random, 4)) {
    case 0:
        if (p.node_count < METADATA_LIVE_NODES_MAX)
            add_node((*next_id)++, (unsigned)random_below(random, 3));
        break;
    case 1:
        n->may_carry = false;
        n->must_go = true;
        n->is_leaving = false;
        break;
    case 2:
        n->may_carry = true;
        n->must_go = n->is_leaving = false;
        break;
    default:
        must_go(n->node_id, true);
    }
}

static unsigned carriers_in(const char *site)
{
    unsigned count = 0;
    for (unsigned i = 0; i < p.node_count; i++)
        count += p.nodes[i].may_carry && strcmp(p.nodes[i].site, site) == 0;
    return count;
}

/* The fewest moves that make a site even: what the fullest have beyond it. */
static unsigned least_moves(void)
{
    unsigned moves = 0;
    for (char c = 'a'; c <= 'c'; c++) {
        char site[2] = {c, '\0'};
        unsigned carriers = carriers_in(site), total = 0, above = 0, below = 0, gone = 0;
        for (unsigned i = 0; i < p.node_count; i++)
            if (strcmp(p.nodes[i].site, site) == 0) {
                total += load(p.nodes[i].node_id);
                gone += p.nodes[i].may_carry ? 0 : load(p.nodes[i].node_id);
            }
        for (unsigned i = 0; carriers > 0 && i < p.node_count; i++) {
            unsigned has = load(p.nodes[i].node_id);
            unsigned floor = total / carriers, ceiling = floor + (total % carriers > 0);
            if (strcmp(p.nodes[i].site, site) != 0 || !p.nodes[i].may_carry)
                continue;
            above += has > ceiling ? has - ceiling : 0;
            below += has < floor ? floor - has : 0;
        }
        if (carriers > 0)
            moves += above + gone > below ? above + gone : below;
    }
    return moves;
}

Test(cluster_placement, is_sound_even_and_minimal_whatever_comes_and_goes)
{
    static struct placement_move moves[PLACEMENT_MOVES_MAX];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random;
        uint32_t next_id = 4;
        random_init(&random, seed);
        found(3, 1, 1 + (unsigned)random_below(&random, 6));
        for (unsigned i = 0; i < 30; i++) {
            struct placement unchanged = p;
            struct err_note note = {0};
            change_something(&random, &next_id);
            before = p;
            unsigned least = least_moves(), metadata_moves = 0, data_moves = 0;
            if (placement_plan(&p, &note) != 0) {
                p = unchanged; /* refused: the operator is told why */
                cr_assert_neq(note.text[0], '\0');
                continue;
            }
            assert_sound();
            unsigned count = placement_moves(&before, &p, moves);
            for (unsigned k = 0; k < count; k++)
                *(moves[k].group_id == 0 ? &metadata_moves : &data_moves) += 1;
            after = p;
            cr_assert_leq(data_moves, least, "seed %u: %u moves, %u would do", (unsigned)seed,
                          data_moves, least);
            cr_assert_leq(metadata_moves, 3);
            for (unsigned k = 0; k < p.node_count; k++)
                if (p.nodes[k].may_carry && carriers_in(p.nodes[k].site) > 0)
                    cr_assert_eq(p.nodes[k].must_go, false);
            assert_even_in_sites();
            cr_assert_eq(plan(), 0, "seed %u: a plan that was followed leaves nothing to do",
                         (unsigned)seed);
        }
    }
}

/* ---- steps ---- */

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
        t.status.replicas[i].is_level = true;
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

/* Plans for random clusters: the site rule, evenness, and no move more than that takes. */
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

static void replace_in(struct metadata_group *group, uint32_t leaves, uint32_t enters)
{
    for (unsigned i = 0; i < group->node_count; i++)
        if (group->node_ids[i] == leaves)
            group->node_ids[i] = enters;
    if (group->preferred_node_id == leaves)
        group->preferred_node_id = enters;
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

/* ---- asynchronous groups, and homes ---- */

static struct metadata_group *add_group(enum metadata_mode mode, const char *home_site)
{
    struct metadata_wish wish = {.mode = mode};
    struct err_note note = {0};
    struct metadata_group *group = &p.groups[p.group_count];
    bytes_copy_text(wish.home_site, sizeof wish.home_site, home_site);
    cr_assert_eq(placement_new_group(&p, &wish, NULL, group, &note), 0, "%s", note.text);
    p.group_count++;
    return group;
}

Test(cluster_placement, a_group_with_a_home_leaves_the_others_leaders_where_they_are)
{
    found(3, 1, 4);
    struct metadata_group *async = add_group(METADATA_ASYNC, "b");
    struct metadata_group *led = add_group(METADATA_SYNC, "b");
    cr_assert_eq(plan(), 0);
    cr_assert_eq(memcmp(&p, &before, sizeof p), 0, "at rest as they were made");
    cr_assert_eq(async->preferred_node_id, 2);
    cr_assert_eq(async->learner_count, 2);
    cr_assert_eq(led->preferred_node_id, 2);
    cr_assert_eq(led->learner_count, 0);
}

Test(cluster_placement, a_new_home_makes_its_replicas_voters_and_the_old_ones_learners)
{
    found(3, 2, 1);
    struct metadata_group *async = add_group(METADATA_ASYNC, "b");
    cr_assert_eq(async->node_count - async->learner_count, 2, "both nodes of b");
    bytes_copy_text(async->home_site, sizeof async->home_site, "c");
    plan();
    cr_assert_eq(async->learner_count, 4);
    cr_assert(metadata_group_votes(async, 3) && metadata_group_votes(async, 6));
    cr_assert(metadata_group_has(async, 2) && !metadata_group_votes(async, 2));
    cr_assert(metadata_group_votes(async, async->preferred_node_id));
}

Test(cluster_placement, a_replaced_node_hands_on_its_vote_or_its_place_as_a_learner)
{
    found(3, 1, 4);
    struct metadata_group *async = add_group(METADATA_ASYNC, "b");
    add_node(4, 1); /* b */
    add_node(5, 2); /* c */
    node(2)->successor_id = 4;
    must_go(2, true);
    must_go(3, true);
    plan();
    cr_assert(metadata_group_votes(async, 4));
    cr_assert_eq(async->preferred_node_id, 4);
    cr_assert(metadata_group_has(async, 5) && !metadata_group_votes(async, 5));
    cr_assert(!metadata_group_has(async, 2) && !metadata_group_has(async, 3));
}

Test(cluster_placement, the_last_voter_of_an_asynchronous_group_does_not_leave)
{
    struct err_note note = {0};
    found(4, 1, 1);
    add_group(METADATA_ASYNC, "b");
    must_go(2, true);
    cr_assert_eq(placement_plan(&p, &note), ERR_CANT_CHANGE);
    cr_assert_not_null(strstr(note.text, "asynchronous raft group"), "%s", note.text);
    found(4, 1, 1);
    struct metadata_group *async = add_group(METADATA_ASYNC, "b");
    must_go(4, true); /* of a site that learns only, and has no other node */
    plan();
    cr_assert_eq(async->node_count, 3);
    cr_assert_eq(async->learner_count, 2);
}

Test(cluster_placement, a_further_site_learns_too)
{
    found(3, 1, 1);
    struct metadata_group *async = add_group(METADATA_ASYNC, "b");
    add_node(4, 3);
    plan();
    cr_assert_eq(async->node_count, 4);
    cr_assert(metadata_group_has(async, 4) && !metadata_group_votes(async, 4));
}

Test(cluster_placement, an_asynchronous_group_on_others_nodes_matches_them)
{
    struct metadata_group group;
    struct metadata_wish wish = {.mode = METADATA_ASYNC, .home_site = "a"};
    found(3, 2, 2);
    replace_in(&p.groups[3], 1, 7);
    add_node(7, 0);
    cr_assert_eq(placement_new_group(&p, &wish, &p.groups[3], &group, NULL), 0);
    cr_assert(metadata_groups_match(&group, &p.groups[3]));
    cr_assert(metadata_group_votes(&group, 7) && metadata_group_votes(&group, 4));
    must_go(7, false);
    cr_assert_eq(placement_new_group(&p, &wish, &p.groups[3], &group, NULL), ERR_CANT_CHANGE);
    cr_assert_eq(placement_new_group(&p, &wish, NULL, &group, NULL), 0, "elsewhere it may be");
    bytes_copy_text(wish.home_site, sizeof wish.home_site, "z");
    cr_assert_eq(placement_new_group(&p, &wish, NULL, &group, NULL), ERR_NOT_FOUND);
}

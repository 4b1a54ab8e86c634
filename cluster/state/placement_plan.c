/* Who votes where, after nodes have come, gone or died.
 *
 * First what must go: each replica of a leaving or dead node gets a place on the node of its site
 * that carries fewest. Then balance: within each site the fullest node gives to the emptiest until
 * they differ by one at most, each time a group whose lead it should give, too, if its leaders are
 * too many. Leaders last (placement_leaders.c).
 *
 * A site's voters of a group stay as many as they were. When a leaving node's site has no room for
 * one, the group goes on with fewer, if the site rule still holds; a fourth voter of three sites
 * goes then as well, for four tolerate no more than three.
 *
 * Of an asynchronous group the replicas in the home site vote and the others learn; the site rule
 * is not for it, and it ends with its last voter. */
#include <assert.h>
#include <string.h>

#include "state/placement_parts.h"

/* Of data groups: the metadata's own is small. */
static unsigned load_of(const struct placement *p, uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 1; i < p->group_count; i++)
        count += metadata_group_has(&p->groups[i], node_id);
    return count;
}

/* ---- what must go ---- */

static void replace(struct metadata_group *g, uint32_t leaves, uint32_t enters)
{
    for (unsigned i = 0; i < g->node_count; i++)
        if (g->node_ids[i] == leaves)
            g->node_ids[i] = enters;
    if (g->preferred_node_id == leaves)
        g->preferred_node_id = enters;
}

static void drop(struct placement *p, struct metadata_group *g, uint32_t leaves)
{
    unsigned at = 0;
    while (at < g->node_count && g->node_ids[at] != leaves)
        at++;
    assert(at < g->node_count);
    g->learner_count -= at >= placement_voter_count(g);
    g->node_count--;
    memmove(&g->node_ids[at], &g->node_ids[at + 1], (g->node_count - at) * sizeof g->node_ids[0]);
    g->node_ids[g->node_count] = 0;
    if (g->preferred_node_id != leaves || g->node_count == 0)
        return;
    g->preferred_node_id = g->node_ids[0];
    for (unsigned i = 1; i < placement_voter_count(g); i++)
        if (placement_leaders_of(p, g->node_ids[i]) < placement_leaders_of(p, g->preferred_node_id))
            g->preferred_node_id = g->node_ids[i];
}

/* The node of the site that takes a replica of the group: the successor, or who carries fewest. */
static uint32_t place_for(const struct placement *p, const struct metadata_group *g,
                          const struct placement_node *leaving)
{
    uint32_t best = 0;
    for (unsigned i = 0; i < p->node_count; i++) {
        const struct placement_node *n = &p->nodes[i];
        if (!n->may_carry || metadata_group_has(g, n->node_id) ||
            strcmp(n->site, leaving->site) != 0)
            continue;
        if (n->node_id == leaving->successor_id)
            return n->node_id;
        if (best == 0 || load_of(p, n->node_id) < load_of(p, best))
            best = n->node_id;
    }
    return best;
}

/* A voter of the site that has most of them. */
static uint32_t surplus_voter(const struct placement *p, const struct metadata_group *g)
{
    uint32_t best = g->node_ids[0];
    for (unsigned i = 1; i < g->node_count; i++) {
        unsigned here = placement_count_in_site(p, g, g->node_ids[i]),
                 most = placement_count_in_site(p, g, best);
        if (here > most || (here == most && load_of(p, g->node_ids[i]) > load_of(p, best)))
            best = g->node_ids[i];
    }
    return best;
}

static int shrink_async(struct placement *p, struct metadata_group *g,
                        const struct placement_node *n, struct err_note *note)
{
    if (metadata_group_votes(g, n->node_id) && placement_voter_count(g) == 1)
        return err_set(note, ERR_CANT_CHANGE,
                       "node %u is the last of site %s that carries the asynchronous raft group "
                       "%u, which votes there only: add another node there, or switch the site",
                       n->node_id, n->site, g->group_id);
    drop(p, g, n->node_id);
    return 0;
}

static int shrink(struct placement *p, struct metadata_group *g, const struct placement_node *n,
                  struct err_note *note)
{
    unsigned sites = placement_site_count(p, g);
    if (g->mode == METADATA_ASYNC)
        return shrink_async(p, g, n, note);
    if (placement_count_in_site(p, g, n->node_id) == 1 && sites <= 3)
        return err_set(note, ERR_CANT_CHANGE,
                       "node %u is the last that can carry raft group %u in site %s: without it a "
                       "lost site could stop the group",
                       n->node_id, g->group_id, n->site);
    drop(p, g, n->node_id);
    while (!placement_is_sound(p, g) && g->node_count > sites)
        drop(p, g, surplus_voter(p, g));
    if (!placement_is_sound(p, g))
        return err_set(note, ERR_CANT_CHANGE,
                       "raft group %u would have no majority outside one site", g->group_id);
    return 0;
}

static int empty_node(struct placement *p, const struct placement_node *n, struct err_note *note)
{
    for (unsigned i = 0; i < p->group_count; i++) {
        struct metadata_group *g = &p->groups[i];
        if (!metadata_group_has(g, n->node_id))
            continue;
        uint32_t enters = place_for(p, g, n);
        int err = 0;
        if (enters != 0)
            replace(g, n->node_id, enters);
        else if (n->is_leaving)
            err = shrink(p, g, n, note);
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- a third site ---- */

static bool is_site_missing(const struct placement *p, const struct metadata_group *g,
                            const struct placement_node *n)
{
    bool is_missing = n->may_carry;
    for (unsigned i = 0; i < g->node_count; i++)
        is_missing &= !placement_is_same_site(p, g->node_ids[i], n->node_id);
    return is_missing;
}

/* Of a site where the group has no replica the node that carries fewest; NULL: there is none. */
static const struct placement_node *node_of_missing_site(const struct placement *p,
                                                         const struct metadata_group *g)
{
    const struct placement_node *best = NULL;
    for (unsigned i = 0; i < p->node_count; i++)
        if (is_site_missing(p, g, &p->nodes[i]) &&
            (best == NULL || load_of(p, p->nodes[i].node_id) < load_of(p, best->node_id)))
            best = &p->nodes[i];
    return best;
}

/* An asynchronous group takes a learner in each further site. */
static void extend_async(struct placement *p, struct metadata_group *g)
{
    const struct placement_node *enters;
    while (g->node_count < METADATA_VOTERS_MAX && (enters = node_of_missing_site(p, g)) != NULL) {
        g->node_ids[g->node_count++] = enters->node_id;
        g->learner_count++;
    }
}

/* A group in fewer than three sites takes a voter in each further one, when that makes it three. */
static void extend(struct placement *p, struct metadata_group *g)
{
    struct metadata_group extended = *g;
    if (g->mode == METADATA_ASYNC) {
        extend_async(p, g);
        return;
    }
    while (placement_site_count(p, &extended) < 3 && extended.node_count < PLACEMENT_VOTERS_MAX) {
        const struct placement_node *enters = node_of_missing_site(p, &extended);
        if (enters == NULL)
            return;
        extended.node_ids[extended.node_count++] = enters->node_id;
    }
    if (extended.node_count > g->node_count && placement_is_sound(p, &extended))
        *g = extended;
}

/* ---- the home site ---- */

/* The replicas in the home site vote, the others learn. Without one there all stays as it is. */
void placement_settle_votes(const struct placement *p, struct metadata_group *g)
{
    uint32_t sorted[METADATA_VOTERS_MAX];
    unsigned voters = 0, count = 0;
    for (unsigned i = 0; i < g->node_count && voters < PLACEMENT_VOTERS_MAX; i++)
        if (placement_is_home(p, g, g->node_ids[i]))
            sorted[voters++] = g->node_ids[i];
    if (g->mode != METADATA_ASYNC || voters == 0)
        return;
    count = voters;
    for (unsigned i = 0; i < g->node_count; i++) {
        bool is_voter = false;
        for (unsigned k = 0; k < voters; k++)
            is_voter |= sorted[k] == g->node_ids[i];
        if (!is_voter)
            sorted[count++] = g->node_ids[i];
    }
    memcpy(g->node_ids, sorted, count * sizeof sorted[0]);
    g->learner_count = count - voters;
}

/* ---- replicas ---- */

/* A group that `from` carries and `to` does not; one that `from` leads, or not, as wanted, if there
 * is such a one. */
static struct metadata_group *group_to_move(struct placement *p, uint32_t from, uint32_t to,
                                            bool should_be_led)
{
    struct metadata_group *any = NULL;
    for (unsigned i = 1; i < p->group_count; i++) {
        struct metadata_group *g = &p->groups[i];
        if (!metadata_group_has(g, from) || metadata_group_has(g, to))
            continue;
        if ((g->preferred_node_id == from) == should_be_led)
            return g;
        if (any == NULL)
            any = g;
    }
    return any;
}

static bool move_one(struct placement *p)
{
    struct metadata_group *best = NULL;
    uint32_t best_from = 0, best_to = 0;
    unsigned best_gap = 1;
    for (unsigned i = 0; i < p->node_count; i++)
        for (unsigned k = 0; k < p->node_count; k++) {
            uint32_t from = p->nodes[i].node_id, to = p->nodes[k].node_id;
            unsigned full = load_of(p, from), empty = load_of(p, to);
            if (!p->nodes[i].may_carry || !p->nodes[k].may_carry ||
                !placement_is_same_site(p, from, to) || full < empty + best_gap + 1)
                continue;
            struct metadata_group *g = group_to_move(
                p, from, to, placement_leaders_of(p, from) > placement_leaders_of(p, to) + 1);
            if (g == NULL)
                continue;
            best = g;
            best_from = from;
            best_to = to;
            best_gap = full - empty;
        }
    if (best != NULL)
        replace(best, best_from, best_to);
    return best != NULL;
}

/* ---- all of it ---- */

/* Each turn lowers a difference; the bound is for what nobody has thought of. */
void placement_even(struct placement *p, bool (*once)(struct placement *))
{
    for (unsigned turns = 0; turns < 4 * METADATA_GROUPS_MAX && once(p); turns++) {
    }
}

int placement_plan(struct placement *p, struct err_note *note)
{
    for (unsigned i = 0; i < p->node_count; i++) {
        int err = p->nodes[i].must_go ? empty_node(p, &p->nodes[i], note) : 0;
        if (err != 0)
            return err;
    }
    for (unsigned i = 0; i < p->group_count; i++)
        extend(p, &p->groups[i]);
    placement_even(p, move_one);
    for (unsigned i = 0; i < p->group_count; i++) {
        placement_settle_votes(p, &p->groups[i]);
        placement_relieve(p, &p->groups[i]);
    }
    placement_even_leaders(p);
    return 0;
}

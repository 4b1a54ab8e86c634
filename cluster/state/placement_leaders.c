/* Who leads where: first whoever leads on a node that must go, or where it has no vote; then sites
 * lead equally many groups, and so do the nodes within each. That moves no data.
 *
 * A group with a home site is led there, and takes no part in evening leaders between sites. */
#include <string.h>

#include "state/placement_parts.h"

/* ---- looking ---- */

/* Of groups that may be led anywhere: the others' leaders are where they are wanted. */
unsigned placement_leaders_of(const struct placement *p, uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 1; i < p->group_count; i++)
        count += !placement_has_home(&p->groups[i]) && p->groups[i].preferred_node_id == node_id;
    return count;
}

static unsigned home_leaders_of(const struct placement *p, uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 1; i < p->group_count; i++)
        count += placement_has_home(&p->groups[i]) && p->groups[i].preferred_node_id == node_id;
    return count;
}

static unsigned leaders_of_site(const struct placement *p, const char *site)
{
    unsigned count = 0;
    for (unsigned i = 0; i < p->node_count; i++)
        if (strcmp(p->nodes[i].site, site) == 0)
            count += placement_leaders_of(p, p->nodes[i].node_id);
    return count;
}

/* ---- one group ---- */

static bool may_lead(const struct placement *p, uint32_t node_id)
{
    const struct placement_node *n = placement_node(p, node_id);
    return n != NULL && n->may_carry;
}

/* To the voter in the home site that leads fewest such groups; false: nobody there may lead. */
bool placement_lead_at_home(const struct placement *p, struct metadata_group *g)
{
    uint32_t best = 0;
    if (may_lead(p, g->preferred_node_id) && placement_is_home(p, g, g->preferred_node_id) &&
        metadata_group_votes(g, g->preferred_node_id))
        return true;
    for (unsigned i = 0; i < placement_voter_count(g); i++)
        if (may_lead(p, g->node_ids[i]) && placement_is_home(p, g, g->node_ids[i]) &&
            (best == 0 || home_leaders_of(p, g->node_ids[i]) < home_leaders_of(p, best)))
            best = g->node_ids[i];
    if (best != 0)
        g->preferred_node_id = best;
    return best != 0;
}

void placement_relieve(struct placement *p, struct metadata_group *g)
{
    uint32_t best = 0;
    if (placement_has_home(g) && placement_lead_at_home(p, g))
        return;
    if (!metadata_group_votes(g, g->preferred_node_id))
        g->preferred_node_id = g->node_ids[0];
    if (may_lead(p, g->preferred_node_id))
        return;
    for (unsigned i = 0; i < placement_voter_count(g); i++)
        if (may_lead(p, g->node_ids[i]) &&
            (best == 0 || placement_leaders_of(p, g->node_ids[i]) < placement_leaders_of(p, best)))
            best = g->node_ids[i];
    if (best != 0)
        g->preferred_node_id = best;
}

/* ---- between groups ---- */

/* One lead from a site to one that leads at least two less. */
static bool even_sites(struct placement *p)
{
    for (unsigned i = 1; i < p->group_count; i++) {
        struct metadata_group *g = &p->groups[i];
        const struct placement_node *from = placement_has_home(g)
                                                ? NULL
                                                : placement_node(p, g->preferred_node_id);
        for (unsigned k = 0; from != NULL && k < g->node_count; k++) {
            const struct placement_node *to = placement_node(p, g->node_ids[k]);
            if (to == NULL || !to->may_carry ||
                leaders_of_site(p, from->site) < leaders_of_site(p, to->site) + 2)
                continue;
            g->preferred_node_id = to->node_id;
            return true;
        }
    }
    return false;
}

/* `from` gives a lead to `other` in another site, which gives one to `to` in from's: no data moves,
 * and no site leads more or less than before. */
static bool even_by_way_of(struct placement *p, struct metadata_group *a, uint32_t from,
                           uint32_t to)
{
    for (unsigned k = 0; k < a->node_count; k++) {
        uint32_t gets = a->node_ids[k];
        for (unsigned i = 1; i < p->group_count; i++) {
            struct metadata_group *b = &p->groups[i];
            uint32_t gives = b->preferred_node_id;
            if (b == a || placement_has_home(b) || gets == from || !may_lead(p, gets) ||
                !metadata_group_has(b, to) || !placement_is_same_site(p, gets, gives) ||
                placement_is_same_site(p, gives, to) ||
                (gets != gives && placement_leaders_of(p, gets) >= placement_leaders_of(p, gives)))
                continue;
            a->preferred_node_id = gets;
            b->preferred_node_id = to;
            return true;
        }
    }
    return false;
}

static bool even_pair(struct placement *p, uint32_t from, uint32_t to)
{
    for (unsigned i = 1; i < p->group_count; i++) {
        struct metadata_group *g = &p->groups[i];
        if (placement_has_home(g) || g->preferred_node_id != from)
            continue;
        if (metadata_group_has(g, to)) {
            g->preferred_node_id = to;
            return true;
        }
        if (even_by_way_of(p, g, from, to))
            return true;
    }
    return false;
}

static bool even_nodes(struct placement *p)
{
    for (unsigned i = 0; i < p->node_count; i++)
        for (unsigned k = 0; k < p->node_count; k++) {
            uint32_t from = p->nodes[i].node_id, to = p->nodes[k].node_id;
            if (p->nodes[k].may_carry && placement_is_same_site(p, from, to) &&
                placement_leaders_of(p, from) >= placement_leaders_of(p, to) + 2 &&
                even_pair(p, from, to))
                return true;
        }
    return false;
}

void placement_even_leaders(struct placement *p)
{
    placement_even(p, even_sites);
    placement_even(p, even_nodes);
}

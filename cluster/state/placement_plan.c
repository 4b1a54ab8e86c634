/* Who votes where, after nodes have come, gone or died.
 *
 * First what must go: each replica of a leaving or dead node gets a place on the node of its site
 * that carries fewest. Then balance: within each site the fullest node gives to the emptiest until
 * they differ by one at most, each time a group whose lead it should give, too, if its leaders are
 * too many. Leaders last: sites lead equally many groups, and so do the nodes within each; that
 * moves no data.
 *
 * A site's voters of a group stay as many as they were. When a leaving node's site has no room for
 * one, the group goes on with fewer, if the site rule still holds; a fourth voter of three sites
 * goes then as well, for four tolerate no more than three. */
#include "cluster/placement.h"

#include <assert.h>
#include <string.h>

/* ---- looking ---- */

static const struct placement_node *node_of(const struct placement *p, uint32_t node_id)
{
    for (unsigned i = 0; i < p->node_count; i++)
        if (p->nodes[i].node_id == node_id)
            return &p->nodes[i];
    return NULL;
}

static bool is_same_site(const struct placement *p, uint32_t a, uint32_t b)
{
    const struct placement_node *first = node_of(p, a), *second = node_of(p, b);
    return first != NULL && second != NULL && strcmp(first->site, second->site) == 0;
}

static unsigned count_in_site(const struct placement *p, const struct metadata_group *g,
                              uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 0; i < g->node_count; i++)
        count += is_same_site(p, g->node_ids[i], node_id);
    return count;
}

unsigned placement_site_count(const struct placement *p, const struct metadata_group *g)
{
    unsigned count = 0;
    for (unsigned i = 0; i < g->node_count; i++) {
        bool is_new = true;
        for (unsigned k = 0; k < i; k++)
            is_new &= !is_same_site(p, g->node_ids[i], g->node_ids[k]);
        count += is_new;
    }
    return count;
}

bool placement_is_sound(const struct placement *p, const struct metadata_group *g)
{
    unsigned sites = placement_site_count(p, g), most = 0;
    for (unsigned i = 0; i < g->node_count; i++) {
        unsigned here = count_in_site(p, g, g->node_ids[i]);
        if (here > most)
            most = here;
    }
    if (g->node_count == 0 || sites == 1)
        return sites == 1;
    return sites == 2 ? most <= g->node_count / 2 : g->node_count - most >= g->node_count / 2 + 1;
}

/* Of data groups: the metadata's own is small. */
static unsigned load_of(const struct placement *p, uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 1; i < p->group_count; i++)
        count += metadata_group_has(&p->groups[i], node_id);
    return count;
}

static unsigned leaders_of(const struct placement *p, uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 1; i < p->group_count; i++)
        count += p->groups[i].preferred_node_id == node_id;
    return count;
}

static unsigned leaders_of_site(const struct placement *p, const char *site)
{
    unsigned count = 0;
    for (unsigned i = 0; i < p->node_count; i++)
        if (strcmp(p->nodes[i].site, site) == 0)
            count += leaders_of(p, p->nodes[i].node_id);
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
    g->node_count--;
    memmove(&g->node_ids[at], &g->node_ids[at + 1], (g->node_count - at) * sizeof g->node_ids[0]);
    g->node_ids[g->node_count] = 0;
    if (g->preferred_node_id != leaves || g->node_count == 0)
        return;
    g->preferred_node_id = g->node_ids[0];
    for (unsigned i = 1; i < g->node_count; i++)
        if (leaders_of(p, g->node_ids[i]) < leaders_of(p, g->preferred_node_id))
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
        unsigned here = count_in_site(p, g, g->node_ids[i]), most = count_in_site(p, g, best);
        if (here > most || (here == most && load_of(p, g->node_ids[i]) > load_of(p, best)))
            best = g->node_ids[i];
    }
    return best;
}

static int shrink(struct placement *p, struct metadata_group *g, const struct placement_node *n,
                  struct err_note *note)
{
    unsigned sites = placement_site_count(p, g);
    if (count_in_site(p, g, n->node_id) == 1 && sites <= 3)
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
    return n->may_carry && count_in_site(p, g, n->node_id) == 0;
}

/* A group in fewer than three sites takes a voter in each further one, when that makes it three. */
static void extend(struct placement *p, struct metadata_group *g)
{
    struct metadata_group extended = *g;
    while (placement_site_count(p, &extended) < 3 && extended.node_count < PLACEMENT_VOTERS_MAX) {
        const struct placement_node *best = NULL;
        for (unsigned i = 0; i < p->node_count; i++)
            if (is_site_missing(p, &extended, &p->nodes[i]) &&
                (best == NULL || load_of(p, p->nodes[i].node_id) < load_of(p, best->node_id)))
                best = &p->nodes[i];
        if (best == NULL)
            return;
        extended.node_ids[extended.node_count++] = best->node_id;
    }
    if (extended.node_count > g->node_count && placement_is_sound(p, &extended))
        *g = extended;
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
            if (!p->nodes[i].may_carry || !p->nodes[k].may_carry || !is_same_site(p, from, to) ||
                full < empty + best_gap + 1)
                continue;
            struct metadata_group *g = group_to_move(p, from, to,
                                                     leaders_of(p, from) > leaders_of(p, to) + 1);
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

/* ---- leaders ---- */

static bool may_lead(const struct placement *p, uint32_t node_id)
{
    const struct placement_node *n = node_of(p, node_id);
    return n != NULL && n->may_carry;
}

/* A lead that lies on a node that must go, to the member that leads fewest. */
static void relieve(struct placement *p, struct metadata_group *g)
{
    uint32_t best = 0;
    if (may_lead(p, g->preferred_node_id))
        return;
    for (unsigned i = 0; i < g->node_count; i++)
        if (may_lead(p, g->node_ids[i]) &&
            (best == 0 || leaders_of(p, g->node_ids[i]) < leaders_of(p, best)))
            best = g->node_ids[i];
    if (best != 0)
        g->preferred_node_id = best;
}

/* One lead from a site to one that leads at least two less. */
static bool even_sites(struct placement *p)
{
    for (unsigned i = 1; i < p->group_count; i++) {
        struct metadata_group *g = &p->groups[i];
        const struct placement_node *from = node_of(p, g->preferred_node_id);
        for (unsigned k = 0; from != NULL && k < g->node_count; k++) {
            const struct placement_node *to = node_of(p, g->node_ids[k]);
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
            if (b == a || gets == from || !may_lead(p, gets) || !metadata_group_has(b, to) ||
                !is_same_site(p, gets, gives) || is_same_site(p, gives, to) ||
                (gets != gives && leaders_of(p, gets) >= leaders_of(p, gives)))
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
        if (g->preferred_node_id != from)
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
            if (p->nodes[k].may_carry && is_same_site(p, from, to) &&
                leaders_of(p, from) >= leaders_of(p, to) + 2 && even_pair(p, from, to))
                return true;
        }
    return false;
}

/* Each turn lowers a difference; the bound is for what nobody has thought of. */
static void even(struct placement *p, bool (*once)(struct placement *))
{
    for (unsigned turns = 0; turns < 4 * METADATA_GROUPS_MAX && once(p); turns++) {
    }
}

/* ---- all of it ---- */

int placement_plan(struct placement *p, struct err_note *note)
{
    for (unsigned i = 0; i < p->node_count; i++) {
        int err = p->nodes[i].must_go ? empty_node(p, &p->nodes[i], note) : 0;
        if (err != 0)
            return err;
    }
    for (unsigned i = 0; i < p->group_count; i++)
        extend(p, &p->groups[i]);
    even(p, move_one);
    for (unsigned i = 0; i < p->group_count; i++)
        relieve(p, &p->groups[i]);
    even(p, even_sites);
    even(p, even_nodes);
    return 0;
}

void placement_of(const struct metadata *m, struct placement *p)
{
    memset(p, 0, sizeof *p);
    for (unsigned i = 0; i < metadata_node_count(m); i++) {
        const struct metadata_node *from = metadata_node_at(m, i);
        if (from->state == METADATA_NODE_GONE)
            continue;
        struct placement_node *into = &p->nodes[p->node_count++];
        into->node_id = from->node_id;
        memcpy(into->site, from->site, sizeof into->site);
        into->may_carry = from->state == METADATA_NODE_ACTIVE;
        into->is_leaving = from->state == METADATA_NODE_LEAVING;
        into->must_go = into->is_leaving || from->state == METADATA_NODE_DEAD;
        into->successor_id = from->successor_id;
        /* It waits for the one that is to take its place. */
        const struct metadata_node *successor = metadata_node_by_id(m, from->successor_id);
        if (into->is_leaving && successor != NULL && successor->state == METADATA_NODE_JOINING)
            into->must_go = false;
    }
    p->group_count = metadata_group_count(m);
    for (unsigned i = 0; i < p->group_count; i++)
        p->groups[i] = *metadata_group_at(m, i);
}

unsigned placement_moves(const struct placement *before, const struct placement *after,
                         struct placement_move moves[PLACEMENT_MOVES_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < before->group_count && i < after->group_count; i++) {
        const struct metadata_group *old = &before->groups[i], *new = &after->groups[i];
        unsigned o = 0, n = 0;
        while (count < PLACEMENT_MOVES_MAX) {
            while (o < old->node_count && metadata_group_has(new, old->node_ids[o]))
                o++;
            while (n < new->node_count && metadata_group_has(old, new->node_ids[n]))
                n++;
            if (o >= old->node_count && n >= new->node_count)
                break;
            moves[count].group_id = old->group_id;
            moves[count].leaves = o < old->node_count ? old->node_ids[o++] : 0;
            moves[count++].enters = n < new->node_count ? new->node_ids[n++] : 0;
        }
    }
    return count;
}

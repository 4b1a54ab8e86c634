/* What a placement is: made of the metadata, looked at, and compared with another. */
#include <string.h>

#include "base/bytes.h"
#include "state/placement_parts.h"

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
    for (unsigned i = 0; i < p->group_count; i++) {
        struct metadata_group *group = &p->groups[i];
        *group = *metadata_group_at(m, i);
        bytes_copy_text(group->home_site, sizeof group->home_site, metadata_home_now(m, group));
    }
}

const struct placement_node *placement_node(const struct placement *p, uint32_t node_id)
{
    for (unsigned i = 0; i < p->node_count; i++)
        if (p->nodes[i].node_id == node_id)
            return &p->nodes[i];
    return NULL;
}

bool placement_is_same_site(const struct placement *p, uint32_t a, uint32_t b)
{
    const struct placement_node *first = placement_node(p, a), *second = placement_node(p, b);
    return first != NULL && second != NULL && strcmp(first->site, second->site) == 0;
}

unsigned placement_voter_count(const struct metadata_group *g)
{
    return g->node_count - g->learner_count;
}

unsigned placement_count_in_site(const struct placement *p, const struct metadata_group *g,
                                 uint32_t node_id)
{
    unsigned count = 0;
    for (unsigned i = 0; i < placement_voter_count(g); i++)
        count += placement_is_same_site(p, g->node_ids[i], node_id);
    return count;
}

unsigned placement_site_count(const struct placement *p, const struct metadata_group *g)
{
    unsigned count = 0;
    for (unsigned i = 0; i < placement_voter_count(g); i++) {
        bool is_new = true;
        for (unsigned k = 0; k < i; k++)
            is_new &= !placement_is_same_site(p, g->node_ids[i], g->node_ids[k]);
        count += is_new;
    }
    return count;
}

bool placement_is_sound(const struct placement *p, const struct metadata_group *g)
{
    unsigned sites = placement_site_count(p, g), voters = placement_voter_count(g), most = 0;
    for (unsigned i = 0; i < voters; i++) {
        unsigned here = placement_count_in_site(p, g, g->node_ids[i]);
        if (here > most)
            most = here;
    }
    if (voters == 0 || sites == 1 || g->mode == METADATA_ASYNC)
        return sites == 1;
    return sites == 2 ? most <= voters / 2 : voters - most >= voters / 2 + 1;
}

bool placement_has_home(const struct metadata_group *g)
{
    return g->home_site[0] != '\0';
}

bool placement_is_home(const struct placement *p, const struct metadata_group *g, uint32_t node_id)
{
    const struct placement_node *n = placement_node(p, node_id);
    return n != NULL && strcmp(n->site, g->home_site) == 0;
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

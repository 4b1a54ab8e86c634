/* One more raft group, for topics of a mode and a home site.
 *
 * It is put on the nodes of a group that is there: a partition's files are on these disks, so that
 * it can change its group without being copied. Which of them vote follows from mode and home site.
 */
#include <string.h>

#include "base/bytes.h"
#include "state/placement_parts.h"

static bool may_all_carry(const struct placement *p, const struct metadata_group *g)
{
    bool may_all = true;
    for (unsigned i = 0; i < g->node_count; i++) {
        const struct placement_node *n = placement_node(p, g->node_ids[i]);
        may_all &= n != NULL && n->may_carry;
    }
    return may_all;
}

static bool is_in_site(const struct placement *p, const struct metadata_group *g, const char *site)
{
    bool is_in = site[0] == '\0';
    for (unsigned i = 0; i < g->node_count; i++) {
        const struct placement_node *n = placement_node(p, g->node_ids[i]);
        is_in |= n != NULL && strcmp(n->site, site) == 0;
    }
    return is_in;
}

static bool is_site_there(const struct placement *p, const char *site)
{
    bool is_there = site[0] == '\0';
    for (unsigned i = 0; i < p->node_count; i++)
        is_there |= strcmp(p->nodes[i].site, site) == 0;
    return is_there;
}

/* A group of the founding, for everybody, whose nodes are all there. */
static const struct metadata_group *model_of(const struct placement *p, const char *site)
{
    for (unsigned i = 1; i < p->group_count; i++) {
        const struct metadata_group *g = &p->groups[i];
        if (g->mode == METADATA_SYNC && g->home_site[0] == '\0' && may_all_carry(p, g) &&
            is_in_site(p, g, site))
            return g;
    }
    return NULL;
}

int placement_new_group(const struct placement *p, const struct metadata_wish *wish,
                        const struct metadata_group *like, struct metadata_group *group,
                        struct err_note *note)
{
    const struct metadata_group *model = like != NULL ? like : model_of(p, wish->home_site);
    if (!is_site_there(p, wish->home_site))
        return err_set(note, ERR_NOT_FOUND, "there is no site %s", wish->home_site);
    if (p->group_count == METADATA_GROUPS_MAX)
        return err_set(note, ERR_FULL, "there are %u raft groups", p->group_count);
    if (model == NULL || !is_in_site(p, model, wish->home_site) || !may_all_carry(p, model))
        return err_set(note, ERR_CANT_CHANGE,
                       "no raft group in site %s whose nodes are all there could be the model of "
                       "one more",
                       wish->home_site);
    *group = (struct metadata_group){.group_id = p->group_count,
                                     .preferred_node_id = model->node_ids[0],
                                     .next_partition_number = 1,
                                     .node_count = model->node_count,
                                     .mode = wish->mode};
    memcpy(group->node_ids, model->node_ids, sizeof group->node_ids);
    bytes_copy_text(group->home_site, sizeof group->home_site, wish->home_site);
    placement_settle_votes(p, group);
    if (wish->home_site[0] != '\0')
        placement_lead_at_home(p, group);
    return placement_is_sound(p, group)
               ? 0
               : err_set(note, ERR_CANT_CHANGE, "its voters would not keep the site rule");
}

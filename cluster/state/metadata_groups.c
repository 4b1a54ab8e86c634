/* Raft groups that come after the founding, each for the topics of one mode and home site.
 *
 * The founders of a cluster know its first groups from their identity files. Of a later one this is
 * the only place that says who was in its first configuration: node, incarnation, site and vote of
 * each, taken from the nodes' table when the change is applied, and never changed again. So every
 * member begins with the same, whenever it comes to hear of the group; a node that has begun anew
 * meanwhile is in no such configuration and waits to be taken in, as in all groups.
 *
 * Groups are not removed: one without partitions costs a few small frames a second.
 *
 * In the checkpoint: u16 n groups, n x (u32 group id, u16 n, n x (u32 node id, u64 incarnation,
 * text site, u8 is voter)). */
#include <string.h>

#include "state/metadata_image.h"

static bool is_site_there(const struct metadata *m, const char *site)
{
    for (unsigned i = 0; i < m->node_count; i++)
        if (m->nodes[i].state != METADATA_NODE_GONE && strcmp(m->nodes[i].site, site) == 0)
            return true;
    return false;
}

static int check(const struct metadata *m, const struct metadata_group *g)
{
    if (!m->has_cluster || g->next_partition_number != 1)
        return ERR_INVALID;
    if (g->group_id != m->group_count)
        return g->group_id < m->group_count ? ERR_EXISTS : ERR_INVALID;
    if (g->home_site[0] != '\0' && !is_site_there(m, g->home_site))
        return ERR_NOT_FOUND;
    return metadata_check_place(m, g, NULL);
}

static void found(struct metadata *m, const struct metadata_group *g)
{
    struct metadata_founding *founding = &m->foundings[g->group_id];
    *founding = (struct metadata_founding){.founder_count = g->node_count};
    for (unsigned i = 0; i < g->node_count; i++) {
        const struct metadata_node *node = metadata_node_by_id(m, g->node_ids[i]);
        struct metadata_founder *founder = &founding->founders[i];
        founder->node_id = node->node_id;
        founder->incarnation = node->incarnation;
        memcpy(founder->site, node->site, sizeof founder->site);
        founder->is_voter = metadata_group_votes(g, node->node_id);
    }
    m->groups[m->group_count] = *g;
    m->groups[m->group_count++].partition_count = 0;
}

int metadata_apply_group_add(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_group group;
    uint64_t version = bytes_read_le64(r);
    uint16_t count = bytes_read_le16(r);
    int err = r->is_bad || count != 1 ? ERR_MALFORMED : metadata_read_group(r, true, &group);
    if (err != 0 || r->is_bad || bytes_reader_left(r) != 0)
        return ERR_MALFORMED;
    if (version != m->placement_version)
        return ERR_CANT_CHANGE;
    if (m->group_count == METADATA_GROUPS_MAX)
        return ERR_FULL;
    err = check(m, &group);
    if (err == 0)
        found(m, &group);
    return err;
}

/* ---- the checkpoint ---- */

static void put_founder(struct byte_list *list, const struct metadata_founder *founder)
{
    byte_list_put_u32(list, founder->node_id);
    byte_list_put_u64(list, founder->incarnation);
    byte_list_put_text(list, founder->site);
    byte_list_put_u8(list, founder->is_voter);
}

void metadata_put_foundings(struct byte_list *list, const struct metadata *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < m->group_count; i++)
        count += m->foundings[i].founder_count > 0;
    byte_list_put_u16(list, (uint16_t)count);
    for (unsigned i = 0; i < m->group_count; i++) {
        const struct metadata_founding *founding = &m->foundings[i];
        if (founding->founder_count == 0)
            continue;
        byte_list_put_u32(list, i);
        byte_list_put_u16(list, (uint16_t)founding->founder_count);
        for (unsigned k = 0; k < founding->founder_count; k++)
            put_founder(list, &founding->founders[k]);
    }
}

static int read_founder(struct bytes_reader *r, struct metadata_founder *founder)
{
    founder->node_id = bytes_read_le32(r);
    founder->incarnation = bytes_read_le64(r);
    struct bytes site = byte_list_read_text(r);
    founder->is_voter = bytes_read_u8(r) != 0;
    if (r->is_bad || founder->node_id == 0 || founder->incarnation == 0 || site.size == 0 ||
        site.size >= sizeof founder->site || memchr(site.data, '\0', site.size) != NULL)
        return ERR_MALFORMED;
    memcpy(founder->site, site.data, site.size);
    return 0;
}

int metadata_read_foundings(struct metadata *m, struct bytes_reader *r)
{
    unsigned count = bytes_read_le16(r);
    for (unsigned i = 0; i < count && !r->is_bad; i++) {
        uint32_t group_id = bytes_read_le32(r);
        unsigned founder_count = bytes_read_le16(r);
        if (r->is_bad || group_id == 0 || group_id >= m->group_count || founder_count == 0 ||
            founder_count > METADATA_VOTERS_MAX || m->foundings[group_id].founder_count != 0)
            return ERR_MALFORMED;
        m->foundings[group_id].founder_count = founder_count;
        for (unsigned k = 0; k < founder_count; k++)
            if (read_founder(r, &m->foundings[group_id].founders[k]) != 0)
                return ERR_MALFORMED;
    }
    return r->is_bad ? ERR_MALFORMED : 0;
}

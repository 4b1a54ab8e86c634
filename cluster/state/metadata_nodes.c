/* Nodes, and where raft groups are to vote: changes of both.
 *
 * Planning is not apply's: a plan is made by whoever leads group 0, and apply looks only whether it
 * may stand — it is of the newest state, its nodes are there, the site rule holds at rest. So the
 * planner may change from release to release, and replicas of two releases stay the same. */
#include <string.h>

#include "cluster/placement.h"
#include "state/metadata_image.h"

#define ROWS_MAX 2 /* of one NODE_STATE */

static bool is_all_read(const struct bytes_reader *r)
{
    return !r->is_bad && bytes_reader_left(r) == 0;
}

bool metadata_node_is_sound(const struct metadata_node *node)
{
    bool was_heard = node->incarnation != 0;
    return node->site[0] != '\0' && (!was_heard || node->host[0] != '\0') &&
           (was_heard || node->state == METADATA_NODE_JOINING || node->state == METADATA_NODE_GONE);
}

static struct metadata_node *find(struct metadata *m, uint32_t node_id)
{
    for (unsigned i = 0; i < m->node_count; i++)
        if (m->nodes[i].node_id == node_id)
            return &m->nodes[i];
    return NULL;
}

static bool has_room(const struct metadata *m, uint32_t node_id)
{
    unsigned live = 0;
    for (unsigned i = 0; i < m->node_count; i++)
        live += m->nodes[i].state != METADATA_NODE_GONE && m->nodes[i].node_id != node_id;
    return live < METADATA_LIVE_NODES_MAX &&
           (m->node_count < METADATA_NODES_MAX || metadata_node_by_id(m, node_id) != NULL);
}

/* ---- what a node says of itself ---- */

/* A founder is taken as it comes; who joins later was added before. */
int metadata_apply_node(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_node node;
    int err = metadata_read_node(r, &node);
    if (err != 0 || !is_all_read(r) || node.incarnation == 0)
        return ERR_MALFORMED;
    const struct metadata_node *known = find(m, node.node_id);
    node.state = METADATA_NODE_ACTIVE;
    node.successor_id = 0;
    if (!metadata_node_is_sound(&node))
        return ERR_MALFORMED;
    if (known == NULL && !has_room(m, node.node_id))
        return ERR_INVALID;
    if (known != NULL &&
        (known->state == METADATA_NODE_GONE || strcmp(known->site, node.site) != 0))
        return ERR_INVALID;
    if (known != NULL && known->state != METADATA_NODE_JOINING) {
        node.state = known->state;
        node.successor_id = known->successor_id;
    }
    metadata_image_set_node(m, &node);
    return 0;
}

/* ---- states ---- */

static bool is_in_a_group(const struct metadata *m, uint32_t node_id)
{
    for (unsigned i = 0; i < m->group_count; i++)
        for (unsigned k = 0; k < m->groups[i].node_count; k++)
            if (m->groups[i].node_ids[k] == node_id)
                return true;
    return false;
}

/* Nodes that stay, or will. */
static bool stays(const struct metadata_node *node)
{
    return node->state != METADATA_NODE_LEAVING && node->state != METADATA_NODE_GONE;
}

static unsigned site_count(const struct metadata *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < m->node_count; i++) {
        bool is_new = stays(&m->nodes[i]);
        for (unsigned k = 0; k < i; k++)
            is_new &= !stays(&m->nodes[k]) || strcmp(m->nodes[i].site, m->nodes[k].site) != 0;
        count += is_new;
    }
    return count;
}

static int set_joining(struct metadata *m, const struct metadata_node *row)
{
    const struct metadata_node *known = find(m, row->node_id);
    struct metadata_node node = {
        .node_id = row->node_id, .state = METADATA_NODE_JOINING, .peer_port = row->peer_port};
    if (known != NULL && known->state != METADATA_NODE_GONE)
        return ERR_EXISTS;
    if (row->site[0] == '\0' || row->node_id >= METADATA_NODES_MAX || !has_room(m, row->node_id))
        return ERR_INVALID;
    memcpy(node.site, row->site, sizeof node.site);
    memcpy(node.peer_host, row->peer_host, sizeof node.peer_host);
    metadata_image_set_node(m, &node);
    return 0;
}

/* A replacement whose new node never came: the old one stays. */
static void call_off(struct metadata *m, uint32_t successor_id)
{
    for (unsigned i = 0; i < m->node_count; i++)
        if (m->nodes[i].state == METADATA_NODE_LEAVING &&
            m->nodes[i].successor_id == successor_id) {
            m->nodes[i].state = METADATA_NODE_ACTIVE;
            m->nodes[i].successor_id = 0;
        }
}

/* Two of three sites could not stand the loss of one; nobody can take the last node's place. */
static int set_leaving(struct metadata *m, struct metadata_node *known, uint32_t successor_id)
{
    struct metadata_node before = *known;
    unsigned sites = site_count(m);
    if (known->state == METADATA_NODE_GONE || known->state == METADATA_NODE_LEAVING)
        return ERR_EXISTS;
    if (known->state == METADATA_NODE_JOINING) {
        known->state = METADATA_NODE_GONE; /* it carries nothing */
        call_off(m, known->node_id);
        return 0;
    }
    known->state = METADATA_NODE_LEAVING;
    known->successor_id = successor_id;
    unsigned left = site_count(m);
    if (left == sites || left >= 3)
        return 0;
    *known = before;
    return ERR_CANT_CHANGE;
}

static int set_state(struct metadata *m, const struct metadata_node *row)
{
    struct metadata_node *known = find(m, row->node_id);
    if (row->state == METADATA_NODE_JOINING)
        return set_joining(m, row);
    if (known == NULL)
        return ERR_NOT_FOUND;
    if (row->state == METADATA_NODE_LEAVING)
        return set_leaving(m, known, row->successor_id);
    bool may_be_active = known->state == METADATA_NODE_DEAD ||
                         known->state == METADATA_NODE_LEAVING;
    if ((row->state == METADATA_NODE_ACTIVE && !may_be_active) ||
        (row->state == METADATA_NODE_DEAD && known->state != METADATA_NODE_ACTIVE) ||
        (row->state == METADATA_NODE_GONE && known->state != METADATA_NODE_LEAVING))
        return ERR_INVALID;
    if (row->state == METADATA_NODE_GONE && is_in_a_group(m, row->node_id))
        return ERR_CANT_CHANGE;
    known->state = row->state;
    known->successor_id = 0;
    return 0;
}

int metadata_apply_node_state(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_node rows[ROWS_MAX];
    unsigned count = bytes_read_le16(r);
    if (r->is_bad || count == 0 || count > ROWS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < count; i++)
        if (metadata_read_node(r, &rows[i]) != 0)
            return ERR_MALFORMED;
    if (!is_all_read(r))
        return ERR_MALFORMED;
    static _Thread_local struct metadata_node before[METADATA_NODES_MAX];
    unsigned before_count = m->node_count;
    memcpy(before, m->nodes, sizeof before);
    for (unsigned i = 0; i < count; i++) {
        int err = set_state(m, &rows[i]);
        if (err == 0)
            continue;
        memcpy(m->nodes, before, sizeof before);
        m->node_count = before_count;
        return err;
    }
    return 0;
}

/* ---- places ---- */

static bool is_each_once(const struct metadata_group *g)
{
    for (unsigned i = 0; i < g->node_count; i++)
        for (unsigned k = 0; k < i; k++)
            if (g->node_ids[i] == g->node_ids[k])
                return false;
    return true;
}

/* Nodes that are there. Who stays in its place may be in any state but GONE. */
static bool are_nodes_there(const struct metadata *m, const struct metadata_group *g,
                            const struct metadata_group *known)
{
    for (unsigned i = 0; i < g->node_count; i++) {
        const struct metadata_node *node = metadata_node_by_id(m, g->node_ids[i]);
        bool was_there = known != NULL && metadata_group_has(known, g->node_ids[i]);
        if (node == NULL || node->state == METADATA_NODE_GONE ||
            (node->state != METADATA_NODE_ACTIVE && !was_there))
            return false;
    }
    return true;
}

bool metadata_has_move(const struct metadata *m, uint32_t group_id)
{
    for (unsigned i = 0; i < metadata_move_count(m); i++) {
        const struct metadata_move *move = metadata_move_at(m, i);
        if (move->from.group_id == group_id || move->to.group_id == group_id)
            return true;
    }
    return false;
}

/* The site rule: of a synchronous group its voters' sites, of an asynchronous one that they are in
 * one. */
static int check_sites(const struct metadata *m, const struct metadata_group *g,
                       const struct metadata_group *known)
{
    static _Thread_local struct placement now;
    placement_of(m, &now);
    bool is_sound = placement_is_sound(&now, g);
    if (g->mode == METADATA_ASYNC || known == NULL)
        return is_sound ? 0 : ERR_CANT_CHANGE;
    unsigned sites = placement_site_count(&now, g), known_sites = placement_site_count(&now, known);
    if (sites < known_sites && sites < 3)
        return ERR_CANT_CHANGE;
    /* A group that was founded against the rule may stay so, or become better. */
    return is_sound || !placement_is_sound(&now, known) ? 0 : ERR_CANT_CHANGE;
}

int metadata_check_place(const struct metadata *m, const struct metadata_group *g,
                         const struct metadata_group *known)
{
    unsigned voter_count = g->node_count - g->learner_count;
    bool is_known_large = known != NULL && voter_count <= known->node_count - known->learner_count;
    if (!is_each_once(g) || !metadata_group_votes(g, g->preferred_node_id) ||
        !are_nodes_there(m, g, known) || (voter_count > PLACEMENT_VOTERS_MAX && !is_known_large))
        return ERR_INVALID;
    return check_sites(m, g, known);
}

/* A row of a placement says where; what the group is for stays as it is. */
static int check_row(const struct metadata *m, struct metadata_group *g)
{
    const struct metadata_group *known = metadata_group_by_id(m, g->group_id);
    if (known == NULL)
        return ERR_NOT_FOUND;
    if (g->mode != known->mode)
        return ERR_INVALID;
    memcpy(g->home_site, known->home_site, sizeof g->home_site);
    if (!metadata_groups_match(g, known) && metadata_has_move(m, g->group_id))
        return ERR_CANT_CHANGE;
    return metadata_check_place(m, g, known);
}

int metadata_apply_placement(struct metadata *m, bool has_mode, struct bytes_reader *r)
{
    static _Thread_local struct metadata_group groups[METADATA_GROUPS_MAX];
    uint64_t version = bytes_read_le64(r);
    unsigned count = bytes_read_le16(r);
    if (r->is_bad || count == 0 || count > METADATA_GROUPS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < count; i++)
        if (metadata_read_group(r, has_mode, &groups[i]) != 0)
            return ERR_MALFORMED;
    if (!is_all_read(r))
        return ERR_MALFORMED;
    if (version != m->placement_version)
        return ERR_CANT_CHANGE;
    for (unsigned i = 0; i < count; i++) {
        int err = check_row(m, &groups[i]);
        if (err != 0)
            return err;
    }
    for (unsigned i = 0; i < count; i++) {
        struct metadata_group *known = metadata_image_group(m, groups[i].group_id);
        known->preferred_node_id = groups[i].preferred_node_id;
        known->node_count = groups[i].node_count;
        known->learner_count = groups[i].learner_count;
        memcpy(known->node_ids, groups[i].node_ids, sizeof known->node_ids);
    }
    return 0;
}

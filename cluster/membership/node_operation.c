/* The list of nodes, from this node's copy of group 0 and what leaders tell; operations, as changes
 * of nodes' states.
 *
 * What an operation would move is planned here for the operator to see, and to refuse what can't
 * be. Group 0's leader plans again, from what then is: the two may differ when others act at the
 * same time, and apply refuses what would break a rule. */
#include "membership/node_operation.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/placement.h"
#include "membership/level.h"
#include "membership/node_drive.h"

static void count_group(struct broker *b, const struct metadata_group *group,
                        struct node_list *list)
{
    uint32_t leader = broker_group_leader(b, group->group_id, NULL);
    uint64_t voters, learners;
    level_members(b, group->group_id, &voters, &learners);
    for (unsigned i = 0; i < list->count; i++) {
        struct node_view *v = &list->nodes[i];
        uint32_t id = v->node.node_id;
        v->wanted_count += metadata_group_votes(group, id);
        v->voter_count += level_mask_has(voters, id);
        v->learner_count += level_mask_has(learners, id);
        v->level_count += level_is_in_sync(b, group->group_id, id);
        v->leader_count += leader == id;
        v->preferred_count += group->preferred_node_id == id;
    }
    list->moving_count += node_drive_is_moving(b, group);
}

void node_operation_list(struct broker *b, struct node_list *list)
{
    memset(list, 0, sizeof *list);
    metadata_read_lock(b->metadata);
    list->count = metadata_node_count(b->metadata);
    for (unsigned i = 0; i < list->count; i++) {
        struct node_view *v = &list->nodes[i];
        v->node = *metadata_node_at(b->metadata, i);
        v->is_alive = v->node.node_id == (uint32_t)b->conf.node_id ||
                      repl_node_is_alive(b->node, v->node.node_id);
    }
    list->group_count = metadata_group_count(b->metadata);
    for (unsigned i = 0; i < list->group_count; i++)
        count_group(b, metadata_group_at(b->metadata, i), list);
    metadata_read_unlock(b->metadata);
}

/* ---- checks ---- */

static bool is_site_name(const char *site)
{
    size_t size = strlen(site);
    bool is_sound = size > 0 && size < sizeof((struct metadata_node *)0)->site;
    for (size_t i = 0; i < size; i++)
        is_sound &= isgraph((unsigned char)site[i]) != 0;
    return is_sound;
}

static unsigned live_count(const struct metadata *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < metadata_node_count(m); i++)
        count += metadata_node_at(m, i)->state != METADATA_NODE_GONE;
    return count;
}

static bool is_site_known(const struct metadata *m, const char *site, unsigned *site_count)
{
    bool is_known = false;
    *site_count = 0;
    for (unsigned i = 0; i < metadata_node_count(m); i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        bool is_first = node->state != METADATA_NODE_GONE;
        for (unsigned k = 0; k < i; k++)
            is_first &= strcmp(metadata_node_at(m, k)->site, node->site) != 0 ||
                        metadata_node_at(m, k)->state == METADATA_NODE_GONE;
        *site_count += is_first;
        is_known |= node->state != METADATA_NODE_GONE && strcmp(node->site, site) == 0;
    }
    return is_known;
}

static int check_new(const struct metadata *m, uint32_t node_id, const char *site,
                     struct err_note *note)
{
    const struct metadata_node *known = metadata_node_by_id(m, node_id);
    unsigned site_count;
    if (node_id == 0 || node_id >= METADATA_NODES_MAX)
        return err_set(note, ERR_INVALID, "node ids are 1 to %u", METADATA_NODES_MAX - 1);
    if (known != NULL && known->state != METADATA_NODE_GONE)
        return err_set(note, ERR_EXISTS, "node %u is in the cluster, in site %s", node_id,
                       known->site);
    if (!is_site_name(site))
        return err_set(note, ERR_INVALID, "a site's name has 1 to 31 visible characters");
    if (!is_site_known(m, site, &site_count) && site_count >= CONF_SITES_MAX)
        return err_set(note, ERR_INVALID, "%s would be one site more than %d", site,
                       CONF_SITES_MAX);
    if (live_count(m) >= METADATA_LIVE_NODES_MAX)
        return err_set(note, ERR_INVALID, "a cluster has at most %u nodes",
                       METADATA_LIVE_NODES_MAX);
    return 0;
}

static int check_old(const struct metadata *m, uint32_t node_id, struct err_note *note)
{
    const struct metadata_node *known = metadata_node_by_id(m, node_id);
    if (known == NULL)
        return err_set(note, ERR_NOT_FOUND, "node %u is not in the cluster", node_id);
    if (known->state == METADATA_NODE_GONE)
        return err_set(note, ERR_NOT_FOUND, "node %u was removed before", node_id);
    if (known->state == METADATA_NODE_LEAVING)
        return err_set(note, ERR_EXISTS, "node %u is being removed", node_id);
    return 0;
}

/* ---- plan ---- */

static struct placement_node *find(struct placement *p, uint32_t node_id)
{
    for (unsigned i = 0; i < p->node_count; i++)
        if (p->nodes[i].node_id == node_id)
            return &p->nodes[i];
    return NULL;
}

static void add(struct placement *p, uint32_t node_id, const char *site)
{
    struct placement_node *node = &p->nodes[p->node_count++];
    *node = (struct placement_node){.node_id = node_id, .may_carry = true};
    bytes_copy_text(node->site, sizeof node->site, site);
}

static void take_out(struct placement *p, uint32_t node_id, uint32_t successor_id)
{
    struct placement_node *node = find(p, node_id);
    node->may_carry = false;
    node->must_go = node->is_leaving = true;
    node->successor_id = successor_id;
}

/* The new node takes the old one's site. */
static const char *new_site(const struct metadata *m, const struct node_operation *o)
{
    const struct metadata_node *old = metadata_node_by_id(m, o->node_id);
    return o->kind == NODE_REPLACE && old != NULL ? old->site : o->site;
}

static int check(const struct metadata *m, const struct node_operation *o, struct err_note *note)
{
    int err = 0;
    if (metadata_group_count(m) == 0)
        return err_set(note, ERR_CANT_CHANGE, "this node does not know the cluster yet");
    if (o->kind != NODE_ADD)
        err = check_old(m, o->node_id, note);
    if (err == 0 && o->kind != NODE_REMOVE)
        err = check_new(m, o->kind == NODE_ADD ? o->node_id : o->new_node_id, new_site(m, o), note);
    return err;
}

static void count_leaders(const struct placement *now, const struct placement *then,
                          struct node_plan *plan)
{
    for (unsigned i = 0; i < now->group_count; i++)
        plan->leader_count += now->groups[i].preferred_node_id != then->groups[i].preferred_node_id;
}

static int plan_with(const struct metadata *m, const struct node_operation *o,
                     struct placement pair[2], struct node_plan *plan, struct err_note *note)
{
    struct placement *now = &pair[0], *then = &pair[1];
    placement_of(m, now);
    *then = *now;
    if (o->kind != NODE_REMOVE)
        add(then, o->kind == NODE_ADD ? o->node_id : o->new_node_id, new_site(m, o));
    if (o->kind != NODE_ADD)
        take_out(then, o->node_id, o->kind == NODE_REPLACE ? o->new_node_id : 0);
    int err = placement_plan(then, note);
    if (err != 0)
        return err;
    plan->move_count = placement_moves(now, then, plan->moves);
    count_leaders(now, then, plan);
    return 0;
}

int node_operation_plan(struct broker *b, const struct node_operation *operation,
                        struct node_plan *plan, struct err_note *note)
{
    struct placement *pair = calloc(2, sizeof *pair);
    memset(plan, 0, sizeof *plan);
    if (pair == NULL)
        return UV_ENOMEM;
    metadata_read_lock(b->metadata);
    int err = check(b->metadata, operation, note);
    if (err == 0)
        err = plan_with(b->metadata, operation, pair, plan, note);
    metadata_read_unlock(b->metadata);
    free(pair);
    return err;
}

/* ---- start ---- */

static void on_change(struct controller_change *change, int status)
{
    struct node_operation_request *req = change->data;
    int err = status != 0 ? status : change->result.error;
    if (err != 0)
        err_set(&req->note, err, "%s", err_text(err));
    if (err == ERR_CANT_CHANGE)
        err_set(&req->note, err, "it would leave a site without a node, or too few sites");
    req->cb(req, err);
}

static void fill_new(struct broker *b, const struct node_operation *o, struct metadata_node *row)
{
    row->node_id = o->kind == NODE_ADD ? o->node_id : o->new_node_id;
    row->state = METADATA_NODE_JOINING;
    metadata_read_lock(b->metadata);
    bytes_copy_text(row->site, sizeof row->site, new_site(b->metadata, o));
    metadata_read_unlock(b->metadata);
    bytes_copy_text(row->peer_host, sizeof row->peer_host, o->peer_host);
    row->peer_port = o->peer_host[0] == '\0' ? 0 : o->peer_port;
}

static int encode(struct broker *b, struct node_operation_request *req)
{
    const struct node_operation *o = &req->operation;
    struct metadata_node rows[2] = {0};
    struct metadata_change change = {.kind = METADATA_NODE_STATE, .nodes = rows};
    if (o->kind != NODE_REMOVE)
        fill_new(b, o, &rows[change.node_count++]);
    if (o->kind != NODE_ADD) {
        struct metadata_node *row = &rows[change.node_count++];
        row->node_id = o->node_id;
        row->state = METADATA_NODE_LEAVING;
        row->successor_id = o->kind == NODE_REPLACE ? o->new_node_id : 0;
    }
    return metadata_change_encode(&change, &req->change.body, &req->change.body_size);
}

int node_operation_start(struct broker *b, struct node_operation_request *req, node_operation_cb cb)
{
    struct node_plan *plan = malloc(sizeof *plan);
    if (plan == NULL)
        return UV_ENOMEM;
    int err = node_operation_plan(b, &req->operation, plan, &req->note);
    free(plan);
    if (err != 0)
        return err;
    req->cb = cb;
    req->change = (struct controller_change){
        .data = req, .home = req->home, .timeout_ms = req->timeout_ms};
    err = encode(b, req);
    if (err == 0)
        controller_propose(b->controller, &req->change, on_change);
    return err;
}

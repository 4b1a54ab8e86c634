/* The nodes of the cluster: GET /v1/nodes. Changing them: resource_node_change.c.
 *
 * Progress of a change is read here too: how many groups a node votes in, and in how many it is to.
 * It follows from group 0 and what leaders tell, so any node can say, and nothing is lost with
 * the one that was asked to begin. */
#include <stdlib.h>
#include <string.h>

#include "admin/route.h"
#include "admin/survey.h"
#include "cluster/placement.h"
#include "membership/node_operation.h"

static const char *state_text(enum metadata_node_state state)
{
    switch (state) {
    case METADATA_NODE_ACTIVE:
        return "active";
    case METADATA_NODE_JOINING:
        return "joining";
    case METADATA_NODE_LEAVING:
        return "leaving";
    case METADATA_NODE_DEAD:
        return "dead";
    case METADATA_NODE_GONE:
        return "gone";
    }
    return "unknown";
}

static json_t *address_json(const char *host, uint16_t port)
{
    if (host[0] == '\0' || port == 0)
        return json_null();
    return json_sprintf(strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

/* As the node asked hears it; null where it has not heard. */
static json_t *disk_json(struct broker *b, uint32_t node_id)
{
    struct repl_disk_report report;
    if (!repl_node_disk(b->node, node_id, &report))
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:I}", "state", repl_disk_state_name(report.state),
                     "free_bytes", (json_int_t)report.free_bytes, "total_bytes",
                     (json_int_t)report.total_bytes, "sync_p99_us", (json_int_t)report.sync_p99_us);
}

static json_t *node_json(struct broker *b, const struct node_view *v)
{
    const struct metadata_node *node = &v->node;
    return json_pack(
        "{s:i, s:s, s:s, s:b, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "node_id",
        (int)node->node_id, "site", node->site, "state", state_text(node->state), "is_alive",
        v->is_alive ? 1 : 0, "client_address", address_json(node->host, node->port), "peer_address",
        address_json(node->peer_host, node->peer_port), "successor_node_id",
        node->successor_id == 0 ? json_null() : json_integer((json_int_t)node->successor_id),
        "groups_voting", (int)v->voter_count, "groups_level", (int)v->level_count,
        "groups_learning", (int)v->learner_count, "groups_wanted", (int)v->wanted_count,
        "groups_led", (int)v->leader_count, "groups_to_lead", (int)v->preferred_count, "disk",
        disk_json(b, node->node_id));
}

/* Groups that are to get other voters or another preferred leader, one after the other: between two
 * of them nothing moves, and yet it is not over. The plan is pure, so any node has the same. */
static int count_planned(struct broker *b, unsigned *count)
{
    struct placement *plans = calloc(2, sizeof *plans), *now = plans, *then = plans + 1;
    *count = 0;
    if (plans == NULL)
        return UV_ENOMEM;
    metadata_read_lock(b->metadata);
    placement_of(b->metadata, now);
    metadata_read_unlock(b->metadata);
    *then = *now;
    int err = placement_plan(then, NULL);
    for (unsigned i = 0; err == 0 && i < now->group_count; i++)
        *count += !metadata_groups_vote_alike(&now->groups[i], &then->groups[i]) ||
                  now->groups[i].preferred_node_id != then->groups[i].preferred_node_id;
    free(plans);
    return err;
}

void resource_nodes(struct admin_call *call)
{
    struct node_list list;
    unsigned planned_count;
    json_t *nodes = json_array();
    int err = count_planned(call->broker, &planned_count);
    node_operation_list(call->broker, &list);
    for (unsigned i = 0; i < list.count; i++)
        json_array_append_new(nodes, node_json(call->broker, &list.nodes[i]));
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:i, s:i, s:o, s:o}", "groups", (int)list.group_count,
                               "groups_moving", (int)list.moving_count, "groups_to_move",
                               err == 0 ? json_integer(planned_count) : json_null(), "nodes",
                               nodes));
}

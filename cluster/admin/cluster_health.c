/* Whole is: every node that is to be there is heard and has a disk that does well, every raft group
 * has a leader and its voters where they are to be, all level. Then synchronous topics can lose any
 * one site. What a rolling restart waits for between two nodes. */
#include "admin/cluster_health.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker.h"
#include "membership/node_operation.h"
#include "membership/rebuild.h"

static void add(json_t *reasons, const char *code, const char *subject, json_int_t id,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* `subject` is the name of the field with the id. */
static void add(json_t *reasons, const char *code, const char *subject, json_int_t id,
                const char *format, ...)
{
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    json_array_append_new(
        reasons, json_pack("{s:s, s:s, s:I}", "code", code, "message", message, subject, id));
}

static void judge_disk(struct broker *b, json_t *reasons, uint32_t node_id)
{
    struct repl_disk_report report = {0};
    if (!repl_node_disk(b->node, node_id, &report) || report.state == REPL_DISK_OK)
        return;
    add(reasons, "disk", "node_id", node_id, "the disk of node %u is %s", (unsigned)node_id,
        repl_disk_state_name(report.state));
}

static void judge_node(struct broker *b, json_t *reasons, const struct node_view *v)
{
    uint32_t id = v->node.node_id;
    if (v->node.state == METADATA_NODE_GONE)
        return;
    if (!v->is_alive) {
        add(reasons, "node_silent", "node_id", id, "node %u (site %s) is not heard", (unsigned)id,
            v->node.site);
        return;
    }
    if (v->node.state != METADATA_NODE_ACTIVE)
        add(reasons, "node_moves", "node_id", id, "node %u is coming or going: see `node list`",
            (unsigned)id);
    else if (v->voter_count < v->wanted_count || v->level_count < v->voter_count)
        add(reasons, "not_level", "node_id", id,
            "node %u votes in %u of %u raft groups and is level in %u", (unsigned)id,
            v->voter_count, v->wanted_count, v->level_count);
    judge_disk(b, reasons, id);
}

static void judge_groups(struct broker *b, json_t *reasons, const struct node_list *list)
{
    struct rebuild_status status;
    for (uint32_t i = 0; i < b->group_count; i++)
        if (broker_group_leader(b, i, NULL) == 0)
            add(reasons, "no_leader", "group_id", i, "raft group %u has no leader", (unsigned)i);
    if (list->moving_count > 0)
        add(reasons, "groups_move", "groups", (json_int_t)list->moving_count,
            "%u raft groups do not vote yet where they are to", list->moving_count);
    rebuild_status(b->rebuild, &status);
    for (unsigned i = 0; i < status.loss_count; i++)
        add(reasons, "majority_lost", "group_id", (json_int_t)status.losses[i].group_id,
            "raft group %u has lost its majority: see `cluster status`",
            (unsigned)status.losses[i].group_id);
}

json_t *cluster_health(struct broker *b)
{
    struct node_list list;
    json_t *reasons = json_array();
    node_operation_list(b, &list);
    for (unsigned i = 0; i < list.count; i++)
        judge_node(b, reasons, &list.nodes[i]);
    judge_groups(b, reasons, &list);
    int is_healthy = json_array_size(reasons) == 0;
    return json_pack("{s:b, s:i, s:o}", "healthy", is_healthy, "node_id", (int)b->conf.node_id,
                     "reasons", reasons);
}

/* GET /v1/cluster: which cluster this is, and whether it is whole. */
#include <stdio.h>

#include "admin/route.h"
#include "admin/survey.h"
#include "membership/node_operation.h"
#include "membership/rebuild.h"

/* Over all groups, as this node hears them. */
static void count_groups(struct broker *b, unsigned *led, unsigned *total)
{
    *led = 0;
    *total = b->group_count;
    for (uint32_t i = 0; i < b->group_count; i++)
        *led += broker_group_leader(b, i, NULL) != 0;
}

static json_t *sites_of(const struct node_list *list)
{
    json_t *sites = json_object();
    for (unsigned i = 0; i < list->count; i++) {
        const char *site = list->nodes[i].node.site;
        json_t *counts = json_object_get(sites, site);
        if (counts == NULL) {
            counts = json_pack("{s:i, s:i}", "nodes", 0, "alive", 0);
            json_object_set_new(sites, site, counts);
        }
        json_int_t nodes = json_integer_value(json_object_get(counts, "nodes"));
        json_int_t alive = json_integer_value(json_object_get(counts, "alive"));
        json_object_set_new(counts, "nodes", json_integer(nodes + 1));
        json_object_set_new(counts, "alive", json_integer(alive + list->nodes[i].is_alive));
    }
    return sites;
}

static json_t *node_ids_of(uint64_t mask)
{
    json_t *ids = json_array();
    for (int i = 0; i < 64; i++)
        if ((mask >> i & 1) != 0)
            json_array_append_new(ids, json_integer(i));
    return ids;
}

/* Groups whose majority can't come back by itself. */
static json_t *losses_of(struct broker *b)
{
    struct rebuild_status status;
    json_t *losses = json_array();
    rebuild_status(b->rebuild, &status);
    for (unsigned i = 0; i < status.loss_count; i++) {
        const struct rebuild_loss *loss = &status.losses[i];
        json_array_append_new(
            losses, json_pack("{s:i, s:i, s:o, s:o, s:o}", "group_id", (int)loss->group_id,
                              "voters", (int)loss->voter_count, "emptied_node_ids",
                              node_ids_of(loss->lost), "silent_node_ids", node_ids_of(loss->silent),
                              "holding_node_ids", node_ids_of(loss->here)));
    }
    return losses;
}

void resource_cluster(struct admin_call *call)
{
    struct broker *b = call->broker;
    struct node_list list;
    unsigned led_count, group_count, topic_count;
    uint64_t version, epoch;
    char id[33];
    node_operation_list(b, &list);
    count_groups(b, &led_count, &group_count);
    metadata_read_lock(b->metadata);
    topic_count = metadata_topic_count(b->metadata);
    version = metadata_version(b->metadata);
    epoch = metadata_failover_epoch(b->metadata);
    metadata_read_unlock(b->metadata);
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)b->cluster_id[0],
             (unsigned long long)b->cluster_id[1]);
    uint32_t controller = broker_group_leader(b, 0, NULL);
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:s, s:s, s:i, s:s, s:o, s:i, s:i, s:i, s:i, s:I, s:I, s:o, s:o}",
                               "cluster_name", b->conf.cluster_name, "cluster_id", id, "node_id",
                               (int)b->conf.node_id, "site", b->conf.site, "controller_node_id",
                               controller == 0 ? json_null() : json_integer((json_int_t)controller),
                               "groups", (int)group_count, "groups_led", (int)led_count,
                               "groups_moving", (int)list.moving_count, "topics", (int)topic_count,
                               "metadata_version", (json_int_t)version, "failover_epoch",
                               (json_int_t)epoch, "sites", sites_of(&list), "groups_lost",
                               losses_of(b)));
}

/* GET /v1/topics: all topics, from this node's copy of group 0. GET /v1/topics/describe?topic=T:
 * one of them, its partitions with leaders, replicas and offsets, and its configs.
 *
 * Offsets come from the partitions' leaders, by a read index; where one does not answer they are
 * null, and the rest is told all the same. */
#include <stdlib.h>
#include <string.h>

#include "admin/offset_lookup.h"
#include "admin/route.h"
#include "admin/survey.h"
#include "membership/level.h"
#include "site/try.h"
#include "topic_config.h"

/* ---- the list ---- */

static json_t *overrides_of(const struct metadata_topic *t)
{
    json_t *configs = json_object();
    for (unsigned i = 0; i < t->config_count; i++)
        json_object_set_new(configs, t->configs[i].name, json_string(t->configs[i].value));
    return configs;
}

static void add_topic(void *data, const struct metadata_topic *t)
{
    if (site_is_canarys(t->name, strlen(t->name)))
        return;
    json_array_append_new(
        data, json_pack("{s:s, s:i, s:i, s:b, s:o}", "topic", t->name, "partitions",
                        (int)t->partition_count, "replication_factor", (int)t->replication_factor,
                        "is_internal", t->is_internal ? 1 : 0, "configs", overrides_of(t)));
}

void resource_topics(struct admin_call *call)
{
    struct metadata *m = call->broker->metadata;
    json_t *topics = json_array();
    metadata_read_lock(m);
    metadata_each_topic(m, add_topic, topics);
    metadata_read_unlock(m);
    call_answer_json(call, MHD_HTTP_OK, json_pack("{s:o}", "topics", topics));
}

/* ---- one topic ---- */

struct topic_view {
    struct admin_call *call;
    json_t *json;       /* the answer; owned */
    json_t *partitions; /* of it */
    char topic[METADATA_TOPIC_NAME_MAX + 1];
    struct offset_wish *first, *next; /* as many as partitions; owned */
    struct offset_lookup lookups[2];
    unsigned pending; /* lookups */
};

/* Where it votes, as its leader tells; while nobody has told, where it is to vote. */
static uint64_t voters_of(struct broker *b, uint32_t group_id, uint64_t *learners)
{
    uint64_t voters = 0;
    *learners = 0;
    level_members(b, group_id, &voters, learners);
    const struct metadata_group *group = metadata_group_by_id(b->metadata, group_id);
    for (unsigned i = 0; voters == 0 && group != NULL && i < group->node_count; i++)
        voters |= level_mask_of(group->node_ids[i]);
    return voters;
}

static json_t *ids_of(uint64_t mask)
{
    json_t *ids = json_array();
    for (uint32_t id = 0; id < 64; id++)
        if ((mask >> id & 1) != 0)
            json_array_append_new(ids, json_integer((json_int_t)id));
    return ids;
}

static json_t *partition_json(struct broker *b, int32_t index, const struct metadata_partition *p)
{
    uint64_t term = 0, learners, in_sync = 0;
    uint64_t voters = voters_of(b, p->group_id, &learners);
    uint32_t leader = broker_group_leader(b, p->group_id, &term);
    for (uint32_t id = 0; id < 64; id++)
        if (level_mask_has(voters, id) && level_is_in_sync(b, p->group_id, id))
            in_sync |= level_mask_of(id);
    return json_pack("{s:i, s:i, s:o, s:I, s:o, s:o, s:o, s:n, s:n}", "partition", (int)index,
                     "group_id", (int)p->group_id, "leader_node_id",
                     leader == 0 ? json_null() : json_integer((json_int_t)leader), "leader_epoch",
                     (json_int_t)p->epoch_base + (json_int_t)term, "replica_node_ids",
                     ids_of(voters), "learner_node_ids", ids_of(learners), "in_sync_node_ids",
                     ids_of(in_sync), "start_offset", "end_offset");
}

/* Of the topic, or what the node's own setting or this release gives it. */
static json_t *configs_of(const struct broker *b, const struct metadata_topic *t)
{
    json_t *configs = json_array();
    for (unsigned i = 0; i < topic_config_count(); i++) {
        const char *name = topic_config_at(i)->name, *override = metadata_topic_config(t, name);
        char inherited[64];
        topic_config_default(i, &b->conf, inherited, sizeof inherited);
        json_array_append_new(configs, json_pack("{s:s, s:s, s:s}", "name", name, "value",
                                                 override != NULL ? override : inherited, "source",
                                                 override != NULL                   ? "topic"
                                                 : topic_config_is_set(i, &b->conf) ? "node"
                                                                                    : "default"));
    }
    return configs;
}

static void free_view(struct topic_view *v)
{
    json_decref(v->json);
    free(v->first);
    free(v->next);
    free(v);
}

static void on_abandoned(struct admin_call *call)
{
    ask_cancel(call->admin, call->data);
    free_view(call->data);
}

static void put_offsets(struct topic_view *v, const struct offset_wish *wishes, size_t count,
                        const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (wishes[i].is_known)
            json_object_set_new(json_array_get(v->partitions, wishes[i].tag), name,
                                json_integer(wishes[i].offset));
}

static void on_offsets(struct offset_lookup *lookup)
{
    struct topic_view *v = lookup->data;
    struct admin_call *call = v->call;
    if (--v->pending > 0)
        return;
    put_offsets(v, v->first, v->lookups[0].count, "start_offset");
    put_offsets(v, v->next, v->lookups[1].count, "end_offset");
    call_answer_json(call, MHD_HTTP_OK, json_incref(v->json));
    free_view(v);
}

static void look_up(struct topic_view *v, unsigned which, struct offset_wish *wishes, size_t count,
                    int64_t timestamp_ms)
{
    struct offset_lookup *lookup = &v->lookups[which];
    lookup->data = v;
    lookup->admin = v->call->admin;
    lookup->broker = v->call->broker;
    lookup->owner = v;
    lookup->wishes = wishes;
    lookup->count = count;
    for (size_t i = 0; i < count; i++)
        wishes[i] = (struct offset_wish){
            .topic = v->topic, .partition = (int32_t)i, .timestamp_ms = timestamp_ms, .tag = i};
    offset_lookup_start(lookup, on_offsets);
}

/* False when there is no such topic. */
static bool fill(struct topic_view *v, const char *topic)
{
    struct broker *b = v->call->broker;
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = metadata_topic_by_name(b->metadata, topic, strlen(topic));
    if (t != NULL) {
        memcpy(v->topic, t->name, sizeof v->topic);
        v->partitions = json_array();
        for (int32_t i = 0; i < t->partition_count; i++)
            json_array_append_new(v->partitions, partition_json(b, i, &t->partitions[i]));
        v->json = json_pack("{s:s, s:i, s:i, s:b, s:o, s:o}", "topic", t->name, "partitions",
                            (int)t->partition_count, "replication_factor",
                            (int)t->replication_factor, "is_internal", t->is_internal ? 1 : 0,
                            "configs", configs_of(b, t), "partition_list", v->partitions);
    }
    metadata_read_unlock(b->metadata);
    return t != NULL;
}

void resource_topic_describe(struct admin_call *call)
{
    static const char *const allowed[] = {"topic"};
    const char *topic;
    if (!call_allows_query(call, allowed, 1) || !call_query_text(call, "topic", &topic))
        return;
    struct topic_view *v = calloc(1, sizeof *v);
    if (v == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    v->call = call;
    if (!fill(v, topic)) {
        call_refuse(call, MHD_HTTP_NOT_FOUND, "not_found", "there is no topic '%.249s'", topic);
        free_view(v);
        return;
    }
    size_t count = json_array_size(v->partitions);
    v->first = calloc(count, sizeof *v->first);
    v->next = calloc(count, sizeof *v->next);
    if (v->first == NULL || v->next == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        free_view(v);
        return;
    }
    call->data = v;
    call->on_abandoned = on_abandoned;
    v->pending = 2;
    look_up(v, 0, v->first, count, OFFSET_LOOKUP_EARLIEST);
    look_up(v, 1, v->next, count, OFFSET_LOOKUP_LATEST);
}

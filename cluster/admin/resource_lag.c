/* GET /v1/lag: how far replicas are behind, as the groups' leaders tell it, and what this node's
 * own replicas last heard of their leaders: that is what is left to know when a leader is gone. */
#include "admin/lag_topic.h"
#include "admin/route.h"
#include "admin/survey.h"
#include "membership/lag.h"

static const char *site_of(struct broker *b, uint32_t node_id, char site[32])
{
    metadata_read_lock(b->metadata);
    const struct metadata_node *node = metadata_node_by_id(b->metadata, node_id);
    snprintf(site, 32, "%s", node == NULL ? "" : node->site);
    metadata_read_unlock(b->metadata);
    return site;
}

static json_t *number_or_null(bool is_known, uint64_t number)
{
    return is_known ? json_integer((json_int_t)number) : json_null();
}

static json_t *replica_json(struct broker *b, const struct lag_view *v)
{
    static const char *const certainties[] = {"unknown", "measured", "at_most", "at_least"};
    bool is_known = v->certainty != LAG_UNKNOWN;
    char site[32];
    return json_pack(
        "{s:i, s:s, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "node_id", (int)v->node_id, "site",
        site_of(b, v->node_id, site), "is_voter", v->is_voter ? 1 : 0, "is_level",
        v->is_level ? 1 : 0, "certainty", certainties[v->certainty], "match_index",
        number_or_null(is_known, v->match_index), "lag_entries",
        number_or_null(is_known, v->entries), "lag_records", number_or_null(is_known, v->records),
        "lag_bytes", number_or_null(is_known, v->bytes), "lag_ms", number_or_null(is_known, v->ms));
}

static json_t *replicas_json(struct broker *b, const struct lag_group *lag)
{
    json_t *replicas = json_array();
    for (unsigned i = 0; i < lag->count; i++)
        json_array_append_new(replicas, replica_json(b, &lag->replicas[i]));
    return replicas;
}

/* What is known to be missing here of what the leader had applied when it last said so. */
static void add_lacking(json_t *json, const struct repl_group_status *s)
{
    const struct repl_heard *h = &s->heard;
    bool is_other;
    uint64_t entries = repl_heard_lacking(s, h, &is_other);
    uint64_t records = s->totals.records + s->tail.records, bytes = s->totals.bytes + s->tail.bytes;
    bool is_counted = !is_other && s->is_tail_counted && h->totals.records >= records &&
                      h->totals.bytes >= bytes;
    json_object_set_new(json, "lacking_entries", json_integer((json_int_t)entries));
    json_object_set_new(json, "lacking_records",
                        entries > 0 ? number_or_null(is_counted, h->totals.records - records)
                                    : json_integer(0));
    json_object_set_new(json, "lacking_bytes",
                        entries > 0 ? number_or_null(is_counted, h->totals.bytes - bytes)
                                    : json_integer(0));
}

static json_t *heard_json(struct broker *b, const struct repl_group_status *s)
{
    const struct repl_heard *h = &s->heard;
    if (s->role == REPL_LEADER || h->leader_raft_id == 0)
        return json_null();
    uint64_t ms = (clock_now_ns(&b->clock) - s->heard_ns) / 1000000;
    json_t *json = json_pack("{s:i, s:I, s:I, s:I, s:I, s:o, s:o}", "leader_node_id",
                             (int)repl_raft_id_node(h->leader_raft_id), "term", (json_int_t)h->term,
                             "heard_ms_ago", (json_int_t)ms, "position", (json_int_t)h->position,
                             "last_index", (json_int_t)s->last_index, "leader_clock_ms",
                             number_or_null(h->leader_wall_ms != 0, (uint64_t)h->leader_wall_ms),
                             "level_until_ms",
                             number_or_null(h->level_wall_ms != 0, (uint64_t)h->level_wall_ms));
    if (json != NULL)
        add_lacking(json, s);
    return json;
}

static void look_for_offsets(void *data, const struct metadata_topic *topic)
{
    bool *has_offsets = data;
    for (int32_t i = 0; topic->is_internal && i < topic->partition_count; i++)
        has_offsets[topic->partitions[i].group_id] = true;
}

static json_t *group_json(const struct survey *survey, uint32_t group_id, bool has_offsets)
{
    struct broker *b = survey->broker;
    const struct survey_group *view = survey_group(survey, group_id);
    struct lag_group lag;
    uint64_t term = 0;
    uint32_t leader = broker_group_leader(b, group_id, &term);
    bool is_told = lag_of_group(b, group_id, &lag);
    return json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "group_id", (int)group_id, "kind",
                     group_id == 0 ? "metadata"
                     : has_offsets ? "offsets"
                                   : "data",
                     "leader_node_id", number_or_null(leader != 0, leader), "told_by_node_id",
                     number_or_null(is_told, lag.leader_node_id), "told_ms_ago",
                     number_or_null(is_told, lag.told_ms), "replicas", replicas_json(b, &lag),
                     "heard", view == NULL ? json_null() : heard_json(b, &view->raft));
}

static void on_lag(struct admin_call *call, const struct survey *survey)
{
    struct broker *b = survey->broker;
    bool has_offsets[METADATA_GROUPS_MAX] = {false}; /* by group */
    json_t *groups = json_array();
    char site[32];
    metadata_read_lock(b->metadata);
    metadata_each_topic(b->metadata, look_for_offsets, has_offsets);
    metadata_read_unlock(b->metadata);
    for (uint32_t id = 0; id < survey->group_count; id++)
        json_array_append_new(groups, group_json(survey, id, has_offsets[id]));
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:i, s:s, s:o, s:o}", "node_id", (int)b->conf.node_id, "site",
                               site_of(b, (uint32_t)b->conf.node_id, site), "groups", groups,
                               "topics", lag_topics_json(survey)));
}

void resource_lag(struct admin_call *call)
{
    survey_start_with_shares(call, on_lag);
}

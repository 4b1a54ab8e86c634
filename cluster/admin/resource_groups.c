/* GET /v1/groups: the raft groups as this node sees them. Lag is known where a group is led. */
#include "admin/route.h"
#include "admin/survey.h"

static const char *role_text(const struct survey_group *view)
{
    if (view->raft.is_set_aside)
        return "set_aside";
    switch (view->raft.role) {
    case REPL_LEADER:
        return view->is_serving ? "leader" : "elected";
    case REPL_CANDIDATE:
        return "candidate";
    default:
        return "follower";
    }
}

static json_t *replicas_json(const struct repl_group_status *status)
{
    json_t *replicas = json_array();
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_replica_status *r = &status->replicas[i];
        json_array_append_new(
            replicas,
            json_pack("{s:i, s:s, s:b, s:b, s:I, s:I, s:I, s:I}", "node_id",
                      (int)repl_raft_id_node(r->member.raft_id), "site", r->member.site, "is_voter",
                      r->member.is_voter ? 1 : 0, "is_level", r->is_level ? 1 : 0, "match_index",
                      (json_int_t)r->match_index, "lag_entries", (json_int_t)r->lag_entries,
                      "lag_bytes", (json_int_t)r->lag_bytes, "lag_ms", (json_int_t)r->lag_ms));
    }
    return replicas;
}

static void add_own_replica(json_t *json, const struct survey_group *view)
{
    const struct repl_group_status *raft = &view->raft;
    json_t *own = json_pack(
        "{s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I}", "role", role_text(view), "generation",
        (int)raft->generation, "term", (json_int_t)raft->term, "last_index",
        (json_int_t)raft->last_index, "commit_index", (json_int_t)raft->commit_index,
        "applied_index", (json_int_t)raft->applied_index, "checkpoint_index",
        (json_int_t)raft->checkpoint_index, "partitions", (int)view->partition_count, "tail_bytes",
        (json_int_t)view->tail_bytes, "unflushed_bytes", (json_int_t)view->unflushed_bytes);
    json_object_set_new(json, "replica", own);
    if (raft->role == REPL_LEADER)
        json_object_set_new(json, "replicas", replicas_json(raft));
}

/* What group 0 wants; under the metadata's lock. */
static void add_placement(json_t *json, const struct metadata *m, uint32_t group_id)
{
    const struct metadata_group *group = metadata_group_by_id(m, group_id);
    if (group == NULL)
        return;
    json_t *voters = json_array(), *learners = json_array();
    for (unsigned i = 0; i < group->node_count; i++)
        json_array_append_new(metadata_group_votes(group, group->node_ids[i]) ? voters : learners,
                              json_integer((json_int_t)group->node_ids[i]));
    json_object_set_new(json, "replication",
                        json_string(group->mode == METADATA_ASYNC ? "async" : "sync"));
    json_object_set_new(json, "home_site",
                        group->home_site[0] == '\0' ? json_null() : json_string(group->home_site));
    json_object_set_new(json, "voter_node_ids", voters);
    json_object_set_new(json, "learner_node_ids", learners);
    json_object_set_new(json, "preferred_node_id",
                        json_integer((json_int_t)group->preferred_node_id));
    json_object_set_new(json, "partitions", json_integer((json_int_t)group->partition_count));
}

static void on_groups(struct admin_call *call, const struct survey *survey)
{
    struct broker *b = survey->broker;
    json_t *groups = json_array();
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        uint64_t term = 0;
        uint32_t leader = broker_group_leader(b, id, &term);
        json_t *json = json_pack("{s:i, s:o, s:I}", "group_id", (int)id, "leader_node_id",
                                 leader == 0 ? json_null() : json_integer((json_int_t)leader),
                                 "term", (json_int_t)term);
        metadata_read_lock(b->metadata);
        add_placement(json, b->metadata, id);
        metadata_read_unlock(b->metadata);
        if (view != NULL)
            add_own_replica(json, view);
        json_array_append_new(groups, json);
    }
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:i, s:o}", "node_id", (int)b->conf.node_id, "groups", groups));
}

void resource_groups(struct admin_call *call)
{
    survey_start(call, on_groups);
}

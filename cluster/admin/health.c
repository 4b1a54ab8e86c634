/* Is this node alive, and is it ready: what an orchestrator or a load balancer asks.
 *
 * Alive: the process and each of its shards' loops answer. A node that is not should be ended and
 * started again, so nothing that a restart can't help counts: no disk, no peer, no leader.
 * Ready: clients that are sent here are served as well as anywhere. Not ready is the normal state
 * of a node that starts, catches up or ends; what it then is told in words. Both answer who asks
 * without a token, for probes have none; they tell no more than that then. */
#include "admin/route.h"
#include "admin/survey.h"
#include "membership/level.h"

static void answer_health(struct admin_call *call, bool is_well, const char *name, json_t *reasons)
{
    json_t *json = json_pack("{s:b, s:o}", name, is_well ? 1 : 0, "reasons", reasons);
    call_answer_json(call, is_well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, json);
}

static void add_reason(json_t *reasons, const char *code, const char *message)
{
    json_array_append_new(reasons, json_pack("{s:s, s:s}", "code", code, "message", message));
}

static void add_group_reason(json_t *reasons, const char *code, uint32_t group_id,
                             const char *message)
{
    json_array_append_new(reasons, json_pack("{s:s, s:i, s:s}", "code", code, "group_id",
                                             (int)group_id, "message", message));
}

static void add_silent_shards(const struct admin_call *call, json_t *reasons)
{
    for (unsigned i = 0; i < call->broker->shard_count; i++)
        if (watch_silent_ms(call->admin, i) > WATCH_SILENT_MS)
            json_array_append_new(reasons, json_pack("{s:s, s:i, s:s}", "code", "silent_shard",
                                                     "shard", (int)i, "message",
                                                     "a thread of this node does not answer"));
}

/* ---- alive ---- */

void resource_livez(struct admin_call *call)
{
    json_t *reasons = json_array();
    if (call->broker !=
        NULL) /* else it starts or ends: this thread answers, that is all there is */
        add_silent_shards(call, reasons);
    answer_health(call, json_array_size(reasons) == 0, "alive", reasons);
}

/* ---- ready ---- */

/* As group 0 knows it: is this node to vote in the group? A learner of an asynchronous group is
 * behind as a matter of course, and without a leader while another site is away. */
static bool is_voter(struct broker *b, uint32_t group_id)
{
    metadata_read_lock(b->metadata);
    const struct metadata_group *group = metadata_group_by_id(b->metadata, group_id);
    bool is_in = group != NULL && metadata_group_votes(group, (uint32_t)b->conf.node_id);
    metadata_read_unlock(b->metadata);
    return is_in;
}

static void look_at_group(const struct survey *survey, uint32_t group_id, json_t *reasons)
{
    struct broker *b = survey->broker;
    const struct survey_group *view = survey_group(survey, group_id);
    if (view == NULL || !is_voter(b, group_id))
        return; /* its thread is silent, which is said; or others have it */
    if (view->raft.is_set_aside)
        add_group_reason(reasons, "set_aside", group_id,
                         b->is_returning
                             ? "the data folder has the file \"returning\": this replica waits to "
                               "hear of a forced recovery"
                             : "a higher generation of the group exists: this replica serves "
                               "nothing");
    else if (broker_group_leader(b, group_id, NULL) == 0)
        add_group_reason(reasons, "no_leader", group_id, "no leader of the group is known");
    else if (!level_is_in_sync(b, group_id, (uint32_t)b->conf.node_id))
        add_group_reason(reasons, "not_level", group_id,
                         "this replica is still catching up, or has no vote yet");
}

static void on_ready(struct admin_call *call, const struct survey *survey)
{
    json_t *reasons = json_array();
    unsigned voter_count = 0;
    add_silent_shards(call, reasons);
    if (broker_group_leader(survey->broker, 0, NULL) == 0)
        add_reason(reasons, "no_controller", "nobody leads group 0: no metadata can change");
    for (uint32_t i = 0; i < survey->group_count; i++) {
        look_at_group(survey, i, reasons);
        voter_count += i > 0 && is_voter(survey->broker, i);
    }
    if (voter_count == 0)
        add_reason(reasons, "no_member", "this node is in no raft group yet");
    struct repl_disk_report disk = {0};
    repl_node_disk(survey->broker->node, (uint32_t)survey->broker->conf.node_id, &disk);
    if (disk.is_full)
        add_reason(reasons, "disk_full", "the disk is below its reserve: others lead, if they can");
    answer_health(call, json_array_size(reasons) == 0, "ready", reasons);
}

void resource_readyz(struct admin_call *call)
{
    if (call->broker != NULL) {
        survey_start(call, on_ready);
        return;
    }
    json_t *reasons = json_array();
    if (atomic_load(&call->admin->is_stopping))
        add_reason(reasons, "stopping", "the node hands its leaderships over and ends");
    else
        add_reason(reasons, "starting",
                   "the node opens its data, or waits for the other founding nodes");
    answer_health(call, false, "ready", reasons);
}

/* POST /v1/topics/move, planned or begun; GET /v1/topics/moves: what is on its way. */
#include <stdlib.h>
#include <string.h>

#include "admin/route.h"
#include "admin/survey.h"
#include "membership/topic_move.h"

#define GROUP_0_MS_MAX 10000 /* for its word on each partition */
#define VIEWS_MAX      1024

struct move_change {
    struct topic_move_request request;
    struct topic_move_wish wish;
    struct topic_move_plan plan;
    struct admin_call *call; /* NULL once somebody else answered it */
};

/* ---- the body ---- */

static bool read_optional_number(struct admin_call *call, const char *name, int64_t least,
                                 int64_t most, int64_t *value)
{
    return json_object_get(call->json, name) == NULL ||
           call_field_number(call, name, least, most, value);
}

static bool read_topic(struct admin_call *call, struct topic_move_wish *wish)
{
    const char *topic;
    if (json_object_get(call->json, "topic") == NULL)
        return true; /* all of them */
    if (!call_field_text(call, "topic", &topic))
        return false;
    if (strlen(topic) >= sizeof wish->topic) {
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                    "'topic' has at most %zu characters", sizeof wish->topic - 1);
        return false;
    }
    bytes_copy_text(wish->topic, sizeof wish->topic, topic);
    return true;
}

static bool read_wish(struct admin_call *call, struct topic_move_wish *wish)
{
    static const char *const allowed[] = {"plan", "topic", "partition", "group_id"};
    int64_t partition = -1, group = 0;
    if (!call_allows_fields(call, allowed, 4) || !read_topic(call, wish) ||
        !read_optional_number(call, "partition", 0, INT32_MAX, &partition) ||
        !read_optional_number(call, "group_id", 1, METADATA_GROUPS_MAX - 1, &group))
        return false;
    wish->partition = (int32_t)partition;
    wish->to_group = (uint32_t)group;
    if (wish->topic[0] != '\0' || (partition < 0 && group == 0))
        return true;
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                "'partition' and 'group_id' are for one 'topic'");
    return false;
}

/* ---- the answer ---- */

static json_t *plan_json(const struct topic_move_plan *plan, bool is_begun, unsigned started_count,
                         const char *trouble)
{
    json_t *moves = json_array();
    for (unsigned i = 0; i < plan->count; i++) {
        const struct topic_move_item *item = &plan->items[i];
        json_array_append_new(
            moves, json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "topic", item->topic, "partition",
                             (int)item->partition, "from_group_id", (int)item->from_group,
                             "to_group_id", (int)item->to_group, "from_leader_node_id",
                             (int)item->from_leader, "to_leader_node_id", (int)item->to_leader));
    }
    return json_pack("{s:b, s:i, s:b, s:o, s:o}", "begun", is_begun ? 1 : 0, "started",
                     (int)started_count, "is_more", plan->is_more ? 1 : 0, "trouble",
                     trouble == NULL ? json_null() : json_string(trouble), "moves", moves);
}

static void on_taken(struct topic_move_request *req, int status)
{
    struct move_change *change = req->data;
    struct admin_call *call = change->call;
    if (call != NULL && (status == 0 || req->started > 0))
        call_answer_json(
            call, MHD_HTTP_ACCEPTED,
            plan_json(&change->plan, true, req->started, status == 0 ? NULL : err_text(status)));
    else if (call != NULL)
        call_refuse_err(call, status, NULL);
    free(change);
}

static void on_abandoned(struct admin_call *call)
{
    struct move_change *change = call->data;
    change->call = NULL;
}

static void begin(struct admin_call *call, struct move_change *change)
{
    struct topic_move_request *req = &change->request;
    req->data = change;
    req->plan = &change->plan;
    req->home = call->admin->shard;
    req->timeout_ms = GROUP_0_MS_MAX;
    call->data = change;
    call->on_abandoned = on_abandoned;
    topic_move_start(call->broker, req, on_taken);
}

void resource_topic_move(struct admin_call *call)
{
    struct err_note note = {0};
    bool is_plan = false;
    struct move_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    change->call = call;
    if (!read_wish(call, &change->wish) || !call_field_flag(call, "plan", &is_plan)) {
        free(change);
        return;
    }
    int err = topic_move_plan(call->broker, &change->wish, &change->plan, &note);
    if (err == 0 && !is_plan && change->plan.count > 0) {
        begin(call, change);
        return;
    }
    if (err == 0)
        call_answer_json(call, MHD_HTTP_OK, plan_json(&change->plan, false, 0, NULL));
    else
        call_refuse_err(call, err, note.text);
    free(change);
}

/* ---- what is on its way ---- */

static json_t *view_json(const struct topic_move_view *v)
{
    json_t *missing = json_array();
    for (unsigned i = 0; i < v->missing_count && i < METADATA_VOTERS_MAX; i++)
        json_array_append_new(missing, json_integer((json_int_t)v->missing[i]));
    return json_pack("{s:s, s:i, s:i, s:i, s:s, s:o}", "topic", v->topic, "partition",
                     (int)v->partition, "from_group_id", (int)v->from_group, "to_group_id",
                     (int)v->to_group, "phase", topic_move_phase_name(v->phase), "missing_node_ids",
                     missing);
}

void resource_topic_moves(struct admin_call *call)
{
    struct topic_move_view *views = calloc(VIEWS_MAX, sizeof *views);
    if (views == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    json_t *moves = json_array();
    unsigned count = topic_move_list(call->broker, views, VIEWS_MAX);
    for (unsigned i = 0; i < count && i < VIEWS_MAX; i++)
        json_array_append_new(moves, view_json(&views[i]));
    free(views);
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:i, s:o}", "count", (int)count, "moves", moves));
}

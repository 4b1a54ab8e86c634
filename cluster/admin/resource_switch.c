/* GET /v1/switch: the planned switch, how far it is, and the history of failover epochs.
 * POST /v1/switch/begin: planned or begun, there or back. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "admin/route.h"
#include "membership/switch_drive.h"
#include "membership/switch_operation.h"

#define GROUP_0_MS_MAX    10000
#define LAG_MS_MAX_USUAL  10000
#define DEADLINE_MS_USUAL 60000
#define DEADLINE_MS_LEAST 1000
#define TOPICS_MAX        1000 /* in one answer */

/* ---- how it is ---- */

static json_t *known_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer((json_int_t)number);
}

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}

static json_t *epoch_json(const struct metadata_epoch *row)
{
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:I, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "epoch",
        (json_int_t)row->epoch, "cause", metadata_epoch_cause_name(row->cause), "outcome",
        metadata_epoch_outcome_name(row->outcome), "from", text_or_null(row->from), "to",
        text_or_null(row->to), "begun_at_ms", (json_int_t)row->begun_at_ms, "ended_at_ms",
        known_or_null(row->ended_at_ms), "returned_at_ms", known_or_null(row->returned_at_ms),
        "groups", (int)row->group_count, "forecast_pause_ms", known_or_null(row->forecast_pause_ms),
        "pause_ms", known_or_null(row->pause_ms), "forecast_lost_records",
        known_or_null(row->forecast_lost_records), "lost_records", known_or_null(row->lost_records),
        "lost_bytes", known_or_null(row->lost_bytes), "lost_ms", known_or_null(row->lost_ms),
        "note", row->note);
}

static json_t *state_json(struct broker *b)
{
    const struct metadata_switch *s = metadata_switch_of(b->metadata);
    struct switch_progress p = {0};
    json_t *history = json_array();
    if (s->phase != METADATA_SWITCH_NONE)
        switch_progress_of(b, &p);
    for (unsigned i = metadata_epoch_count(b->metadata); i-- > 0;)
        json_array_append_new(history, epoch_json(metadata_epoch_at(b->metadata, i)));
    return json_pack(
        "{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o}", "failover_epoch",
        (json_int_t)metadata_failover_epoch(b->metadata), "phase",
        metadata_switch_phase_name(s->phase), "epoch",
        s->phase == METADATA_SWITCH_NONE ? json_null() : json_integer((json_int_t)s->epoch), "from",
        text_or_null(s->from), "to", text_or_null(s->to), "begun_at_ms",
        known_or_null(s->begun_at_ms == 0 ? -1 : s->begun_at_ms), "deadline_at_ms",
        known_or_null(s->deadline_at_ms == 0 ? -1 : s->deadline_at_ms), "groups",
        (int)p.group_count, "groups_arrived", (int)p.arrived_count, "history", history);
}

void resource_switch(struct admin_call *call)
{
    struct broker *b = call->broker;
    metadata_read_lock(b->metadata);
    json_t *json = state_json(b);
    metadata_read_unlock(b->metadata);
    call_answer_json(call, MHD_HTTP_OK, json);
}

/* ---- the body ---- */

struct switch_call {
    struct switch_request request;
    struct switch_plan plan;
    struct admin_call *call; /* NULL once somebody else answered it */
};

static bool read_site(struct admin_call *call, const char *name, bool is_needed,
                      char into[METADATA_SITE_SIZE])
{
    const char *site;
    if (!is_needed && json_object_get(call->json, name) == NULL)
        return true;
    if (!call_field_text(call, name, &site))
        return false;
    if (site[0] == '\0' || strlen(site) >= METADATA_SITE_SIZE) {
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'%s' is the name of a site",
                    name);
        return false;
    }
    bytes_copy_text(into, METADATA_SITE_SIZE, site);
    return true;
}

static bool read_ms(struct admin_call *call, const char *name, int64_t least, int64_t *ms)
{
    return json_object_get(call->json, name) == NULL ||
           call_field_number(call, name, least, METADATA_SWITCH_MS_MAX, ms);
}

static bool read_wish(struct admin_call *call, struct switch_wish *w)
{
    static const char *const allowed[] = {"plan", "from",       "to",
                                          "back", "max_lag_ms", "deadline_ms"};
    w->lag_ms_max = LAG_MS_MAX_USUAL;
    w->deadline_ms = DEADLINE_MS_USUAL;
    if (!call_allows_fields(call, allowed, sizeof allowed / sizeof allowed[0]) ||
        !call_field_flag(call, "back", &w->is_back) ||
        !read_site(call, "from", !w->is_back, w->from) || !read_site(call, "to", false, w->to) ||
        !read_ms(call, "max_lag_ms", 0, &w->lag_ms_max) ||
        !read_ms(call, "deadline_ms", DEADLINE_MS_LEAST, &w->deadline_ms))
        return false;
    if (!w->is_back || (w->from[0] == '\0' && w->to[0] == '\0'))
        return true;
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                "'back' takes the switch back that stands: it has no 'from' and 'to'");
    return false;
}

/* ---- the plan ---- */

struct topic_rows {
    const struct switch_plan *plan;
    json_t *rows;
    unsigned count, left_out;
};

static const struct switch_move *move_of(const struct switch_plan *plan, uint32_t group_id)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->moves[i].group_id == group_id)
            return &plan->moves[i];
    return NULL;
}

/* Lag is a raft group's: what a topic shows is that of the groups which carry it. */
static void add_topic(void *data, const struct metadata_topic *t)
{
    struct topic_rows *rows = data;
    bool is_counted[METADATA_GROUPS_MAX] = {false};
    unsigned partition_count = 0;
    uint64_t records = 0, bytes = 0, ms = 0;
    for (int32_t i = 0; i < t->partition_count; i++) {
        const struct switch_move *move = move_of(rows->plan, t->partitions[i].group_id);
        partition_count += move != NULL;
        if (move == NULL || is_counted[move->group_id])
            continue;
        is_counted[move->group_id] = true;
        records += move->lag_records;
        bytes += move->lag_bytes;
        ms = move->lag_ms != UINT64_MAX && move->lag_ms > ms ? move->lag_ms : ms;
    }
    if (partition_count == 0)
        return;
    if (rows->count == TOPICS_MAX) {
        rows->left_out++;
        return;
    }
    rows->count++;
    json_array_append_new(rows->rows, json_pack("{s:s, s:i, s:I, s:I, s:I, s:i}", "topic", t->name,
                                                "partitions", (int)partition_count, "lag_records",
                                                (json_int_t)records, "lag_bytes", (json_int_t)bytes,
                                                "lag_ms", (json_int_t)ms, "records_read_again", 0));
}

static json_t *moves_json(const struct switch_plan *plan)
{
    json_t *moves = json_array();
    for (unsigned i = 0; i < plan->count; i++) {
        const struct switch_move *m = &plan->moves[i];
        json_array_append_new(
            moves,
            json_pack("{s:i, s:i, s:i, s:b, s:I, s:I, s:o}", "group_id", (int)m->group_id,
                      "from_node_id", (int)m->from_node, "to_node_id", (int)m->to_node, "is_level",
                      m->is_level ? 1 : 0, "lag_records", (json_int_t)m->lag_records, "lag_bytes",
                      (json_int_t)m->lag_bytes, "lag_ms", known_or_null((int64_t)m->lag_ms)));
    }
    return moves;
}

/* Committed offsets are replicated as records are acknowledged, and leadership goes to who has all
 * of both: so no consumer group reads anything again. */
static json_t *plan_json(struct broker *b, const struct switch_plan *plan, uint64_t epoch)
{
    struct topic_rows topics = {.plan = plan, .rows = json_array()};
    metadata_read_lock(b->metadata);
    metadata_each_topic(b->metadata, add_topic, &topics);
    metadata_read_unlock(b->metadata);
    return json_pack(
        "{s:b, s:o, s:o, s:o, s:i, s:I, s:I, s:I, s:o, s:i, s:i, s:o, s:o, s:i}", "begun",
        epoch != 0, "failover_epoch", epoch == 0 ? json_null() : json_integer((json_int_t)epoch),
        "from", text_or_null(plan->from), "to", text_or_null(plan->to), "groups", (int)plan->count,
        "lag_records", (json_int_t)plan->lag_records, "lag_bytes", (json_int_t)plan->lag_bytes,
        "lag_ms", (json_int_t)plan->lag_ms, "expected_pause_ms", known_or_null(plan->pause_ms),
        "consumer_groups_reading_again", 0, "records_read_again", 0, "moves", moves_json(plan),
        "topics", topics.rows, "topics_left_out", (int)topics.left_out);
}

/* ---- begin ---- */

static void on_taken(struct switch_request *req, int status)
{
    struct switch_call *s = req->data;
    struct admin_call *call = s->call;
    if (call != NULL && status == 0)
        call_answer_json(call, MHD_HTTP_ACCEPTED, plan_json(call->broker, &s->plan, req->epoch));
    else if (call != NULL)
        call_refuse_err(call, status, req->note.text);
    free(s);
}

static void on_abandoned(struct admin_call *call)
{
    struct switch_call *s = call->data;
    s->call = NULL;
}

static void begin(struct admin_call *call, struct switch_call *s)
{
    s->request.data = s;
    s->request.home = call->admin->shard;
    s->request.timeout_ms = GROUP_0_MS_MAX;
    call->data = s;
    call->on_abandoned = on_abandoned;
    switch_operation_start(call->broker, &s->request, &s->plan, on_taken);
}

void resource_switch_begin(struct admin_call *call)
{
    struct err_note note = {0};
    bool is_plan = false;
    struct switch_call *s = calloc(1, sizeof *s);
    if (s == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    s->call = call;
    if (!read_wish(call, &s->request.wish) || !call_field_flag(call, "plan", &is_plan)) {
        free(s);
        return;
    }
    int err = switch_operation_plan(call->broker, &s->request.wish, &s->plan, &note);
    if (err == 0 && !is_plan) {
        begin(call, s);
        return;
    }
    if (err == 0)
        call_answer_json(call, MHD_HTTP_OK, plan_json(call->broker, &s->plan, 0));
    else
        call_refuse_err(call, err, note.text);
    free(s);
}

/* POST /v1/consumer-groups/reset: a group's committed offsets are set, planned or done.
 *
 *   group as it is --no members?--> new offsets --plan--> answered
 *                                        '--> OffsetCommit of no member --> answered
 *
 * Kafka's own way and rules: the group must be empty (the coordinator looks once more), offsets are
 * brought within what the partition holds, and what is to go is named: one topic, one partition, or
 * all that the group has committed. The commit's client id says who it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "admin/consumer_group_view.h"
#include "admin/coordinator_lookup.h"
#include "admin/route.h"
#include "base/err.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define COMMIT_VERSION 8

enum reset_target { RESET_EARLIEST, RESET_LATEST, RESET_OFFSET, RESET_TIME, RESET_SHIFT };

struct reset_item {
    const struct consumer_view_row *row;
    int64_t new_offset;
    int32_t leader_epoch;
    int16_t error_code;
    bool is_clamped; /* asked for outside what the partition holds */
};

struct group_reset {
    struct coordinator_lookup lookup; /* also where no client has looked for a group yet */
    struct consumer_group_view view;  /* of the group, its partitions */
    struct admin_call *call;
    bool is_plan;
    enum reset_target target;
    int64_t value; /* offset, ms since 1970, or records to shift by */
    char who[CALL_WHO_SIZE];
    struct offset_wish *times; /* RESET_TIME; owned */
    struct offset_lookup time_lookup;
    struct reset_item *items; /* as many as the view has rows; owned */
};

static void free_reset(struct group_reset *r)
{
    ask_cancel(r->call->admin, r);
    coordinator_lookup_cancel(&r->lookup);
    consumer_group_view_close(&r->view);
    free(r->times);
    free(r->items);
    free(r);
}

static void on_abandoned(struct admin_call *call)
{
    free_reset(call->data);
}

/* ---- the answer ---- */

static json_t *items_json(const struct group_reset *r)
{
    json_t *changes = json_array();
    for (size_t i = 0; i < r->view.row_count; i++) {
        const struct reset_item *item = &r->items[i];
        json_array_append_new(
            changes, json_pack("{s:s, s:i, s:o, s:I, s:b}", "topic", item->row->topic, "partition",
                               (int)item->row->partition, "old_offset",
                               item->row->is_committed ? json_integer(item->row->committed_offset)
                                                       : json_null(),
                               "new_offset", (json_int_t)item->new_offset, "is_clamped",
                               item->is_clamped ? 1 : 0));
    }
    return changes;
}

static void answer(struct group_reset *r, bool is_begun, const char *trouble)
{
    call_answer_json(r->call, MHD_HTTP_OK,
                     json_pack("{s:b, s:s, s:o, s:o}", "begun", is_begun ? 1 : 0, "group",
                               r->view.group_id, "trouble",
                               trouble == NULL ? json_null() : json_string(trouble), "changes",
                               items_json(r)));
    free_reset(r);
}

/* ---- the commit ---- */

/* From `*at` on, where it is as a rule: the coordinator answers in the order that it was asked in.
 */
static struct reset_item *find_item(struct group_reset *r, struct kafka_string topic,
                                    int32_t partition, size_t *at)
{
    for (size_t i = 0; i < r->view.row_count; i++) {
        struct reset_item *item = &r->items[(*at + i) % r->view.row_count];
        if (item->row->partition != partition || !kafka_string_is_text(topic, item->row->topic))
            continue;
        *at = (*at + i + 1) % r->view.row_count;
        return item;
    }
    return NULL;
}

/* The first refusal, and of how many partitions. */
static size_t take_codes(struct group_reset *r, const struct kafka_offset_commit_response *response,
                         int16_t *error_code)
{
    size_t refused = 0, at = 0;
    for (size_t i = 0; i < r->view.row_count; i++)
        r->items[i].error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    for (int32_t t = 0; t < response->topics_count; t++)
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++) {
            struct reset_item *item = find_item(r, response->topics[t].name,
                                                response->topics[t].partitions[p].partition_index,
                                                &at);
            if (item != NULL)
                item->error_code = response->topics[t].partitions[p].error_code;
        }
    for (size_t i = r->view.row_count; i-- > 0;)
        if (r->items[i].error_code != KAFKA_ERROR_NONE) {
            refused++;
            *error_code = r->items[i].error_code;
        }
    return refused;
}

static void on_committed(void *data, int status, const void *message)
{
    struct group_reset *r = data;
    char trouble[160];
    int16_t error_code = KAFKA_ERROR_NONE;
    if (status == ERR_CLOSED) {
        call_refuse_err(r->call, ERR_NOT_LEADER, ask_trouble(status));
        free_reset(r);
        return;
    }
    size_t refused = status == 0 ? take_codes(r, message, &error_code) : 0;
    if (status != 0 || error_code == KAFKA_ERROR_NOT_COORDINATOR ||
        error_code == KAFKA_ERROR_REQUEST_TIMED_OUT) {
        call_refuse_err(r->call, ERR_TIMEOUT, "the group's coordinator gave no answer in time");
        free_reset(r);
    } else if (refused == r->view.row_count) {
        call_refuse_kafka(r->call, error_code,
                          error_code == KAFKA_ERROR_UNKNOWN_MEMBER_ID
                              ? "the group has members again: stop them first"
                              : NULL);
        free_reset(r);
    } else if (refused > 0) {
        snprintf(trouble, sizeof trouble, "%zu of %zu partitions were refused: %s", refused,
                 r->view.row_count, kafka_error_text(error_code));
        answer(r, true, trouble);
    } else {
        answer(r, true, NULL);
    }
}

/* Its topics and partitions lie in one piece with it. Items are sorted, as the view's rows. */
static struct kafka_offset_commit_request *message_of(const struct group_reset *r)
{
    size_t count = r->view.row_count;
    struct kafka_offset_commit_request *m;
    struct kafka_offset_commit_request_topic *topics, *topic = NULL;
    struct kafka_offset_commit_request_partition *partitions;
    m = calloc(1, sizeof *m + count * (sizeof *topics + sizeof *partitions));
    if (m == NULL)
        return NULL;
    topics = (void *)(m + 1);
    partitions = (void *)(topics + count);
    kafka_offset_commit_request_init(m);
    m->group_id = kafka_string_of(r->view.group_id);
    m->group_instance_id = KAFKA_STRING_NULL;
    m->topics = topics;
    for (size_t i = 0; i < count; i++) {
        const struct reset_item *item = &r->items[i];
        if (topic == NULL || !kafka_string_is_text(topic->name, item->row->topic)) {
            topic = &topics[m->topics_count++];
            topic->name = kafka_string_of(item->row->topic);
            topic->partitions = &partitions[i];
        }
        kafka_offset_commit_request_partition_init(&partitions[i]);
        partitions[i].partition_index = item->row->partition;
        partitions[i].committed_offset = item->new_offset;
        partitions[i].committed_leader_epoch = item->leader_epoch;
        topic->partitions_count++;
    }
    return m;
}

static void commit(struct group_reset *r)
{
    struct kafka_offset_commit_request *message = message_of(r);
    struct ask_question question = {.node_id = r->view.coordinator,
                                    .api = KAFKA_API_OFFSET_COMMIT,
                                    .version = COMMIT_VERSION,
                                    .message = message,
                                    .client_id = r->who,
                                    .timeout_ms = ASK_CHANGE_MS_MAX,
                                    .owner = r};
    int err = message == NULL
                  ? UV_ENOMEM
                  : ask_send(r->call->admin, r->call->broker, &question, on_committed, r);
    free(message);
    if (err == 0)
        return;
    call_refuse_err(r->call, err, ask_trouble(err));
    free_reset(r);
}

/* ---- the new offsets ---- */

static int64_t wanted_offset(const struct group_reset *r, size_t position)
{
    const struct consumer_view_row *row = r->items[position].row;
    int64_t shifted;
    switch (r->target) {
    case RESET_EARLIEST:
        return row->start_offset;
    case RESET_LATEST:
        return row->end_offset;
    case RESET_OFFSET:
        return r->value;
    case RESET_SHIFT: /* a client may have committed anything */
        return __builtin_add_overflow(row->committed_offset, r->value, &shifted) ? INT64_MAX
                                                                                 : shifted;
    case RESET_TIME:
        break;
    }
    return r->times[position].offset < 0 ? row->end_offset : r->times[position].offset;
}

/* False, and refused, when one of them can't be told. */
static bool find_offsets(struct group_reset *r)
{
    for (size_t i = 0; i < r->view.row_count; i++) {
        struct reset_item *item = &r->items[i];
        const struct consumer_view_row *row = item->row = &r->view.rows[i];
        if (!row->has_start || !row->has_end ||
            (r->target == RESET_TIME && !r->times[i].is_known)) {
            call_refuse(r->call, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader",
                        "the leader of %.249s, partition %d, gives no answer; try again",
                        row->topic, (int)row->partition);
            return false;
        }
        if (r->target == RESET_SHIFT && !row->is_committed) {
            call_refuse(r->call, MHD_HTTP_CONFLICT, "not_allowed_now",
                        "%.249s, partition %d, has no committed offset to shift", row->topic,
                        (int)row->partition);
            return false;
        }
        int64_t wanted = wanted_offset(r, i);
        item->new_offset = wanted < row->start_offset ? row->start_offset
                           : wanted > row->end_offset ? row->end_offset
                                                      : wanted;
        item->is_clamped = item->new_offset != wanted;
        item->leader_epoch = item->new_offset == row->committed_offset && row->is_committed
                                 ? row->leader_epoch
                                 : -1;
    }
    return true;
}

static void plan_or_commit(struct group_reset *r)
{
    r->items = calloc(r->view.row_count, sizeof *r->items);
    if (r->items == NULL) {
        call_answer_json(r->call, MHD_HTTP_OK, NULL);
        free_reset(r);
    } else if (!find_offsets(r)) {
        free_reset(r);
    } else if (r->is_plan) {
        answer(r, false, NULL);
    } else {
        commit(r);
    }
}

static int by_row(const void *a, const void *b)
{
    const struct offset_wish *first = a, *second = b;
    return (first->tag > second->tag) - (first->tag < second->tag);
}

/* They are in the order of their leaders. */
static void on_times(struct offset_lookup *lookup)
{
    struct group_reset *r = lookup->data;
    qsort(r->times, r->view.row_count, sizeof *r->times, by_row);
    plan_or_commit(r);
}

static void find_times(struct group_reset *r)
{
    r->times = calloc(r->view.row_count, sizeof *r->times);
    if (r->times == NULL) {
        call_answer_json(r->call, MHD_HTTP_OK, NULL);
        free_reset(r);
        return;
    }
    for (size_t i = 0; i < r->view.row_count; i++)
        r->times[i] = (struct offset_wish){.topic = r->view.rows[i].topic,
                                           .partition = r->view.rows[i].partition,
                                           .timestamp_ms = r->value,
                                           .tag = i};
    r->time_lookup = (struct offset_lookup){.data = r,
                                            .admin = r->call->admin,
                                            .broker = r->call->broker,
                                            .owner = r,
                                            .wishes = r->times,
                                            .count = r->view.row_count};
    offset_lookup_start(&r->time_lookup, on_times);
}

/* ---- the group ---- */

static void on_view(struct consumer_group_view *view, bool is_complete)
{
    struct group_reset *r = view->data;
    size_t members = json_array_size(view->members);
    if (!is_complete) {
        free_reset(r);
        return;
    }
    if (strcmp(view->state, "Empty") != 0 && strcmp(view->state, "Dead") != 0) {
        call_refuse(r->call, MHD_HTTP_CONFLICT, "not_allowed_now",
                    "the group is %.40s and has %zu members: stop them first", view->state,
                    members);
        free_reset(r);
    } else if (view->row_count == 0) {
        call_refuse(r->call, MHD_HTTP_NOT_FOUND, "not_found",
                    view->topic == NULL ? "the group has committed nothing: name a topic"
                                        : "there is no such partition or topic");
        free_reset(r);
    } else if (r->target == RESET_TIME) {
        find_times(r);
    } else {
        plan_or_commit(r);
    }
}

/* ---- the body ---- */

static bool read_target(struct group_reset *r)
{
    static const char *const names[] = {[RESET_EARLIEST] = "earliest",
                                        [RESET_LATEST] = "latest",
                                        [RESET_OFFSET] = "offset",
                                        [RESET_TIME] = "time",
                                        [RESET_SHIFT] = "shift"};
    const int64_t most = (int64_t)1 << 62;
    const char *to;
    if (!call_field_text(r->call, "to", &to))
        return false;
    unsigned target = 0;
    while (target <= RESET_SHIFT && strcmp(names[target], to) != 0)
        target++;
    r->target = (enum reset_target)target;
    bool has_value = json_object_get(r->call->json, "value") != NULL;
    if (target <= RESET_SHIFT && has_value == (target >= RESET_OFFSET))
        return !has_value ||
               call_field_number(r->call, "value", r->target == RESET_SHIFT ? -most : 0, most,
                                 &r->value);
    call_refuse(r->call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                "'to' must be earliest, latest, or with a 'value' offset, time or shift");
    return false;
}

static bool read_scope(struct group_reset *r)
{
    json_t *json = r->call->json;
    int64_t partition = -1;
    if (!call_field_text(r->call, "group", &r->view.group_id) ||
        (json_object_get(json, "topic") != NULL &&
         !call_field_text(r->call, "topic", &r->view.topic)) ||
        (json_object_get(json, "partition") != NULL &&
         !call_field_number(r->call, "partition", 0, INT32_MAX, &partition)))
        return false;
    r->view.partition = (int32_t)partition;
    if (partition < 0 || r->view.topic != NULL)
        return true;
    call_refuse(r->call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'partition' wants its 'topic'");
    return false;
}

static void on_coordinator(struct coordinator_lookup *lookup, uint32_t node_id)
{
    struct group_reset *r = lookup->data;
    if (node_id == 0)
        free_reset(r);
    else
        consumer_group_view_start(&r->view, on_view);
}

void resource_consumer_group_reset(struct admin_call *call)
{
    static const char *const allowed[] = {"group", "topic", "partition", "to",
                                          "value", "by",    "plan"};
    struct group_reset *r = calloc(1, sizeof *r);
    if (r == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    r->call = r->view.call = call;
    r->view.data = r;
    if (!call_allows_fields(call, allowed, 7) || !read_scope(r) || !read_target(r) ||
        !call_field_who(call, "reset", r->who) || !call_field_flag(call, "plan", &r->is_plan)) {
        free(r);
        return;
    }
    call->data = r;
    call->on_abandoned = on_abandoned;
    r->lookup = (struct coordinator_lookup){.data = r, .call = call, .group_id = r->view.group_id};
    coordinator_lookup_start(&r->lookup, on_coordinator);
}

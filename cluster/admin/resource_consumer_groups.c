/* GET /v1/consumer-groups: all consumer groups of the cluster, as their coordinators list them.
 * GET /v1/consumer-groups/describe?group=G: one of them: members, committed offsets, lag. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "admin/consumer_group_view.h"
#include "admin/gap_list.h"
#include "admin/route.h"
#include "base/err.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define LIST_VERSION 4

/* ---- the list ---- */

struct group_listing {
    struct admin_call *call;
    json_t *groups, *unanswered; /* owned */
    unsigned pending;
    struct listing_part {
        struct group_listing *listing;
        uint32_t node_id;
    } parts[METADATA_NODES_MAX];
};

static void free_listing(struct group_listing *l)
{
    json_decref(l->groups);
    json_decref(l->unanswered);
    free(l);
}

static void on_listing_abandoned(struct admin_call *call)
{
    ask_cancel(call->admin, call->data);
    free_listing(call->data);
}

static void one_less(struct group_listing *l)
{
    if (--l->pending > 0)
        return;
    call_answer_json(
        l->call, MHD_HTTP_OK,
        json_pack("{s:O, s:O}", "groups", l->groups, "unanswered_node_ids", l->unanswered));
    free_listing(l);
}

static void on_listed(void *data, int status, const void *answer)
{
    struct listing_part *part = data;
    struct group_listing *l = part->listing;
    const struct kafka_list_groups_response *response = answer;
    if (status != 0 || response->error_code != KAFKA_ERROR_NONE) {
        json_array_append_new(l->unanswered, json_integer((json_int_t)part->node_id));
    } else {
        for (int32_t i = 0; i < response->groups_count; i++) {
            const struct kafka_list_groups_response_group *g = &response->groups[i];
            json_array_append_new(l->groups,
                                  json_pack("{s:o, s:o, s:o, s:I}", "group",
                                            call_text(g->group_id.data, g->group_id.size), "state",
                                            call_text(g->group_state.data, g->group_state.size),
                                            "protocol_type",
                                            call_text(g->protocol_type.data, g->protocol_type.size),
                                            "coordinator_node_id", (json_int_t)part->node_id));
        }
    }
    one_less(l);
}

static void ask_node(struct group_listing *l, struct listing_part *part, uint32_t node_id)
{
    struct kafka_list_groups_request message;
    struct ask_question question = {.node_id = node_id,
                                    .api = KAFKA_API_LIST_GROUPS,
                                    .version = LIST_VERSION,
                                    .message = &message,
                                    .client_id = "trilog-admin",
                                    .timeout_ms = ASK_READ_MS_MAX,
                                    .owner = l};
    kafka_list_groups_request_init(&message);
    part->listing = l;
    part->node_id = node_id;
    if (ask_send(l->call->admin, l->call->broker, &question, on_listed, part) == 0)
        l->pending++;
    else
        json_array_append_new(l->unanswered, json_integer((json_int_t)node_id));
}

/* Does it coordinate, as far as is known? Who leads nothing has no groups to list. */
static bool leads_anything(struct broker *b, uint32_t node_id)
{
    for (uint32_t i = 0; i < b->group_count; i++)
        if (broker_group_leader(b, i, NULL) == node_id)
            return true;
    return false;
}

void resource_consumer_groups(struct admin_call *call)
{
    uint32_t node_ids[METADATA_NODES_MAX];
    struct broker *b = call->broker;
    struct group_listing *l = calloc(1, sizeof *l);
    if (l == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    l->call = call;
    l->groups = json_array();
    l->unanswered = json_array();
    l->pending = 1; /* until all are asked */
    call->data = l;
    call->on_abandoned = on_listing_abandoned;
    unsigned count = broker_node_ids(b, node_ids);
    ask_node(l, &l->parts[0], (uint32_t)b->conf.node_id);
    for (unsigned i = 0; i < count && i + 1 < METADATA_NODES_MAX; i++)
        if (leads_anything(b, node_ids[i]))
            ask_node(l, &l->parts[i + 1], node_ids[i]);
    one_less(l);
}

/* ---- one group ---- */

static json_t *number_or_null(bool is_known, int64_t number)
{
    return is_known ? json_integer(number) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return call_text(text, text == NULL ? -1 : (int32_t)strlen(text));
}

struct description {
    struct consumer_group_view view;
    struct gap_list gaps;
};

/* How many records up to the partition's end the group has not said to have read. Kafka's tools
 * take one offset from the other; what a forced recovery has left out is nobody's to read. */
static int64_t lag_of(const struct description *d, const struct consumer_view_row *row)
{
    struct broker_place place;
    int64_t lag = row->end_offset - row->committed_offset;
    if (lag > 0 && d->gaps.count > 0 &&
        broker_find_partition(d->view.call->broker, row->topic, strlen(row->topic), row->partition,
                              &place) == 0)
        lag -= gap_list_within(&d->gaps, place.group_id, place.number, row->committed_offset,
                               row->end_offset);
    return lag > 0 ? lag : 0;
}

static json_t *rows_of(const struct description *d)
{
    const struct consumer_group_view *v = &d->view;
    json_t *rows = json_array();
    for (size_t i = 0; i < v->row_count; i++) {
        const struct consumer_view_row *r = &v->rows[i];
        json_array_append_new(
            rows,
            json_pack("{s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "topic",
                      text_or_null(r->topic), "partition", (int)r->partition, "committed_offset",
                      number_or_null(r->is_committed, r->committed_offset), "leader_epoch",
                      number_or_null(r->leader_epoch >= 0, r->leader_epoch), "metadata",
                      text_or_null(r->metadata), "start_offset",
                      number_or_null(r->has_start, r->start_offset), "end_offset",
                      number_or_null(r->has_end, r->end_offset), "lag_records",
                      number_or_null(r->is_committed && r->has_end, lag_of(d, r)), "member_id",
                      text_or_null(r->member_id)));
    }
    return rows;
}

static void free_description(struct description *d)
{
    consumer_group_view_close(&d->view);
    gap_list_close(&d->gaps);
    free(d);
}

static void on_view_abandoned(struct admin_call *call)
{
    free_description(call->data);
}

static void on_view(struct consumer_group_view *v, bool is_complete)
{
    if (is_complete && strcmp(v->state, "Dead") == 0 && v->row_count == 0)
        call_refuse(v->call, MHD_HTTP_NOT_FOUND, "not_found", "there is no consumer group '%.200s'",
                    v->group_id);
    else if (is_complete)
        call_answer_json(v->call, MHD_HTTP_OK,
                         json_pack("{s:s, s:o, s:o, s:o, s:I, s:O, s:o}", "group", v->group_id,
                                   "state", text_or_null(v->state), "protocol_type",
                                   text_or_null(v->protocol_type), "protocol",
                                   text_or_null(v->protocol_name), "coordinator_node_id",
                                   (json_int_t)v->coordinator, "members", v->members, "offsets",
                                   rows_of(v->data)));
    free_description(v->data);
}

static void on_gaps(struct admin_call *call, const struct survey *survey)
{
    struct description *d = calloc(1, sizeof *d);
    if (d == NULL || gap_list_take(&d->gaps, survey) != 0) {
        free(d);
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    d->view.data = d;
    d->view.call = call;
    d->view.group_id = call_query(call, "group");
    d->view.partition = -1;
    call->data = d;
    call->on_abandoned = on_view_abandoned;
    consumer_group_view_start(&d->view, on_view);
}

void resource_consumer_group_describe(struct admin_call *call)
{
    static const char *const allowed[] = {"group"};
    const char *group;
    if (call_allows_query(call, allowed, 1) && call_query_text(call, "group", &group))
        survey_start_detailed(call, 0, on_gaps);
}

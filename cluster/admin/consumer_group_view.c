/* DescribeGroups --> OffsetFetch, both of the coordinator --> ListOffsets of the leaders.
 *
 * Rows come from three sides (assigned, committed, asked for) and are sorted and joined once all
 * are there. What members sent is decoded as Kafka's consumers write it; what is not that is left
 * out, for it is between the members. */
#include "admin/consumer_group_view.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "base/err.h"
#include "cluster/consumer_table.h"
#include "consumer/coordinator.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "protocol/reader.h"

#define DESCRIBE_VERSION 5
#define FETCH_VERSION    7 /* one group in a question */

static void end(struct consumer_group_view *v, bool is_complete)
{
    v->cb(v, is_complete);
}

static void refuse_status(struct consumer_group_view *v, int status)
{
    if (status == ERR_CLOSED || status == ERR_TIMEOUT || status == ERR_NOT_FOUND)
        call_refuse(v->call, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader",
                    "the group's coordinator (node %u) gives no answer; try again",
                    (unsigned)v->coordinator);
    else
        call_refuse_err(v->call, status, ask_trouble(status));
    end(v, false);
}

static void refuse_code(struct consumer_group_view *v, int16_t error_code)
{
    call_refuse_kafka(v->call, error_code, NULL);
    end(v, false);
}

static const char *copy(struct consumer_group_view *v, struct kafka_string text)
{
    char *copied = text.size < 0 ? NULL : kafka_arena_allocate(&v->arena, (size_t)text.size + 1);
    if (text.size >= 0 && copied == NULL)
        v->is_short = true;
    if (copied != NULL && text.size > 0)
        memcpy(copied, text.data, (size_t)text.size);
    return copied;
}

/* A fresh row, or NULL when there is no room. */
static struct consumer_view_row *add_row(struct consumer_group_view *v, const char *topic,
                                         int32_t partition)
{
    if (topic == NULL || (v->topic != NULL && strcmp(topic, v->topic) != 0) ||
        (v->topic != NULL && v->partition >= 0 && v->partition != partition))
        return NULL;
    if (v->row_count == v->row_space) {
        size_t space = v->row_space == 0 ? 64 : 2 * v->row_space;
        void *rows = space * sizeof *v->rows > CONSUMER_VIEW_BYTES_MAX
                         ? NULL
                         : realloc(v->rows, space * sizeof *v->rows);
        v->is_short |= rows == NULL;
        if (rows == NULL)
            return NULL;
        v->rows = rows;
        v->row_space = space;
    }
    struct consumer_view_row *row = &v->rows[v->row_count++];
    *row = (struct consumer_view_row){.topic = topic, .partition = partition, .leader_epoch = -1};
    return row;
}

/* ---- rows, joined ---- */

static int by_partition(const void *a, const void *b)
{
    const struct consumer_view_row *first = a, *second = b;
    int order = strcmp(first->topic, second->topic);
    return order != 0
               ? order
               : (first->partition > second->partition) - (first->partition < second->partition);
}

static void join_rows(struct consumer_group_view *v)
{
    size_t count = 0;
    if (v->row_count > 0)
        qsort(v->rows, v->row_count, sizeof v->rows[0], by_partition);
    for (size_t i = 0; i < v->row_count; i++) {
        struct consumer_view_row *row = &v->rows[i];
        if (count == 0 || by_partition(&v->rows[count - 1], row) != 0) {
            v->rows[count++] = *row;
            continue;
        }
        struct consumer_view_row *into = &v->rows[count - 1];
        if (row->member_id != NULL)
            into->member_id = row->member_id;
        if (!row->is_committed)
            continue;
        into->is_committed = true;
        into->committed_offset = row->committed_offset;
        into->leader_epoch = row->leader_epoch;
        into->metadata = row->metadata;
    }
    v->row_count = count;
}

/* ---- offsets of the leaders ---- */

static void take_offsets(struct consumer_group_view *v)
{
    for (size_t i = 0; i < v->row_count; i++) {
        struct consumer_view_row *start = &v->rows[v->first[i].tag];
        struct consumer_view_row *next = &v->rows[v->next[i].tag];
        start->has_start = v->first[i].is_known;
        start->start_offset = v->first[i].offset;
        next->has_end = v->next[i].is_known;
        next->end_offset = v->next[i].offset;
    }
}

static void on_offsets(struct offset_lookup *lookup)
{
    struct consumer_group_view *v = lookup->data;
    if (--v->pending > 0)
        return;
    take_offsets(v);
    end(v, true);
}

static void look_up(struct consumer_group_view *v, unsigned which, struct offset_wish *wishes,
                    int64_t timestamp_ms)
{
    struct offset_lookup *lookup = &v->lookups[which];
    for (size_t i = 0; i < v->row_count; i++)
        wishes[i] = (struct offset_wish){.topic = v->rows[i].topic,
                                         .partition = v->rows[i].partition,
                                         .timestamp_ms = timestamp_ms,
                                         .tag = i};
    lookup->data = v;
    lookup->admin = v->call->admin;
    lookup->broker = v->call->broker;
    lookup->owner = v;
    lookup->wishes = wishes;
    lookup->count = v->row_count;
    offset_lookup_start(lookup, on_offsets);
}

static void ask_leaders(struct consumer_group_view *v)
{
    join_rows(v);
    v->first = calloc(v->row_count + 1, sizeof *v->first);
    v->next = calloc(v->row_count + 1, sizeof *v->next);
    if (v->first == NULL || v->next == NULL || v->is_short) {
        call_refuse_err(v->call, ERR_TOO_LARGE, "the group is too large for one answer");
        end(v, false);
        return;
    }
    v->pending = 2;
    look_up(v, 0, v->first, OFFSET_LOOKUP_EARLIEST);
    look_up(v, 1, v->next, OFFSET_LOOKUP_LATEST);
}

/* ---- committed offsets ---- */

static void on_fetched(void *data, int status, const void *answer)
{
    struct consumer_group_view *v = data;
    const struct kafka_offset_fetch_response *response = answer;
    if (status != 0) {
        refuse_status(v, status);
        return;
    }
    if (response->error_code != KAFKA_ERROR_NONE) {
        refuse_code(v, response->error_code);
        return;
    }
    for (int32_t t = 0; t < response->topics_count; t++) {
        const struct kafka_offset_fetch_response_topic *from = &response->topics[t];
        const char *topic = copy(v, from->name);
        for (int32_t p = 0; p < from->partitions_count; p++) {
            struct consumer_view_row *row = from->partitions[p].committed_offset < 0
                                                ? NULL
                                                : add_row(v, topic,
                                                          from->partitions[p].partition_index);
            if (row == NULL)
                continue;
            row->is_committed = true;
            row->committed_offset = from->partitions[p].committed_offset;
            row->leader_epoch = from->partitions[p].committed_leader_epoch;
            row->metadata = copy(v, from->partitions[p].metadata);
        }
    }
    ask_leaders(v);
}

static void ask_coordinator(struct consumer_group_view *v, enum kafka_api_key api, int16_t version,
                            const void *message, ask_cb cb)
{
    struct ask_question question = {.node_id = v->coordinator,
                                    .api = api,
                                    .version = version,
                                    .message = message,
                                    .client_id = "trilog-admin",
                                    .timeout_ms = ASK_READ_MS_MAX,
                                    .owner = v};
    int err = ask_send(v->call->admin, v->call->broker, &question, cb, v);
    if (err != 0)
        refuse_status(v, err);
}

static void fetch(struct consumer_group_view *v)
{
    struct kafka_offset_fetch_request message;
    kafka_offset_fetch_request_init(&message);
    message.group_id = kafka_string_of(v->group_id);
    message.topics_count = -1; /* all */
    ask_coordinator(v, KAFKA_API_OFFSET_FETCH, FETCH_VERSION, &message, on_fetched);
}

/* ---- members ---- */

/* What Kafka's consumers are told: u16 version, topics with their partitions, user data. */
static json_t *read_assignment(struct consumer_group_view *v, struct bytes assignment,
                               const char *member_id)
{
    struct kafka_reader r = kafka_reader_of(assignment);
    json_t *topics = json_array();
    kafka_read_int16(&r);
    int32_t topic_count = assignment.size == 0 ? 0 : kafka_read_int32(&r);
    for (int32_t t = 0; t < topic_count && r.err == 0; t++) {
        uint16_t size = (uint16_t)kafka_read_int16(&r);
        struct bytes name = kafka_read_raw(&r, size);
        int32_t count = kafka_read_int32(&r);
        struct kafka_string text = {.data = (const char *)name.data, .size = (int32_t)name.size};
        const char *topic = r.err == 0 ? copy(v, text) : NULL;
        json_t *partitions = json_array();
        for (int32_t p = 0; p < count && r.err == 0 && topic != NULL; p++) {
            int32_t partition = kafka_read_int32(&r);
            struct consumer_view_row *row = r.err == 0 ? add_row(v, topic, partition) : NULL;
            if (r.err == 0)
                json_array_append_new(partitions, json_integer(partition));
            if (row != NULL)
                row->member_id = member_id;
        }
        json_array_append_new(topics,
                              json_pack("{s:o, s:o}", "topic", call_text(text.data, text.size),
                                        "partitions", partitions));
    }
    return topics;
}

static void add_member(struct consumer_group_view *v,
                       const struct kafka_describe_groups_response_member *m)
{
    const char *member_id = copy(v, m->member_id);
    json_array_append_new(
        v->members, json_pack("{s:o, s:o, s:o, s:o, s:o}", "member_id",
                              call_text(m->member_id.data, m->member_id.size), "instance_id",
                              call_text(m->group_instance_id.data, m->group_instance_id.size),
                              "client_id", call_text(m->client_id.data, m->client_id.size),
                              "client_host", call_text(m->client_host.data, m->client_host.size),
                              "assigned", read_assignment(v, m->member_assignment, member_id)));
}

/* Those of the topic that was asked for, whether the group knows them or not. */
static void add_wanted(struct consumer_group_view *v)
{
    struct metadata *m = v->call->broker->metadata;
    metadata_read_lock(m);
    const struct metadata_topic *t = v->topic == NULL
                                         ? NULL
                                         : metadata_topic_by_name(m, v->topic, strlen(v->topic));
    int32_t count = t == NULL ? 0 : t->partition_count;
    metadata_read_unlock(m);
    for (int32_t i = 0; i < count; i++)
        add_row(v, v->topic, i);
}

static void on_described(void *data, int status, const void *answer)
{
    struct consumer_group_view *v = data;
    const struct kafka_describe_groups_response *response = answer;
    if (status == 0 && response->groups_count != 1)
        status = ERR_TIMEOUT;
    if (status != 0) {
        refuse_status(v, status);
        return;
    }
    const struct kafka_describe_groups_response_group *g = &response->groups[0];
    if (g->error_code != KAFKA_ERROR_NONE) {
        refuse_code(v, g->error_code);
        return;
    }
    v->state = copy(v, g->group_state);
    v->protocol_type = copy(v, g->protocol_type);
    v->protocol_name = copy(v, g->protocol_data);
    for (int32_t i = 0; i < g->members_count; i++)
        add_member(v, &g->members[i]);
    add_wanted(v);
    fetch(v);
}

/* ---- from outside ---- */

/* Sets the coordinator's node id, 0 while nobody leads. ERR_NOT_FOUND: __consumer_offsets does not
 * exist yet, so there is no group. */
static int find_coordinator(struct consumer_group_view *v)
{
    struct broker_place place;
    struct broker *b = v->call->broker;
    int err = coordinator_place(b, v->group_id, strlen(v->group_id), &place);
    v->coordinator = err == 0 ? broker_group_leader(b, place.group_id, NULL) : 0;
    return err;
}

void consumer_group_view_start(struct consumer_group_view *v, consumer_view_cb cb)
{
    struct kafka_describe_groups_request message;
    struct kafka_string group_id = kafka_string_of(v->group_id);
    v->cb = cb;
    v->members = json_array();
    kafka_arena_init(&v->arena, CONSUMER_VIEW_BYTES_MAX);
    if (strlen(v->group_id) > CONSUMER_GROUP_ID_SIZE_MAX) {
        refuse_code(v, KAFKA_ERROR_INVALID_GROUP_ID);
        return;
    }
    int err = find_coordinator(v);
    if (err != 0 || v->coordinator == 0) {
        call_refuse_err(v->call, err != 0 ? err : ERR_NOT_LEADER,
                        err != 0 ? "no consumer group has ever been here"
                                 : "nobody coordinates this group now; try again");
        end(v, false);
        return;
    }
    kafka_describe_groups_request_init(&message);
    message.groups = &group_id;
    message.groups_count = 1;
    ask_coordinator(v, KAFKA_API_DESCRIBE_GROUPS, DESCRIBE_VERSION, &message, on_described);
}

void consumer_group_view_close(struct consumer_group_view *v)
{
    ask_cancel(v->call->admin, v);
    json_decref(v->members);
    free(v->rows);
    free(v->first);
    free(v->next);
    kafka_arena_close(&v->arena);
}

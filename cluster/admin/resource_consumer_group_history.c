/* GET /v1/consumer-groups/history?group=G: who moved a group's offsets, when, from where to where.
 *
 * It is applied state: whoever is asked says as of when it tells it, and whether it coordinates the
 * group itself. */
#include "admin/consumer_group_visit.h"
#include "admin/route.h"
#include "request/group_policy.h"

static const char *kind_name(enum history_kind kind)
{
    static const char *const names[HISTORY_KIND_COUNT] = {
        [HISTORY_COMMIT] = "commit",   [HISTORY_REWIND] = "rewind",
        [HISTORY_OUTSIDE] = "outside", [HISTORY_KEPT] = "refused",
        [HISTORY_DENIED] = "refused",  [HISTORY_DELETED] = "deleted",
        [HISTORY_EXPIRED] = "expired", [HISTORY_TOPIC_GONE] = "topic_gone",
        [HISTORY_POLICY] = "policy",
    };
    return names[kind];
}

/* What the client was told of what was refused, or null. */
static json_t *told_json(enum history_kind kind)
{
    if (kind == HISTORY_KEPT)
        return json_string("success");
    return kind == HISTORY_DENIED ? json_string("POLICY_VIOLATION") : json_null();
}

static json_t *text_json(struct kafka_string text)
{
    return call_text(text.data, text.size);
}

static void put_values(json_t *json, const struct history_line *line)
{
    if (line->kind == HISTORY_POLICY) {
        json_object_set_new(
            json, "old_policy",
            json_string(group_policy_name((enum group_policy)(line->old_offset & 3))));
        json_object_set_new(
            json, "new_policy",
            json_string(group_policy_name((enum group_policy)(line->new_offset & 3))));
        return;
    }
    json_object_set_new(json, "topic", text_json(line->topic));
    json_object_set_new(json, "partition", json_integer(line->partition));
    json_object_set_new(json, "old_offset",
                        line->old_offset < 0 ? json_null() : json_integer(line->old_offset));
    json_object_set_new(json, "new_offset",
                        line->new_offset < 0 ? json_null() : json_integer(line->new_offset));
}

struct history_list {
    json_t *lines;
    int64_t since_ms;
};

static void add_line(void *data, const struct history_line *line)
{
    struct history_list *list = data;
    if (line->last_at_ms < list->since_ms)
        return; /* its time is over; the next sweep ends it */
    json_t *json = json_pack(
        "{s:s, s:o, s:I, s:I, s:i, s:i, s:o, s:o, s:o}", "kind", kind_name(line->kind), "told",
        told_json(line->kind), "first_at_ms", (json_int_t)line->first_at_ms, "last_at_ms",
        (json_int_t)line->last_at_ms, "count", (int)line->count, "generation",
        (int)line->generation, "member_id", text_json(line->member_id), "client_id",
        text_json(line->client_id), "client_host", text_json(line->client_host));
    if (json != NULL)
        put_values(json, line);
    json_array_append_new(list->lines, json);
}

static json_t *look_at_history(const struct group_visit *v, const struct consumer_table *table)
{
    struct history_list list = {.lines = json_array(),
                                .since_ms = group_visit_as_of_ms(v) -
                                            v->broker->conf.commit_history_ms};
    json_t *json = group_visit_head(v);
    if (table != NULL)
        consumer_table_each_history(table, kafka_string_of(v->group_id), add_line, &list);
    if (json_object_set_new(json, "lines", list.lines) == 0)
        return json;
    json_decref(json);
    return NULL;
}

void resource_consumer_group_history(struct admin_call *call)
{
    group_visit_asked(call, look_at_history);
}

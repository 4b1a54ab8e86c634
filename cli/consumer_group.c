/* trilog group list, describe: consumer groups, their members, and how far they have read. */
#include <string.h>

#include "command.h"
#include "table.h"

static int tell_unanswered(struct session *s, const json_t *json)
{
    char ids[TABLE_CELL_SIZE];
    if (json_array_size(json_object_get(json, "unanswered_node_ids")) == 0)
        return EXIT_DONE;
    fprintf(s->err, "trilog: nodes %s gave no answer: their groups are not in the list\n",
            field_ids(json, "unanswered_node_ids", ids));
    return EXIT_PARTLY;
}

static void put_group(struct table *t, const json_t *group)
{
    table_text(t, field_text(group, "group"));
    table_text(t, field_text(group, "state"));
    table_text(t, field_text(group, "protocol_type"));
    table_number(t, field_number(group, "coordinator_node_id"));
}

int group_list(struct session *s)
{
    int status;
    struct table t;
    json_t *json = session_get(s, "/v1/consumer-groups", &status);
    if (json == NULL)
        return status;
    table_init(&t, "GROUP|STATE|TYPE|>COORDINATOR");
    field_put_rows(&t, json_object_get(json, "groups"), put_group);
    session_show(s, json, &t);
    status = tell_unanswered(s, json);
    json_decref(json);
    return status;
}

/* ---- one group ---- */

static void put_offset(struct table *t, const json_t *row)
{
    table_text(t, field_text(row, "topic"));
    table_number(t, field_number(row, "partition"));
    field_put_number(t, row, "committed_offset", "-");
    field_put_number(t, row, "end_offset", "-");
    field_put_number(t, row, "lag_records", "-");
    table_text(t, field_text(row, "member_id"));
}

static int64_t partitions_of(const json_t *assigned)
{
    size_t position;
    json_t *topic;
    int64_t count = 0;
    json_array_foreach((json_t *)(uintptr_t)assigned, position, topic)
    {
        count += (int64_t)json_array_size(json_object_get(topic, "partitions"));
    }
    return count;
}

static void put_member(struct table *t, const json_t *member)
{
    table_text(t, field_text(member, "member_id"));
    table_text(t, field_text(member, "instance_id"));
    table_text(t, field_text(member, "client_id"));
    table_text(t, field_text(member, "client_host"));
    table_number(t, partitions_of(json_object_get(member, "assigned")));
}

/* Over what is known; "?" is told where a leader gave no answer. */
static void print_sums(struct session *s, const json_t *json)
{
    size_t position;
    json_t *row;
    int64_t lag = 0, unknown = 0;
    json_array_foreach(json_object_get(json, "offsets"), position, row)
    {
        lag += field_number(row, "lag_records");
        unknown += json_is_null(json_object_get(row, "end_offset"));
    }
    fprintf(s->out, "state        %s, %zu members\n", field_text(json, "state"),
            json_array_size(json_object_get(json, "members")));
    fprintf(s->out, "coordinator  node %lld\n",
            (long long)field_number(json, "coordinator_node_id"));
    fprintf(s->out, "lag          %lld records%s\n\n", (long long)lag,
            unknown > 0 ? ", and what leaders that gave no answer have" : "");
}

int group_describe(struct session *s)
{
    int status;
    json_t *json = session_get_named(s, "/v1/consumer-groups/describe", "group",
                                     s->arguments.operands[0], &status);
    if (json == NULL)
        return status;
    if (s->is_json) {
        session_print_json(s, json);
    } else {
        print_sums(s, json);
        const json_t *members = json_object_get(json, "members");
        field_print_rows(s->out, "TOPIC|>PARTITION|>COMMITTED|>END|>LAG|MEMBER",
                         json_object_get(json, "offsets"), put_offset);
        if (json_array_size(members) > 0)
            fputc('\n', s->out);
        field_print_rows(s->out, "MEMBER|INSTANCE|CLIENT|HOST|>PARTITIONS", members, put_member);
    }
    json_decref(json);
    return EXIT_DONE;
}

/* trilog group …: raft groups, with the lag that their leaders know. */
#include "command.h"
#include "table.h"

/* The group as its leader tells it, if that was among those asked; else as the first one does. */
static const json_t *best_view(json_t *const answers[], unsigned count, size_t position)
{
    const json_t *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        const json_t *group = json_array_get(json_object_get(answers[i], "groups"), position);
        if (json_object_get(group, "replicas") != NULL)
            return group;
        if (best == NULL)
            best = group;
    }
    return best;
}

static void add_nodes(struct table *t, const json_t *group)
{
    char text[TABLE_CELL_SIZE];
    table_text(t, field_ids(json_object_get(group, "voter_node_ids"), text, sizeof text));
}

/* The replica that is furthest behind, of those that are told. */
static void add_lag(struct table *t, const json_t *group)
{
    const json_t *replicas = json_object_get(group, "replicas");
    int64_t lag_ms = -1, lag_bytes = -1, not_level = 0;
    size_t position;
    json_t *r;
    json_array_foreach((json_t *)(uintptr_t)replicas, position, r)
    {
        if (field_number(r, "lag_ms") > lag_ms)
            lag_ms = field_number(r, "lag_ms");
        if (field_number(r, "lag_bytes") > lag_bytes)
            lag_bytes = field_number(r, "lag_bytes");
        not_level += !field_flag(r, "is_level");
    }
    table_duration(t, lag_ms);
    table_bytes(t, lag_bytes);
    if (replicas == NULL)
        table_text(t, "?");
    else
        table_number(t, not_level);
}

static void add_group(struct table *t, const json_t *group)
{
    const json_t *leader = json_object_get(group, "leader_node_id");
    table_number(t, field_number(group, "group_id"));
    if (json_is_integer(leader))
        table_number(t, json_integer_value(leader));
    else
        table_text(t, "none");
    table_number(t, field_number(group, "preferred_node_id"));
    add_nodes(t, group);
    table_number(t, field_number(group, "term"));
    table_number(t, field_number(group, "partitions"));
    add_lag(t, group);
}

static void print_groups(struct session *s, json_t *const answers[], unsigned count)
{
    struct table t;
    size_t group_count = json_array_size(json_object_get(answers[0], "groups"));
    table_init(&t, ">GROUP|>LEADER|>PREFERRED|VOTERS|>TERM|>PARTITIONS|>LAG|>BEHIND|>NOT LEVEL");
    for (size_t i = 0; i < group_count; i++)
        add_group(&t, best_view(answers, count, i));
    table_print(&t, s->out);
    table_close(&t);
}

int group_list(struct session *s)
{
    json_t *answers[ADMINS_MAX];
    unsigned count = 0;
    int status, worst = EXIT_DONE;
    for (unsigned i = 0; i < s->targets.count; i++) {
        json_t *json = session_get_of(s, i, "/v1/groups", &status);
        if (json != NULL)
            answers[count++] = json;
        else
            worst = status;
    }
    if (s->is_json)
        for (unsigned i = 0; i < count; i++)
            session_print_json(s, answers[i]);
    else if (count > 0)
        print_groups(s, answers, count);
    for (unsigned i = 0; i < count; i++)
        json_decref(answers[i]);
    return count > 0 && worst != EXIT_DONE ? EXIT_PARTLY : worst;
}

/* trilog raft …: raft groups, with the lag that their leaders know. */
#include "command.h"
#include "table.h"

/* The group as its leader tells it, if that was among those asked; else as the first one does. */
static const json_t *best_view(const struct session_answers *answers, size_t position)
{
    const json_t *best = NULL;
    for (unsigned i = 0; i < answers->count; i++) {
        const json_t *group = json_array_get(json_object_get(answers->of[i], "groups"), position);
        if (json_object_get(group, "replicas") != NULL)
            return group;
        if (best == NULL)
            best = group;
    }
    return best;
}

/* How its records reach other sites, and where it belongs: "sync", "sync, a", "async, a". */
static void add_replication(struct table *t, const json_t *group)
{
    char text[TABLE_CELL_SIZE];
    const char *home_site = field_text(group, "home_site");
    const char *replication = field_text(group, "replication");
    snprintf(text, sizeof text, "%s%s%s", replication[0] == '\0' ? "?" : replication,
             home_site[0] == '\0' ? "" : ", ", home_site);
    table_text(t, text);
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
    table_number(t, field_number(group, "group_id"));
    field_put_number(t, group, "leader_node_id", "none");
    table_number(t, field_number(group, "preferred_node_id"));
    field_put_ids(t, group, "voter_node_ids");
    add_replication(t, group);
    table_number(t, field_number(group, "term"));
    table_number(t, field_number(group, "partitions"));
    add_lag(t, group);
}

static void print_groups(struct session *s, const struct session_answers *answers)
{
    struct table t;
    size_t group_count = json_array_size(json_object_get(answers->of[0], "groups"));
    table_init(
        &t,
        ">GROUP|>LEADER|>PREFERRED|VOTERS|REPLICATION|>TERM|>PARTITIONS|>LAG|>BEHIND|>NOT LEVEL");
    for (size_t i = 0; i < group_count; i++)
        add_group(&t, best_view(answers, i));
    table_print(&t, s->out);
    table_close(&t);
}

int raft_list(struct session *s)
{
    struct session_answers answers;
    int status = session_get_each(s, "/v1/groups", &answers);
    if (s->is_json)
        for (unsigned i = 0; i < answers.count; i++)
            session_print_json(s, answers.of[i]);
    else if (answers.count > 0)
        print_groups(s, &answers);
    session_answers_close(&answers);
    return status;
}

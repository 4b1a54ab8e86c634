/* trilog group history, policy: who moved a consumer group's offsets, and what may lower them. */
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "table.h"

/* ---- history ---- */

static void put_value(struct table *t, const json_t *line, const char *offset, const char *policy)
{
    if (json_object_get(line, policy) != NULL)
        table_text(t, field_text(line, policy));
    else
        field_put_number(t, line, offset, "-");
}

static void put_line(struct table *t, const json_t *line)
{
    char text[TABLE_CELL_SIZE];
    int64_t count = field_number(line, "count");
    field_put_moment(t, line, "first_at_ms", "-");
    if (count > 1)
        field_put_moment(t, line, "last_at_ms", "-");
    else
        table_text(t, "");
    table_number(t, count);
    table_text(t, field_text(line, "kind"));
    snprintf(text, sizeof text, "%.70s", field_text(line, "topic"));
    table_text(t, text);
    field_put_number(t, line, "partition", "-");
    put_value(t, line, "old_offset", "old_policy");
    put_value(t, line, "new_offset", "new_policy");
    table_text(t, field_text(line, "told"));
    table_text(t, field_text(line, "client_id"));
    table_text(t, field_text(line, "client_host"));
    table_text(t, field_text(line, "member_id"));
}

struct filter {
    const char *topic; /* NULL: all */
    int64_t partition; /* -1: all */
};

static bool is_asked(const struct filter *filter, const json_t *line)
{
    return (filter->topic == NULL || strcmp(field_text(line, "topic"), filter->topic) == 0) &&
           (filter->partition < 0 || field_number(line, "partition") == filter->partition);
}

/* The node tells all of the group. */
static void leave_out(json_t *lines, const struct filter *filter)
{
    for (size_t i = json_array_size(lines); i-- > 0;)
        if (!is_asked(filter, json_array_get(lines, i)))
            json_array_remove(lines, i);
}

static void print_history(struct session *s, const json_t *json)
{
    const json_t *lines = json_object_get(json, "lines");
    field_print_rows(s->out,
                     "FIRST|LAST|>TIMES|KIND|TOPIC|>PARTITION|>OLD|>NEW|TOLD|CLIENT|HOST|MEMBER",
                     lines, put_line);
    if (json_array_size(lines) == 0)
        fprintf(s->out, "nothing is remembered\n");
    if (!field_flag(json, "is_coordinator"))
        fprintf(s->err,
                "trilog: node %lld tells this, which does not coordinate the group: what "
                "is newest may be missing\n",
                (long long)field_number(json, "node_id"));
}

static bool read_filter(struct session *s, struct filter *filter)
{
    const struct arguments *a = &s->arguments;
    *filter = (struct filter){.topic = a->operand_count > 1 ? a->operands[1] : NULL,
                              .partition = -1};
    if (a->operand_count < 3 || arguments_number(a->operands[2], 0, INT32_MAX, &filter->partition))
        return true;
    fprintf(s->err, "trilog: %.40s is no partition\n", a->operands[2]);
    return false;
}

int group_history(struct session *s)
{
    int status;
    struct filter filter;
    if (!read_filter(s, &filter))
        return EXIT_USAGE;
    json_t *json = session_get_named(s, "/v1/consumer-groups/history", "group",
                                     s->arguments.operands[0], &status);
    if (json == NULL)
        return status;
    leave_out(json_object_get(json, "lines"), &filter);
    if (s->is_json)
        session_print_json(s, json);
    else
        print_history(s, json);
    json_decref(json);
    return EXIT_DONE;
}

/* ---- policy ---- */

static int show_policy(struct session *s)
{
    int status;
    json_t *json = session_get_named(s, "/v1/consumer-groups/policy", "group",
                                     s->arguments.operands[0], &status);
    if (json == NULL)
        return status;
    const char *policy = field_text(json, "policy");
    if (s->is_json)
        session_print_json(s, json);
    else if (strcmp(policy, "default") == 0)
        fprintf(s->out, "%s (the default)\n", field_text(json, "default_policy"));
    else
        fprintf(s->out, "%s\n", policy);
    json_decref(json);
    return EXIT_DONE;
}

static void print_plan(const json_t *plan, FILE *into)
{
    fprintf(into, "the group's policy is %s and becomes %s\n", field_text(plan, "old_policy"),
            field_text(plan, "policy"));
}

int group_policy(struct session *s)
{
    const struct arguments *a = &s->arguments;
    if (a->operand_count < 2)
        return show_policy(s);
    json_t *body = json_object();
    if (!session_put_text(s, body, "group", a->operands[0]) ||
        !session_put_text(s, body, "policy", a->operands[1])) {
        json_decref(body);
        return EXIT_USAGE;
    }
    session_put_who(body);
    struct change change = {
        .path = "/v1/consumer-groups/set-policy",
        .body = body,
        .what = "Commits that would lower an offset are treated so from now on.",
        .print_plan = print_plan};
    return change_run(s, &change);
}

/* trilog group reset: sets a consumer group's committed offsets. */
#include <string.h>

#include "change.h"
#include "moment.h"
#include "table.h"

static void put_change(struct table *t, const json_t *change)
{
    int64_t then = field_number(change, "new_offset");
    int64_t step = then - field_number_or(change, "old_offset", then);
    table_text(t, field_text(change, "topic"));
    table_number(t, field_number(change, "partition"));
    field_put_number(t, change, "old_offset", "-");
    table_number(t, then);
    table_number(t, step < 0 ? -step : 0);
    table_number(t, step > 0 ? step : 0);
    table_text(t, field_flag(change, "is_clamped") ? "brought within the partition" : "");
}

static void print_plan(const json_t *plan, FILE *into)
{
    field_print_rows(into, "TOPIC|>PARTITION|>COMMITTED|>THEN|>READ AGAIN|>LEFT OUT|",
                     json_object_get(plan, "changes"), put_change);
}

/* "earliest", "latest", an offset, a step forward or back, or a moment. */
static bool put_target(struct session *s, json_t *body)
{
    const char *where = s->arguments.values[OPTION_OFFSET], *to = NULL;
    int64_t value;
    if (where == NULL) {
        fprintf(s->err, "trilog: where to? --offset earliest, latest, N, +N, -N, or a time\n");
        return false;
    }
    bool has_sign = where[0] == '+' || where[0] == '-';
    if (strcmp(where, "earliest") == 0 || strcmp(where, "latest") == 0) {
        json_object_set_new(body, "to", json_string(where));
        return true;
    }
    if (arguments_number(where + (where[0] == '+'), -((int64_t)1 << 62), (int64_t)1 << 62, &value))
        to = has_sign ? "shift" : "offset";
    else if (moment_read(where, &value))
        to = "time";
    if (to == NULL || (where[0] == '+' && where[1] == '-')) {
        fprintf(s->err,
                "trilog: --offset is earliest, latest, N, +N, -N, or a time of UTC as "
                "2026-03-01T12:30:00, not %.40s\n",
                where);
        return false;
    }
    json_object_set_new(body, "to", json_string(to));
    json_object_set_new(body, "value", json_integer(value));
    return true;
}

static bool put_scope(struct session *s, json_t *body)
{
    const struct arguments *a = &s->arguments;
    int64_t partition;
    if (!session_put_text(s, body, "group", a->operands[0]) ||
        (a->operand_count > 1 && !session_put_text(s, body, "topic", a->operands[1])))
        return false;
    if (a->operand_count < 3)
        return true;
    if (!arguments_number(a->operands[2], 0, INT32_MAX, &partition)) {
        fprintf(s->err, "trilog: %.40s is no partition\n", a->operands[2]);
        return false;
    }
    json_object_set_new(body, "partition", json_integer(partition));
    return true;
}

int group_reset(struct session *s)
{
    json_t *body = json_object();
    if (!put_scope(s, body) || !put_target(s, body)) {
        json_decref(body);
        return EXIT_USAGE;
    }
    session_put_who(body);
    struct change change = {.path = "/v1/consumer-groups/reset",
                            .body = body,
                            .what = "The group goes on from there: records are read again, or left "
                                    "out, as the table says.",
                            .print_plan = print_plan};
    return change_run(s, &change);
}

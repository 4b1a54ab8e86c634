/* trilog topic …: partitions move from one raft group to another. */
#include <string.h>

#include "change.h"
#include "progress.h"
#include "table.h"

static void put_place(struct table *t, const json_t *move)
{
    char partition[TABLE_CELL_SIZE];
    snprintf(partition, sizeof partition, "%.70s %lld", field_text(move, "topic"),
             (long long)field_number(move, "partition"));
    table_text(t, partition);
    table_number(t, field_number(move, "from_group_id"));
    table_number(t, field_number(move, "to_group_id"));
}

static void put_planned(struct table *t, const json_t *move)
{
    put_place(t, move);
    table_number(t, field_number(move, "from_leader_node_id"));
    table_number(t, field_number(move, "to_leader_node_id"));
}

static void print_plan(const json_t *plan, FILE *into)
{
    const json_t *moves = json_object_get(plan, "moves");
    fprintf(into, "%zu partitions move%s\n", json_array_size(moves),
            field_flag(plan, "is_more") ? "; there is more to do: plan again afterwards" : "");
    field_print_rows(into, "PARTITION|>FROM GROUP|>TO GROUP|>LEADER|>NEXT LEADER", moves,
                     put_planned);
}

static void put_move(struct table *t, const json_t *move)
{
    put_place(t, move);
    table_text(t, field_text(move, "phase"));
    field_put_ids(t, move, "missing_node_ids");
}

int topic_moves(struct session *s)
{
    return session_list(s, "/v1/topics/moves", "moves",
                        "PARTITION|>FROM GROUP|>TO GROUP|PHASE|WAITS FOR NODES", put_move);
}

/* Done when nothing of the topic, or of all topics, is on its way. */
static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    const char *topic = data;
    struct http_answer answer;
    unsigned count = 0;
    size_t position;
    json_t *move;
    http_ask_any(&s->targets, "/v1/topics/moves", NULL, &answer);
    bool is_answer = answer.outcome == HTTP_ANSWERED && http_error_code(&answer) == NULL;
    json_array_foreach(json_object_get(answer.json, "moves"), position, move)
    {
        count += topic == NULL || strcmp(field_text(move, "topic"), topic) == 0;
    }
    if (is_answer)
        snprintf(text, PROGRESS_TEXT_SIZE, "%u partitions are moving", count);
    http_answer_close(&answer);
    return is_answer && count == 0;
}

static int wait_for(struct session *s, void *data)
{
    return progress_wait(s, look, data, "trilog topic moves");
}

/* The body's numbers; false when they are none. */
static bool add_numbers(struct session *s, json_t *body)
{
    const struct arguments *a = &s->arguments;
    int64_t number;
    if (a->operand_count > 1) {
        if (!arguments_number(a->operands[1], 0, INT32_MAX, &number)) {
            fprintf(s->err, "trilog: PARTITION is a whole number from 0\n");
            return false;
        }
        json_object_set_new(body, "partition", json_integer((json_int_t)number));
    }
    if (a->values[OPTION_GROUP] != NULL) {
        if (!arguments_number(a->values[OPTION_GROUP], 1, 255, &number) || a->operand_count == 0) {
            fprintf(s->err, "trilog: --group is a whole number from 1, for one topic\n");
            return false;
        }
        json_object_set_new(body, "group_id", json_integer((json_int_t)number));
    }
    return true;
}

int topic_move(struct session *s)
{
    const char *topic = s->arguments.operand_count > 0 ? s->arguments.operands[0] : NULL;
    json_t *body = json_object();
    if ((topic != NULL && !session_put_text(s, body, "topic", topic)) || !add_numbers(s, body)) {
        json_decref(body);
        return EXIT_USAGE;
    }
    struct change change = {
        .path = "/v1/topics/move",
        .body = body,
        .what = "These partitions move to other raft groups; their clients wait "
                "for some milliseconds.",
        .print_plan = print_plan,
        .wait = wait_for,
        .data = (void *)(uintptr_t)topic};
    return change_run(s, &change);
}

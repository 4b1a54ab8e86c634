/* trilog switch: leaders leave a site, and come back; what each time was expected and what it cost.
 */
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "progress.h"
#include "table.h"

/* ---- arguments ---- */

static bool put_duration(struct session *s, json_t *body, const char *name, enum option_id option)
{
    const char *text = s->arguments.values[option];
    int64_t ms;
    if (text == NULL)
        return true;
    if (!arguments_duration(text, &ms)) {
        fprintf(s->err, "trilog: --%s is a time with its unit, as 500ms, 10s or 5m\n",
                option_rows[option].name);
        return false;
    }
    json_object_set_new(body, name, json_integer((json_int_t)ms));
    return true;
}

static bool put_site(struct session *s, json_t *body, const char *name, enum option_id option)
{
    const char *site = s->arguments.values[option];
    return site == NULL || session_put_text(s, body, name, site);
}

/* ---- the plan ---- */

static void print_moves(const json_t *plan, FILE *into)
{
    size_t position;
    json_t *move;
    struct table t;
    table_init(&t, ">GROUP|>LEADER|>NEXT LEADER|LEVEL|>LAG RECORDS|>BYTES|>TIME");
    json_array_foreach(json_object_get(plan, "moves"), position, move)
    {
        table_number(&t, field_number(move, "group_id"));
        table_number(&t, field_number(move, "from_node_id"));
        table_number(&t, field_number(move, "to_node_id"));
        table_text(&t, field_flag(move, "is_level") ? "yes" : "no");
        table_number(&t, field_number(move, "lag_records"));
        table_bytes(&t, field_number(move, "lag_bytes"));
        field_put_duration(&t, move, "lag_ms");
    }
    table_print(&t, into);
    table_close(&t);
}

static void print_topics(const json_t *plan, FILE *into)
{
    size_t position;
    json_t *topic;
    struct table t;
    table_init(&t, "TOPIC|>PARTITIONS|>LAG RECORDS|>BYTES|>TIME|>READ AGAIN");
    json_array_foreach(json_object_get(plan, "topics"), position, topic)
    {
        table_text(&t, field_text(topic, "topic"));
        table_number(&t, field_number(topic, "partitions"));
        table_number(&t, field_number(topic, "lag_records"));
        table_bytes(&t, field_number(topic, "lag_bytes"));
        field_put_duration(&t, topic, "lag_ms");
        table_number(&t, field_number(topic, "records_read_again"));
    }
    table_print(&t, into);
    table_close(&t);
    if (field_number(plan, "topics_left_out") > 0)
        fprintf(into, "and %lld topics more\n", (long long)field_number(plan, "topics_left_out"));
}

static const char *ms_text(const json_t *json, const char *name, char *text, size_t size)
{
    const json_t *value = json_object_get(json, name);
    if (!json_is_integer(value))
        return "not known";
    snprintf(text, size, "%lld ms", (long long)json_integer_value(value));
    return text;
}

static void print_plan(const json_t *plan, FILE *into)
{
    char pause[32];
    const char *from = field_text(plan, "from"), *to = field_text(plan, "to");
    int64_t count = field_number(plan, "groups");
    fprintf(into, "from %s to %s: the leaders of %lld raft groups move\n",
            from[0] != '\0' ? from : "other sites", to[0] != '\0' ? to : "other sites",
            (long long)count);
    fprintf(into, "pause       %s expected, for each of them by itself\n",
            ms_text(plan, "expected_pause_ms", pause, sizeof pause));
    fprintf(into, "lag         %lld records at the targets, which is waited for\n",
            (long long)field_number(plan, "lag_records"));
    fprintf(into, "read again  %lld records, by %lld consumer groups\n\n",
            (long long)field_number(plan, "records_read_again"),
            (long long)field_number(plan, "consumer_groups_reading_again"));
    if (count == 0)
        return;
    print_moves(plan, into);
    fprintf(into, "\n");
    print_topics(plan, into);
}

/* ---- how it is, and was ---- */

static void add_epoch(struct table *t, const json_t *row)
{
    char way[80];
    const char *from = field_text(row, "from"), *to = field_text(row, "to");
    snprintf(way, sizeof way, "%.31s%s%.31s", from[0] != '\0' ? from : "-",
             to[0] != '\0' ? " > " : "", to);
    table_number(t, field_number(row, "epoch"));
    field_put_moment(t, row, "begun_at_ms", "-");
    table_text(t, field_text(row, "cause"));
    table_text(t, way);
    table_number(t, field_number(row, "groups"));
    table_text(t, field_text(row, "outcome"));
    field_put_duration(t, row, "forecast_pause_ms");
    field_put_duration(t, row, "pause_ms");
    field_put_number(t, row, "forecast_lost_records", "-");
    field_put_number(t, row, "lost_records", "-");
    table_text(t, field_text(row, "note"));
}

static void print_history(const json_t *json, FILE *into)
{
    size_t position;
    json_t *row;
    struct table t;
    table_init(&t, ">EPOCH|BEGUN|CAUSE|SITES|>GROUPS|OUTCOME|>EXPECTED PAUSE|>PAUSE|"
                   ">EXPECTED LOSS|>LOST|NOTE");
    json_array_foreach(json_object_get(json, "history"), position, row) add_epoch(&t, row);
    table_print(&t, into);
    table_close(&t);
}

static void print_state(const json_t *json, FILE *into)
{
    const char *phase = field_text(json, "phase"), *to = field_text(json, "to");
    fprintf(into, "failover epoch  %lld\n", (long long)field_number(json, "failover_epoch"));
    if (strcmp(phase, "none") == 0) {
        fprintf(into,
                "switch          none: leaders are where they belong, or on their way there\n");
        return;
    }
    fprintf(into, "switch          from %s to %s, %s\n", field_text(json, "from"),
            to[0] != '\0' ? to : "other sites", phase);
    fprintf(into, "leaders         %lld of %lld are where they are to be\n",
            (long long)field_number(json, "groups_arrived"),
            (long long)field_number(json, "groups"));
}

static int show(struct session *s)
{
    int status;
    json_t *json = session_get(s, "/v1/switch", &status);
    if (json == NULL)
        return status;
    if (s->is_json)
        session_print_json(s, json);
    else if (arguments_has(&s->arguments, OPTION_HISTORY))
        print_history(json, s->out);
    else
        print_state(json, s->out);
    json_decref(json);
    return EXIT_DONE;
}

/* ---- waiting ---- */

static bool is_under_way(const json_t *json)
{
    const char *phase = field_text(json, "phase");
    return strcmp(phase, "leaving") == 0 || strcmp(phase, "returning") == 0;
}

static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    struct http_answer answer;
    (void)data;
    http_ask_any(&s->targets, "/v1/switch", NULL, &answer);
    bool is_answer = answer.outcome == HTTP_ANSWERED && http_error_code(&answer) == NULL;
    bool is_done = is_answer && !is_under_way(answer.json);
    if (is_done)
        snprintf(text, PROGRESS_TEXT_SIZE, "the leaders have moved, or are back");
    else if (is_answer)
        snprintf(text, PROGRESS_TEXT_SIZE, "%lld of %lld leaders are where they are to be",
                 (long long)field_number(answer.json, "groups_arrived"),
                 (long long)field_number(answer.json, "groups"));
    http_answer_close(&answer);
    return is_done;
}

/* The newest switch, there or back. */
static const json_t *newest_of(const json_t *json)
{
    size_t position;
    json_t *row;
    json_array_foreach(json_object_get(json, "history"), position, row)
    {
        const char *cause = field_text(row, "cause");
        if (strcmp(cause, "switch") == 0 || strcmp(cause, "back") == 0)
            return row;
    }
    return NULL;
}

static int tell_outcome(struct session *s)
{
    int status;
    char expected[32], was[32];
    json_t *json = session_get(s, "/v1/switch", &status);
    const json_t *row = newest_of(json);
    if (row != NULL && strcmp(field_text(row, "outcome"), "undone") == 0) {
        fprintf(s->err, "trilog: it was not done, and all is as before: %s\n",
                field_text(row, "note"));
        status = EXIT_FAILED;
    } else if (row != NULL && !s->is_json) {
        fprintf(s->out,
                "failover epoch %lld: %lld raft groups; pause %s, %s expected; lost %lld "
                "records, %lld expected\n",
                (long long)field_number(row, "epoch"), (long long)field_number(row, "groups"),
                ms_text(row, "pause_ms", was, sizeof was),
                ms_text(row, "forecast_pause_ms", expected, sizeof expected),
                (long long)field_number(row, "lost_records"),
                (long long)field_number(row, "forecast_lost_records"));
    }
    json_decref(json);
    return status;
}

static int wait_for(struct session *s, void *data)
{
    int status = progress_wait(s, look, data, "trilog switch");
    return status != EXIT_DONE || arguments_has(&s->arguments, OPTION_NO_WAIT) ? status
                                                                               : tell_outcome(s);
}

/* Options of a switch where there is none to make: who gave them must not take a look for a switch.
 */
static int show_only(struct session *s)
{
    const uint64_t of_switch = OPTIONS_CHANGE | OPTIONS_WAIT | OPTION_BIT(OPTION_FROM) |
                               OPTION_BIT(OPTION_TO) | OPTION_BIT(OPTION_MAX_LAG) |
                               OPTION_BIT(OPTION_DEADLINE) | OPTION_BIT(OPTION_BACK);
    if ((s->arguments.given & of_switch) == 0)
        return show(s);
    fprintf(s->err,
            arguments_has(&s->arguments, OPTION_HISTORY)
                ? "trilog: --history shows, and switches nothing\n"
                : "trilog: which site do leaders leave? Name it by --from, or give --back\n");
    return EXIT_USAGE;
}

int switch_run(struct session *s)
{
    const struct arguments *a = &s->arguments;
    bool is_back = arguments_has(a, OPTION_BACK);
    if (arguments_has(a, OPTION_HISTORY) || (!is_back && a->values[OPTION_FROM] == NULL))
        return show_only(s);
    json_t *body = is_back ? json_pack("{s:b}", "back", 1) : json_object();
    if (!put_site(s, body, "from", OPTION_FROM) || !put_site(s, body, "to", OPTION_TO) ||
        !put_duration(s, body, "max_lag_ms", OPTION_MAX_LAG) ||
        !put_duration(s, body, "deadline_ms", OPTION_DEADLINE)) {
        json_decref(body);
        return EXIT_USAGE;
    }
    struct change change = {
        .path = "/v1/switch/begin",
        .body = body,
        .what = is_back ? "These leaders go home; producers wait for the pause."
                        : "These leaders leave the site, until the switch is taken back; producers "
                          "wait for the pause.",
        .print_plan = print_plan,
        .wait = wait_for};
    return change_run(s, &change);
}

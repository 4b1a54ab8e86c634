/* trilog recover: a forced recovery, planned and begun.
 *
 * Where two of three sites are lost group 0 has no majority, so each node of the site that survives
 * is asked, by --admin, and each does its own part; where only the home site of asynchronous topics
 * is, group 0 orders it, of what each of these nodes has. Where two of them have a replica of one
 * raft group, the one whose log goes further goes on with it (Raft's own order: last term, then
 * last index); the other one hears of it and is built anew. What is known to be lost must be typed,
 * and that the lost sites are off.
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "table.h"

struct recovery {
    struct session *s;
    const char *survivor;
    json_t *plans[ADMINS_MAX];  /* of the nodes that are asked, owned */
    json_t *groups[ADMINS_MAX]; /* those that each one goes on with, owned */
    int64_t lost[ADMINS_MAX];   /* records known to be lost with these */
    unsigned count;
};

static void free_recovery(struct recovery *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        json_decref(r->plans[i]);
        json_decref(r->groups[i]);
    }
}

/* ---- the plan ---- */

static int ask_all(struct recovery *r)
{
    char path[HTTP_PATH_SIZE];
    int status = EXIT_DONE;
    if (!session_path(r->s, "/v1/recover", "survivor", r->survivor, path))
        return EXIT_USAGE;
    for (unsigned i = 0; i < r->s->targets.count && status == EXIT_DONE; i++) {
        r->plans[i] = session_get_of(r->s, i, path, &status);
        r->groups[i] = json_array();
        r->count = i + 1;
    }
    return status;
}

static bool is_further(const json_t *a, const json_t *b)
{
    int64_t a_term = field_number(a, "last_term"), b_term = field_number(b, "last_term");
    return a_term != b_term ? a_term > b_term
                            : field_number(a, "last_index") > field_number(b, "last_index");
}

static const json_t *row_of(const json_t *plan, int64_t group_id)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(plan, "groups"), i, row)
    {
        if (field_number(row, "group_id") == group_id)
            return row;
    }
    return NULL;
}

/* Whose replica of the group goes furthest; the first of equals. */
static unsigned best_of(const struct recovery *r, int64_t group_id)
{
    unsigned best = 0;
    const json_t *best_row = NULL;
    for (unsigned i = 0; i < r->count; i++) {
        const json_t *row = row_of(r->plans[i], group_id);
        if (row != NULL && (best_row == NULL || is_further(row, best_row))) {
            best = i;
            best_row = row;
        }
    }
    return best;
}

static void share_out(struct recovery *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        size_t k;
        json_t *row;
        json_array_foreach(json_object_get(r->plans[i], "groups"), k, row)
        {
            int64_t id = field_number(row, "group_id");
            if (best_of(r, id) != i)
                continue;
            json_array_append_new(r->groups[i], json_integer(id));
            r->lost[i] += field_number(row, "known_lost_records");
        }
    }
}

/* "other_survivor" is answered by asking all of them. */
static bool may_begin(const struct recovery *r, const char **why)
{
    bool is_any = false;
    for (unsigned i = 0; i < r->count; i++) {
        const char *refusal = field_text(r->plans[i], "refusal");
        bool is_compared = r->count > 1 && (strcmp(refusal, "other_survivor") == 0 ||
                                            strcmp(refusal, "nothing_lost") == 0);
        if (refusal[0] != '\0' && !is_compared) {
            *why = field_text(r->plans[i], "why");
            return false;
        }
        is_any |= json_array_size(r->groups[i]) > 0;
    }
    *why = "there is nothing to recover";
    return is_any;
}

static void print_topics(const json_t *plan, FILE *into)
{
    struct table t;
    size_t i;
    json_t *row;
    table_init(&t, "TOPIC|>PARTITIONS|>KNOWN LOST|>BYTES|POSSIBLY LOST SINCE");
    json_array_foreach(json_object_get(plan, "topics"), i, row)
    {
        char lost[48];
        snprintf(lost, sizeof lost, "%s%lld", field_flag(row, "is_at_most") ? "at most " : "",
                 (long long)field_number(row, "known_lost_records"));
        table_text(&t, field_text(row, "topic"));
        table_number(&t, field_number(row, "partitions"));
        table_text(&t, lost);
        table_bytes(&t, field_number(row, "known_lost_bytes"));
        field_put_moment(&t, row, "possibly_lost_since_ms", "unknown");
    }
    table_print(&t, into);
    table_close(&t);
}

static void print_groups(const json_t *plan, FILE *into)
{
    struct table t;
    size_t i;
    json_t *row;
    table_init(&t, ">RAFT GROUP|>COMMITTED|>LAST|>LEADER WAS AT|>KNOWN LOST|POSSIBLY LOST SINCE");
    json_array_foreach(json_object_get(plan, "groups"), i, row)
    {
        table_number(&t, field_number(row, "group_id"));
        table_number(&t, field_number(row, "committed_index"));
        table_number(&t, field_number(row, "last_index"));
        table_number(&t, field_number(row, "leader_index"));
        table_number(&t, field_number(row, "known_lost_records"));
        field_put_moment(&t, row, "possibly_lost_since_ms", "unknown");
    }
    table_print(&t, into);
    table_close(&t);
}

static void print_beyond(const json_t *plan, FILE *into)
{
    struct table t;
    size_t i;
    json_t *row;
    const json_t *rows = json_object_get(plan, "consumer_offsets_beyond");
    int64_t count = field_number(plan, "consumer_offsets_beyond_count");
    int64_t not_looked_at = field_number(plan, "consumer_offsets_not_looked_at");
    if (not_looked_at > 0)
        fprintf(into, "\n%lld committed offsets are too many to be compared with what survives\n",
                (long long)not_looked_at);
    if (count == 0)
        return;
    fprintf(into, "\nCommitted beyond what survives; these wait for the first new record:\n");
    table_init(&t, "GROUP|TOPIC|>PARTITION|>COMMITTED|>SURVIVES TO");
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        table_text(&t, field_text(row, "group"));
        table_text(&t, field_text(row, "topic"));
        table_number(&t, field_number(row, "partition"));
        table_number(&t, field_number(row, "committed"));
        table_number(&t, field_number(row, "survives"));
    }
    table_print(&t, into);
    table_close(&t);
    if ((size_t)count > json_array_size(rows))
        fprintf(into, "and %lld more\n", (long long)count - (long long)json_array_size(rows));
}

static void print_lost_nodes(const json_t *plan, FILE *into)
{
    struct table t;
    size_t i;
    json_t *row;
    fprintf(into, "\n");
    table_init(&t, ">LOST NODE|SITE|SILENT|FOR");
    json_array_foreach(json_object_get(plan, "lost_nodes"), i, row)
    {
        table_number(&t, field_number(row, "node_id"));
        table_text(&t, field_text(row, "site"));
        table_text(&t, field_flag(row, "is_silent") ? "yes" : "NO");
        table_duration(&t, field_number(row, "silent_for_ms"));
    }
    table_print(&t, into);
    table_close(&t);
}

static void print_plan(const struct recovery *r, unsigned i, FILE *into)
{
    char since[MOMENT_SIZE], site[TABLE_CELL_SIZE];
    const json_t *plan = r->plans[i], *total = json_object_get(plan, "total");
    fprintf(into, "%snode %lld of site %s\n\n", i > 0 ? "\n" : "",
            (long long)field_number(plan, "node_id"), table_plain(r->survivor, site));
    print_groups(plan, into);
    fprintf(into, "\n");
    print_topics(plan, into);
    print_beyond(plan, into);
    print_lost_nodes(plan, into);
    fprintf(into,
            "\nknown to be lost: %s%lld records, %lld bytes\n"
            "possibly lost: what was acknowledged since %s\n",
            field_flag(total, "is_at_most") ? "at most " : "",
            (long long)field_number(total, "known_lost_records"),
            (long long)field_number(total, "known_lost_bytes"),
            field_moment(total, "possibly_lost_since_ms", "unknown", since));
    if (field_number_or(plan, "expected_pause_ms", -1) >= 0)
        fprintf(into, "expected to serve again within: %lld ms of the order\n",
                (long long)field_number(plan, "expected_pause_ms"));
    if (strcmp(field_text(plan, "ordered_by"), "group_0") == 0)
        fprintf(into,
                "group 0 lives and orders it; of asynchronous topics in these raft groups %s is "
                "the home from then on\n",
                site);
    if (field_number(total, "groups_of_unknown_time") > 0)
        fprintf(into, "of %lld raft groups nobody here knows since when\n",
                (long long)field_number(total, "groups_of_unknown_time"));
}

static int show(const struct recovery *r, FILE *into)
{
    const char *why;
    for (unsigned i = 0; i < r->count; i++)
        if (r->s->is_json && into == r->s->out)
            session_print_json(r->s, r->plans[i]);
        else if (strcmp(field_text(r->plans[i], "refusal"), "other_site") != 0)
            print_plan(r, i, into);
    if (may_begin(r, &why))
        return EXIT_DONE;
    fprintf(r->s->err, "trilog: it can't be begun: %s\n", why);
    return EXIT_FAILED;
}

/* ---- the operator's word ---- */

static int64_t lost_records(const struct recovery *r)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < r->count; i++)
        sum += r->lost[i];
    return sum;
}

static bool read_line(struct session *s, const char *question, char line[64])
{
    fprintf(s->err, "%s", question);
    if (fgets(line, 64, s->in) == NULL)
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

/* By options, or asked for where somebody can be asked. */
static int confirm(struct recovery *r)
{
    struct session *s = r->s;
    char line[64];
    const char *typed = s->arguments.values[OPTION_LOST];
    int64_t lost;
    if (typed == NULL && s->is_terminal &&
        read_line(s, "type how many records are known to be lost: ", line))
        typed = line;
    if (typed == NULL || !arguments_number(typed, 0, INT64_MAX, &lost)) {
        fprintf(s->err, "trilog: say what is known to be lost, as the plan says it, by --lost\n");
        return EXIT_USAGE;
    }
    if (lost != lost_records(r)) {
        fprintf(s->err, "trilog: %lld records are known to be lost, not %lld\n",
                (long long)lost_records(r), (long long)lost);
        return EXIT_FAILED;
    }
    if (arguments_has(&s->arguments, OPTION_SITES_OFF))
        return EXIT_DONE;
    if (s->is_terminal &&
        read_line(s, "type \"off\" when all nodes of the lost sites are off: ", line) &&
        strcmp(line, "off") == 0)
        return EXIT_DONE;
    fprintf(s->err,
            "trilog: give your word that the lost sites are off, by --sites-off: whoever of "
            "them still runs goes on beside this site\n");
    return EXIT_USAGE;
}

/* ---- beginning and waiting ---- */

/* The node with group 0 first. */
static int begin_all(struct recovery *r)
{
    int status = EXIT_DONE;
    unsigned first = best_of(r, 0);
    for (unsigned k = 0; k < r->count && status == EXIT_DONE; k++) {
        unsigned i = (first + k) % r->count;
        if (json_array_size(r->groups[i]) == 0)
            continue;
        json_t *body = json_pack("{s:s, s:I, s:b, s:O}", "survivor", r->survivor,
                                 "known_lost_records", (json_int_t)r->lost[i], "lost_sites_are_off",
                                 1, "groups", r->groups[i]);
        json_t *answer = session_post_of(r->s, i, "/v1/recover/begin", body, &status);
        json_decref(answer);
        if (status != EXIT_DONE && k > 0)
            status = EXIT_PARTLY;
    }
    return status;
}

/* Every raft group has a leader again. */
static bool is_serving(struct session *s, unsigned target)
{
    struct http_answer answer;
    size_t i;
    json_t *group;
    http_ask(&s->targets, target, "/v1/groups", NULL, &answer);
    const json_t *groups = answer.outcome == HTTP_ANSWERED ? json_object_get(answer.json, "groups")
                                                           : NULL;
    bool is_led = groups != NULL && json_array_size(groups) > 0;
    json_array_foreach((json_t *)(uintptr_t)groups, i, group)
        is_led &= json_is_integer(json_object_get(group, "leader_node_id"));
    http_answer_close(&answer);
    return is_led;
}

/* The newest recovery in the history of failover epochs; NULL: there is none. */
static const json_t *newest_of(const json_t *json)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(json, "history"), i, row)
    {
        if (strcmp(field_text(row, "cause"), "recovery") == 0)
            return row;
    }
    return NULL;
}

/* What came of it is known. */
static bool is_ended(struct session *s, unsigned target)
{
    struct http_answer answer;
    http_ask(&s->targets, target, "/v1/switch", NULL, &answer);
    const json_t *row = answer.outcome == HTTP_ANSWERED ? newest_of(answer.json) : NULL;
    bool is_known = row != NULL && strcmp(field_text(row, "outcome"), "under_way") != 0;
    http_answer_close(&answer);
    return is_known;
}

static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    unsigned serving = 0;
    (void)data;
    for (unsigned i = 0; i < s->targets.count; i++)
        serving += is_serving(s, i) && is_ended(s, i);
    snprintf(text, PROGRESS_TEXT_SIZE, "%u of %u nodes serve", serving, s->targets.count);
    return serving == s->targets.count;
}

static const char *known_text(const json_t *row, const char *name, const char *unit, char text[40])
{
    int64_t number = field_number_or(row, name, -1);
    snprintf(text, 40, "%lld%s", (long long)number, unit);
    return number < 0 ? "not known" : text;
}

/* What was expected beside what then was. */
static int tell_outcome(struct session *s)
{
    int status;
    char pause[40], expected_pause[40], lost[40];
    json_t *json = session_get(s, "/v1/switch", &status);
    const json_t *row = newest_of(json);
    if (row != NULL)
        fprintf(s->out,
                "failover epoch %lld: %lld raft groups; pause %s, %s expected; known lost %s "
                "records, %lld expected\ndone\n",
                (long long)field_number(row, "epoch"), (long long)field_number(row, "groups"),
                known_text(row, "pause_ms", " ms", pause),
                known_text(row, "forecast_pause_ms", " ms", expected_pause),
                known_text(row, "lost_records", "", lost),
                (long long)field_number(row, "forecast_lost_records"));
    json_decref(json);
    return status;
}

static int run(struct recovery *r)
{
    struct session *s = r->s;
    bool is_plan = arguments_has(&s->arguments, OPTION_PLAN);
    int status = ask_all(r);
    if (status != EXIT_DONE)
        return status;
    share_out(r);
    status = show(r, is_plan || s->is_json ? s->out : s->err);
    if (is_plan || status != EXIT_DONE)
        return status;
    status = confirm(r);
    if (status == EXIT_DONE)
        status = begin_all(r);
    if (status == EXIT_DONE)
        status = progress_wait(s, look, NULL, "trilog raft list");
    if (status != EXIT_DONE || s->is_json)
        return status;
    if (!arguments_has(&s->arguments, OPTION_NO_WAIT))
        return tell_outcome(s);
    fprintf(s->out, "begun\n");
    return EXIT_DONE;
}

/* Before anybody is asked: what is no number is no word about any loss. */
static bool is_loss_a_number(struct session *s)
{
    const char *typed = s->arguments.values[OPTION_LOST];
    int64_t lost;
    if (typed == NULL || arguments_number(typed, 0, INT64_MAX, &lost))
        return true;
    fprintf(s->err, "trilog: --lost is a number of records, as the plan says it, not %.40s\n",
            typed);
    return false;
}

int recover_run(struct session *s)
{
    struct recovery r = {.s = s, .survivor = s->arguments.values[OPTION_SURVIVOR]};
    if (r.survivor == NULL) {
        fprintf(s->err, "trilog: name the site that survives by --survivor\n");
        return EXIT_USAGE;
    }
    if (!progress_can_wait(s) || !is_loss_a_number(s))
        return EXIT_USAGE;
    int status = run(&r);
    free_recovery(&r);
    return status;
}

/* trilog spool …: what libtrilog keeps on disk of an application that has ended. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <trilog/trilog.h>

#include "command.h"
#include "moment.h"
#include "progress.h"

struct looking {
    struct session *s;
    struct table table;
    uint64_t spooled, failed, consumed;
    bool is_purge;
};

static int refuse(struct session *s, int result, const char *why)
{
    fprintf(s->err, "trilog: %s\n", why);
    if (result == TRILOG_ERR_SPOOL_IN_USE)
        fprintf(s->err, "trilog: end the application first: it sends by itself what it can\n");
    return result == TRILOG_ERR_SETTINGS ? EXIT_USAGE : EXIT_FAILED;
}

static int run_over(struct looking *l, trilog_kept_cb cb)
{
    char why[TRILOG_TEXT_SIZE];
    int result = trilog_kept_records(l->s->arguments.values[OPTION_CLIENT_CONFIG], cb, l, why);
    return result == TRILOG_OK ? EXIT_DONE : refuse(l->s, result, why);
}

/* ---- list ---- */

static json_t *json_of_bytes(const void *bytes, size_t size)
{
    json_t *text = bytes != NULL ? json_stringn(bytes, size) : NULL;
    return text != NULL ? text : json_null(); /* not UTF-8, or none */
}

static void print_json(struct looking *l, const struct trilog_kept_record *k)
{
    const char *where = k->where == TRILOG_KEPT_IN_SPOOL      ? "spool"
                        : k->where == TRILOG_KEPT_IN_FAILURES ? "failures"
                                                              : "consumed";
    json_t *json = json_pack(
        "{s:s,s:I,s:s,s:o,s:I,s:I,s:I,s:b,s:s}", "where", where, "order", (json_int_t)k->order,
        "topic", k->record.topic, "key", json_of_bytes(k->record.key, k->record.key_size),
        "value_bytes", (json_int_t)k->record.value_size, "timestamp_ms",
        (json_int_t)k->record.timestamp_ms, "failure_count", (json_int_t)k->failure_count,
        "is_given_up", k->is_given_up, "reason", k->reason);
    if (json != NULL && k->where == TRILOG_KEPT_CONSUMED)
        json_object_update_new(json, json_pack("{s:s,s:i,s:I}", "log", k->log, "partition",
                                               (int)k->partition, "offset", (json_int_t)k->offset));
    if (json != NULL)
        session_print_json(l->s, json);
    json_decref(json);
}

static int list_one(void *data, const struct trilog_kept_record *k)
{
    struct looking *l = data;
    char key[TABLE_CELL_SIZE] = "-";
    if (l->s->is_json) {
        print_json(l, k);
        return TRILOG_KEEP;
    }
    if (k->record.key != NULL)
        snprintf(key, sizeof key, "%.*s", k->record.key_size < 40 ? (int)k->record.key_size : 40,
                 (const char *)k->record.key);
    table_text(&l->table, k->where == TRILOG_KEPT_IN_SPOOL ? "spool"
                          : k->is_given_up                 ? "given up"
                                                           : "failed");
    table_text(&l->table, k->log[0] != '\0' ? k->log : "-");
    table_number(&l->table, (int64_t)k->order);
    table_text(&l->table, k->record.topic);
    table_text(&l->table, key);
    table_bytes(&l->table, (int64_t)k->record.value_size);
    table_number(&l->table, k->failure_count);
    table_text(&l->table, k->reason[0] != '\0' ? k->reason : "-");
    return TRILOG_KEEP;
}

int spool_list(struct session *s)
{
    struct looking l = {.s = s};
    table_init(&l.table, "WHERE|LOG|>ORDER|TOPIC|KEY|>VALUE|>FAILURES|REASON");
    int status = run_over(&l, list_one);
    if (status != EXIT_USAGE && !s->is_json)
        table_print(&l.table, s->out);
    table_close(&l.table);
    return status;
}

/* ---- purge ---- */

static int purge_one(void *data, const struct trilog_kept_record *k)
{
    struct looking *l = data;
    *(k->where == TRILOG_KEPT_IN_SPOOL      ? &l->spooled
      : k->where == TRILOG_KEPT_IN_FAILURES ? &l->failed
                                            : &l->consumed) += 1;
    return l->is_purge ? TRILOG_THROW_AWAY : TRILOG_KEEP;
}

/* What is asked about is counted first; more can't come while the application is ended, or its
 * locks are seen. */
int spool_purge(struct session *s)
{
    struct looking l = {.s = s};
    char what[200];
    int status = run_over(&l, purge_one);
    if (status != EXIT_DONE)
        return status;
    snprintf(what, sizeof what,
             "%" PRIu64 " records of the spool, %" PRIu64 " of the failure log and %" PRIu64
             " of failure logs of consumers are thrown away",
             l.spooled, l.failed, l.consumed);
    fprintf(s->err, "%s\n", what);
    if (l.spooled + l.failed + l.consumed == 0 || arguments_has(&s->arguments, OPTION_PLAN))
        return EXIT_DONE;
    status = session_confirm(s, what);
    if (status != EXIT_DONE)
        return status;
    l = (struct looking){.s = s, .is_purge = true};
    return run_over(&l, purge_one);
}

/* ---- retry ---- */

static bool look(struct session *s, void *producer, char text[PROGRESS_TEXT_SIZE])
{
    struct trilog_spool_state spool;
    struct trilog_failure_state failures;
    (void)s;
    if (trilog_spool_state(producer, &spool) != TRILOG_OK ||
        trilog_failure_state(producer, &failures) != TRILOG_OK)
        return false;
    snprintf(text, PROGRESS_TEXT_SIZE,
             "%" PRIu64 " records in the spool, %" PRIu64 " in the failure log", spool.record_count,
             failures.record_count);
    return spool.record_count + failures.record_count == 0;
}

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct session *s = data;
    (void)kind;
    fprintf(s->err, "trilog: %s\n", text);
}

static int renew_one(void *data, const struct trilog_kept_record *k)
{
    struct looking *l = data;
    if (k->where != TRILOG_KEPT_CONSUMED)
        return TRILOG_KEEP;
    l->consumed++;
    return TRILOG_TRY_AGAIN;
}

/* Only the application itself can work on what it consumed. */
static int renew_consumed(struct session *s)
{
    struct looking l = {.s = s};
    int status = run_over(&l, renew_one);
    if (l.consumed > 0)
        fprintf(s->err,
                "trilog: %" PRIu64 " records of failure logs of consumers are handed out again "
                "when the application consumes\n",
                l.consumed);
    return status;
}

/* Sends it in the application's place. */
static int send_kept(struct session *s)
{
    char why[TRILOG_TEXT_SIZE];
    struct trilog_producer *producer;
    struct trilog_producer_options options = {
        .config_path = s->arguments.values[OPTION_CLIENT_CONFIG], .on_event = on_event, .data = s};
    int result = trilog_producer_open(&producer, &options, why);
    if (result != TRILOG_OK)
        return refuse(s, result, why);
    result = trilog_failures_retry(producer);
    if (result != TRILOG_OK && result != TRILOG_ERR_NO_LOG)
        fprintf(s->err, "trilog: %s\n", trilog_error_text(result));
    int status = progress_watch(s, look, producer) ? EXIT_DONE : EXIT_PARTLY;
    trilog_producer_destroy(producer);
    return status;
}

int spool_retry(struct session *s)
{
    if (!progress_can_wait(s))
        return EXIT_USAGE;
    int sent = send_kept(s);
    if (sent != EXIT_DONE && sent != EXIT_PARTLY)
        return sent;
    return renew_consumed(s) == EXIT_DONE ? sent : EXIT_PARTLY;
}

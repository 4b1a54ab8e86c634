/* trilog produce: lines become records, by libtrilog.
 *
 * What was read is sent at once and told of later; at the end it is waited for. Ctrl-C ends the
 * reading, not the waiting. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <trilog/trilog.h>
#include <unistd.h>

#include "client.h"
#include "command.h"

#define FLUSH_MS      (16 * 60 * 1000) /* beyond the longest time that a record has */
#define SHOW_EVERY_MS 500
#define ROOM_LOOK_MS  100

struct produce {
    struct session *s;
    struct trilog_producer *producer;
    struct trilog_record model; /* topic, key, headers of all */
    struct trilog_header headers[HEADERS_MAX];
    const char *delimiter;
    int64_t count_max;
    int64_t begun_ms, shown_ms;
    pthread_mutex_t lock; /* of the rest */
    uint64_t sent, bytes, acknowledged, stored, unknown, failed;
    char why[TRILOG_TEXT_SIZE]; /* the first failure, in words */
};

/* ---- told ---- */

static void count_result(struct produce *p, int result, const char *text)
{
    pthread_mutex_lock(&p->lock);
    *(result == TRILOG_OK              ? &p->acknowledged
      : result > TRILOG_OK             ? &p->stored
      : result == TRILOG_ERR_TIMED_OUT ? &p->unknown
                                       : &p->failed) += 1;
    if (result < 0 && p->why[0] == '\0')
        snprintf(p->why, sizeof p->why, "%s", text);
    pthread_mutex_unlock(&p->lock);
}

static void on_delivery(void *data, const struct trilog_delivery *d)
{
    count_result(data, d->result, d->text);
}

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct produce *p = data;
    const struct arguments *a = &p->s->arguments;
    bool is_siteless = kind == TRILOG_EVENT_SITE_CHANGED && arguments_has(a, OPTION_BOOTSTRAP);
    if (!arguments_has(a, OPTION_QUIET) && !is_siteless)
        fprintf(p->s->err, "trilog: %s\n", text);
}

/* A line that is written over, on a terminal only. */
static void show(struct produce *p, bool is_last)
{
    int64_t now = client_now_ms(), spent_ms = now - p->begun_ms;
    if (arguments_has(&p->s->arguments, OPTION_QUIET) || !isatty(fileno(p->s->err)) ||
        (!is_last && now - p->shown_ms < SHOW_EVERY_MS))
        return;
    p->shown_ms = now;
    pthread_mutex_lock(&p->lock);
    double seconds = (double)(spent_ms > 0 ? spent_ms : 1) / 1000;
    fprintf(p->s->err, "\r\033[K%" PRIu64 " sent, %" PRIu64 " acknowledged, %.0f/s, %.1f MB/s%s",
            p->sent, p->acknowledged, (double)p->acknowledged / seconds,
            (double)p->bytes / 1e6 / seconds, is_last ? "\n" : "");
    pthread_mutex_unlock(&p->lock);
    fflush(p->s->err);
}

/* ---- what is asked for ---- */

static const char *delimiter_of(const char *text)
{
    return text != NULL && strcmp(text, "\\t") == 0 ? "\t" : text;
}

/* NAME=VALUE is cut in place: the texts are the command line's own. */
static bool read_headers(struct produce *p)
{
    const struct arguments *a = &p->s->arguments;
    for (unsigned i = 0; i < a->header_count; i++) {
        const char *equals = strchr(a->headers[i], '=');
        char *name = equals != NULL ? strndup(a->headers[i], (size_t)(equals - a->headers[i]))
                                    : NULL;
        if (name == NULL) {
            fprintf(p->s->err, "trilog: --header is NAME=VALUE, not %.80s\n", a->headers[i]);
            return false;
        }
        p->headers[p->model.header_count++] = (struct trilog_header){
            .name = name, .value = equals + 1, .value_size = strlen(equals + 1)};
    }
    p->model.headers = p->headers;
    return true;
}

static bool read_arguments(struct produce *p)
{
    const struct arguments *a = &p->s->arguments;
    const char *key = a->values[OPTION_KEY], *count = a->values[OPTION_COUNT_MAX];
    p->model.topic = a->values[OPTION_TOPIC];
    p->model.key = key;
    p->model.key_size = key != NULL ? strlen(key) : 0;
    p->delimiter = delimiter_of(a->values[OPTION_KEY_DELIMITER]);
    p->count_max = INT64_MAX;
    if (p->model.topic == NULL) {
        fprintf(p->s->err, "trilog: produce wants --topic\n");
        return false;
    }
    if (count != NULL && !arguments_number(count, 1, INT64_MAX, &p->count_max)) {
        fprintf(p->s->err, "trilog: --count is a number above 0\n");
        return false;
    }
    return read_headers(p);
}

static int open_producer(struct produce *p)
{
    char why[TRILOG_TEXT_SIZE];
    struct trilog_producer_options options = {
        .config_path = p->s->arguments.values[OPTION_CLIENT_CONFIG],
        .on_delivery = on_delivery,
        .on_event = on_event,
        .data = p,
    };
    int result = client_use_bootstrap(p->s, "trilog-produce")
                     ? trilog_producer_open(&p->producer, &options, why)
                     : TRILOG_ERR_MEMORY;
    if (result == TRILOG_OK)
        return EXIT_DONE;
    fprintf(p->s->err, "trilog: %s\n",
            result == TRILOG_ERR_MEMORY ? trilog_error_text(result) : why);
    return result == TRILOG_ERR_SETTINGS ? EXIT_USAGE : EXIT_FAILED;
}

/* ---- lines ---- */

/* While no site takes records the library keeps them, told of or not: so this waits until one does,
 * or until somebody has enough of it. */
static int send_when_there_is_room(struct produce *p, const struct trilog_record *record)
{
    const struct timespec pause = {.tv_nsec = ROOM_LOOK_MS * 1000000};
    bool are_told = false;
    int result;
    while ((result = trilog_send(p->producer, record, NULL)) == TRILOG_ERR_QUEUE_FULL &&
           !client_is_interrupted()) {
        if (are_told)
            nanosleep(&pause, NULL);
        are_told = trilog_flush(p->producer, ROOM_LOOK_MS) == TRILOG_OK;
        show(p, false);
    }
    return result;
}

static void send_line(struct produce *p, const char *line, size_t size)
{
    struct trilog_record record = p->model;
    size_t delimiter_size = p->delimiter != NULL ? strlen(p->delimiter) : 0;
    const char *found = delimiter_size > 0 ? memmem(line, size, p->delimiter, delimiter_size)
                                           : NULL;
    if (found != NULL) {
        record.key = line;
        record.key_size = (size_t)(found - line);
        size -= record.key_size + delimiter_size;
        line = found + delimiter_size;
    }
    record.value = line;
    record.value_size = size;
    int result = send_when_there_is_room(p, &record);
    pthread_mutex_lock(&p->lock);
    p->sent++;
    p->bytes += record.key_size + record.value_size;
    pthread_mutex_unlock(&p->lock);
    if (result != TRILOG_OK)
        count_result(p, result, trilog_error_text(result));
}

static bool send_lines(struct produce *p, FILE *from)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    int64_t count = 0;
    while (!client_is_interrupted() && count < p->count_max &&
           (size = getline(&line, &capacity, from)) >= 0) {
        send_line(p, line, (size_t)size - (size > 0 && line[size - 1] == '\n'));
        count++;
        show(p, false);
    }
    bool is_read = !ferror(from) || client_is_interrupted();
    free(line);
    if (!is_read)
        fprintf(p->s->err, "trilog: reading: %s\n", strerror(errno));
    return is_read;
}

static int exit_status_of(const struct produce *p, bool is_read)
{
    if (p->acknowledged == p->sent)
        return is_read ? EXIT_DONE : EXIT_PARTLY;
    if (p->acknowledged + p->stored > 0)
        return EXIT_PARTLY;
    struct trilog_site_state state;
    bool is_unheard = p->unknown == p->sent &&
                      trilog_site_state(p->producer, &state) == TRILOG_OK && !state.is_heard;
    return is_unheard ? EXIT_UNREACHABLE : p->unknown > 0 ? EXIT_PARTLY : EXIT_FAILED;
}

static int finish(struct produce *p, bool is_read)
{
    int64_t end_ms = client_now_ms() + FLUSH_MS; /* however long the reading has taken */
    while (trilog_flush(p->producer, SHOW_EVERY_MS) == TRILOG_ERR_TIMED_OUT &&
           client_now_ms() < end_ms)
        show(p, false);
    show(p, true);
    int status = exit_status_of(p, is_read);
    trilog_producer_close(p->producer, 0);
    if (p->s->is_json)
        fprintf(p->s->out,
                "{\"sent\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"stored\":%" PRIu64
                ",\"unknown\":%" PRIu64 ",\"failed\":%" PRIu64 "}\n",
                p->sent, p->acknowledged, p->stored, p->unknown, p->failed);
    if (p->acknowledged < p->sent)
        fprintf(p->s->err,
                "trilog: of %" PRIu64 " records %" PRIu64 " acknowledged, %" PRIu64
                " in the spool or the failure log, %" PRIu64 " not known, %" PRIu64 " failed%s%s\n",
                p->sent, p->acknowledged, p->stored, p->unknown, p->failed,
                p->why[0] != '\0' ? ": " : "", p->why);
    return status;
}

int produce_run(struct session *s)
{
    struct produce p = {.s = s, .begun_ms = client_now_ms()};
    const char *path = s->arguments.values[OPTION_LINES_OF];
    FILE *from = s->in;
    int status = read_arguments(&p) ? EXIT_DONE : EXIT_USAGE;
    if (status == EXIT_DONE && path != NULL && (from = fopen(path, "re")) == NULL) {
        fprintf(s->err, "trilog: %s: %s\n", path, strerror(errno));
        status = EXIT_FAILED;
    }
    if (status == EXIT_DONE && pthread_mutex_init(&p.lock, NULL) == 0) {
        client_catch_interrupts();
        status = open_producer(&p);
        if (status == EXIT_DONE)
            status = finish(&p, send_lines(&p, from));
        trilog_producer_destroy(p.producer);
        pthread_mutex_destroy(&p.lock);
    }
    if (from != NULL && from != s->in)
        fclose(from);
    for (size_t i = 0; i < p.model.header_count; i++)
        free((void *)(uintptr_t)p.headers[i].name);
    return status;
}

/* trilog consume: records become lines, by libtrilog.
 *
 * What has been written stays in hand until the output has taken it, and only then is the consumer
 * done with it: so a group's record that could not be written comes again. Ctrl-C ends it, with
 * what is written committed. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <trilog/trilog.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "moment.h"
#include "record_format.h"

#define BATCH_MAX     256 /* written, and not known to be out */
#define LOOK_MS       200
#define SHOW_EVERY_MS 500
#define ANSWER_MS     60000 /* without a sign of any node */
#define TOPIC_MS      5000  /* a topic may be new */
#define CLOSE_MS      5000
#define OUT_BYTES     (64 * 1024)
#define NEVER_MS      INT64_MAX

struct consume {
    struct session *s;
    struct trilog_consumer *consumer;
    struct trilog_consumer_options options;
    const char *topics[OPERANDS_MAX + 1];
    char group[64];
    struct record_format format;
    int64_t count_max;
    int64_t idle_ms; /* NEVER_MS: it waits */
    unsigned batch_max;
    int64_t begun_ms, shown_ms, came_ms;
    int64_t unknown_since_ms; /* the topic is not there; 0: it is */
    uint64_t count, bytes;
    const struct trilog_message *written[BATCH_MAX]; /* in hand */
    unsigned written_count;
    _Atomic(bool) is_heard; /* partitions came, or word that there are none for us */
};

/* ---- what is told ---- */

static bool is_group(const struct consume *c)
{
    return arguments_has(&c->s->arguments, OPTION_CONSUMER_GROUP);
}

static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    struct consume *c = data;
    bool is_error = kind == TRILOG_CONSUMER_EVENT_FATAL || kind == TRILOG_CONSUMER_EVENT_REFUSED ||
                    kind == TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC;
    bool is_siteless = arguments_has(&c->s->arguments, OPTION_BOOTSTRAP);
    bool is_noise = (kind == TRILOG_CONSUMER_EVENT_PARTITIONS && !is_group(c)) ||
                    (kind == TRILOG_CONSUMER_EVENT_SITE_CHANGED && is_siteless);
    if (kind == TRILOG_CONSUMER_EVENT_PARTITIONS)
        c->is_heard = true;
    if (is_error || (!is_noise && !arguments_has(&c->s->arguments, OPTION_QUIET)))
        fprintf(c->s->err, "trilog: %s\n", text);
}

/* A line that is written over, on a terminal that does not show the records. */
static void show(struct consume *c, bool is_last)
{
    int64_t now = client_now_ms(), spent_ms = now - c->begun_ms;
    if (arguments_has(&c->s->arguments, OPTION_QUIET) || !isatty(fileno(c->s->err)) ||
        isatty(fileno(c->s->out)) || (!is_last && now - c->shown_ms < SHOW_EVERY_MS))
        return;
    c->shown_ms = now;
    double seconds = (double)(spent_ms > 0 ? spent_ms : 1) / 1000;
    fprintf(c->s->err, "\r\033[K%" PRIu64 " records, %.0f/s, %.1f MB/s%s", c->count,
            (double)c->count / seconds, (double)c->bytes / 1e6 / seconds, is_last ? "\n" : "");
    fflush(c->s->err);
}

/* ---- what is asked for ---- */

static const struct {
    char letter;
    const char *why;
} lacking[] = {
    {'p', "partitions are shared out, and libtrilog reads none by its number"},
    {'X', "librdkafka's properties are libtrilog's; settings are the file's (--client-config)"},
    {'s', "bytes are written as they are; there are no deserializers"},
    {'r', "bytes are written as they are; there is no schema registry"},
    {'E', "what passes is waited for, and what does not ends it"},
    {'O', "the offset is %o of --format"},
    {'C', "this command does nothing else"},
    {'P', "`trilog produce` does that"},
    {'L', "`trilog topic list` and `trilog topic describe` do that"},
    {'Q', "`--start` takes a time, and `trilog topic describe` says where partitions end"},
    {'M', "there is no mock cluster"},
    {'d', "libtrilog says by itself what is worth to be known"},
    {'v', "libtrilog says by itself what is worth to be known"},
    {'T', "`tee` does that"},
    {'z', "what is compressed is unpacked"},
    {'U', "transactions are not there"},
};

const char *consume_lacks(char letter)
{
    for (size_t i = 0; i < sizeof lacking / sizeof lacking[0]; i++)
        if (lacking[i].letter == letter)
            return lacking[i].why;
    return NULL;
}

static bool read_start_number(struct trilog_consumer_options *o, const char *text)
{
    if (text[0] == '-' && arguments_number(text + 1, 1, INT64_MAX, &o->start_at))
        o->start = TRILOG_START_BEFORE_END;
    else if (arguments_number(text, 0, INT64_MAX, &o->start_at))
        o->start = TRILOG_START_OFFSET;
    else if (strncmp(text, "s@", 2) == 0 && arguments_number(text + 2, 0, INT64_MAX, &o->start_at))
        o->start = TRILOG_START_TIME;
    else if (moment_read(text, &o->start_at))
        o->start = TRILOG_START_TIME;
    else
        return false;
    return true;
}

static bool read_start(struct consume *c)
{
    const char *text = c->s->arguments.values[OPTION_START];
    struct trilog_consumer_options *o = &c->options;
    o->start = is_group(c) ? TRILOG_START_BY_SETTINGS : TRILOG_START_BEGINNING;
    if (text == NULL)
        return true;
    if (strcmp(text, "stored") == 0 && !is_group(c)) {
        fprintf(c->s->err, "trilog: only a group has what is stored: give --consumer-group\n");
        return false;
    }
    if (strcmp(text, "stored") == 0)
        return true;
    if (strcmp(text, "beginning") == 0 || strcmp(text, "earliest") == 0)
        o->start = TRILOG_START_BEGINNING;
    else if (strcmp(text, "end") == 0 || strcmp(text, "latest") == 0)
        o->start = TRILOG_START_END;
    else if (!read_start_number(o, text)) {
        fprintf(c->s->err,
                "trilog: --start is beginning, end, stored, N, -N, s@MS or a time "
                "(2026-03-01T12:30), not %.60s\n",
                text);
        return false;
    }
    return true;
}

/* A group that nobody else has. */
static bool name_group(struct consume *c)
{
    uint64_t chance;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        return false;
    snprintf(c->group, sizeof c->group, "trilog-consume-%016" PRIx64, chance);
    c->options.group = c->group;
    c->options.commits_nothing = 1;
    return true;
}

static bool read_topics(struct consume *c)
{
    const struct arguments *a = &c->s->arguments;
    c->options.topics = c->topics;
    if (arguments_has(a, OPTION_TOPIC))
        c->topics[c->options.topic_count++] = a->values[OPTION_TOPIC];
    for (unsigned i = 0; i < a->operand_count; i++)
        c->topics[c->options.topic_count++] = a->operands[i];
    if (c->options.topic_count == 0)
        fprintf(c->s->err, "trilog: consume wants --topic\n");
    return c->options.topic_count > 0;
}

static bool read_format(struct consume *c)
{
    const struct arguments *a = &c->s->arguments;
    const char *format = a->values[OPTION_FORMAT], *key_delimiter = a->values[OPTION_KEY_DELIMITER],
               *delimiter = a->values[OPTION_DELIMITER];
    bool is_json = arguments_has(a, OPTION_JSON);
    char trouble[200];
    if (is_json + (format != NULL) + (key_delimiter != NULL || delimiter != NULL) > 1) {
        fprintf(c->s->err, "trilog: of --format, --json and --delimiter with --key-delimiter one "
                           "says all\n");
        return false;
    }
    bool is_read = format != NULL ? record_format_read(&c->format, format, trouble, sizeof trouble)
                                  : record_format_plain(&c->format, key_delimiter,
                                                        delimiter != NULL ? delimiter : "\\n",
                                                        trouble, sizeof trouble);
    if (!is_read)
        fprintf(c->s->err, "trilog: %s\n", trouble);
    c->format.is_json = is_json;
    c->format.shows_null = arguments_has(a, OPTION_NULLS);
    return is_read;
}

static bool read_numbers(struct consume *c)
{
    const struct arguments *a = &c->s->arguments;
    const char *count = a->values[OPTION_COUNT_MAX], *idle = a->values[OPTION_IDLE];
    int64_t idle_s;
    c->count_max = INT64_MAX;
    c->idle_ms = NEVER_MS;
    c->batch_max = arguments_has(a, OPTION_UNBUFFERED) ? 1 : BATCH_MAX;
    if (count != NULL && !arguments_number(count, 1, INT64_MAX, &c->count_max)) {
        fprintf(c->s->err, "trilog: --count is a number above 0\n");
        return false;
    }
    if (idle == NULL)
        return true;
    if (!arguments_number(idle, 1, INT32_MAX, &idle_s)) {
        fprintf(c->s->err, "trilog: --idle is a number of seconds above 0\n");
        return false;
    }
    c->idle_ms = idle_s * 1000;
    return true;
}

static bool read_arguments(struct consume *c)
{
    const struct arguments *a = &c->s->arguments;
    c->options.config_path = a->values[OPTION_CLIENT_CONFIG];
    c->options.stops_at_end = arguments_has(a, OPTION_EXIT);
    c->options.on_event = on_event;
    c->options.data = c;
    c->options.group = a->values[OPTION_CONSUMER_GROUP];
    c->options.broadcast_instance = a->values[OPTION_BROADCAST];
    if (arguments_has(a, OPTION_BROADCAST) && !is_group(c)) {
        fprintf(c->s->err, "trilog: --broadcast wants --consumer-group\n");
        return false;
    }
    return read_topics(c) && read_start(c) && read_numbers(c) && read_format(c) &&
           (is_group(c) || name_group(c));
}

/* ---- records ---- */

/* What was written is out, and done with. */
static bool hand_in(struct consume *c)
{
    if (c->written_count == 0)
        return true;
    if (fflush(c->s->out) != 0 || ferror(c->s->out))
        return false;
    for (unsigned i = 0; i < c->written_count; i++)
        trilog_message_done(c->consumer, c->written[i]); /* or it is somebody else's by now */
    c->written_count = 0;
    return true;
}

static bool write_one(struct consume *c, const struct trilog_message *m)
{
    c->came_ms = client_now_ms();
    c->unknown_since_ms = 0;
    if (!record_format_write(&c->format, m, c->s->out)) {
        if (!ferror(c->s->out))
            fprintf(c->s->err, "trilog: no memory\n");
        return false;
    }
    c->count++;
    c->bytes += m->record.key_size + m->record.value_size;
    c->written[c->written_count++] = m;
    return c->written_count < c->batch_max || hand_in(c);
}

/* Who read the pipe has gone, which is else seen with the next record only. */
static bool is_output_gone(const struct consume *c)
{
    struct pollfd p = {.fd = fileno(c->s->out)};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

static bool is_topic_missing(struct consume *c, int result)
{
    int64_t now = client_now_ms();
    if (result != TRILOG_ERR_UNKNOWN_TOPIC) {
        c->unknown_since_ms = 0;
        return false;
    }
    if (c->unknown_since_ms == 0)
        c->unknown_since_ms = now;
    return now - c->unknown_since_ms >= TOPIC_MS;
}

/* How it ends when nothing comes; -1: it goes on. */
static int judge_silence(struct consume *c, int result)
{
    int64_t silent_ms = client_now_ms() - c->came_ms;
    const struct arguments *a = &c->s->arguments;
    if (is_topic_missing(c, result))
        return EXIT_FAILED; /* it was told */
    if (is_output_gone(c)) {
        fprintf(c->s->err, "trilog: the output could not be written\n");
        return EXIT_FAILED;
    }
    struct trilog_site_state state;
    bool is_heard = c->is_heard || (trilog_consumer_site_state(c->consumer, &state) == TRILOG_OK &&
                                    state.is_heard);
    if (!is_heard && silent_ms >= (c->idle_ms != NEVER_MS ? c->idle_ms : ANSWER_MS)) {
        fprintf(c->s->err, "trilog: no node answers\n");
        return EXIT_UNREACHABLE;
    }
    if (silent_ms < c->idle_ms)
        return -1;
    bool is_wanting = arguments_has(a, OPTION_COUNT_MAX) || arguments_has(a, OPTION_EXIT);
    if (is_wanting)
        fprintf(c->s->err,
                "trilog: nothing has come for %" PRId64 " s, after %" PRIu64 " records\n",
                c->idle_ms / 1000, c->count);
    return is_wanting ? EXIT_PARTLY : EXIT_DONE;
}

static int read_records(struct consume *c)
{
    const struct trilog_message *m;
    int status = -1;
    while (status < 0 && !client_is_interrupted() && (int64_t)c->count < c->count_max) {
        int result = trilog_consumer_take(c->consumer, c->written_count > 0 ? 0 : LOOK_MS, &m);
        show(c, false);
        if (result == TRILOG_OK ? !write_one(c, m) : !hand_in(c))
            return EXIT_FAILED;
        if (result == TRILOG_ERR_END)
            return EXIT_DONE;
        if (result == TRILOG_ERR_FATAL)
            return EXIT_FAILED; /* it was told */
        if (result != TRILOG_OK)
            status = judge_silence(c, result);
    }
    if (!hand_in(c))
        return EXIT_FAILED;
    if (status >= 0 || (int64_t)c->count >= c->count_max)
        return status >= 0 ? status : EXIT_DONE;
    return c->count_max < INT64_MAX || c->options.stops_at_end ? EXIT_PARTLY : EXIT_DONE;
}

static int run(struct consume *c)
{
    char why[TRILOG_TEXT_SIZE];
    int result = client_use_bootstrap(c->s, "trilog-consume")
                     ? trilog_consumer_open(&c->consumer, &c->options, why)
                     : TRILOG_ERR_MEMORY;
    if (result != TRILOG_OK) {
        fprintf(c->s->err, "trilog: %s\n",
                result == TRILOG_ERR_MEMORY ? trilog_error_text(result) : why);
        bool is_usage = result == TRILOG_ERR_SETTINGS || result == TRILOG_ERR_TOPIC ||
                        result == TRILOG_ERR_GROUP;
        return is_usage ? EXIT_USAGE : EXIT_FAILED;
    }
    c->begun_ms = c->came_ms = client_now_ms();
    setvbuf(c->s->out, NULL, _IOFBF, OUT_BYTES);
    int status = read_records(c);
    show(c, true);
    result = trilog_consumer_close(c->consumer, status == EXIT_DONE ? CLOSE_MS : 0);
    if (result == TRILOG_ERR_TIMED_OUT && status == EXIT_DONE) {
        fprintf(c->s->err,
                "trilog: what was written last could not be committed: it comes again\n");
        status = EXIT_PARTLY;
    }
    return status;
}

int consume_run(struct session *s)
{
    struct consume c = {.s = s};
    int status = EXIT_USAGE;
    if (read_arguments(&c)) {
        client_catch_interrupts();
        status = run(&c);
        trilog_consumer_destroy(c.consumer);
    }
    record_format_close(&c.format);
    return status;
}

/* One line per event, formatted on the stack and written with one call, so that lines of
 * several threads never mix and an event needs no memory that may be gone. */
#include "base/event.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 2048

static char event_site[64] = "-";
static int event_node_id = -1;
static atomic_int event_level_min = EVENT_INFO; /* any thread */
static event_sink sink_cb;
static void *sink_data;
static _Thread_local int event_shard = -1;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void event_init(const char *site, int node_id, enum event_level level_min)
{
    snprintf(event_site, sizeof event_site, "%s", site);
    event_node_id = node_id;
    event_set_level(level_min);
}

void event_set_level(enum event_level level_min)
{
    atomic_store(&event_level_min, (int)level_min);
}

void event_set_shard(int shard)
{
    event_shard = shard;
}

void event_set_sink(event_sink sink, void *data)
{
    sink_cb = sink;
    sink_data = data;
}

/* Appends to the line and answers its new length, which stays inside the line. */
__attribute__((format(printf, 3, 0))) static size_t
append_text(char *line, size_t length, const char *format, va_list arguments)
{
    int added = vsnprintf(line + length, LINE_SIZE - length, format, arguments);
    if (added < 0)
        return length;
    return length + (size_t)added < LINE_SIZE ? length + (size_t)added : LINE_SIZE - 1;
}

__attribute__((format(printf, 3, 4))) static size_t append(char *line, size_t length,
                                                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length = append_text(line, length, format, arguments);
    va_end(arguments);
    return length;
}

static size_t append_time(char *line, size_t length)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    return append(line, length, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                  now.tv_nsec / 1000000);
}

void event_write(enum event_level level, const char *name, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&event_level_min, memory_order_relaxed))
        return;
    char line[LINE_SIZE];
    size_t length = sink_cb == NULL ? append_time(line, 0) : 0;
    length = append(line, length, "level=%s site=%s node=%d ", level_names[level], event_site,
                    event_node_id);
    if (event_shard >= 0)
        length = append(line, length, "shard=%d ", event_shard);
    length = append(line, length, "event=%s ", name);
    va_list arguments;
    va_start(arguments, format);
    length = append_text(line, length, format, arguments);
    va_end(arguments);
    if (sink_cb != NULL) {
        sink_cb(sink_data, level, line);
        return;
    }
    if (length > LINE_SIZE - 2)
        length = LINE_SIZE - 2;
    line[length] = '\n';
    ssize_t written;
    do
        written = write(STDERR_FILENO, line, length + 1);
    while (written < 0 && errno == EINTR);
}

#include "base/event.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct seen {
    int count;
    enum event_level level;
    char line[4096];
};

static void keep_line(void *data, enum event_level level, const char *line)
{
    struct seen *s = data;
    s->count++;
    s->level = level;
    snprintf(s->line, sizeof s->line, "%s", line);
}

Test(event, writes_who_where_and_what)
{
    struct seen seen = {0};
    event_init("b", 2, EVENT_INFO);
    event_set_sink(keep_line, &seen);
    event_info("segment_sealed", "topic=%s partition=%d", "orders", 4);
    cr_assert_str_eq(seen.line,
                     "level=info site=b node=2 event=segment_sealed topic=orders partition=4");
    event_set_shard(3);
    event_error("wal_failed", "err=%s", "EIO");
    cr_assert_str_eq(seen.line, "level=error site=b node=2 shard=3 event=wal_failed err=EIO");
    cr_assert_eq(seen.level, EVENT_ERROR);
}

Test(event, leaves_out_what_is_below_the_level)
{
    struct seen seen = {0};
    event_init("b", 2, EVENT_WARN);
    event_set_sink(keep_line, &seen);
    event_debug("a", "x=%d", 1);
    event_info("b", "x=%d", 1);
    cr_assert_eq(seen.count, 0);
    event_warn("c", "x=%d", 1);
    cr_assert_eq(seen.count, 1);
}

Test(event, cuts_a_line_that_is_too_long)
{
    struct seen seen = {0};
    char text[4000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    event_init("b", 2, EVENT_INFO);
    event_set_sink(keep_line, &seen);
    event_info("long", "text=%s", text);
    cr_assert_eq(strlen(seen.line), 2047);
}

/* What the call writes to standard error. */
static size_t written_by(void (*call)(void), char *into, size_t size)
{
    int ends[2], saved = dup(STDERR_FILENO);
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    call();
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    ssize_t got = 0, part;
    while ((part = read(ends[0], into + got, size - (size_t)got - 1)) > 0)
        got += part;
    into[got] = '\0';
    close(ends[0]);
    close(saved);
    return (size_t)got;
}

static void write_one(void)
{
    event_info("started", "version=%d", 1);
}

Test(event, goes_to_standard_error_as_one_line_with_its_time)
{
    char text[4096];
    event_init("b", 2, EVENT_INFO);
    size_t size = written_by(write_one, text, sizeof text);
    cr_assert_eq(strncmp(text, "time=20", 7), 0, "%s", text);
    cr_assert_not_null(strstr(text, "Z level=info site=b node=2 event=started version=1\n"));
    cr_assert_eq(text[size - 1], '\n');
}

static void *write_fifty(void *data)
{
    event_set_shard(*(int *)data);
    for (int i = 0; i < 50; i++)
        event_info("tick", "filler=%s", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    return NULL;
}

static void write_on_threads(void)
{
    pthread_t threads[4];
    static int shards[4] = {0, 1, 2, 3};
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_fifty, &shards[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

Test(event, never_mixes_the_lines_of_several_threads)
{
    static char text[65536];
    event_init("b", 2, EVENT_INFO);
    written_by(write_on_threads, text, sizeof text);
    int lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        cr_assert_eq(strncmp(line, "time=", 5), 0, "%s", line);
        cr_assert_eq(strlen(line), strlen(text), "%s", line);
    }
    cr_assert_eq(lines, 200);
}

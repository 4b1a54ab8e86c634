/* Two buffers a pen: its thread fills one while the writer empties the other.
 *
 *   thread:  pen_write() --> [ filling ]      when full: waits until the writer has changed them
 *   writer:                  [ emptying ] --> write(2), then both change places
 *
 * Buffers hold whole lines and each is written by one call, so only a death in the middle of
 * that call leaves half a line, at the very end of the file, where readers drop it. */
#include "history.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM           "ledger"
#define EXIT_DISK_TROUBLE 2

struct pen {
    struct history *history;
    struct pen *next;
    pthread_mutex_t lock; /* guards filling */
    pthread_cond_t room;  /* filling has become empty */
    char *filling;
    size_t filling_bytes;
    char *emptying; /* the writer's own */
};

static void write_whole(int file, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            fprintf(stderr, "ledger: the history can't be written: %s\n", strerror(errno));
            _exit(EXIT_DISK_TROUBLE);
        }
        bytes += written;
        size -= (size_t)written;
    }
}

static void empty(struct pen *pen)
{
    pthread_mutex_lock(&pen->lock);
    size_t size = pen->filling_bytes;
    char *full = pen->filling;
    pen->filling = pen->emptying;
    pen->filling_bytes = 0;
    pen->emptying = full;
    pthread_cond_broadcast(&pen->room);
    pthread_mutex_unlock(&pen->lock);
    write_whole(pen->history->file, full, size);
}

static void empty_all(struct history *history)
{
    pthread_mutex_lock(&history->lock);
    struct pen *pen = history->pens; /* pens only join at the front */
    pthread_mutex_unlock(&history->lock);
    for (; pen != NULL; pen = pen->next)
        empty(pen);
}

/* Waits until there is much to write, or it is time. Returns false when it is over. */
static bool wait_for_work(struct history *history)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += HISTORY_FLUSH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&history->lock);
    int err = 0;
    while (!history->is_over && !history->has_work && err == 0)
        err = pthread_cond_timedwait(&history->wake, &history->lock, &until);
    bool is_over = history->is_over;
    history->has_work = false;
    pthread_mutex_unlock(&history->lock);
    return !is_over;
}

static void *run(void *data)
{
    struct history *history = data;
    while (wait_for_work(history))
        empty_all(history);
    empty_all(history);
    return NULL;
}

static void wake(struct history *history)
{
    pthread_mutex_lock(&history->lock);
    history->has_work = true;
    pthread_cond_signal(&history->wake);
    pthread_mutex_unlock(&history->lock);
}

void pen_write(struct pen *pen, struct line *line)
{
    line_end(line);
    assert(line->size <= LINE_BYTES_MAX);
    pthread_mutex_lock(&pen->lock);
    while (pen->filling_bytes + line->size > PEN_BYTES)
        pthread_cond_wait(&pen->room, &pen->lock);
    size_t before = pen->filling_bytes;
    memcpy(pen->filling + before, line->text, line->size);
    pen->filling_bytes += line->size;
    bool is_half_full = before < PEN_BYTES / 2 && pen->filling_bytes >= PEN_BYTES / 2;
    pthread_mutex_unlock(&pen->lock);
    if (is_half_full)
        wake(pen->history);
}

struct pen *history_pen(struct history *history)
{
    struct pen *pen = calloc(1, sizeof *pen);
    char *buffers = pen != NULL ? malloc((size_t)2 * PEN_BYTES) : NULL;
    if (buffers == NULL) {
        free(pen);
        return NULL;
    }
    pen->history = history;
    pen->filling = buffers;
    pen->emptying = buffers + PEN_BYTES;
    pthread_mutex_init(&pen->lock, NULL);
    pthread_cond_init(&pen->room, NULL);
    pthread_mutex_lock(&history->lock);
    pen->next = history->pens;
    history->pens = pen;
    pthread_mutex_unlock(&history->lock);
    return pen;
}

static void write_first_line(struct history *history, uint64_t seed)
{
    struct timespec wall;
    struct line line;
    clock_gettime(CLOCK_REALTIME, &wall);
    line_begin(&line, now_us(), "history");
    line_number(&line, "version", 1);
    line_string(&line, "program", PROGRAM);
    line_number(&line, "seed", (int64_t)seed);
    line_number(&line, "wall_us", (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000);
    line_end(&line);
    write_whole(history->file, line.text, line.size);
}

int history_open(struct history *history, const char *path, uint64_t seed)
{
    pthread_condattr_t attributes;
    memset(history, 0, sizeof *history);
    history->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (history->file < 0) {
        fprintf(stderr, "ledger: %s: %s\n", path, strerror(errno));
        return -1;
    }
    write_first_line(history, seed);
    pthread_mutex_init(&history->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&history->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&history->thread, NULL, run, history) == 0)
        return 0;
    fprintf(stderr, "ledger: no thread for the history\n");
    close(history->file);
    return -1;
}

void history_close(struct history *history, struct line *last)
{
    pthread_mutex_lock(&history->lock);
    history->is_over = true;
    pthread_cond_signal(&history->wake);
    pthread_mutex_unlock(&history->lock);
    pthread_join(history->thread, NULL);
    if (last != NULL) {
        line_end(last);
        write_whole(history->file, last->text, last->size);
    }
    close(history->file);
}

/* The file that a run leaves: whole lines, written behind the clients' backs.
 *
 * Each thread has a pen of its own. What it writes reaches the file within HISTORY_FLUSH_MS, so a
 * `kill -9` loses little, and in its order. When a pen's buffer is full its thread waits for the
 * disk: clients become slower, but no line is lost. */
#ifndef LEDGER_HISTORY_H
#define LEDGER_HISTORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line.h"

#define HISTORY_FLUSH_MS 50
#define PEN_BYTES        (256 * 1024)

struct pen;

struct history {
    int file;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;  /* a pen is half full, or it is over */
    bool is_over;
    bool has_work;
    struct pen *pens; /* the newest first */
};

/* Creates the file, which must not be there yet, and writes its first line. Returns -1 when it
 * can't and has said why. */
int history_open(struct history *history, const char *path, uint64_t seed);

/* A pen for one thread, or several that take care of their order themselves; NULL without memory.
 * It lives as long as the history. */
struct pen *history_pen(struct history *history);

/* Ends the line and writes it. Without success there is no return: a history with a hole would be
 * worse than none, so a disk that takes no more ends the program. */
void pen_write(struct pen *pen, struct line *line);

/* Writes everything that pens hold, then `last` (NULL: nothing), which nothing follows: lines
 * written later are lost. */
void history_close(struct history *history, struct line *last);

#endif

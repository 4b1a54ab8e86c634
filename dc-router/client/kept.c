/* What an application that has ended keeps on disk, gone over by somebody else.
 *
 * It is a producer without librdkafka: the same folders, the same locks, so that it never looks
 * into what a running application writes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "kept.h"
#include "producer_parts.h"

struct producer_walk {
    struct kept_walk walk;
    struct trilog_producer *p;
};

enum trilog_kept_fate kept_show(struct kept_walk *w, struct trilog_kept_record *kept,
                                struct bytes content)
{
    struct record_id id;
    struct trilog_header *headers;
    if (record_decode(content, &kept->record, &id, &headers) != 0)
        return TRILOG_KEEP; /* of another release */
    int fate = w->cb(w->data, kept);
    free(headers);
    return fate == TRILOG_KEEP || fate == TRILOG_TRY_AGAIN ? (enum trilog_kept_fate)fate
                                                           : TRILOG_THROW_AWAY;
}

void kept_settle(struct kept_walk *w, struct retry_log *log, struct trilog_kept_record *kept,
                 const struct retry_entry *entry, struct bytes content)
{
    kept->order = entry->order;
    kept->failure_count = entry->failure_count;
    kept->is_given_up = entry->is_given_up;
    kept->reason = entry->reason;
    enum trilog_kept_fate fate = kept_show(w, kept, content);
    int err = fate == TRILOG_THROW_AWAY  ? retry_log_done(log, entry->order)
              : fate == TRILOG_TRY_AGAIN ? retry_log_renew(log, entry->order, producer_now_ms())
                                         : 0;
    if (err != 0)
        w->err = TRILOG_ERR_LOG_DISK;
}

/* Each is taken once; what stays is found by the next opening as it was. */
static void walk_spool(struct kept_walk *w, struct spool *spool)
{
    uint64_t order;
    uint8_t *content;
    size_t size;
    int err = 0;
    while (spool != NULL && err != ERR_NOT_FOUND) {
        err = spool_take(spool, &order, &content, &size);
        if (err != 0 && err != ERR_CORRUPT && err != ERR_NOT_FOUND)
            w->err = producer_spool_result(err);
        if (err != 0 && err != ERR_CORRUPT)
            return;
        if (err == ERR_CORRUPT)
            continue;
        struct trilog_kept_record kept = {
            .where = TRILOG_KEPT_IN_SPOOL, .order = order, .reason = "", .log = ""};
        if (kept_show(w, &kept, bytes_of(content, size)) == TRILOG_THROW_AWAY &&
            spool_done(spool, order) != 0)
            w->err = TRILOG_ERR_SPOOL_DISK;
        free(content);
    }
}

static void on_failure(void *walk, const struct retry_entry *entry, int err)
{
    struct producer_walk *w = walk;
    struct trilog_kept_record kept = {.where = TRILOG_KEPT_IN_FAILURES, .log = ""};
    if (err == 0)
        kept_settle(&w->walk, w->p->failures, &kept, entry, entry->content);
}

/* A folder that is not there has nothing; none is made for looking. */
static void forget_missing(char *folder)
{
    if (folder[0] != '\0' && access(folder, F_OK) != 0 && errno == ENOENT)
        folder[0] = '\0';
}

static void drop_event(void *data, enum trilog_event_kind kind, const char *text)
{
    (void)data, (void)kind, (void)text; /* it is shown record by record */
}

/* What the application's producer keeps. */
static int walk_sent(struct producer_walk *w, char *why)
{
    struct trilog_producer *p = w->p;
    struct random random;
    random_init_system(&random);
    p->instance = random_u64(&random);
    p->options.on_event = drop_event;
    p->failure_lock_file = -1;
    int result = producer_spool_open(p, why);
    if (result == 0)
        result = producer_failures_open(p, why);
    if (result == 0) {
        walk_spool(&w->walk, p->spool);
        if (p->failures != NULL && retry_log_list(p->failures, on_failure, w) != 0)
            w->walk.err = TRILOG_ERR_LOG_DISK;
    }
    producer_spool_close(p);
    producer_failures_close(p);
    return result;
}

static int walk_all(struct producer_walk *w, char *why)
{
    forget_missing(w->p->settings.spool_directory);
    forget_missing(w->p->settings.failure_directory);
    int result = walk_sent(w, why);
    if (result == 0)
        result = kept_walk_consumed(&w->walk, &w->p->settings, why);
    return result != 0 ? result : w->walk.err;
}

int trilog_kept_records(const char *config_path, trilog_kept_cb cb, void *data, char *why)
{
    char unheard[TRILOG_TEXT_SIZE];
    if (why == NULL)
        why = unheard;
    why[0] = '\0';
    struct trilog_producer *p = calloc(1, sizeof *p);
    int result = p == NULL ? TRILOG_ERR_MEMORY : cb == NULL ? TRILOG_ERR_NULL : 0;
    if (result == 0) {
        p->options.config_path = config_path;
        result = producer_settings_open(p, why);
    }
    if (result == 0 && pthread_mutex_init(&p->lock, NULL) != 0)
        result = TRILOG_ERR_SYSTEM;
    else if (result == 0) {
        struct producer_walk w = {.walk = {.cb = cb, .data = data}, .p = p};
        result = walk_all(&w, why);
        pthread_mutex_destroy(&p->lock);
    }
    free(p);
    if (result != 0 && why[0] == '\0')
        snprintf(why, TRILOG_TEXT_SIZE, "%s", trilog_error_text(result));
    return result;
}

/* What an application that has ended keeps on disk, gone over by somebody else.
 *
 * It is a producer without librdkafka: the same folders, the same locks, so that it never looks
 * into what a running application writes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "producer_parts.h"

struct walk {
    struct trilog_producer *p;
    trilog_kept_cb cb;
    void *data;
    int err;
};

/* True: it is to go. What can't be read stays. */
static bool show(struct walk *w, struct trilog_kept_record *kept, struct bytes content)
{
    struct record_id id;
    struct trilog_header *headers;
    if (record_decode(content, &kept->record, &id, &headers) != 0)
        return false; /* of another release */
    bool is_to_go = w->cb(w->data, kept) != 0;
    free(headers);
    return is_to_go;
}

/* Each is taken once; what stays is found by the next opening as it was. */
static void walk_spool(struct walk *w)
{
    struct spool *spool = w->p->spool;
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
            .where = TRILOG_KEPT_IN_SPOOL, .order = order, .reason = ""};
        if (show(w, &kept, bytes_of(content, size)) && spool_done(spool, order) != 0)
            w->err = TRILOG_ERR_SPOOL_DISK;
        free(content);
    }
}

static void on_failure(void *walk, const struct retry_entry *entry, int err)
{
    struct walk *w = walk;
    struct trilog_kept_record kept = {.where = TRILOG_KEPT_IN_FAILURES,
                                      .order = entry->order,
                                      .failure_count = entry->failure_count,
                                      .is_given_up = entry->is_given_up,
                                      .reason = entry->reason};
    if (err == 0 && show(w, &kept, entry->content) &&
        retry_log_done(w->p->failures, entry->order) != 0)
        w->err = TRILOG_ERR_LOG_DISK;
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

static int walk_all(struct trilog_producer *p, struct walk *w, char *why)
{
    struct random random;
    random_init_system(&random);
    p->instance = random_u64(&random);
    p->options.on_event = drop_event;
    forget_missing(p->settings.spool_directory);
    forget_missing(p->settings.failure_directory);
    p->failure_lock_file = -1;
    int result = producer_spool_open(p, why);
    if (result == 0)
        result = producer_failures_open(p, why);
    if (result == 0) {
        walk_spool(w);
        if (p->failures != NULL && retry_log_list(p->failures, on_failure, w) != 0)
            w->err = TRILOG_ERR_LOG_DISK;
        result = w->err;
    }
    producer_spool_close(p);
    producer_failures_close(p);
    return result;
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
        struct walk w = {.p = p, .cb = cb, .data = data};
        result = walk_all(p, &w, why);
        pthread_mutex_destroy(&p->lock);
    }
    free(p);
    if (result != 0 && why[0] == '\0')
        snprintf(why, TRILOG_TEXT_SIZE, "%s", trilog_error_text(result));
    return result;
}

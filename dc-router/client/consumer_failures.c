/* The consumer's failure log: what an application could not work on, handed out again when it is
 * due.
 *
 * Each process has a log of its own: <failure_directory>/consumed-<group>.<number>, with the least
 * number that no other has open. So several processes with one file of settings do not get in each
 * other's way, and what one has left is found by the next that starts. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/random.h"
#include "consumer_parts.h"

#define FILE_BYTES_MAX (16u << 20)
#define LOGS_MAX       256

static void close_folder(struct trilog_consumer *c)
{
    if (c->disk.operations != NULL)
        disk_close_system(&c->disk);
    c->disk.operations = NULL;
    if (c->lock_file >= 0)
        close(c->lock_file); /* which unlocks it */
    c->lock_file = -1;
}

/* 0; ERR_BUSY: another process has it; else what the system says. */
static int lock_folder(struct trilog_consumer *c)
{
    char path[CONF_PATH_SIZE + sizeof c->folder + 8];
    snprintf(path, sizeof path, "%s/%s/lock", c->settings.failure_directory, c->folder);
    c->lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (c->lock_file >= 0 && flock(c->lock_file, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int err = c->lock_file >= 0 && errno == EWOULDBLOCK ? ERR_BUSY : uv_translate_sys_error(errno);
    if (c->lock_file >= 0)
        close(c->lock_file);
    c->lock_file = -1;
    return err;
}

static int take_folder(struct trilog_consumer *c, unsigned number)
{
    snprintf(c->folder, sizeof c->folder, CONSUMER_FAILURES_PREFIX "%s.%u", c->group, number);
    int err = disk_make_directory(&c->disk, c->folder);
    if (err == 0)
        err = disk_sync_directory(&c->disk, "");
    return err == 0 ? lock_folder(c) : err;
}

static int open_disk(struct trilog_consumer *c)
{
    int err = disk_open_system(&c->disk, c->settings.failure_directory);
    if (err != 0)
        c->disk.operations = NULL;
    return err;
}

static int open_first_free(struct trilog_consumer *c)
{
    int err = open_disk(c);
    if (err != 0)
        return err;
    err = ERR_BUSY;
    for (unsigned i = 0; i < LOGS_MAX && err == ERR_BUSY; i++)
        err = take_folder(c, i);
    return err;
}

static int open_log(struct trilog_consumer *c, struct retry_log_report *report,
                    struct err_note *note)
{
    char folder[sizeof c->folder + 10];
    snprintf(folder, sizeof folder, "%s/records", c->folder);
    const struct client_settings *s = &c->settings;
    uint64_t file_bytes_max = (uint64_t)s->failure_bytes_max / 8;
    struct random random;
    random_init_system(&random);
    struct retry_log_options options = {
        .disk = &c->disk,
        .folder = folder,
        .bytes_max = (uint64_t)s->failure_bytes_max,
        .file_bytes_max = file_bytes_max < FILE_BYTES_MAX ? file_bytes_max : FILE_BYTES_MAX,
        .record_count_max = (uint32_t)s->failure_records_max,
        .failure_count_max = (uint32_t)s->retry_count_max,
        .wait_ms = (uint64_t)s->retry_wait_ms,
        .wait_ms_max = (uint64_t)s->retry_wait_ms_max,
        .seed = random_u64(&random),
    };
    return retry_log_open(&c->failures, &options, consumer_now_ms(), report, note);
}

static void tell_what_was_found(struct trilog_consumer *c, const struct retry_log_report *r)
{
    if (r->spool.record_count > r->lost_count)
        consumer_event(c, TRILOG_CONSUMER_EVENT_FAILURES_FOUND,
                       "%s has %" PRIu64 " records that failed in an earlier run; %" PRIu64
                       " of them are given up",
                       c->folder, r->spool.record_count - r->lost_count, r->given_up_count);
    uint64_t bytes = r->spool.cut_bytes + r->spool.damaged_bytes;
    if (bytes + r->spool.missing_count + r->lost_count > 0)
        consumer_event(c, TRILOG_CONSUMER_EVENT_FAILURES_LOST,
                       "%s: %" PRIu64 " bytes are damaged, %" PRIu64 " records are lost, %" PRIu64
                       " records or marks are missing",
                       c->folder, bytes, r->lost_count, r->spool.missing_count);
}

int consumer_failures_open(struct trilog_consumer *c, char *why)
{
    c->lock_file = -1;
    if (c->settings.failure_directory[0] == '\0' || c->options.commits_nothing)
        return 0;
    struct err_note note = {0};
    struct retry_log_report report = {0};
    int err = open_first_free(c);
    if (err == 0)
        err = open_log(c, &report, &note);
    if (err == 0) {
        tell_what_was_found(c, &report);
        return 0;
    }
    snprintf(why, TRILOG_TEXT_SIZE, "%.200s: %s", c->settings.failure_directory,
             note.text[0] != '\0' ? note.text : err_text(err));
    close_folder(c);
    return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_LOG_DISK;
}

int consumer_failures_look(struct trilog_consumer *c, const char *folder, char *why)
{
    struct err_note note = {0};
    struct retry_log_report report;
    bytes_copy_text(c->folder, sizeof c->folder, folder);
    int err = open_disk(c);
    if (err == 0)
        err = lock_folder(c);
    bool is_used = err == ERR_BUSY;
    if (err == 0)
        err = open_log(c, &report, &note);
    if (err == 0)
        return 0;
    snprintf(why, TRILOG_TEXT_SIZE, "%.200s/%.200s: %s", c->settings.failure_directory, folder,
             is_used                ? "a running application has this log open"
             : note.text[0] != '\0' ? note.text
                                    : err_text(err));
    close_folder(c);
    return is_used            ? TRILOG_ERR_SPOOL_IN_USE
           : err == UV_ENOMEM ? TRILOG_ERR_MEMORY
                              : TRILOG_ERR_LOG_DISK;
}

void consumer_failures_close(struct trilog_consumer *c)
{
    retry_log_close(c->failures);
    c->failures = NULL;
    close_folder(c);
}

/* False when there is no use in going on now. */
static bool feed_one(struct trilog_consumer *c)
{
    struct retry_entry entry;
    uint64_t now_ms = consumer_now_ms();
    int err = retry_log_take(c->failures, now_ms, &entry);
    if (err == ERR_NOT_FOUND)
        return false;
    struct held *h = NULL;
    if (err == 0) {
        h = consumer_held_failed(&entry, &err);
        free(entry.memory);
        if (err == ERR_MALFORMED)
            retry_log_done(c->failures, entry.order); /* of another release */
        else if (err != 0)
            retry_log_give_back(c->failures, entry.order, now_ms + 1000);
    }
    if (err == ERR_CORRUPT || err == ERR_MALFORMED)
        consumer_event(c, TRILOG_CONSUMER_EVENT_FAILURES_LOST,
                       "record %" PRIu64 " of %s is lost: %s", entry.order, c->folder,
                       err_text(err));
    if (h != NULL) {
        consumer_list_add(&c->ready, h);
        pthread_cond_broadcast(&c->changed);
    }
    return err == 0 || err == ERR_CORRUPT || err == ERR_MALFORMED;
}

void consumer_failures_feed(struct trilog_consumer *c)
{
    while (c->failures != NULL && !c->is_closing && !consumer_is_full(c) && feed_one(c))
        ;
}

static int result_of(int err)
{
    if (err == 0)
        return 0;
    if (err == ERR_FULL)
        return TRILOG_ERR_LOG_FULL;
    return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_LOG_DISK;
}

static void tell_given_up(struct trilog_consumer *c, const struct held *h, const char *reason)
{
    consumer_event(c, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP,
                   "%s-%d at %" PRId64 " has failed %" PRIu32 " times and stays in %s: %s",
                   h->message.record.topic, h->message.partition, h->message.offset,
                   h->message.failure_count + 1, c->folder, reason);
}

int consumer_fail(struct trilog_consumer *c, struct held *h, const char *reason)
{
    if (c->failures == NULL)
        return TRILOG_ERR_NO_LOG;
    bool is_given_up = false;
    if (h->part == NULL) {
        /* What the disk does not take of this, it still has as it was. */
        retry_log_again(c->failures, h->failure_order, reason, consumer_now_ms(), &is_given_up);
    } else {
        size_t size;
        uint8_t *content = consumer_held_encode(h, &size);
        if (content == NULL)
            return TRILOG_ERR_MEMORY;
        uint64_t key_hash = record_key_hash(&h->message.record, (uint64_t)h->message.offset);
        int err = retry_log_add(c->failures, key_hash, bytes_of(content, size), reason,
                                consumer_wall_ms(), consumer_now_ms());
        free(content);
        if (err != 0)
            return result_of(err);
        is_given_up = c->settings.retry_count_max == 1;
    }
    if (is_given_up)
        tell_given_up(c, h, reason);
    return 0;
}

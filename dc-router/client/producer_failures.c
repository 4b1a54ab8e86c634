/* What the cluster refuses for good: on disk, and sent again later and later.
 *
 * A record that no site would ever take as things are (no such topic, too large for it, not
 * allowed) keeps nobody waiting: later records of its key overtake it. Things may change, so it is
 * tried again, up to a cap; then it stays for the operator. */
#include "producer_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES_MAX (4u << 20)
#define IN_HAND_MAX    100
#define FOLDER         "send"
#define LOCK_NAME      "send.lock"

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int producer_failures_result(int err)
{
    if (err == ERR_FULL)
        return TRILOG_ERR_LOG_FULL;
    if (err_is_no_room(err))
        return TRILOG_ERR_DISK_FULL;
    return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_LOG_DISK;
}

struct retry_log_options producer_failures_options(const struct client_settings *c,
                                                   const struct disk *disk, uint64_t seed)
{
    uint64_t bytes_max = (uint64_t)c->failure_bytes_max;
    uint64_t file_bytes_max = bytes_max / 8;
    return (struct retry_log_options){
        .disk = disk,
        .folder = FOLDER,
        .bytes_max = bytes_max,
        .file_bytes_max = file_bytes_max < FILE_BYTES_MAX ? file_bytes_max : FILE_BYTES_MAX,
        .record_count_max = (uint32_t)c->failure_records_max,
        .failure_count_max = (uint32_t)c->retry_count_max,
        .wait_ms = (uint64_t)c->retry_wait_ms,
        .wait_ms_max = (uint64_t)c->retry_wait_ms_max,
        .seed = seed,
    };
}

/* ---- opened and closed ---- */

static void tell_what_was_found(struct trilog_producer *p, const struct retry_log_report *found)
{
    if (found->spool.record_count > 0)
        producer_event(p, TRILOG_EVENT_FAILURES_FOUND,
                       "%llu refused records of an earlier run are in the failure log, %llu of "
                       "them given up",
                       (unsigned long long)found->spool.record_count,
                       (unsigned long long)found->given_up_count);
    uint64_t lost = found->lost_count + found->spool.missing_count;
    if (lost + found->spool.damaged_bytes > 0)
        producer_event(p, TRILOG_EVENT_FAILURES_LOST,
                       "%llu records or marks of the failure log are lost",
                       (unsigned long long)lost);
}

static int open_log(struct trilog_producer *p, char *why)
{
    struct retry_log_options options = producer_failures_options(&p->settings, &p->failure_disk,
                                                                 p->instance + 1);
    struct retry_log_report found;
    struct err_note note = {0};
    int err = retry_log_open(&p->failures, &options, producer_now_ms(), &found, &note);
    if (err != 0) {
        snprintf(why, TRILOG_TEXT_SIZE, "%.200s: %s", p->settings.failure_directory, note.text);
        return producer_failures_result(err);
    }
    pthread_mutex_lock(&p->lock);
    tell_what_was_found(p, &found);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

int producer_failures_open(struct trilog_producer *p, char *why)
{
    p->failure_lock_file = -1;
    if (p->settings.failure_directory[0] == '\0')
        return 0;
    int err = disk_open_system(&p->failure_disk, p->settings.failure_directory);
    if (err != 0) {
        p->failure_disk.operations = NULL;
        snprintf(why, TRILOG_TEXT_SIZE, "%.400s: %s", p->settings.failure_directory, err_text(err));
        return producer_failures_result(err);
    }
    char path[CONF_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/" LOCK_NAME, p->settings.failure_directory);
    int result = producer_lock_file(path, &p->failure_lock_file, why);
    return result == TRILOG_ERR_SPOOL_DISK ? TRILOG_ERR_LOG_DISK
           : result != 0                   ? result
                                           : open_log(p, why);
}

void producer_failures_close(struct trilog_producer *p)
{
    retry_log_close(p->failures); /* what is in hand is on disk */
    p->failures = NULL;
    if (p->failure_disk.operations != NULL)
        disk_close_system(&p->failure_disk);
    p->failure_disk.operations = NULL;
    if (p->failure_lock_file > 0)
        close(p->failure_lock_file);
    p->failure_lock_file = -1;
}

/* ---- into it ---- */

static int add(struct trilog_producer *p, uint64_t key_hash, struct bytes content,
               const char *reason, bool is_given_up)
{
    if (content.data == NULL)
        return ERR_NOT_FOUND;
    return is_given_up ? retry_log_add_given_up(p->failures, key_hash, content, reason, wall_ms())
                       : retry_log_add(p->failures, key_hash, content, reason, wall_ms(),
                                       producer_now_ms());
}

static bool store(struct trilog_producer *p, struct send *send, const char *reason,
                  bool is_given_up)
{
    if (p->failures == NULL)
        return false;
    uint8_t *read = NULL;
    struct bytes content = bytes_of(send->content, send->content_size);
    if (send->is_spooled) {
        size_t size;
        if (spool_read(p->spool, send->order, &read, &size) != 0)
            return false;
        content = bytes_of(read, size);
    }
    bool is_first = retry_log_count(p->failures) == 0;
    int err = add(p, send->key_hash, content, reason, is_given_up);
    free(read);
    if (err == 0 && is_first) {
        p->has_failure_use = true;
        bytes_copy_text(p->failure_reason, sizeof p->failure_reason, reason);
    }
    return err == 0;
}

bool producer_failures_take_over(struct trilog_producer *p, struct send *send, const char *reason)
{
    return store(p, send, reason, false);
}

bool producer_failures_keep(struct trilog_producer *p, struct send *send, const char *reason)
{
    bool is_kept = store(p, send, reason, true);
    if (is_kept)
        producer_event(p, TRILOG_EVENT_FAILURE_GIVEN_UP,
                       "a record that may have been taken was refused when it was sent again, and "
                       "stays in the failure log: %s",
                       reason);
    return is_kept;
}

void producer_failures_note(struct trilog_producer *p)
{
    if (!p->has_failure_use)
        return;
    p->has_failure_use = false;
    producer_event(p, TRILOG_EVENT_FAILURE_LOGGED,
                   "a record is refused and goes to the failure log: %s", p->failure_reason);
}

/* ---- and out of it ---- */

/* It failed once more. */
static void again(struct trilog_producer *p, uint64_t order, const char *reason)
{
    bool is_given_up = false;
    retry_log_again(p->failures, order, reason, producer_now_ms(), &is_given_up);
    if (is_given_up)
        producer_event(p, TRILOG_EVENT_FAILURE_GIVEN_UP,
                       "a record was refused too often, and stays in the failure log: %s", reason);
}

/* It has not failed, and has not gone. */
static void give_back(struct trilog_producer *p, uint64_t order)
{
    retry_log_give_back(p->failures, order, producer_now_ms() + PRODUCER_LATER_MS);
}

void producer_failures_told(struct trilog_producer *p, uint64_t order, bool is_for_good,
                            rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        retry_log_done(p->failures, order);
    else if (is_for_good)
        again(p, order, rd_kafka_err2str(err));
    else
        give_back(p, order);
}

static int send_again(struct trilog_producer *p, const struct retry_entry *entry)
{
    struct trilog_record record;
    struct trilog_header *headers;
    struct record_id id;
    int err = record_decode(entry->content, &record, &id, &headers);
    if (err != 0)
        return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_REFUSED; /* of another release */
    struct send *send = calloc(1, sizeof *send);
    int result = TRILOG_ERR_QUEUE_FULL; /* without memory: later */
    if (send != NULL) {
        send->failure_order = entry->order;
        send->key_hash = entry->key_hash;
        send->is_told = true;
        result = producer_kafka_send(p, &record, &id, send);
    }
    if (result == 0) {
        producer_link(&p->sends, send);
        p->send_count++;
        p->failures_in_hand++;
    } else {
        free(send);
    }
    free(headers);
    return result;
}

/* False when there is no use in going on now. */
static bool feed_next(struct trilog_producer *p)
{
    struct retry_entry entry;
    int err = retry_log_take(p->failures, producer_now_ms(), &entry);
    if (err == ERR_CORRUPT)
        producer_event(p, TRILOG_EVENT_FAILURES_LOST,
                       "a record of the failure log is lost: it fails its checksum");
    if (err != 0)
        return err == ERR_CORRUPT;
    int result = send_again(p, &entry);
    free(entry.memory);
    if (producer_is_refusal(result))
        again(p, entry.order, trilog_error_text(result));
    else if (result != 0)
        give_back(p, entry.order);
    return result == 0;
}

void producer_failures_feed(struct trilog_producer *p)
{
    while (p->failures != NULL && !p->is_fatal && !p->is_closing && !producer_is_renewing(p) &&
           p->failures_in_hand < IN_HAND_MAX)
        if (!feed_next(p))
            return;
}

/* ---- the application's view ---- */

int trilog_failure_state(struct trilog_producer *p, struct trilog_failure_state *state)
{
    if (p == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    *state = (struct trilog_failure_state){0};
    pthread_mutex_lock(&p->lock);
    int result = p->is_closed ? TRILOG_ERR_CLOSED : TRILOG_OK;
    if (p->failures != NULL) {
        state->record_count = retry_log_count(p->failures);
        state->given_up_count = retry_log_given_up_count(p->failures);
        state->bytes = retry_log_bytes(p->failures);
    }
    pthread_mutex_unlock(&p->lock);
    return result;
}

struct renewal {
    struct retry_log *log;
    int err;
};

static void renew(void *data, const struct retry_entry *entry, int err)
{
    struct renewal *r = data;
    int renewed = err == 0 ? retry_log_renew(r->log, entry->order, producer_now_ms()) : 0;
    if (renewed != 0 && renewed != ERR_BUSY)
        r->err = renewed;
}

int trilog_failures_retry(struct trilog_producer *p)
{
    if (p == NULL)
        return TRILOG_ERR_NULL;
    pthread_mutex_lock(&p->lock);
    int result = p->is_closing ? TRILOG_ERR_CLOSED : TRILOG_ERR_NO_LOG;
    if (!p->is_closing && p->failures != NULL) {
        struct renewal r = {.log = p->failures};
        int err = retry_log_list(p->failures, renew, &r);
        err = err != 0 ? err : r.err;
        result = err == 0 ? 0 : producer_failures_result(err);
    }
    pthread_mutex_unlock(&p->lock);
    return result;
}

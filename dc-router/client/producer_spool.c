/* The producer's spool: what no site took in time, and what comes behind that.
 *
 *   send ──▶ librdkafka ──not in time──▶ a copy in the spool ──acknowledged──▶ done
 *     │      (keeps it, and its place)
 *     └──key waits, or librdkafka is full──▶ spool only (it waits) ──room──▶ librdkafka
 *
 * While the application runs, librdkafka has one handle, one producer id and every record once:
 * the copy is only for the application's own end, or for another environment's handle
 * (producer_renew.c). So a record repeats only if either comes between a site's taking it and its
 * acknowledgement. Without a spool whoever waited is told that
 * the fate is not known, and librdkafka keeps record and place all the same. */
#include "producer_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_BYTES_MAX (16u << 20)
#define FOLDER         "records"

int producer_spool_result(int err)
{
    if (err == ERR_FULL)
        return TRILOG_ERR_SPOOL_FULL;
    if (err_is_no_room(err))
        return TRILOG_ERR_DISK_FULL;
    return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_SPOOL_DISK;
}

int producer_lock_file(const char *path, int *file, char *why)
{
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (*file >= 0 && flock(*file, LOCK_EX | LOCK_NB) == 0)
        return 0;
    bool is_used = *file >= 0 && errno == EWOULDBLOCK;
    snprintf(why, TRILOG_TEXT_SIZE, "%.400s: %s", path,
             is_used ? "another process has this spool open" : strerror(errno));
    return is_used ? TRILOG_ERR_SPOOL_IN_USE : TRILOG_ERR_SPOOL_DISK;
}

static struct spool_options options_of(const struct trilog_producer *p)
{
    uint64_t bytes_max = (uint64_t)p->settings.spool_bytes_max;
    uint64_t file_bytes_max = bytes_max / 8;
    return (struct spool_options){
        .disk = &p->disk,
        .folder = FOLDER,
        .bytes_max = bytes_max,
        .file_bytes_max = file_bytes_max < FILE_BYTES_MAX ? file_bytes_max : FILE_BYTES_MAX,
        .record_count_max = (uint32_t)p->settings.spool_records_max,
        .seed = p->instance,
    };
}

static void tell_what_was_found(struct trilog_producer *p, const struct spool_report *found)
{
    if (found->record_count > 0)
        producer_event(p, TRILOG_EVENT_SPOOL_FOUND, "%llu records of an earlier run are sent now",
                       (unsigned long long)found->record_count);
    if (found->cut_bytes + found->damaged_bytes + found->missing_count > 0)
        producer_event(p, TRILOG_EVENT_SPOOL_DAMAGED,
                       "the spool's end had %llu bytes that are no whole record; %llu other bytes "
                       "are damaged, and %llu records or marks are missing",
                       (unsigned long long)found->cut_bytes,
                       (unsigned long long)found->damaged_bytes,
                       (unsigned long long)found->missing_count);
}

int producer_spool_open(struct trilog_producer *p, char *why)
{
    p->lock_file = -1;
    p->order_next = 1;
    if (p->settings.spool_directory[0] == '\0')
        return 0;
    int err = disk_open_system(&p->disk, p->settings.spool_directory);
    if (err != 0) {
        p->disk.operations = NULL;
        snprintf(why, TRILOG_TEXT_SIZE, "%.400s: %s", p->settings.spool_directory, err_text(err));
        return producer_spool_result(err);
    }
    char path[CONF_PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s/lock", p->settings.spool_directory);
    int result = producer_lock_file(path, &p->lock_file, why);
    if (result != 0)
        return result;
    struct spool_options options = options_of(p);
    struct spool_report found;
    struct err_note note = {0};
    err = spool_open(&p->spool, &options, &found, &note);
    if (err != 0) {
        snprintf(why, TRILOG_TEXT_SIZE, "%.200s: %s", p->settings.spool_directory, note.text);
        return producer_spool_result(err);
    }
    p->order_next = spool_order_next(p->spool);
    p->has_spool_use = found.record_count > 0;
    pthread_mutex_lock(&p->lock);
    tell_what_was_found(p, &found);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

void producer_spool_close(struct trilog_producer *p)
{
    spool_close(p->spool);
    p->spool = NULL;
    if (p->disk.operations != NULL)
        disk_close_system(&p->disk);
    p->disk.operations = NULL;
    if (p->lock_file >= 0)
        close(p->lock_file); /* which unlocks it */
    p->lock_file = -1;
}

/* True when it is in the spool, though perhaps not durable yet. */
static bool spool_one(struct trilog_producer *p, struct send *send)
{
    int err = spool_append(p->spool, send->order, send->key_hash,
                           bytes_of(send->content, send->content_size), false, false);
    free(send->content);
    send->content = NULL;
    send->is_spooled = err == 0;
    if (err != 0)
        producer_tell(p, send, producer_spool_result(err), NULL);
    return err == 0;
}

/* In order, and durable all at once. Whoever was sent before and is not due yet is earlier in
 * order, too, wherever it will stand on disk. */
void producer_spool_due(struct trilog_producer *p, uint64_t now_ms)
{
    if (now_ms < p->next_due_at_ms)
        return;
    uint64_t count = 0, next_at_ms = UINT64_MAX;
    for (struct send *s = p->sends.first; s != NULL; s = s->next) {
        if (s->is_told)
            continue;
        if (s->due_at_ms <= now_ms && p->spool == NULL)
            producer_tell(p, s, TRILOG_ERR_TIMED_OUT, NULL); /* librdkafka keeps it */
        else if (s->due_at_ms <= now_ms)
            count += spool_one(p, s);
        else if (s->due_at_ms < next_at_ms)
            next_at_ms = s->due_at_ms;
    }
    p->next_due_at_ms = next_at_ms;
    if (count == 0)
        return;
    int err = p->settings.spool_is_durable ? spool_sync(p->spool) : 0;
    int result = err == 0 ? TRILOG_SPOOLED : producer_spool_result(err);
    for (struct send *s = p->sends.first; s != NULL; s = s->next)
        if (s->is_spooled && !s->is_told)
            producer_tell(p, s, result, NULL);
}

/* From the spool alone into librdkafka's hands. */
static int feed_one(struct trilog_producer *p, uint64_t order, uint64_t key_hash,
                    struct bytes content)
{
    struct trilog_record record;
    struct trilog_header *headers;
    struct record_id id;
    int err = record_decode(content, &record, &id, &headers);
    if (err != 0)
        return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_REFUSED; /* of another release */
    struct send *send = calloc(1, sizeof *send);
    int result = TRILOG_ERR_QUEUE_FULL; /* without memory: later */
    if (send != NULL) {
        send->order = order;
        send->key_hash = key_hash;
        send->is_told = send->is_spooled = true;
        send->delivery.result = TRILOG_SPOOLED;
        result = producer_kafka_send(p, &record, &id, send);
    }
    if (result == 0) {
        producer_link(&p->sends, send);
        p->send_count++;
    } else {
        free(send);
    }
    free(headers);
    return result;
}

/* It will never be taken as things are: the failure log has it, or it is lost. */
static void refuse(struct trilog_producer *p, uint64_t order, uint64_t key_hash, uint8_t *content,
                   size_t size, int result)
{
    struct send send = {.key_hash = key_hash, .content = content, .content_size = size};
    bool is_kept = producer_failures_take_over(p, &send, trilog_error_text(result));
    spool_done(p->spool, order);
    if (!is_kept)
        producer_event(p, TRILOG_EVENT_SPOOL_REFUSED, "record %llu of the spool is refused: %s",
                       (unsigned long long)order, trilog_error_text(result));
}

/* False when there is no use in going on now. */
static bool feed_next(struct trilog_producer *p)
{
    uint64_t order, key_hash;
    if (!spool_peek(p->spool, &order, &key_hash))
        return false;
    uint8_t *content;
    size_t size;
    int err = spool_take(p->spool, &order, &content, &size);
    if (err == ERR_CORRUPT) {
        producer_event(p, TRILOG_EVENT_SPOOL_DAMAGED,
                       "record %llu of the spool is lost: it fails its checksum",
                       (unsigned long long)order);
        return true;
    }
    if (err != 0) {
        bool is_said = p->has_read_error;
        p->has_read_error = true;
        if (!is_said)
            producer_event(p, TRILOG_EVENT_SPOOL_DAMAGED, "the spool can't be read now: %s",
                           err_text(err));
        return false;
    }
    p->has_read_error = false;
    int result = feed_one(p, order, key_hash, bytes_of(content, size));
    bool is_refused = producer_is_refusal(result);
    if (is_refused)
        refuse(p, order, key_hash, content, size, result);
    else if (result != 0)
        spool_give_back(p->spool, order);
    free(content);
    return result == 0 || is_refused;
}

void producer_spool_later(struct trilog_producer *p, uint64_t order)
{
    spool_give_back(p->spool, order);
    p->feed_at_ms = producer_now_ms() + PRODUCER_LATER_MS;
}

void producer_spool_feed(struct trilog_producer *p)
{
    if (producer_now_ms() < p->feed_at_ms)
        return;
    while (p->spool != NULL && !p->is_fatal && !p->is_closing && !producer_is_renewing(p) &&
           p->send_count < (uint64_t)p->settings.queue_records_max)
        if (!feed_next(p))
            return;
}

void producer_spool_note(struct trilog_producer *p)
{
    if (p->spool == NULL || p->has_spool_use == (spool_record_count(p->spool) > 0))
        return;
    p->has_spool_use = !p->has_spool_use;
    if (p->has_spool_use)
        producer_event(p, TRILOG_EVENT_SPOOL_USED, "no site takes records: they go to the spool");
    else
        producer_event(p, TRILOG_EVENT_SPOOL_EMPTY, "all records of the spool were taken");
}

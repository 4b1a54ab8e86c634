/* Old batches are taken apart record by record, and new ones filled up to a bound: so a tail of
 * many small batches makes few, and a large compressed one makes several. Each new record says its
 * old leader epoch and offset, which rise: the topic itself tells how far a salvage has come. */
#include "admin/salvage_batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define HEADERS_BYTES 200 /* ours, with the record's own frame: at most */
#define HEADERS_MAX   4   /* ours */

void salvage_batch_init(struct salvage_batch *b, int64_t from)
{
    *b = (struct salvage_batch){.next_offset = from};
    kafka_record_batch_builder_init(&b->builder, SALVAGE_BATCH_BYTES + SALVAGE_RECORD_BYTES_MAX);
}

void salvage_batch_close(struct salvage_batch *b)
{
    kafka_record_batch_builder_close(&b->builder);
}

static struct kafka_record_header header_of(const char *key, const char *value)
{
    return (struct kafka_record_header){
        .key = kafka_string_of(key),
        .value = bytes_of((const uint8_t *)value, strlen(value)),
    };
}

/* Sequences go round behind the largest. */
static int32_t sequence_of(const struct kafka_record_batch *old, int64_t offset)
{
    int64_t sequence = (int64_t)old->base_sequence + (offset - old->base_offset);
    return (int32_t)(sequence & INT32_MAX);
}

/* A time that no producer may send (a record's is not looked at when it comes) becomes "none"; the
 * header has it as it was. */
static int64_t timestamp_of(const struct kafka_record *record)
{
    return record->timestamp < -1 ? -1 : record->timestamp;
}

static size_t add_own(const struct kafka_record *record, struct kafka_record_header *headers)
{
    struct bytes left = record->headers;
    size_t count = 0;
    while (count < (size_t)record->header_count &&
           kafka_record_header_next(&left, &headers[count]) == 1)
        count++;
    return count;
}

static int append(struct salvage_batch *b, const struct kafka_record_batch *old,
                  const struct kafka_record *record)
{
    char offset[24], leader_epoch[16], timestamp[24], producer[48];
    struct kafka_record_header *headers;
    headers = malloc(((size_t)record->header_count + HEADERS_MAX) * sizeof *headers);
    if (headers == NULL)
        return UV_ENOMEM;
    size_t count = add_own(record, headers);
    snprintf(offset, sizeof offset, "%" PRId64, record->offset);
    snprintf(leader_epoch, sizeof leader_epoch, "%d", old->leader_epoch);
    snprintf(timestamp, sizeof timestamp, "%" PRId64, record->timestamp);
    snprintf(producer, sizeof producer, "%" PRId64 ",%d,%d", old->producer_id, old->producer_epoch,
             sequence_of(old, record->offset));
    headers[count++] = header_of(SALVAGE_HEADER_OFFSET, offset);
    headers[count++] = header_of(SALVAGE_HEADER_LEADER_EPOCH, leader_epoch);
    headers[count++] = header_of(SALVAGE_HEADER_TIMESTAMP, timestamp);
    if (old->producer_id >= 0)
        headers[count++] = header_of(SALVAGE_HEADER_PRODUCER, producer);
    int err = kafka_record_batch_builder_append(&b->builder, timestamp_of(record), record->key,
                                                record->value, headers, (int32_t)count);
    free(headers);
    return err;
}

/* A batch's times are told from its first one's; what is too far from that is for the next. */
static bool is_too_far(const struct salvage_batch *b, const struct kafka_record *record)
{
    int64_t delta;
    return __builtin_sub_overflow(timestamp_of(record), b->builder.head.base_timestamp, &delta);
}

/* 1: it is for the next batch. */
static int take(struct salvage_batch *b, const struct kafka_record_batch *old,
                const struct kafka_record *record)
{
    size_t size = record->key.size + record->value.size + record->headers.size + HEADERS_BYTES;
    if (record->offset < b->next_offset)
        return 0;
    if (size > SALVAGE_RECORD_BYTES_MAX) {
        b->left_out_count++;
        b->next_offset = record->offset + 1;
        return 0;
    }
    if (b->record_count > 0 &&
        (b->size_bytes + size > SALVAGE_BATCH_BYTES || is_too_far(b, record)))
        return 1;
    int err = append(b, old, record);
    if (err != 0)
        return err;
    b->size_bytes += size;
    b->record_count++;
    b->next_offset = record->offset + 1;
    return 0;
}

int salvage_batch_add(struct salvage_batch *b, const struct kafka_record_batch *old)
{
    struct kafka_record_iterator it;
    struct kafka_record record;
    int64_t end = kafka_record_batch_next_offset(old);
    int got = kafka_record_batch_is_control(old) ? 0 : kafka_record_iterator_init(&it, old);
    if (got == 0 && !kafka_record_batch_is_control(old))
        while ((got = kafka_record_next(&it, &record)) == 1)
            if ((got = take(b, old, &record)) != 0)
                return got;
    if (got == 0 && end > b->next_offset)
        b->next_offset = end;
    return got;
}

void salvage_batch_pass(struct salvage_batch *b, const struct kafka_record_batch *old)
{
    int64_t end = kafka_record_batch_next_offset(old);
    int64_t from = old->base_offset > b->next_offset ? old->base_offset : b->next_offset;
    if (end <= from)
        return;
    int64_t left = end - from; /* a compacted batch has fewer records than offsets */
    b->left_out_count += (uint32_t)(left < old->record_count ? left : old->record_count);
    b->next_offset = end;
}

/* ---- what is in the topic ---- */

/* -1: it is none. */
static int64_t number_of(struct bytes text)
{
    char digits[24], *end;
    if (text.size == 0 || text.size >= sizeof digits)
        return -1;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    long long number = strtoll(digits, &end, 10);
    return *end == '\0' && number >= 0 ? number : -1;
}

/* A record may have been of a salvage before: of each header the last one counts. */
static bool read_mark(const struct kafka_record *record, struct salvage_mark *mark)
{
    struct kafka_record_header header;
    struct bytes left = record->headers;
    int64_t epoch = -1;
    mark->offset = -1;
    for (int32_t i = 0; i < record->header_count; i++) {
        if (kafka_record_header_next(&left, &header) != 1)
            return false;
        if (kafka_string_is_text(header.key, SALVAGE_HEADER_OFFSET))
            mark->offset = number_of(header.value);
        else if (kafka_string_is_text(header.key, SALVAGE_HEADER_LEADER_EPOCH))
            epoch = number_of(header.value);
    }
    mark->leader_epoch = (int32_t)epoch;
    return mark->offset >= 0 && mark->offset < INT64_MAX && epoch >= 0 && epoch <= INT32_MAX;
}

bool salvage_last_mark(struct bytes batches, struct salvage_mark *mark)
{
    struct kafka_record_batch batch;
    struct kafka_record_iterator it;
    struct kafka_record record;
    bool is_one = false;
    for (;;) {
        int size = kafka_record_batch_decode(batches, &batch);
        if (size <= 0)
            return is_one;
        is_one = false;
        if (kafka_record_batch_check_crc(&batch) != 0 ||
            kafka_record_iterator_init(&it, &batch) != 0)
            return false;
        while (kafka_record_next(&it, &record) == 1)
            is_one = read_mark(&record, mark);
        batches = bytes_of(batches.data + size, batches.size - (size_t)size);
    }
}

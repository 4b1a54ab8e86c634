/* A record that the consumer holds: one piece of memory, copied out of librdkafka's.
 *
 * librdkafka's message would keep the whole answer that it came with, so that a few records long in
 * hand could hold many megabytes; a copy costs what it says. A zero byte stands behind each piece,
 * so that texts are C's. The library's own headers become fields. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "consumer_parts.h"

#define DIGITS_MAX 18

static int64_t expiry_of(const uint8_t *text, size_t size)
{
    int64_t value = 0;
    if (size == 0 || size > DIGITS_MAX)
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

static const void *put(uint8_t **at, const void *from, size_t size)
{
    if (from == NULL)
        return NULL;
    uint8_t *start = *at;
    if (size > 0)
        memcpy(start, from, size);
    start[size] = '\0';
    *at = start + size + 1;
    return start;
}

static void put_header(struct held *h, uint8_t **at, const struct trilog_header *from)
{
    struct trilog_record *r = &h->message.record;
    if (strcmp(from->name, RECORD_ID_NAME) == 0 && from->value_size == RECORD_ID_SIZE) {
        h->has_id = true;
        memcpy(h->id.bytes, from->value, RECORD_ID_SIZE);
    } else if (strcmp(from->name, RECORD_EXPIRES_NAME) == 0 && from->value != NULL) {
        r->expires_at_ms = expiry_of(from->value, from->value_size);
    } else if (strcmp(from->name, RECORD_TRACEPARENT_NAME) == 0 && from->value != NULL) {
        r->traceparent = put(at, from->value, from->value_size);
    } else if (strcmp(from->name, RECORD_TRACESTATE_NAME) == 0 && from->value != NULL) {
        r->tracestate = put(at, from->value, from->value_size);
    } else {
        h->headers[r->header_count++] = (struct trilog_header){
            .name = put(at, from->name, strlen(from->name)),
            .value = put(at, from->value, from->value_size),
            .value_size = from->value_size};
    }
}

static size_t bytes_needed(const struct trilog_record *r)
{
    size_t size = strlen(r->topic) + r->key_size + r->value_size + 3;
    for (size_t i = 0; i < r->header_count; i++)
        size += strlen(r->headers[i].name) + r->headers[i].value_size + 2;
    return size;
}

/* `raw` has all headers that came. NULL without memory. */
static struct held *make(const struct trilog_record *raw, int32_t partition, int64_t offset)
{
    size_t size = sizeof(struct held) + bytes_needed(raw);
    struct held *h = malloc(size);
    struct trilog_header *headers = NULL;
    if (raw->header_count > 0)
        headers = calloc(raw->header_count, sizeof *headers);
    if (h == NULL || (raw->header_count > 0 && headers == NULL)) {
        free(h);
        free(headers);
        return NULL;
    }
    memset(h, 0, sizeof *h);
    h->self = h;
    h->size = size + raw->header_count * sizeof *headers;
    h->headers = headers;
    uint8_t *at = h->bytes;
    h->message.partition = partition;
    h->message.offset = offset;
    h->message.record = (struct trilog_record){.topic = put(&at, raw->topic, strlen(raw->topic)),
                                               .key = put(&at, raw->key, raw->key_size),
                                               .key_size = raw->key_size,
                                               .value = put(&at, raw->value, raw->value_size),
                                               .value_size = raw->value_size,
                                               .headers = headers,
                                               .timestamp_ms = raw->timestamp_ms};
    for (size_t i = 0; i < raw->header_count; i++)
        put_header(h, &at, &raw->headers[i]);
    return h;
}

/* Returned owned. *count is 0, and NULL returned, where there are none. */
static struct trilog_header *headers_of(const rd_kafka_message_t *m, size_t *count)
{
    rd_kafka_headers_t *from;
    *count = 0;
    if (rd_kafka_message_headers(m, &from) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    size_t total = rd_kafka_header_cnt(from);
    struct trilog_header *headers = calloc(total + 1, sizeof *headers);
    if (headers == NULL) {
        *count = 1; /* that is: no memory */
        return NULL;
    }
    for (; *count < total; (*count)++) {
        struct trilog_header *h = &headers[*count];
        if (rd_kafka_header_get_all(from, *count, &h->name, &h->value, &h->value_size) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
    }
    return headers;
}

struct held *consumer_held_of(const rd_kafka_message_t *m)
{
    struct trilog_record raw = {.topic = rd_kafka_topic_name(m->rkt),
                                .key = m->key,
                                .key_size = m->key_len,
                                .value = m->payload,
                                .value_size = m->len,
                                .timestamp_ms = rd_kafka_message_timestamp(m, NULL)};
    struct trilog_header *headers = headers_of(m, &raw.header_count);
    if (headers == NULL && raw.header_count > 0)
        return NULL;
    raw.headers = headers;
    struct held *h = make(&raw, m->partition, m->offset);
    free(headers);
    return h;
}

/* What the failure log stores: partition, offset, the record as the spool has it. */
uint8_t *consumer_held_encode(const struct held *h, size_t *size)
{
    struct record_sent sent;
    if (record_prepare(&h->message.record, &sent) != 0)
        return NULL;
    size_t record_size;
    uint8_t *record = record_encode(&sent.record, &h->id, &record_size);
    record_sent_free(&sent);
    *size = 4 + 8 + record_size;
    uint8_t *bytes = record == NULL ? NULL : malloc(*size);
    if (bytes != NULL) {
        bytes_put_le64(bytes_put_le32(bytes, (uint32_t)h->message.partition),
                       (uint64_t)h->message.offset);
        memcpy(bytes + 12, record, record_size);
    }
    free(record);
    return bytes;
}

bool consumer_held_split(struct bytes stored, int32_t *partition, int64_t *offset,
                         struct bytes *record)
{
    struct bytes_reader reader = bytes_reader_of(stored);
    *partition = (int32_t)bytes_read_le32(&reader);
    *offset = (int64_t)bytes_read_le64(&reader);
    *record = bytes_read(&reader, bytes_reader_left(&reader));
    return !reader.is_bad;
}

struct held *consumer_held_failed(const struct retry_entry *entry, int *err)
{
    int32_t partition;
    int64_t offset;
    struct bytes rest;
    struct trilog_record raw;
    struct trilog_header *headers = NULL;
    struct record_id id;
    *err = consumer_held_split(entry->content, &partition, &offset, &rest)
               ? record_decode(rest, &raw, &id, &headers)
               : ERR_MALFORMED;
    if (*err != 0)
        return NULL;
    struct held *h = make(&raw, partition, offset);
    free(headers);
    if (h == NULL) {
        *err = UV_ENOMEM;
        return NULL;
    }
    h->id = id;
    h->failure_order = entry->order;
    h->message.failure_count = entry->failure_count;
    return h;
}

void consumer_held_free(struct held *h)
{
    free(h->headers);
    free(h);
}

void consumer_list_add(struct held_list *list, struct held *h)
{
    h->previous = list->last;
    h->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = h;
    list->last = h;
    list->count++;
    list->bytes += h->size;
}

void consumer_list_remove(struct held_list *list, struct held *h)
{
    *(h->previous != NULL ? &h->previous->next : &list->first) = h->next;
    *(h->next != NULL ? &h->next->previous : &list->last) = h->previous;
    list->count--;
    list->bytes -= h->size;
}

bool consumer_is_full(const struct trilog_consumer *c)
{
    return c->ready.count + c->in_hand.count >= (uint64_t)c->settings.consumer_records_max ||
           c->ready.bytes + c->in_hand.bytes >= (uint64_t)c->settings.consumer_bytes_max;
}

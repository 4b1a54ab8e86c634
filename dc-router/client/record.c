/* A record as one piece of memory, and what is wrong with one that an application hands in.
 *
 * Names end in a zero byte within the bytes, so that what is decoded is borrowed without a copy. */
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

#define VERSION 1
#define ABSENT  UINT32_MAX /* a size that says: none */

#define HEADER_SIZE_LEAST (4 + 1 + 4) /* two sizes, and the end of a name */

bool record_is_topic(const char *topic)
{
    size_t size = strnlen(topic, RECORD_TOPIC_SIZE_MAX + 1);
    if (size == 0 || size > RECORD_TOPIC_SIZE_MAX || strcmp(topic, ".") == 0 ||
        strcmp(topic, "..") == 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = topic[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

int record_check(const struct trilog_record *r, uint64_t bytes_max)
{
    if (r == NULL || r->topic == NULL || (r->key == NULL && r->key_size > 0) ||
        (r->value == NULL && r->value_size > 0) || (r->headers == NULL && r->header_count > 0))
        return TRILOG_ERR_NULL;
    if (!record_is_topic(r->topic))
        return TRILOG_ERR_TOPIC;
    if (r->key_size > bytes_max || r->value_size > bytes_max ||
        r->header_count > RECORD_HEADERS_MAX)
        return TRILOG_ERR_TOO_LARGE;
    uint64_t size = r->key_size + r->value_size;
    if (r->traceparent != NULL)
        size += strnlen(r->traceparent, bytes_max + 1);
    if (r->tracestate != NULL)
        size += strnlen(r->tracestate, bytes_max + 1);
    for (size_t i = 0; i < r->header_count; i++) {
        const struct trilog_header *h = &r->headers[i];
        if (h->name == NULL || (h->value == NULL && h->value_size > 0))
            return TRILOG_ERR_NULL;
        if (h->value_size > bytes_max)
            return TRILOG_ERR_TOO_LARGE;
        size += strnlen(h->name, bytes_max + 1) + h->value_size;
        if (size > bytes_max)
            break;
    }
    return size > bytes_max ? TRILOG_ERR_TOO_LARGE : 0;
}

static void add_text_header(struct record_sent *sent, const char *name, const char *text)
{
    if (text != NULL)
        sent->headers[sent->record.header_count++] = (struct trilog_header){
            .name = name, .value = text, .value_size = strlen(text)};
}

int record_prepare(const struct trilog_record *given, struct record_sent *sent)
{
    sent->record = *given;
    sent->headers = NULL;
    if (given->expires_at_ms == 0 && given->traceparent == NULL && given->tracestate == NULL)
        return 0;
    sent->headers = calloc(given->header_count + RECORD_OWN_HEADERS_MAX, sizeof *sent->headers);
    if (sent->headers == NULL)
        return TRILOG_ERR_MEMORY;
    if (given->header_count > 0)
        memcpy(sent->headers, given->headers, given->header_count * sizeof *sent->headers);
    sent->record.headers = sent->headers;
    snprintf(sent->expires, sizeof sent->expires, "%" PRId64, given->expires_at_ms);
    if (given->expires_at_ms != 0)
        add_text_header(sent, RECORD_EXPIRES_NAME, sent->expires);
    add_text_header(sent, RECORD_TRACEPARENT_NAME, given->traceparent);
    add_text_header(sent, RECORD_TRACESTATE_NAME, given->tracestate);
    return 0;
}

void record_sent_free(struct record_sent *sent)
{
    free(sent->headers);
}

/* FNV-1a in 64 bits. */
static uint64_t hash_of(uint64_t hash, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t record_key_hash(const struct trilog_record *r, uint64_t order)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (r->key == NULL)
        return hash_of(hash, (const uint8_t *)&order, sizeof order);
    hash = hash_of(hash, (const uint8_t *)r->topic, strlen(r->topic) + 1);
    return hash_of(hash, r->key, r->key_size);
}

static size_t field_size(size_t size)
{
    return 4 + size;
}

static uint8_t *put_field(uint8_t *at, const void *data, size_t size)
{
    at = bytes_put_le32(at, data == NULL ? ABSENT : (uint32_t)size);
    if (data != NULL && size > 0)
        memcpy(at, data, size);
    return at + size;
}

uint8_t *record_encode(const struct trilog_record *r, const struct record_id *id, size_t *size)
{
    *size = 4 + RECORD_ID_SIZE + 8 + field_size(strlen(r->topic) + 1) + field_size(r->key_size) +
            field_size(r->value_size) + 4;
    for (size_t i = 0; i < r->header_count; i++)
        *size += field_size(strlen(r->headers[i].name) + 1) + field_size(r->headers[i].value_size);
    uint8_t *bytes = malloc(*size), *at = bytes;
    if (bytes == NULL)
        return NULL;
    at = bytes_put_le32(at, VERSION);
    memcpy(at, id->bytes, RECORD_ID_SIZE);
    at = bytes_put_le64(at + RECORD_ID_SIZE, (uint64_t)r->timestamp_ms);
    at = put_field(at, r->topic, strlen(r->topic) + 1);
    at = put_field(at, r->key, r->key_size);
    at = put_field(at, r->value, r->value_size);
    at = bytes_put_le32(at, (uint32_t)r->header_count);
    for (size_t i = 0; i < r->header_count; i++) {
        at = put_field(at, r->headers[i].name, strlen(r->headers[i].name) + 1);
        at = put_field(at, r->headers[i].value, r->headers[i].value_size);
    }
    return bytes;
}

static const void *read_field(struct bytes_reader *reader, size_t *size)
{
    uint32_t stated = bytes_read_le32(reader);
    *size = stated == ABSENT ? 0 : stated;
    struct bytes field = bytes_read(reader, *size);
    return stated == ABSENT || reader->is_bad ? NULL : field.data;
}

static const char *read_name(struct bytes_reader *reader)
{
    size_t size;
    const char *name = read_field(reader, &size);
    if (name == NULL || size == 0 || memchr(name, '\0', size) != name + size - 1)
        reader->is_bad = true;
    return name;
}

int record_decode(struct bytes from, struct trilog_record *r, struct record_id *id,
                  struct trilog_header **headers)
{
    struct bytes_reader reader = bytes_reader_of(from);
    *headers = NULL;
    *r = (struct trilog_record){0};
    if (bytes_read_le32(&reader) != VERSION)
        return ERR_MALFORMED;
    bytes_read_copy(&reader, id->bytes, RECORD_ID_SIZE);
    r->timestamp_ms = (int64_t)bytes_read_le64(&reader);
    r->topic = read_name(&reader);
    r->key = read_field(&reader, &r->key_size);
    r->value = read_field(&reader, &r->value_size);
    uint32_t count = bytes_read_le32(&reader);
    if (reader.is_bad || count > bytes_reader_left(&reader) / HEADER_SIZE_LEAST)
        return ERR_MALFORMED; /* others may send more of them than RECORD_HEADERS_MAX */
    *headers = calloc(count + 1, sizeof **headers);
    if (*headers == NULL)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        (*headers)[i].name = read_name(&reader);
        (*headers)[i].value = read_field(&reader, &(*headers)[i].value_size);
    }
    r->headers = *headers;
    r->header_count = count;
    if (!reader.is_bad && bytes_reader_left(&reader) == 0)
        return 0;
    free(*headers);
    *headers = NULL;
    return ERR_MALFORMED;
}

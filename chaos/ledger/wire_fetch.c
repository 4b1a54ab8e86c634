/* Fetch, version 11: the last one with plain lengths, and the first with a rack, by which a node
 * knows that its client may read from a follower.
 *
 *   throttle i32, error i16, session i32, topics [name s, partitions [partition i32, error i16,
 *     high watermark i64, stable i64, log start i64, aborted [producer i64, first i64],
 *     preferred replica i32, records bytes?]] */
#include "wire_fetch.h"

#define API_FETCH           1
#define FETCH_VERSION       11
#define WAIT_MS             100
#define FETCH_BYTES_MAX     (16 * 1024 * 1024)
#define PARTITION_BYTES_MAX (1024 * 1024)
#define TOPIC_BYTES_MIN     6
#define PARTITION_BYTES_MIN 42
#define ABORTED_BYTES       16

static struct wire_writer write_request(struct wire_connection *c, const struct wire_fetch *f)
{
    struct wire_writer w = wire_begin(c, API_FETCH, FETCH_VERSION);
    wire_write_int32(&w, -1); /* a consumer */
    wire_write_int32(&w, WAIT_MS);
    wire_write_int32(&w, 1);
    wire_write_int32(&w, FETCH_BYTES_MAX);
    wire_write_int8(&w, 0);   /* everything below the high watermark */
    wire_write_int32(&w, 0);  /* no session */
    wire_write_int32(&w, -1); /* nor a new one */
    wire_write_int32(&w, 1);
    wire_write_string(&w, f->topic);
    wire_write_int32(&w, f->count);
    for (int32_t i = 0; i < f->count; i++) {
        wire_write_int32(&w, f->from[i].partition);
        wire_write_int32(&w, -1); /* whatever its leader epoch is */
        wire_write_int64(&w, f->from[i].offset);
        wire_write_int64(&w, -1);
        wire_write_int32(&w, PARTITION_BYTES_MAX);
    }
    wire_write_int32(&w, 0); /* nothing forgotten */
    wire_write_string(&w, f->rack);
    return w;
}

static const char *take_partition(struct wire_reader *r, const struct wire_fetch *f, bool is_ours)
{
    int32_t partition = wire_read_int32(r);
    int16_t code = wire_read_int16(r);
    for (int i = 0; i < 3; i++)
        wire_read_int64(r);
    int32_t aborted_count = wire_read_count(r, ABORTED_BYTES);
    wire_read_raw(r, (int64_t)aborted_count * ABORTED_BYTES);
    int32_t elsewhere = wire_read_int32(r);
    struct wire_bytes batches = wire_read_bytes(r);
    if (r->is_bad || !is_ours)
        return r->is_bad ? "malformed" : NULL;
    const char *error = code != 0 ? wire_error_name(code) : NULL;
    if (error == NULL && elsewhere >= 0)
        error = "sent_elsewhere"; /* this node will not read its own replica for us */
    if (error == NULL)
        error = wire_batches_take(batches, partition, f->on_record, f->data);
    f->on_answer(f->data, partition, error);
    return NULL;
}

const char *wire_fetch_take(struct wire_reader *r, const struct wire_fetch *f)
{
    wire_read_int32(r);
    int16_t code = wire_read_int16(r);
    wire_read_int32(r);
    int32_t topic_count = wire_read_count(r, TOPIC_BYTES_MIN);
    for (int32_t t = 0; t < topic_count && !r->is_bad; t++) {
        bool is_ours = wire_is_text(wire_read_string(r), f->topic);
        int32_t count = wire_read_count(r, PARTITION_BYTES_MIN);
        for (int32_t p = 0; p < count && !r->is_bad; p++)
            take_partition(r, f, is_ours);
    }
    if (r->is_bad)
        return "malformed";
    return code != 0 ? wire_error_name(code) : NULL;
}

int wire_fetch(struct wire_connection *connection, const struct wire_fetch *fetch, int timeout_ms,
               const char **error)
{
    struct wire_reader reader;
    struct wire_writer request = write_request(connection, fetch);
    if (wire_call(connection, &request, timeout_ms, &reader, error) < 0)
        return -1;
    *error = wire_fetch_take(&reader, fetch);
    return *error == NULL ? 0 : -1;
}

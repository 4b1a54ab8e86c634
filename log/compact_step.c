/* The step as bytes; little-endian (docs/entry_format.md).
 *
 *   u16 version (1), u16 flags (0), u32 number, i64 target from, i64 target until, u32 CRC-32C of
 *   the segments, u32 keys, i64 map from, i64 map until, i64 clock, i64 delete retention, 16 seed,
 *   i64 clean until, i64 pass until, i64 pass at, u32 n, u32 0, n x segment (manifest_format.md) */
#include "compact_step.h"

#include <assert.h>
#include <stdlib.h>

#define STEP_VERSION   1
#define STEP_HEAD_SIZE 112

_Static_assert(COMPACT_SEED_SIZE == LOG_COMPACT_SEED_SIZE, "the same seed");

void compact_step_close(struct compact_step *step)
{
    free(step->outputs);
    step->outputs = NULL;
}

static uint8_t *encode_head(const struct compact_step *s, uint8_t *into)
{
    const struct compact_parameters *p = &s->parameters;
    into = bytes_put_le16(into, STEP_VERSION);
    into = bytes_put_le16(into, 0);
    into = bytes_put_le32(into, s->version);
    into = bytes_put_le64(into, (uint64_t)s->target_from);
    into = bytes_put_le64(into, (uint64_t)s->target_until);
    into = bytes_put_le32(into, s->segments_crc);
    into = bytes_put_le32(into, p->key_count);
    into = bytes_put_le64(into, (uint64_t)p->map_from);
    into = bytes_put_le64(into, (uint64_t)p->map_until);
    into = bytes_put_le64(into, (uint64_t)p->now_ms);
    into = bytes_put_le64(into, (uint64_t)p->delete_retention_ms);
    memcpy(into, p->seed, sizeof p->seed);
    into += sizeof p->seed;
    into = bytes_put_le64(into, (uint64_t)s->after.clean_until);
    into = bytes_put_le64(into, (uint64_t)s->after.pass_until);
    into = bytes_put_le64(into, (uint64_t)s->after.pass_at);
    into = bytes_put_le32(into, s->output_count);
    return bytes_put_le32(into, 0);
}

struct slice compact_step_encode(const struct compact_step *step)
{
    size_t size = STEP_HEAD_SIZE + (size_t)step->output_count * LOG_SEGMENT_META_SIZE;
    struct buffer *buffer = buffer_create(size);
    if (buffer == NULL)
        return (struct slice){0};
    uint8_t *at = encode_head(step, buffer->data);
    assert(at == buffer->data + STEP_HEAD_SIZE);
    for (uint32_t i = 0; i < step->output_count; i++)
        at = log_segment_meta_encode(&step->outputs[i], at);
    return (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, size)};
}

static void decode_parameters(struct bytes_reader *r, struct compact_parameters *p)
{
    p->key_count = bytes_read_le32(r);
    p->map_from = (int64_t)bytes_read_le64(r);
    p->map_until = (int64_t)bytes_read_le64(r);
    p->now_ms = (int64_t)bytes_read_le64(r);
    p->delete_retention_ms = (int64_t)bytes_read_le64(r);
    bytes_read_copy(r, p->seed, sizeof p->seed);
}

static int decode_head(struct bytes_reader *r, struct compact_step *s)
{
    uint16_t version = bytes_read_le16(r), flags = bytes_read_le16(r);
    if (!r->is_bad && version != STEP_VERSION)
        return ERR_VERSION;
    s->version = bytes_read_le32(r);
    s->target_from = (int64_t)bytes_read_le64(r);
    s->target_until = (int64_t)bytes_read_le64(r);
    s->segments_crc = bytes_read_le32(r);
    decode_parameters(r, &s->parameters);
    s->after.version = s->version;
    s->after.clean_until = (int64_t)bytes_read_le64(r);
    s->after.pass_until = (int64_t)bytes_read_le64(r);
    s->after.pass_at = (int64_t)bytes_read_le64(r);
    s->output_count = bytes_read_le32(r);
    bool is_clean = bytes_read_le32(r) == 0 && flags == 0 && !r->is_bad;
    const struct compact_parameters *p = &s->parameters;
    bool is_sound = s->version > 0 && s->target_from >= 0 && s->target_until >= s->target_from &&
                    (s->output_count > 0) == (s->target_until > s->target_from) &&
                    s->output_count <= COMPACT_OUTPUTS_MAX && p->map_from >= 0 &&
                    p->map_until >= p->map_from && p->key_count <= COMPACT_MAP_COUNT_MAX &&
                    p->now_ms >= 0 && p->delete_retention_ms >= 0 && s->after.clean_until >= 0 &&
                    s->after.pass_until >= 0 && s->after.pass_at >= 0;
    return is_clean && is_sound ? 0 : ERR_MALFORMED;
}

static int decode_outputs(struct bytes_reader *r, struct compact_step *s)
{
    int64_t expected = s->target_from;
    if (bytes_reader_left(r) != (size_t)s->output_count * LOG_SEGMENT_META_SIZE)
        return ERR_MALFORMED;
    s->outputs = calloc((size_t)s->output_count + 1, sizeof *s->outputs);
    if (s->outputs == NULL)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < s->output_count; i++) {
        struct log_segment_meta *m = &s->outputs[i];
        int err = log_segment_meta_decode(m, r);
        if (err != 0 || m->base_offset != expected || !m->is_sealed || m->version != s->version)
            return ERR_MALFORMED;
        expected = m->next_offset;
    }
    return expected == s->target_until ? 0 : ERR_MALFORMED;
}

int compact_step_decode(struct bytes from, struct compact_step *step)
{
    struct bytes_reader r = bytes_reader_of(from);
    *step = (struct compact_step){0};
    int err = decode_head(&r, step);
    if (err == 0)
        err = decode_outputs(&r, step);
    if (err != 0)
        compact_step_close(step);
    return err;
}

/* ---- which segments ---- */

bool compact_span_of(const struct log_partition *p, int64_t from, int64_t until, bool is_exact,
                     struct compact_span *span)
{
    *span = (struct compact_span){0};
    if (from == until)
        return true;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        if (s->next_offset <= from || s->written.base_offset >= until)
            continue;
        if (!s->is_sealed)
            return false;
        if (span->count++ == 0)
            span->first = i;
    }
    if (span->count == 0)
        return false;
    const struct log_segment *first = p->segments.items[span->first];
    const struct log_segment *last = p->segments.items[span->first + span->count - 1];
    return !is_exact || (first->written.base_offset == from && last->next_offset == until);
}

uint32_t compact_meta_crc(uint32_t crc, const struct log_segment_meta *meta)
{
    uint8_t known[24], *at = known;
    at = bytes_put_le64(at, (uint64_t)meta->base_offset);
    at = bytes_put_le64(at, (uint64_t)meta->next_offset);
    at = bytes_put_le32(at, meta->size_bytes);
    bytes_put_le32(at, meta->version);
    return crc32c(crc, bytes_of(known, sizeof known));
}

uint32_t compact_segments_crc(uint32_t crc, const struct log_partition *p, struct compact_span span)
{
    for (unsigned i = span.first; i < span.first + span.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        struct log_segment_meta appended = s->written;
        appended.next_offset = s->next_offset;
        appended.size_bytes = s->size_bytes;
        crc = compact_meta_crc(crc, &appended);
    }
    return crc;
}

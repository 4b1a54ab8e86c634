/* What the manifest keeps of a partition: its record, made, filled, read back.
 *
 * The record is made on the shard at the moment a checkpoint is taken, because the partition goes
 * on changing while its flush runs; what only the flush knows (sizes and checksums of files) is
 * put into its fixed places afterwards. At opening, files may be longer than the record says:
 * what was flushed later comes again from the WAL, so they are cut to what is known.
 * Byte table: docs/manifest_format.md. */
#include <assert.h>
#include <stdlib.h>

#include "partition_internal.h"

#define RECORD_VERSION    2
#define RECORD_HEAD_SIZE  128
#define RECORD_FROZEN     1u /* flag: closed here, moved to another group */
#define RECORD_AWAITING   2u /* flag: here by a snapshot, its folder was another store's then */
#define RECORD_FLAGS_AT   2
#define SEGMENT_COUNT_MAX 1000000

/* The fixed part at the front. */
struct record_head {
    struct log_partition_id id;
    struct log_partition_settings settings;
    int64_t start_offset, next_offset;
    uint32_t epoch_count, segment_count, producers_size;
    struct log_compact_state compact;
    struct log_partition_source source;
    bool is_frozen, is_awaiting;
};

static uint8_t *encode_head(const struct log_partition *p, uint32_t producers_size, uint8_t *into)
{
    into = bytes_put_le16(into, RECORD_VERSION);
    into = bytes_put_le16(into, p->is_frozen ? RECORD_FROZEN : 0);
    memcpy(into, p->id.topic_id, sizeof p->id.topic_id);
    into += sizeof p->id.topic_id;
    into = bytes_put_le32(into, (uint32_t)p->id.partition);
    into = bytes_put_le64(into, (uint64_t)p->settings.segment_bytes);
    into = bytes_put_le64(into, (uint64_t)p->settings.segment_ms);
    into = bytes_put_le64(into, (uint64_t)p->settings.index_interval_bytes);
    into = bytes_put_le64(into, p->settings.producer_count_max);
    into = bytes_put_le64(into, (uint64_t)p->start_offset);
    into = bytes_put_le64(into, (uint64_t)p->next_offset);
    into = bytes_put_le32(into, p->epochs.count);
    into = bytes_put_le32(into, p->segments.count);
    into = bytes_put_le32(into, producers_size);
    into = bytes_put_le32(into, p->compact.version);
    into = bytes_put_le64(into, (uint64_t)p->compact.clean_until);
    into = bytes_put_le64(into, (uint64_t)p->compact.pass_until);
    into = bytes_put_le64(into, (uint64_t)p->compact.pass_at);
    into = bytes_put_le64(into, p->source.index);
    into = bytes_put_le32(into, p->source.group_id);
    return bytes_put_le32(into, 0);
}

int log_partition_record_make(const struct log_partition *p, struct log_partition_record *record)
{
    size_t producers_size = log_producer_state_encoded_size(p->producers);
    size_t epochs_size = (size_t)p->epochs.count * LOG_EPOCH_ENCODED_SIZE;
    size_t segments_size = (size_t)p->segments.count * LOG_SEGMENT_META_SIZE;
    size_t size = RECORD_HEAD_SIZE + epochs_size + segments_size + producers_size;
    struct buffer *bytes = buffer_create(size);
    if (bytes == NULL)
        return UV_ENOMEM;
    uint8_t *into = encode_head(p, (uint32_t)producers_size, bytes->data);
    assert(into == bytes->data + RECORD_HEAD_SIZE);
    into = log_epoch_table_encode(&p->epochs, into);
    record->segments_at = (size_t)(into - bytes->data);
    for (unsigned i = 0; i < p->segments.count; i++)
        into = log_segment_meta_encode(&p->segments.items[i]->written, into);
    log_producer_state_encode(p->producers, into);
    record->bytes = bytes;
    return 0;
}

void log_partition_record_fill(struct log_partition_record *record, const struct log_flush *flush)
{
    for (unsigned i = 0; i < flush->segment_count; i++) {
        const struct log_flush_segment *w = &flush->segments[i];
        if (w->number == LOG_FLUSH_NOT_LISTED)
            continue;
        size_t at = record->segments_at + (size_t)w->number * LOG_SEGMENT_META_SIZE;
        assert(at + LOG_SEGMENT_META_SIZE <= record->bytes->capacity);
        log_segment_meta_encode(&w->meta, record->bytes->data + at);
    }
}

int log_partition_encode(const struct log_partition *p, uint8_t **bytes, size_t *size)
{
    assert(p->flushed_offset == p->next_offset && !p->is_flushing);
    struct log_partition_record record;
    int err = log_partition_record_make(p, &record);
    if (err != 0)
        return err;
    *size = record.bytes->capacity;
    *bytes = malloc(*size);
    if (*bytes != NULL)
        memcpy(*bytes, record.bytes->data, *size);
    buffer_unref(record.bytes);
    return *bytes == NULL ? UV_ENOMEM : 0;
}

static bool settings_are_sound(const struct log_partition_settings *s)
{
    return s->segment_bytes > 0 && s->segment_ms >= 0 && s->index_interval_bytes >= 0;
}

static int decode_head(struct bytes_reader *r, struct record_head *h)
{
    uint16_t version = bytes_read_le16(r), flags = bytes_read_le16(r);
    struct bytes topic_id = bytes_read(r, sizeof h->id.topic_id);
    if (r->is_bad || version != RECORD_VERSION)
        return r->is_bad ? ERR_MALFORMED : ERR_VERSION;
    memcpy(h->id.topic_id, topic_id.data, topic_id.size);
    h->id.partition = (int32_t)bytes_read_le32(r);
    h->settings.segment_bytes = (int64_t)bytes_read_le64(r);
    h->settings.segment_ms = (int64_t)bytes_read_le64(r);
    h->settings.index_interval_bytes = (int64_t)bytes_read_le64(r);
    uint64_t producer_count_max = bytes_read_le64(r);
    h->settings.producer_count_max = (unsigned)producer_count_max;
    h->start_offset = (int64_t)bytes_read_le64(r);
    h->next_offset = (int64_t)bytes_read_le64(r);
    h->epoch_count = bytes_read_le32(r);
    h->segment_count = bytes_read_le32(r);
    h->producers_size = bytes_read_le32(r);
    h->compact.version = bytes_read_le32(r);
    h->compact.clean_until = (int64_t)bytes_read_le64(r);
    h->compact.pass_until = (int64_t)bytes_read_le64(r);
    h->compact.pass_at = (int64_t)bytes_read_le64(r);
    h->source.index = bytes_read_le64(r);
    h->source.group_id = bytes_read_le32(r);
    h->is_frozen = (flags & RECORD_FROZEN) != 0;
    h->is_awaiting = (flags & RECORD_AWAITING) != 0;
    bool is_clean = bytes_read_le32(r) == 0 && (flags & ~(RECORD_FROZEN | RECORD_AWAITING)) == 0 &&
                    !(h->is_frozen && h->is_awaiting) && !r->is_bad &&
                    (h->source.group_id == 0) == (h->source.index == 0) &&
                    h->compact.clean_until >= 0 && h->compact.pass_until >= 0 &&
                    h->compact.pass_at >= 0;
    bool is_sound = h->id.partition >= 0 && producer_count_max > 0 &&
                    producer_count_max <= UINT32_MAX && settings_are_sound(&h->settings) &&
                    h->start_offset >= 0 && h->next_offset >= h->start_offset &&
                    h->segment_count <= SEGMENT_COUNT_MAX &&
                    (h->segment_count > 0 ||
                     log_offset_may_follow(h->next_offset, h->start_offset));
    uint64_t rest = (uint64_t)h->epoch_count * LOG_EPOCH_ENCODED_SIZE +
                    (uint64_t)h->segment_count * LOG_SEGMENT_META_SIZE + h->producers_size;
    return is_clean && is_sound && rest == bytes_reader_left(r) ? 0 : ERR_MALFORMED;
}

/* Segments must follow each other, the last one ends the log; but for gaps (partition_stride.c). */
static int check_order(const struct record_head *h, const struct log_segment_meta *m,
                       uint32_t number, int64_t *expected)
{
    bool is_last = number + 1 == h->segment_count;
    int64_t before = number == 0 ? h->start_offset : *expected;
    bool follows = (number == 0 && m->base_offset <= before) ||
                   log_offset_may_follow(m->base_offset, before);
    bool ends = is_last ? log_offset_may_follow(h->next_offset, m->next_offset) : m->is_sealed;
    *expected = m->next_offset;
    return follows && ends && m->version <= h->compact.version ? 0 : ERR_MALFORMED;
}

static int each_segment(const struct record_head *h, struct bytes_reader *r,
                        log_record_segment_cb cb, void *data)
{
    int64_t expected = 0;
    int err = 0;
    for (uint32_t i = 0; i < h->segment_count && err == 0; i++) {
        struct log_segment_meta meta;
        err = log_segment_meta_decode(&meta, r);
        if (err == 0)
            err = check_order(h, &meta, i, &expected);
        if (err == 0)
            err = cb(data, &h->id, &meta);
    }
    return err;
}

int log_partition_record_each_segment(struct bytes record, log_record_segment_cb cb, void *data)
{
    struct bytes_reader r = bytes_reader_of(record);
    struct record_head head;
    int err = decode_head(&r, &head);
    if (err != 0)
        return err;
    bytes_read(&r, (size_t)head.epoch_count * LOG_EPOCH_ENCODED_SIZE);
    return each_segment(&head, &r, cb, data);
}

int log_partition_record_id(struct bytes record, struct log_partition_id *id)
{
    struct bytes_reader r = bytes_reader_of(record);
    struct record_head head;
    int err = decode_head(&r, &head);
    if (err == 0)
        *id = head.id;
    return err;
}

int log_partition_record_source(struct bytes record, struct log_partition_id *id,
                                struct log_partition_source *source)
{
    struct bytes_reader r = bytes_reader_of(record);
    struct record_head head;
    int err = decode_head(&r, &head);
    if (err != 0)
        return err;
    *id = head.id;
    *source = head.source;
    return 0;
}

bool log_partition_record_is_frozen(struct bytes record)
{
    struct bytes_reader r = bytes_reader_of(record);
    struct record_head head;
    return decode_head(&r, &head) == 0 && head.is_frozen;
}

bool log_partition_record_is_awaiting(struct bytes record)
{
    struct bytes_reader r = bytes_reader_of(record);
    struct record_head head;
    return decode_head(&r, &head) == 0 && head.is_awaiting;
}

void log_partition_record_set_awaiting(uint8_t *record, bool is_awaiting)
{
    unsigned flags = bytes_get_le16(record + RECORD_FLAGS_AT) & ~RECORD_AWAITING;
    bytes_put_le16(record + RECORD_FLAGS_AT,
                   (uint16_t)(is_awaiting ? flags | RECORD_AWAITING : flags));
}

static int add_segment(void *data, const struct log_partition_id *id,
                       const struct log_segment_meta *meta)
{
    struct log_partition *p = data;
    struct log_segment *s = log_segment_of_meta(id, meta);
    if (s != NULL && log_segment_list_add(&p->segments, s) == 0)
        return 0;
    log_segment_unref(s);
    return UV_ENOMEM;
}

static int decode_body(struct log_partition *p, const struct record_head *head,
                       struct bytes_reader *r)
{
    p->next_offset = p->flushed_offset = head->next_offset;
    p->has_folder = head->segment_count > 0;
    p->compact = head->compact;
    p->is_frozen = head->is_frozen;
    p->is_awaiting = head->is_awaiting;
    p->source = head->source;
    int err = log_epoch_table_decode(&p->epochs, r, head->epoch_count);
    if (err == 0)
        err = each_segment(head, r, add_segment, p);
    if (err == 0 && head->segment_count > 0 && head->epoch_count == 0)
        err = ERR_MALFORMED;
    if (err == 0)
        err = log_producer_state_decode(p->producers, bytes_read(r, head->producers_size));
    return err;
}

int log_partition_decode_memory(const struct disk *disk, struct bytes record,
                                struct log_partition **opened)
{
    struct bytes_reader r = bytes_reader_of(record);
    struct record_head head;
    struct log_partition *p;
    int err = decode_head(&r, &head);
    if (err == 0)
        err = log_partition_create(disk, &head.id, &head.settings, head.start_offset, &p);
    if (err != 0)
        return err;
    err = decode_body(p, &head, &r);
    if (err != 0) {
        log_partition_destroy(p);
        return err;
    }
    *opened = p;
    return 0;
}

int log_partition_decode(const struct disk *disk, struct bytes record,
                         struct log_partition **opened, struct err_note *note)
{
    struct log_partition *p;
    int err = log_partition_decode_memory(disk, record, &p);
    if (err != 0)
        return err_set(note, err, "partition record of the manifest: %s", err_text(err));
    err = log_partition_check_files(p, note);
    if (err != 0) {
        log_partition_destroy(p);
        return err;
    }
    *opened = p;
    return 0;
}

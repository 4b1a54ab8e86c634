/* Heartbeats: a head with the sender's own state, then a row per group that it leads. */
#include "beat.h"

#include "base/err.h"

#define VERSION     2
#define VERSION_MIN 1
#define HEAD_SIZE_1 48
#define ROW_SIZE_1  29

enum head_flag { IS_LEAVING = 1 };
enum disk_flag { IS_LOW = 1, IS_OUT_OF_FILES = 2, IS_FULL = 4 };
#define DISK_FLAGS (IS_LOW | IS_OUT_OF_FILES | IS_FULL)
enum row_flag { IS_DEAF = 1 };

static uint8_t *put_elections(uint8_t *at, const struct repl_election_report *e)
{
    at = bytes_put_le32(at, e->count);
    at = bytes_put_le32(at, e->median_ms);
    return bytes_put_le32(at, e->longest_ms);
}

uint8_t *repl_beat_encode(const struct repl_beat *beat, uint8_t *into)
{
    const struct repl_disk_report *d = &beat->disk;
    uint8_t *at = bytes_put_le16(into, (uint16_t)beat->row_count);
    *at++ = VERSION;
    *at++ = beat->is_leaving ? IS_LEAVING : 0;
    *at++ = (uint8_t)d->state;
    *at++ = (uint8_t)((d->is_low ? IS_LOW : 0) | (d->is_out_of_files ? IS_OUT_OF_FILES : 0) |
                      (d->is_full ? IS_FULL : 0));
    *at++ = d->queue_percent;
    *at++ = 0;
    at = bytes_put_le32(at, d->sync_p50_us);
    at = bytes_put_le32(at, d->sync_p99_us);
    at = bytes_put_le32(at, d->sync_recent_us);
    at = bytes_put_le32(at, 0);
    at = bytes_put_le64(at, d->free_bytes);
    at = bytes_put_le64(at, d->total_bytes);
    at = bytes_put_le64(at, d->for_ms);
    at = bytes_put_le64(at, beat->sent_ns);
    at = bytes_put_le64(at, beat->echo_ns);
    at = bytes_put_le32(at, beat->held_us);
    at = bytes_put_le32(at, 0);
    at = put_elections(at, &beat->elections);
    return put_elections(at, &beat->transfers);
}

uint8_t *repl_beat_row_encode(const struct repl_beat_row *row, uint8_t *into)
{
    uint8_t *at = bytes_put_le32(into, row->group_id);
    at = bytes_put_le64(at, row->leader);
    at = bytes_put_le64(at, row->term);
    at = bytes_put_le64(at, row->commit);
    *at++ = row->is_deaf ? IS_DEAF : 0;
    at = bytes_put_le64(at, row->position);
    at = bytes_put_le64(at, row->totals.records);
    at = bytes_put_le64(at, row->totals.bytes);
    return bytes_put_le64(at, (uint64_t)row->wall_ms);
}

static void read_disk(struct bytes_reader *r, struct repl_disk_report *d)
{
    d->state = (enum repl_disk_state)bytes_read_u8(r);
    uint8_t flags = bytes_read_u8(r);
    d->is_low = (flags & IS_LOW) != 0;
    d->is_out_of_files = (flags & IS_OUT_OF_FILES) != 0;
    d->is_full = (flags & IS_FULL) != 0;
    d->queue_percent = bytes_read_u8(r);
    r->is_bad |= bytes_read_u8(r) != 0;
    d->sync_p50_us = bytes_read_le32(r);
    d->sync_p99_us = bytes_read_le32(r);
    d->sync_recent_us = bytes_read_le32(r);
    r->is_bad |= bytes_read_le32(r) != 0;
    d->free_bytes = bytes_read_le64(r);
    d->total_bytes = bytes_read_le64(r);
    d->for_ms = bytes_read_le64(r);
    r->is_bad |= d->state >= REPL_DISK_STATE_COUNT || (flags & ~DISK_FLAGS) != 0 ||
                 d->queue_percent > 100;
}

static void read_elections(struct bytes_reader *r, struct repl_election_report *e)
{
    e->count = bytes_read_le32(r);
    e->median_ms = bytes_read_le32(r);
    e->longest_ms = bytes_read_le32(r);
}

static void read_times(struct bytes_reader *r, struct repl_beat *beat)
{
    beat->sent_ns = bytes_read_le64(r);
    beat->echo_ns = bytes_read_le64(r);
    beat->held_us = bytes_read_le32(r);
    r->is_bad |= bytes_read_le32(r) != 0;
    read_elections(r, &beat->elections);
    read_elections(r, &beat->transfers);
}

static size_t row_size(const struct repl_beat *beat)
{
    return beat->version == VERSION_MIN ? ROW_SIZE_1 : REPL_BEAT_ROW_SIZE;
}

int repl_beat_decode(struct bytes bytes, struct repl_beat *beat, struct bytes *rows)
{
    struct bytes_reader r = bytes_reader_of(bytes);
    *beat = (struct repl_beat){.row_count = bytes_read_le16(&r)};
    beat->version = bytes_read_u8(&r);
    uint8_t flags = bytes_read_u8(&r);
    if (!r.is_bad && (beat->version < VERSION_MIN || beat->version > VERSION))
        return ERR_VERSION;
    beat->is_leaving = (flags & IS_LEAVING) != 0;
    read_disk(&r, &beat->disk);
    if (beat->version != VERSION_MIN)
        read_times(&r, beat);
    size_t head_size = beat->version == VERSION_MIN ? HEAD_SIZE_1 : REPL_BEAT_HEAD_SIZE;
    if (r.is_bad || flags > IS_LEAVING || beat->row_count > REPL_BEAT_ROWS_MAX ||
        bytes_reader_left(&r) != beat->row_count * row_size(beat))
        return ERR_MALFORMED;
    *rows = bytes_of(bytes.data + head_size, bytes.size - head_size);
    return 0;
}

void repl_beat_row_decode(const struct repl_beat *beat, struct bytes rows, unsigned index,
                          struct repl_beat_row *row)
{
    size_t size = row_size(beat);
    struct bytes_reader r = bytes_reader_of(bytes_of(rows.data + index * size, size));
    *row = (struct repl_beat_row){.group_id = bytes_read_le32(&r)};
    row->leader = bytes_read_le64(&r);
    row->term = bytes_read_le64(&r);
    row->commit = bytes_read_le64(&r);
    row->is_deaf = (bytes_read_u8(&r) & IS_DEAF) != 0;
    if (beat->version == VERSION_MIN)
        return;
    row->position = bytes_read_le64(&r);
    row->totals.records = bytes_read_le64(&r);
    row->totals.bytes = bytes_read_le64(&r);
    row->wall_ms = (int64_t)bytes_read_le64(&r);
}

/* The bodies of entries that are not record batches: partition state and log-start advance.
 *
 * partition state, version 1, little-endian, PARTITION_STATE_SIZE bytes:
 *   0 u16 version     2 u8  action        3 u8  0
 *   4 u16 flags       6 u16 0
 *   8 16  topic id   24 i32 partition    28 i32 epoch base
 *  32 i64 start offset                   40 i64 segment bytes
 *  48 i64 segment ms                     56 i64 index interval bytes
 *  64 u32 producers at most              68 u64 metadata version
 *
 * log-start advance, version 1, LOG_START_ADVANCE_SIZE bytes:
 *   0 u16 version     2 u16 reason        4 i64 start offset */
#include "cluster/entry.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

#define BODY_VERSION 1

size_t partition_state_encode(const struct partition_state *state,
                              uint8_t into[PARTITION_STATE_SIZE])
{
    memset(into, 0, PARTITION_STATE_SIZE);
    bytes_put_le16(into, BODY_VERSION);
    into[2] = (uint8_t)state->action;
    bytes_put_le16(into + 4, state->flags);
    memcpy(into + 8, state->id.topic_id, sizeof state->id.topic_id);
    bytes_put_le32(into + 24, (uint32_t)state->id.partition);
    bytes_put_le32(into + 28, (uint32_t)state->epoch_base);
    bytes_put_le64(into + 32, (uint64_t)state->start_offset);
    bytes_put_le64(into + 40, (uint64_t)state->settings.segment_bytes);
    bytes_put_le64(into + 48, (uint64_t)state->settings.segment_ms);
    bytes_put_le64(into + 56, (uint64_t)state->settings.index_interval_bytes);
    bytes_put_le32(into + 64, state->settings.producer_count_max);
    bytes_put_le64(into + 68, state->metadata_version);
    return PARTITION_STATE_SIZE;
}

static bool is_partition_state_sound(const struct partition_state *state)
{
    return state->action >= PARTITION_OPEN && state->action <= PARTITION_MOVE_SETTLE &&
           (state->flags & ~PARTITION_IS_OFFSETS) == 0 && state->id.partition >= 0 &&
           state->epoch_base >= 0 && state->start_offset >= 0 &&
           state->settings.segment_bytes > 0 && state->settings.segment_ms > 0 &&
           state->settings.index_interval_bytes > 0 && state->settings.producer_count_max > 0;
}

int partition_state_decode(struct bytes from, struct partition_state *state)
{
    struct bytes_reader r = bytes_reader_of(from);
    uint16_t version = bytes_read_le16(&r);
    if (!r.is_bad && version != BODY_VERSION)
        return ERR_VERSION;
    if (from.size != PARTITION_STATE_SIZE)
        return ERR_MALFORMED;
    *state = (struct partition_state){0};
    state->action = bytes_read_u8(&r);
    uint8_t unused = bytes_read_u8(&r);
    state->flags = bytes_read_le16(&r);
    uint16_t unused_too = bytes_read_le16(&r);
    bytes_read_copy(&r, state->id.topic_id, 16);
    state->id.partition = (int32_t)bytes_read_le32(&r);
    state->epoch_base = (int32_t)bytes_read_le32(&r);
    state->start_offset = (int64_t)bytes_read_le64(&r);
    state->settings.segment_bytes = (int64_t)bytes_read_le64(&r);
    state->settings.segment_ms = (int64_t)bytes_read_le64(&r);
    state->settings.index_interval_bytes = (int64_t)bytes_read_le64(&r);
    state->settings.producer_count_max = bytes_read_le32(&r);
    state->metadata_version = bytes_read_le64(&r);
    assert(!r.is_bad); /* the size was checked */
    if ((unused | unused_too) != 0 || !is_partition_state_sound(state))
        return ERR_MALFORMED;
    return 0;
}

size_t log_start_advance_encode(const struct log_start_advance *advance,
                                uint8_t into[LOG_START_ADVANCE_SIZE])
{
    bytes_put_le16(into, BODY_VERSION);
    bytes_put_le16(into + 2, (uint16_t)advance->reason);
    bytes_put_le64(into + 4, (uint64_t)advance->start_offset);
    return LOG_START_ADVANCE_SIZE;
}

int log_start_advance_decode(struct bytes from, struct log_start_advance *advance)
{
    struct bytes_reader r = bytes_reader_of(from);
    uint16_t version = bytes_read_le16(&r);
    if (!r.is_bad && version != BODY_VERSION)
        return ERR_VERSION;
    advance->reason = bytes_read_le16(&r);
    advance->start_offset = (int64_t)bytes_read_le64(&r);
    if (r.is_bad || bytes_reader_left(&r) != 0 || advance->start_offset < 0 ||
        advance->reason < LOG_START_RETENTION || advance->reason > LOG_START_DELETE_RECORDS)
        return ERR_MALFORMED;
    return 0;
}

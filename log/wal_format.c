/* The WAL's stored form, little-endian.
 *
 *   file   [file header, one block][write][write]...[rest: zeros, or the file's past]
 *   write  [write header][record][record]...[zeros up to the next block]
 *   record [record header][data]
 *
 * File header, 4096 bytes:
 *    0 u32 CRC-32C of bytes 4..4095     12 u32 file id        32 u64 salt
 *    4 u32 magic "TWF1"                 16 u64 cluster id     40 u32 uses
 *    8 u32 version (1)                  24 u64 cluster id     44 u32 size, 48 zeros
 * Write header, 64 bytes:
 *    0 u32 CRC-32C of bytes 4..63       16 u64 sequence       36 u32 mark: position
 *    4 u32 magic "TWW1"                 24 u32 life           40 u32 oldest file id
 *    8 u32 version (1)                  28 u32 payload size   44 u32 record count
 *   12 u32 file id                      32 u32 mark: file id  48 u64 salt
 *   56 u32 next file id (of a file's last write, else 0), 60 zeros
 * Record header, 64 bytes:
 *    0 u32 CRC-32C of bytes 4..63       14 u8  entry type     32 u64 term
 *    4 u32 data size                    15 u8  head size      40 u64 index
 *    8 u32 CRC-32C of the data          16 u32 group id       48 u64 sequence of its write
 *   12 u8  kind                         20 u32 generation     56 u32 life of its write
 *   13 u8  version (1)                  24 u64 recovery id    60 u32 flags (0)
 *
 * A record names its write's sequence and life, so that the rest of a torn write, sector by
 * sector, never passes for a part of the one that later took its place. */
#include "wal_format.h"

#include "base/crc32c.h"

#define FILE_MAGIC     0x31465754u /* "TWF1" */
#define WRITE_MAGIC    0x31575754u /* "TWW1" */
#define FORMAT_VERSION 1u
#define RECORD_VERSION 1u

bool log_wal_is_zero(struct bytes bytes)
{
    /* All bytes equal their neighbour and the first is 0. */
    return bytes.size == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

/* The checksum stands first and covers the rest. */
static void seal(uint8_t *from, size_t size)
{
    bytes_put_le32(from, crc32c(0, bytes_of(from + 4, size - 4)));
}

static bool is_sealed(const uint8_t *from, size_t size)
{
    return bytes_get_le32(from) == crc32c(0, bytes_of(from + 4, size - 4));
}

void log_wal_file_header_encode(const struct wal_file_header *h, uint8_t block[WAL_BLOCK_SIZE])
{
    memset(block, 0, WAL_BLOCK_SIZE);
    uint8_t *at = bytes_put_le32(block + 4, FILE_MAGIC);
    at = bytes_put_le32(at, FORMAT_VERSION);
    at = bytes_put_le32(at, h->file_id);
    at = bytes_put_le64(at, h->cluster_id[0]);
    at = bytes_put_le64(at, h->cluster_id[1]);
    at = bytes_put_le64(at, h->salt);
    at = bytes_put_le32(at, h->uses);
    bytes_put_le32(at, h->size);
    seal(block, WAL_BLOCK_SIZE);
}

int log_wal_file_header_decode(const uint8_t block[WAL_BLOCK_SIZE], struct wal_file_header *h)
{
    if (bytes_get_le32(block + 4) != FILE_MAGIC || !is_sealed(block, WAL_BLOCK_SIZE))
        return ERR_CORRUPT;
    if (bytes_get_le32(block + 8) != FORMAT_VERSION)
        return ERR_VERSION;
    *h = (struct wal_file_header){
        .file_id = bytes_get_le32(block + 12),
        .cluster_id = {bytes_get_le64(block + 16), bytes_get_le64(block + 24)},
        .salt = bytes_get_le64(block + 32),
        .uses = bytes_get_le32(block + 40),
        .size = bytes_get_le32(block + 44),
    };
    bool is_sound = h->file_id > 0 && h->file_id < UINT32_MAX && h->uses > 0 &&
                    log_wal_is_zero(bytes_of(block + 48, WAL_BLOCK_SIZE - 48));
    return is_sound ? 0 : ERR_CORRUPT;
}

void log_wal_write_header_encode(const struct wal_write_header *h,
                                 uint8_t into[WAL_WRITE_HEADER_SIZE])
{
    uint8_t *at = bytes_put_le32(into + 4, WRITE_MAGIC);
    at = bytes_put_le32(at, FORMAT_VERSION);
    at = bytes_put_le32(at, h->file_id);
    at = bytes_put_le64(at, h->sequence);
    at = bytes_put_le32(at, h->life);
    at = bytes_put_le32(at, h->payload_size);
    at = bytes_put_le32(at, h->mark.file_id);
    at = bytes_put_le32(at, h->mark.position);
    at = bytes_put_le32(at, h->oldest_file_id);
    at = bytes_put_le32(at, h->record_count);
    at = bytes_put_le64(at, h->salt);
    at = bytes_put_le32(at, h->next_file_id);
    bytes_put_le32(at, 0);
    seal(into, WAL_WRITE_HEADER_SIZE);
}

bool log_wal_write_header_decode(const uint8_t from[WAL_WRITE_HEADER_SIZE],
                                 struct wal_write_header *h)
{
    if (bytes_get_le32(from + 4) != WRITE_MAGIC || bytes_get_le32(from + 8) != FORMAT_VERSION ||
        !is_sealed(from, WAL_WRITE_HEADER_SIZE))
        return false;
    *h = (struct wal_write_header){
        .file_id = bytes_get_le32(from + 12),
        .sequence = bytes_get_le64(from + 16),
        .life = bytes_get_le32(from + 24),
        .payload_size = bytes_get_le32(from + 28),
        .mark = {bytes_get_le32(from + 32), bytes_get_le32(from + 36)},
        .oldest_file_id = bytes_get_le32(from + 40),
        .record_count = bytes_get_le32(from + 44),
        .salt = bytes_get_le64(from + 48),
        .next_file_id = bytes_get_le32(from + 56),
    };
    bool is_last_sound = h->next_file_id == 0 ||
                         (h->next_file_id > h->file_id && h->payload_size == 0);
    return h->file_id > 0 && h->sequence > 0 && h->life > 0 && bytes_get_le32(from + 60) == 0 &&
           is_last_sound && h->mark.file_id <= h->file_id && h->oldest_file_id <= h->file_id;
}

void log_wal_record_encode(const struct wal_record *r, uint8_t into[WAL_RECORD_HEADER_SIZE])
{
    uint8_t *at = bytes_put_le32(into + 4, r->data_size);
    at = bytes_put_le32(at, r->data_crc);
    *at++ = (uint8_t)r->kind;
    *at++ = RECORD_VERSION;
    *at++ = (uint8_t)r->type;
    *at++ = r->head_size;
    at = bytes_put_le32(at, r->group.group_id);
    at = bytes_put_le32(at, r->group.generation);
    at = bytes_put_le64(at, r->group.recovery_id);
    at = bytes_put_le64(at, r->term);
    at = bytes_put_le64(at, r->index);
    at = bytes_put_le64(at, r->sequence);
    at = bytes_put_le32(at, r->life);
    bytes_put_le32(at, 0);
    seal(into, WAL_RECORD_HEADER_SIZE);
}

/* What each kind may carry; bytes from disk are checked even under a sound checksum. */
static bool is_record_sound(const struct wal_record *r)
{
    switch (r->kind) {
    case WAL_ENTRY:
        return r->index > 0 && r->type >= LOG_ENTRY_COMMAND && r->type <= LOG_ENTRY_CHANGE &&
               r->head_size <= r->data_size && r->data_size <= LOG_ENTRY_SIZE_MAX;
    case WAL_HEARD:
        return r->data_size <= LOG_WAL_HEARD_SIZE_MAX;
    case WAL_STATE:
        return r->data_size >= WAL_STATE_SIZE &&
               r->data_size <= WAL_STATE_SIZE + LOG_WAL_HEARD_SIZE_MAX;
    case WAL_TRUNCATE:
    case WAL_SNAPSHOT:
        return r->data_size == 0 && r->index > 0;
    case WAL_VOTE:
    case WAL_DROPPED:
        return r->data_size == 0;
    }
    return false;
}

int log_wal_record_decode(const uint8_t from[WAL_RECORD_HEADER_SIZE], struct wal_record *r)
{
    if (!is_sealed(from, WAL_RECORD_HEADER_SIZE))
        return ERR_CORRUPT;
    if (from[12] < WAL_ENTRY || from[12] > WAL_STATE || from[13] != RECORD_VERSION ||
        bytes_get_le32(from + 60) != 0)
        return ERR_VERSION;
    *r = (struct wal_record){
        .data_size = bytes_get_le32(from + 4),
        .data_crc = bytes_get_le32(from + 8),
        .kind = (enum wal_record_kind)from[12],
        .type = (enum log_entry_type)from[14],
        .head_size = from[15],
        .group = {.group_id = bytes_get_le32(from + 16),
                  .generation = bytes_get_le32(from + 20),
                  .recovery_id = bytes_get_le64(from + 24)},
        .term = bytes_get_le64(from + 32),
        .index = bytes_get_le64(from + 40),
        .sequence = bytes_get_le64(from + 48),
        .life = bytes_get_le32(from + 56),
    };
    return is_record_sound(r) ? 0 : ERR_CORRUPT;
}

void log_wal_state_encode(const struct wal_state_data *s, uint8_t into[WAL_STATE_SIZE])
{
    uint8_t *at = bytes_put_le64(into, s->term);
    at = bytes_put_le64(at, s->voted_for);
    at = bytes_put_le64(at, s->snapshot_index);
    at = bytes_put_le64(at, s->snapshot_term);
    bytes_put_le64(at, s->next_index);
}

void log_wal_state_decode(const uint8_t from[WAL_STATE_SIZE], struct wal_state_data *s)
{
    *s = (struct wal_state_data){
        .term = bytes_get_le64(from),
        .voted_for = bytes_get_le64(from + 8),
        .snapshot_index = bytes_get_le64(from + 16),
        .snapshot_term = bytes_get_le64(from + 24),
        .next_index = bytes_get_le64(from + 32),
    };
}

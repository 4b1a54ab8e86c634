/* One entry of a spool's file as bytes.
 *
 * An entry is only what its checksum says it is, and the checksum covers the file's salt and the
 * position too. So who looks for the next whole entry behind damage tries every byte, and finds
 * no entry that a record's value merely carries. */
#include "spool_entry.h"

#include "base/crc32c.h"

#define MAGIC UINT32_C(0x31505354) /* "TSP1" */

static uint32_t checksum_of(struct spool_place place, struct bytes rest_of_head, struct bytes body)
{
    uint8_t seed[16];
    bytes_put_le64(bytes_put_le64(seed, place.salt), place.position);
    return crc32c(crc32c(crc32c(0, bytes_of(seed, sizeof seed)), rest_of_head), body);
}

void spool_entry_encode(const struct spool_entry *entry, struct spool_place place,
                        struct bytes body, uint8_t head[static SPOOL_HEAD_SIZE])
{
    uint8_t *at = bytes_put_le32(head + 8, entry->kind);
    at = bytes_put_le32(at, (uint32_t)body.size);
    at = bytes_put_le64(at, entry->sequence);
    at = bytes_put_le64(at, entry->order);
    bytes_put_le64(at, entry->key_hash);
    at = bytes_put_le32(head, MAGIC);
    bytes_put_le32(at, checksum_of(place, bytes_of(head + 8, SPOOL_HEAD_SIZE - 8), body));
}

bool spool_entry_decode(struct bytes from, struct spool_place place, struct spool_entry *entry)
{
    if (from.size < SPOOL_HEAD_SIZE || bytes_get_le32(from.data) != MAGIC)
        return false;
    uint32_t kind = bytes_get_le32(from.data + 8);
    uint32_t body_size = bytes_get_le32(from.data + 12);
    if ((kind != SPOOL_ENTRY_RECORD && kind != SPOOL_ENTRY_DONE) ||
        body_size > SPOOL_BODY_BYTES_MAX || body_size > from.size - SPOOL_HEAD_SIZE)
        return false;
    uint32_t checksum = checksum_of(place, bytes_of(from.data + 8, SPOOL_HEAD_SIZE - 8),
                                    bytes_of(from.data + SPOOL_HEAD_SIZE, body_size));
    if (checksum != bytes_get_le32(from.data + 4))
        return false;
    *entry = (struct spool_entry){.kind = (enum spool_entry_kind)kind,
                                  .body_size = body_size,
                                  .sequence = bytes_get_le64(from.data + 16),
                                  .order = bytes_get_le64(from.data + 24),
                                  .key_hash = bytes_get_le64(from.data + 32)};
    return true;
}

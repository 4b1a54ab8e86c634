/* The codec of the recovery entry; little-endian:
 *
 *   u16 version (1), u16 groups, u32 generation, u64 recovery id, i64 producer id end,
 *   i64 known until, u64 lost records, u64 lost bytes, u16 size of the site, site,
 *   groups x u32 group id, rising; where it is known i64 pause as forecast, in ms */
#include "cluster/recovery_entry.h"

#include <string.h>

#include "base/err.h"

#define BODY_VERSION 1

size_t recovery_entry_encode(const struct recovery_entry *entry,
                             uint8_t into[RECOVERY_ENTRY_SIZE_MAX])
{
    size_t site_size = strlen(entry->site);
    uint8_t *at = bytes_put_le16(into, BODY_VERSION);
    at = bytes_put_le16(at, (uint16_t)entry->group_count);
    at = bytes_put_le32(at, entry->generation);
    at = bytes_put_le64(at, entry->recovery_id);
    at = bytes_put_le64(at, (uint64_t)entry->producer_id_end);
    at = bytes_put_le64(at, (uint64_t)entry->known_until_ms);
    at = bytes_put_le64(at, entry->lost_records);
    at = bytes_put_le64(at, entry->lost_bytes);
    at = bytes_put_le16(at, (uint16_t)site_size);
    memcpy(at, entry->site, site_size);
    at += site_size;
    for (unsigned i = 0; i < entry->group_count; i++)
        at = bytes_put_le32(at, entry->group_ids[i]);
    if (entry->forecast_pause_ms >= 0)
        at = bytes_put_le64(at, (uint64_t)entry->forecast_pause_ms);
    return (size_t)(at - into);
}

static int read_site(struct bytes_reader *r, char site[32])
{
    uint16_t size = bytes_read_le16(r);
    if (r->is_bad || size == 0 || size >= 32)
        return ERR_MALFORMED;
    struct bytes text = bytes_read(r, size);
    if (r->is_bad || memchr(text.data, '\0', text.size) != NULL)
        return ERR_MALFORMED;
    memcpy(site, text.data, text.size);
    return 0;
}

static int read_groups(struct bytes_reader *r, struct recovery_entry *entry)
{
    if (entry->group_count == 0 || entry->group_count > METADATA_GROUPS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < entry->group_count; i++) {
        entry->group_ids[i] = bytes_read_le32(r);
        if (r->is_bad || (i > 0 && entry->group_ids[i] <= entry->group_ids[i - 1]))
            return ERR_MALFORMED;
    }
    entry->forecast_pause_ms = -1;
    if (bytes_reader_left(r) == 0)
        return 0;
    entry->forecast_pause_ms = (int64_t)bytes_read_le64(r);
    bool is_sound = !r->is_bad && bytes_reader_left(r) == 0 && entry->forecast_pause_ms >= 0;
    return is_sound ? 0 : ERR_MALFORMED;
}

int recovery_entry_decode(struct bytes from, struct recovery_entry *entry)
{
    struct bytes_reader r = bytes_reader_of(from);
    uint16_t version = bytes_read_le16(&r);
    if (!r.is_bad && version != BODY_VERSION)
        return ERR_VERSION;
    *entry = (struct recovery_entry){0};
    entry->group_count = bytes_read_le16(&r);
    entry->generation = bytes_read_le32(&r);
    entry->recovery_id = bytes_read_le64(&r);
    entry->producer_id_end = (int64_t)bytes_read_le64(&r);
    entry->known_until_ms = (int64_t)bytes_read_le64(&r);
    entry->lost_records = bytes_read_le64(&r);
    entry->lost_bytes = bytes_read_le64(&r);
    if (r.is_bad || entry->generation == 0 || entry->recovery_id == 0 ||
        entry->producer_id_end <= 0)
        return ERR_MALFORMED;
    int err = read_site(&r, entry->site);
    return err != 0 ? err : read_groups(&r, entry);
}

int64_t recovery_producer_id_end(int64_t next_producer_id)
{
    int64_t strides = next_producer_id / RECOVERY_PRODUCER_STRIDE;
    if (strides >= INT64_MAX / RECOVERY_PRODUCER_STRIDE - 1)
        return next_producer_id + METADATA_PRODUCER_ID_BLOCK; /* nobody gets here */
    return (strides + 1) * RECOVERY_PRODUCER_STRIDE;
}

/* A machine's own state as bytes, for checkpoint and shipping. Records, offsets and producers
 * are in the store's partition records; here is what the store does not know.
 *
 * u16 version, u16 flags (0), u32 feature level, i64 wall clock, u64 newest metadata version by
 * which a partition was closed, u64 records and u64 bytes of all entries applied since the group
 * began (not in version 2, where they count as none), u32 n partitions, then per partition in the
 * order of numbers: u32 number, u16 flags, i32 epoch base, 16 topic id, i32 partition, i64 segment
 * bytes, i64 segment ms, i64 index interval bytes, u32 producers at most, u64 index of its MOVE_OUT
 * or 0, i32 leader epoch at that, bytes consumer table; then u32 n partitions that are moving here,
 * each u32 number, u32 old group, u64 index of the MOVE_OUT there, u32 size, bytes of it so far;
 * then bytes metadata (group 0, else empty) */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "log/compact.h"
#include "state/byte_list.h"
#include "state/machine_parts.h"

#define SNAPSHOT_VERSION     3
#define SNAPSHOT_VERSION_MIN 2

static int by_number(const struct partition_entry *a, const struct partition_entry *b)
{
    return (a->partition.number > b->partition.number) -
           (a->partition.number < b->partition.number);
}

static int put_consumers(struct byte_list *list, const struct consumer_table *consumers)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int err = consumers == NULL ? 0 : consumer_table_encode(consumers, &bytes, &size);
    if (err == 0)
        byte_list_put_bytes(list, bytes_of(bytes, size));
    free(bytes);
    return err;
}

static int put_partition(struct byte_list *list, const struct partition *p)
{
    byte_list_put_u32(list, p->number);
    byte_list_put_u16(list, p->flags);
    byte_list_put_u32(list, (uint32_t)p->epoch_base);
    byte_list_put(list, p->id.topic_id, 16);
    byte_list_put_u32(list, (uint32_t)p->id.partition);
    byte_list_put_u64(list, (uint64_t)p->settings.segment_bytes);
    byte_list_put_u64(list, (uint64_t)p->settings.segment_ms);
    byte_list_put_u64(list, (uint64_t)p->settings.index_interval_bytes);
    byte_list_put_u32(list, p->settings.producer_count_max);
    byte_list_put_u64(list, p->moved_index);
    byte_list_put_u32(list, (uint32_t)p->moved_epoch);
    return put_consumers(list, p->consumers);
}

static int put_partitions(struct byte_list *list, struct machine *m)
{
    HASH_SORT(m->partitions, by_number);
    byte_list_put_u32(list, HASH_COUNT(m->partitions));
    struct partition_entry *entry, *next;
    HASH_ITER(hh, m->partitions, entry, next)
    {
        int err = put_partition(list, &entry->partition);
        if (err != 0)
            return err;
    }
    return 0;
}

static int put_metadata(struct byte_list *list, const struct metadata *metadata)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int err = metadata == NULL ? 0 : metadata_encode(metadata, &bytes, &size);
    if (err == 0)
        byte_list_put_bytes(list, bytes_of(bytes, size));
    free(bytes);
    return err;
}

int machine_encode_state(void *data, uint8_t **bytes, size_t *size, uint32_t *feature_level)
{
    struct machine *m = data;
    struct byte_list list = {0};
    byte_list_put_u16(&list, SNAPSHOT_VERSION);
    byte_list_put_u16(&list, 0);
    byte_list_put_u32(&list, m->feature_level);
    byte_list_put_u64(&list, (uint64_t)m->wall_ms);
    byte_list_put_u64(&list, m->closed_version);
    byte_list_put_u64(&list, m->totals.records);
    byte_list_put_u64(&list, m->totals.bytes);
    int err = put_partitions(&list, m);
    machine_put_incoming(m, &list);
    if (err == 0)
        err = put_metadata(&list, m->options.metadata);
    if (err != 0) {
        free(list.data);
        return err;
    }
    *feature_level = m->feature_level;
    return byte_list_take(&list, bytes, size);
}

static int read_consumers(struct bytes_reader *r, struct partition *p)
{
    struct bytes bytes = byte_list_read_bytes(r);
    if (r->is_bad)
        return ERR_MALFORMED;
    if (!(p->flags & PARTITION_IS_OFFSETS))
        return bytes.size == 0 ? 0 : ERR_MALFORMED;
    int err = consumer_table_create(&p->consumers);
    return err != 0 ? err : consumer_table_decode(p->consumers, bytes);
}

static int read_partition(struct machine *m, struct bytes_reader *r)
{
    struct partition p = {0};
    p.number = bytes_read_le32(r);
    p.flags = bytes_read_le16(r);
    p.epoch_base = (int32_t)bytes_read_le32(r);
    struct bytes id = bytes_read(r, 16);
    if (r->is_bad)
        return ERR_MALFORMED;
    memcpy(p.id.topic_id, id.data, 16);
    p.id.partition = (int32_t)bytes_read_le32(r);
    p.settings.segment_bytes = (int64_t)bytes_read_le64(r);
    p.settings.segment_ms = (int64_t)bytes_read_le64(r);
    p.settings.index_interval_bytes = (int64_t)bytes_read_le64(r);
    p.settings.producer_count_max = bytes_read_le32(r);
    p.moved_index = bytes_read_le64(r);
    p.moved_epoch = (int32_t)bytes_read_le32(r);
    p.log = log_store_partition(m->store, p.number);
    int err = p.log == NULL || machine_entry(m, p.number) != NULL ? ERR_CORRUPT
                                                                  : read_consumers(r, &p);
    if (err == 0 && machine_add(m, &p) == NULL)
        err = UV_ENOMEM;
    if (err != 0)
        consumer_table_destroy(p.consumers);
    return err;
}

static int restore_from(struct machine *m, struct bytes_reader *r)
{
    uint16_t version = bytes_read_le16(r);
    if (version < SNAPSHOT_VERSION_MIN || version > SNAPSHOT_VERSION || bytes_read_le16(r) != 0)
        return ERR_VERSION;
    m->feature_level = bytes_read_le32(r);
    m->wall_ms = (int64_t)bytes_read_le64(r);
    m->closed_version = bytes_read_le64(r);
    if (version > SNAPSHOT_VERSION_MIN) {
        m->totals.records = bytes_read_le64(r);
        m->totals.bytes = bytes_read_le64(r);
    }
    uint32_t count = bytes_read_le32(r);
    if (m->feature_level > ENTRY_FEATURE_LEVEL_MAX)
        return ERR_VERSION;
    for (uint32_t i = 0; i < count && !r->is_bad; i++) {
        int err = read_partition(m, r);
        if (err != 0)
            return err;
    }
    int err = machine_read_incoming(m, r);
    if (err != 0)
        return err;
    struct bytes metadata = byte_list_read_bytes(r);
    if (r->is_bad || bytes_reader_left(r) != 0)
        return ERR_MALFORMED;
    return m->options.metadata == NULL ? 0 : metadata_decode(m->options.metadata, metadata);
}

int machine_restore(void *data, struct log_store *store, const struct log_store_state *state)
{
    struct machine *m = data;
    while (m->partitions != NULL)
        machine_forget(m, m->partitions);
    while (m->incoming != NULL)
        machine_forget_incoming(m, m->incoming->number);
    m->store = store;
    m->wall_ms = 0;
    m->feature_level = 1;
    m->closed_version = 0;
    m->totals = (struct repl_totals){0};
    m->has_metadata_changed = m->options.metadata != NULL;
    if (state == NULL || state->index == 0)
        return m->options.metadata == NULL
                   ? 0
                   : metadata_decode(m->options.metadata, bytes_of(NULL, 0));
    struct bytes_reader r = bytes_reader_of(state->machine);
    return restore_from(m, &r);
}

static uint32_t checksum_partition(uint32_t crc, const struct partition *p)
{
    int64_t numbers[4] = {log_partition_start_offset(p->log), log_partition_next_offset(p->log),
                          log_partition_last_epoch(p->log), log_partition_size_bytes(p->log)};
    struct log_compact_state compact;
    log_partition_compact_state(p->log, &compact);
    int64_t compacted[4] = {compact.version, compact.clean_until, compact.pass_until,
                            compact.pass_at};
    crc = crc32c(crc, bytes_of(numbers, sizeof numbers));
    crc = crc32c(crc, bytes_of(compacted, sizeof compacted));
    const struct log_producer_state *producers = log_partition_producers(p->log);
    size_t size = log_producer_state_encoded_size(producers);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return crc;
    log_producer_state_encode(producers, bytes);
    crc = crc32c(crc, bytes_of(bytes, size));
    free(bytes);
    return crc;
}

uint32_t machine_checksum(struct machine *m)
{
    uint8_t *bytes;
    size_t size;
    uint32_t feature_level;
    if (machine_encode_state(m, &bytes, &size, &feature_level) != 0)
        return 0;
    uint32_t crc = crc32c(0, bytes_of(bytes, size));
    free(bytes);
    struct partition_entry *entry, *next;
    HASH_ITER(hh, m->partitions, entry, next) /* sorted by the encoding */
    crc = checksum_partition(crc, &entry->partition);
    return crc;
}

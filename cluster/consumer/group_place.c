/* Java hashes UTF-16 units: s[0]*31^(n-1) + … + s[n-1], modulo 2^32. Clients never compute this,
 * but a cluster that is compared with Kafka, or moved from it, keeps its groups in their places. */
#include "consumer/group_place.h"

#include <string.h>

#include "base/err.h"
#include "consumer/coordinator.h"

#define REPLACEMENT 0xfffdu

static size_t sequence_size(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* Reads one code point; what is no UTF-8 costs one byte. Returns the bytes taken. */
static size_t read_code_point(const uint8_t *at, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = sequence_size(at[0]);
    *code = REPLACEMENT;
    if (size == 0 || size > left)
        return 1;
    if (size == 1) {
        *code = at[0];
        return 1;
    }
    uint32_t value = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 1;
    *code = value;
    return size;
}

/* java.lang.String.hashCode of UTF-8 text, without the sign bit. Bytes that are not UTF-8 count
 * as U+FFFD each. */
static int32_t hash_of(const char *group_id, size_t size)
{
    const uint8_t *at = (const uint8_t *)group_id;
    uint32_t hash = 0;
    while (size > 0) {
        uint32_t code;
        size_t taken = read_code_point(at, size, &code);
        if (code >= 0x10000) {
            hash = 31 * hash + (0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        hash = 31 * hash + code;
        at += taken;
        size -= taken;
    }
    return (int32_t)(hash & INT32_MAX);
}

void group_place_configure(struct metadata_change *creation)
{
    static char policy[] = "cleanup.policy", compact[] = "compact", bytes[] = "segment.bytes",
                hundred_mib[] = "104857600";
    static const struct metadata_config configs[] = {{policy, compact}, {bytes, hundred_mib}};
    creation->configs = configs;
    creation->config_count = sizeof configs / sizeof configs[0];
}

int coordinator_place(struct broker *b, const char *group_id, size_t group_id_size,
                      struct broker_place *place)
{
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = metadata_topic_by_name(b->metadata, OFFSETS_TOPIC,
                                                            strlen(OFFSETS_TOPIC));
    int32_t count = t == NULL ? 0 : t->partition_count;
    metadata_read_unlock(b->metadata);
    if (count == 0)
        return ERR_NOT_FOUND;
    return broker_find_partition(b, OFFSETS_TOPIC, strlen(OFFSETS_TOPIC),
                                 hash_of(group_id, group_id_size) % count, place);
}

/* Keys by hash, as Kafka does (it takes MD5): a map of whole keys would need memory of a size
 * that nobody could say beforehand. SipHash-2-4 of 128 bits (Aumasson, Bernstein) with a seed that
 * is drawn for each step; two keys of one hash would lose the older one's record: at a billion keys
 * that is once in 10^20. */
#include "compact_map.h"

#include <stdlib.h>

#include "base/err.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_rounds(struct sip *s, int count)
{
    while (count-- > 0) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

static uint64_t sip_end(struct sip *s, uint64_t mark)
{
    if (mark == 0xee)
        s->v2 ^= mark;
    else
        s->v1 ^= mark;
    sip_rounds(s, 4);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static void hash_key(const uint8_t seed[COMPACT_SEED_SIZE], struct bytes key, uint64_t hash[2])
{
    uint64_t k0 = bytes_get_le64(seed), k1 = bytes_get_le64(seed + 8);
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee,
                    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    size_t at = 0;
    for (; key.size - at >= 8; at += 8)
        sip_word(&s, bytes_get_le64(key.data + at));
    uint64_t last = (uint64_t)key.size << 56;
    for (int shift = 0; at < key.size; at++, shift += 8)
        last |= (uint64_t)key.data[at] << shift;
    sip_word(&s, last);
    hash[0] = sip_end(&s, 0xee);
    hash[1] = sip_end(&s, 0xdd);
}

uint32_t compact_map_count_of(size_t bytes)
{
    size_t count = bytes / sizeof(struct compact_map_entry) / 4 * 3;
    return count > COMPACT_MAP_COUNT_MAX ? COMPACT_MAP_COUNT_MAX : (uint32_t)count;
}

int compact_map_init(struct compact_map *map, uint32_t count_max,
                     const uint8_t seed[COMPACT_SEED_SIZE])
{
    *map = (struct compact_map){.capacity = (size_t)count_max / 3 * 4 + 4, .count_max = count_max};
    memcpy(map->seed, seed, COMPACT_SEED_SIZE);
    map->entries = calloc(map->capacity, sizeof *map->entries); /* touched only as it fills */
    return map->entries == NULL ? UV_ENOMEM : 0;
}

void compact_map_close(struct compact_map *map)
{
    free(map->entries);
    *map = (struct compact_map){0};
}

/* The key's place, or the free one where it belongs: a third of the places is always free. */
static struct compact_map_entry *find(const struct compact_map *map, struct bytes key,
                                      uint64_t hash[2])
{
    hash_key(map->seed, key, hash);
    size_t place = hash[0] % map->capacity;
    for (;;) {
        struct compact_map_entry *e = &map->entries[place];
        if (e->offset_and_one == 0 || (e->hash[0] == hash[0] && e->hash[1] == hash[1]))
            return e;
        place = place + 1 == map->capacity ? 0 : place + 1;
    }
}

bool compact_map_put(struct compact_map *map, struct bytes key, int64_t offset)
{
    uint64_t hash[2];
    struct compact_map_entry *e = find(map, key, hash);
    if (e->offset_and_one == 0) {
        if (map->count == map->count_max)
            return false;
        map->count++;
        e->hash[0] = hash[0];
        e->hash[1] = hash[1];
    }
    e->offset_and_one = (uint64_t)offset + 1;
    return true;
}

int64_t compact_map_get(const struct compact_map *map, struct bytes key)
{
    uint64_t hash[2];
    return (int64_t)find(map, key, hash)->offset_and_one - 1;
}

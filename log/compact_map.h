/* The newest offset of each key of a range: what compaction asks before it drops a record. */
#ifndef LOG_COMPACT_MAP_H
#define LOG_COMPACT_MAP_H

#include "base/bytes.h"

#define COMPACT_SEED_SIZE 16

/* One key: a 128-bit hash of it, never the key itself. */
struct compact_map_entry {
    uint64_t hash[2];
    uint64_t offset_and_one; /* 0: free */
};

struct compact_map {
    struct compact_map_entry *entries; /* freed by compact_map_close */
    size_t capacity;                   /* a third more than keys may be */
    uint32_t count, count_max;
    uint8_t seed[COMPACT_SEED_SIZE];
};

#define COMPACT_MAP_COUNT_MAX (1u << 26) /* 2 GiB of memory: no step may ask for more */

/* Keys that fit into so many bytes. */
uint32_t compact_map_count_of(size_t bytes);

/* 0 or UV_ENOMEM. The seed keeps anybody from preparing keys that have the same hash. */
int compact_map_init(struct compact_map *map, uint32_t count_max,
                     const uint8_t seed[COMPACT_SEED_SIZE]);
void compact_map_close(struct compact_map *map);

/* Offsets come in rising order. False when the key is new and the map full. */
bool compact_map_put(struct compact_map *map, struct bytes key, int64_t offset);
/* The newest offset put for the key, or -1. */
int64_t compact_map_get(const struct compact_map *map, struct bytes key);

#endif

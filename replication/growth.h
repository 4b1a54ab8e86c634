/* How a raft log grew: what had come up to an index, and when. For lag.
 *
 * The newest entries are known one by one, those before by a mark every so many entries, with what
 * came before it by partition: so much a replica lacks is exact where it lacks few, and between two
 * marks reckoned by the share of entries. Memory is bounded, however far behind a replica is; what
 * goes first is which partitions the oldest entries were of. Nothing of it is stored: it begins
 * where the log ended when the replica was started. */
#ifndef REPLICATION_GROWTH_H
#define REPLICATION_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth_share.h"

#define GROWTH_ENTRIES_MAX 8192 /* known one by one: 192 KiB for a group that is written to */
#define GROWTH_MARKS_MAX   1024 /* 48 KiB */
#define GROWTH_MARK_EVERY  256  /* entries; further apart for what is older */
#define GROWTH_SHARES_MAX                                                                          \
    16384 /* of all marks: 384 KiB where entries are of very many partitions */

struct growth_entry {
    uint32_t partition_number;
    uint32_t records;
    uint64_t bytes;
    uint64_t at_ms;
};

struct growth_mark {
    uint64_t index;
    uint64_t records, bytes;           /* of entries up to the index, since the beginning */
    uint64_t at_ms;                    /* when the entry came */
    struct growth_shares by_partition; /* what came since the mark before; none: not known */
};

struct growth {
    struct growth_entry *ring; /* of the entries (last - count, last], by index */
    size_t capacity;           /* a power of two */
    size_t count;
    struct growth_mark *marks; /* by index; the first is where it begins */
    size_t mark_count, mark_capacity;
    size_t share_count;      /* of all marks */
    uint64_t first;          /* index that it begins behind */
    uint64_t first_at_ms;    /* and when */
    uint64_t last;           /* index of the newest entry */
    uint64_t records, bytes; /* up to it */
};

/* What lies between an index and the log's end. */
struct growth_rest {
    uint64_t entries, records, bytes;
    uint64_t since_ms; /* when the oldest of them came; 0 where there are none */
};

/* Forgets all: the log ends at `index`. */
void growth_begin(struct growth *w, uint64_t index, uint64_t now_ms);
void growth_close(struct growth *w);
/* The next entry has come. Without memory less is known one by one. */
void growth_add(struct growth *w, uint32_t partition_number, uint32_t records, uint64_t bytes,
                uint64_t now_ms);
/* The entries from `index` on are no more. */
void growth_cut(struct growth *w, uint64_t index, uint64_t now_ms);
/* What came behind `index`. False where that is not known: before the beginning; then *rest is of
 * all that is known. */
bool growth_after(const struct growth *w, uint64_t index, struct growth_rest *rest);

/* What came behind `index`, by partition, in no order and perhaps in pieces: all of them together
 * are what growth_after() says, but for what is no longer known apart. */
typedef void (*growth_cb)(void *data, const struct repl_lag_share *share);
void growth_each(const struct growth *w, uint64_t index, growth_cb cb, void *data);

#endif

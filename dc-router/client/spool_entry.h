/* One entry of a spool's file as bytes (docs/spool_format.md). Private to the spool. */
#ifndef CLIENT_SPOOL_ENTRY_H
#define CLIENT_SPOOL_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define SPOOL_HEAD_SIZE      40u
#define SPOOL_BODY_BYTES_MAX (UINT32_C(1) << 30)

enum spool_entry_kind { SPOOL_ENTRY_RECORD = 1, SPOOL_ENTRY_DONE = 2 };

struct spool_entry {
    enum spool_entry_kind kind;
    uint64_t sequence; /* of all entries of the spool, one by one */
    uint64_t order;    /* the record's */
    uint64_t key_hash; /* the record's; 0 where it is done */
    uint32_t body_size;
};

/* Its place goes into the checksum: bytes that look like an entry, within a record's value or
 * where a disk has put them wrongly, are none. */
struct spool_place {
    uint64_t salt;     /* of the file */
    uint64_t position; /* in it */
};

void spool_entry_encode(const struct spool_entry *entry, struct spool_place place,
                        struct bytes body, uint8_t head[static SPOOL_HEAD_SIZE]);

/* Is there an entry at the beginning of these bytes? They may go on behind it. */
bool spool_entry_decode(struct bytes from, struct spool_place place, struct spool_entry *entry);

#endif

/* Fetch from one node, whether it leads or follows (KIP-392), and record batches (KIP-98). */
#ifndef LEDGER_WIRE_FETCH_H
#define LEDGER_WIRE_FETCH_H

#include "wire.h"

struct wire_record {
    int32_t partition;
    int64_t offset;
    int32_t epoch; /* of the leader that took its batch */
    struct wire_bytes key, value;
};

typedef void (*wire_record_cb)(void *data, const struct wire_record *record);
/* One partition of an answer, after its records; `error` is Kafka's name, or NULL. */
typedef void (*wire_answer_cb)(void *data, int32_t partition, const char *error);

struct wire_fetch_from {
    int32_t partition;
    int64_t offset;
};

struct wire_fetch {
    const char *topic, *rack;
    const struct wire_fetch_from *from;
    int32_t count; /* of partitions, at most WIRE_FETCH_PARTITIONS_MAX */
    wire_record_cb on_record;
    wire_answer_cb on_answer;
    void *data;
};

#define WIRE_FETCH_PARTITIONS_MAX 1000

/* Records from the offsets on; those before, of the same batches, come too. Returns 0, or -1 with
 * a name in `*error`. */
int wire_fetch(struct wire_connection *connection, const struct wire_fetch *fetch, int timeout_ms,
               const char **error);

/* Takes an answer apart (version 11). Returns NULL, or the name of what is wrong with it. */
const char *wire_fetch_take(struct wire_reader *reader, const struct wire_fetch *fetch);

/* Takes record batches apart, of which the last may be cut off. Returns NULL, or the name of what
 * is wrong with them. */
const char *wire_batches_take(struct wire_bytes batches, int32_t partition,
                              wire_record_cb on_record, void *data);

#endif

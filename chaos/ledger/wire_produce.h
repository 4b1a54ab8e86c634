/* Produce: one record each for some partitions of a topic, to the one node that leads them. */
#ifndef LEDGER_WIRE_PRODUCE_H
#define LEDGER_WIRE_PRODUCE_H

#include "wire.h"

struct wire_produce_record {
    int32_t partition;
    struct wire_bytes value; /* without a key */
};

/* One partition of the answer: Kafka's error code, and the record's offset where that is 0. */
typedef void (*wire_produced_cb)(void *data, int32_t partition, int16_t code, int64_t offset);

/* Asks with acks=all and waits; the node is given the same time. Partitions that the answer leaves
 * out are not called back for. Returns 0, or -1 with a name in `*error`: then nothing is known. */
int wire_produce(struct wire_connection *connection, const char *topic,
                 const struct wire_produce_record *records, int32_t count, int timeout_ms,
                 wire_produced_cb on_produced, void *data, const char **error);

/* Takes an answer (version 7) apart. Returns -1 when its bytes are none. */
int wire_produce_take(struct wire_reader *reader, const char *topic, wire_produced_cb on_produced,
                      void *data);

/* Writes a batch of one record, as wire_batches_take() reads them. */
void wire_batch_write(struct wire_writer *writer, struct wire_bytes value, int64_t timestamp_ms);

#endif

/* Builds an uncompressed record batch: `__consumer_offsets` records, and tests. */
#ifndef PROTOCOL_RECORD_BATCH_BUILDER_H
#define PROTOCOL_RECORD_BATCH_BUILDER_H

#include "protocol/record.h"
#include "protocol/writer.h"

struct kafka_record_batch_builder {
    struct kafka_writer records;    /* those appended so far */
    struct kafka_record_batch head; /* what the header will say; the caller may set offset, epoch,
                                       attributes, producer fields between init and finish */
};

/* `limit_bytes` bounds the records; ERR_TOO_LARGE beyond. Base offset 0, leader epoch -1,
 * nothing of a producer. */
void kafka_record_batch_builder_init(struct kafka_record_batch_builder *b, size_t limit_bytes);

/* Gives back what was appended. */
void kafka_record_batch_builder_close(struct kafka_record_batch_builder *b);

/* Appends a record at the next offset; everything is copied. The data of key and value may be
 * NULL for null. Returns 0, ERR_TOO_LARGE or UV_ENOMEM; after an error finish returns it too. */
int kafka_record_batch_builder_append(struct kafka_record_batch_builder *b, int64_t timestamp_ms,
                                      struct bytes key, struct bytes value,
                                      const struct kafka_record_header *headers,
                                      int32_t header_count);

/* Returns 0 and the finished batch: a slice with a reference that the caller gives back
 * (slice_unref). At least one record must have been appended. */
int kafka_record_batch_builder_finish(struct kafka_record_batch_builder *b, struct slice *batch);

#endif

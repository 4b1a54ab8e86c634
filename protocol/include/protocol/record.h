/* The records of an uncompressed batch, one after the other (KIP-98):
 *
 *   length varint, attributes 1, timestamp delta varlong, offset delta varint,
 *   key (length varint, -1 null), value (likewise), header count varint,
 *   for each header: key (length varint, not null), value (length varint, -1 null) */
#ifndef PROTOCOL_RECORD_H
#define PROTOCOL_RECORD_H

#include "protocol/reader.h"
#include "protocol/record_batch.h"

/* The fewest bytes that a record takes: seven fields of one byte each. */
#define KAFKA_RECORD_BYTES_MIN 7

struct kafka_record {
    int64_t offset;
    int64_t timestamp;  /* the batch's max timestamp when it is LogAppendTime */
    struct bytes key;   /* data NULL: null; borrowed from the batch */
    struct bytes value; /* likewise */
    int32_t header_count;
    struct bytes headers; /* as they lie there: kafka_record_header_next */
};

struct kafka_record_header {
    struct kafka_string key;
    struct bytes value; /* data NULL: null */
};

struct kafka_record_iterator {
    const struct kafka_record_batch *batch; /* borrowed */
    struct kafka_reader reader;             /* stands at the next record */
    int32_t records_left;
    int32_t offset_delta; /* of the record before, -1 at first */
};

/* Returns 0, or ERR_INVALID when the batch is compressed. */
int kafka_record_iterator_init(struct kafka_record_iterator *it,
                               const struct kafka_record_batch *batch);

/* Returns 1 with a record, 0 at the end, ERR_MALFORMED when bytes, lengths, offsets or the count
 * disagree; that is checked to the last byte of the batch before 0 is returned. */
int kafka_record_next(struct kafka_record_iterator *it, struct kafka_record *record);

/* Takes the first header off `headers`: 1 with one, 0 when there is none left. Of a record that
 * kafka_record_next gave, whose headers it has checked. */
int kafka_record_header_next(struct bytes *headers, struct kafka_record_header *header);

#endif

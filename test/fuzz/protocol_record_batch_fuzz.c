/* A producer's record batches: headers, checks, records, stamps. The checksum is not asked for
 * first, for it would keep almost every input from the code behind it. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "protocol/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_headers(const struct kafka_record *record)
{
    struct bytes headers = record->headers;
    struct kafka_record_header header;
    int32_t count = 0;
    while (kafka_record_header_next(&headers, &header) == 1)
        count++;
    assert(count == record->header_count);
}

static void walk_records(const struct kafka_record_batch *batch)
{
    struct kafka_record_iterator it;
    struct kafka_record record;
    int verdict = kafka_record_iterator_init(&it, batch);
    assert((verdict == 0) == (kafka_record_batch_compression(batch) == KAFKA_COMPRESSION_NONE));
    if (verdict != 0)
        return;
    int64_t previous = batch->base_offset - 1;
    while ((verdict = kafka_record_next(&it, &record)) == 1) {
        assert(record.offset > previous && record.offset < kafka_record_batch_next_offset(batch));
        previous = record.offset;
        walk_headers(&record);
    }
    assert(verdict == 0 || verdict == ERR_MALFORMED);
}

/* On a copy: stamped as the broker would, the batch is sound and says what was stamped. */
static void stamp(const struct kafka_record_batch *original)
{
    uint8_t *copy = malloc(original->bytes.size);
    assert(copy != NULL);
    memcpy(copy, original->bytes.data, original->bytes.size);
    struct kafka_record_batch batch;
    int size = kafka_record_batch_decode(bytes_of(copy, original->bytes.size), &batch);
    assert(size == (int)original->bytes.size);
    kafka_record_batch_set_append_time(copy, &batch, 1700000000000);
    kafka_record_batch_set_offset(copy, 42, 7);
    size = kafka_record_batch_decode(bytes_of(copy, original->bytes.size), &batch);
    assert(size == (int)original->bytes.size && kafka_record_batch_check_crc(&batch) == 0);
    assert(batch.base_offset == 42 && batch.leader_epoch == 7);
    assert(batch.max_timestamp == 1700000000000);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes source = bytes_of(data, size);
    struct kafka_record_batch batch;
    int used;
    while ((used = kafka_record_batch_decode(source, &batch)) > 0) {
        (void)kafka_record_batch_check_crc(&batch);
        if (kafka_record_batch_check_produced(&batch) == 0)
            assert(batch.record_count >= 1);
        walk_records(&batch);
        stamp(&batch);
        source = bytes_of(source.data + used, source.size - (size_t)used);
    }
    assert(used == ERR_NEED_MORE || used == ERR_VERSION || used == ERR_MALFORMED ||
           used == ERR_INVALID);
    return 0;
}

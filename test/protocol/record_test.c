#include "protocol/record.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "base/random.h"
#include "hex.h"
#include "protocol/record_batch_builder.h"

static uint8_t data[8192];

static struct kafka_record_batch golden(const char *name)
{
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch(name, data, sizeof data);
    cr_assert_gt(kafka_record_batch_decode(bytes, &batch), 0);
    return batch;
}

static bool is_text(struct bytes bytes, const char *text)
{
    return bytes.data != NULL && bytes_is_equal(bytes, bytes_of_text(text));
}

Test(kafka_record, is_read_as_kafka_wrote_it)
{
    struct kafka_record_batch batch = golden("plain");
    struct kafka_record_iterator it;
    struct kafka_record record;
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert_eq(record.offset, 7);
    cr_assert_eq(record.timestamp, 1700000000000);
    cr_assert(is_text(record.key, "k1") && is_text(record.value, "value-1"));
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert(record.key.data == NULL && is_text(record.value, "v2"));
    cr_assert_eq(record.header_count, 2);
    struct kafka_record_header header;
    cr_assert_eq(kafka_record_header_next(&record.headers, &header), 1);
    cr_assert(kafka_string_is_text(header.key, "h") && is_text(header.value, "x"));
    cr_assert_eq(kafka_record_header_next(&record.headers, &header), 1);
    cr_assert(kafka_string_is_text(header.key, "n") && header.value.data == NULL);
    cr_assert_eq(kafka_record_header_next(&record.headers, &header), 0);
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert(is_text(record.key, "k3") && record.value.data == NULL);
    cr_assert_eq(record.offset, 9);
    cr_assert_eq(record.timestamp, 1699999999990);
    cr_assert_eq(kafka_record_next(&it, &record), 0);
    cr_assert_eq(kafka_record_next(&it, &record), 0, "the end stays the end");
}

Test(kafka_record, has_the_batchs_timestamp_when_it_is_the_time_of_appending)
{
    struct kafka_record_batch batch = golden("append_time");
    struct kafka_record_iterator it;
    struct kafka_record record;
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    while (kafka_record_next(&it, &record) == 1)
        cr_assert_eq(record.timestamp, batch.max_timestamp);
}

Test(kafka_record, is_not_read_from_a_compressed_batch)
{
    struct kafka_record_batch batch = golden("gzip");
    struct kafka_record_iterator it;
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), ERR_INVALID);
}

/* Walks over a batch with these bytes as its records: the last verdict. */
static int walk(const uint8_t *records, size_t size, int32_t count, int32_t last_offset_delta)
{
    uint8_t *exact = malloc(KAFKA_RECORD_BATCH_HEADER_BYTES + size);
    memset(exact, 0, KAFKA_RECORD_BATCH_HEADER_BYTES);
    if (size > 0)
        memcpy(exact + KAFKA_RECORD_BATCH_HEADER_BYTES, records, size);
    struct kafka_record_batch batch = {
        .bytes = bytes_of(exact, KAFKA_RECORD_BATCH_HEADER_BYTES + size),
        .record_count = count,
        .last_offset_delta = last_offset_delta,
    };
    struct kafka_record_iterator it;
    struct kafka_record record;
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    int verdict = 1;
    for (int i = 0; verdict == 1; i++) {
        cr_assert_leq(i, count);
        verdict = kafka_record_next(&it, &record);
    }
    free(exact);
    return verdict;
}

/* length 6, attributes, timestamp, offset, null key, null value, no headers */
#define RECORD(offset) 12, 0, 0, (offset) << 1, 1, 1, 0

Test(kafka_record, is_refused_when_count_offsets_and_bytes_disagree)
{
    static const uint8_t two[] = {RECORD(0), RECORD(1)};
    static const uint8_t repeated[] = {RECORD(1), RECORD(1)};
    cr_assert_eq(walk(two, sizeof two, 2, 1), 0);
    cr_assert_eq(walk(two, sizeof two, 1, 1), ERR_MALFORMED, "bytes behind the last record");
    cr_assert_eq(walk(two, sizeof two, 3, 2), ERR_MALFORMED, "a record too few");
    cr_assert_eq(walk(two, sizeof two, 2, 0), ERR_MALFORMED, "an offset beyond the last");
    cr_assert_eq(walk(repeated, sizeof repeated, 2, 1), ERR_MALFORMED, "an offset twice");
    cr_assert_eq(walk(NULL, 0, 0, 1), 0, "compaction may leave none");
    for (size_t size = 0; size < sizeof two; size++)
        cr_assert_eq(walk(two, size, 2, 1), ERR_MALFORMED, "cut to %zu", size);
}

Test(kafka_record, is_refused_with_lengths_that_leave_it)
{
    static const uint8_t negative[] = {1, 0, 0, 0, 1, 1, 0};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0, 1, 1, 0};
    static const uint8_t key_below_null[] = {12, 0, 0, 0, 3, 1, 0};
    static const uint8_t key_beyond[] = {12, 0, 0, 0, 100, 1, 0};
    static const uint8_t headers_negative[] = {12, 0, 0, 0, 1, 1, 1};
    static const uint8_t headers_beyond[] = {12, 0, 0, 0, 1, 1, 2};
    static const uint8_t header_key_null[] = {16, 0, 0, 0, 1, 1, 2, 1, 1};
    static const uint8_t byte_left[] = {14, 0, 0, 0, 1, 1, 0, 0};
    cr_assert_eq(walk(negative, sizeof negative, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(huge, sizeof huge, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(key_below_null, sizeof key_below_null, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(key_beyond, sizeof key_beyond, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(headers_negative, sizeof headers_negative, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(headers_beyond, sizeof headers_beyond, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(header_key_null, sizeof header_key_null, 1, 0), ERR_MALFORMED);
    cr_assert_eq(walk(byte_left, sizeof byte_left, 1, 0), ERR_MALFORMED);
}

Test(kafka_record, survives_a_round_trip_with_random_contents)
{
    struct random r;
    random_init(&r, 11);
    for (int round = 0; round < 200; round++) {
        struct kafka_record_batch_builder b;
        kafka_record_batch_builder_init(&b, 1 << 20);
        int32_t count = 1 + (int32_t)random_below(&r, 20);
        uint64_t sizes = random_u64(&r);
        for (int32_t i = 0; i < count; i++)
            kafka_record_batch_builder_append(&b, (int64_t)(random_u64(&r) >> 2),
                                              bytes_of(data, (sizes >> i) & 63),
                                              bytes_of(data, (sizes >> (2 * i)) & 1023), NULL, 0);
        struct slice built;
        struct kafka_record_batch batch;
        struct kafka_record_iterator it;
        struct kafka_record record;
        cr_assert_eq(kafka_record_batch_builder_finish(&b, &built), 0);
        cr_assert_eq(kafka_record_batch_decode(built.bytes, &batch), (int)built.bytes.size);
        cr_assert_eq(kafka_record_batch_check_produced(&batch), 0);
        cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
        for (int32_t i = 0; i < count; i++) {
            cr_assert_eq(kafka_record_next(&it, &record), 1);
            cr_assert_eq(record.key.size, (sizes >> i) & 63);
            cr_assert_eq(record.value.size, (sizes >> (2 * i)) & 1023);
            cr_assert_leq(record.timestamp, batch.max_timestamp);
        }
        cr_assert_eq(kafka_record_next(&it, &record), 0);
        slice_unref(&built);
        kafka_record_batch_builder_close(&b);
    }
}

#include "protocol/record_batch.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "hex.h"
#include "protocol/record_batch_builder.h"

#define AT_LENGTH            8
#define AT_MAGIC             16
#define AT_CRC               17
#define AT_ATTRIBUTES        21
#define AT_LAST_OFFSET_DELTA 23
#define AT_BASE_TIMESTAMP    27
#define AT_PRODUCER_ID       43
#define AT_COUNT             57

static uint8_t data[8192];

static struct kafka_record_batch golden(const char *name)
{
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch(name, data, sizeof data);
    cr_assert_eq(kafka_record_batch_decode(bytes, &batch), (int)bytes.size, "%s", name);
    return batch;
}

/* The verdict on the plain batch of three records after four bytes of it were overwritten. */
static int verdict_with(size_t at, uint32_t value)
{
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch("plain", data, sizeof data);
    bytes_put_be32(data + at, value);
    return kafka_record_batch_decode(bytes, &batch);
}

Test(kafka_record_batch, is_read_as_kafka_wrote_it)
{
    struct kafka_record_batch batch = golden("idempotent");
    cr_assert_eq(batch.base_offset, 0);
    cr_assert_eq(batch.leader_epoch, 5);
    cr_assert_eq(batch.record_count, 3);
    cr_assert_eq(batch.last_offset_delta, 2);
    cr_assert_eq(batch.base_timestamp, 1700000000000);
    cr_assert_eq(batch.max_timestamp, 1700000000005);
    cr_assert_eq(batch.producer_id, 4711);
    cr_assert_eq(batch.producer_epoch, 3);
    cr_assert_eq(batch.base_sequence, 42);
    cr_assert_eq(kafka_record_batch_next_offset(&batch), 3);
    cr_assert_eq(kafka_record_batch_check_crc(&batch), 0);
    cr_assert_eq(kafka_record_batch_check_produced(&batch), 0);
}

Test(kafka_record_batch, is_taken_with_every_compression)
{
    const char *names[] = {"plain", "gzip", "snappy", "lz4", "zstd"};
    for (int codec = 0; codec < 5; codec++) {
        struct kafka_record_batch batch = golden(names[codec]);
        cr_assert_eq((int)kafka_record_batch_compression(&batch), codec);
        cr_assert_eq(kafka_record_batch_check_crc(&batch), 0);
        cr_assert_eq(kafka_record_batch_check_produced(&batch), 0);
    }
}

Test(kafka_record_batch, tells_what_its_attributes_say)
{
    struct kafka_record_batch batch = golden("transactional");
    cr_assert(kafka_record_batch_is_transactional(&batch));
    cr_assert(!kafka_record_batch_is_control(&batch));
    batch = golden("control");
    cr_assert(kafka_record_batch_is_control(&batch));
    cr_assert_eq(kafka_record_batch_check_produced(&batch), ERR_INVALID, "not a producer's");
    batch = golden("append_time");
    cr_assert(kafka_record_batch_is_log_append_time(&batch));
}

Test(kafka_record_batch, is_refused_by_its_magic_when_it_is_another_format)
{
    struct kafka_record_batch batch;
    struct bytes old = golden_batch("magic0", data, sizeof data);
    cr_assert_eq(kafka_record_batch_decode(old, &batch), ERR_VERSION);
    old = golden_batch("magic1", data, sizeof data);
    cr_assert_eq(kafka_record_batch_decode(old, &batch), ERR_VERSION);
    struct bytes bytes = golden_batch("plain", data, sizeof data);
    data[AT_MAGIC] = 3;
    cr_assert_eq(kafka_record_batch_decode(bytes, &batch), ERR_VERSION);
}

Test(kafka_record_batch, is_not_complete_until_its_last_byte)
{
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch("plain", data, sizeof data);
    for (size_t size = 0; size < bytes.size; size++)
        cr_assert_eq(kafka_record_batch_decode(bytes_of(data, size), &batch), ERR_NEED_MORE);
}

Test(kafka_record_batch, is_refused_when_its_length_cannot_be)
{
    cr_assert_eq(verdict_with(AT_LENGTH, 0), ERR_MALFORMED);
    cr_assert_eq(verdict_with(AT_LENGTH, 48), ERR_MALFORMED);
    cr_assert_eq(verdict_with(AT_LENGTH, UINT32_MAX), ERR_MALFORMED);
    cr_assert_eq(verdict_with(AT_LENGTH, INT32_MAX), ERR_MALFORMED);
    cr_assert_eq(verdict_with(AT_LENGTH, INT32_MAX - 12), ERR_NEED_MORE);
    cr_assert_eq(verdict_with(AT_LENGTH, 49), ERR_INVALID, "three records, but no byte for them");
}

Test(kafka_record_batch, is_refused_when_offsets_and_counts_cannot_be)
{
    cr_assert_eq(verdict_with(0, 0x80000000), ERR_INVALID, "negative base offset");
    cr_assert_eq(verdict_with(AT_LAST_OFFSET_DELTA, 0x80000000), ERR_INVALID);
    cr_assert_eq(verdict_with(AT_LAST_OFFSET_DELTA, 1), ERR_INVALID, "fewer offsets than records");
    cr_assert_eq(verdict_with(AT_COUNT, UINT32_MAX), ERR_INVALID);
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch("plain", data, sizeof data);
    kafka_record_batch_set_offset(data, INT64_MAX - 2, 0);
    cr_assert_eq(kafka_record_batch_decode(bytes, &batch), ERR_INVALID, "offsets beyond 63 bits");
    kafka_record_batch_set_offset(data, INT64_MAX - 3, 0);
    cr_assert_eq(kafka_record_batch_decode(bytes, &batch), (int)bytes.size);
    cr_assert_eq(kafka_record_batch_next_offset(&batch), INT64_MAX);
}

Test(kafka_record_batch, is_refused_with_more_records_than_its_bytes_can_hold)
{
    static const struct {
        const char *name;
        int64_t expansion;
    } cases[] = {{"plain", 1}, {"gzip", 1032}, {"snappy", 22}, {"lz4", 255}, {"zstd", 32768}};
    for (int i = 0; i < 5; i++) {
        struct kafka_record_batch batch = golden(cases[i].name);
        int64_t most = (int64_t)kafka_record_batch_records(&batch).size * cases[i].expansion / 7;
        struct bytes bytes = batch.bytes;
        bytes_put_be32(data + AT_LAST_OFFSET_DELTA, (uint32_t)most);
        bytes_put_be32(data + AT_COUNT, (uint32_t)most);
        cr_assert_eq(kafka_record_batch_decode(bytes, &batch), (int)bytes.size);
        bytes_put_be32(data + AT_COUNT, (uint32_t)most + 1);
        cr_assert_eq(kafka_record_batch_decode(bytes, &batch), ERR_INVALID);
    }
}

Test(kafka_record_batch, is_refused_with_a_compression_that_does_not_exist)
{
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch("plain", data, sizeof data);
    for (uint16_t codec = 5; codec < 8; codec++) {
        bytes_put_be16(data + AT_ATTRIBUTES, codec);
        cr_assert_eq(kafka_record_batch_decode(bytes, &batch), ERR_INVALID);
    }
}

Test(kafka_record_batch, fails_its_checksum_with_any_bit_changed_behind_it)
{
    for (size_t at = AT_CRC; at < 100; at++) {
        struct kafka_record_batch batch;
        struct bytes bytes = golden_batch("plain", data, sizeof data);
        data[at] ^= 1;
        if (kafka_record_batch_decode(bytes, &batch) > 0)
            cr_assert_eq(kafka_record_batch_check_crc(&batch), ERR_CORRUPT, "byte %zu", at);
    }
}

static int produced_with(size_t at, uint64_t value)
{
    struct kafka_record_batch batch;
    struct bytes bytes = golden_batch("idempotent", data, sizeof data);
    bytes_put_be64(data + at, value);
    cr_assert_eq(kafka_record_batch_decode(bytes, &batch), (int)bytes.size);
    return kafka_record_batch_check_produced(&batch);
}

Test(kafka_record_batch, is_not_taken_from_a_producer_with_gaps_or_half_a_producer_id)
{
    cr_assert_eq(produced_with(AT_PRODUCER_ID, 4711), 0);
    cr_assert_eq(produced_with(AT_PRODUCER_ID, UINT64_MAX), 0, "not idempotent");
    cr_assert_eq(produced_with(AT_PRODUCER_ID, UINT64_MAX - 1), ERR_INVALID);
    cr_assert_eq(produced_with(AT_PRODUCER_ID + 4, 0x00001267ffff0000), ERR_INVALID, "its epoch");
    cr_assert_eq(produced_with(AT_PRODUCER_ID + 8, 0x0003ffffffff0000), ERR_INVALID, "sequence");
    cr_assert_eq(produced_with(AT_BASE_TIMESTAMP, UINT64_MAX), 0, "no timestamp");
    cr_assert_eq(produced_with(AT_BASE_TIMESTAMP, UINT64_MAX - 1), ERR_INVALID);
    struct kafka_record_batch batch = golden("plain");
    batch.last_offset_delta = 3;
    cr_assert_eq(kafka_record_batch_check_produced(&batch), ERR_INVALID, "a gap");
    batch.record_count = 0;
    cr_assert_eq(kafka_record_batch_check_produced(&batch), ERR_INVALID, "no records");
    batch.last_offset_delta = INT32_MAX;
    batch.record_count = INT32_MAX;
    cr_assert_eq(kafka_record_batch_check_produced(&batch), ERR_INVALID);
}

Test(kafka_record_batch, keeps_its_checksum_when_offset_and_epoch_are_set)
{
    struct kafka_record_batch batch = golden("plain");
    kafka_record_batch_set_offset(data, 123456789012, 77);
    cr_assert_gt(kafka_record_batch_decode(batch.bytes, &batch), 0);
    cr_assert_eq(batch.base_offset, 123456789012);
    cr_assert_eq(batch.leader_epoch, 77);
    cr_assert_eq(kafka_record_batch_check_crc(&batch), 0);
}

Test(kafka_record_batch, is_the_same_with_a_head_of_its_own_in_front)
{
    struct kafka_record_batch batch = golden("plain");
    uint8_t copy[8192];
    memcpy(copy, data, batch.bytes.size);
    kafka_record_batch_head_encode(copy, 99, batch.batch_length, 6);
    kafka_record_batch_set_offset(data, 99, 6);
    cr_assert(bytes_is_equal(batch.bytes, bytes_of(copy, batch.bytes.size)));
}

Test(kafka_record_batch, becomes_log_append_time_with_a_sound_checksum)
{
    struct kafka_record_batch batch = golden("gzip"), again;
    kafka_record_batch_set_append_time(data, &batch, 1800000000000);
    cr_assert_gt(kafka_record_batch_decode(batch.bytes, &again), 0);
    cr_assert_eq(kafka_record_batch_check_crc(&again), 0);
    cr_assert(kafka_record_batch_is_log_append_time(&again));
    cr_assert_eq((int)kafka_record_batch_compression(&again), KAFKA_COMPRESSION_GZIP);
    cr_assert_eq(again.max_timestamp, 1800000000000);
}

Test(kafka_record_batch, is_read_one_after_the_other)
{
    struct kafka_record_batch batch = golden("plain");
    size_t first = batch.bytes.size;
    struct bytes second = golden_batch("gzip", data + first, sizeof data - first);
    golden_batch("plain", data, sizeof data);
    struct bytes both = bytes_of(data, first + second.size);
    int used = kafka_record_batch_decode(both, &batch);
    cr_assert_eq(used, (int)first);
    both = bytes_of(both.data + used, both.size - (size_t)used);
    cr_assert_eq(kafka_record_batch_decode(both, &batch), (int)second.size);
    cr_assert_eq(batch.record_count, 50);
}

Test(kafka_record_batch_builder, builds_what_kafka_builds)
{
    struct kafka_record_batch_builder b;
    kafka_record_batch_builder_init(&b, 1000);
    b.head.base_offset = 7;
    struct kafka_record_header headers[] = {{kafka_string_of("h"), bytes_of_text("x")},
                                            {kafka_string_of("n"), {0}}};
    struct bytes null = {0};
    kafka_record_batch_builder_append(&b, 1700000000000, bytes_of_text("k1"),
                                      bytes_of_text("value-1"), NULL, 0);
    kafka_record_batch_builder_append(&b, 1700000000005, null, bytes_of_text("v2"), headers, 2);
    kafka_record_batch_builder_append(&b, 1699999999990, bytes_of_text("k3"), null, NULL, 0);
    struct slice built;
    cr_assert_eq(kafka_record_batch_builder_finish(&b, &built), 0);
    cr_assert(bytes_is_equal(built.bytes, golden_batch("plain", data, sizeof data)));
    slice_unref(&built);
    kafka_record_batch_builder_close(&b);
    cr_assert_eq(buffer_total_bytes(), 0);
}

Test(kafka_record_batch_builder, refuses_records_beyond_its_limit)
{
    struct kafka_record_batch_builder b;
    struct slice built;
    kafka_record_batch_builder_init(&b, 20);
    struct bytes value = bytes_of_text("0123456789");
    cr_assert_eq(kafka_record_batch_builder_append(&b, 1, value, (struct bytes){0}, NULL, 0), 0);
    cr_assert_eq(kafka_record_batch_builder_append(&b, 1, value, value, NULL, 0), ERR_TOO_LARGE);
    cr_assert_eq(kafka_record_batch_builder_finish(&b, &built), ERR_TOO_LARGE);
    kafka_record_batch_builder_close(&b);
}

/* Bytes from brokers, good ones and all kinds of bad ones: refused or taken, never read beyond. */
#include "wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "wire_fetch.h"
#include "wire_group.h"
#include "wire_metadata.h"

#define TOPIC "orders"

static uint8_t buffer[4096];
static struct wire_writer w;

static int record_count, answer_count, offset_count, partition_count, replica_count;
static struct wire_record first_record;
static const char *answered_error;
static int32_t last_epoch;
static bool is_broker_right;

static void begin(void)
{
    w = (struct wire_writer){.data = buffer, .size_max = sizeof buffer};
    record_count = answer_count = offset_count = partition_count = replica_count = 0;
    answered_error = "none came";
}

static void on_record(void *data, const struct wire_record *record)
{
    (void)data;
    if (record_count++ == 0)
        first_record = *record;
}

static void on_answer(void *data, int32_t partition, const char *error)
{
    (void)data, (void)partition;
    answer_count++;
    answered_error = error;
}

static void on_offset(void *data, int32_t partition, int64_t offset, int32_t epoch,
                      const char *error)
{
    (void)data, (void)error;
    offset_count += partition == 3 && offset == 40;
    last_epoch = epoch;
}

static void on_partition(void *data, int32_t partition, int32_t leader, int32_t epoch)
{
    (void)data, (void)partition, (void)leader;
    partition_count++;
    last_epoch = epoch;
}

static void on_replica(void *data, int32_t partition, int32_t node)
{
    (void)data;
    replica_count += partition == 0 && (node == 2 || node == 5);
}

static void on_broker(void *data, int32_t node, const char *address, struct wire_bytes rack)
{
    (void)data;
    is_broker_right = node == 2 && strcmp(address, "10.0.0.2:9092") == 0 && wire_is_text(rack, "b");
}

static const struct wire_fetch fetch = {
    .topic = TOPIC, .rack = "a", .on_record = on_record, .on_answer = on_answer};

/* A copy of exactly the bytes, so that a sanitizer sees what reads beyond them. */
static struct wire_reader reader_of(size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    memcpy(copy, buffer, size);
    return (struct wire_reader){.data = copy, .size = size};
}

static void drop(struct wire_reader *reader)
{
    free((void *)(uintptr_t)reader->data);
}

static void write_raw(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        wire_write_int8(&w, ((const int8_t *)bytes)[i]);
}

static void put_int32(size_t place, int32_t number)
{
    struct wire_writer at = {.data = buffer + place, .size_max = 4};
    wire_write_int32(&at, number);
}

static void sum_batch(size_t start)
{
    put_int32(start + 17, (int32_t)crc32c(buffer + start + 21, w.size - start - 21));
}

/* Two records, offsets 40 and 41, of epoch 7: key "k5" with value "first", no key with "second". */
static void write_batch(int16_t attributes)
{
    size_t start = w.size;
    wire_write_int64(&w, 40);
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 7);
    wire_write_int8(&w, 2);
    wire_write_int32(&w, 0);
    wire_write_int16(&w, attributes);
    wire_write_int32(&w, 1);
    write_raw("................", 16);
    wire_write_int64(&w, -1);
    wire_write_int16(&w, -1);
    wire_write_int32(&w, -1);
    wire_write_int32(&w, 2);
    write_raw("\x1a\0\0\0\x04k5\x0a"
              "first\0",
              14);
    write_raw("\x18\0\0\x02\x01\x0csecond\0", 13);
    put_int32(start + 8, (int32_t)(w.size - start - 12));
    sum_batch(start);
}

/* The answer to a fetch: one partition with one batch. */
static void write_fetch(void)
{
    begin();
    wire_write_int32(&w, 0);
    wire_write_int16(&w, 0);
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 1);
    wire_write_string(&w, TOPIC);
    wire_write_int32(&w, 1);
    wire_write_int32(&w, 3);
    wire_write_int16(&w, 0);
    for (int i = 0; i < 3; i++)
        wire_write_int64(&w, 42);
    wire_write_int32(&w, -1);
    wire_write_int32(&w, -1);
    size_t length = w.size;
    wire_write_int32(&w, 0);
    write_batch(0);
    put_int32(length, (int32_t)(w.size - length - 4));
}

static void write_offsets(void)
{
    begin();
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 1);
    wire_write_string(&w, TOPIC);
    wire_write_int32(&w, 1);
    wire_write_int32(&w, 3);
    wire_write_int64(&w, 40);
    wire_write_int32(&w, 7);
    wire_write_string(&w, NULL);
    wire_write_int16(&w, 0);
    wire_write_int16(&w, 0);
}

static void write_listed(void)
{
    begin();
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 1);
    wire_write_string(&w, TOPIC);
    wire_write_int32(&w, 1);
    wire_write_int32(&w, 3);
    wire_write_int16(&w, 0);
    wire_write_int64(&w, -1);
    wire_write_int64(&w, 40);
    wire_write_int32(&w, 7);
}

static void write_metadata(void)
{
    begin();
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 1);
    wire_write_int32(&w, 2);
    wire_write_string(&w, "10.0.0.2");
    wire_write_int32(&w, 9092);
    wire_write_string(&w, "b");
    wire_write_string(&w, "cluster");
    wire_write_int32(&w, 2);
    wire_write_int32(&w, 1);
    wire_write_int16(&w, 0);
    wire_write_string(&w, TOPIC);
    wire_write_int8(&w, 0);
    wire_write_int32(&w, 1);
    wire_write_int16(&w, 0);
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 2);
    wire_write_int32(&w, 7);
    wire_write_int32(&w, 2);
    wire_write_int32(&w, 2);
    wire_write_int32(&w, 5);
    for (int list = 0; list < 2; list++) {
        wire_write_int32(&w, 1);
        wire_write_int32(&w, 2);
    }
    wire_write_int32(&w, 0);
    wire_write_int32(&w, 0);
}

static const char *take_fetch(size_t size)
{
    struct wire_reader reader = reader_of(size);
    const char *error = wire_fetch_take(&reader, &fetch);
    drop(&reader);
    return error;
}

static int take_offsets(size_t size)
{
    const char *error;
    struct wire_reader reader = reader_of(size);
    int err = wire_offset_fetch_take(&reader, TOPIC, on_offset, NULL, &error);
    drop(&reader);
    return err;
}

static int take_metadata(size_t size)
{
    const struct wire_metadata ask = {.topic = TOPIC,
                                      .on_broker = on_broker,
                                      .on_partition = on_partition,
                                      .on_replica = on_replica};
    struct wire_reader reader = reader_of(size);
    int err = wire_metadata_take(&reader, &ask);
    drop(&reader);
    return err;
}

static int take_listed(size_t size)
{
    const struct wire_list_offsets ask = {.topic = TOPIC, .on_offset = on_offset};
    struct wire_reader reader = reader_of(size);
    int err = wire_list_offsets_take(&reader, &ask);
    drop(&reader);
    return err;
}

/* ---- numbers ---- */

Test(chaos_ledger_wire, reads_what_it_writes)
{
    begin();
    wire_write_int8(&w, -1);
    wire_write_int16(&w, INT16_MIN);
    wire_write_int32(&w, INT32_MAX);
    wire_write_int64(&w, INT64_MIN);
    wire_write_string(&w, "text");
    wire_write_string(&w, NULL);
    struct wire_reader r = {.data = buffer, .size = w.size};
    cr_assert_eq(wire_read_int8(&r), -1);
    cr_assert_eq(wire_read_int16(&r), INT16_MIN);
    cr_assert_eq(wire_read_int32(&r), INT32_MAX);
    cr_assert_eq(wire_read_int64(&r), INT64_MIN);
    cr_assert(wire_is_text(wire_read_string(&r), "text"));
    cr_assert_null(wire_read_string(&r).data);
    cr_assert(!r.is_bad && r.position == r.size);
}

static bool is_varint_bad(const char *bytes, size_t size, int64_t *number)
{
    struct wire_reader r = {.data = (const uint8_t *)bytes, .size = size};
    *number = wire_read_varint(&r);
    return r.is_bad;
}

Test(chaos_ledger_wire, reads_varints_of_up_to_64_bits)
{
    int64_t number;
    cr_assert(!is_varint_bad("\x01", 1, &number) && number == -1);
    cr_assert(!is_varint_bad("\xac\x02", 2, &number) && number == 150);
    cr_assert(!is_varint_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &number));
    cr_assert_eq(number, INT64_MIN);
    cr_assert(is_varint_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &number));
    cr_assert(is_varint_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, &number));
    cr_assert(is_varint_bad("\x80", 1, &number));
}

Test(chaos_ledger_wire, stays_bad_and_gives_nothing_once_something_did_not_fit)
{
    struct wire_reader r = {.data = (const uint8_t *)"\x00\x09"
                                                     "abc\x01\x02\x03\x04",
                            .size = 9};
    cr_assert_null(wire_read_string(&r).data);
    cr_assert(r.is_bad);
    cr_assert_eq(wire_read_int32(&r), 0);
    cr_assert_eq(wire_read_count(&r, 1), 0);
}

Test(chaos_ledger_wire, refuses_counts_that_the_bytes_left_cannot_hold)
{
    struct wire_reader r = {.data = (const uint8_t *)"\x7f\xff\xff\xff....", .size = 8};
    cr_assert_eq(wire_read_count(&r, 1), 0);
    cr_assert(r.is_bad);
    r = (struct wire_reader){.data = (const uint8_t *)"\0\0\0\2....", .size = 8};
    cr_assert_eq(wire_read_count(&r, 2), 2);
    r.position = 0;
    cr_assert_eq(wire_read_count(&r, 3), 0);
    cr_assert(r.is_bad);
}

Test(chaos_ledger_wire, leaves_out_what_a_request_has_no_room_for)
{
    struct wire_writer small = {.data = buffer, .size_max = 5};
    wire_write_int32(&small, 1);
    wire_write_int32(&small, 2);
    wire_write_int8(&small, 3);
    cr_assert(small.is_full);
    cr_assert_eq(small.size, 4);
}

/* ---- answers ---- */

Test(chaos_ledger_wire, takes_the_records_of_a_fetch)
{
    write_fetch();
    cr_assert_null(take_fetch(w.size));
    cr_assert_eq(record_count, 2);
    cr_assert_eq(answer_count, 1);
    cr_assert_null(answered_error);
    cr_assert_eq(first_record.partition, 3);
    cr_assert_eq(first_record.offset, 40);
    cr_assert_eq(first_record.epoch, 7);
}

static const char *take_batches(size_t size)
{
    struct wire_reader reader = reader_of(size);
    record_count = 0;
    const char *error = wire_batches_take((struct wire_bytes){reader.data, size}, 3, on_record,
                                          NULL);
    drop(&reader);
    return error;
}

Test(chaos_ledger_wire, takes_keys_and_values_apart)
{
    begin();
    write_batch(0);
    cr_assert_null(wire_batches_take((struct wire_bytes){buffer, w.size}, 3, on_record, NULL));
    cr_assert(wire_is_text(first_record.key, "k5"));
    cr_assert(wire_is_text(first_record.value, "first"));
}

Test(chaos_ledger_wire, takes_whole_batches_and_leaves_one_that_is_cut_off)
{
    begin();
    write_batch(0);
    size_t whole = w.size;
    write_batch(0);
    for (size_t size = whole; size < w.size; size++) {
        cr_assert_null(take_batches(size));
        cr_assert_eq(record_count, 2, "of the first batch");
    }
    cr_assert_null(take_batches(w.size));
    cr_assert_eq(record_count, 4);
}

Test(chaos_ledger_wire, sees_every_flipped_bit_behind_the_checksum_of_a_batch)
{
    begin();
    write_batch(0);
    for (size_t i = 17; i < w.size; i++) {
        buffer[i] ^= 0x10;
        cr_assert_str_eq(take_batches(w.size), "batch_checksum_differs", "byte %zu", i);
        cr_assert_eq(record_count, 0);
        buffer[i] ^= 0x10;
    }
}

/* With a sum that fits, so that the parser itself has to see it. */
Test(chaos_ledger_wire, never_reads_beyond_a_batch_whose_bytes_say_so)
{
    int refused_count = 0;
    begin();
    write_batch(0);
    size_t whole = w.size;
    for (size_t i = 8; i < whole; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            begin();
            write_batch(0);
            buffer[i] ^= (uint8_t)(1u << bit);
            sum_batch(0);
            refused_count += take_batches(whole) != NULL;
        }
    }
    cr_assert_gt(refused_count, 50);
}

Test(chaos_ledger_wire, names_compressed_batches_and_passes_over_control_batches)
{
    begin();
    write_batch(3);
    cr_assert_str_eq(take_batches(w.size), "compressed_batch");
    begin();
    write_batch(0x20);
    cr_assert_null(take_batches(w.size));
    cr_assert_eq(record_count, 0);
}

Test(chaos_ledger_wire, refuses_a_fetch_that_ends_early_anywhere)
{
    write_fetch();
    size_t whole = w.size;
    for (size_t size = 0; size < whole; size++)
        cr_assert_str_eq(take_fetch(size), "malformed", "%zu bytes", size);
}

Test(chaos_ledger_wire, survives_any_wrong_byte_in_an_answer)
{
    for (size_t i = 0; i < 260; i++) {
        for (unsigned wrong = 1; wrong < 256; wrong += 7) {
            write_fetch();
            buffer[i] ^= (uint8_t)wrong;
            take_fetch(w.size);
            write_offsets();
            buffer[i] ^= (uint8_t)wrong;
            take_offsets(w.size);
            write_metadata();
            buffer[i] ^= (uint8_t)wrong;
            take_metadata(w.size);
            write_listed();
            buffer[i] ^= (uint8_t)wrong;
            take_listed(w.size);
        }
    }
}

Test(chaos_ledger_wire, takes_committed_offsets_with_their_epochs)
{
    write_offsets();
    cr_assert_eq(take_offsets(w.size), 0);
    cr_assert_eq(offset_count, 1);
    cr_assert_eq(last_epoch, 7);
    size_t whole = w.size;
    for (size_t size = 0; size < whole; size++)
        cr_assert_eq(take_offsets(size), -1, "%zu bytes", size);
}

Test(chaos_ledger_wire, takes_leaders_epochs_and_the_racks_of_nodes)
{
    write_metadata();
    cr_assert_eq(take_metadata(w.size), 0);
    cr_assert_eq(partition_count, 1);
    cr_assert_eq(replica_count, 2);
    cr_assert_eq(last_epoch, 7);
    cr_assert(is_broker_right);
    size_t whole = w.size;
    for (size_t size = 0; size < whole; size++)
        cr_assert_eq(take_metadata(size), -1, "%zu bytes", size);
}

Test(chaos_ledger_wire, takes_the_ends_of_partitions)
{
    write_listed();
    cr_assert_eq(take_listed(w.size), 0);
    cr_assert_eq(offset_count, 1);
    cr_assert_eq(last_epoch, 7);
    size_t whole = w.size;
    for (size_t size = 0; size < whole; size++)
        cr_assert_eq(take_listed(size), -1, "%zu bytes", size);
}

Test(chaos_ledger_wire, takes_a_coordinators_address)
{
    const char *error;
    char address[WIRE_ADDRESS_BYTES];
    begin();
    wire_write_int32(&w, 0);
    wire_write_int16(&w, 0);
    wire_write_string(&w, NULL);
    wire_write_int32(&w, 2);
    wire_write_string(&w, "10.0.0.2");
    wire_write_int32(&w, 9092);
    struct wire_reader reader = {.data = buffer, .size = w.size};
    cr_assert_eq(wire_find_coordinator_take(&reader, address, &error), 0);
    cr_assert_str_eq(address, "10.0.0.2:9092");
    for (size_t size = 0; size < w.size; size++) {
        reader = (struct wire_reader){.data = buffer, .size = size};
        cr_assert_eq(wire_find_coordinator_take(&reader, address, &error), -1);
    }
}

/* Records of a lost tail in new batches (cluster/admin/salvage_batch.c). */
#include "admin/salvage_batch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/err.h"

/* A batch of `count` records with one header each, from `base` on. */
static struct slice old_batch(int64_t base, int count, size_t value_size, int64_t producer_id,
                              int32_t sequence)
{
    struct kafka_record_batch_builder b;
    struct slice batch;
    uint8_t *value = calloc(1, value_size + 1);
    struct kafka_record_header own = {.key = kafka_string_of("own"), .value = bytes_of_text("it")};
    kafka_record_batch_builder_init(&b, 64u << 20);
    b.head.base_offset = base;
    b.head.leader_epoch = 7;
    b.head.producer_id = producer_id;
    b.head.producer_epoch = producer_id < 0 ? -1 : 2;
    b.head.base_sequence = sequence;
    for (int i = 0; i < count; i++) {
        struct bytes key = i % 2 == 0 ? bytes_of_text("key") : (struct bytes){0};
        cr_assert_eq(kafka_record_batch_builder_append(&b, 5000 + i, key,
                                                       bytes_of(value, value_size), &own, 1),
                     0);
    }
    cr_assert_eq(kafka_record_batch_builder_finish(&b, &batch), 0);
    kafka_record_batch_builder_close(&b);
    free(value);
    return batch;
}

static int add(struct salvage_batch *b, const struct slice *old)
{
    struct kafka_record_batch batch;
    cr_assert_gt(kafka_record_batch_decode(old->bytes, &batch), 0);
    return salvage_batch_add(b, &batch);
}

static bool has_header(const struct kafka_record *record, const char *key, const char *value)
{
    struct bytes left = record->headers;
    struct kafka_record_header header;
    while (kafka_record_header_next(&left, &header) == 1)
        if (kafka_string_is_text(header.key, key))
            return header.value.size == strlen(value) &&
                   memcmp(header.value.data, value, header.value.size) == 0;
    return false;
}

Test(salvage_batch, says_of_each_record_where_and_when_it_was_and_whose)
{
    struct salvage_batch b;
    struct slice old = old_batch(700, 4, 10, 42, INT32_MAX - 2), made;
    struct kafka_record_batch batch;
    struct kafka_record_iterator it;
    struct kafka_record record;
    struct salvage_mark mark;
    salvage_batch_init(&b, 702); /* what is before is no loss */
    cr_assert_eq(add(&b, &old), 0);
    cr_assert_eq(b.next_offset, 704);
    cr_assert_eq(kafka_record_batch_builder_finish(&b.builder, &made), 0);
    cr_assert_gt(kafka_record_batch_decode(made.bytes, &batch), 0);
    cr_assert_eq(kafka_record_batch_check_crc(&batch), 0);
    cr_assert_eq(kafka_record_batch_check_produced(&batch), 0);
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert_eq(record.header_count, 5);
    cr_assert_eq(record.timestamp, 5002);
    cr_assert(has_header(&record, "own", "it"));
    cr_assert(has_header(&record, "trilog.offset", "702"));
    cr_assert(has_header(&record, "trilog.leader.epoch", "7"));
    cr_assert(has_header(&record, "trilog.timestamp", "5002"));
    cr_assert(has_header(&record, "trilog.producer", "42,2,2147483647"));
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert_null(record.key.data, "null stays null");
    cr_assert(has_header(&record, "trilog.producer", "42,2,0"), "sequences go round");
    cr_assert_eq(kafka_record_next(&it, &record), 0);
    cr_assert(salvage_last_mark(made.bytes, &mark));
    cr_assert_eq(mark.offset, 703);
    cr_assert_eq(mark.leader_epoch, 7);
    slice_unref(&made);
    slice_unref(&old);
    salvage_batch_close(&b);
}

Test(salvage_batch, names_no_producer_where_there_was_none)
{
    struct salvage_batch b;
    struct slice old = old_batch(0, 1, 10, -1, -1), made;
    struct kafka_record_batch batch;
    struct kafka_record_iterator it;
    struct kafka_record record;
    salvage_batch_init(&b, 0);
    cr_assert_eq(add(&b, &old), 0);
    cr_assert_eq(kafka_record_batch_builder_finish(&b.builder, &made), 0);
    cr_assert_gt(kafka_record_batch_decode(made.bytes, &batch), 0);
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert_eq(record.header_count, 4);
    cr_assert(!has_header(&record, "trilog.producer", ""));
    slice_unref(&made);
    slice_unref(&old);
    salvage_batch_close(&b);
}

Test(salvage_batch, goes_on_in_another_batch_when_one_is_full)
{
    struct slice old = old_batch(100, 50, 100000, 1, 0);
    int64_t from = 100;
    unsigned batches = 0;
    uint32_t records = 0;
    for (int got = 1; got == 1; batches++) {
        struct salvage_batch b;
        salvage_batch_init(&b, from);
        got = add(&b, &old);
        cr_assert_geq(got, 0);
        cr_assert_leq(b.size_bytes, SALVAGE_BATCH_BYTES);
        cr_assert_gt(b.next_offset, from);
        from = b.next_offset;
        records += b.record_count;
        salvage_batch_close(&b);
    }
    cr_assert_eq(records, 50, "none is lost, none is there twice");
    cr_assert_eq(from, 150);
    cr_assert_eq(batches, 5);
    slice_unref(&old);
}

Test(salvage_batch, takes_a_large_record_alone_and_counts_what_no_request_can_carry)
{
    struct salvage_batch b;
    struct slice small = old_batch(0, 1, 10, 1, 0), large = old_batch(1, 1, 2u << 20, 1, 1);
    struct slice huge = old_batch(2, 1, 4u << 20, 1, 2);
    salvage_batch_init(&b, 0);
    cr_assert_eq(add(&b, &small), 0);
    cr_assert_eq(add(&b, &large), 1);
    cr_assert_eq(b.next_offset, 1);
    salvage_batch_close(&b);
    salvage_batch_init(&b, 1);
    cr_assert_eq(add(&b, &large), 0);
    cr_assert_eq(add(&b, &huge), 0);
    cr_assert_eq(b.record_count, 1);
    cr_assert_eq(b.left_out_count, 1);
    cr_assert_eq(b.next_offset, 3);
    salvage_batch_close(&b);
    slice_unref(&small);
    slice_unref(&large);
    slice_unref(&huge);
}

/* One record with these times, key and value; null where they are NULL. */
static struct slice batch_of(int64_t base, int64_t first_ms, int64_t second_ms)
{
    struct kafka_record_batch_builder b;
    struct slice batch;
    kafka_record_batch_builder_init(&b, 1 << 20);
    b.head.base_offset = base;
    b.head.leader_epoch = 7;
    const int64_t times[] = {first_ms, second_ms};
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(kafka_record_batch_builder_append(&b, times[i], bytes_of_text("key"),
                                                       (struct bytes){0}, NULL, 0),
                     0);
    cr_assert_eq(kafka_record_batch_builder_finish(&b, &batch), 0);
    kafka_record_batch_builder_close(&b);
    return batch;
}

Test(salvage_batch, keeps_a_tombstone_and_a_time_that_nobody_may_send)
{
    struct salvage_batch b;
    struct slice old = batch_of(10, 100, -7), made;
    struct kafka_record_batch batch;
    struct kafka_record_iterator it;
    struct kafka_record record;
    salvage_batch_init(&b, 10);
    cr_assert_eq(add(&b, &old), 0);
    cr_assert_eq(kafka_record_batch_builder_finish(&b.builder, &made), 0);
    cr_assert_gt(kafka_record_batch_decode(made.bytes, &batch), 0);
    cr_assert_eq(kafka_record_batch_check_produced(&batch), 0, "it can be sent");
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(kafka_record_next(&it, &record), 1);
        cr_assert_not_null(record.key.data);
        cr_assert_null(record.value.data, "a tombstone stays one");
    }
    cr_assert_eq(record.timestamp, -1);
    cr_assert(has_header(&record, "trilog.timestamp", "-7"));
    slice_unref(&made);
    slice_unref(&old);
    salvage_batch_close(&b);
}

Test(salvage_batch, goes_on_in_another_batch_when_times_are_too_far_apart)
{
    struct salvage_batch b;
    struct slice early = batch_of(10, -1, -1), late = batch_of(12, INT64_MAX, INT64_MAX);
    salvage_batch_init(&b, 10);
    cr_assert_eq(add(&b, &early), 0);
    cr_assert_eq(add(&b, &late), 1);
    cr_assert_eq(b.next_offset, 12);
    salvage_batch_close(&b);
    salvage_batch_init(&b, 12);
    cr_assert_eq(add(&b, &late), 0);
    cr_assert_eq(b.record_count, 2);
    slice_unref(&early);
    slice_unref(&late);
    salvage_batch_close(&b);
}

Test(salvage_batch, leaves_out_the_rest_of_a_batch_that_can_not_be_taken_apart)
{
    struct salvage_batch b;
    struct kafka_record_batch batch;
    struct slice sound = old_batch(100, 3, 10, 1, 0), old = old_batch(103, 5, 10, 1, 3);
    salvage_batch_init(&b, 100);
    cr_assert_eq(add(&b, &sound), 0);
    cr_assert_gt(kafka_record_batch_decode(old.bytes, &batch), 0);
    old.owner->data[old.bytes.size - 1] = 0x7f; /* the last header is longer than the batch */
    old.owner->data[old.bytes.size - 3] = 0x7f;
    cr_assert_lt(salvage_batch_add(&b, &batch), 0);
    cr_assert_lt(b.next_offset, 108);
    int64_t left = 108 - b.next_offset;
    salvage_batch_pass(&b, &batch);
    cr_assert_eq(b.next_offset, 108);
    cr_assert_eq(b.left_out_count, left);
    cr_assert_eq(b.record_count + b.left_out_count, 8, "none is missed");
    salvage_batch_pass(&b, &batch);
    cr_assert_eq(b.left_out_count, left, "once");
    slice_unref(&sound);
    slice_unref(&old);
    salvage_batch_close(&b);
}

Test(salvage_batch, knows_a_record_that_is_not_of_a_salvage)
{
    struct salvage_mark mark;
    struct slice foreign = old_batch(0, 3, 10, 1, 0);
    cr_assert_not(salvage_last_mark(foreign.bytes, &mark));
    cr_assert_not(salvage_last_mark((struct bytes){0}, &mark));
    foreign.owner->data[foreign.bytes.size - 1] ^= 1;
    cr_assert_not(salvage_last_mark(foreign.bytes, &mark), "nor damaged ones");
    slice_unref(&foreign);
}

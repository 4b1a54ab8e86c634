/* Produce: what is asked can be read back; what is answered is not believed. */
#include "wire_produce.h"

#include <criterion/criterion.h>
#include <string.h>

#include "wire_fetch.h"

struct got {
    unsigned count;
    struct wire_record record;
    int32_t partition;
    int16_t code;
    int64_t offset;
};

static void on_record(void *data, const struct wire_record *record)
{
    struct got *got = data;
    got->record = *record;
    got->count++;
}

Test(wire_produce, writes_a_batch_that_reads_back_as_one_record)
{
    uint8_t bytes[400];
    const char *value = "a-probe-0-17";
    struct got got = {0};
    struct wire_writer w = {.data = bytes, .size_max = sizeof bytes};
    wire_batch_write(&w, (struct wire_bytes){(const uint8_t *)value, strlen(value) + 1}, 1234567);
    cr_assert(!w.is_full);
    const char *error = wire_batches_take((struct wire_bytes){bytes, w.size}, 3, on_record, &got);
    cr_assert_null(error, "%s", error);
    cr_assert_eq(got.count, 1);
    cr_assert_null(got.record.key.data);
    cr_assert_eq(got.record.value.size, strlen(value) + 1);
    cr_assert_str_eq((const char *)got.record.value.data, value);
}

Test(wire_produce, says_when_a_batch_does_not_fit)
{
    uint8_t bytes[70];
    struct wire_writer w = {.data = bytes, .size_max = sizeof bytes};
    wire_batch_write(&w, (struct wire_bytes){bytes, sizeof bytes}, 0);
    cr_assert(w.is_full);
}

static void on_produced(void *data, int32_t partition, int16_t code, int64_t offset)
{
    struct got *got = data;
    got->count++;
    got->partition = partition;
    got->code = code;
    got->offset = offset;
}

/* An answer of one topic with one partition, number 5. */
static size_t write_answer(uint8_t *bytes, size_t size_max, const char *topic, int64_t offset)
{
    struct wire_writer w = {.data = bytes, .size_max = size_max};
    wire_write_int32(&w, 1);
    wire_write_string(&w, topic);
    wire_write_int32(&w, 1);
    wire_write_int32(&w, 5);
    wire_write_int16(&w, 0);
    wire_write_int64(&w, offset);
    wire_write_int64(&w, -1);
    wire_write_int64(&w, 0);
    wire_write_int32(&w, 0);
    return w.size;
}

Test(wire_produce, takes_the_offset_of_each_partition_of_its_topic_only)
{
    uint8_t bytes[100];
    struct got got = {0};
    struct wire_reader r = {.data = bytes, .size = write_answer(bytes, sizeof bytes, "t", 40)};
    cr_assert_eq(wire_produce_take(&r, "t", on_produced, &got), 0);
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.partition, 5);
    cr_assert_eq(got.offset, 40);
    r = (struct wire_reader){.data = bytes, .size = r.size};
    cr_assert_eq(wire_produce_take(&r, "other", on_produced, &got), 0);
    cr_assert_eq(got.count, 1);
}

Test(wire_produce, refuses_an_answer_that_is_cut_short_anywhere)
{
    uint8_t bytes[100];
    size_t size = write_answer(bytes, sizeof bytes, "t", 40);
    for (size_t cut = 0; cut < size - 4; cut++) { /* the last number may be missing: not read */
        struct got got = {0};
        struct wire_reader r = {.data = bytes, .size = cut};
        cr_assert_eq(wire_produce_take(&r, "t", on_produced, &got), -1, "at %zu", cut);
        cr_assert_eq(got.count, 0);
    }
}

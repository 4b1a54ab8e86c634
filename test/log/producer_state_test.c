#include "log/producer_state.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/random.h"

static struct log_producer_batch batch_of(int64_t id, int16_t epoch, int32_t base, int32_t count)
{
    int64_t last = (int64_t)base + count - 1;
    if (last > INT32_MAX)
        last -= (int64_t)INT32_MAX + 1;
    return (struct log_producer_batch){.producer_id = id,
                                       .producer_epoch = epoch,
                                       .base_sequence = base,
                                       .last_sequence = (int32_t)last,
                                       .max_timestamp = (int64_t)base * 10};
}

static enum log_producer_verdict check(struct log_producer_state *s, int64_t id, int16_t epoch,
                                       int32_t base, int32_t count)
{
    int64_t offset, timestamp;
    struct log_producer_batch batch = batch_of(id, epoch, base, count);
    return log_producer_check(s, &batch, &offset, &timestamp);
}

static void record(struct log_producer_state *s, int64_t id, int16_t epoch, int32_t base,
                   int32_t count, int64_t offset, int64_t wall_ms)
{
    struct log_producer_batch batch = batch_of(id, epoch, base, count);
    cr_assert_eq(log_producer_record(s, &batch, offset, wall_ms), 0);
}

Test(log_producer_state, takes_batches_in_sequence_and_knows_a_gap)
{
    struct log_producer_state *s = log_producer_state_create(10);
    cr_assert_eq(check(s, 7, 0, 0, 5), LOG_PRODUCER_NEW);
    cr_assert_eq(check(s, 7, 0, 5, 5), LOG_PRODUCER_UNKNOWN);
    record(s, 7, 0, 0, 5, 100, 1);
    cr_assert_eq(check(s, 7, 0, 5, 1), LOG_PRODUCER_NEW);
    cr_assert_eq(check(s, 7, 0, 6, 1), LOG_PRODUCER_OUT_OF_ORDER);
    log_producer_state_destroy(s);
}

Test(log_producer_state, answers_each_of_the_last_five_batches_with_its_first_offset)
{
    struct log_producer_state *s = log_producer_state_create(10);
    for (int32_t i = 0; i < 7; i++)
        record(s, 7, 0, i * 3, 3, 1000 + i, 1);
    for (int32_t i = 2; i < 7; i++) {
        int64_t offset = 0, timestamp = 0;
        struct log_producer_batch again = batch_of(7, 0, i * 3, 3);
        cr_assert_eq(log_producer_check(s, &again, &offset, &timestamp), LOG_PRODUCER_DUPLICATE);
        cr_assert_eq(offset, 1000 + i);
        cr_assert_eq(timestamp, i * 30);
    }
    cr_assert_eq(check(s, 7, 0, 3, 3), LOG_PRODUCER_OLD_DUPLICATE, "older than the window");
    log_producer_state_destroy(s);
}

Test(log_producer_state, fences_an_older_epoch_and_begins_a_new_one_at_zero)
{
    struct log_producer_state *s = log_producer_state_create(10);
    record(s, 7, 3, 0, 5, 100, 1);
    cr_assert_eq(check(s, 7, 2, 5, 1), LOG_PRODUCER_FENCED);
    cr_assert_eq(check(s, 7, 4, 5, 1), LOG_PRODUCER_OUT_OF_ORDER);
    cr_assert_eq(check(s, 7, 4, 0, 1), LOG_PRODUCER_NEW);
    record(s, 7, 4, 0, 5, 105, 2);
    cr_assert_eq(check(s, 7, 4, 0, 5), LOG_PRODUCER_DUPLICATE);
    cr_assert_eq(check(s, 7, 3, 0, 5), LOG_PRODUCER_FENCED);
    log_producer_state_destroy(s);
}

Test(log_producer_state, wraps_sequences_after_the_largest_one)
{
    struct log_producer_state *s = log_producer_state_create(10);
    record(s, 7, 0, INT32_MAX - 1, 4, 100, 1); /* ends at 1 */
    cr_assert_eq(check(s, 7, 0, 2, 1), LOG_PRODUCER_NEW);
    cr_assert_eq(check(s, 7, 0, INT32_MAX - 1, 4), LOG_PRODUCER_DUPLICATE);
    cr_assert_eq(check(s, 7, 0, INT32_MAX - 5, 1), LOG_PRODUCER_OLD_DUPLICATE);
    cr_assert_eq(check(s, 7, 0, 4, 1), LOG_PRODUCER_OUT_OF_ORDER);
    log_producer_state_destroy(s);
}

Test(log_producer_state, lets_batches_without_a_producer_pass)
{
    struct log_producer_state *s = log_producer_state_create(10);
    cr_assert_eq(check(s, -1, -1, -1, 1), LOG_PRODUCER_NEW);
    record(s, -1, -1, -1, 1, 5, 1);
    cr_assert_eq(log_producer_count(s), 0);
    log_producer_state_destroy(s);
}

Test(log_producer_state, evicts_the_producer_applied_least_recently)
{
    struct log_producer_state *s = log_producer_state_create(3);
    for (int64_t id = 1; id <= 3; id++)
        record(s, id, 0, 0, 1, id, 1);
    record(s, 1, 0, 1, 1, 4, 1); /* 1 is the latest now */
    record(s, 4, 0, 0, 1, 5, 1);
    cr_assert_eq(log_producer_count(s), 3);
    cr_assert_eq(check(s, 2, 0, 1, 1), LOG_PRODUCER_UNKNOWN);
    cr_assert_eq(check(s, 1, 0, 2, 1), LOG_PRODUCER_NEW);
    log_producer_state_destroy(s);
}

Test(log_producer_state, expires_by_the_clock_of_entries)
{
    struct log_producer_state *s = log_producer_state_create(10);
    record(s, 1, 0, 0, 1, 1, 500);
    record(s, 2, 0, 0, 1, 2, 300); /* a leader with a slower clock */
    record(s, 3, 0, 0, 1, 3, 400);
    log_producer_expire(s, 400);
    cr_assert_eq(log_producer_count(s), 2);
    cr_assert_eq(check(s, 2, 0, 1, 1), LOG_PRODUCER_UNKNOWN);
    cr_assert_eq(check(s, 3, 0, 1, 1), LOG_PRODUCER_NEW);
    log_producer_state_destroy(s);
}

static struct bytes encoded(const struct log_producer_state *s)
{
    size_t size = log_producer_state_encoded_size(s);
    uint8_t *bytes = malloc(size);
    log_producer_state_encode(s, bytes);
    return bytes_of(bytes, size);
}

static void record_at_random(struct log_producer_state *s, struct random *r, int64_t offset)
{
    int64_t id = (int64_t)random_below(r, 12);
    int16_t epoch = (int16_t)random_below(r, 2);
    int32_t count = (int32_t)random_below(r, 5) + 1;
    for (int32_t base = 0; base < 40; base++)
        if (check(s, id, epoch, base, count) == LOG_PRODUCER_NEW) {
            record(s, id, epoch, base, count, offset, (int64_t)random_below(r, 1000));
            return;
        }
}

Test(log_producer_state, goes_on_the_same_after_being_stored_at_any_moment)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct random one, two;
        random_init(&one, seed);
        struct log_producer_state *s = log_producer_state_create(8);
        struct log_producer_state *copy = log_producer_state_create(8);
        for (int i = 0; i < (int)(seed % 50); i++)
            record_at_random(s, &one, i);
        struct bytes stored = encoded(s);
        cr_assert_eq(log_producer_state_decode(copy, stored), 0);
        two = one;
        for (int i = 0; i < 60; i++) {
            record_at_random(s, &one, i);
            record_at_random(copy, &two, i);
        }
        struct bytes a = encoded(s), b = encoded(copy);
        cr_assert(bytes_is_equal(a, b), "seed %lu", (unsigned long)seed);
        free((void *)(uintptr_t)stored.data);
        free((void *)(uintptr_t)a.data);
        free((void *)(uintptr_t)b.data);
        log_producer_state_destroy(s);
        log_producer_state_destroy(copy);
    }
}

Test(log_producer_state, refuses_stored_bytes_cut_anywhere_and_stays_empty)
{
    struct log_producer_state *s = log_producer_state_create(8);
    for (int64_t id = 0; id < 4; id++)
        for (int32_t i = 0; i < 6; i++)
            record(s, id, 0, i, 1, i, 1);
    struct bytes stored = encoded(s);
    for (size_t size = 0; size < stored.size; size++) {
        cr_assert_eq(log_producer_state_decode(s, bytes_of(stored.data, size)), ERR_MALFORMED);
        cr_assert_eq(log_producer_count(s), 0);
    }
    cr_assert_eq(log_producer_state_decode(s, stored), 0);
    cr_assert_eq(log_producer_count(s), 4);
    free((void *)(uintptr_t)stored.data);
    log_producer_state_destroy(s);
}

static bool is_jump(const struct log_producer_state *s, int64_t id, int16_t epoch, int32_t sequence)
{
    struct log_producer_batch batch = {.producer_id = id,
                                       .producer_epoch = epoch,
                                       .base_sequence = sequence,
                                       .last_sequence = sequence};
    return log_producer_is_jump(s, &batch);
}

Test(log_producer_state, lets_each_producer_leave_out_what_a_forced_recovery_lost_once)
{
    struct log_producer_state *s = log_producer_state_create(10);
    struct log_producer_state *read_back = log_producer_state_create(10);
    uint8_t bytes[400];
    record(s, 7, 0, 0, 5, 100, 1);
    log_producer_stride(s, 50);
    size_t size = log_producer_state_encoded_size(s);
    log_producer_state_encode(s, bytes);
    cr_assert_eq(log_producer_state_decode(read_back, bytes_of(bytes, size)), 0);
    cr_assert_eq(check(read_back, 7, 0, 0, 5), LOG_PRODUCER_DUPLICATE, "repeats are still known");
    cr_assert_eq(check(read_back, 7, 0, 9, 1), LOG_PRODUCER_NEW, "5 to 8 were lost");
    cr_assert_eq(check(read_back, 7, 2, 9, 1), LOG_PRODUCER_NEW, "its epoch rose there");
    cr_assert_eq(check(read_back, 8, 0, 30, 1), LOG_PRODUCER_NEW, "it began there");
    cr_assert_eq(check(read_back, 50, 0, 30, 1), LOG_PRODUCER_UNKNOWN, "its id is younger");
    cr_assert(is_jump(read_back, 7, 0, 9) && is_jump(read_back, 7, 2, 9) &&
              is_jump(read_back, 8, 0, 30));
    cr_assert_not(is_jump(read_back, 7, 0, 5), "it follows");
    cr_assert_not(is_jump(read_back, 7, 0, 0), "a repeat");
    cr_assert_not(is_jump(read_back, 8, 0, 0), "its first");
    cr_assert_not(is_jump(read_back, 50, 0, 30), "a gap as any");
    record(read_back, 7, 0, 9, 1, 200, 2);
    cr_assert_eq(check(read_back, 7, 0, 11, 1), LOG_PRODUCER_OUT_OF_ORDER, "only once");
    cr_assert_eq(check(read_back, 7, 0, 5, 1), LOG_PRODUCER_OLD_DUPLICATE);
    log_producer_state_destroy(s);
    log_producer_state_destroy(read_back);
}

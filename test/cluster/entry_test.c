/* The bodies of partition-state and log-start entries: every field there and back, and every
 * malformed form refused. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "base/random.h"
#include "cluster/entry.h"

static struct partition_state some_state(void)
{
    return (struct partition_state){
        .action = PARTITION_OPEN,
        .flags = PARTITION_IS_OFFSETS,
        .id = {.topic_id = {1, 2, 3, [15] = 16}, .partition = 7},
        .start_offset = 1234567890123,
        .epoch_base = 5,
        .settings = {.segment_bytes = 1 << 20,
                     .segment_ms = 604800000,
                     .index_interval_bytes = 4096,
                     .producer_count_max = 1000},
        .metadata_version = 99,
    };
}

static int decode(const uint8_t *bytes, size_t size)
{
    struct partition_state state;
    return partition_state_decode(bytes_of(bytes, size), &state);
}

Test(cluster_entry, partition_state_comes_back_as_it_was)
{
    uint8_t bytes[PARTITION_STATE_SIZE], again[PARTITION_STATE_SIZE];
    struct partition_state from = some_state(), into;
    cr_assert_eq(partition_state_encode(&from, bytes), sizeof bytes);
    cr_assert_eq(partition_state_decode(bytes_of(bytes, sizeof bytes), &into), 0);
    cr_assert_eq(into.action, from.action);
    cr_assert_eq(into.flags, from.flags);
    cr_assert_eq(into.id.partition, from.id.partition);
    cr_assert_arr_eq(into.id.topic_id, from.id.topic_id, 16);
    cr_assert_eq(into.start_offset, from.start_offset);
    cr_assert_eq(into.epoch_base, from.epoch_base);
    cr_assert_eq(into.settings.segment_ms, from.settings.segment_ms);
    cr_assert_eq(into.settings.producer_count_max, from.settings.producer_count_max);
    cr_assert_eq(into.metadata_version, from.metadata_version);
    partition_state_encode(&into, again);
    cr_assert_arr_eq(bytes, again, sizeof bytes);
}

Test(cluster_entry, partition_state_of_another_length_is_malformed)
{
    uint8_t bytes[PARTITION_STATE_SIZE + 1] = {0};
    struct partition_state state = some_state();
    partition_state_encode(&state, bytes);
    for (size_t size = 0; size < PARTITION_STATE_SIZE; size++)
        cr_assert_eq(decode(bytes, size), ERR_MALFORMED, "%zu bytes", size);
    cr_assert_eq(decode(bytes, sizeof bytes), ERR_MALFORMED);
}

Test(cluster_entry, partition_state_of_another_version_is_told_apart)
{
    uint8_t bytes[PARTITION_STATE_SIZE];
    struct partition_state state = some_state();
    partition_state_encode(&state, bytes);
    bytes[0] = 2;
    cr_assert_eq(decode(bytes, sizeof bytes), ERR_VERSION);
    cr_assert_eq(decode(bytes, 10), ERR_VERSION, "a later version may be shorter");
}

Test(cluster_entry, partition_state_with_a_field_that_cannot_be_is_malformed)
{
    struct partition_state state = some_state();
    struct {
        size_t at;
        uint8_t value;
    } bad[] = {
        {2, 0},    {2, 7},               /* action: none, one of a later release */
        {3, 1},    {4, 2},    {6, 1},    /* unused, an unknown flag, unused */
        {27, 128}, {31, 128}, {39, 128}, /* partition, epoch base, start offset below 0 */
        {47, 128}, {55, 128}, {63, 128}, /* segment bytes, segment ms, index interval below 0 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[PARTITION_STATE_SIZE];
        partition_state_encode(&state, bytes);
        bytes[bad[i].at] = bad[i].value;
        cr_assert_eq(decode(bytes, sizeof bytes), ERR_MALFORMED, "byte %zu", bad[i].at);
    }
    state.settings.producer_count_max = 0;
    uint8_t bytes[PARTITION_STATE_SIZE];
    partition_state_encode(&state, bytes);
    cr_assert_eq(decode(bytes, sizeof bytes), ERR_MALFORMED);
}

Test(cluster_entry, log_start_advance_comes_back_or_is_malformed)
{
    uint8_t bytes[LOG_START_ADVANCE_SIZE + 1] = {0};
    struct log_start_advance from = {.reason = LOG_START_DELETE_RECORDS, .start_offset = 1 << 30};
    struct log_start_advance into;
    cr_assert_eq(log_start_advance_encode(&from, bytes), LOG_START_ADVANCE_SIZE);
    cr_assert_eq(log_start_advance_decode(bytes_of(bytes, LOG_START_ADVANCE_SIZE), &into), 0);
    cr_assert_eq(into.reason, from.reason);
    cr_assert_eq(into.start_offset, from.start_offset);
    for (size_t size = 0; size <= sizeof bytes; size++)
        if (size != LOG_START_ADVANCE_SIZE)
            cr_assert_eq(log_start_advance_decode(bytes_of(bytes, size), &into), ERR_MALFORMED);
    bytes[11] = 128;
    cr_assert_eq(log_start_advance_decode(bytes_of(bytes, LOG_START_ADVANCE_SIZE), &into),
                 ERR_MALFORMED, "an offset below 0");
    bytes[11] = 0;
    bytes[2] = 3;
    cr_assert_eq(log_start_advance_decode(bytes_of(bytes, LOG_START_ADVANCE_SIZE), &into),
                 ERR_MALFORMED, "no such reason");
    bytes[0] = 9;
    cr_assert_eq(log_start_advance_decode(bytes_of(bytes, LOG_START_ADVANCE_SIZE), &into),
                 ERR_VERSION);
}

Test(cluster_entry, random_bytes_are_refused_or_come_back_the_same)
{
    struct random random;
    random_init(&random, 11);
    unsigned understood = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[PARTITION_STATE_SIZE], again[PARTITION_STATE_SIZE];
        struct partition_state state = some_state();
        partition_state_encode(&state, bytes);
        bytes[random_below(&random, sizeof bytes)] = (uint8_t)random_u64(&random);
        if (partition_state_decode(bytes_of(bytes, sizeof bytes), &state) != 0)
            continue;
        understood++;
        partition_state_encode(&state, again);
        cr_assert_arr_eq(bytes, again, sizeof bytes);
    }
    cr_assert_gt(understood, 1000);
}

/* What entries do to a group's machine: offsets, verdicts, closing, waiters. */
#include "machine_stage.h"

Test(cluster_machine, gives_offsets_one_after_the_other)
{
    struct machine_stage s;
    machine_stage_open(&s, NULL);
    cr_assert_eq(stage_open_partition(&s, 1), 0);
    for (int64_t expected = 0; expected < 30; expected += 3) {
        struct machine_result result = stage_produce(&s, 1, (struct batch_of){.record_count = 3});
        cr_assert_eq(result.error, 0);
        cr_assert_eq(result.verdict, LOG_PRODUCER_NEW);
        cr_assert_eq(result.base_offset, expected);
        cr_assert_eq(result.log_append_time_ms, -1);
    }
    cr_assert_eq(stage_next_offset(&s, 1), 30);
    machine_stage_close(&s);
}

Test(cluster_machine, gives_the_leader_epoch_from_base_and_term)
{
    struct machine_stage s;
    struct partition_state state = stage_state(PARTITION_OPEN, 1);
    machine_stage_open(&s, NULL);
    state.epoch_base = 40;
    cr_assert_eq(stage_put_state(&s, 1, &state), 0);
    s.term = 7;
    stage_produce(&s, 1, (struct batch_of){.record_count = 1});
    cr_assert_eq(log_partition_last_epoch(machine_partition(s.machine, 1)->log), 47);
    machine_stage_close(&s);
}

Test(cluster_machine, answers_a_repeated_batch_with_its_first_place_and_time)
{
    struct machine_stage s;
    struct batch_of of = {.record_count = 2, .producer_id = 9, .append_time_ms = 7000};
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    stage_produce(&s, 1, (struct batch_of){.record_count = 5});
    struct machine_result first = stage_produce(&s, 1, of);
    cr_assert_eq(first.log_append_time_ms, 7000);
    of.append_time_ms = 8000; /* the leader stamped the repetition anew */
    struct machine_result again = stage_produce(&s, 1, of);
    cr_assert_eq(again.error, 0);
    cr_assert_eq(again.verdict, LOG_PRODUCER_DUPLICATE);
    cr_assert_eq(again.base_offset, 5);
    cr_assert_eq(again.log_append_time_ms, 7000);
    cr_assert_eq(stage_next_offset(&s, 1), 7);
    machine_stage_close(&s);
}

Test(cluster_machine, refuses_a_gap_an_old_epoch_and_an_unknown_producer)
{
    struct machine_stage s;
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    struct batch_of of = {.record_count = 1, .producer_id = 9, .base_sequence = 4};
    cr_assert_eq(stage_produce(&s, 1, of).verdict, LOG_PRODUCER_UNKNOWN);
    of.base_sequence = 0;
    of.producer_epoch = 2;
    cr_assert_eq(stage_produce(&s, 1, of).verdict, LOG_PRODUCER_NEW);
    of.base_sequence = 2;
    cr_assert_eq(stage_produce(&s, 1, of).verdict, LOG_PRODUCER_OUT_OF_ORDER);
    of.base_sequence = 1;
    of.producer_epoch = 1;
    cr_assert_eq(stage_produce(&s, 1, of).verdict, LOG_PRODUCER_FENCED);
    cr_assert_eq(stage_next_offset(&s, 1), 1, "nothing refused was kept");
    struct machine_counters counters;
    machine_counters(s.machine, &counters);
    cr_assert_eq(counters.batches, 1);
    cr_assert_eq(counters.out_of_order, 2);
    cr_assert_eq(counters.fenced, 1);
    machine_stage_close(&s);
}

Test(cluster_machine, forgets_idle_producers_when_an_entry_says_so)
{
    struct machine_stage s;
    uint8_t body[10];
    struct batch_of of = {.record_count = 1, .producer_id = 9};
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    stage_produce(&s, 1, of);
    bytes_put_le64(bytes_put_le16(body, 1), 1001);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_PRODUCER_STATE, 1, bytes_of(body, 10)).error, 0);
    of.base_sequence = 1;
    cr_assert_eq(stage_produce(&s, 1, of).verdict, LOG_PRODUCER_UNKNOWN);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_PRODUCER_STATE, 1, bytes_of(body, 9)).error,
                 ERR_MALFORMED);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_PRODUCER_STATE, 2, bytes_of(body, 10)).error,
                 ERR_NOT_FOUND);
    machine_stage_close(&s);
}

Test(cluster_machine, has_a_verdict_for_a_batch_of_no_partition)
{
    struct machine_stage s;
    machine_stage_open(&s, NULL);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 1}).error, ERR_NOT_FOUND);
    stage_open_partition(&s, 1);
    cr_assert_eq(stage_close_partition(&s, 1), 0);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 1}).error, ERR_NOT_FOUND);
    cr_assert_eq(stage_close_partition(&s, 1), ERR_NOT_FOUND);
    struct machine_counters counters;
    machine_counters(s.machine, &counters);
    cr_assert_eq(counters.unknown_partition, 2);
    machine_stage_close(&s);
}

Test(cluster_machine, opens_a_partition_once)
{
    struct machine_stage s;
    machine_stage_open(&s, NULL);
    cr_assert_eq(stage_open_partition(&s, 0), ERR_EXISTS, "0 stands for none");
    cr_assert_eq(stage_open_partition(&s, 1), 0);
    cr_assert_eq(stage_open_partition(&s, 1), ERR_EXISTS);
    machine_stage_close(&s);
}

Test(cluster_machine, does_not_open_again_what_an_older_metadata_asks_for)
{
    struct machine_stage s;
    struct partition_state open = stage_state(PARTITION_OPEN, 1);
    struct partition_state close = stage_state(PARTITION_CLOSE, 1);
    machine_stage_open(&s, NULL);
    open.metadata_version = 5;
    cr_assert_eq(stage_put_state(&s, 1, &open), 0);
    close.metadata_version = 8;
    cr_assert_eq(stage_put_state(&s, 1, &close), 0);
    open.metadata_version = 7;
    cr_assert_eq(stage_put_state(&s, 1, &open), ERR_INVALID, "by a leader who had not heard");
    struct partition_state other = stage_state(PARTITION_OPEN, 2);
    other.metadata_version = 8;
    cr_assert_eq(stage_put_state(&s, 2, &other), 0);
    machine_stage_close(&s);
}

Test(cluster_machine, refuses_a_batch_beyond_the_last_offset)
{
    struct machine_stage s;
    struct partition_state state = stage_state(PARTITION_OPEN, 1);
    machine_stage_open(&s, NULL);
    state.start_offset = INT64_MAX - 3;
    cr_assert_eq(stage_put_state(&s, 1, &state), 0);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 4}).error, ERR_MALFORMED);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 2}).error, 0);
    cr_assert_eq(stage_next_offset(&s, 1), INT64_MAX - 1);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 2}).error, ERR_MALFORMED);
    machine_stage_close(&s);
}

Test(cluster_machine, refuses_bytes_that_are_not_one_whole_batch)
{
    struct machine_stage s;
    uint8_t bytes[512] = {0};
    struct slice batch = stage_batch(&(struct batch_of){.record_count = 2});
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    memcpy(bytes, batch.bytes.data, batch.bytes.size);
    for (size_t size = 0; size <= batch.bytes.size + 1; size++)
        if (size != batch.bytes.size)
            cr_assert_eq(stage_apply_bytes(&s, ENTRY_RECORD_BATCH, 1, bytes_of(bytes, size)).error,
                         ERR_MALFORMED, "%zu bytes", size);
    bytes_put_be32(bytes + 23, INT32_MAX); /* a last offset delta whose count is no number */
    cr_assert_eq(
        stage_apply_bytes(&s, ENTRY_RECORD_BATCH, 1, bytes_of(bytes, batch.bytes.size)).error,
        ERR_MALFORMED);
    cr_assert_eq(stage_next_offset(&s, 1), 0);
    slice_unref(&batch);
    machine_stage_close(&s);
}

Test(cluster_machine, takes_no_batches_into_a_partition_of_consumer_offsets)
{
    struct machine_stage s;
    struct partition_state state = stage_state(PARTITION_OPEN, 1);
    machine_stage_open(&s, NULL);
    state.flags = PARTITION_IS_OFFSETS;
    cr_assert_eq(stage_put_state(&s, 1, &state), 0);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 1}).error, ERR_MALFORMED);
    machine_stage_close(&s);
}

static int advance_start(struct machine_stage *s, uint32_t number, int64_t offset, int64_t *start)
{
    uint8_t body[LOG_START_ADVANCE_SIZE];
    struct log_start_advance advance = {.reason = LOG_START_DELETE_RECORDS, .start_offset = offset};
    size_t size = log_start_advance_encode(&advance, body);
    struct machine_result result = stage_apply_bytes(s, ENTRY_LOG_START, number,
                                                     bytes_of(body, size));
    *start = result.log_start_offset;
    return result.error;
}

Test(cluster_machine, moves_the_log_start_forward_only_and_not_beyond_the_end)
{
    struct machine_stage s;
    int64_t start;
    machine_stage_open(&s, NULL);
    cr_assert_eq(advance_start(&s, 1, 4, &start), ERR_NOT_FOUND);
    stage_open_partition(&s, 1);
    stage_produce(&s, 1, (struct batch_of){.record_count = 10});
    cr_assert_eq(advance_start(&s, 1, 4, &start), 0);
    cr_assert_eq(start, 4);
    cr_assert_eq(advance_start(&s, 1, 2, &start), 0);
    cr_assert_eq(start, 4);
    cr_assert_eq(advance_start(&s, 1, 99, &start), 0);
    cr_assert_eq(start, 10);
    cr_assert_eq(stage_produce(&s, 1, (struct batch_of){.record_count = 1}).log_start_offset, 10);
    machine_stage_close(&s);
}

Test(cluster_machine, has_a_verdict_for_kinds_it_does_not_know)
{
    struct machine_stage s;
    machine_stage_open(&s, NULL);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_NOTHING, 0, (struct bytes){0}).error, 0);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_COMPACTION_STEP, 1, (struct bytes){0}).error,
                 ERR_NOT_FOUND);
    cr_assert_eq(stage_apply_bytes(&s, (enum entry_kind)200, 1, (struct bytes){0}).error,
                 ERR_INVALID);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_METADATA, 0, (struct bytes){0}).error, ERR_INVALID,
                 "only group 0 carries metadata");
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_GROUP_STATE, 1, (struct bytes){0}).error,
                 ERR_NOT_FOUND);
    machine_stage_close(&s);
}

Test(cluster_machine, follows_the_clock_and_the_feature_level_of_its_log)
{
    struct machine_stage s;
    uint8_t body[6];
    machine_stage_open(&s, NULL);
    s.wall_ms = 123456;
    bytes_put_le32(bytes_put_le16(body, 1), ENTRY_FEATURE_LEVEL_MAX);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_FEATURE_LEVEL, 0, bytes_of(body, 6)).error, 0);
    cr_assert_eq(machine_feature_level(s.machine), ENTRY_FEATURE_LEVEL_MAX);
    cr_assert_eq(machine_wall_ms(s.machine), 123456);
    bytes_put_le32(body + 2, 0);
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_FEATURE_LEVEL, 0, bytes_of(body, 6)).error,
                 ERR_MALFORMED, "it never goes down");
    machine_stage_close(&s);
}

/* ---- waiters ---- */

struct wakes {
    struct partition_waiter waiter;
    unsigned count;
};

static void on_wake(struct partition_waiter *waiter)
{
    struct wakes *w = waiter->data;
    w->count++;
}

static void wait_for(struct machine_stage *s, struct wakes *w, int64_t offset)
{
    *w = (struct wakes){.waiter = {.offset = offset, .on_wake = on_wake}};
    w->waiter.data = w;
    machine_wait(machine_partition(s->machine, 1), &w->waiter);
}

Test(cluster_machine, wakes_each_waiter_once_when_its_offset_is_passed)
{
    struct machine_stage s;
    struct wakes early, late, cancelled;
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    wait_for(&s, &early, 0);
    wait_for(&s, &late, 3);
    wait_for(&s, &cancelled, 0);
    machine_wait_cancel(&cancelled.waiter);
    machine_wait_cancel(&cancelled.waiter); /* also when not listed */
    stage_produce(&s, 1, (struct batch_of){.record_count = 3});
    cr_assert_eq(early.count, 0, "apply only marks; the turn wakes");
    s.callbacks.on_progress(s.machine);
    cr_assert_eq(early.count, 1);
    cr_assert_eq(late.count, 0, "the next offset is 3, not above");
    stage_produce(&s, 1, (struct batch_of){.record_count = 1});
    s.callbacks.on_progress(s.machine);
    s.callbacks.on_progress(s.machine);
    cr_assert_eq(early.count, 1);
    cr_assert_eq(late.count, 1);
    cr_assert_eq(cancelled.count, 0);
    machine_stage_close(&s);
}

Test(cluster_machine, wakes_waiters_when_the_partition_closes_or_the_role_changes)
{
    struct machine_stage s;
    struct wakes role, closed;
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    wait_for(&s, &role, 0);
    s.callbacks.on_role(s.machine, REPL_LEADER, 4);
    cr_assert_eq(role.count, 1);
    cr_assert(machine_is_ready(s.machine));
    cr_assert_eq(machine_leader_epoch(s.machine, machine_partition(s.machine, 1)), 4);
    wait_for(&s, &closed, 0);
    stage_produce(&s, 1, (struct batch_of){.record_count = 1}); /* grown, and closed in one turn */
    stage_close_partition(&s, 1);
    cr_assert_eq(closed.count, 1);
    s.callbacks.on_progress(s.machine);
    cr_assert_eq(closed.count, 1);
    cr_assert_null(machine_partition(s.machine, 1));
    machine_stage_close(&s);
}

/* What a forced recovery does to a group's state (state/machine_recovery.c, metadata_recovery.c).
 */
#include "cluster/recovery_entry.h"
#include "cluster/switch.h"
#include "consumer_bodies.h"
#include "machine_stage.h"
#include "metadata_bodies.h"

#define STRIDE LOG_OFFSET_STRIDE

static struct recovery_entry recovery_of(unsigned group_count)
{
    struct recovery_entry entry = {.generation = 1,
                                   .recovery_id = 77,
                                   .producer_id_end = RECOVERY_PRODUCER_STRIDE,
                                   .known_until_ms = 900,
                                   .lost_records = 3,
                                   .site = "c",
                                   .group_count = group_count,
                                   .forecast_pause_ms = 800};
    for (unsigned i = 0; i < group_count; i++)
        entry.group_ids[i] = i;
    return entry;
}

static int recover(struct machine_stage *s)
{
    uint8_t body[RECOVERY_ENTRY_SIZE_MAX];
    struct recovery_entry entry = recovery_of(13);
    size_t size = recovery_entry_encode(&entry, body);
    return stage_apply_bytes(s, ENTRY_RECOVERY, 0, bytes_of(body, size)).error;
}

Test(cluster_recovery_entry, comes_back_from_its_bytes_and_no_other_is_taken)
{
    uint8_t body[RECOVERY_ENTRY_SIZE_MAX + 1] = {0};
    struct recovery_entry entry = recovery_of(5), read;
    size_t size = recovery_entry_encode(&entry, body);
    cr_assert_eq(recovery_entry_decode(bytes_of(body, size), &read), 0);
    cr_assert_eq(memcmp(&read, &entry, sizeof entry), 0);
    cr_assert_eq(recovery_entry_decode(bytes_of(body, size + 1), &read), ERR_MALFORMED);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(recovery_entry_decode(bytes_of(body, cut), &read),
                     cut == size - 8 ? 0 : ERR_MALFORMED, "without a forecast it is whole as well");
    bytes_put_le16(body, 2);
    cr_assert_eq(recovery_entry_decode(bytes_of(body, size), &read), ERR_VERSION);
}

Test(cluster_recovery_entry, moves_offsets_and_leader_epochs_on)
{
    struct machine_stage s;
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    stage_produce(&s, 1, (struct batch_of){.record_count = 3});
    cr_assert_eq(recover(&s), 0);
    struct partition *p = machine_partition(s.machine, 1);
    cr_assert_eq(stage_next_offset(&s, 1), STRIDE);
    cr_assert_eq(p->epoch_base, RECOVERY_EPOCH_STRIDE);
    struct machine_result placed = stage_produce(&s, 1, (struct batch_of){.record_count = 1});
    cr_assert_eq(placed.base_offset, STRIDE);
    cr_assert_eq(log_partition_last_epoch(p->log), RECOVERY_EPOCH_STRIDE + (int32_t)s.term);
    cr_assert_eq(recover(&s), 0, "it may come again");
    cr_assert_eq(stage_next_offset(&s, 1), 2 * STRIDE);
    machine_stage_close(&s);
}

Test(cluster_recovery_entry, lets_an_idempotent_producer_go_on_behind_what_was_lost)
{
    struct machine_stage s;
    struct batch_of batch = {.record_count = 2, .producer_id = 8};
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    stage_produce(&s, 1, batch);
    cr_assert_eq(recover(&s), 0);
    batch.base_sequence = 10;
    cr_assert_eq(stage_produce(&s, 1, batch).verdict, LOG_PRODUCER_NEW);
    cr_assert_eq(stage_produce(&s, 1, batch).verdict, LOG_PRODUCER_DUPLICATE);
    batch.base_sequence = 20;
    cr_assert_eq(stage_produce(&s, 1, batch).verdict, LOG_PRODUCER_OUT_OF_ORDER);
    machine_stage_close(&s);
}

Test(cluster_recovery_entry, ends_memberships_and_keeps_what_groups_have_committed)
{
    struct consumer_table *t;
    struct consumer_group group;
    struct consumer_offset offset;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct byte_list generation = generation_body("g", 1);
    cr_assert_eq(apply_error(t, &generation, 10), 0);
    struct byte_list commit = commit_body("other", -1, "", "orders", 0, 500);
    cr_assert_eq(apply_error(t, &commit, 10), 0);
    consumer_table_stride(t, RECOVERY_GENERATION_STRIDE, 20);
    cr_assert(consumer_table_group(t, kafka_string_of("g"), &group));
    cr_assert_eq(group.generation_taken, 1 + RECOVERY_GENERATION_STRIDE);
    cr_assert_not(group.has_membership);
    cr_assert_eq(consumer_table_generation_floor(t), RECOVERY_GENERATION_STRIDE);
    cr_assert(
        consumer_table_offset(t, kafka_string_of("other"), kafka_string_of("orders"), 0, &offset));
    cr_assert_eq(offset.committed.offset, 500);
    consumer_table_destroy(t);
}

/* Their members are about to come back: by the sweep it has been empty since the recovery only. */
Test(cluster_recovery_entry, leaves_a_group_whose_members_it_ends_empty_from_then_on)
{
    struct consumer_table *t, *again;
    struct consumer_group group;
    uint8_t *bytes, *same;
    size_t size, same_size;
    cr_assert_eq(consumer_table_create(&t), 0);
    cr_assert_eq(consumer_table_create(&again), 0);
    struct byte_list generation = generation_body("g", 1);
    cr_assert_eq(apply_error(t, &generation, 10), 0);
    struct byte_list membership = membership_body("g", 1, 1);
    cr_assert_eq(apply_error(t, &membership, 10), 0);
    consumer_table_stride(t, RECOVERY_GENERATION_STRIDE, 5000);
    consumer_table_stride(t, RECOVERY_GENERATION_STRIDE, 9000);
    cr_assert_eq(consumer_table_encode(t, &bytes, &size), 0);
    cr_assert_eq(consumer_table_decode(again, bytes_of(bytes, size)), 0);
    cr_assert(consumer_table_group(again, kafka_string_of("g"), &group));
    cr_assert_eq(group.changed_at_ms, 5000, "another recovery finds it empty");
    cr_assert_eq(consumer_table_encode(again, &same, &same_size), 0);
    cr_assert(bytes_is_equal(bytes_of(bytes, size), bytes_of(same, same_size)));
    free(bytes);
    free(same);
    consumer_table_destroy(again);
    consumer_table_destroy(t);
}

static void commit_for(struct consumer_table *t, const char *group, int32_t generation,
                       int64_t expire_at_ms)
{
    struct byte_list body = {0};
    struct group_commit commit = {.generation = generation,
                                  .member_id = kafka_string_of(generation < 0 ? "" : "m0"),
                                  .instance_id = KAFKA_STRING_NULL,
                                  .client_id = kafka_string_of("client"),
                                  .client_host = kafka_string_of("/127.0.0.1"),
                                  .expire_at_ms = expire_at_ms,
                                  .policy = GROUP_POLICY_GUARD,
                                  .offset_count = 1};
    struct group_offset offset = {.topic = kafka_string_of("orders"),
                                  .metadata = kafka_string_of("")};
    group_commit_put(&body, kafka_string_of(group), &commit);
    group_offset_put(&body, &offset);
    cr_assert_eq(apply_error(t, &body, 10), 0);
}

static int64_t expires_at_ms(const struct consumer_table *t, const char *group)
{
    struct consumer_offset offset;
    cr_assert(
        consumer_table_offset(t, kafka_string_of(group), kafka_string_of("orders"), 0, &offset));
    return offset.expire_at_ms;
}

/* While they were there it did not count, and was over long ago. */
Test(cluster_recovery_entry, counts_the_time_that_an_old_client_gave_from_where_it_ends_members)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct byte_list generation = generation_body("g", 1);
    cr_assert_eq(apply_error(t, &generation, 10), 0);
    struct byte_list membership = membership_body("g", 1, 1);
    cr_assert_eq(apply_error(t, &membership, 10), 0);
    commit_for(t, "g", 1, 110);
    commit_for(t, "far", -1, 110);
    consumer_table_stride(t, RECOVERY_GENERATION_STRIDE, 5000);
    cr_assert_eq(expires_at_ms(t, "g"), 5100);
    cr_assert_eq(expires_at_ms(t, "far"), 110, "it had no members");
    consumer_table_stride(t, RECOVERY_GENERATION_STRIDE, 9000);
    cr_assert_eq(expires_at_ms(t, "g"), 5100, "another recovery finds it empty");
    consumer_table_destroy(t);
}

Test(cluster_recovery_entry, keeps_for_ever_what_an_old_client_wanted_kept_for_ever)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct byte_list generation = generation_body("g", 1);
    cr_assert_eq(apply_error(t, &generation, 10), 0);
    struct byte_list membership = membership_body("g", 1, 1);
    cr_assert_eq(apply_error(t, &membership, 10), 0);
    commit_for(t, "g", 1, INT64_MAX);
    consumer_table_stride(t, RECOVERY_GENERATION_STRIDE, 5000);
    cr_assert_eq(expires_at_ms(t, "g"), INT64_MAX);
    consumer_table_destroy(t);
}

Test(cluster_recovery_entry, moves_the_numbers_of_group_zero_on_and_comes_back_from_a_checkpoint)
{
    struct meta t = meta_founded(), again = meta_create();
    struct metadata_result result;
    struct recovery_entry entry = recovery_of(1 + BODY_DATA_GROUPS);
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 3), 0);
    uint64_t epoch = metadata_failover_epoch(t.m);
    cr_assert_eq(metadata_apply_recovery(t.m, ++t.index, 5000, &entry, &result), 0);
    cr_assert_eq(metadata_next_producer_id(t.m), RECOVERY_PRODUCER_STRIDE);
    cr_assert_eq(metadata_failover_epoch(t.m), epoch + RECOVERY_NUMBER_STRIDE);
    cr_assert_eq(metadata_version(t.m), t.index);
    const struct metadata_epoch *row = metadata_epoch_of(t.m, metadata_failover_epoch(t.m));
    cr_assert_eq(row->cause, METADATA_EPOCH_RECOVERY);
    cr_assert_eq(row->forecast_lost_records, 3);
    cr_assert_eq(row->forecast_pause_ms, 800);
    cr_assert_eq(row->outcome, METADATA_EPOCH_UNDER_WAY, "until its groups serve");
    cr_assert_str_eq(row->to, "c");
    const struct metadata_topic *topic = meta_topic(&t, "orders");
    for (int32_t i = 0; i < 3; i++)
        cr_assert_eq(topic->partitions[i].epoch_base, RECOVERY_EPOCH_STRIDE);
    cr_assert_gt(metadata_group_by_id(t.m, 4)->next_partition_number, RECOVERY_NUMBER_STRIDE);
    struct bytes bytes = meta_bytes(t.m);
    cr_assert_eq(metadata_decode(again.m, bytes), 0);
    struct bytes same = meta_bytes(again.m);
    cr_assert(bytes_is_equal(bytes, same));
    free((void *)(uintptr_t)bytes.data);
    free((void *)(uintptr_t)same.data);
    metadata_destroy(t.m);
    metadata_destroy(again.m);
}

static void recover_all(struct meta *t, unsigned times)
{
    struct metadata_result result;
    struct recovery_entry entry = recovery_of(1 + BODY_DATA_GROUPS);
    entry.producer_id_end = times * RECOVERY_PRODUCER_STRIDE;
    cr_assert_eq(metadata_apply_recovery(t->m, ++t->index, 5000, &entry, &result), 0);
}

static int64_t first_offset(const struct meta *t, const char *topic)
{
    return metadata_first_offset(t->m, &meta_topic(t, topic)->partitions[0]);
}

Test(cluster_recovery_entry, lets_a_partition_that_was_not_open_yet_begin_behind_the_strides)
{
    struct meta t = meta_founded();
    meta_topic_create(&t, 1, "before", 1);
    cr_assert_eq(first_offset(&t, "before"), 0);
    recover_all(&t, 1);
    meta_topic_create(&t, 2, "between", 1);
    cr_assert_eq(first_offset(&t, "before"), STRIDE);
    cr_assert_eq(first_offset(&t, "between"), 0, "the lost side never knew of it");
    recover_all(&t, 2);
    meta_topic_create(&t, 3, "after", 1);
    cr_assert_eq(first_offset(&t, "before"), 2 * STRIDE);
    cr_assert_geq(first_offset(&t, "between"), STRIDE);
    cr_assert_eq(first_offset(&t, "after"), 0);
    metadata_destroy(t.m);
}

/* As it would be, had it been open at each recovery. */
Test(cluster_recovery_entry, opens_a_partition_behind_a_gap_with_all_that_the_lost_side_may_have)
{
    struct machine_stage s;
    struct partition_state state = stage_state(PARTITION_OPEN, 1);
    struct batch_of batch = {.record_count = 2, .producer_id = 8, .base_sequence = 10};
    int64_t end;
    int32_t epoch;
    machine_stage_open(&s, NULL);
    state.start_offset = 2 * STRIDE;
    state.epoch_base = 2 * RECOVERY_EPOCH_STRIDE;
    cr_assert_eq(stage_put_state(&s, 1, &state), 0);
    struct partition *p = machine_partition(s.machine, 1);
    cr_assert_eq(log_partition_start_offset(p->log), 0, "who waits in the gap is not out of range");
    struct machine_result placed = stage_produce(&s, 1, batch);
    cr_assert_eq(placed.verdict, LOG_PRODUCER_NEW, "a producer of before goes on");
    cr_assert_eq(placed.base_offset, 2 * STRIDE, "no offset is given twice");
    log_partition_epoch_end(p->log, 7, &epoch, &end);
    cr_assert_eq(end, 2 * STRIDE, "an epoch of the lost side ends where the gap does");
    cr_assert_eq(log_partition_last_epoch(p->log), 2 * RECOVERY_EPOCH_STRIDE + (int32_t)s.term);
    cr_assert_eq(log_partition_count_between(p->log, 0, INT64_MAX), 2);
    cr_assert_eq(recover(&s), 0);
    cr_assert_eq(stage_next_offset(&s, 1), 3 * STRIDE);
    machine_stage_close(&s);
}

Test(cluster_recovery_entry, leaves_what_was_not_recovered_as_it_is)
{
    struct meta t = meta_founded();
    struct metadata_result result;
    struct recovery_entry entry = recovery_of(1);
    entry.group_ids[0] = 4;
    cr_assert_eq(meta_topic_create(&t, 1, "orders", BODY_DATA_GROUPS), 0);
    uint64_t epoch = metadata_failover_epoch(t.m);
    cr_assert_eq(metadata_apply_recovery(t.m, ++t.index, 5000, &entry, &result), 0);
    const struct metadata_topic *topic = meta_topic(&t, "orders");
    for (int32_t i = 0; i < BODY_DATA_GROUPS; i++)
        cr_assert_eq(topic->partitions[i].epoch_base,
                     topic->partitions[i].group_id == 4 ? RECOVERY_EPOCH_STRIDE : 0);
    cr_assert_eq(metadata_next_producer_id(t.m), 0);
    cr_assert_eq(metadata_failover_epoch(t.m), epoch + 1);
    metadata_destroy(t.m);
}

/* The consumer over librdkafka's own simulated brokers: what is handed out, what is committed, and
 * what bounds both. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "consumer_scene.h"

Test(client_consumer, hands_out_in_order_and_goes_on_behind_what_was_done)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "abcdef");
    scene_work_on(&s, "abc");
    const struct trilog_message *m = scene_take_letter(&s, 'd');
    cr_assert_str_eq(m->record.topic, "t");
    cr_assert_eq(m->offset, 3);
    cr_assert_eq(m->record.key_size, 1);
    cr_assert_eq(trilog_consumer_close(s.consumer, 0), TRILOG_ERR_TIMED_OUT, "one is in hand");
    cr_assert_str_eq(m->record.value, "d", "it stays readable until the consumer is destroyed");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_ERR_CLOSED);
    scene_reopen_as(&s, NULL);
    scene_work_on(&s, "def");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 6);
    scene_clear(&s);
}

Test(client_consumer, commits_up_to_the_first_that_is_not_done)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "abcd");
    const struct trilog_message *m[4];
    for (int i = 0; i < 4; i++)
        m[i] = scene_take(&s);
    cr_assert_eq(trilog_message_done(s.consumer, m[1]), TRILOG_OK);
    cr_assert_eq(trilog_message_done(s.consumer, m[0]), TRILOG_OK);
    cr_assert_eq(trilog_message_done(s.consumer, m[3]), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 2);
    cr_assert_eq(trilog_message_done(s.consumer, m[2]), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 4);
    scene_clear(&s);
}

Test(client_consumer, holds_no_more_than_its_bound_and_says_what_is_in_hand)
{
    struct scene s;
    scene_begin(&s, "consumer_records_max: 4\nstuck_after_ms: 300\n");
    scene_send_letters(&s, "abcdefgh");
    const struct trilog_message *m[4], *none;
    for (int i = 0; i < 4; i++)
        m[i] = scene_take_letter(&s, (char)('a' + i));
    cr_assert_eq(trilog_consumer_take(s.consumer, 1500, &none), TRILOG_ERR_IN_HAND);
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.in_hand_count, 4);
    cr_assert_eq(state.ready_count, 0);
    cr_assert_gt(state.in_hand_ms, 1000);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_STUCK, 2);
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_STUCK, "t-0 at 0 (key 'k') is in hand for ");
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_STUCK, "; 4 records are so for over 300 ms");
    for (int i = 0; i < 4; i++)
        cr_assert_eq(trilog_message_done(s.consumer, m[i]), TRILOG_OK);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_UNSTUCK, 1);
    scene_work_on(&s, "efgh");
    scene_assert_nothing(&s);
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_PARTITIONS), 1, "no rebalance");
    scene_clear(&s);
}

Test(client_consumer, is_bounded_in_bytes_too_and_hands_out_all_in_order)
{
    struct scene s;
    scene_begin(&s, "consumer_bytes_max: 1 MiB\nrecord_bytes_max: 1000000\n");
    char *value = malloc(300000);
    memset(value, 'x', 299999);
    value[299999] = '\0';
    for (int i = 0; i < 12; i++) {
        value[0] = (char)('a' + i);
        scene_send(&s, value, rd_kafka_headers_new(0));
    }
    free(value);
    cr_assert_eq(rd_kafka_flush(s.cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    struct trilog_consumer_state state;
    for (int i = 0; i < 12; i++) {
        const struct trilog_message *m = scene_take_letter(&s, (char)('a' + i));
        if (i == 5)
            usleep(1500000); /* long enough for partitions to be paused */
        cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
        cr_assert_leq(state.ready_bytes + state.in_hand_bytes, (1u << 20) + 301000);
        cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    }
    scene_assert_nothing(&s);
    scene_clear(&s);
}

Test(client_consumer, says_that_nobody_takes)
{
    struct scene s;
    scene_begin(&s, "stuck_after_ms: 200\n");
    scene_send_letters(&s, "ab");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_STUCK, 1);
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_STUCK, "nobody has taken a record for ");
    scene_work_on(&s, "ab");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_UNSTUCK, 1);
    scene_clear(&s);
}

Test(client_consumer, keeps_the_position_of_a_broadcast_instance_from_its_first_moment)
{
    struct scene s;
    scene_set(&s, "");
    scene_send_letters(&s, "ab");
    cr_assert_eq(scene_open_as(&s, "one", NULL), TRILOG_OK);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_PARTITIONS, 1);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    scene_assert_nothing(&s); /* it is new, and starts at the end */
    trilog_consumer_close(s.consumer, 0);
    scene_send_letters(&s, "cd");
    scene_reopen_as(&s, "one");
    scene_work_on(&s, "cd");
    scene_clear(&s);
}

Test(client_consumer, starts_a_broadcast_instance_at_the_beginning_by_setting)
{
    struct scene s;
    scene_set(&s, "broadcast_start: beginning\n");
    scene_send_letters(&s, "ab");
    cr_assert_eq(scene_open_as(&s, "one", NULL), TRILOG_OK);
    scene_work_on(&s, "ab");
    scene_reopen_as(&s, "two");
    scene_work_on(&s, "ab");
    scene_clear(&s);
}

Test(client_consumer, goes_on_when_brokers_were_away)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "ab");
    scene_work_on(&s, "ab");
    fake_cluster_set_away(&s.cluster, true);
    scene_assert_nothing(&s);
    fake_cluster_set_away(&s.cluster, false);
    scene_send_letters(&s, "cd");
    scene_work_on(&s, "cd");
    scene_clear(&s);
}

Test(client_consumer, closes_in_time_when_no_broker_answers)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "ab");
    scene_work_on(&s, "ab");
    fake_cluster_set_away(&s.cluster, true);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    trilog_consumer_close(s.consumer, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    cr_assert_lt(end.tv_sec - begin.tv_sec, 30);
    scene_clear(&s);
}

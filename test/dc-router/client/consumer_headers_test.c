/* What headers make of records: repeats are dropped, expired ones skipped, traces passed on. */
#include <criterion/criterion.h>

#include "consumer_scene.h"

Test(client_consumer_headers, drops_what_is_there_twice_and_says_so)
{
    struct scene s;
    scene_begin(&s, "");
    static const char *const ids[] = {"0123456789abcdeA", "0123456789abcdeB", "0123456789abcdeA"};
    for (int i = 0; i < 3; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, "trilog-id", -1, ids[i], 16);
        char value[2] = {(char)('a' + i), '\0'};
        scene_send(&s, value, headers);
    }
    scene_send_letters(&s, "d");
    const struct trilog_message *m = scene_take_letter(&s, 'a');
    cr_assert_eq(m->record.header_count, 0, "the library's own header is not the application's");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    scene_work_on(&s, "bd");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_REPEATS, 1);
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.repeat_count, 1);
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, 0, WAIT_MS), TRILOG_OK);
    scene_work_on(&s, "abd");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 4);
    scene_clear(&s);
}

static void send_expiring(struct scene *s, const char *value, const char *expires)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "trilog-expires", -1, expires, -1);
    scene_send(s, value, headers);
}

Test(client_consumer_headers, skips_what_has_expired_and_commits_past_it)
{
    struct scene s;
    scene_begin(&s, "");
    send_expiring(&s, "a", "1000");
    send_expiring(&s, "b", "99999999999999");
    send_expiring(&s, "c", "soon");
    send_expiring(&s, "d", "1");
    const struct trilog_message *m = scene_take_letter(&s, 'b');
    cr_assert_eq(m->record.expires_at_ms, 99999999999999);
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    m = scene_take_letter(&s, 'c');
    cr_assert_eq(m->record.expires_at_ms, 0, "what is no time is none");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    scene_assert_nothing(&s);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_EXPIRED, 1);
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.expired_count, 2);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 4);
    scene_clear(&s);
}

Test(client_consumer_headers, carries_a_trace_from_what_it_takes_to_what_is_sent)
{
    struct scene s;
    scene_begin(&s, "");
    static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct trilog_producer *producer;
    struct trilog_producer_options options = {.config_path = s.cluster.config};
    cr_assert_eq(trilog_producer_open(&producer, &options, NULL), TRILOG_OK);
    struct trilog_header header = {.name = "own", .value = "1", .value_size = 1};
    struct trilog_record r = {.topic = "t",
                              .value = "a",
                              .value_size = 1,
                              .headers = &header,
                              .header_count = 1,
                              .traceparent = trace,
                              .tracestate = "x=y"};
    cr_assert_eq(trilog_send_and_wait(producer, &r, WAIT_MS, NULL), TRILOG_OK);
    const struct trilog_message *m = scene_take_letter(&s, 'a');
    struct trilog_record next = {.topic = "t", .value = "b", .value_size = 1};
    trilog_trace_copy(&next, m);
    cr_assert_eq(trilog_send_and_wait(producer, &next, WAIT_MS, NULL), TRILOG_OK);
    cr_assert_eq(m->record.header_count, 1);
    cr_assert_str_eq(m->record.headers[0].name, "own");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    m = scene_take_letter(&s, 'b');
    cr_assert_str_eq(m->record.traceparent, trace);
    cr_assert_str_eq(m->record.tracestate, "x=y");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    trilog_producer_destroy(producer);
    scene_clear(&s);
}

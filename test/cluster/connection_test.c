/* Memory for large frames, half requests, idle connections. */
#include "connection_stage.h"

#define LARGE_BYTES (700u * 1024) /* two of them are more than the node may hold */

static size_t held(struct connection_stage *s)
{
    return atomic_load(&s->broker.request_bytes);
}

Test(cluster_connection, claims_the_whole_of_a_large_frame_before_it_is_read)
{
    struct connection_stage s;
    stage_open(&s);
    int end = stage_connect(&s);
    stage_begin_frame(&s, end, LARGE_BYTES);
    cr_assert_eq(held(&s), LARGE_BYTES + 4);
    close(end);
    stage_turn(&s);
    cr_assert_eq(held(&s), 0, "a client that goes gives it back");
    stage_close(&s);
}

Test(cluster_connection, reads_no_large_frame_for_which_there_is_no_memory)
{
    struct connection_stage s;
    static uint8_t nothing[LARGE_BYTES];
    stage_open(&s);
    int first = stage_connect(&s), second = stage_connect(&s);
    stage_begin_frame(&s, first, LARGE_BYTES);
    stage_begin_frame(&s, second, LARGE_BYTES);
    cr_assert_lt(stage_send(&s, second, nothing, sizeof nothing), sizeof nothing,
                 "what the kernel does not hold stays with the client");
    cr_assert_eq(held(&s), LARGE_BYTES + 4);
    close(first);
    stage_turn(&s);
    stage_pass_ms(&s, 10);
    cr_assert_eq(held(&s), LARGE_BYTES + 4, "now it is the second one's");
    close(second);
    stage_turn(&s);
    stage_close(&s);
}

Test(cluster_connection, answers_small_requests_of_others_while_memory_is_full)
{
    struct connection_stage s;
    stage_open(&s);
    s.broker.conf.memory_bytes_max = LARGE_BYTES;
    int large = stage_connect(&s), small = stage_connect(&s);
    stage_begin_frame(&s, large, LARGE_BYTES);
    stage_ask(&s, small);
    cr_assert(stage_has_answer(&s, small));
    close(large);
    close(small);
    stage_close(&s);
}

Test(cluster_connection, takes_a_frame_larger_than_all_memory_when_nothing_else_is_held)
{
    struct connection_stage s;
    stage_open(&s);
    s.broker.conf.memory_bytes_max = LARGE_BYTES / 2;
    int end = stage_connect(&s);
    stage_begin_frame(&s, end, LARGE_BYTES);
    cr_assert_eq(held(&s), LARGE_BYTES + 4);
    close(end);
    stage_close(&s);
}

Test(cluster_connection, ends_a_half_request_that_has_held_memory_others_wait_for)
{
    struct connection_stage s;
    stage_open(&s);
    int first = stage_connect(&s), second = stage_connect(&s);
    stage_begin_frame(&s, first, LARGE_BYTES);
    stage_begin_frame(&s, second, LARGE_BYTES);
    stage_pass_ms(&s, 30000);
    cr_assert_not(stage_is_closed(&s, first), "half a minute is allowed");
    stage_pass_ms(&s, 1);
    cr_assert(stage_is_closed(&s, first));
    stage_pass_ms(&s, 10);
    cr_assert_not(stage_is_closed(&s, second));
    cr_assert_eq(held(&s), LARGE_BYTES + 4, "the second one has it, with its own half minute");
    close(first);
    close(second);
    stage_close(&s);
}

Test(cluster_connection, lets_a_slow_request_be_while_memory_is_plenty)
{
    struct connection_stage s;
    stage_open(&s);
    s.broker.conf.memory_bytes_max = 2 * LARGE_BYTES + 8;
    int end = stage_connect(&s);
    stage_begin_frame(&s, end, LARGE_BYTES);
    stage_pass_ms(&s, 60000);
    cr_assert_not(stage_is_closed(&s, end));
    close(end);
    stage_close(&s);
}

Test(cluster_connection, closes_who_was_idle_for_too_long)
{
    struct connection_stage s;
    stage_open(&s);
    int idle = stage_connect(&s), busy = stage_connect(&s);
    uint64_t idle_ms_max = (uint64_t)s.broker.conf.connections_idle_ms_max;
    stage_pass_ms(&s, idle_ms_max);
    stage_ask(&s, busy);
    cr_assert(stage_has_answer(&s, busy));
    stage_pass_ms(&s, 1);
    cr_assert(stage_is_closed(&s, idle));
    cr_assert_not(stage_is_closed(&s, busy));
    close(idle);
    close(busy);
    stage_close(&s);
}

Test(cluster_connection, ends_when_a_frame_is_larger_than_allowed)
{
    struct connection_stage s;
    stage_open(&s);
    s.broker.conf.request_bytes_max = LARGE_BYTES - 1;
    int end = stage_connect(&s);
    stage_begin_frame(&s, end, LARGE_BYTES);
    cr_assert(stage_is_closed(&s, end));
    cr_assert_eq(held(&s), 0);
    close(end);
    stage_close(&s);
}

Test(cluster_connection, holds_no_buffer_while_its_client_says_nothing)
{
    struct connection_stage s;
    stage_open(&s);
    int first = stage_connect(&s), second = stage_connect(&s);
    size_t before = buffer_total_bytes();
    stage_ask(&s, first);
    stage_ask(&s, second);
    cr_assert(stage_has_answer(&s, first));
    cr_assert(stage_has_answer(&s, second));
    cr_assert_eq(buffer_total_bytes() - before, s.clients.spare_input->capacity,
                 "one buffer is kept for whoever reads next");
    stage_begin_frame(&s, first, 100);
    cr_assert_null(s.clients.spare_input, "half a frame has it");
    close(first);
    close(second);
    stage_close(&s);
}

Test(cluster_connection, ends_a_parked_fetch_when_its_client_is_gone)
{
    struct connection_stage s;
    static const uint8_t fetch_of_nothing[] = {
        0,    0,    0,    31,   0, 1, 0,    4,    0, 0, 0, 7, 0xff, 0xff, /* header */
        0xff, 0xff, 0xff, 0xff, 0, 9, 0x27, 0xc0, 0, 0, 0, 1,             /* replica, wait, least */
        0,    1,    0,    0,    0, 0, 0,    0,    0}; /* most, isolation, no topics */
    stage_open(&s);
    int end = stage_connect(&s);
    cr_assert_eq(stage_send(&s, end, fetch_of_nothing, sizeof fetch_of_nothing),
                 sizeof fetch_of_nothing);
    cr_assert_not_null(s.clients.connections->first, "nothing to read: it is parked");
    close(end);
    stage_turn(&s);
    cr_assert_eq(held(&s), 0, "ten minutes before its time");
    stage_close(&s);
}

Test(cluster_connection, reads_no_more_from_a_client_that_takes_no_answers_once_memory_is_short)
{
    struct connection_stage s;
    static const uint8_t request[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff};
    const size_t memory = 64 * 1024;
    stage_open(&s);
    s.broker.conf.memory_bytes_max = (int64_t)memory;
    int greedy = stage_connect(&s), modest = stage_connect(&s);
    size_t sent = 0;
    while (stage_send(&s, greedy, request, sizeof request) == sizeof request) {
        sent += sizeof request;
        cr_assert_lt(sent, 64u << 20, "it is read from without end");
    }
    struct connection *c = s.clients.connections->next;
    cr_assert_not(c->is_reading);
    cr_assert_gt(atomic_load(&s.broker.answer_bytes), memory);
    cr_assert_lt(atomic_load(&s.broker.answer_bytes), 2 * memory + 64 * 1024);
    stage_ask(&s, modest);
    cr_assert(stage_has_answer(&s, modest), "who has taken all answers gets one more");
    uint8_t taken[64 * 1024];
    for (int idle = 0; idle < 4; stage_pass_ms(&s, 10))
        idle = recv(greedy, taken, sizeof taken, 0) > 0 ? 0 : idle + 1;
    cr_assert(c->is_reading);
    cr_assert_eq(atomic_load(&s.broker.answer_bytes), 0);
    close(greedy);
    close(modest);
    stage_close(&s);
}

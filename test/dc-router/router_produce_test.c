/* Produce: what is held, in which order it goes, and what a client is told of its fate. */
#include <string.h>
#include <sys/socket.h>

#include "protocol/error.h"
#include "router_requests.h"
#include "router_stage.h"

#define BATCH_BYTES      61
#define SEQUENCE_AT      56
#define TIMEOUT_MS       3000
#define IDEMPOTENT       true
#define NOT_IDEMPOTENT   false
#define PARTITIONS_A_TRY 2

TestSuite(router_produce, .init = open_world, .fini = close_world);

static uint8_t sequence; /* of the last batch */

/* A batch of no records; nodes here don't look. */
static struct bytes batch(uint8_t into[BATCH_BYTES], bool is_idempotent)
{
    memset(into, 0, BATCH_BYTES);
    into[16] = 2;
    memset(into + 43, is_idempotent ? 0 : 0xff, 8);
    into[SEQUENCE_AT] = ++sequence;
    return bytes_of(into, BATCH_BYTES);
}

/* One batch for each of the partitions, -1: none. */
static void send_batches_by(struct world_client *c, int32_t first, int32_t second,
                            bool is_idempotent)
{
    uint8_t records[BATCH_BYTES];
    struct kafka_produce_request_partition partitions[PARTITIONS_A_TRY];
    struct bytes asked = batch(records, is_idempotent);
    for (int i = 0; i < PARTITIONS_A_TRY; i++) {
        kafka_produce_request_partition_init(&partitions[i]);
        partitions[i].partition_index = i == 0 ? first : second;
        partitions[i].records = asked;
    }
    world_send_produce(c, TIMEOUT_MS, partitions, second >= 0 ? 2 : 1);
}

static void send_batches(int32_t first, int32_t second, bool is_idempotent)
{
    send_batches_by(&client, first, second, is_idempotent);
}

static void answer(int32_t node, unsigned n, int32_t partition, int16_t error_code, int64_t offset)
{
    struct kafka_produce_response_partition from;
    kafka_produce_response_partition_init(&from);
    from.partition_index = partition;
    from.error_code = error_code;
    from.base_offset = offset;
    world_answer_produce(&w, node, n, &from);
}

static const struct kafka_produce_response_partition *next_answer(void)
{
    const struct kafka_produce_response *m = world_answer(&client, KAFKA_API_PRODUCE,
                                                          WORLD_PRODUCE_VERSION);
    return m == NULL ? NULL : m->topics[0].partitions;
}

/* Which of the client's batches came to the node as its n-th. */
static unsigned sequence_at(int32_t node, unsigned n)
{
    const struct kafka_produce_request *m = world_call(&w, node, n)->message;
    return m->topics[0].partitions[0].records.data[SEQUENCE_AT];
}

/* The partition's leader goes with all its connections; the cluster makes another one. */
static void cut_leader(int32_t leader, int32_t next)
{
    w.leaders[0] = next;
    world_cut(&w, leader);
    world_pass_ms(&w, 500);
}

/* `count` batches for partition 0, which its leader does not lead any more; `next` does. */
static void lose_leader(unsigned count, int32_t leader, int32_t next)
{
    sequence = 0;
    for (unsigned i = 0; i < count; i++)
        send_batches(0, -1, IDEMPOTENT);
    w.leaders[0] = next;
    for (unsigned i = 0; i < count; i++)
        answer(leader, i, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    world_pass_ms(&w, 500);
}

Test(router_produce, an_acknowledgement_is_the_leaders)
{
    send_batches(0, -1, NOT_IDEMPOTENT);
    cr_assert_null(next_answer());
    answer(1, 0, 0, KAFKA_ERROR_NONE, 42);
    const struct kafka_produce_response_partition *got = next_answer();
    cr_assert_not_null(got);
    cr_assert_eq(got->error_code, KAFKA_ERROR_NONE);
    cr_assert_eq(got->base_offset, 42);
}

Test(router_produce, partitions_of_two_leaders_are_answered_together)
{
    send_batches(0, 1, NOT_IDEMPOTENT);
    answer(2, 0, 1, KAFKA_ERROR_NONE, 7);
    cr_assert_null(next_answer());
    answer(1, 0, 0, KAFKA_ERROR_MESSAGE_TOO_LARGE, -1);
    const struct kafka_produce_response_partition *got = next_answer();
    cr_assert_eq(got[0].error_code, KAFKA_ERROR_MESSAGE_TOO_LARGE);
    cr_assert_eq(got[1].base_offset, 7);
}

Test(router_produce, what_a_former_leader_refused_goes_to_the_next_one)
{
    send_batches(0, -1, NOT_IDEMPOTENT);
    w.leaders[0] = 2;
    answer(1, 0, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    world_pass_ms(&w, 60);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 5);
    cr_assert_eq(next_answer()->base_offset, 5);
}

Test(router_produce, once_the_first_of_the_held_is_accepted_the_others_go_side_by_side_in_order)
{
    lose_leader(5, 1, 2);
    cr_assert_eq(count_at(2), 1, "the first one goes alone");
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(2), 1, "what comes now stands behind them");
    answer(2, 0, 0, KAFKA_ERROR_NONE, 0);
    cr_assert_eq(count_at(2), 6, "nothing of them waits for an answer");
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(2), 7, "nor what comes now");
    for (unsigned n = 0; n < 7; n++) {
        cr_assert_eq(sequence_at(2, n), n + 1);
        cr_assert_eq(world_call(&w, 2, n)->way, world_call(&w, 2, 0)->way);
    }
    for (unsigned n = 1; n < 7; n++)
        answer(2, n, 0, KAFKA_ERROR_NONE, n);
    for (unsigned n = 0; n < 7; n++)
        cr_assert_eq(next_answer()->base_offset, n);
}

Test(router_produce, a_client_that_never_pauses_is_not_held_back_for_ever)
{
    lose_leader(1, 1, 2);
    for (unsigned n = 0; n < 20; n++) {
        send_batches(0, -1, IDEMPOTENT);
        send_batches(0, -1, IDEMPOTENT);
        answer(2, n, 0, KAFKA_ERROR_NONE, n);
        cr_assert_eq(count_at(2), 1 + 2 * (n + 1), "all that came is at the node");
    }
}

Test(router_produce, a_leader_that_goes_too_has_them_held_in_order_again)
{
    lose_leader(5, 1, 2);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 0);
    cr_assert_eq(count_at(2), 5);
    w.leaders[0] = 3;
    answer(2, 1, 0, KAFKA_ERROR_NONE, 1);
    answer(2, 2, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    world_pass_ms(&w, 500);
    cr_assert_eq(count_at(3), 1, "the third, before the fourth and fifth are back");
    send_batches(0, -1, IDEMPOTENT);
    answer(2, 3, 0, KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    answer(3, 0, 0, KAFKA_ERROR_NONE, 2);
    cr_assert_eq(count_at(3), 2, "the sixth does not pass the fifth, which node 2 still has");
    answer(2, 4, 0, KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1); /* later than its turn */
    world_pass_ms(&w, 500);
    for (unsigned n = 1; n < 4; n++)
        answer(3, n, 0, KAFKA_ERROR_NONE, 2 + n);
    for (unsigned n = 0; n < 4; n++)
        cr_assert_eq(sequence_at(3, n), n + 3);
    for (unsigned n = 0; n < 6; n++) {
        const struct kafka_produce_response_partition *got = next_answer();
        cr_assert_eq(got->error_code, KAFKA_ERROR_NONE);
        cr_assert_eq(got->base_offset, n);
    }
}

Test(router_produce, what_a_second_leader_took_with_it_goes_alone_and_then_side_by_side_again)
{
    lose_leader(4, 1, 2);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 0);
    cr_assert_eq(count_at(2), 4);
    cut_leader(2, 3);
    cr_assert_eq(count_at(3), 1);
    answer(3, 0, 0, KAFKA_ERROR_NONE, 1);
    cr_assert_eq(count_at(3), 3);
    for (unsigned n = 0; n < 3; n++)
        cr_assert_eq(sequence_at(3, n), n + 2);
}

Test(router_produce, a_partition_named_twice_does_not_wait_for_itself)
{
    send_batches(0, 0, IDEMPOTENT);
    cr_assert_eq(count_at(1), 1);
    cut_leader(1, 2);
    cr_assert_eq(count_at(2), 1);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 1);
}

Test(router_produce, held_behind_held_they_go_one_at_a_time_in_order)
{
    w.leaders[0] = -1;
    send_batches(0, -1, NOT_IDEMPOTENT);
    answer(1, 0, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    send_batches(0, -1, NOT_IDEMPOTENT);
    world_pass_ms(&w, 100);
    cr_assert_eq(count_at(1), 1, "nobody leads");
    w.leaders[0] = 1;
    world_pass_ms(&w, 1000);
    cr_assert_eq(count_at(1), 2, "the second waits for the first");
    answer(1, 1, 0, KAFKA_ERROR_NONE, 10);
    answer(1, 2, 0, KAFKA_ERROR_NONE, 11);
    cr_assert_eq(next_answer()->base_offset, 10);
    cr_assert_eq(next_answer()->base_offset, 11);
}

Test(router_produce, what_comes_later_does_not_overtake_a_partition_without_a_leader)
{
    set_leader(1, -1);
    send_batches(0, 1, IDEMPOTENT); /* the part for node 1 is away, the other has no leader */
    cr_assert_eq(count_at(1), 1);
    set_leader(1, 2);
    send_batches(1, -1, IDEMPOTENT);
    cr_assert_eq(count_at(2), 1, "the first's, before which the second's does not go");
    answer(1, 0, 0, KAFKA_ERROR_NONE, 1);
    answer(2, 0, 1, KAFKA_ERROR_NONE, 2);
    answer(2, 1, 1, KAFKA_ERROR_NONE, 3);
    cr_assert_eq(next_answer()[1].base_offset, 2);
    cr_assert_eq(next_answer()->base_offset, 3);
}

Test(router_produce, a_partition_that_waits_holds_up_no_other)
{
    set_leader(0, -1);
    send_batches(0, -1, IDEMPOTENT);
    send_batches(1, -1, IDEMPOTENT);
    send_batches(1, -1, IDEMPOTENT);
    send_batches(0, 2, IDEMPOTENT); /* its second partition does not wait for its first */
    cr_assert_eq(count_at(2), 2);
    cr_assert_eq(count_at(3), 1);
    set_leader(0, 1);
    answer(3, 0, 2, KAFKA_ERROR_NONE, 9);
    answer(2, 0, 1, KAFKA_ERROR_NONE, 5);
    answer(2, 1, 1, KAFKA_ERROR_NONE, 6);
    cr_assert_eq(count_at(1), 1, "the last one waits for the first");
    answer(1, 0, 0, KAFKA_ERROR_NONE, 1);
    answer(1, 1, 0, KAFKA_ERROR_NONE, 2);
    cr_assert_eq(next_answer()->base_offset, 1);
    cr_assert_eq(next_answer()->base_offset, 5);
    cr_assert_eq(next_answer()->base_offset, 6);
    const struct kafka_produce_response_partition *last = next_answer();
    cr_assert_eq(last[0].base_offset, 2);
    cr_assert_eq(last[1].base_offset, 9);
}

Test(router_produce, what_comes_later_does_not_go_to_the_next_leader_before_what_a_former_one_has)
{
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(1), 1);
    set_leader(0, 2);
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(2), 0, "the first is at node 1, who may refuse it");
    answer(1, 0, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    world_pass_ms(&w, 60);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 1);
    answer(2, 1, 0, KAFKA_ERROR_NONE, 2);
    cr_assert_eq(next_answer()->base_offset, 1);
    cr_assert_eq(next_answer()->base_offset, 2);
}

Test(router_produce, nor_when_the_former_leader_is_silent)
{
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(1), 1);
    set_leader(0, 2);
    send_batches(0, -1, IDEMPOTENT);
    world_pass_ms(&w, 2000);
    cr_assert_eq(count_at(2), 1);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 1);
    answer(2, 1, 0, KAFKA_ERROR_NONE, 2);
    cr_assert_eq(next_answer()->base_offset, 1);
    cr_assert_eq(next_answer()->base_offset, 2);
}

Test(router_produce, of_unknown_fate_without_idempotence_is_told_so)
{
    send_batches(0, -1, NOT_IDEMPOTENT);
    cr_assert_eq(count_at(1), 1);
    world_cut(&w, 1);
    const struct kafka_produce_response_partition *got = next_answer();
    cr_assert_not_null(got);
    cr_assert_eq(got->error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
    world_pass_ms(&w, 500);
    cr_assert_eq(count_at(1), 1, "it is not sent again");
}

Test(router_produce, of_unknown_fate_with_idempotence_is_sent_again)
{
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(1), 1);
    world_cut(&w, 1);
    cr_assert_null(next_answer());
    world_pass_ms(&w, 500);
    answer(1, 1, 0, KAFKA_ERROR_NONE, 4);
    cr_assert_eq(next_answer()->base_offset, 4);
}

Test(router_produce, what_may_be_written_is_not_told_as_never_written)
{
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(1), 1);
    world_cut(&w, 1);
    world_pass_ms(&w, 500);
    cr_assert_eq(count_at(1), 2);
    set_leader(0, -1);
    answer(1, 1, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    world_pass_ms(&w, TIMEOUT_MS);
    cr_assert_eq(next_answer()->error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
}

Test(router_produce, out_of_order_behind_a_held_one_is_sent_again)
{
    send_batches(0, -1, IDEMPOTENT);
    send_batches(0, -1, IDEMPOTENT);
    cr_assert_eq(count_at(1), 2);
    w.leaders[0] = -1;
    answer(1, 0, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    answer(1, 1, 0, KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    w.leaders[0] = 2;
    world_pass_ms(&w, 500);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 1);
    answer(2, 1, 0, KAFKA_ERROR_NONE, 2);
    cr_assert_eq(next_answer()->base_offset, 1);
    cr_assert_eq(next_answer()->base_offset, 2);
}

Test(router_produce, out_of_order_behind_one_that_is_refused_in_part_is_sent_again)
{
    send_batches(0, 1, IDEMPOTENT);
    send_batches(0, -1, IDEMPOTENT);
    w.leaders[0] = 3;
    answer(1, 0, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1); /* partition 1 is still away */
    answer(1, 1, 0, KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    answer(2, 0, 1, KAFKA_ERROR_NONE, 8);
    world_pass_ms(&w, 500);
    answer(3, 0, 0, KAFKA_ERROR_NONE, 1);
    answer(3, 1, 0, KAFKA_ERROR_NONE, 2);
    cr_assert_eq(next_answer()->base_offset, 1);
    cr_assert_eq(next_answer()->base_offset, 2);
}

Test(router_produce, what_finds_no_leader_is_answered_at_its_deadline)
{
    set_leader(0, -1);
    send_batches(0, -1, IDEMPOTENT);
    world_pass_ms(&w, TIMEOUT_MS - 100);
    cr_assert_null(next_answer());
    world_pass_ms(&w, 500);
    cr_assert_eq(next_answer()->error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
}

Test(router_produce, a_router_that_ends_gives_back_what_it_holds)
{
    set_leader(0, -1);
    send_batches(0, -1, IDEMPOTENT);
    send_batches(1, -1, IDEMPOTENT);
}

/* Else who has gone without a word is counted as a client for ever. */
Test(router_produce, whether_a_client_is_still_there_is_found_out)
{
    uv_os_fd_t descriptor;
    int is_kept_alive = 0;
    socklen_t size = sizeof is_kept_alive;
    cr_assert_eq(uv_fileno((uv_handle_t *)&w.shard.clients->tcp, &descriptor), 0);
    cr_assert_eq(getsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &is_kept_alive, &size), 0);
    cr_assert_eq(is_kept_alive, 1);
}

Test(router_produce, an_idle_connection_has_no_buffer)
{
    send_batches(0, -1, NOT_IDEMPOTENT);
    answer(1, 0, 0, KAFKA_ERROR_NONE, 42);
    cr_assert_not_null(next_answer());
    cr_assert_null(w.shard.clients->input.buffer);
}

Test(router_produce, what_a_silent_node_led_goes_to_the_next_leader)
{
    send_batches(0, 3, IDEMPOTENT); /* both at node 1 */
    cr_assert_eq(count_at(1), 1);
    w.leaders[0] = 2;
    world_pass_ms(&w, 2500);
    cr_assert_eq(count_at(2), 1);
    answer(2, 0, 0, KAFKA_ERROR_NONE, 5);
    cr_assert_null(next_answer());
    answer(1, 1, 3, KAFKA_ERROR_NONE, 6);
    const struct kafka_produce_response_partition *got = next_answer();
    cr_assert_eq(got[0].base_offset, 5);
    cr_assert_eq(got[1].base_offset, 6);
    answer(1, 0, 0, KAFKA_ERROR_NONE, 7); /* the former leader, after all */
    cr_assert_null(next_answer());
}

Test(router_produce, without_idempotence_a_silent_nodes_is_of_unknown_fate_at_its_timeout)
{
    send_batches(0, -1, NOT_IDEMPOTENT);
    world_pass_ms(&w, TIMEOUT_MS);
    cr_assert_null(next_answer());
    world_pass_ms(&w, 1500);
    cr_assert_eq(next_answer()->error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
    cr_assert_geq(world_call(&w, 1, 0)->way, 0);
    world_pass_ms(&w, 3000);
    cr_assert_eq(world_call(&w, 1, 0)->way, -1, "the connection is given up");
}

Test(router_produce, a_client_that_goes_while_a_node_is_silent_is_forgotten_in_the_end)
{
    send_batches(0, -1, IDEMPOTENT);
    world_disconnect(&client);
    world_pass_ms(&w, TIMEOUT_MS + 5000);
    cr_assert_eq(w.shard.client_count, 0);
    cr_assert_eq(w.shard.held_bytes, 0);
    world_connect(&w, &client);
}

Test(router_produce, clients_are_spread_over_pipes)
{
    struct world_client other;
    world_connect(&w, &other);
    send_batches(0, -1, IDEMPOTENT);
    send_batches_by(&other, 0, -1, IDEMPOTENT);
    cr_assert_neq(world_call(&w, 1, 0)->way, world_call(&w, 1, 1)->way);
    world_disconnect(&other);
}

Test(router_produce, nobody_begins_behind_what_stands_still)
{
    struct world_client others[2];
    w.settings.pipes_per_node = 2;
    send_batches(0, -1, IDEMPOTENT);
    world_pass_ms(&w, 500);
    for (unsigned i = 0; i < 2; i++) {
        world_connect(&w, &others[i]);
        send_batches_by(&others[i], 0, -1, IDEMPOTENT);
        cr_assert_neq(world_call(&w, 1, i + 1)->way, world_call(&w, 1, 0)->way);
    }
    send_batches(0, -1, IDEMPOTENT); /* its own later ones do: they are in order */
    cr_assert_eq(world_call(&w, 1, 3)->way, world_call(&w, 1, 0)->way);
    for (unsigned i = 0; i < 2; i++)
        world_disconnect(&others[i]);
}

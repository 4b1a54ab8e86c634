/* Fetch: which node's answer goes to a client, and when. */
#include "protocol/error.h"
#include "router_requests.h"
#include "router_stage.h"

#define MAX_WAIT_MS 500

TestSuite(router_fetch, .init = open_world, .fini = close_world);

/* Partitions 0 and 1, from these offsets. */
static void ask_by(struct world_client *c, int64_t first, int64_t second)
{
    world_send_fetch_of_two(c, first, second, MAX_WAIT_MS);
}

static void ask(int64_t first, int64_t second)
{
    ask_by(&client, first, second);
}

static struct kafka_fetch_response_partition answer_of(int32_t partition, int64_t high_watermark)
{
    struct kafka_fetch_response_partition from;
    kafka_fetch_response_partition_init(&from);
    from.partition_index = partition;
    from.high_watermark = high_watermark;
    return from;
}

static void answer(int32_t node, unsigned n, int32_t partition, const char *records)
{
    struct kafka_fetch_response_partition from = answer_of(partition, 100 + partition);
    struct slice slice = {.bytes = bytes_of_text(records)};
    from.records = (struct kafka_slices){.items = &slice, .count = 1};
    world_answer_fetch(&w, node, n, &from);
}

static const struct kafka_fetch_response_partition *answer_to(struct world_client *c)
{
    const struct kafka_fetch_response *m = world_fetch_answer(c);
    return m == NULL ? NULL : m->topics[0].partitions;
}

static const struct kafka_fetch_response_partition *next_answer(void)
{
    return answer_to(&client);
}

static bool has(const struct kafka_fetch_response_partition *p, const char *records)
{
    struct bytes got = p->records.count > 0 ? p->records.items[0].bytes : bytes_of("", 0);
    return bytes_is_equal(got, bytes_of_text(records));
}

Test(router_fetch, the_first_that_has_something_answers)
{
    ask(5, 6);
    cr_assert_eq(count_at(2), 1);
    cr_assert_null(next_answer());
    answer(1, 0, 0, "abc");
    const struct kafka_fetch_response_partition *got = next_answer();
    cr_assert_not_null(got);
    cr_assert(has(&got[0], "abc"));
    cr_assert_eq(got[0].high_watermark, 100);
    cr_assert(has(&got[1], ""));
    cr_assert_eq(got[1].high_watermark, -1, "nobody has said where it ends");
}

Test(router_fetch, what_is_parked_is_found_again_by_the_next_one)
{
    ask(5, 6);
    answer(1, 0, 0, "abc");
    cr_assert_not_null(next_answer());
    ask(8, 6);
    cr_assert_eq(count_at(1), 2);
    cr_assert_eq(count_at(2), 1, "just that is asked for already");
    answer(2, 0, 1, "def");
    cr_assert(has(&next_answer()[1], "def"));
}

Test(router_fetch, what_came_back_meanwhile_is_there_at_once)
{
    ask(5, 6);
    answer(1, 0, 0, "abc");
    cr_assert_not_null(next_answer());
    answer(2, 0, 1, "def");
    ask(8, 6);
    cr_assert(has(&next_answer()[1], "def"));
}

Test(router_fetch, nothing_anywhere_is_answered_when_the_last_node_says_so)
{
    ask(5, 6);
    answer(1, 0, 0, "");
    cr_assert_null(next_answer());
    answer(2, 0, 1, "");
    const struct kafka_fetch_response_partition *got = next_answer();
    cr_assert(has(&got[0], "") && has(&got[1], ""));
    cr_assert_eq(got[1].high_watermark, 101);
}

Test(router_fetch, an_answer_for_another_offset_is_not_the_next_ones)
{
    ask(5, 6);
    answer(1, 0, 0, "abc");
    cr_assert_not_null(next_answer());
    ask(8, 2); /* partition 1 from further back: what is parked is not asked for any more */
    answer(2, 0, 1, "def");
    cr_assert_null(next_answer());
    answer(2, 1, 1, "xyz");
    cr_assert(has(&next_answer()[1], "xyz"));
}

Test(router_fetch, nor_while_the_next_one_waits_for_a_leader)
{
    ask(5, 6);
    answer(1, 0, 0, "abc");
    cr_assert_not_null(next_answer());
    set_leader(0, -1);
    ask(8, 2);
    answer(2, 0, 1, "def");
    cr_assert_null(next_answer(), "records from 6 on are not those from 2 on");
    w.leaders[0] = 1;
    world_pass_ms(&w, 60);
    answer(2, 1, 1, "xyz");
    cr_assert(has(&next_answer()[1], "xyz"));
}

/* Else its client asks again at once, for the same node, and again: while it is not known to be
 * gone, as fast as they can. */
Test(router_fetch, a_node_that_goes_lets_the_answer_go_when_the_cluster_was_asked)
{
    ask(5, 6);
    cr_assert_eq(count_at(2), 1);
    world_cut(&w, 2);
    cr_assert_null(next_answer());
    world_pass_ms(&w, 60);
    const struct kafka_fetch_response_partition *got = next_answer();
    cr_assert_not_null(got);
    cr_assert_eq(got[1].high_watermark, -1);
}

Test(router_fetch, what_another_node_has_meanwhile_does_not_wait_for_that)
{
    ask(5, 6);
    cr_assert_eq(count_at(2), 1);
    world_cut(&w, 2);
    answer(1, 0, 0, "abc");
    cr_assert(has(&next_answer()[0], "abc"));
}

Test(router_fetch, an_answer_that_is_none_is_that_of_a_lost_node)
{
    ask(5, -1);
    world_node_answer_nothing(&w, 1, 0);
    cr_assert_null(next_answer());
    world_pass_ms(&w, 60);
    cr_assert_eq(next_answer()[0].high_watermark, -1);
}

Test(router_fetch, a_client_that_goes_leaves_nothing_parked)
{
    struct world_client other;
    world_connect(&w, &other);
    world_disconnect(&other);
    ask(5, 6);
    cr_assert_eq(count_at(1), 1);
    world_disconnect(&client);
    world_settle(&w);
    cr_assert_eq(w.shard.client_count, 0);
    world_connect(&w, &client);
}

Test(router_fetch, without_a_lane_it_waits_for_one)
{
    struct world_client other;
    world_connect(&w, &other);
    w.settings.lanes_per_node_max = 1;
    ask(5, 6);
    ask_by(&other, 7, 8);
    cr_assert_null(answer_to(&other));
    cr_assert_eq(count_at(1), 1);
    answer(1, 0, 0, "abc");
    cr_assert_eq(count_at(1), 2);
    answer(1, 1, 0, "xyz");
    cr_assert(has(&answer_to(&other)[0], "xyz"));
    world_disconnect(&other);
}

Test(router_fetch, and_no_longer_than_it_would_for_records)
{
    struct world_client other;
    world_connect(&w, &other);
    w.settings.lanes_per_node_max = 1;
    ask(5, 6);
    ask_by(&other, 7, 8);
    world_pass_ms(&w, MAX_WAIT_MS - 40);
    cr_assert_null(answer_to(&other));
    world_pass_ms(&w, 80);
    const struct kafka_fetch_response_partition *got = answer_to(&other);
    cr_assert_not_null(got);
    cr_assert_eq(got[0].high_watermark, -1);
    ask_by(&other, 7, 8); /* it has kept its place in the line */
    answer(1, 0, 0, "abc");
    answer(1, 1, 0, "xyz");
    cr_assert(has(&answer_to(&other)[0], "xyz"));
    world_disconnect(&other);
}

Test(router_fetch, who_waits_for_a_lane_and_goes_leaves_the_line)
{
    struct world_client other;
    world_connect(&w, &other);
    w.settings.lanes_per_node_max = 1;
    ask(5, 6);
    ask_by(&other, 7, 8);
    world_disconnect(&other);
    cr_assert_eq(w.shard.client_count, 1);
    cr_assert_not(router_node_lanes_are_short(node_pool_find(&w.shard, 1)));
    answer(1, 0, 0, "abc");
    cr_assert_eq(count_at(1), 1);
}

Test(router_fetch, a_node_that_is_silent_about_it_does_not_keep_the_client)
{
    ask(5, 6);
    world_pass_ms(&w, MAX_WAIT_MS + 300);
    cr_assert_null(next_answer(), "the node may be on its way to say so");
    world_pass_ms(&w, 400);
    cr_assert_eq(next_answer()[0].high_watermark, -1);
    world_pass_ms(&w, 11000);
    cr_assert_eq(world_call(&w, 1, 0)->way, -1, "the connection is given up");
}

static int32_t asked_bytes(int32_t node, unsigned n)
{
    return ((const struct kafka_fetch_request *)world_call(&w, node, n)->message)->max_bytes;
}

Test(router_fetch, what_nodes_may_bring_at_once_fits_into_memory)
{
    struct world_client other;
    world_connect(&w, &other);
    w.settings.memory_bytes_max = 60 << 20;
    ask(5, 6);
    ask_by(&other, 7, 8);
    cr_assert_eq(asked_bytes(1, 0), 50 << 20);
    cr_assert_lt(asked_bytes(1, 1) + asked_bytes(2, 1), 22 << 20);
    cr_assert_geq(asked_bytes(2, 1), 1 << 20, "never nothing");
    world_disconnect(&other);
    answer(1, 0, 0, "abc");
    answer(2, 0, 1, "def");
    cr_assert_eq(w.shard.promised_bytes, 0);
}

/* As a leader that sends the client to a replica in its own site. */
static void answer_near(int32_t node, unsigned n, int32_t partition, int32_t near)
{
    struct kafka_fetch_response_partition from = answer_of(partition, 100);
    from.preferred_read_replica = near;
    from.records = (struct kafka_slices){.count = 0};
    world_answer_fetch(&w, node, n, &from);
}

static const char *rack_at(int32_t node, unsigned n)
{
    const struct kafka_fetch_request *m = world_call(&w, node, n)->message;
    return m->rack_id.size > 0 ? "given" : "";
}

Test(router_fetch, where_the_near_replica_is_gone_the_leader_is_not_asked_for_one)
{
    ask(5, 6);
    answer_near(1, 0, 0, 3);
    cr_assert_not_null(next_answer());
    world_node(&w, 3)->is_hanging = true;
    world_pass_ms(&w, 2000);
    ask(5, 6);
    cr_assert_str_eq(rack_at(1, 1), "", "it would name the same one, and give nothing");
    answer(1, 1, 0, "abc");
    cr_assert(has(&next_answer()[0], "abc"));
    world_pass_ms(&w, 10000);
    ask(8, 6);
    cr_assert_str_eq(rack_at(1, 2), "given", "now and then it is asked again");
}

static void refuse(int32_t node, unsigned n, int32_t partition, int16_t error_code)
{
    struct kafka_fetch_response_partition from;
    kafka_fetch_response_partition_init(&from);
    from.partition_index = partition;
    from.error_code = error_code;
    world_answer_fetch(&w, node, n, &from);
}

Test(router_fetch, what_a_near_replica_has_not_is_asked_of_the_leader_itself)
{
    ask(5, 6);
    answer_near(1, 0, 0, 3);
    cr_assert_not_null(next_answer());
    ask(5, 6);
    refuse(3, 0, 0, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    const struct kafka_fetch_response_partition *got = next_answer();
    cr_assert_not_null(got);
    cr_assert_eq(got[0].error_code, KAFKA_ERROR_NONE,
                 "only the leader knows: a client starts over");
    ask(5, 6);
    cr_assert_str_eq(rack_at(1, 1), "");
    refuse(1, 1, 0, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    cr_assert_eq(next_answer()[0].error_code, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
}

/* Each asks for another offset: what was asked before is not wanted any more. */
Test(router_fetch, a_client_that_seeks_to_and_fro_does_not_take_all_lanes)
{
    struct world_client other;
    w.settings.lanes_per_node_max = 16;
    for (int i = 0; i < 30; i++) {
        ask(1000 + i, 6);
        next_answer();
    }
    world_connect(&w, &other);
    unsigned before = count_at(1);
    ask_by(&other, 5, 6);
    cr_assert_eq(count_at(1), before + 1);
    world_disconnect(&other);
}

Test(router_fetch, what_is_kept_for_the_next_one_is_counted_and_bounded)
{
    ask(5, 6);
    answer(1, 0, 0, "abc");
    cr_assert_not_null(next_answer());
    size_t before = w.shard.held_bytes;
    answer(2, 0, 1, "0123456789");
    cr_assert_gt(w.shard.held_bytes, before + 10);
    w.settings.memory_bytes_max = (int64_t)w.shard.held_bytes;
    ask(8, 6);
    cr_assert(has(&next_answer()[1], "0123456789"));
    ask(8, 16);
    answer(1, 1, 0, "def");
    cr_assert_not_null(next_answer());
    before = w.shard.held_bytes;
    answer(2, 1, 1, "0123456789");
    cr_assert_eq(w.shard.held_bytes, before, "others need the room: it is asked for again");
    ask(11, 16);
    cr_assert_eq(count_at(2), 3);
}

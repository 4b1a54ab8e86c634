/* What is read of clients when a shard holds as much as it may. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "router_world.h"

#define MIB         (1u << 20)
#define LARGE       (8 * MIB)
#define SOME        (64u << 10) /* everyone may have so much */
#define API_VERSION 3

static struct world w;
static struct world_client large, other, small;

static void open_world(void)
{
    world_open(&w);
    w.settings.memory_bytes_max = MIB;
    world_connect(&w, &large);
    world_connect(&w, &other);
    world_connect(&w, &small);
}

static void close_world(void)
{
    world_disconnect(&large);
    world_disconnect(&other);
    world_disconnect(&small);
    world_close(&w);
}

TestSuite(router_client, .init = open_world, .fini = close_world);

/* As many of the bytes as the router reads, and what stays underway. */
static void feed(struct world_client *c, size_t size)
{
    uint8_t *zeros = calloc(1, size);
    for (size_t sent = 0; sent < size;) {
        ssize_t now = send(c->socket, zeros, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (now <= 0)
            break;
        sent += (size_t)now;
        world_settle(&w);
    }
    free(zeros);
}

static void begin_frame(struct world_client *c, uint32_t size)
{
    uint8_t head[4];
    bytes_put_be32(head, size);
    cr_assert_eq(send(c->socket, head, sizeof head, 0), 4);
    world_settle(&w);
}

static bool is_served(struct world_client *c)
{
    struct kafka_api_versions_request m;
    kafka_api_versions_request_init(&m);
    world_send(c, KAFKA_API_API_VERSIONS, API_VERSION, &m);
    return world_answer(c, KAFKA_API_API_VERSIONS, API_VERSION) != NULL;
}

Test(router_client, what_is_read_of_a_frame_counts_before_it_is_whole)
{
    begin_frame(&large, LARGE);
    feed(&large, MIB / 2);
    cr_assert_eq(w.shard.held_bytes, MIB / 2 + 4);
    world_disconnect(&large);
    cr_assert_eq(w.shard.held_bytes, 0);
    world_connect(&w, &large);
}

Test(router_client, at_the_bound_one_large_request_goes_on_and_all_small_ones)
{
    begin_frame(&large, LARGE);
    feed(&large, 2 * MIB);
    cr_assert_geq(w.shard.held_bytes, 2 * MIB, "somebody must get through");
    size_t before = w.shard.held_bytes;
    begin_frame(&other, LARGE);
    feed(&other, 4 * MIB);
    world_pass_ms(&w, 100);
    cr_assert_leq(w.shard.held_bytes, before + 2 * SOME);
    cr_assert(is_served(&small));
    world_disconnect(&large);
    world_pass_ms(&w, 100);
    feed(&other, MIB);
    cr_assert_geq(w.shard.held_bytes, MIB, "now it is the other's turn");
    world_connect(&w, &large);
}

Test(router_client, who_goes_beyond_the_bound_and_sends_no_more_is_ended_for_the_others)
{
    begin_frame(&large, LARGE);
    feed(&large, 2 * MIB);
    begin_frame(&other, LARGE);
    feed(&other, 4 * MIB);
    world_pass_ms(&w, 8000);
    feed(&large, MIB);
    world_pass_ms(&w, 8000);
    cr_assert_not(world_is_ended(&large), "it goes on, slowly");
    world_pass_ms(&w, 4000);
    cr_assert(world_is_ended(&large));
    cr_assert_not(world_is_ended(&other));
    feed(&other, MIB);
    cr_assert_geq(w.shard.held_bytes, MIB, "now it is the other's turn");
}

Test(router_client, each_shard_has_its_part_of_the_memory)
{
    w.shard.shard_count = 4;
    begin_frame(&large, LARGE);
    feed(&large, MIB / 2);
    begin_frame(&other, LARGE);
    feed(&other, MIB / 2);
    cr_assert_leq(w.shard.held_bytes, MIB / 2 + 2 * SOME);
}

/* At memory's bound or far from it. */
Test(router_client, a_request_that_trickles_in_is_not_waited_for_without_an_end)
{
    begin_frame(&large, MIB);
    for (unsigned i = 0; i < 6; i++) { /* its size gives it four seconds more than half a minute */
        cr_assert_not(world_is_ended(&large));
        feed(&large, 100);
        world_pass_ms(&w, 5000);
    }
    cr_assert_not(world_is_ended(&large));
    world_pass_ms(&w, 6000);
    cr_assert(world_is_ended(&large));
    cr_assert_eq(w.shard.held_bytes, 0);
}

Test(router_client, nor_one_of_which_not_even_the_size_is_known)
{
    cr_assert_eq(send(small.socket, "", 1, 0), 1);
    world_pass_ms(&w, 29000);
    cr_assert_not(world_is_ended(&small));
    world_pass_ms(&w, 2000);
    cr_assert(world_is_ended(&small));
}

Test(router_client, a_client_that_is_between_requests_has_all_the_time)
{
    cr_assert(is_served(&small));
    world_pass_ms(&w, 60000);
    cr_assert(is_served(&small));
}

Test(router_client, time_in_which_a_request_is_not_read_is_not_its_own)
{
    begin_frame(&large, LARGE);
    feed(&large, 2 * MIB);
    begin_frame(&other, LARGE);
    feed(&other, MIB / 2); /* it waits for the large one */
    for (unsigned i = 0; i < 6; i++) {
        world_pass_ms(&w, 8000);
        feed(&large, MIB / 2);
    }
    world_disconnect(&large);
    world_pass_ms(&w, 25000);
    cr_assert_not(world_is_ended(&other));
    world_connect(&w, &large);
}

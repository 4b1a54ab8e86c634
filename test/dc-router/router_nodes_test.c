/* Where nodes are, and which connections to them are whose. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "protocol/error.h"
#include "router_requests.h"
#include "router_stage.h"

#define NAMED_NODE 9
#define LOOKS_MAX  64

/* What was looked up, in order; the test says what is found. */
static struct look {
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb cb;
    char host[64], port[8];
} looks[LOOKS_MAX];
static unsigned look_count;

static int look_up(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb cb,
                   const char *host, const char *port, const struct addrinfo *hints)
{
    (void)loop;
    (void)hints;
    cr_assert_lt(look_count, LOOKS_MAX);
    struct look *look = &looks[look_count++];
    look->request = request;
    look->cb = cb;
    snprintf(look->host, sizeof look->host, "%s", host);
    snprintf(look->port, sizeof look->port, "%s", port);
    return 0;
}

static void find(unsigned i, const char *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    cr_assert_eq(getaddrinfo(address, looks[i].port, &hints, &found), 0);
    looks[i].cb(looks[i].request, 0, found); /* it frees them */
    world_settle(&w);
}

static void find_nothing(unsigned i)
{
    looks[i].cb(looks[i].request, UV_EAI_NONAME, NULL);
}

static void open_with_look_up(void)
{
    look_count = 0;
    open_world();
    w.shard.pool.look_up = look_up;
}

TestSuite(router_nodes, .init = open_with_look_up, .fini = close_world);

static struct router_node *put(int32_t id, const char *host, uint16_t port)
{
    return node_pool_put(&w.shard, id, kafka_string_of(host), port, kafka_string_of("far"));
}

static void send_batch(void)
{
    struct kafka_produce_request_partition partition;
    kafka_produce_request_partition_init(&partition);
    world_send_produce(&client, 5000, &partition, 1);
}

static void refuse(int32_t node, unsigned n)
{
    struct kafka_produce_response_partition partition;
    kafka_produce_response_partition_init(&partition);
    partition.error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    world_answer_produce(&w, node, n, &partition);
}

Test(router_nodes, the_address_of_a_former_name_is_not_taken)
{
    struct router_node *n = put(NAMED_NODE, "old", 9000);
    cr_assert_eq(put(NAMED_NODE, "new", w.nodes[0].port), n);
    cr_assert_eq(look_count, 1);
    find(0, "127.0.0.9");
    cr_assert_not(n->has_address);
    cr_assert_eq(look_count, 2);
    cr_assert_str_eq(looks[1].host, "new");
    find(1, "127.0.0.1");
    cr_assert(n->has_address);
    cr_assert_eq(((struct sockaddr_in *)&n->address)->sin_port, htons(w.nodes[0].port));
}

Test(router_nodes, nor_that_of_a_name_which_became_an_address)
{
    struct router_node *n = put(NAMED_NODE, "old", 9000);
    put(NAMED_NODE, "127.0.0.1", w.nodes[0].port);
    find(0, "127.0.0.9");
    cr_assert_eq(look_count, 1);
    cr_assert_eq(((struct sockaddr_in *)&n->address)->sin_port, htons(w.nodes[0].port));
}

Test(router_nodes, a_name_is_looked_up_again_when_nobody_is_at_its_address_once_a_second_at_most)
{
    struct router_node *n = put(NAMED_NODE, "moved", w.nodes[0].port);
    find(0, "127.0.0.9"); /* nobody listens there */
    for (int second = 0; second < 4; second++) {
        world_pass_ms(&w, 1000);
        cr_assert_leq(look_count, 2u + (unsigned)second);
        if (looks[look_count - 1].request != NULL)
            find_nothing(look_count - 1);
        looks[look_count - 1].request = NULL;
    }
    world_pass_ms(&w, 1000);
    cr_assert_geq(look_count, 4);
    cr_assert_not(router_node_is_up(n));
    find(look_count - 1, "127.0.0.1");
    world_pass_ms(&w, 500);
    cr_assert(router_node_is_up(n));
    unsigned before = look_count;
    world_pass_ms(&w, 3000);
    cr_assert_eq(look_count, before, "it is well where it is");
}

Test(router_nodes, of_several_addresses_the_next_one_is_tried)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *first, *next;
    struct router_node *n = put(NAMED_NODE, "both", w.nodes[0].port);
    for (int tries = 0; tries < 2; tries++) {
        cr_assert_eq(getaddrinfo("127.0.0.9", looks[tries].port, &hints, &first), 0);
        cr_assert_eq(getaddrinfo("127.0.0.1", looks[tries].port, &hints, &next), 0);
        first->ai_next = next;
        looks[tries].cb(looks[tries].request, 0, first);
        world_pass_ms(&w, 1100);
    }
    world_pass_ms(&w, 500);
    cr_assert(router_node_is_up(n));
    cr_assert_eq(((struct sockaddr_in *)&n->address)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

Test(router_nodes, what_goes_on_when_an_address_changes_goes_to_the_new_one)
{
    w.leaders[0] = -1;
    send_batch();
    refuse(1, 0);
    send_batch(); /* held behind the first */
    w.leaders[0] = 1;
    world_pass_ms(&w, 500);
    cr_assert_eq(count_at(1), 2);
    w.nodes[0].port = w.nodes[1].port;
    put(1, "127.0.0.1", w.nodes[1].port); /* the first's fate is unknown; the second goes */
    world_pass_ms(&w, 500);
    cr_assert_eq(count_at(1), 2);
    cr_assert_eq(count_at(2), 1);
}

Test(router_nodes, what_the_router_asks_itself_is_not_behind_a_clients_request)
{
    w.settings.pipes_per_node = 1;
    send_batch();
    for (int i = 0; i < WORLD_NODES; i++)
        learn_leaders();
    const struct world_call *call = world_call(&w, 1, 0);
    cr_assert_geq(call->way, 0, "an answer before its turn ends the connection");
    cr_assert_neq(call->way, world_node(&w, 1)->asked_way);
}

/* The world passes in an instant: what the kernel does after a second is not seen here. */
Test(router_nodes, a_connection_that_is_not_made_soon_is_tried_anew_before_the_node_is_given_up)
{
    const struct router_node *n = node_pool_find(&w.shard, 2);
    world_lose_connects(&w, 2, true);
    world_cut(&w, 2);
    world_pass_ms(&w, 300); /* longer than from one probe to the next */
    cr_assert(n->is_probing && !upstream_was_connected(n->probe));
    world_lose_connects(&w, 2, false);
    uint64_t reached_ms = router_now_ms(&w.shard);
    world_pass_ms(&w, 550);
    cr_assert_geq(n->answered_ms, reached_ms);
    cr_assert(router_node_is_up(n), "it was not silent for a second");
}

/* Several routers of one site: who of them is shown to clients, and for what. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/face.h"
#include "router_requests.h"
#include "router_world.h"

#define SELF 1000001
#define PEER 1000002
#define FAR  1000003

static struct world w;
static struct world_client client;

/* ---- another router: a socket that answers, or does not ---- */

static int listener = -1, way = -1;
static uint16_t port;

static void peer_listen(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof at;
    int on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(listener, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    port = ntohs(at.sin_port);
}

static void peer_end(void)
{
    struct linger at_once = {.l_onoff = 1};
    if (way >= 0) {
        setsockopt(way, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); /* its port is free */
        close(way);
    }
    close(listener);
    way = listener = -1;
}

/* Answers what was asked: an ApiVersions answer's first bytes are enough. */
static void peer_answer(void)
{
    uint8_t question[64], answer[] = {0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    int next = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (next >= 0) {
        if (way >= 0)
            close(way);
        way = next;
    }
    ssize_t size = way < 0 ? 0 : recv(way, question, sizeof question, 0);
    if (size < 12)
        return;
    cr_assert_eq(question[5], KAFKA_API_API_VERSIONS);
    memcpy(answer + 4, question + 8, 4);
    cr_assert_eq(send(way, answer, sizeof answer, MSG_NOSIGNAL), (ssize_t)sizeof answer);
}

static void pass_answering(uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 20) {
        peer_answer();
        world_pass_ms(&w, 20);
    }
}

static bool comes_live(void)
{
    for (int i = 0; i < 100 && w.shard.view.live_count == 0; i++) {
        peer_answer();
        world_pass_ms(&w, 20);
    }
    return view_has_live(&w.shard.view, PEER);
}

static void set_up(void)
{
    char settings[256];
    peer_listen();
    snprintf(settings, sizeof settings,
             "routers:\n  - {router_id: %d, site: a, address: \"127.0.0.1:%u\"}\n"
             "  - {router_id: %d, site: b, address: \"127.0.0.1:%u\"}\n",
             PEER, port, FAR, port + 1);
    world_open_with(&w, settings);
    world_connect(&w, &client);
}

static void tear_down(void)
{
    world_disconnect(&client);
    world_close(&w);
    if (listener >= 0)
        peer_end();
}

TestSuite(router_peers, .init = set_up, .fini = tear_down);

/* ---- who is shown ---- */

static unsigned shown(void)
{
    struct face face;
    face_look(&w.shard, NULL, &face);
    return face.count;
}

Test(router_peers, one_that_has_not_answered_yet_is_not_shown)
{
    world_pass_ms(&w, 400);
    cr_assert_eq(shown(), 1);
}

Test(router_peers, one_that_answers_is_shown_and_those_of_other_sites_are_not)
{
    struct face face;
    cr_assert(comes_live());
    face_look(&w.shard, NULL, &face);
    cr_assert_eq(face.count, 2);
    cr_assert_eq(face.brokers[0].id, SELF);
    cr_assert_eq(face.brokers[1].id, PEER);
    cr_assert_eq(face.brokers[1].port, port);
}

Test(router_peers, one_that_ends_is_not_shown_any_more)
{
    cr_assert(comes_live());
    peer_end();
    world_pass_ms(&w, 400);
    cr_assert_eq(shown(), 1);
}

Test(router_peers, one_that_falls_silent_is_not_shown_any_more)
{
    cr_assert(comes_live());
    pass_answering(1000);
    cr_assert_eq(shown(), 2, "while it answers it is");
    world_pass_ms(&w, 1000 + 600 + 100);
    cr_assert_eq(shown(), 1);
}

Test(router_peers, one_that_is_back_is_shown_after_it_has_answered_for_a_while)
{
    cr_assert(comes_live());
    world_pass_ms(&w, 2000);
    cr_assert_eq(shown(), 1);
    int steps = 0;
    uint64_t answers_from_ms = 0;
    for (; steps < 300 && shown() == 1; steps++) {
        peer_answer();
        world_pass_ms(&w, 20);
        if (answers_from_ms == 0 && way >= 0)
            answers_from_ms = router_now_ms(&w.shard);
    }
    cr_assert_eq(shown(), 2);
    cr_assert_geq(router_now_ms(&w.shard) - answers_from_ms, PEER_RETURN_MS - 100);
}

/* ---- for what ---- */

static void look_at_three(struct face *face, int32_t first)
{
    face->count = 3;
    for (int32_t i = 0; i < 3; i++) /* whoever is asked stands first */
        face->brokers[i] = (struct face_broker){.id = SELF + (first + i) % 3};
}

Test(router_face, all_routers_name_the_same_one_and_each_gets_a_share)
{
    unsigned share[3] = {0};
    for (int32_t partition = 0; partition < 3000; partition++) {
        struct face face;
        int32_t named = -1;
        for (int32_t asked = 0; asked < 3; asked++) {
            look_at_three(&face, asked);
            int32_t id =
                face_choose(&face, KAFKA_STRING_NULL, kafka_string_of("orders"), partition)->id;
            cr_assert(named < 0 || named == id);
            named = id;
        }
        share[named - SELF]++;
    }
    for (int i = 0; i < 3; i++)
        cr_assert(share[i] > 850 && share[i] < 1150, "%u", share[i]);
}

Test(router_face, when_one_goes_only_what_it_had_moves)
{
    for (int32_t partition = 0; partition < 1000; partition++) {
        struct face face;
        look_at_three(&face, 0);
        int32_t before =
            face_choose(&face, KAFKA_STRING_NULL, kafka_string_of("orders"), partition)->id;
        face.count = 2; /* SELF + 2 has gone */
        int32_t after =
            face_choose(&face, KAFKA_STRING_NULL, kafka_string_of("orders"), partition)->id;
        cr_assert(after == before || before == SELF + 2);
    }
}

Test(router_peers, metadata_and_coordinators_are_spread_over_those_that_live)
{
    cr_assert(comes_live());
    bool is_named[2] = {false};
    for (int i = 0; i < 40; i++) {
        char group[16];
        snprintf(group, sizeof group, "group-%d", i);
        world_send_find_coordinator(&client, group);
        const struct kafka_find_coordinator_response *got = world_coordinator_answer(&client);
        cr_assert_not_null(got);
        cr_assert(got->node_id == SELF || got->node_id == PEER);
        is_named[got->node_id - SELF] = true;
    }
    cr_assert(is_named[0] && is_named[1]);
}

/* ---- whose site it is ---- */

/* The one that listens stands in site b now, where the clients of this machine belong. */
static void set_up_home(void)
{
    char settings[256];
    peer_listen();
    snprintf(settings, sizeof settings,
             "routers:\n  - {router_id: %d, site: b, address: \"127.0.0.1:%u\"}\n"
             "site_networks:\n  - {site: b, addresses: \"127.0.0.0/8\"}\n",
             PEER, port);
    world_open_with(&w, settings);
    world_connect(&w, &client);
}

TestSuite(router_homes, .init = set_up_home, .fini = tear_down);

static int32_t coordinator(void)
{
    world_send_find_coordinator(&client, "group");
    const struct kafka_find_coordinator_response *got = world_coordinator_answer(&client);
    cr_assert_not_null(got);
    return got->node_id;
}

Test(router_homes, a_client_of_another_site_is_told_of_the_routers_of_its_own)
{
    struct face face;
    cr_assert_eq(coordinator(), SELF, "none of them has answered yet");
    cr_assert(comes_live());
    cr_assert_eq(coordinator(), PEER);
    face_look(&w.shard, NULL, &face);
    cr_assert_eq(face.count, 1, "who belongs here is told of those that stand here");
    cr_assert_eq(face.brokers[0].id, SELF);
}

Test(router_homes, while_its_own_site_has_no_router_it_is_told_of_those_that_it_asks)
{
    cr_assert(comes_live());
    cr_assert_eq(coordinator(), PEER);
    peer_end();
    world_pass_ms(&w, 400);
    cr_assert_eq(coordinator(), SELF);
}

/* Of what the node says of "t", whose partition 0 leads a node. */
static const struct kafka_metadata_response *metadata(void)
{
    struct kafka_metadata_request ask;
    struct kafka_metadata_response m;
    struct kafka_metadata_response_topic topic;
    struct kafka_metadata_response_partition partition;
    kafka_metadata_request_init(&ask);
    kafka_metadata_response_init(&m);
    kafka_metadata_response_topic_init(&topic);
    kafka_metadata_response_partition_init(&partition);
    partition.leader_id = 1;
    topic.name = kafka_string_of("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    m.topics = &topic;
    m.topics_count = 1;
    world_send(&client, KAFKA_API_METADATA, 8, &ask);
    world_settle(&w);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (world_node(&w, id)->call_count > 0)
            world_node_answer(&w, id, world_node(&w, id)->call_count - 1, &m);
    const struct kafka_metadata_response *got = world_answer(&client, KAFKA_API_METADATA, 8);
    cr_assert_not_null(got);
    return got;
}

Test(router_homes, it_knows_routers_of_other_sites_too_which_lead_nothing)
{
    cr_assert(comes_live());
    const struct kafka_metadata_response *got = metadata();
    cr_assert_eq(got->brokers_count, 2);
    cr_assert_eq(got->brokers[0].node_id, PEER);
    cr_assert_eq(got->brokers[1].node_id, SELF);
    cr_assert(kafka_string_is_text(got->brokers[1].rack, "a"));
    cr_assert_eq(got->controller_id, SELF, "so who asked by a name knows where it stands");
    cr_assert_eq(got->topics[0].partitions[0].leader_id, PEER);
}

Test(router_homes, one_of_another_site_that_ends_is_not_known_any_more)
{
    cr_assert(comes_live());
    cr_assert_eq(metadata()->brokers_count, 2);
    peer_end();
    world_pass_ms(&w, 400);
    const struct kafka_metadata_response *got = metadata();
    cr_assert_eq(got->brokers_count, 1);
    cr_assert_eq(got->brokers[0].node_id, SELF);
    cr_assert_eq(got->topics[0].partitions[0].leader_id, SELF);
}

/* Nobody says where the clients of this machine belong. */
static void set_up_strangers(void)
{
    char settings[256];
    peer_listen();
    snprintf(settings, sizeof settings,
             "routers:\n  - {router_id: %d, site: b, address: \"127.0.0.1:%u\"}\n"
             "site_networks:\n  - {site: b, addresses: \"10.2.0.0/16\"}\n",
             PEER, port);
    world_open_with(&w, settings);
    world_connect(&w, &client);
}

TestSuite(router_strangers, .init = set_up_strangers, .fini = tear_down);

Test(router_strangers, whom_no_site_is_known_of_is_told_of_the_site_that_it_asks_alone)
{
    cr_assert(comes_live());
    const struct kafka_metadata_response *got = metadata();
    cr_assert_eq(got->brokers_count, 1);
    cr_assert_eq(got->brokers[0].node_id, SELF);
}

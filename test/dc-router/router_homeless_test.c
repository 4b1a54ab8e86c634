/* Clients whose own site has no router left: whose routers they work with, by the order of sites
 * that all share. */
#include <string.h>

#include "router/face.h"
#include "router_requests.h"
#include "router_stage.h"

#define IN_A  1000001 /* the one that runs */
#define IN_B  1000002
#define IN_C  1000003
#define NAMES 200

/* The clients of this machine belong to site b. */
static void open_homes(void)
{
    open_world_with("routers:\n  - {router_id: 1000002, site: b, address: \"127.0.0.1:2\"}\n"
                    "  - {router_id: 1000003, site: c, address: \"127.0.0.1:3\"}\n"
                    "site_networks:\n  - {site: b, addresses: \"127.0.0.0/8\"}\n");
    cr_assert_eq(count_at(1), 0);
}

TestSuite(router_homeless, .init = open_homes, .fini = close_world);

static void agree(enum router_drain drain_of_c, enum router_health health_of_c)
{
    static const struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    cr_assert_eq(router_verdict_init(&w.shard.view.verdict, sites, 3, NULL), 0);
    w.shard.view.verdict.sites[2].drain = drain_of_c;
    w.shard.view.verdict.sites[2].health = health_of_c;
}

static void set_live(int32_t one, int32_t other)
{
    w.shard.view.live_count = 0;
    if (one != 0)
        w.shard.view.live[w.shard.view.live_count++] = one;
    if (other != 0)
        w.shard.view.live[w.shard.view.live_count++] = other;
}

/* As if the router of c had been asked, which sees that of a live. */
static void ask_in_c(void)
{
    w.settings.router_id = IN_C;
    strcpy(w.settings.site, "c");
    w.settings.routers = (struct conf_routers){
        .count = 1, .entries = {{.router_id = IN_A, .site = "a", .address = {"a", 1}}}};
    set_live(IN_A, 0);
}

static int32_t leader_of(int name)
{
    struct face face;
    char topic[16];
    snprintf(topic, sizeof topic, "topic-%d", name);
    struct kafka_string text = kafka_string_of(topic);
    face_look(&w.shard, w.shard.clients, &face);
    return face_choose(&face, face_site(&face, text), text, 0)->id;
}

static unsigned count_led_by(int32_t id)
{
    unsigned count = 0;
    for (int i = 0; i < NAMES; i++)
        count += leader_of(i) == id;
    return count;
}

Test(router_homeless, each_topic_is_led_where_its_order_says_whichever_router_is_asked)
{
    int32_t led[NAMES];
    agree(ROUTER_IN, ROUTER_WHOLE);
    set_live(IN_C, 0);
    for (int i = 0; i < NAMES; i++) {
        struct router_order order;
        char topic[16];
        snprintf(topic, sizeof topic, "topic-%d", i);
        cr_assert_eq(
            router_order(&w.shard.view.verdict, bytes_of_text(topic), ROUTER_NO_SITE, 1, &order),
            0);
        cr_assert_eq(order.sites[0], 1, "its own, which has no router");
        led[i] = leader_of(i);
        cr_assert_eq(led[i], order.sites[1] == 0 ? IN_A : IN_C);
    }
    cr_assert(count_led_by(IN_A) > NAMES / 4 && count_led_by(IN_C) > NAMES / 4);
    ask_in_c();
    for (int i = 0; i < NAMES; i++)
        cr_assert_eq(leader_of(i), led[i]);
}

Test(router_homeless, a_site_that_is_drained_or_left_leads_nothing_while_another_can)
{
    set_live(IN_C, 0);
    agree(ROUTER_DRAINED, ROUTER_WHOLE);
    cr_assert_eq(count_led_by(IN_A), NAMES);
    agree(ROUTER_IN, ROUTER_LEFT);
    cr_assert_eq(count_led_by(IN_A), NAMES);
    ask_in_c();
    cr_assert_eq(count_led_by(IN_A), NAMES, "though a router of c was asked");
    set_live(0, 0);
    cr_assert_eq(count_led_by(IN_C), NAMES, "better than nobody");
}

Test(router_homeless, without_a_verdict_the_site_that_is_asked_leads)
{
    set_live(IN_C, 0);
    cr_assert_eq(w.shard.view.verdict.epoch, 0);
    cr_assert_eq(count_led_by(IN_A), NAMES);
    ask_in_c();
    cr_assert_eq(count_led_by(IN_C), NAMES);
}

Test(router_homeless, a_site_whose_router_is_back_leads_again_also_when_it_is_left)
{
    agree(ROUTER_IN, ROUTER_WHOLE);
    set_live(IN_B, IN_C);
    cr_assert_eq(count_led_by(IN_B), NAMES);
    w.shard.view.verdict.sites[1].health = ROUTER_LEFT;
    cr_assert_eq(count_led_by(IN_B), NAMES, "its nodes are gone, and it reaches the others");
    w.shard.view.verdict.sites[1].health = ROUTER_WHOLE;
    w.shard.view.verdict.sites[1].drain = ROUTER_DRAINED;
    cr_assert_eq(count_led_by(IN_B), NAMES, "it is drained of leaders, not of applications");
}

Test(router_homeless, the_last_router_of_a_site_sends_its_clients_to_others_while_it_drains)
{
    strcpy(w.settings.site_networks.entries[0].site, "a");
    agree(ROUTER_IN, ROUTER_WHOLE);
    set_live(IN_B, IN_C);
    cr_assert_eq(count_led_by(IN_A), NAMES);
    w.shard.is_draining = true;
    cr_assert_eq(count_led_by(IN_A), 0);
    cr_assert(count_led_by(IN_B) > NAMES / 4 && count_led_by(IN_C) > NAMES / 4);
    set_live(0, 0);
    cr_assert_eq(count_led_by(IN_A), NAMES, "better than nobody");
    w.shard.is_draining = false;
}

/* ---- as clients are told ---- */

static int32_t coordinator(const char *group)
{
    world_send_find_coordinator(&client, group);
    const struct kafka_find_coordinator_response *got = world_coordinator_answer(&client);
    cr_assert_not_null(got);
    return got->node_id;
}

Test(router_homeless, a_group_has_its_coordinator_where_the_order_of_its_name_says)
{
    bool is_named[2] = {false};
    agree(ROUTER_IN, ROUTER_WHOLE);
    set_live(IN_C, 0);
    for (int i = 0; i < 40; i++) {
        char group[16];
        snprintf(group, sizeof group, "topic-%d", i);
        int32_t id = coordinator(group);
        cr_assert_eq(id, leader_of(i));
        is_named[id == IN_C] = true;
    }
    cr_assert(is_named[0] && is_named[1]);
    agree(ROUTER_DRAINED, ROUTER_WHOLE);
    for (int i = 0; i < 40; i++)
        cr_assert_eq(coordinator("group"), IN_A);
}

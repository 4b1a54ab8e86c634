#include "conf/router_conf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Five lines that any file needs; what a test adds stands from line 6 on. */
#define HEAD                                                                                       \
    "router_id: 1000002\n"                                                                         \
    "site: b\n"                                                                                    \
    "listen: 127.0.0.2:9192\n"                                                                     \
    "nodes:\n"                                                                                     \
    "  - 127.0.0.1:9092\n"

static struct router_settings settings_of(const char *text)
{
    struct router_settings settings;
    struct err_note note = {0};
    int err = router_conf_parse(bytes_of_text(text), "test.yaml", &settings, &note);
    cr_assert_eq(err, 0, "%s", note.text);
    return settings;
}

/* The text is refused with exactly this message, and the settings stay as they were. */
static void assert_refused(const char *text, const char *message)
{
    static struct router_settings settings, before;
    memset(&settings, 0x5a, sizeof settings);
    before = settings;
    struct err_note note = {0};
    int err = router_conf_parse(bytes_of_text(text), "test.yaml", &settings, &note);
    cr_assert_eq(err, ERR_INVALID, "%s", text);
    cr_assert_str_eq(note.text, message);
    cr_assert_eq(memcmp(&settings, &before, sizeof settings), 0);
}

static char *printed(const struct router_settings *settings)
{
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);
    cr_assert_eq(router_conf_print(settings, into), 0);
    fclose(into);
    return text;
}

Test(router_conf, takes_defaults_for_what_is_not_set)
{
    struct router_settings c = settings_of(HEAD);
    cr_assert_str_eq(c.environment, "production");
    cr_assert_eq(c.routers.count, 0);
    cr_assert_eq(c.shards, 0);
    cr_assert_eq(c.connections_max, 12000);
    cr_assert_eq(c.request_bytes_max, 99 * CONF_MIB);
    cr_assert_eq(c.node_silent_ms, 1000);
    cr_assert_eq(c.hold_ms_max, 30 * CONF_SECOND);
    cr_assert_eq(c.event_level, 1);
    cr_assert_eq(c.lines[ROUTER_SETTING_hold_ms_max], 0);
}

Test(router_conf, keeps_what_the_file_sets_and_where)
{
    struct router_settings c = settings_of(
        HEAD "  - '[::1]:9092'\n"
             "routers:\n"
             "  - {router_id: 1000001, site: a, address: router-a.example:9192}\n"
             "  - {address: router-b.example:9192, site: b, router_id: 2147483647}\n"
             "environment: test\n"
             "hold_ms_max: 2 s\n"
             "max.connections: 100\n");
    cr_assert_eq(c.router_id, 1000002);
    cr_assert_str_eq(c.site, "b");
    cr_assert_eq(c.nodes.count, 2);
    cr_assert_str_eq(c.nodes.entries[0].host, "127.0.0.1");
    cr_assert_str_eq(c.nodes.entries[1].host, "::1");
    cr_assert_eq(c.nodes.entries[1].port, 9092);
    cr_assert_eq(c.routers.count, 2);
    cr_assert_eq(c.routers.entries[0].router_id, 1000001);
    cr_assert_str_eq(c.routers.entries[0].site, "a");
    cr_assert_str_eq(c.routers.entries[0].address.host, "router-a.example");
    cr_assert_eq(c.routers.entries[1].router_id, INT32_MAX);
    cr_assert_str_eq(c.environment, "test");
    cr_assert_eq(c.hold_ms_max, 2000);
    cr_assert_eq(c.connections_max, 100);
    cr_assert_eq(c.lines[ROUTER_SETTING_nodes], 4);
    cr_assert_eq(c.lines[ROUTER_SETTING_hold_ms_max], 11);
}

Test(router_conf, completes_addresses_that_follow_from_others)
{
    struct router_settings c = settings_of(HEAD);
    cr_assert_str_eq(c.advertised.host, "127.0.0.2");
    cr_assert_eq(c.advertised.port, 9192);
    cr_assert_str_eq(c.admin_listen.host, "127.0.0.2");
    cr_assert_eq(c.admin_listen.port, 9700);
    c = settings_of("router_id: 1000002\nsite: b\nnodes: [127.0.0.1:9092]\n"
                    "advertised: router-b.example:9192\n");
    cr_assert_str_eq(c.listen.host, "0.0.0.0");
    cr_assert_eq(c.listen.port, 9192);
    cr_assert_str_eq(c.admin_listen.host, "127.0.0.1", "never where others can reach it");
    c = settings_of(HEAD "admin_listen: none\n");
    cr_assert_eq(c.admin_listen.port, 0);
}

Test(router_conf, knows_no_settings_of_a_node)
{
    assert_refused(HEAD "data_directory: /d\n", "test.yaml:6: 'data_directory' is not a setting");
    assert_refused(HEAD "about_limits: 1\n", "test.yaml:6: 'about_limits' is not a setting");
    assert_refused(HEAD "\nshards: 1\nshards: 1\n",
                   "test.yaml:8: shards is set twice, first in line 7");
    assert_refused(HEAD "hold_ms_max: 11 min\n",
                   "test.yaml:6: hold_ms_max: 11 min is not between 100 and 10 min");
}

Test(router_conf, names_what_must_be_set)
{
    assert_refused(
        "site: b\n",
        "test.yaml: router_id must be set (This router's id, unique among the routers: "
        "clients see it as a broker's. It begins far above the ids that nodes are given, "
        "so that it is none of theirs)");
    assert_refused(
        "router_id: 1000002\nsite: b\n",
        "test.yaml: nodes must be set (Nodes of the cluster, each as the host:port where "
        "its Kafka clients connect, some of every site: any one that answers tells of "
        "all the others)");
}

Test(router_conf, refuses_ids_that_nodes_have)
{
    assert_refused("router_id: 1\n",
                   "test.yaml:1: router_id: 1 is not between 1000000 and 2147483647");
    assert_refused(HEAD "routers: [{router_id: 999999}]\n",
                   "test.yaml:6: router_id: 999999 is not between 1000000 and 2147483647");
    assert_refused(HEAD "routers: [{router_id: 2147483648}]\n",
                   "test.yaml:6: router_id: 2147483648 is not between 1000000 and 2147483647");
}

Test(router_conf, refuses_a_list_of_addresses_that_is_none)
{
    assert_refused("nodes: 127.0.0.1:9092\n", "test.yaml:1: nodes: is not a list of addresses");
    assert_refused("nodes: []\n", "test.yaml:1: nodes: is empty");
    assert_refused("nodes:\n  - a:1\n  - b\n",
                   "test.yaml:3: nodes: 'b' is not host:port (a port from 1 to 65535; IPv6 as "
                   "[::1]:9092)");
    assert_refused("nodes:\n  - none\n",
                   "test.yaml:2: nodes: 'none' is not host:port (a port from 1 to 65535; IPv6 as "
                   "[::1]:9092)");
    assert_refused("nodes:\n  - {id: 1}\n", "test.yaml:2: nodes: is not a single value");
    assert_refused("nodes: &a [*a]\n", "test.yaml:1: nodes: is not a single value");
}

Test(router_conf, refuses_routers_that_are_not_described_fully)
{
    assert_refused("routers: 3\n", "test.yaml:1: routers: is not a list of routers");
    assert_refused("routers:\n  - a:1\n",
                   "test.yaml:2: routers: each router is 'router_id', 'site' and 'address'");
    assert_refused("routers:\n  - router_id: 1000001\n    site: a\n",
                   "test.yaml:2: routers: a router has no address");
    assert_refused("routers:\n  - id: 1\n", "test.yaml:2: 'id' is not a setting of a router "
                                            "(router_id, site, address)");
    assert_refused("routers:\n  - site: a\n    site: a\n",
                   "test.yaml:3: site is set twice for the same router");
}

Test(router_conf, refuses_more_than_its_lists_can_hold)
{
    char text[8192];
    size_t length = (size_t)snprintf(text, sizeof text, "nodes:\n");
    for (int i = 1; i <= CONF_ADDRESSES_MAX + 1; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "  - h:%d\n", i);
    assert_refused(text, "test.yaml:66: nodes: more than 64 addresses");
    length = (size_t)snprintf(text, sizeof text, "routers:\n");
    for (int i = 1; i <= CONF_ROUTERS_MAX + 1; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "  - {router_id: %d, site: a, address: 'h:%d'}\n",
                                   CONF_ROUTER_ID_LEAST + i, i);
    assert_refused(text, "test.yaml:66: routers: more than 64 routers");
}

Test(router_conf, takes_lists_as_long_as_they_may_be)
{
    char text[8192];
    size_t length = (size_t)snprintf(text, sizeof text, "router_id: 1000000\nsite: a\nnodes:\n");
    for (int i = 1; i <= CONF_ADDRESSES_MAX; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "  - n:%d\n", i);
    length += (size_t)snprintf(text + length, sizeof text - length, "listen: h:1\nrouters:\n");
    for (int i = 1; i <= CONF_ROUTERS_MAX; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "  - {router_id: %d, site: a, address: 'r:%d'}\n",
                                   CONF_ROUTER_ID_LEAST + i, i);
    struct router_settings c = settings_of(text);
    cr_assert_eq(c.nodes.entries[63].port, 64);
    cr_assert_eq(c.routers.entries[63].router_id, 1000064);
}

Test(router_conf, refuses_routers_that_can_not_be_told_apart)
{
    assert_refused(HEAD "routers:\n"
                        "  - {router_id: 1000001, site: a, address: 'h:1'}\n"
                        "  - {router_id: 1000001, site: c, address: 'h:2'}\n",
                   "test.yaml:6: routers: two routers have the router_id 1000001");
    assert_refused(HEAD "routers:\n"
                        "  - {router_id: 1000001, site: a, address: 'h:1'}\n"
                        "  - {router_id: 1000003, site: c, address: 'h:1'}\n",
                   "test.yaml:6: routers: routers 1000001 and 1000003 have the same address");
    assert_refused(HEAD "routers: [{router_id: 1000002, site: b, address: 'h:1'}]\n",
                   "test.yaml:6: routers: 1000002 is this router; only the others stand there");
    assert_refused(HEAD "routers: [{router_id: 1000003, site: b, address: '127.0.0.2:9192'}]\n",
                   "test.yaml:6: routers: router 1000003 has this router's own address");
}

Test(router_conf, refuses_more_sites_than_are_possible)
{
    char text[1024];
    size_t length = (size_t)snprintf(text, sizeof text, HEAD "routers:\n");
    for (int i = 0; i < 4; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "  - {router_id: %d, site: %c, address: 'h:%d'}\n", 1000003 + i,
                                   'c' + i, 1 + i);
    settings_of(text);
    snprintf(text + length, sizeof text - length,
             "  - {router_id: 1000001, site: a, address: 'h:9'}\n");
    assert_refused(text, "test.yaml:6: routers: with this router's own 6 sites, at most 5 are "
                         "possible");
}

Test(router_conf, refuses_to_take_a_router_for_a_node)
{
    assert_refused(HEAD "  - 127.0.0.2:9192\n",
                   "test.yaml:4: nodes: 127.0.0.2:9192 is this router itself");
    assert_refused(HEAD "  - h:1\nadvertised: h:1\n",
                   "test.yaml:4: nodes: h:1 is this router itself");
    assert_refused(HEAD "  - h:1\nrouters: [{router_id: 1000001, site: a, address: 'h:1'}]\n",
                   "test.yaml:4: nodes: h:1 is router 1000001, no node");
    assert_refused(HEAD "  - 127.0.0.1:9092\n",
                   "test.yaml:4: nodes: 127.0.0.1:9092 stands there twice");
}

Test(router_conf, wants_addresses_that_do_not_follow_from_others)
{
    assert_refused("router_id: 1000002\nsite: b\nnodes: [127.0.0.1:9092]\n",
                   "test.yaml: advertised: must be set, for listen is every interface, which no "
                   "client can reach");
}

Test(router_conf, wants_a_token_where_the_admin_port_is_reached_from_elsewhere)
{
    assert_refused(HEAD "admin_listen: 0.0.0.0:9700\n",
                   "test.yaml:6: admin_listen: is reached from other machines, so "
                   "admin_token_file must be set");
    assert_refused(HEAD "admin_listen: 127.0.0.2:9192\n",
                   "test.yaml:6: admin_listen: is the same address as listen");
    settings_of(HEAD "admin_listen: 0.0.0.0:9700\nadmin_token_file: /etc/trilog/token\n");
    settings_of(HEAD "admin_listen: localhost:9700\n");
}

Test(router_conf, refuses_limits_that_contradict_each_other)
{
    assert_refused(HEAD "memory_bytes_max: 98 MiB\n",
                   "test.yaml:6: memory_bytes_max: is too small for socket.request.max.bytes: a "
                   "request must fit the memory for all of them");
    assert_refused(HEAD "node_silent_ms: 31 s\n",
                   "test.yaml:6: node_silent_ms: is too large for hold_ms_max: a request would be "
                   "given up before its node is known to be gone");
    assert_refused(HEAD "hold_ms_max: 999\n",
                   "test.yaml:6: hold_ms_max: is too small for node_silent_ms: a request would be "
                   "given up before its node is known to be gone");
}

Test(router_conf, prints_a_file_with_the_same_settings)
{
    static const char *const others[] = {
        "", "routers: []\n",
        ("routers: [{router_id: 1000001, site: 'true', address: '[fe80::1]:9192'}]\n"
         "admin_listen: none\nadmin_token_file: '/a \"b\" \\ : # c'\nlanes_per_node_max: 7\n")};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        static char text[1024];
        static struct router_settings settings, again;
        snprintf(text, sizeof text, HEAD "  - '[::1]:9092'\n%s", others[i]);
        settings = settings_of(text);
        char *file = printed(&settings);
        struct err_note note = {0};
        cr_assert_eq(router_conf_parse(bytes_of_text(file), "test.yaml", &again, &note), 0,
                     "%s\n%s", note.text, file);
        memcpy(again.lines, settings.lines, sizeof again.lines); /* where they stand differs */
        cr_assert_eq(memcmp(&settings, &again, sizeof again), 0, "%s", file);
        free(file);
    }
}

Test(router_conf, reads_who_may_do_what)
{
    static struct router_settings c;
    c = settings_of(HEAD
                    "environments:\n"
                    "  - {environment: test, client_ids: 'test-*, ci', addresses: 10.9.0.0/16}\n"
                    "allow:\n"
                    "  - {client_ids: billing-*, topics: 'orders, bills-*'}\n"
                    "  - {groups: '*', admin: true}\n"
                    "backlog_limits:\n"
                    "  - {topic: orders, group: billing, records: 1000, answer: refuse}\n"
                    "  - {topic: bills, group: 'an odd name', ms: 10 min}\n");
    cr_assert_eq(c.environments.count, 1);
    const struct conf_patterns *ids = &c.environments.entries[0].client_ids;
    cr_assert(conf_patterns_have(ids, "test-1", 6) && conf_patterns_have(ids, "ci", 2));
    cr_assert_not(conf_patterns_have(ids, "test", 4) || conf_patterns_have(ids, "ci2", 3) ||
                  conf_patterns_have(ids, "", 0));
    cr_assert_eq(c.allow.count, 2);
    cr_assert_eq(c.allow.entries[0].addresses.count, 1, "everywhere");
    cr_assert_eq(c.allow.entries[0].addresses.entries[0].bits, 0);
    cr_assert_not(c.allow.entries[0].admin);
    cr_assert_not(conf_patterns_have(&c.allow.entries[0].groups, "g", 1));
    cr_assert(conf_patterns_have(&c.allow.entries[1].client_ids, "", 0), "all of them");
    cr_assert(c.allow.entries[1].admin);
    cr_assert_eq(c.backlog_limits.entries[0].records, 1000);
    cr_assert_eq(c.backlog_limits.entries[0].answer, CONF_BACKLOG_REFUSE);
    cr_assert_eq(c.backlog_limits.entries[1].ms, 10 * CONF_MINUTE);
    cr_assert_eq(c.backlog_limits.entries[1].answer, CONF_BACKLOG_THROTTLE);
    char *text = printed(&c);
    static struct router_settings again;
    again = settings_of(text);
    memcpy(again.lines, c.lines, sizeof again.lines);
    cr_assert_eq(memcmp(&c, &again, sizeof c), 0, "%s", text);
    free(text);
}

Test(router_conf, reads_where_the_applications_of_each_site_stand)
{
    static struct router_settings c;
    static const uint8_t there[16] = {[10] = 0xff, [11] = 0xff, 10, 2, 3, 4};
    c = settings_of(HEAD "routers:\n  - {router_id: 1000001, site: a, address: 'h:1'}\n"
                         "site_networks:\n  - {site: b, addresses: '10.2.0.0/16, 10.3.0.0/16'}\n"
                         "  - {site: a, addresses: 10.1.0.0/16}\n");
    cr_assert_eq(c.site_networks.count, 2);
    cr_assert_str_eq(c.site_networks.entries[0].site, "b");
    cr_assert(conf_networks_have(&c.site_networks.entries[0].addresses, there));
    cr_assert_not(conf_networks_have(&c.site_networks.entries[1].addresses, there));
    assert_refused(HEAD "site_networks:\n  - {site: c, addresses: 10.1.0.0/16}\n",
                   "test.yaml:6: site_networks: no router stands in site c");
    assert_refused(HEAD "site_networks:\n  - {site: b, addresses: none}\n",
                   "test.yaml:6: site_networks: site b has no addresses");
    assert_refused(HEAD "site_networks:\n  - {site: b}\n",
                   "test.yaml:7: site_networks: a site's network has no addresses");
}

Test(router_conf, refuses_rules_that_say_nothing_or_can_not_be_meant)
{
    assert_refused(
        HEAD "environments:\n  - {environment: test}\n",
        "test.yaml:7: environments: an environment has neither client_ids nor addresses: "
        "nobody would belong to it");
    assert_refused(HEAD "environments:\n  - {client_ids: x}\n",
                   "test.yaml:7: environments: an environment has no environment");
    assert_refused(HEAD "allow:\n  - {topics: 'a*b'}\n",
                   "test.yaml:7: topics: 'a*b' has a '*' that is not at a name's end (orders, "
                   "billing-*, *, or none)");
    assert_refused(HEAD "allow:\n  - {topics: 'a,,b'}\n",
                   "test.yaml:7: topics: 'a,,b' has an empty name (orders, billing-*, *, or none)");
    assert_refused(
        HEAD "allow:\n  - {topic: a}\n",
        "test.yaml:7: 'topic' is not a setting of a rule (client_ids, addresses, topics, "
        "groups, admin)");
    assert_refused(HEAD "backlog_limits:\n  - {topic: t, group: g}\n",
                   "test.yaml:7: backlog_limits: a backlog limit has no limit: neither records nor "
                   "ms");
}

Test(router_conf, refuses_two_limits_of_one_backlog)
{
    assert_refused(HEAD "backlog_limits:\n  - {topic: t, group: g, records: 1}\n"
                        "  - {topic: t, group: h, records: 1}\n"
                        "  - {topic: t, group: g, ms: 1 s}\n",
                   "test.yaml:6: backlog_limits: topic t and its group stand there twice");
}

Test(router_conf, prints_meaning_unit_range_and_default)
{
    static struct router_settings settings;
    router_conf_init(&settings);
    char *text = printed(&settings);
    cr_assert_not_null(strstr(text, "#   ms, 50 to 1 min; default 1 s\nnode_silent_ms: 1 s\n"));
    cr_assert_not_null(strstr(text, "#   a list; default []\nrouters: []\n"), "%s", text);
    cr_assert_not_null(strstr(text, "#   a list; must be set\n# nodes:\n"));
    cr_assert_not_null(strstr(text, "; must be set\n# router_id:\n"));
    free(text);
}

Test(router_conf, accepts_the_sample_of_each_site)
{
    for (char site = 'a'; site <= 'c'; site++) {
        char path[64];
        snprintf(path, sizeof path, "conf/samples/router-%c.yaml", site);
        struct router_settings c;
        struct err_note note = {0};
        cr_assert_eq(router_conf_load(path, &c, &note), 0, "%s", note.text);
        cr_assert_eq(c.site[0], site);
        cr_assert_eq(c.router_id, CONF_ROUTER_ID_LEAST + site - 'a' + 1);
        cr_assert_eq(c.nodes.count, 3);
        cr_assert_eq(c.routers.count, 2);
    }
}

Test(router_conf, says_which_file_can_not_be_read)
{
    struct router_settings settings;
    struct err_note note = {0};
    cr_assert_eq(router_conf_load("/nowhere/router.yaml", &settings, &note), UV_ENOENT);
    cr_assert_str_eq(note.text, "/nowhere/router.yaml: no such file or directory");
}

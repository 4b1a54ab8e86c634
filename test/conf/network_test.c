/* Addresses and networks in a setting: what is in them, what is refused, and how it is said. */
#include "conf/conf.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "cluster_name: trilog\nnode_id: 1\nsite: a\ndata_directory: /var/lib/trilog\n"                 \
    "listen: 127.0.0.1:9092\nnodes: [{id: 1, site: a, peer: '127.0.0.1:9093'}]\n"

static int parse(const char *list, struct conf_settings *settings, struct err_note *note)
{
    char text[2048];
    snprintf(text, sizeof text, HEAD "router_addresses: \"%s\"\n", list);
    return conf_parse(bytes_of_text(text), "test.yaml", settings, note);
}

static bool has(const char *list, const char *address)
{
    static struct conf_settings settings;
    struct err_note note = {0};
    uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
    cr_assert_eq(parse(list, &settings, &note), 0, "%s", note.text);
    if (inet_pton(AF_INET, address, bytes + 12) != 1)
        cr_assert_eq(inet_pton(AF_INET6, address, bytes), 1);
    return conf_networks_have(&settings.router_addresses, bytes);
}

static void assert_refused(const char *list, const char *message)
{
    static struct conf_settings settings;
    struct err_note note = {0};
    cr_assert_eq(parse(list, &settings, &note), ERR_INVALID, "%s", list);
    cr_assert_str_eq(note.text, message);
}

Test(conf_network, is_loopback_where_nothing_is_said)
{
    static struct conf_settings settings;
    uint8_t near[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 3}, near_too[16] = {[15] = 1},
            far[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    conf_init(&settings);
    cr_assert(conf_networks_have(&settings.router_addresses, near));
    cr_assert(conf_networks_have(&settings.router_addresses, near_too));
    cr_assert_not(conf_networks_have(&settings.router_addresses, far));
}

Test(conf_network, has_the_addresses_that_begin_like_it)
{
    cr_assert(has("10.1.2.3", "10.1.2.3"));
    cr_assert_not(has("10.1.2.3", "10.1.2.4"));
    cr_assert(has("10.1.0.0/16", "10.1.255.255"));
    cr_assert_not(has("10.1.0.0/16", "10.2.0.0"));
    cr_assert(has("10.1.2.128/25", "10.1.2.129"), "a prefix may end inside a byte");
    cr_assert_not(has("10.1.2.128/25", "10.1.2.127"));
    cr_assert(has("fd00:1::/32", "fd00:1:ffff::1"));
    cr_assert_not(has("fd00:1::/32", "fd00:2::1"));
}

Test(conf_network, is_a_list_or_nobody)
{
    cr_assert(has("10.0.0.1,  192.168.0.0/16 , ::1", "192.168.7.7"));
    cr_assert(has("10.0.0.1,192.168.0.0/16,::1", "::1"));
    cr_assert_not(has("10.0.0.1,192.168.0.0/16,::1", "10.0.0.2"));
    cr_assert_not(has("none", "127.0.0.1"));
    cr_assert(has("0.0.0.0/0", "8.8.8.8"));
    cr_assert_not(has("0.0.0.0/0", "2001:db8::1"), "all of IPv4, and no more");
    cr_assert(has("::/0", "8.8.8.8"), "all there are");
}

Test(conf_network, says_what_is_wrong_with_it)
{
#define HINT " (10.1.2.3, 10.1.0.0/16, ::1, or none)"
    assert_refused("10.1.0.0/33", "test.yaml:7: router_addresses: '10.1.0.0/33' has no prefix "
                                  "length from 0 to 32 behind its '/'" HINT);
    assert_refused("::1/129", "test.yaml:7: router_addresses: '::1/129' has no prefix length from "
                              "0 to 128 behind its '/'" HINT);
    assert_refused("10.1.0.0/", "test.yaml:7: router_addresses: '10.1.0.0/' has no prefix length "
                                "from 0 to 32 behind its '/'" HINT);
    assert_refused("10.1.2.3/16", "test.yaml:7: router_addresses: '10.1.2.3/16' has other bits "
                                  "than 0 behind its prefix" HINT);
    assert_refused("router-a", "test.yaml:7: router_addresses: 'router-a' is neither an IPv4 nor "
                               "an IPv6 address" HINT);
    assert_refused("10.0.0.1,", "test.yaml:7: router_addresses: '' is neither an IPv4 nor an IPv6 "
                                "address" HINT);
    assert_refused("", "test.yaml:7: router_addresses: '' is neither an IPv4 nor an IPv6 "
                       "address" HINT);
    assert_refused("10.0.0.1, none", "test.yaml:7: router_addresses: 'none' is neither an IPv4 nor "
                                     "an IPv6 address" HINT);
    assert_refused("1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,"
                   "1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1",
                   "test.yaml:7: router_addresses: more than 16 addresses");
    assert_refused("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                   "test.yaml:7: router_addresses: "
                   "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is too long for an "
                   "address" HINT);
}

Test(conf_network, is_printed_so_that_it_is_read_the_same)
{
    static struct conf_settings settings, again;
    static char printed[256 * 1024];
    struct err_note note = {0};
    const char *list = "10.0.0.0/8, 10.1.2.3, ::1, fd00::/8, 0.0.0.0/0, ::/0";
    cr_assert_eq(parse(list, &settings, &note), 0, "%s", note.text);
    FILE *into = fmemopen(printed, sizeof printed, "w");
    cr_assert_eq(conf_print(&settings, into), 0);
    fclose(into);
    cr_assert_not_null(strstr(printed, list));
    cr_assert_eq(conf_parse(bytes_of_text(printed), "again.yaml", &again, &note), 0, "%s",
                 note.text);
    cr_assert_eq(memcmp(&settings.router_addresses, &again.router_addresses,
                        sizeof settings.router_addresses),
                 0);
}

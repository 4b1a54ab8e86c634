/* Who says something of sites: one voice each, whichever way it comes. */
#include "site/reporter.h"

#include <criterion/criterion.h>

#include "request.h"

static uint64_t direct(const char *address, uint64_t connection)
{
    return site_reporter_of(&(struct request_context){
        .address = address, .connection = connection, .client_number = connection});
}

static uint64_t passed_on(const char *address, uint64_t router_id, uint64_t number)
{
    return site_reporter_of(&(struct request_context){
        .address = address, .connection = 7, .router_id = router_id, .client_number = number});
}

Test(cluster_site_reporter, a_client_has_one_voice_whatever_its_connections_and_routers)
{
    uint64_t one = direct("10.1.2.3", 1);
    cr_assert_eq(site_who(one), SITE_WHO_CLIENT);
    cr_assert_eq(direct("10.1.2.3", 2), one);
    cr_assert_eq(passed_on("10.1.2.3", 7, 3), one);
    cr_assert_eq(passed_on("10.1.2.3", 8, 4), one);
    cr_assert_eq(direct("::ffff:10.1.2.3", 5), one);
    cr_assert_neq(direct("10.1.2.4", 1), one);
    cr_assert_eq(site_who(direct("255.255.255.255", 1)), SITE_WHO_CLIENT);
}

Test(cluster_site_reporter, a_network_of_ipv6_has_one_voice)
{
    uint64_t one = direct("2001:db8::1", 1);
    cr_assert_eq(site_who(one), SITE_WHO_CLIENT);
    cr_assert_eq(direct("2001:db8::ffff:1", 2), one);
    cr_assert_neq(direct("2001:db8:0:1::1", 1), one);
    cr_assert_eq(site_who(direct("ffff:ffff:ffff:ffff::1", 1)), SITE_WHO_CLIENT);
}

Test(cluster_site_reporter, a_router_has_one_voice_and_its_clients_have_their_own)
{
    uint64_t own = passed_on("0.0.0.0", 7, 1);
    cr_assert_eq(site_who(own), SITE_WHO_ROUTER);
    cr_assert_neq(passed_on("0.0.0.0", 8, 1), own);
    cr_assert_eq(site_who(passed_on("0.0.0.0", UINT64_MAX, 1)), SITE_WHO_ROUTER);
    cr_assert_eq(site_who(passed_on("10.1.2.3", 7, 65)), SITE_WHO_CLIENT);
    cr_assert_eq(site_who(direct("127.0.0.1", 1)), SITE_WHO_CLIENT, "the node's first connection");
}

Test(cluster_site_reporter, a_node_is_its_id)
{
    cr_assert_eq(site_who(1), SITE_WHO_NODE);
    cr_assert_eq(site_who(63), SITE_WHO_NODE);
}

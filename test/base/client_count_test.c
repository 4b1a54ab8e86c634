/* Connections of the whole node, counted in all and by address. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "base/client_count.h"
#include "base/err.h"

static struct client_address ip4(const char *text)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET};
    inet_pton(AF_INET, text, &((struct sockaddr_in *)&storage)->sin_addr);
    return client_address_of(&storage);
}

static struct client_address ip6(const char *text)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET6};
    inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&storage)->sin6_addr);
    return client_address_of(&storage);
}

Test(base_client_count, refuses_one_more_from_an_address_until_one_of_them_is_gone)
{
    struct client_count *count = client_count_create(100, 2);
    struct client_address here = ip4("10.0.0.1"), there = ip4("10.0.0.2");
    cr_assert_eq(client_count_add(count, &here), 0);
    cr_assert_eq(client_count_add(count, &here), 0);
    cr_assert_eq(client_count_add(count, &here), ERR_FULL);
    cr_assert_eq(client_count_add(count, &there), 0, "another address has its own count");
    client_count_remove(count, &here);
    cr_assert_eq(client_count_add(count, &here), 0);
    cr_assert_eq(client_count_add(count, &here), ERR_FULL);
    client_count_destroy(count);
}

Test(base_client_count, other_limits_hold_from_then_on_and_nobody_has_to_go)
{
    struct client_count *count = client_count_create(100, 2);
    struct client_address here = ip4("10.0.0.1"), there = ip4("10.0.0.2");
    cr_assert_eq(client_count_add(count, &here), 0);
    cr_assert_eq(client_count_add(count, &here), 0);
    client_count_limit(count, 100, 3);
    cr_assert_eq(client_count_add(count, &here), 0);
    client_count_limit(count, 100, 1);
    cr_assert_eq(client_count_add(count, &here), ERR_FULL);
    cr_assert_eq(client_count_add(count, &there), 0);
    client_count_limit(count, 4, 100);
    cr_assert_eq(client_count_add(count, &there), ERR_FULL);
    client_count_destroy(count);
}

Test(base_client_count, refuses_one_more_in_all_whatever_its_address)
{
    struct client_count *count = client_count_create(2, 2);
    struct client_address first = ip4("10.0.0.1"), second = ip4("10.0.0.2"),
                          third = ip6("2001:db8::3");
    cr_assert_eq(client_count_add(count, &first), 0);
    cr_assert_eq(client_count_add(count, &second), 0);
    cr_assert_eq(client_count_add(count, &third), ERR_FULL);
    client_count_remove(count, &first);
    cr_assert_eq(client_count_add(count, &third), 0, "a refused one is not counted");
    client_count_destroy(count);
}

Test(base_client_count, knows_an_ipv4_address_also_when_it_comes_by_ipv6)
{
    struct client_count *count = client_count_create(100, 1);
    struct client_address plain = ip4("192.0.2.7"), mapped = ip6("::ffff:192.0.2.7");
    cr_assert_eq(client_count_add(count, &plain), 0);
    cr_assert_eq(client_count_add(count, &mapped), ERR_FULL);
    client_count_destroy(count);
}

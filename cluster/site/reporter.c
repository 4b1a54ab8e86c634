/* One voice each.
 *
 * A router is who it says it is, for only those may say so whom this node trusts (router_addresses,
 * server/envelope.c); what it asks for itself has a number that no client of it has. Anyone can be
 * a client, and open as many connections as it likes: what counts is its address, of IPv6 the first
 * 64 bits, since the rest is its own to choose. */
#include "site/reporter.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/bytes.h"
#include "protocol/envelope.h"
#include "request.h"

#define NUMBER_BITS 61
#define IS_IPV6     (UINT64_C(1) << NUMBER_BITS)

static uint64_t number_of(uint64_t value)
{
    return value & (IS_IPV6 - 1);
}

enum site_who site_who(uint64_t reporter)
{
    if (reporter < SITE_REPORTER_OTHER)
        return SITE_WHO_NODE;
    return reporter >= SITE_REPORTER_ROUTER ? SITE_WHO_ROUTER : SITE_WHO_CLIENT;
}

/* Two networks with one number would share a voice, which is no harm. */
static uint64_t number_of_ipv6(const struct in6_addr *address)
{
    uint64_t network = bytes_get_be64(address->s6_addr);
    if (IN6_IS_ADDR_V4MAPPED(address))
        return bytes_get_be32(address->s6_addr + 12);
    return IS_IPV6 | number_of(network ^ network >> NUMBER_BITS);
}

static uint64_t number_of_address(const char *text)
{
    struct in_addr ipv4;
    struct in6_addr ipv6;
    if (inet_pton(AF_INET, text, &ipv4) == 1)
        return ntohl(ipv4.s_addr);
    return inet_pton(AF_INET6, text, &ipv6) == 1 ? number_of_ipv6(&ipv6) : 0;
}

uint64_t site_reporter_of(const struct request_context *context)
{
    bool is_routers_own = context->router_id != 0 &&
                          context->client_number == KAFKA_ENVELOPE_OWN_NUMBER;
    uint64_t id = context->router_id;
    return is_routers_own ? SITE_REPORTER_ROUTER | number_of(id ^ id >> NUMBER_BITS)
                          : SITE_REPORTER_OTHER | number_of_address(context->address);
}

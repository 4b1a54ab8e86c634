/* What settings of a router mean to each other. */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "router.h"

#define refuse(c, note, ...) check_refuse(&router_table, c, note, __VA_ARGS__)

static const struct check_order orders[] = {
    {ROUTER_SETTING_request_bytes_max, ROUTER_SETTING_memory_bytes_max, 0,
     "a request must fit the memory for all of them"},
    {ROUTER_SETTING_node_silent_ms, ROUTER_SETTING_hold_ms_max, 0,
     "a request would be given up before its node is known to be gone"},
};

static int check_own_addresses(const struct router_settings *c, struct err_note *note)
{
    if (c->advertised.port == 0)
        return refuse(c, note, ROUTER_SETTING_advertised,
                      "must be set, for listen is every interface, which no client can reach");
    int err = check_admin_token(&router_table, c, ROUTER_SETTING_admin_listen, c->admin_token_file,
                                note);
    if (err == 0 && check_is_same_address(&c->admin_listen, &c->listen))
        return refuse(c, note, ROUTER_SETTING_admin_listen, "is the same address as listen");
    return err;
}

/* A router that is told to connect to a router would send requests round in circles. */
static int check_nodes(const struct router_settings *c, struct err_note *note)
{
    const struct conf_addresses *n = &c->nodes;
    for (unsigned i = 0; i < n->count; i++) {
        const struct conf_address *node = &n->entries[i];
        for (unsigned k = 0; k < i; k++)
            if (check_is_same_address(&n->entries[k], node))
                return refuse(c, note, ROUTER_SETTING_nodes, "%s:%u stands there twice", node->host,
                              node->port);
        if (check_is_same_address(&c->listen, node) || check_is_same_address(&c->advertised, node))
            return refuse(c, note, ROUTER_SETTING_nodes, "%s:%u is this router itself", node->host,
                          node->port);
        for (unsigned k = 0; k < c->routers.count; k++)
            if (check_is_same_address(&c->routers.entries[k].address, node))
                return refuse(c, note, ROUTER_SETTING_nodes, "%s:%u is router %u, no node",
                              node->host, node->port, c->routers.entries[k].router_id);
    }
    return 0;
}

static int check_router(const struct router_settings *c, const struct conf_router *other,
                        struct err_note *note)
{
    if (other->router_id == c->router_id)
        return refuse(c, note, ROUTER_SETTING_routers,
                      "%u is this router; only the others stand "
                      "there",
                      other->router_id);
    if (check_is_same_address(&other->address, &c->advertised) ||
        check_is_same_address(&other->address, &c->listen))
        return refuse(c, note, ROUTER_SETTING_routers, "router %u has this router's own address",
                      other->router_id);
    return 0;
}

static int check_routers(const struct router_settings *c, struct err_note *note)
{
    const struct conf_routers *r = &c->routers;
    unsigned site_count = 1;
    for (unsigned i = 0; i < r->count; i++) {
        const struct conf_router *router = &r->entries[i];
        bool is_new_site = strcmp(router->site, c->site) != 0;
        int err = check_router(c, router, note);
        if (err != 0)
            return err;
        for (unsigned k = 0; k < i; k++) {
            if (r->entries[k].router_id == router->router_id)
                return refuse(c, note, ROUTER_SETTING_routers, "two routers have the router_id %u",
                              router->router_id);
            if (check_is_same_address(&r->entries[k].address, &router->address))
                return refuse(c, note, ROUTER_SETTING_routers,
                              "routers %u and %u have the same address", r->entries[k].router_id,
                              router->router_id);
            is_new_site &= strcmp(r->entries[k].site, router->site) != 0;
        }
        site_count += is_new_site;
    }
    if (site_count > CONF_SITES_MAX)
        return refuse(c, note, ROUTER_SETTING_routers,
                      "with this router's own %u sites, at most "
                      "%d are possible",
                      site_count, CONF_SITES_MAX);
    return 0;
}

static bool has_router_in(const struct router_settings *c, const char *site)
{
    for (unsigned i = 0; i < c->routers.count; i++)
        if (strcmp(c->routers.entries[i].site, site) == 0)
            return true;
    return strcmp(c->site, site) == 0;
}

static int check_site_networks(const struct router_settings *c, struct err_note *note)
{
    for (unsigned i = 0; i < c->site_networks.count; i++) {
        const struct conf_site_network *n = &c->site_networks.entries[i];
        if (n->addresses.count == 0)
            return refuse(c, note, ROUTER_SETTING_site_networks, "site %s has no addresses",
                          n->site);
        if (!has_router_in(c, n->site))
            return refuse(c, note, ROUTER_SETTING_site_networks, "no router stands in site %s",
                          n->site);
    }
    return 0;
}

/* Two limits of one group would be two words on one thing. */
static int check_backlogs(const struct router_settings *c, struct err_note *note)
{
    const struct conf_backlogs *b = &c->backlog_limits;
    for (unsigned i = 0; i < b->count; i++)
        for (unsigned k = 0; k < i; k++)
            if (strcmp(b->entries[i].topic, b->entries[k].topic) == 0 &&
                strcmp(b->entries[i].group, b->entries[k].group) == 0)
                return refuse(c, note, ROUTER_SETTING_backlog_limits,
                              "topic %s and its group stand there twice", b->entries[i].topic);
    return 0;
}

int router_conf_check(const struct router_settings *settings, struct err_note *note)
{
    int err = check_orders(&router_table, settings, orders, sizeof orders / sizeof orders[0], note);
    if (err == 0)
        err = check_own_addresses(settings, note);
    if (err == 0)
        err = check_routers(settings, note);
    if (err == 0)
        err = check_nodes(settings, note);
    if (err == 0)
        err = check_site_networks(settings, note);
    if (err == 0)
        err = check_backlogs(settings, note);
    return err;
}

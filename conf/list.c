/* What each kind of list holds: the keys of its entries, whose rules are those of the settings of
 * the same kind. Parser and printer walk along this as they do along the tables. */
#include "list.h"

#include <assert.h>

static const struct setting node_keys[] = {
    {.kind = KIND_ID,
     .name = "id",
     .unit = "",
     .least = 1,
     .most = INT32_MAX,
     .offset = offsetof(struct conf_node, id)},
    {.kind = KIND_NAME,
     .name = "site",
     .unit = "",
     .least = 1,
     .most = CONF_NAME_SIZE - 1,
     .offset = offsetof(struct conf_node, site)},
    {.kind = KIND_ADDRESS, .name = "peer", .unit = "", .offset = offsetof(struct conf_node, peer)},
};

static const struct setting_list node_list = {
    .entry_name = "node",
    .entries_name = "nodes",
    .shape = "'id', 'site' and 'peer'",
    .key_names = "id, site, peer",
    .keys = node_keys,
    .key_count = sizeof node_keys / sizeof node_keys[0],
    .entry_size = sizeof(struct conf_node),
    .entries_offset = offsetof(struct conf_nodes, entries),
    .entries_max = CONF_NODES_MAX,
};

/* A single value goes by the name of its list, in messages. */
static const struct setting address_key = {.kind = KIND_ADDRESS, .name = "", .unit = ""};

static const struct setting_list address_list = {
    .entry_name = "address",
    .entries_name = "addresses",
    .keys = &address_key,
    .key_count = 1,
    .entry_size = sizeof(struct conf_address),
    .entries_offset = offsetof(struct conf_addresses, entries),
    .entries_max = CONF_ADDRESSES_MAX,
};

static const struct setting router_keys[] = {
    {.kind = KIND_ID,
     .name = "router_id",
     .unit = "",
     .least = CONF_ROUTER_ID_LEAST,
     .most = INT32_MAX,
     .offset = offsetof(struct conf_router, router_id)},
    {.kind = KIND_NAME,
     .name = "site",
     .unit = "",
     .least = 1,
     .most = CONF_NAME_SIZE - 1,
     .offset = offsetof(struct conf_router, site)},
    {.kind = KIND_ADDRESS,
     .name = "address",
     .unit = "",
     .offset = offsetof(struct conf_router, address)},
};

static const struct setting_list router_list = {
    .entry_name = "router",
    .entries_name = "routers",
    .shape = "'router_id', 'site' and 'address'",
    .key_names = "router_id, site, address",
    .keys = router_keys,
    .key_count = sizeof router_keys / sizeof router_keys[0],
    .entry_size = sizeof(struct conf_router),
    .entries_offset = offsetof(struct conf_routers, entries),
    .entries_max = CONF_ROUTERS_MAX,
};

/* ---- clients, as a router tells them apart ---- */

#define KEY(kind_, struct_, field_, initial_)                                                      \
    {                                                                                              \
        .kind = KIND_##kind_, .name = #field_, .unit = "", .initial = (initial_),                  \
        .offset = offsetof(struct struct_, field_)                                                 \
    }
#define KEY_WITHIN(kind_, struct_, field_, initial_, unit_, least_, most_)                         \
    {                                                                                              \
        .kind = KIND_##kind_, .name = #field_, .unit = (unit_), .initial = (initial_),             \
        .least = (least_), .most = (most_), .offset = offsetof(struct struct_, field_)             \
    }

static const struct setting site_network_keys[] = {
    KEY_WITHIN(NAME, conf_site_network, site, NULL, "", 1, CONF_NAME_SIZE - 1),
    KEY(NETWORKS, conf_site_network, addresses, NULL),
};

static const struct setting_list site_network_list = {
    .entry_name = "site's network",
    .entries_name = "sites' networks",
    .shape = "'site' and 'addresses'",
    .key_names = "site, addresses",
    .keys = site_network_keys,
    .key_count = sizeof site_network_keys / sizeof site_network_keys[0],
    .entry_size = sizeof(struct conf_site_network),
    .entries_offset = offsetof(struct conf_site_networks, entries),
    .entries_max = CONF_RULES_MAX,
};

static const struct setting environment_keys[] = {
    KEY_WITHIN(NAME, conf_environment, environment, NULL, "", 1, CONF_NAME_SIZE - 1),
    KEY(PATTERNS, conf_environment, client_ids, "none"),
    KEY(NETWORKS, conf_environment, addresses, "none"),
};

static const char *check_environment(const void *entry)
{
    const struct conf_environment *e = entry;
    return e->client_ids.text[0] == '\0' && e->addresses.count == 0
               ? "has neither client_ids nor addresses: nobody would belong to it"
               : NULL;
}

static const struct setting_list environment_list = {
    .entry_name = "environment",
    .entries_name = "environments",
    .shape = "'environment' with 'client_ids', 'addresses' or both",
    .key_names = "environment, client_ids, addresses",
    .keys = environment_keys,
    .key_count = sizeof environment_keys / sizeof environment_keys[0],
    .entry_size = sizeof(struct conf_environment),
    .entries_offset = offsetof(struct conf_environments, entries),
    .entries_max = CONF_RULES_MAX,
    .check = check_environment,
};

static const struct setting permit_keys[] = {
    KEY(PATTERNS, conf_permit, client_ids, "*"), KEY(NETWORKS, conf_permit, addresses, "::/0"),
    KEY(PATTERNS, conf_permit, topics, "none"),  KEY(PATTERNS, conf_permit, groups, "none"),
    KEY(FLAG, conf_permit, admin, "false"),
};

static const struct setting_list permit_list = {
    .entry_name = "rule",
    .entries_name = "rules",
    .shape = "some of 'client_ids', 'addresses', 'topics', 'groups' and 'admin'",
    .key_names = "client_ids, addresses, topics, groups, admin",
    .keys = permit_keys,
    .key_count = sizeof permit_keys / sizeof permit_keys[0],
    .entry_size = sizeof(struct conf_permit),
    .entries_offset = offsetof(struct conf_permits, entries),
    .entries_max = CONF_RULES_MAX,
};

/* ---- backlogs ---- */

static const struct setting backlog_keys[] = {
    KEY_WITHIN(NAME, conf_backlog, topic, NULL, "", 1, CONF_TOPIC_SIZE - 1),
    KEY_WITHIN(PATH, conf_backlog, group, NULL, "", 1, CONF_GROUP_SIZE - 1),
    KEY_WITHIN(NUMBER, conf_backlog, records, "0", "", 0, INT64_MAX),
    KEY_WITHIN(NUMBER, conf_backlog, ms, "0", "ms", 0, 365 * CONF_DAY),
    KEY_WITHIN(CHOICE, conf_backlog, answer, "throttle", "throttle|refuse", 0, 0),
};

static const char *check_backlog(const void *entry)
{
    const struct conf_backlog *b = entry;
    return b->records == 0 && b->ms == 0 ? "has no limit: neither records nor ms" : NULL;
}

static const struct setting_list backlog_list = {
    .entry_name = "backlog limit",
    .entries_name = "backlog limits",
    .shape = "'topic' and 'group' with 'records', 'ms' or both, and perhaps 'answer'",
    .key_names = "topic, group, records, ms, answer",
    .keys = backlog_keys,
    .key_count = sizeof backlog_keys / sizeof backlog_keys[0],
    .entry_size = sizeof(struct conf_backlog),
    .entries_offset = offsetof(struct conf_backlogs, entries),
    .entries_max = CONF_RULES_MAX,
    .check = check_backlog,
};

_Static_assert(offsetof(struct conf_nodes, count) == 0 &&
                   offsetof(struct conf_addresses, count) == 0 &&
                   offsetof(struct conf_routers, count) == 0 &&
                   offsetof(struct conf_site_networks, count) == 0 &&
                   offsetof(struct conf_environments, count) == 0 &&
                   offsetof(struct conf_permits, count) == 0 &&
                   offsetof(struct conf_backlogs, count) == 0,
               "a list begins with its count");

const struct setting_list *list_of(const struct setting *s)
{
    switch (s->kind) {
    case KIND_NODES:
        return &node_list;
    case KIND_ADDRESSES:
        return &address_list;
    case KIND_ROUTERS:
        return &router_list;
    case KIND_SITE_NETWORKS:
        return &site_network_list;
    case KIND_ENVIRONMENTS:
        return &environment_list;
    case KIND_PERMITS:
        return &permit_list;
    case KIND_BACKLOGS:
        return &backlog_list;
    default:
        return NULL;
    }
}

const void *list_value(const struct setting_list *list, const void *field, unsigned index)
{
    assert(index < list->entries_max);
    return (const char *)field + list->entries_offset + index * list->entry_size;
}

void *list_entry(const struct setting_list *list, void *field, unsigned index)
{
    assert(index < list->entries_max);
    return (char *)field + list->entries_offset + index * list->entry_size;
}

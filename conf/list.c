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

_Static_assert(offsetof(struct conf_nodes, count) == 0 &&
                   offsetof(struct conf_addresses, count) == 0 &&
                   offsetof(struct conf_routers, count) == 0,
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

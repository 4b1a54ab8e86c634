/* The codec of metadata changes and of the pieces that the checkpoint shares with them.
 *
 * A change, little-endian: u16 version, u16 kind, then by kind
 *   CLUSTER            16 cluster id, u16 n, n x group
 *   NODE               node
 *   TOPIC_CREATE       16 topic id, text name, u8 is internal, u16 replication factor,
 *                      u32 partitions, configs
 *   TOPIC_DELETE       16 topic id
 *   TOPIC_PARTITIONS   16 topic id, u32 partitions
 *   TOPIC_CONFIG       16 topic id, configs
 *   PRODUCER_IDS       nothing
 *   FAILOVER_EPOCH     text cause
 *   PREFERRED          u32 group id, u32 node id
 *   NODE_STATE         u16 n, n x node
 *   PLACEMENT          u64 placement version, u16 n, n x group
 *   GROUP_ADD          the same, with one group
 *   MOVE, SWITCH, RECOVERY   metadata_moves.c, metadata_switch.c, metadata_recovery.c
 * node: u32 id, u64 incarnation, text site, text host, u16 port, u8 state, u32 successor,
 *       text peer host, u16 peer port
 * group: u32 id, u32 preferred node, u32 next partition number, u16 n, n x u32 node id, u16 of
 *       them learners, u8 mode, text home site; up to version 2 without the last three
 * configs: u16 n, n x (text name, text value); text: u16 length and bytes */
#include <stdlib.h>
#include <string.h>

#include "state/metadata_image.h"

#define CHANGE_VERSION 3

void metadata_put_node(struct byte_list *list, const struct metadata_node *node)
{
    byte_list_put_u32(list, node->node_id);
    byte_list_put_u64(list, node->incarnation);
    byte_list_put_text(list, node->site);
    byte_list_put_text(list, node->host);
    byte_list_put_u16(list, node->port);
    byte_list_put_u8(list, (uint8_t)node->state);
    byte_list_put_u32(list, node->successor_id);
    byte_list_put_text(list, node->peer_host);
    byte_list_put_u16(list, node->peer_port);
}

int metadata_copy_text(struct bytes text, char *into, size_t size)
{
    if (text.size >= size || memchr(text.data, '\0', text.size) != NULL)
        return ERR_MALFORMED;
    memcpy(into, text.data, text.size);
    memset(into + text.size, 0, size - text.size);
    return 0;
}

int metadata_read_node(struct bytes_reader *r, struct metadata_node *node)
{
    memset(node, 0, sizeof *node);
    node->node_id = bytes_read_le32(r);
    node->incarnation = bytes_read_le64(r);
    struct bytes site = byte_list_read_text(r);
    struct bytes host = byte_list_read_text(r);
    node->port = bytes_read_le16(r);
    uint8_t state = bytes_read_u8(r);
    node->successor_id = bytes_read_le32(r);
    struct bytes peer_host = byte_list_read_text(r);
    node->peer_port = bytes_read_le16(r);
    if (r->is_bad || node->node_id == 0 || state > METADATA_NODE_GONE ||
        metadata_copy_text(site, node->site, sizeof node->site) != 0 ||
        metadata_copy_text(host, node->host, sizeof node->host) != 0)
        return ERR_MALFORMED;
    node->state = state;
    return metadata_copy_text(peer_host, node->peer_host, sizeof node->peer_host);
}

void metadata_put_group(struct byte_list *list, const struct metadata_group *group)
{
    byte_list_put_u32(list, group->group_id);
    byte_list_put_u32(list, group->preferred_node_id);
    byte_list_put_u32(list, group->next_partition_number);
    byte_list_put_u16(list, (uint16_t)group->node_count);
    for (unsigned i = 0; i < group->node_count; i++)
        byte_list_put_u32(list, group->node_ids[i]);
    byte_list_put_u16(list, (uint16_t)group->learner_count);
    byte_list_put_u8(list, (uint8_t)group->mode);
    byte_list_put_text(list, group->home_site);
}

static int read_mode(struct bytes_reader *r, struct metadata_group *group)
{
    group->learner_count = bytes_read_le16(r);
    uint8_t mode = bytes_read_u8(r);
    struct bytes home_site = byte_list_read_text(r);
    group->mode = (enum metadata_mode)mode;
    bool is_async = mode == METADATA_ASYNC;
    if (r->is_bad || mode > METADATA_ASYNC || group->learner_count >= group->node_count ||
        (is_async ? home_site.size == 0 : group->learner_count != 0))
        return ERR_MALFORMED;
    return metadata_copy_text(home_site, group->home_site, sizeof group->home_site);
}

int metadata_read_group(struct bytes_reader *r, bool has_mode, struct metadata_group *group)
{
    memset(group, 0, sizeof *group);
    group->group_id = bytes_read_le32(r);
    group->preferred_node_id = bytes_read_le32(r);
    group->next_partition_number = bytes_read_le32(r);
    group->node_count = bytes_read_le16(r);
    if (r->is_bad || group->node_count == 0 || group->node_count > METADATA_VOTERS_MAX ||
        group->next_partition_number == 0)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < group->node_count; i++)
        group->node_ids[i] = bytes_read_le32(r);
    if (has_mode)
        return read_mode(r, group);
    return r->is_bad ? ERR_MALFORMED : 0;
}

void metadata_put_configs(struct byte_list *list, const struct metadata_config *configs,
                          unsigned count)
{
    byte_list_put_u16(list, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        byte_list_put_text(list, configs[i].name);
        byte_list_put_text(list, configs[i].value);
    }
}

void metadata_free_configs(struct metadata_config *configs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(configs[i].name);
        free(configs[i].value);
    }
}

static int read_config(struct bytes_reader *r, struct metadata_config *config)
{
    struct bytes name = byte_list_read_text(r);
    struct bytes value = byte_list_read_text(r);
    if (r->is_bad || name.size == 0 || memchr(name.data, '\0', name.size) != NULL ||
        (value.size > 0 && memchr(value.data, '\0', value.size) != NULL))
        return ERR_MALFORMED;
    config->name = strndup((const char *)name.data, name.size);
    config->value = strndup(value.size > 0 ? (const char *)value.data : "", value.size);
    return config->name == NULL || config->value == NULL ? UV_ENOMEM : 0;
}

int metadata_read_configs(struct bytes_reader *r, struct metadata_config *configs, unsigned *count)
{
    unsigned expected = bytes_read_le16(r);
    *count = 0;
    if (r->is_bad || expected > METADATA_CONFIGS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < expected; i++) {
        configs[i] = (struct metadata_config){0};
        int err = read_config(r, &configs[i]);
        if (err != 0) {
            metadata_free_configs(configs, i + 1);
            return err;
        }
    }
    *count = expected;
    return 0;
}

static bool is_text_short(const char *text, size_t size_max)
{
    return text != NULL && strlen(text) <= size_max;
}

static bool is_site_change_sound(const struct metadata_site_change *c)
{
    return c->step != METADATA_SITE_VERDICT || router_verdict_check(c->verdict) == 0;
}

static bool is_change_within_limits(const struct metadata_change *c)
{
    for (unsigned i = 0; i < c->config_count; i++)
        if (!is_text_short(c->configs[i].name, 1024) || !is_text_short(c->configs[i].value, 8192))
            return false;
    for (unsigned i = 0; i < c->removed_count; i++)
        if (!is_text_short(c->removed[i], 1024))
            return false;
    return c->config_count <= METADATA_CONFIGS_MAX && c->removed_count <= METADATA_CONFIGS_MAX &&
           c->group_count <= METADATA_GROUPS_MAX &&
           (c->kind != METADATA_TOPIC_CREATE || is_text_short(c->name, METADATA_TOPIC_NAME_MAX)) &&
           (c->kind != METADATA_FAILOVER_EPOCH || is_text_short(c->name, 1024)) &&
           (c->kind != METADATA_SITES || is_site_change_sound(c->sites));
}

static void put_topic(struct byte_list *list, const struct metadata_change *c)
{
    byte_list_put(list, c->id, 16);
    if (c->kind == METADATA_TOPIC_CREATE) {
        byte_list_put_text(list, c->name);
        byte_list_put_u8(list, c->is_internal);
        byte_list_put_u16(list, (uint16_t)c->replication_factor);
    }
    if (c->kind == METADATA_TOPIC_CREATE || c->kind == METADATA_TOPIC_PARTITIONS)
        byte_list_put_u32(list, (uint32_t)c->partition_count);
    if (c->kind == METADATA_TOPIC_CREATE || c->kind == METADATA_TOPIC_CONFIG)
        metadata_put_configs(list, c->configs, c->config_count);
    if (c->kind == METADATA_TOPIC_CONFIG) {
        byte_list_put_u16(list, (uint16_t)c->removed_count);
        for (unsigned i = 0; i < c->removed_count; i++)
            byte_list_put_text(list, c->removed[i]);
    }
}

int metadata_change_encode(const struct metadata_change *c, uint8_t **bytes, size_t *size)
{
    if (!is_change_within_limits(c))
        return ERR_INVALID;
    struct byte_list list = {0};
    byte_list_put_u16(&list, CHANGE_VERSION);
    byte_list_put_u16(&list, (uint16_t)c->kind);
    switch (c->kind) {
    case METADATA_CLUSTER:
        byte_list_put(&list, c->id, 16);
        byte_list_put_u16(&list, (uint16_t)c->group_count);
        for (unsigned i = 0; i < c->group_count; i++)
            metadata_put_group(&list, &c->groups[i]);
        break;
    case METADATA_NODE:
        metadata_put_node(&list, &c->node);
        break;
    case METADATA_TOPIC_CREATE:
    case METADATA_TOPIC_DELETE:
    case METADATA_TOPIC_PARTITIONS:
    case METADATA_TOPIC_CONFIG:
        put_topic(&list, c);
        break;
    case METADATA_PRODUCER_IDS:
        break;
    case METADATA_FAILOVER_EPOCH:
        byte_list_put_text(&list, c->name);
        break;
    case METADATA_PREFERRED:
        byte_list_put_u32(&list, c->groups[0].group_id);
        byte_list_put_u32(&list, c->groups[0].preferred_node_id);
        break;
    case METADATA_NODE_STATE:
        byte_list_put_u16(&list, (uint16_t)c->node_count);
        for (unsigned i = 0; i < c->node_count; i++)
            metadata_put_node(&list, &c->nodes[i]);
        break;
    case METADATA_PLACEMENT:
    case METADATA_GROUP_ADD:
        byte_list_put_u64(&list, c->placement_version);
        byte_list_put_u16(&list, (uint16_t)c->group_count);
        for (unsigned i = 0; i < c->group_count; i++)
            metadata_put_group(&list, &c->groups[i]);
        break;
    case METADATA_MOVE:
        metadata_put_move_change(&list, c);
        break;
    case METADATA_SWITCH:
        metadata_put_switch_change(&list, c);
        break;
    case METADATA_RECOVERY:
        metadata_put_recovery_change(&list, c);
        break;
    case METADATA_SITES:
        metadata_put_site_change(&list, c);
        break;
    }
    return byte_list_take(&list, bytes, size);
}

/* Group 0's state as bytes, for checkpoint and shipping. Deterministic: tables in their order,
 * topics by name.
 *
 * u16 version, u8 has cluster, 16 cluster id, u64 version index, u64 placement version,
 * u64 failover epoch, i64 next producer id, u16 n nodes, u16 n groups, u32 n topics, then per
 * topic: 16 id, text name, u8 is internal, u16 replication factor, configs, u32 n partitions, n x
 * (u32 group id, u32 number, i32 epoch base); then moves (metadata_moves.c); since version 4 the
 * planned switch and the failover epochs (metadata_switch.c), the first configurations of groups
 * (metadata_groups.c), and the recoveries that were ordered (metadata_recovery.c); since version 5
 * the verdict on sites (metadata_sites.c) */
#include <stdlib.h>
#include <string.h>

#include "state/metadata_image.h"

#define SNAPSHOT_VERSION      5
#define SNAPSHOT_VERSION_MODE 4 /* without a verdict */
#define SNAPSHOT_VERSION_MIN  3 /* groups without a mode, and none after the founding */

static void put_topic(struct byte_list *list, const struct metadata_topic *t)
{
    byte_list_put(list, t->id, 16);
    byte_list_put_text(list, t->name);
    byte_list_put_u8(list, t->is_internal);
    byte_list_put_u16(list, (uint16_t)t->replication_factor);
    metadata_put_configs(list, t->configs, t->config_count);
    byte_list_put_u32(list, (uint32_t)t->partition_count);
    for (int32_t i = 0; i < t->partition_count; i++) {
        byte_list_put_u32(list, t->partitions[i].group_id);
        byte_list_put_u32(list, t->partitions[i].number);
        byte_list_put_u32(list, (uint32_t)t->partitions[i].epoch_base);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct topic_entry *const *first = a, *const *second = b;
    return strcmp((*first)->topic.name, (*second)->topic.name);
}

/* Hash order is insertion order, which replicas share, but not with one that was restored. */
static int put_topics(struct byte_list *list, const struct metadata *m)
{
    unsigned count = metadata_topic_count(m);
    byte_list_put_u32(list, count);
    struct topic_entry **sorted = calloc(count + 1, sizeof(struct topic_entry *));
    if (sorted == NULL)
        return UV_ENOMEM;
    unsigned i = 0;
    struct topic_entry *entry, *next;
    HASH_ITER(by_name, m->topics_by_name, entry, next)
    sorted[i++] = entry;
    qsort(sorted, count, sizeof sorted[0], by_name);
    for (i = 0; i < count; i++)
        put_topic(list, &sorted[i]->topic);
    free(sorted);
    return 0;
}

int metadata_encode(const struct metadata *m, uint8_t **bytes, size_t *size)
{
    struct byte_list list = {0};
    byte_list_put_u16(&list, SNAPSHOT_VERSION);
    byte_list_put_u8(&list, m->has_cluster);
    byte_list_put(&list, m->cluster_id, 16);
    byte_list_put_u64(&list, m->version);
    byte_list_put_u64(&list, m->placement_version);
    byte_list_put_u64(&list, m->failover_epoch);
    byte_list_put_u64(&list, (uint64_t)m->next_producer_id);
    byte_list_put_u16(&list, (uint16_t)m->node_count);
    for (unsigned i = 0; i < m->node_count; i++)
        metadata_put_node(&list, &m->nodes[i]);
    byte_list_put_u16(&list, (uint16_t)m->group_count);
    for (unsigned i = 0; i < m->group_count; i++)
        metadata_put_group(&list, &m->groups[i]);
    int err = put_topics(&list, m);
    if (err != 0) {
        free(list.data);
        return err;
    }
    metadata_put_moves(&list, m);
    metadata_put_switch(&list, m);
    metadata_put_foundings(&list, m);
    metadata_put_recovered(&list, m);
    metadata_put_verdict(&list, m);
    return byte_list_take(&list, bytes, size);
}

static int read_tables(struct metadata *m, bool has_mode, struct bytes_reader *r)
{
    unsigned node_count = bytes_read_le16(r);
    if (r->is_bad || node_count > METADATA_NODES_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < node_count; i++) {
        struct metadata_node node;
        int err = metadata_read_node(r, &node);
        if (err != 0 || !metadata_node_is_sound(&node))
            return ERR_MALFORMED;
        metadata_image_set_node(m, &node);
    }
    unsigned group_count = bytes_read_le16(r);
    if (r->is_bad || group_count == 1 || group_count > METADATA_GROUPS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < group_count; i++) {
        int err = metadata_read_group(r, has_mode, &m->groups[i]);
        if (err != 0 || m->groups[i].group_id != i)
            return ERR_MALFORMED;
        m->group_count++;
    }
    return 0;
}

/* A data group's number that it has given, and that nobody else has. */
bool metadata_is_place_sound(struct metadata *m, struct metadata_partition place)
{
    int32_t other;
    const struct metadata_group *group = metadata_image_group(m, place.group_id);
    return group != NULL && place.group_id != 0 && place.number != 0 &&
           place.number < group->next_partition_number &&
           metadata_topic_of(m, place.group_id, place.number, &other) == NULL;
}

static int read_places(struct metadata *m, struct bytes_reader *r, struct topic_entry *entry)
{
    uint32_t count = bytes_read_le32(r);
    if (r->is_bad || count > bytes_reader_left(r) / 12 ||
        count > METADATA_PARTITIONS_MAX - m->partition_total)
        return ERR_MALFORMED;
    entry->topic.partitions = calloc(count, sizeof *entry->topic.partitions);
    if (count > 0 && entry->topic.partitions == NULL)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct metadata_partition place = {.group_id = bytes_read_le32(r)};
        place.number = bytes_read_le32(r);
        place.epoch_base = (int32_t)bytes_read_le32(r);
        if (place.epoch_base < 0 || !metadata_is_place_sound(m, place))
            return ERR_MALFORMED;
        int err = metadata_image_set_partition(m, entry, (int32_t)i, place);
        if (err != 0)
            return err;
        entry->topic.partition_count++;
        m->partition_total++;
    }
    return 0;
}

static int read_topic(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_topic topic = {0};
    struct metadata_config configs[METADATA_CONFIGS_MAX];
    unsigned config_count;
    struct topic_entry *entry;
    bytes_read_copy(r, topic.id, 16);
    struct bytes name = byte_list_read_text(r);
    topic.is_internal = bytes_read_u8(r) != 0;
    topic.replication_factor = (int16_t)bytes_read_le16(r);
    if (r->is_bad || name.size == 0 || name.size > METADATA_TOPIC_NAME_MAX)
        return ERR_MALFORMED;
    memcpy(topic.name, name.data, name.size);
    if (strlen(topic.name) != name.size || metadata_image_topic(m, topic.id) != NULL ||
        metadata_topic_by_name(m, topic.name, name.size) != NULL)
        return ERR_MALFORMED;
    int err = metadata_read_configs(r, configs, &config_count);
    if (err != 0)
        return err;
    err = metadata_image_add_topic(m, &topic, &entry);
    if (err == 0)
        err = metadata_image_set_configs(entry, configs, config_count);
    metadata_free_configs(configs, config_count);
    return err != 0 ? err : read_places(m, r, entry);
}

static int decode_into(struct metadata *m, struct bytes_reader *r)
{
    uint16_t version = bytes_read_le16(r);
    if (version < SNAPSHOT_VERSION_MIN || version > SNAPSHOT_VERSION)
        return ERR_VERSION;
    bool has_mode = version > SNAPSHOT_VERSION_MIN;
    m->has_cluster = bytes_read_u8(r) != 0;
    struct bytes id = bytes_read(r, 16);
    if (r->is_bad)
        return ERR_MALFORMED;
    memcpy(m->cluster_id, id.data, 16);
    m->version = bytes_read_le64(r);
    m->placement_version = bytes_read_le64(r);
    m->failover_epoch = bytes_read_le64(r);
    m->next_producer_id = (int64_t)bytes_read_le64(r);
    int err = read_tables(m, has_mode, r);
    if (err != 0)
        return err;
    if (m->next_producer_id < 0)
        return ERR_MALFORMED;
    uint32_t topic_count = bytes_read_le32(r);
    for (uint32_t i = 0; i < topic_count && !r->is_bad; i++) {
        err = read_topic(m, r);
        if (err != 0)
            return err;
    }
    err = metadata_read_moves(m, r);
    if (err == 0 && has_mode)
        err = metadata_read_switch(m, r);
    if (err == 0 && has_mode)
        err = metadata_read_foundings(m, r);
    if (err == 0 && has_mode)
        err = metadata_read_recovered(m, r);
    if (err == 0 && version > SNAPSHOT_VERSION_MODE)
        err = metadata_read_verdict(m, r);
    if (err != 0)
        return err;
    return r->is_bad || bytes_reader_left(r) != 0 ? ERR_MALFORMED : 0;
}

int metadata_decode(struct metadata *m, struct bytes from)
{
    int err = 0;
    pthread_rwlock_wrlock(&m->lock);
    metadata_image_clear(m);
    if (from.size > 0) { /* nothing has no address to read from */
        struct bytes_reader r = bytes_reader_of(from);
        err = decode_into(m, &r);
    }
    if (err != 0)
        metadata_image_clear(m);
    pthread_rwlock_unlock(&m->lock);
    return err;
}

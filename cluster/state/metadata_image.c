/* Group 0's state in memory: small tables, and hashes from names, ids and partition numbers.
 *
 * Placement is decided here, at apply, so that it is the same on every node: the partitions of a
 * topic go round the data groups of its mode and home site, beginning at the one that carries
 * fewest. Groups are spread
 * over nodes by their preferred leader in the same order, so leaders of one topic differ by at
 * most one from node to node. */
#include "state/metadata_image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int metadata_create(struct metadata **metadata)
{
    struct metadata *m = calloc(1, sizeof *m);
    if (m == NULL)
        return UV_ENOMEM;
    pthread_rwlock_init(&m->lock, NULL);
    *metadata = m;
    return 0;
}

static void free_topic(struct topic_entry *entry)
{
    metadata_free_configs(entry->topic.configs, entry->topic.config_count);
    free(entry->topic.configs);
    free(entry->topic.partitions);
    free(entry);
}

void metadata_image_clear(struct metadata *m)
{
    struct number_entry *number, *next_number;
    HASH_ITER(hh, m->numbers, number, next_number)
    {
        HASH_DEL(m->numbers, number);
        free(number);
    }
    struct topic_entry *topic, *next_topic;
    HASH_CLEAR(by_id, m->topics_by_id);
    HASH_ITER(by_name, m->topics_by_name, topic, next_topic)
    {
        HASH_DELETE(by_name, m->topics_by_name, topic);
        free_topic(topic);
    }
    m->has_cluster = false;
    memset(m->cluster_id, 0, sizeof m->cluster_id);
    memset(m->foundings, 0, sizeof m->foundings);
    memset(m->recovered, 0, sizeof m->recovered);
    m->version = m->failover_epoch = m->placement_version = 0;
    m->next_producer_id = 0;
    m->partition_total = m->node_count = m->group_count = 0;
    free(m->moves);
    m->moves = NULL;
    m->move_count = m->move_capacity = 0;
    memset(&m->planned, 0, sizeof m->planned);
    memset(&m->verdict, 0, sizeof m->verdict);
    memset(m->epochs, 0, sizeof m->epochs);
    m->epoch_count = 0;
}

void metadata_destroy(struct metadata *m)
{
    if (m == NULL)
        return;
    metadata_image_clear(m);
    pthread_rwlock_destroy(&m->lock);
    free(m);
}

struct topic_entry *metadata_image_topic(const struct metadata *m, const uint8_t id[16])
{
    struct topic_entry *entry;
    HASH_FIND(by_id, m->topics_by_id, id, 16, entry);
    return entry;
}

int metadata_image_add_topic(struct metadata *m, const struct metadata_topic *topic,
                             struct topic_entry **added)
{
    struct topic_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return UV_ENOMEM;
    memcpy(entry->topic.id, topic->id, sizeof entry->topic.id);
    memcpy(entry->topic.name, topic->name, sizeof entry->topic.name);
    entry->topic.is_internal = topic->is_internal;
    entry->topic.replication_factor = topic->replication_factor;
    HASH_ADD_KEYPTR(by_name, m->topics_by_name, entry->topic.name, strlen(entry->topic.name),
                    entry);
    HASH_ADD_KEYPTR(by_id, m->topics_by_id, entry->topic.id, 16, entry);
    *added = entry;
    return 0;
}

void metadata_image_forget_number(struct metadata *m, struct metadata_partition place)
{
    struct number_entry *number;
    struct {
        uint32_t group_id, number;
    } key = {place.group_id, place.number};
    HASH_FIND(hh, m->numbers, &key, sizeof key, number);
    assert(number != NULL);
    HASH_DEL(m->numbers, number);
    free(number);
    metadata_image_group(m, place.group_id)->partition_count--;
}

void metadata_image_remove_topic(struct metadata *m, struct topic_entry *entry)
{
    metadata_end_moves(m, &entry->topic);
    for (int32_t i = 0; i < entry->topic.partition_count; i++)
        metadata_image_forget_number(m, entry->topic.partitions[i]);
    m->partition_total -= (unsigned)entry->topic.partition_count;
    HASH_DELETE(by_name, m->topics_by_name, entry);
    HASH_DELETE(by_id, m->topics_by_id, entry);
    free_topic(entry);
}

int metadata_image_set_configs(struct topic_entry *entry, const struct metadata_config *configs,
                               unsigned count)
{
    struct metadata_config *copy = count == 0 ? NULL : calloc(count, sizeof *copy);
    if (count > 0 && copy == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        copy[i].name = strdup(configs[i].name);
        copy[i].value = strdup(configs[i].value);
        if (copy[i].name == NULL || copy[i].value == NULL) {
            metadata_free_configs(copy, i + 1);
            free(copy);
            return UV_ENOMEM;
        }
    }
    metadata_free_configs(entry->topic.configs, entry->topic.config_count);
    free(entry->topic.configs);
    entry->topic.configs = copy;
    entry->topic.config_count = count;
    return 0;
}

int metadata_image_add_number(struct metadata *m, struct topic_entry *entry, int32_t partition,
                              struct metadata_partition place)
{
    struct number_entry *number = calloc(1, sizeof *number);
    if (number == NULL)
        return UV_ENOMEM;
    number->key.group_id = place.group_id;
    number->key.number = place.number;
    number->topic = entry;
    number->partition = partition;
    HASH_ADD(hh, m->numbers, key, sizeof number->key, number);
    metadata_image_group(m, place.group_id)->partition_count++;
    return 0;
}

int metadata_image_set_partition(struct metadata *m, struct topic_entry *entry, int32_t partition,
                                 struct metadata_partition place)
{
    int err = metadata_image_add_number(m, entry, partition, place);
    if (err == 0)
        entry->topic.partitions[partition] = place;
    return err;
}

bool metadata_image_has_room(const struct metadata *m, unsigned more)
{
    for (unsigned i = 1; i < m->group_count; i++)
        if (m->groups[i].next_partition_number > UINT32_MAX - METADATA_PARTITIONS_MAX)
            return false; /* a number is never used again, so it never wraps either */
    return m->group_count > 1 && more <= METADATA_PARTITIONS_MAX - m->partition_total;
}

/* What the topic wants, or as long as there is no such group, what is there without asking. */
static struct metadata_wish wish_of(const struct metadata *m, const struct metadata_topic *t)
{
    struct metadata_wish wish;
    metadata_topic_wish(t, &wish);
    for (unsigned i = 1; i < m->group_count; i++)
        if (metadata_group_serves(&m->groups[i], &wish))
            return wish;
    return (struct metadata_wish){.mode = METADATA_SYNC};
}

/* The data group with the fewest partitions; the first of equals. */
static unsigned emptiest_group(const struct metadata *m, const struct metadata_wish *wish)
{
    unsigned best = 0;
    for (unsigned i = 1; i < m->group_count; i++)
        if (metadata_group_serves(&m->groups[i], wish) &&
            (best == 0 || m->groups[i].partition_count < m->groups[best].partition_count))
            best = i;
    return best;
}

static unsigned group_after(const struct metadata *m, unsigned group,
                            const struct metadata_wish *wish)
{
    do
        group = group + 1 < m->group_count ? group + 1 : 1;
    while (!metadata_group_serves(&m->groups[group], wish));
    return group;
}

int metadata_image_place(struct metadata *m, struct topic_entry *entry, int32_t count)
{
    assert(m->group_count > 1); /* the caller checked: there are data groups */
    struct metadata_topic *t = &entry->topic;
    struct metadata_partition *grown = realloc(t->partitions,
                                               (size_t)count * sizeof *t->partitions);
    if (grown == NULL)
        return UV_ENOMEM;
    t->partitions = grown;
    struct metadata_wish wish = wish_of(m, t);
    unsigned group = emptiest_group(m, &wish);
    assert(group != 0); /* the founding's groups are for whoever does not ask */
    while (t->partition_count < count) {
        struct metadata_partition place = {
            .group_id = m->groups[group].group_id,
            .number = m->groups[group].next_partition_number,
        };
        int err = metadata_image_set_partition(m, entry, t->partition_count, place);
        if (err != 0)
            return err;
        m->groups[group].next_partition_number++;
        t->partition_count++;
        m->partition_total++;
        group = group_after(m, group, &wish);
    }
    return 0;
}

struct metadata_group *metadata_image_group(struct metadata *m, uint32_t group_id)
{
    for (unsigned i = 0; i < m->group_count; i++)
        if (m->groups[i].group_id == group_id)
            return &m->groups[i];
    return NULL;
}

void metadata_image_set_node(struct metadata *m, const struct metadata_node *node)
{
    unsigned at = 0;
    while (at < m->node_count && m->nodes[at].node_id < node->node_id)
        at++;
    if (at == m->node_count || m->nodes[at].node_id != node->node_id) {
        assert(m->node_count < METADATA_NODES_MAX);
        memmove(&m->nodes[at + 1], &m->nodes[at], (m->node_count - at) * sizeof m->nodes[0]);
        m->node_count++;
    }
    m->nodes[at] = *node;
}

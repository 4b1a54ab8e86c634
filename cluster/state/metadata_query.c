/* What readers ask of group 0's state, under the read lock. */
#include <string.h>

#include "state/metadata_image.h"

void metadata_read_lock(struct metadata *m)
{
    pthread_rwlock_rdlock(&m->lock);
}

void metadata_read_unlock(struct metadata *m)
{
    pthread_rwlock_unlock(&m->lock);
}

bool metadata_cluster_id(const struct metadata *m, uint8_t id[16])
{
    memcpy(id, m->cluster_id, 16);
    return m->has_cluster;
}

uint64_t metadata_version(const struct metadata *m)
{
    return m->version;
}

int64_t metadata_next_producer_id(const struct metadata *m)
{
    return m->next_producer_id;
}

uint64_t metadata_failover_epoch(const struct metadata *m)
{
    return m->failover_epoch;
}

uint64_t metadata_placement_version(const struct metadata *m)
{
    return m->placement_version;
}

const struct metadata_topic *metadata_topic_by_name(const struct metadata *m, const char *name,
                                                    size_t name_size)
{
    struct topic_entry *entry;
    HASH_FIND(by_name, m->topics_by_name, name, name_size, entry);
    return entry == NULL ? NULL : &entry->topic;
}

const struct metadata_topic *metadata_topic_by_id(const struct metadata *m, const uint8_t id[16])
{
    struct topic_entry *entry = metadata_image_topic(m, id);
    return entry == NULL ? NULL : &entry->topic;
}

const struct metadata_topic *metadata_topic_of(const struct metadata *m, uint32_t group_id,
                                               uint32_t number, int32_t *partition)
{
    struct number_entry *entry;
    struct {
        uint32_t group_id, number;
    } key = {group_id, number};
    HASH_FIND(hh, m->numbers, &key, sizeof key, entry);
    if (entry == NULL)
        return NULL;
    *partition = entry->partition;
    return &entry->topic->topic;
}

void metadata_each_topic(const struct metadata *m, metadata_topic_cb cb, void *data)
{
    struct topic_entry *entry, *next;
    HASH_ITER(by_name, m->topics_by_name, entry, next)
    cb(data, &entry->topic);
}

unsigned metadata_topic_count(const struct metadata *m)
{
    return HASH_CNT(by_name, m->topics_by_name);
}

unsigned metadata_node_count(const struct metadata *m)
{
    return m->node_count;
}

const struct metadata_node *metadata_node_at(const struct metadata *m, unsigned position)
{
    return position < m->node_count ? &m->nodes[position] : NULL;
}

const struct metadata_node *metadata_node_by_id(const struct metadata *m, uint32_t node_id)
{
    for (unsigned i = 0; i < m->node_count; i++)
        if (m->nodes[i].node_id == node_id)
            return &m->nodes[i];
    return NULL;
}

unsigned metadata_group_count(const struct metadata *m)
{
    return m->group_count;
}

const struct metadata_group *metadata_group_at(const struct metadata *m, unsigned position)
{
    return position < m->group_count ? &m->groups[position] : NULL;
}

const struct metadata_group *metadata_group_by_id(const struct metadata *m, uint32_t group_id)
{
    for (unsigned i = 0; i < m->group_count; i++)
        if (m->groups[i].group_id == group_id)
            return &m->groups[i];
    return NULL;
}

bool metadata_group_has(const struct metadata_group *group, uint32_t node_id)
{
    for (unsigned i = 0; i < group->node_count; i++)
        if (group->node_ids[i] == node_id)
            return true;
    return false;
}

bool metadata_groups_match(const struct metadata_group *a, const struct metadata_group *b)
{
    bool is_match = a->node_count == b->node_count;
    for (unsigned i = 0; i < a->node_count && is_match; i++)
        is_match = metadata_group_has(b, a->node_ids[i]);
    return is_match;
}

bool metadata_group_votes(const struct metadata_group *group, uint32_t node_id)
{
    for (unsigned i = 0; i < group->node_count - group->learner_count; i++)
        if (group->node_ids[i] == node_id)
            return true;
    return false;
}

bool metadata_groups_vote_alike(const struct metadata_group *a, const struct metadata_group *b)
{
    bool is_alike = metadata_groups_match(a, b) && a->learner_count == b->learner_count;
    for (unsigned i = 0; i < a->node_count - a->learner_count && is_alike; i++)
        is_alike = metadata_group_votes(b, a->node_ids[i]);
    return is_alike;
}

bool metadata_groups_serve_alike(const struct metadata_group *a, const struct metadata_group *b)
{
    return a->mode == b->mode && strcmp(a->home_site, b->home_site) == 0;
}

const struct metadata_founding *metadata_group_founding(const struct metadata *m, uint32_t group_id)
{
    return group_id < m->group_count ? &m->foundings[group_id] : NULL;
}

void metadata_topic_wish(const struct metadata_topic *t, struct metadata_wish *wish)
{
    const char *mode = metadata_topic_config(t, METADATA_CONFIG_REPLICATION);
    const char *home_site = metadata_topic_config(t, METADATA_CONFIG_HOME_SITE);
    *wish = (struct metadata_wish){.mode = METADATA_SYNC};
    if (t->is_internal) /* offsets are synchronous, whatever their topics are */
        return;
    if (home_site != NULL)
        bytes_copy_text(wish->home_site, sizeof wish->home_site, home_site);
    if (mode != NULL && strcmp(mode, "async") == 0 && wish->home_site[0] != '\0')
        wish->mode = METADATA_ASYNC;
}

bool metadata_group_serves(const struct metadata_group *group, const struct metadata_wish *wish)
{
    return group->mode == wish->mode && strcmp(group->home_site, wish->home_site) == 0;
}

const char *metadata_topic_config(const struct metadata_topic *t, const char *name)
{
    for (unsigned i = 0; i < t->config_count; i++)
        if (strcmp(t->configs[i].name, name) == 0)
            return t->configs[i].value;
    return NULL;
}

unsigned metadata_move_count(const struct metadata *m)
{
    return m->move_count;
}

const struct metadata_move *metadata_move_at(const struct metadata *m, unsigned position)
{
    return position < m->move_count ? &m->moves[position] : NULL;
}

const struct metadata_move *metadata_move_of(const struct metadata *m, const uint8_t topic_id[16],
                                             int32_t partition)
{
    for (unsigned i = 0; i < m->move_count; i++)
        if (m->moves[i].partition == partition &&
            memcmp(m->moves[i].topic_id, topic_id, sizeof m->moves[i].topic_id) == 0)
            return &m->moves[i];
    return NULL;
}

/* Applies metadata changes. Each function reads its whole change, to the last byte, before it
 * touches the image, so that a malformed or refused change leaves no trace. */
#include <string.h>

#include "state/metadata_image.h"

#define CHANGE_VERSION     3
#define CHANGE_VERSION_MIN 2 /* groups without a mode */

static bool is_all_read(const struct bytes_reader *r)
{
    return !r->is_bad && bytes_reader_left(r) == 0;
}

static int apply_cluster(struct metadata *m, bool has_mode, struct bytes_reader *r)
{
    static _Thread_local struct metadata_group groups[METADATA_GROUPS_MAX];
    struct bytes id = bytes_read(r, 16);
    unsigned count = bytes_read_le16(r);
    if (r->is_bad || count < 2 || count > METADATA_GROUPS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < count; i++) {
        int err = metadata_read_group(r, has_mode, &groups[i]);
        if (err != 0 || groups[i].group_id != i)
            return ERR_MALFORMED;
    }
    if (!is_all_read(r))
        return ERR_MALFORMED;
    if (m->has_cluster)
        return ERR_EXISTS;
    memcpy(m->cluster_id, id.data, 16);
    m->has_cluster = true;
    m->group_count = count;
    memcpy(m->groups, groups, count * sizeof groups[0]);
    return 0;
}

static int read_topic_name(struct bytes_reader *r, struct metadata_topic *topic)
{
    struct bytes name = byte_list_read_text(r);
    if (r->is_bad || name.size == 0 || name.size > METADATA_TOPIC_NAME_MAX ||
        memchr(name.data, '\0', name.size) != NULL)
        return ERR_MALFORMED;
    memcpy(topic->name, name.data, name.size);
    return 0;
}

static int add_placed_topic(struct metadata *m, const struct metadata_topic *topic, int32_t count,
                            const struct metadata_config *configs, unsigned config_count)
{
    struct topic_entry *entry;
    int err = metadata_image_add_topic(m, topic, &entry);
    if (err == 0)
        err = metadata_image_set_configs(entry, configs, config_count);
    if (err == 0)
        err = metadata_image_place(m, entry, count);
    return err;
}

static int apply_topic_create(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_topic topic = {0};
    struct metadata_config configs[METADATA_CONFIGS_MAX];
    unsigned config_count;
    bytes_read_copy(r, topic.id, 16);
    int err = read_topic_name(r, &topic);
    if (err != 0)
        return err;
    topic.is_internal = bytes_read_u8(r) != 0;
    topic.replication_factor = (int16_t)bytes_read_le16(r);
    int32_t count = (int32_t)bytes_read_le32(r);
    err = metadata_read_configs(r, configs, &config_count);
    if (err != 0)
        return err;
    if (!is_all_read(r))
        err = ERR_MALFORMED;
    else if (count <= 0 || count > METADATA_PARTITIONS_MAX ||
             !metadata_image_has_room(m, (unsigned)count))
        err = ERR_INVALID;
    else if (metadata_topic_by_name(m, topic.name, strlen(topic.name)) != NULL ||
             metadata_image_topic(m, topic.id) != NULL)
        err = ERR_EXISTS;
    else
        err = add_placed_topic(m, &topic, count, configs, config_count);
    metadata_free_configs(configs, config_count);
    return err;
}

static int find_topic(struct metadata *m, struct bytes_reader *r, struct topic_entry **entry)
{
    struct bytes id = bytes_read(r, 16);
    *entry = NULL;
    if (r->is_bad)
        return ERR_MALFORMED;
    *entry = metadata_image_topic(m, id.data);
    return *entry == NULL ? ERR_NOT_FOUND : 0;
}

static int apply_topic_delete(struct metadata *m, struct bytes_reader *r)
{
    struct topic_entry *entry;
    int err = find_topic(m, r, &entry);
    if (!is_all_read(r))
        return ERR_MALFORMED;
    if (err == 0)
        metadata_image_remove_topic(m, entry);
    return err;
}

static int apply_topic_partitions(struct metadata *m, struct bytes_reader *r)
{
    struct topic_entry *entry;
    int err = find_topic(m, r, &entry);
    int32_t count = (int32_t)bytes_read_le32(r);
    if (!is_all_read(r))
        return ERR_MALFORMED;
    if (err != 0)
        return err;
    if (count <= 0)
        return ERR_INVALID;
    int32_t more = count - entry->topic.partition_count;
    if (more <= 0 || !metadata_image_has_room(m, (unsigned)more))
        return ERR_INVALID;
    return metadata_image_place(m, entry, count);
}

/* What a TOPIC_CONFIG says; the names to remove lie in the entry. */
struct config_edit {
    struct metadata_config set[METADATA_CONFIGS_MAX];
    unsigned set_count;
    struct bytes removed[METADATA_CONFIGS_MAX];
    unsigned removed_count;
};

static int read_removed(struct bytes_reader *r, struct config_edit *edit)
{
    edit->removed_count = bytes_read_le16(r);
    if (r->is_bad || edit->removed_count > METADATA_CONFIGS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < edit->removed_count; i++)
        edit->removed[i] = byte_list_read_text(r);
    for (unsigned i = 1; i < edit->set_count; i++)
        if (strcmp(edit->set[i - 1].name, edit->set[i].name) >= 0)
            return ERR_MALFORMED; /* sorted, each once: so is what comes of it */
    return is_all_read(r) ? 0 : ERR_MALFORMED;
}

static bool is_removed(const struct config_edit *edit, const char *name)
{
    for (unsigned i = 0; i < edit->removed_count; i++)
        if (bytes_is_equal(edit->removed[i], bytes_of_text(name)))
            return true;
    return false;
}

/* Both lists are sorted: one pass. Proposers see what was there when they looked; here it is
 * known, so that two who change different configs at once both have their way. */
static int merge_configs(struct topic_entry *entry, const struct config_edit *edit)
{
    struct metadata_config merged[2 * METADATA_CONFIGS_MAX];
    const struct metadata_config *present = entry->topic.configs;
    unsigned count = 0, i = 0, k = 0;
    while (i < entry->topic.config_count || k < edit->set_count) {
        int order = i == entry->topic.config_count ? 1
                    : k == edit->set_count         ? -1
                                                   : strcmp(present[i].name, edit->set[k].name);
        const struct metadata_config *next = order < 0 ? &present[i] : &edit->set[k];
        i += order <= 0;
        k += order >= 0;
        if (order >= 0 || !is_removed(edit, next->name))
            merged[count++] = *next;
    }
    return count > METADATA_CONFIGS_MAX ? ERR_INVALID
                                        : metadata_image_set_configs(entry, merged, count);
}

static int apply_topic_config(struct metadata *m, struct bytes_reader *r)
{
    struct topic_entry *entry;
    struct config_edit edit;
    int found = find_topic(m, r, &entry);
    int err = metadata_read_configs(r, edit.set, &edit.set_count);
    if (err != 0)
        return err;
    err = read_removed(r, &edit);
    if (err == 0)
        err = found != 0 ? found : merge_configs(entry, &edit);
    metadata_free_configs(edit.set, edit.set_count);
    return err;
}

static int apply_preferred(struct metadata *m, struct bytes_reader *r)
{
    uint32_t group_id = bytes_read_le32(r);
    uint32_t node_id = bytes_read_le32(r);
    if (!is_all_read(r))
        return ERR_MALFORMED;
    struct metadata_group *group = metadata_image_group(m, group_id);
    if (group == NULL)
        return ERR_NOT_FOUND;
    for (unsigned i = 0; i < group->node_count; i++)
        if (group->node_ids[i] == node_id) {
            group->preferred_node_id = node_id;
            return 0;
        }
    return ERR_INVALID;
}

static int apply_failover_epoch(struct metadata *m, int64_t wall_ms, struct bytes_reader *r)
{
    struct metadata_epoch row = {
        .cause = METADATA_EPOCH_COMMAND, .forecast_pause_ms = -1, .forecast_lost_records = -1};
    struct bytes cause = byte_list_read_text(r);
    if (!is_all_read(r))
        return ERR_MALFORMED;
    size_t size = cause.size < sizeof row.note ? cause.size : sizeof row.note - 1;
    if (memchr(cause.data, '\0', cause.size) == NULL)
        memcpy(row.note, cause.data, size);
    metadata_epoch_begin(m, &row, wall_ms < 0 ? 0 : wall_ms, 0)->outcome = METADATA_EPOCH_DONE;
    return 0;
}

static int apply_producer_ids(struct metadata *m, struct bytes_reader *r,
                              struct metadata_result *result)
{
    if (!is_all_read(r))
        return ERR_MALFORMED;
    if (m->next_producer_id > INT64_MAX - METADATA_PRODUCER_ID_BLOCK)
        return ERR_INVALID;
    result->first_producer_id = m->next_producer_id;
    m->next_producer_id += METADATA_PRODUCER_ID_BLOCK;
    return 0;
}

static int apply_kind(struct metadata *m, uint16_t version, uint16_t kind, int64_t wall_ms,
                      struct bytes_reader *r, struct metadata_result *result)
{
    bool has_mode = version > CHANGE_VERSION_MIN;
    switch (kind) {
    case METADATA_CLUSTER:
        return apply_cluster(m, has_mode, r);
    case METADATA_NODE:
        return metadata_apply_node(m, r);
    case METADATA_TOPIC_CREATE:
        return apply_topic_create(m, r);
    case METADATA_TOPIC_DELETE:
        return apply_topic_delete(m, r);
    case METADATA_TOPIC_PARTITIONS:
        return apply_topic_partitions(m, r);
    case METADATA_TOPIC_CONFIG:
        return apply_topic_config(m, r);
    case METADATA_PRODUCER_IDS:
        return apply_producer_ids(m, r, result);
    case METADATA_FAILOVER_EPOCH:
        return apply_failover_epoch(m, wall_ms, r);
    case METADATA_PREFERRED:
        return apply_preferred(m, r);
    case METADATA_NODE_STATE:
        return metadata_apply_node_state(m, r);
    case METADATA_PLACEMENT:
        return metadata_apply_placement(m, has_mode, r);
    case METADATA_MOVE:
        return metadata_apply_move(m, r);
    case METADATA_SWITCH:
        return metadata_apply_switch(m, wall_ms, r);
    case METADATA_RECOVERY:
        return has_mode ? metadata_apply_recovery_order(m, wall_ms, r) : ERR_MALFORMED;
    case METADATA_GROUP_ADD:
        return has_mode ? metadata_apply_group_add(m, r) : ERR_MALFORMED;
    case METADATA_SITES:
        return has_mode ? metadata_apply_sites(m, r) : ERR_MALFORMED;
    default:
        return ERR_MALFORMED;
    }
}

/* Does a plan of the groups' places made before it no longer hold? */
static bool does_move_groups(uint16_t kind)
{
    return kind == METADATA_CLUSTER || kind == METADATA_NODE || kind == METADATA_NODE_STATE ||
           kind == METADATA_PLACEMENT || kind == METADATA_PREFERRED || kind == METADATA_GROUP_ADD ||
           kind == METADATA_SWITCH || kind == METADATA_RECOVERY || kind == METADATA_SITES;
}

int metadata_apply(struct metadata *m, uint64_t index, int64_t wall_ms, struct bytes body,
                   struct metadata_result *result)
{
    struct bytes_reader r = bytes_reader_of(body);
    uint16_t version = bytes_read_le16(&r);
    uint16_t kind = bytes_read_le16(&r);
    *result = (struct metadata_result){.index = index, .first_producer_id = -1};
    bool is_known = !r.is_bad && version >= CHANGE_VERSION_MIN && version <= CHANGE_VERSION;
    pthread_rwlock_wrlock(&m->lock);
    result->error = is_known ? apply_kind(m, version, kind, wall_ms, &r, result) : ERR_MALFORMED;
    metadata_review_moves(m);
    m->version = index; /* whatever the verdict: who waits for it must see it */
    if (result->error == 0 && does_move_groups(kind))
        m->placement_version = index;
    pthread_rwlock_unlock(&m->lock);
    return result->error == UV_ENOMEM ? UV_ENOMEM : 0;
}

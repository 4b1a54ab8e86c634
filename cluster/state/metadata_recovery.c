/* What a forced recovery does to group 0's state.
 *
 * Of the groups that were recovered leader epochs and partition numbers move on, and producer ids;
 * when group 0 is one of them, so does the failover epoch by a stride, since nobody knows which
 * numbers the lost side has given. A partition number that only the lost side knew is below the
 * next one and in no topic: where a data group's survivor has opened it, it is closed as a deleted
 * one is.
 *
 * The other way round, a partition that only metadata knew is opened afterwards, behind as many
 * strides as there were recoveries: its own may be fewer, never more.
 *
 * Two ways lead here. Where group 0 has lost its majority, the survivor's RECOVERY entry says what
 * has been done. Where it lives, and other groups have lost theirs, as asynchronous ones do with
 * their home site, a change orders it (METADATA_RECOVERY): from then on their replicas know,
 * whenever they come to it, that there is a new generation, and who is its only voter. What is
 * asynchronous has its home there from then on, and so have its topics; they may be sent back like
 * any other.
 *
 * A partition on its way between groups begins its step again where the recovered log may lack it:
 * metadata_moves.c.
 *
 * Body of the change: u64 recovery id, u32 node id, i64 known until, u64 lost records, u64 lost
 * bytes, i64 pause as forecast, u16 n, n x (u32 group id, u32 generation), by rising id.
 * Of the checkpoint: u16 n, n x (u32 group id, u32 generation, u32 node id, u64 recovery id, i64
 * producer id end, u64 failover epoch). */
#include <string.h>

#include "cluster/recovery_entry.h"
#include "cluster/switch.h"
#include "log/partition.h"
#include "state/metadata_image.h"

static bool is_recovered(const struct recovery_entry *r, uint32_t group_id)
{
    for (unsigned i = 0; i < r->group_count; i++)
        if (r->group_ids[i] == group_id)
            return true;
    return false;
}

static void raise_epoch(const struct recovery_entry *r, struct metadata_partition *p)
{
    if (is_recovered(r, p->group_id) && p->epoch_base <= INT32_MAX - RECOVERY_EPOCH_STRIDE)
        p->epoch_base += RECOVERY_EPOCH_STRIDE;
}

static void raise_epochs(struct metadata *m, const struct recovery_entry *r)
{
    struct topic_entry *topic, *next;
    HASH_ITER(by_name, m->topics_by_name, topic, next)
    for (int32_t i = 0; i < topic->topic.partition_count; i++)
        raise_epoch(r, &topic->topic.partitions[i]);
    for (unsigned i = 0; i < m->move_count; i++) {
        raise_epoch(r, &m->moves[i].from);
        raise_epoch(r, &m->moves[i].to);
    }
}

static void raise_numbers(struct metadata *m, const struct recovery_entry *r)
{
    for (unsigned i = 1; i < m->group_count; i++)
        if ((is_recovered(r, i) || is_recovered(r, 0)) &&
            m->groups[i].next_partition_number <= UINT32_MAX - RECOVERY_NUMBER_STRIDE)
            m->groups[i].next_partition_number += RECOVERY_NUMBER_STRIDE;
}

/* With what the operator was told, and typed back; what came of it is said when these groups serve
 * again (membership/recovery_outcome.c). */
static void note_epoch(struct metadata *m, const struct recovery_entry *r, const char *from,
                       int64_t wall_ms)
{
    int64_t lost = r->lost_records <= INT64_MAX ? (int64_t)r->lost_records : INT64_MAX;
    struct metadata_epoch row = {.cause = METADATA_EPOCH_RECOVERY,
                                 .group_count = r->group_count,
                                 .forecast_pause_ms = r->forecast_pause_ms,
                                 .forecast_lost_records = lost};
    memcpy(row.to, r->site, sizeof row.to);
    if (from != NULL)
        memcpy(row.from, from, sizeof row.from);
    uint64_t stride = is_recovered(r, 0) ? RECOVERY_NUMBER_STRIDE - 1 : 0;
    struct metadata_epoch *into = metadata_epoch_begin(m, &row, wall_ms, stride);
    if (stride > 0)
        metadata_stride_verdict(m);
    into->lost_bytes = r->lost_bytes <= INT64_MAX ? (int64_t)r->lost_bytes : INT64_MAX;
    if (r->known_until_ms > 0 && wall_ms > r->known_until_ms)
        into->lost_ms = wall_ms - r->known_until_ms;
}

static int move_numbers_on(struct metadata *m, const struct recovery_entry *r)
{
    int err = 0;
    raise_epochs(m, r);
    raise_numbers(m, r);
    for (unsigned i = 0; i < r->group_count && err == 0; i++)
        err = metadata_renew_moves(m, r->group_ids[i], is_recovered(r, 0));
    return err;
}

int metadata_apply_recovery(struct metadata *m, uint64_t index, int64_t wall_ms,
                            const struct recovery_entry *r, struct metadata_result *result)
{
    bool is_own = is_recovered(r, 0);
    *result = (struct metadata_result){.index = index, .first_producer_id = -1};
    pthread_rwlock_wrlock(&m->lock);
    int err = move_numbers_on(m, r);
    if (is_own && m->next_producer_id < r->producer_id_end)
        m->next_producer_id = r->producer_id_end;
    note_epoch(m, r, NULL, wall_ms);
    m->version = m->placement_version = index;
    pthread_rwlock_unlock(&m->lock);
    return err;
}

int64_t metadata_first_offset(const struct metadata *m, const struct metadata_partition *p)
{
    if (p->epoch_base < RECOVERY_EPOCH_STRIDE)
        return 0; /* younger than the last recovery */
    int64_t strides = m->next_producer_id / RECOVERY_PRODUCER_STRIDE;
    int64_t strides_max = INT64_MAX / LOG_OFFSET_STRIDE - 1;
    return (strides < strides_max ? strides : strides_max) * LOG_OFFSET_STRIDE;
}

/* ---- an order of group 0's ---- */

const struct metadata_recovered *metadata_recovered_of(const struct metadata *m, uint32_t group_id)
{
    bool is_known = group_id < m->group_count && m->recovered[group_id].generation != 0;
    return is_known ? &m->recovered[group_id] : NULL;
}

void metadata_put_recovery_change(struct byte_list *list, const struct metadata_change *change)
{
    const struct metadata_recovery_change *c = change->recovery;
    byte_list_put_u64(list, c->recovery_id);
    byte_list_put_u32(list, c->node_id);
    byte_list_put_u64(list, (uint64_t)c->known_until_ms);
    byte_list_put_u64(list, c->lost_records);
    byte_list_put_u64(list, c->lost_bytes);
    byte_list_put_u64(list, (uint64_t)c->forecast_pause_ms);
    byte_list_put_u16(list, (uint16_t)c->group_count);
    for (unsigned i = 0; i < c->group_count; i++) {
        byte_list_put_u32(list, c->groups[i].group_id);
        byte_list_put_u32(list, c->groups[i].generation);
    }
}

static int read_order(struct bytes_reader *r, struct metadata_recovery_change *c)
{
    c->recovery_id = bytes_read_le64(r);
    c->node_id = bytes_read_le32(r);
    c->known_until_ms = (int64_t)bytes_read_le64(r);
    c->lost_records = bytes_read_le64(r);
    c->lost_bytes = bytes_read_le64(r);
    c->forecast_pause_ms = (int64_t)bytes_read_le64(r);
    c->group_count = bytes_read_le16(r);
    if (r->is_bad || c->recovery_id == 0 || c->known_until_ms < 0 || c->forecast_pause_ms < -1 ||
        c->group_count == 0 || c->group_count > METADATA_GROUPS_MAX)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < c->group_count; i++) {
        struct metadata_recovery_row *row = &c->groups[i];
        row->group_id = bytes_read_le32(r);
        row->generation = bytes_read_le32(r);
        if (r->is_bad || row->generation == 0 ||
            row->group_id <= (i == 0 ? 0 : c->groups[i - 1].group_id))
            return ERR_MALFORMED;
    }
    return bytes_reader_left(r) == 0 ? 0 : ERR_MALFORMED;
}

static int check_order(const struct metadata *m, const struct metadata_recovery_change *c)
{
    const struct metadata_node *node = metadata_node_by_id(m, c->node_id);
    if (node == NULL || node->state == METADATA_NODE_GONE)
        return ERR_NOT_FOUND;
    for (unsigned i = 0; i < c->group_count; i++) {
        const struct metadata_group *group = metadata_group_by_id(m, c->groups[i].group_id);
        if (group == NULL)
            return ERR_NOT_FOUND;
        if (!metadata_group_has(group, c->node_id))
            return ERR_INVALID;
        if (c->groups[i].generation <= m->recovered[group->group_id].generation)
            return ERR_EXISTS; /* another was faster */
    }
    return 0;
}

/* Each list in its order: voters first, and they are in the new home. */
static void settle_home(struct metadata *m, struct metadata_group *group,
                        const struct metadata_node *survivor)
{
    uint32_t before[METADATA_VOTERS_MAX];
    unsigned count = 0, voter_count;
    memcpy(before, group->node_ids, sizeof before);
    memcpy(group->home_site, survivor->site, sizeof group->home_site);
    for (unsigned is_learner = 0; is_learner < 2; is_learner++) {
        for (unsigned i = 0; i < group->node_count; i++) {
            const struct metadata_node *node = metadata_node_by_id(m, before[i]);
            bool is_home = node != NULL && strcmp(node->site, survivor->site) == 0;
            if (is_home == (is_learner == 0))
                group->node_ids[count++] = before[i];
        }
        voter_count = is_learner == 0 ? count : voter_count;
    }
    group->learner_count = group->node_count - voter_count;
    group->preferred_node_id = survivor->node_id;
}

static bool has_place_in(const struct metadata *m, const struct metadata_topic *t,
                         uint32_t group_id)
{
    bool has_any = false;
    for (int32_t i = 0; i < t->partition_count && !has_any; i++) {
        const struct metadata_move *move = metadata_move_of(m, t->id, i);
        has_any = t->partitions[i].group_id == group_id ||
                  (move != NULL && move->to.group_id == group_id);
    }
    return has_any;
}

/* What its records are acknowledged by is the survivor now: its configs say so. */
static int settle_topic(struct topic_entry *topic, const char *site)
{
    struct metadata_config configs[METADATA_CONFIGS_MAX];
    unsigned count = topic->topic.config_count;
    for (unsigned i = 0; i < count; i++) {
        configs[i] = topic->topic.configs[i];
        if (strcmp(configs[i].name, METADATA_CONFIG_HOME_SITE) == 0)
            configs[i].value = (char *)(uintptr_t)site; /* only read */
    }
    return metadata_image_set_configs(topic, configs, count);
}

static int settle_topics(struct metadata *m, const struct metadata_group *group,
                         const char *old_home)
{
    struct topic_entry *topic, *next;
    int err = 0;
    HASH_ITER(by_name, m->topics_by_name, topic, next)
    {
        struct metadata_wish wish;
        metadata_topic_wish(&topic->topic, &wish);
        if (err == 0 && wish.mode == METADATA_ASYNC && strcmp(wish.home_site, old_home) == 0 &&
            has_place_in(m, &topic->topic, group->group_id))
            err = settle_topic(topic, group->home_site);
    }
    return err;
}

static int settle(struct metadata *m, struct metadata_group *group,
                  const struct metadata_node *survivor)
{
    char old_home[METADATA_SITE_SIZE];
    if (group->mode != METADATA_ASYNC)
        return 0;
    memcpy(old_home, group->home_site, sizeof old_home);
    settle_home(m, group, survivor);
    return settle_topics(m, group, old_home);
}

static struct recovery_entry entry_of(const struct metadata *m,
                                      const struct metadata_recovery_change *c)
{
    struct recovery_entry entry = {.recovery_id = c->recovery_id,
                                   .producer_id_end = recovery_producer_id_end(m->next_producer_id),
                                   .known_until_ms = c->known_until_ms,
                                   .lost_records = c->lost_records,
                                   .lost_bytes = c->lost_bytes,
                                   .group_count = c->group_count,
                                   .forecast_pause_ms = c->forecast_pause_ms};
    memcpy(entry.site, metadata_node_by_id(m, c->node_id)->site, sizeof entry.site);
    for (unsigned i = 0; i < c->group_count; i++)
        entry.group_ids[i] = c->groups[i].group_id;
    return entry;
}

static int order(struct metadata *m, int64_t wall_ms, const struct metadata_recovery_change *c)
{
    const struct metadata_node *survivor = metadata_node_by_id(m, c->node_id);
    struct recovery_entry entry = entry_of(m, c);
    char from[METADATA_SITE_SIZE];
    memcpy(from, metadata_group_by_id(m, c->groups[0].group_id)->home_site, sizeof from);
    int err = move_numbers_on(m, &entry);
    m->next_producer_id = entry.producer_id_end;
    note_epoch(m, &entry, strcmp(from, survivor->site) != 0 ? from : NULL, wall_ms);
    for (unsigned i = 0; i < c->group_count && err == 0; i++) {
        m->recovered[c->groups[i].group_id] = (struct metadata_recovered){
            .generation = c->groups[i].generation,
            .node_id = c->node_id,
            .recovery_id = c->recovery_id,
            .producer_id_end = entry.producer_id_end,
            .epoch = m->failover_epoch};
        err = settle(m, metadata_image_group(m, c->groups[i].group_id), survivor);
    }
    return err;
}

int metadata_apply_recovery_order(struct metadata *m, int64_t wall_ms, struct bytes_reader *r)
{
    static _Thread_local struct metadata_recovery_change c;
    int err = read_order(r, &c);
    if (err == 0)
        err = check_order(m, &c);
    return err == 0 ? order(m, wall_ms < 0 ? 0 : wall_ms, &c) : err;
}

/* ---- the checkpoint ---- */

void metadata_put_recovered(struct byte_list *list, const struct metadata *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < m->group_count; i++)
        count += m->recovered[i].generation != 0;
    byte_list_put_u16(list, (uint16_t)count);
    for (unsigned i = 0; i < m->group_count; i++) {
        const struct metadata_recovered *row = &m->recovered[i];
        if (row->generation == 0)
            continue;
        byte_list_put_u32(list, i);
        byte_list_put_u32(list, row->generation);
        byte_list_put_u32(list, row->node_id);
        byte_list_put_u64(list, row->recovery_id);
        byte_list_put_u64(list, (uint64_t)row->producer_id_end);
        byte_list_put_u64(list, row->epoch);
    }
}

static bool is_row_sound(const struct metadata *m, const struct metadata_recovered *row)
{
    return row->generation != 0 && row->node_id != 0 && row->recovery_id != 0 &&
           row->producer_id_end > 0 && row->epoch > 0 && row->epoch <= m->failover_epoch;
}

int metadata_read_recovered(struct metadata *m, struct bytes_reader *r)
{
    unsigned count = bytes_read_le16(r);
    uint32_t before = 0;
    for (unsigned i = 0; i < count && !r->is_bad; i++) {
        uint32_t group_id = bytes_read_le32(r);
        struct metadata_recovered row = {.generation = bytes_read_le32(r)};
        row.node_id = bytes_read_le32(r);
        row.recovery_id = bytes_read_le64(r);
        row.producer_id_end = (int64_t)bytes_read_le64(r);
        row.epoch = bytes_read_le64(r);
        if (r->is_bad || group_id <= before || group_id >= m->group_count || !is_row_sound(m, &row))
            return ERR_MALFORMED;
        m->recovered[group_id] = row;
        before = group_id;
    }
    return r->is_bad ? ERR_MALFORMED : 0;
}

/* The planned switch in group 0's state: what each step changes, and where leaders belong.
 *
 * Apply decides what may follow what, by the entries' own clock: a switch that is past its deadline
 * can only be undone, whoever says that it is done. What leaders do about it is theirs
 * (membership/switch_drive.c); they ask metadata_leader_of().
 *
 * Body of the change: u8 step, i64 deadline ms, row (metadata_epoch.c).
 * Of the checkpoint: u8 phase, u64 epoch, text from, text to, i64 begun, i64 deadline; u16 n, n x
 * row. */
#include <string.h>

#include "state/metadata_image.h"

const struct metadata_switch *metadata_switch_of(const struct metadata *m)
{
    return &m->planned;
}

const char *metadata_switch_phase_name(enum metadata_switch_phase phase)
{
    static const char *const names[] = {"none", "leaving", "standing", "returning"};
    return names[phase];
}

/* ---- where leaders belong ---- */

const char *metadata_avoided_site(const struct metadata *m)
{
    bool is_away = m->planned.phase == METADATA_SWITCH_LEAVING ||
                   m->planned.phase == METADATA_SWITCH_STANDING;
    return is_away ? m->planned.from : "";
}

static bool stands_in(const struct metadata *m, uint32_t node_id, const char *site)
{
    const struct metadata_node *node = metadata_node_by_id(m, node_id);
    return node != NULL && strcmp(node->site, site) == 0;
}

/* Is it one of those that nobody should lead in: switched away, or by the verdict on sites? */
static bool is_avoided(const struct metadata *m, const char *site)
{
    return strcmp(site, metadata_avoided_site(m)) == 0 || metadata_is_shunned(m, site);
}

const char *metadata_avoided_for(const struct metadata *m, const char *own_site)
{
    return is_avoided(m, own_site) ? own_site : metadata_avoided_site(m);
}

/* Voters that may take it: those of the target, or of all other sites where it has none. */
static unsigned candidates(const struct metadata *m, const struct metadata_group *group,
                           const char *from, const char *site,
                           uint32_t node_ids[METADATA_VOTERS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < group->node_count - group->learner_count; i++) {
        uint32_t id = group->node_ids[i];
        if (site[0] != '\0' ? stands_in(m, id, site) : !stands_in(m, id, from))
            node_ids[count++] = id;
    }
    return count;
}

/* Groups of one node go to all that may take them in turn. */
uint32_t metadata_leader_if(const struct metadata *m, const struct metadata_group *group,
                            const char *from, const char *to)
{
    uint32_t node_ids[METADATA_VOTERS_MAX];
    if (from[0] == '\0' || !stands_in(m, group->preferred_node_id, from))
        return group->preferred_node_id;
    unsigned count = candidates(m, group, from, to, node_ids);
    if (count == 0)
        count = candidates(m, group, from, "", node_ids);
    return count == 0 ? group->preferred_node_id
                      : node_ids[group->group_id / group->node_count % count];
}

/* Where the one that it belongs to by the switch is drained or cut off: any voter that is not. */
uint32_t metadata_leader_of(const struct metadata *m, const struct metadata_group *group)
{
    uint32_t node_ids[METADATA_VOTERS_MAX];
    unsigned count = 0;
    uint32_t id = metadata_leader_if(m, group, metadata_avoided_site(m), m->planned.to);
    const struct metadata_node *node = metadata_node_by_id(m, id);
    if (node == NULL || !metadata_is_shunned(m, node->site))
        return id;
    for (unsigned i = 0; i < group->node_count - group->learner_count; i++) {
        node = metadata_node_by_id(m, group->node_ids[i]);
        if (node != NULL && !is_avoided(m, node->site))
            node_ids[count++] = node->node_id;
    }
    return count == 0 ? id : node_ids[group->group_id / group->node_count % count];
}

/* Voters of an asynchronous group go with its leader: while its home is switched away, to where the
 * switch says, or to the first of its other sites. A switch changes what placements are planned
 * from (metadata_apply.c), so that they follow. */
const char *metadata_home_if(const struct metadata *m, const struct metadata_group *group,
                             const char *from, const char *to)
{
    const char *other = group->home_site;
    if (group->mode != METADATA_ASYNC || from[0] == '\0' || strcmp(from, group->home_site) != 0)
        return group->home_site;
    for (unsigned i = group->node_count; i-- > 0;) {
        const struct metadata_node *node = metadata_node_by_id(m, group->node_ids[i]);
        if (node == NULL || strcmp(node->site, from) == 0)
            continue;
        if (strcmp(node->site, to) == 0)
            return node->site;
        other = other == group->home_site || strcmp(node->site, other) < 0 ? node->site : other;
    }
    return other;
}

const char *metadata_home_now(const struct metadata *m, const struct metadata_group *group)
{
    bool is_drained = metadata_is_drained(m, group->home_site);
    return metadata_home_if(m, group, is_drained ? group->home_site : metadata_avoided_site(m),
                            m->planned.to);
}

/* ---- steps ---- */

static bool has_site(const struct metadata *m, const char *site)
{
    for (unsigned i = 0; i < m->node_count; i++)
        if (m->nodes[i].state != METADATA_NODE_GONE && strcmp(m->nodes[i].site, site) == 0)
            return true;
    return false;
}

static int begin(struct metadata *m, struct metadata_switch_change *c, int64_t wall_ms)
{
    struct metadata_epoch *row = &c->row;
    if (!has_site(m, row->from) || (row->to[0] != '\0' && !has_site(m, row->to)))
        return ERR_NOT_FOUND;
    if (strcmp(row->from, row->to) == 0)
        return ERR_INVALID;
    if (m->planned.phase != METADATA_SWITCH_NONE)
        return ERR_EXISTS;
    row->cause = METADATA_EPOCH_SWITCH;
    m->planned.epoch = metadata_epoch_begin(m, row, wall_ms, 0)->epoch;
    m->planned.phase = METADATA_SWITCH_LEAVING;
    memcpy(m->planned.from, row->from, sizeof m->planned.from);
    memcpy(m->planned.to, row->to, sizeof m->planned.to);
    m->planned.begun_at_ms = wall_ms;
    m->planned.deadline_at_ms = wall_ms + c->deadline_ms;
    return 0;
}

/* Its row says where leaders come from and where they go. */
static int take_back(struct metadata *m, struct metadata_switch_change *c, int64_t wall_ms)
{
    if (m->planned.phase == METADATA_SWITCH_NONE)
        return ERR_NOT_FOUND;
    if (m->planned.phase != METADATA_SWITCH_STANDING)
        return ERR_EXISTS;
    c->row.cause = METADATA_EPOCH_BACK;
    memcpy(c->row.from, m->planned.to, sizeof c->row.from);
    memcpy(c->row.to, m->planned.from, sizeof c->row.to);
    m->planned.epoch = metadata_epoch_begin(m, &c->row, wall_ms, 0)->epoch;
    m->planned.phase = METADATA_SWITCH_RETURNING;
    m->planned.deadline_at_ms = wall_ms + c->deadline_ms;
    return 0;
}

static bool is_under_way(const struct metadata_switch *s)
{
    return s->phase == METADATA_SWITCH_LEAVING || s->phase == METADATA_SWITCH_RETURNING;
}

static int end(struct metadata *m, const struct metadata_epoch *row, int64_t wall_ms)
{
    struct metadata_switch *s = &m->planned;
    bool is_done = row->outcome == METADATA_EPOCH_DONE;
    bool is_planned = is_under_way(s) && s->epoch == row->epoch;
    if (row->outcome == METADATA_EPOCH_UNDER_WAY)
        return ERR_INVALID;
    if (is_planned && is_done && wall_ms > s->deadline_at_ms)
        return ERR_TIMEOUT;
    int err = metadata_epoch_end(m, row, wall_ms);
    if (!is_planned)
        return err;
    bool stands = (s->phase == METADATA_SWITCH_LEAVING) == is_done;
    if (stands)
        s->phase = METADATA_SWITCH_STANDING;
    else
        memset(s, 0, sizeof *s);
    return 0;
}

static int lose_site(struct metadata *m, struct metadata_epoch *row, int64_t wall_ms)
{
    if (!has_site(m, row->from))
        return ERR_NOT_FOUND;
    if (metadata_lost_site(m, row->from) != NULL)
        return ERR_EXISTS;
    row->cause = METADATA_EPOCH_SITE_LOST;
    metadata_epoch_begin(m, row, wall_ms, 0);
    return 0;
}

static int hear_site(struct metadata *m, const char *site, int64_t wall_ms)
{
    struct metadata_epoch *row = (struct metadata_epoch *)(uintptr_t)metadata_lost_site(m, site);
    if (row == NULL)
        return ERR_NOT_FOUND;
    row->returned_at_ms = wall_ms;
    return 0;
}

int metadata_apply_switch(struct metadata *m, int64_t wall_ms, struct bytes_reader *r)
{
    struct metadata_switch_change c = {0};
    uint8_t step = bytes_read_u8(r);
    c.deadline_ms = (int64_t)bytes_read_le64(r);
    int err = metadata_read_epoch(r, &c.row);
    if (err != 0 || r->is_bad || bytes_reader_left(r) != 0 || c.deadline_ms < 0 ||
        c.deadline_ms > METADATA_SWITCH_MS_MAX || wall_ms < 0 ||
        wall_ms > INT64_MAX - METADATA_SWITCH_MS_MAX)
        return ERR_MALFORMED;
    switch (step) {
    case METADATA_SWITCH_BEGIN:
        return begin(m, &c, wall_ms);
    case METADATA_SWITCH_END:
        return end(m, &c.row, wall_ms);
    case METADATA_SWITCH_BACK:
        return take_back(m, &c, wall_ms);
    case METADATA_SWITCH_SITE_LOST:
        return lose_site(m, &c.row, wall_ms);
    case METADATA_SWITCH_SITE_HEARD:
        return hear_site(m, c.row.from, wall_ms);
    default:
        return ERR_MALFORMED;
    }
}

/* ---- bytes ---- */

void metadata_put_switch_change(struct byte_list *list, const struct metadata_change *change)
{
    const struct metadata_switch_change *c = change->planned;
    byte_list_put_u8(list, (uint8_t)c->step);
    byte_list_put_u64(list, (uint64_t)c->deadline_ms);
    metadata_put_epoch(list, &c->row);
}

void metadata_put_switch(struct byte_list *list, const struct metadata *m)
{
    const struct metadata_switch *s = &m->planned;
    byte_list_put_u8(list, (uint8_t)s->phase);
    byte_list_put_u64(list, s->epoch);
    byte_list_put_text(list, s->from);
    byte_list_put_text(list, s->to);
    byte_list_put_u64(list, (uint64_t)s->begun_at_ms);
    byte_list_put_u64(list, (uint64_t)s->deadline_at_ms);
    metadata_put_epochs(list, m);
}

static bool is_sound(const struct metadata *m, const struct metadata_switch *s)
{
    if (s->phase == METADATA_SWITCH_NONE)
        return s->epoch == 0 && s->from[0] == '\0' && s->to[0] == '\0' && s->begun_at_ms == 0 &&
               s->deadline_at_ms == 0;
    return s->epoch > 0 && s->epoch <= m->failover_epoch && s->from[0] != '\0' &&
           strcmp(s->from, s->to) != 0 && s->begun_at_ms >= 0 && s->deadline_at_ms >= 0;
}

int metadata_read_switch(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_switch *s = &m->planned;
    uint8_t phase = bytes_read_u8(r);
    s->epoch = bytes_read_le64(r);
    struct bytes from = byte_list_read_text(r), to = byte_list_read_text(r);
    s->begun_at_ms = (int64_t)bytes_read_le64(r);
    s->deadline_at_ms = (int64_t)bytes_read_le64(r);
    if (r->is_bad || phase > METADATA_SWITCH_RETURNING ||
        metadata_copy_text(from, s->from, sizeof s->from) != 0 ||
        metadata_copy_text(to, s->to, sizeof s->to) != 0)
        return ERR_MALFORMED;
    s->phase = phase;
    return is_sound(m, s) ? metadata_read_epochs(m, r) : ERR_MALFORMED;
}

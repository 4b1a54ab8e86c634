/* Partitions that move from one raft group to another: what group 0 remembers of them.
 *
 *   CLOSING    the old group's leader closes the partition in its log, at an offset
 *   OPENING    its place is the new group now: that one's leader opens it there, from the old
 *              one's state; each replica of the new group takes the files over and says so
 *   SETTLING   all that are not dead, or to go, have said so: the new group settles, the old one
 *              forgets
 *
 * Whoever leads does the next step from what stands here, so no death of anyone ends a move half
 * way, and saying a step again changes nothing. There is no way back: once closed, going on is
 * always possible, and before there is nothing to undo. A group does not give and take at the same
 * time, so that no two replicas on a disk ever wait for each other (log/store_move.c).
 *
 * A forced recovery may leave a group whose log lacks what group 0 has heard of it, or, where group
 * 0 was recovered as well, has more. Then the step is begun again: the old group says once more
 * where the partition is closed (in OPENING with index 0), having opened and closed it anew if it
 * must; a new group that has perhaps opened it already gets it under another number, and forgets
 * the first one as one of a deleted topic.
 *
 * Body of the change: u8 step, 16 topic id, i32 partition, u32 group id, u32 number, u32 node id,
 * i32 epoch, i64 offset, u64 index.
 * Of the checkpoint: u32 n, n x (16 topic id, i32 partition, u8 phase, u8 flags (1 settled, 2
 * retired), from, to, i64 offset, u64 index, u16 n, n x u32 node id); from, to: u32 group id, u32
 * number, i32 epoch base. */
#include <stdlib.h>
#include <string.h>

#include "state/metadata_image.h"

#define EPOCH_BASE_MAX (INT32_MAX / 2)
#define MOVE_SETTLED   1u
#define MOVE_RETIRED   2u

void metadata_put_move_change(struct byte_list *list, const struct metadata_change *change)
{
    const struct metadata_move_change *c = &change->move;
    byte_list_put_u8(list, (uint8_t)c->step);
    byte_list_put(list, change->id, sizeof change->id);
    byte_list_put_u32(list, (uint32_t)c->partition);
    byte_list_put_u32(list, c->group_id);
    byte_list_put_u32(list, c->number);
    byte_list_put_u32(list, c->node_id);
    byte_list_put_u32(list, (uint32_t)c->epoch);
    byte_list_put_u64(list, (uint64_t)c->offset);
    byte_list_put_u64(list, c->index);
}

static int read_change(struct bytes_reader *r, uint8_t id[16], struct metadata_move_change *c)
{
    memset(c, 0, sizeof *c);
    uint8_t step = bytes_read_u8(r);
    bytes_read_copy(r, id, 16);
    c->partition = (int32_t)bytes_read_le32(r);
    c->group_id = bytes_read_le32(r);
    c->number = bytes_read_le32(r);
    c->node_id = bytes_read_le32(r);
    c->epoch = (int32_t)bytes_read_le32(r);
    c->offset = (int64_t)bytes_read_le64(r);
    c->index = bytes_read_le64(r);
    c->step = (enum metadata_move_step)step;
    bool is_sound = !r->is_bad && bytes_reader_left(r) == 0 && step >= METADATA_MOVE_START &&
                    step <= METADATA_MOVE_RETIRED && c->offset >= 0 && c->epoch >= 0;
    return is_sound ? 0 : ERR_MALFORMED;
}

/* ---- the start ---- */

static bool gives_and_takes(const struct metadata *m, uint32_t from, uint32_t to)
{
    for (unsigned i = 0; i < m->move_count; i++)
        if (m->moves[i].to.group_id == from || m->moves[i].from.group_id == to)
            return true;
    return false;
}

int metadata_move_check(const struct metadata *m, const struct metadata_topic *topic,
                        int32_t partition, uint32_t group_id)
{
    if (partition < 0 || partition >= topic->partition_count)
        return ERR_NOT_FOUND;
    const struct metadata_partition *place = &topic->partitions[partition];
    const struct metadata_group *from = metadata_group_by_id(m, place->group_id);
    const struct metadata_group *to = metadata_group_by_id(m, group_id);
    if (to == NULL || group_id == 0 || group_id == place->group_id ||
        place->epoch_base > EPOCH_BASE_MAX)
        return ERR_INVALID;
    if (metadata_move_of(m, topic->id, partition) != NULL)
        return ERR_EXISTS;
    if (!metadata_groups_match(from, to) || gives_and_takes(m, place->group_id, group_id))
        return ERR_CANT_CHANGE;
    bool has_room = m->move_count < METADATA_MOVES_MAX &&
                    to->next_partition_number <= UINT32_MAX - METADATA_PARTITIONS_MAX;
    return has_room ? 0 : ERR_FULL;
}

static struct metadata_move *add_move(struct metadata *m)
{
    if (m->move_count == m->move_capacity) {
        unsigned capacity = m->move_capacity == 0 ? 8 : m->move_capacity * 2;
        struct metadata_move *moves = realloc(m->moves, capacity * sizeof *moves);
        if (moves == NULL)
            return NULL;
        m->moves = moves;
        m->move_capacity = capacity;
    }
    struct metadata_move *move = &m->moves[m->move_count++];
    *move = (struct metadata_move){.phase = METADATA_MOVE_CLOSING};
    return move;
}

static int start(struct metadata *m, struct topic_entry *entry,
                 const struct metadata_move_change *c)
{
    int err = metadata_move_check(m, &entry->topic, c->partition, c->group_id);
    if (err != 0)
        return err;
    struct metadata_group *to = metadata_image_group(m, c->group_id);
    struct metadata_partition place = {.group_id = c->group_id,
                                       .number = to->next_partition_number};
    struct metadata_move *move = add_move(m);
    if (move == NULL)
        return UV_ENOMEM;
    memcpy(move->topic_id, entry->topic.id, sizeof move->topic_id);
    move->partition = c->partition;
    move->from = entry->topic.partitions[c->partition];
    move->to = place;
    to->next_partition_number++;
    return metadata_image_add_number(m, entry, c->partition, place);
}

/* ---- its steps ---- */

/* Clients may have seen epochs of the old group's later terms from a node that had not heard. */
static int closed(struct topic_entry *entry, struct metadata_move *move,
                  const struct metadata_move_change *c)
{
    bool is_again = move->phase == METADATA_MOVE_OPENING && move->index == 0;
    if (move->phase != METADATA_MOVE_CLOSING && !is_again)
        return ERR_EXISTS;
    if (c->number != move->from.number || c->index == 0 || c->epoch > EPOCH_BASE_MAX)
        return ERR_INVALID;
    move->phase = METADATA_MOVE_OPENING;
    move->offset = c->offset;
    move->index = c->index;
    if (!is_again || move->to.epoch_base < c->epoch + METADATA_MOVE_EPOCH_STRIDE)
        move->to.epoch_base = c->epoch + METADATA_MOVE_EPOCH_STRIDE;
    entry->topic.partitions[move->partition] = move->to;
    return 0;
}

static bool is_taken_by(const struct metadata_move *move, uint32_t node_id)
{
    for (unsigned i = 0; i < move->taken_count; i++)
        if (move->taken_by[i] == node_id)
            return true;
    return false;
}

static int taken(struct metadata *m, struct metadata_move *move,
                 const struct metadata_move_change *c)
{
    if (c->number != move->to.number || move->phase == METADATA_MOVE_CLOSING ||
        !metadata_group_has(metadata_image_group(m, move->to.group_id), c->node_id))
        return ERR_INVALID;
    if (is_taken_by(move, c->node_id))
        return ERR_EXISTS;
    if (move->taken_count == METADATA_VOTERS_MAX)
        return ERR_FULL;
    move->taken_by[move->taken_count++] = c->node_id;
    return 0;
}

static void remove_move(struct metadata *m, struct metadata_move *move)
{
    size_t place = (size_t)(move - m->moves);
    m->move_count--;
    memmove(move, move + 1, (m->move_count - place) * sizeof *move);
}

static int finished(struct metadata *m, struct metadata_move *move,
                    const struct metadata_move_change *c)
{
    bool is_new_group = c->step == METADATA_MOVE_SETTLED;
    if (move->phase != METADATA_MOVE_SETTLING ||
        c->number != (is_new_group ? move->to.number : move->from.number))
        return ERR_INVALID;
    move->is_settled |= is_new_group;
    move->is_retired |= !is_new_group;
    if (move->is_settled && move->is_retired) {
        metadata_image_forget_number(m, move->from);
        remove_move(m, move);
    }
    return 0;
}

int metadata_apply_move(struct metadata *m, struct bytes_reader *r)
{
    struct metadata_move_change c;
    uint8_t id[16];
    int err = read_change(r, id, &c);
    if (err != 0)
        return err;
    struct topic_entry *entry = metadata_image_topic(m, id);
    if (entry == NULL)
        return ERR_NOT_FOUND;
    if (c.step == METADATA_MOVE_START)
        return start(m, entry, &c);
    struct metadata_move *move = (struct metadata_move *)(uintptr_t)metadata_move_of(m, id,
                                                                                     c.partition);
    if (move == NULL)
        return ERR_NOT_FOUND;
    if (c.step == METADATA_MOVE_CLOSED)
        return closed(entry, move, &c);
    return c.step == METADATA_MOVE_TAKEN ? taken(m, move, &c) : finished(m, move, &c);
}

/* Who is dead, or is to go, is not waited for: its groups stay where they are while partitions
 * change hands, and nobody would ever take its place. Should it come back, what the old group has
 * forgotten by then is fetched from the others, as by any node that was away. */
static bool is_waited_for(const struct metadata *m, uint32_t node_id)
{
    const struct metadata_node *node = metadata_node_by_id(m, node_id);
    return node == NULL ||
           (node->state != METADATA_NODE_DEAD && node->state != METADATA_NODE_LEAVING);
}

static bool is_taken_by_all(const struct metadata *m, const struct metadata_move *move)
{
    const struct metadata_group *to = metadata_group_by_id(m, move->to.group_id);
    bool is_all = true;
    for (unsigned i = 0; i < to->node_count && is_all; i++)
        is_all = is_taken_by(move, to->node_ids[i]) || !is_waited_for(m, to->node_ids[i]);
    return is_all;
}

void metadata_review_moves(struct metadata *m)
{
    for (unsigned i = 0; i < m->move_count; i++)
        if (m->moves[i].phase == METADATA_MOVE_OPENING && is_taken_by_all(m, &m->moves[i]))
            m->moves[i].phase = METADATA_MOVE_SETTLING;
}

static int renumber(struct metadata *m, struct metadata_move *move)
{
    struct metadata_group *to = metadata_image_group(m, move->to.group_id);
    struct topic_entry *topic = metadata_image_topic(m, move->topic_id);
    if (to->next_partition_number == UINT32_MAX)
        return 0; /* nobody gets here */
    metadata_image_forget_number(m, move->to);
    move->to.number = to->next_partition_number++;
    return metadata_image_add_number(m, topic, move->partition, move->to);
}

int metadata_renew_moves(struct metadata *m, uint32_t group_id, bool is_all)
{
    int err = 0;
    for (unsigned i = 0; i < m->move_count && err == 0; i++) {
        struct metadata_move *move = &m->moves[i];
        if (move->from.group_id == group_id && move->phase == METADATA_MOVE_OPENING)
            move->index = 0;
        move->is_retired &= move->from.group_id != group_id;
        move->is_settled &= move->to.group_id != group_id;
        if (is_all && move->to.group_id == group_id && move->phase == METADATA_MOVE_CLOSING)
            err = renumber(m, move);
    }
    return err;
}

void metadata_end_moves(struct metadata *m, const struct metadata_topic *topic)
{
    for (unsigned i = m->move_count; i-- > 0;) {
        struct metadata_move *move = &m->moves[i];
        if (memcmp(move->topic_id, topic->id, sizeof move->topic_id) != 0)
            continue;
        metadata_image_forget_number(m,
                                     move->phase == METADATA_MOVE_CLOSING ? move->to : move->from);
        remove_move(m, move);
    }
}

/* ---- the checkpoint ---- */

static void put_place(struct byte_list *list, const struct metadata_partition *place)
{
    byte_list_put_u32(list, place->group_id);
    byte_list_put_u32(list, place->number);
    byte_list_put_u32(list, (uint32_t)place->epoch_base);
}

static struct metadata_partition read_place(struct bytes_reader *r)
{
    struct metadata_partition place = {.group_id = bytes_read_le32(r)};
    place.number = bytes_read_le32(r);
    place.epoch_base = (int32_t)bytes_read_le32(r);
    return place;
}

void metadata_put_moves(struct byte_list *list, const struct metadata *m)
{
    byte_list_put_u32(list, m->move_count);
    for (unsigned i = 0; i < m->move_count; i++) {
        const struct metadata_move *move = &m->moves[i];
        byte_list_put(list, move->topic_id, sizeof move->topic_id);
        byte_list_put_u32(list, (uint32_t)move->partition);
        byte_list_put_u8(list, (uint8_t)move->phase);
        byte_list_put_u8(list, (uint8_t)((move->is_settled ? MOVE_SETTLED : 0) |
                                         (move->is_retired ? MOVE_RETIRED : 0)));
        put_place(list, &move->from);
        put_place(list, &move->to);
        byte_list_put_u64(list, (uint64_t)move->offset);
        byte_list_put_u64(list, move->index);
        byte_list_put_u16(list, (uint16_t)move->taken_count);
        for (unsigned n = 0; n < move->taken_count; n++)
            byte_list_put_u32(list, move->taken_by[n]);
    }
}

static int read_move(struct bytes_reader *r, struct metadata_move *move)
{
    bytes_read_copy(r, move->topic_id, sizeof move->topic_id);
    move->partition = (int32_t)bytes_read_le32(r);
    uint8_t phase = bytes_read_u8(r), flags = bytes_read_u8(r);
    move->from = read_place(r);
    move->to = read_place(r);
    move->offset = (int64_t)bytes_read_le64(r);
    move->index = bytes_read_le64(r);
    move->taken_count = bytes_read_le16(r);
    if (r->is_bad || move->taken_count > METADATA_VOTERS_MAX || phase < METADATA_MOVE_CLOSING ||
        phase > METADATA_MOVE_SETTLING || (flags & ~(MOVE_SETTLED | MOVE_RETIRED)) != 0)
        return ERR_MALFORMED;
    for (unsigned n = 0; n < move->taken_count; n++)
        move->taken_by[n] = bytes_read_le32(r);
    move->phase = (enum metadata_move_phase)phase;
    move->is_settled = (flags & MOVE_SETTLED) != 0;
    move->is_retired = (flags & MOVE_RETIRED) != 0;
    return r->is_bad ? ERR_MALFORMED : 0;
}

static bool is_same_place(const struct metadata_partition *a, const struct metadata_partition *b)
{
    return a->group_id == b->group_id && a->number == b->number;
}

int metadata_read_moves(struct metadata *m, struct bytes_reader *r)
{
    uint32_t count = bytes_read_le32(r);
    if (r->is_bad || count > METADATA_MOVES_MAX)
        return ERR_MALFORMED;
    for (uint32_t i = 0; i < count; i++) {
        struct metadata_move move = {0};
        int err = read_move(r, &move);
        struct topic_entry *entry = err == 0 ? metadata_image_topic(m, move.topic_id) : NULL;
        if (entry == NULL || move.partition < 0 || move.partition >= entry->topic.partition_count)
            return ERR_MALFORMED;
        bool is_closing = move.phase == METADATA_MOVE_CLOSING;
        struct metadata_partition other = is_closing ? move.to : move.from;
        if (!is_same_place(&entry->topic.partitions[move.partition],
                           is_closing ? &move.from : &move.to) ||
            !metadata_is_place_sound(m, other))
            return ERR_MALFORMED;
        struct metadata_move *added = add_move(m);
        if (added == NULL || metadata_image_add_number(m, entry, move.partition, other) != 0)
            return UV_ENOMEM;
        *added = move;
    }
    return 0;
}

/* A partition that leaves a group, and one that comes.
 *
 * Leaving closes it where it is: its log ends, and stays, until every replica of the new group has
 * taken the files over (metadata_moves.c says when). Coming brings its state in pieces; the last
 * one opens it, behind the strides of forced recoveries that lie between: a lost side may have
 * opened it before. Whatever a piece is wrong with is a verdict, the same on every replica. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/move_entry.h"
#include "state/machine_parts.h"

void machine_apply_move_out(struct machine *m, struct partition_entry *entry,
                            const struct log_entry *raft_entry)
{
    struct partition *p = &entry->partition;
    p->moved_index = raft_entry->index;
    p->moved_epoch = p->epoch_base + (int32_t)raft_entry->term;
    log_store_partition_freeze(m->store, p->number);
}

/* ---- what comes ---- */

static struct incoming *find(struct machine *m, uint32_t number)
{
    struct incoming *i;
    HASH_FIND(hh, m->incoming, &number, sizeof number, i);
    return i;
}

bool machine_forget_incoming(struct machine *m, uint32_t number)
{
    struct incoming *i = find(m, number);
    if (i == NULL)
        return false;
    HASH_DEL(m->incoming, i);
    free(i->bytes.data);
    free(i);
    return true;
}

static struct incoming *add(struct machine *m, uint32_t number)
{
    struct incoming *i = calloc(1, sizeof *i);
    if (i == NULL)
        return NULL;
    i->number = number;
    HASH_ADD(hh, m->incoming, number, sizeof i->number, i);
    return i;
}

/* `whole` is NULL while more is to come, or the piece fits nowhere. */
static int take_piece(struct machine *m, uint32_t number, const struct move_in *move, int *verdict,
                      struct incoming **whole)
{
    struct incoming *i = find(m, number);
    *whole = NULL;
    if (move->position == 0) { /* a new leader begins again */
        machine_forget_incoming(m, number);
        i = add(m, number);
        if (i == NULL)
            return UV_ENOMEM;
        i->from_group = move->from_group;
        i->from_index = move->from_index;
        i->total_size = move->total_size;
    }
    bool fits = i != NULL && i->from_group == move->from_group &&
                i->from_index == move->from_index && i->total_size == move->total_size &&
                i->bytes.size == move->position;
    *verdict = fits ? 0 : ERR_INVALID;
    if (!fits)
        return 0;
    byte_list_put(&i->bytes, move->piece.data, move->piece.size);
    if (i->bytes.is_failed)
        return UV_ENOMEM;
    if (i->bytes.size == i->total_size)
        *whole = i;
    return 0;
}

static int read_consumers(struct partition *p, struct bytes consumers)
{
    if (!(p->flags & PARTITION_IS_OFFSETS))
        return consumers.size == 0 ? 0 : ERR_MALFORMED;
    int err = consumer_table_create(&p->consumers);
    return err != 0 ? err : consumer_table_decode(p->consumers, consumers);
}

/* Everything is read before anything is changed. */
static int open_moved(struct machine *m, struct partition *p, const struct move_in *move,
                      struct bytes state)
{
    struct bytes record, consumers;
    struct log_partition_source source = {.group_id = move->from_group, .index = move->from_index};
    int err = moved_state_decode(state, &record, &consumers);
    if (err == 0)
        err = read_consumers(p, consumers);
    if (err == 0)
        err = log_store_partition_import(m->store, p->number, &p->id, record, &source, &p->log);
    if (err == 0)
        log_partition_set_settings(p->log, &p->settings);
    if (err == 0 && move->state.start_offset % LOG_OFFSET_STRIDE == 0)
        err = machine_stride_to(p, move->state.start_offset);
    if (err == 0 && machine_add(m, p) == NULL)
        err = UV_ENOMEM;
    if (err != 0)
        consumer_table_destroy(p->consumers);
    return err;
}

int machine_apply_move_in(struct machine *m, uint32_t number, const struct log_entry *raft_entry,
                          struct machine_result *result)
{
    struct move_in move;
    struct incoming *whole;
    result->error = move_in_decode(raft_entry->body.bytes, &move);
    if (result->error == 0 && (number == 0 || machine_entry(m, number) != NULL))
        result->error = ERR_EXISTS;
    else if (result->error == 0 && move.state.metadata_version < m->closed_version)
        result->error = ERR_INVALID; /* as an OPEN: perhaps of a partition that is deleted */
    if (result->error != 0)
        return 0;
    int err = take_piece(m, number, &move, &result->error, &whole);
    if (err != 0 || whole == NULL)
        return err;
    struct partition p = {.number = number,
                          .flags = move.state.flags,
                          .epoch_base = move.state.epoch_base,
                          .id = move.state.id,
                          .settings = move.state.settings,
                          .opened_index = raft_entry->index};
    result->error = open_moved(m, &p, &move, bytes_of(whole->bytes.data, whole->bytes.size));
    machine_forget_incoming(m, number);
    return result->error == UV_ENOMEM ? UV_ENOMEM : 0;
}

void machine_each_incoming(struct machine *m, machine_incoming_cb cb, void *data)
{
    struct incoming *i, *next;
    HASH_ITER(hh, m->incoming, i, next)
    cb(data, i->number);
}

/* ---- the checkpoint ---- */

static int by_number(const struct incoming *a, const struct incoming *b)
{
    return (a->number > b->number) - (a->number < b->number);
}

void machine_put_incoming(struct machine *m, struct byte_list *list)
{
    HASH_SORT(m->incoming, by_number);
    byte_list_put_u32(list, HASH_COUNT(m->incoming));
    struct incoming *i, *next;
    HASH_ITER(hh, m->incoming, i, next)
    {
        byte_list_put_u32(list, i->number);
        byte_list_put_u32(list, i->from_group);
        byte_list_put_u64(list, i->from_index);
        byte_list_put_u32(list, i->total_size);
        byte_list_put_bytes(list, bytes_of(i->bytes.data, i->bytes.size));
    }
}

int machine_read_incoming(struct machine *m, struct bytes_reader *r)
{
    uint32_t count = bytes_read_le32(r);
    for (uint32_t n = 0; n < count && !r->is_bad; n++) {
        uint32_t number = bytes_read_le32(r);
        struct incoming *i = find(m, number) == NULL ? add(m, number) : NULL;
        if (i == NULL)
            return ERR_MALFORMED;
        i->from_group = bytes_read_le32(r);
        i->from_index = bytes_read_le64(r);
        i->total_size = bytes_read_le32(r);
        struct bytes bytes = byte_list_read_bytes(r);
        if (r->is_bad || bytes.size >= i->total_size || i->total_size > MOVE_IN_STATE_MAX)
            return ERR_MALFORMED;
        byte_list_put(&i->bytes, bytes.data, bytes.size);
        if (i->bytes.is_failed)
            return UV_ENOMEM;
    }
    return r->is_bad ? ERR_MALFORMED : 0;
}

/* ---- what goes ---- */

int machine_moved_state(struct machine *m, uint32_t number, uint8_t **bytes, size_t *size)
{
    struct partition_entry *entry = machine_entry(m, number);
    struct slice record = {0};
    uint8_t *consumers = NULL;
    size_t consumers_size = 0;
    if (entry == NULL || entry->partition.moved_index == 0)
        return ERR_NOT_FOUND;
    int err = log_store_partition_record(m->store, number, &record);
    if (err == 0 && entry->partition.consumers != NULL)
        err = consumer_table_encode(entry->partition.consumers, &consumers, &consumers_size);
    if (err == 0)
        err = moved_state_encode(record.bytes, bytes_of(consumers, consumers_size), bytes, size);
    slice_unref(&record);
    free(consumers);
    return err;
}

/* The entry that opens a partition in the group that it moved to.
 *
 * A PARTITION_STATE of 76 bytes, then u32 old group, u64 raft index of the MOVE_OUT there,
 * u32 size of the whole state, u32 position of the piece, and the piece. */
#include "cluster/move_entry.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "state/byte_list.h"

size_t move_in_encode(const struct move_in *move, uint8_t *into)
{
    assert(move->state.action == PARTITION_MOVE_IN);
    uint8_t *at = into + partition_state_encode(&move->state, into);
    at = bytes_put_le32(at, move->from_group);
    at = bytes_put_le64(at, move->from_index);
    at = bytes_put_le32(at, move->total_size);
    at = bytes_put_le32(at, move->position);
    assert(at == into + MOVE_IN_HEAD_SIZE);
    memcpy(at, move->piece.data, move->piece.size);
    return MOVE_IN_HEAD_SIZE + move->piece.size;
}

static bool is_sound(const struct move_in *move)
{
    return move->state.action == PARTITION_MOVE_IN && move->from_group != 0 &&
           move->from_index != 0 && move->total_size <= MOVE_IN_STATE_MAX && move->piece.size > 0 &&
           move->piece.size <= MOVE_IN_PIECE_MAX && move->position < move->total_size &&
           move->piece.size <= move->total_size - move->position;
}

int move_in_decode(struct bytes from, struct move_in *move)
{
    if (from.size < PARTITION_STATE_SIZE)
        return ERR_MALFORMED;
    int err = partition_state_decode(bytes_of(from.data, PARTITION_STATE_SIZE), &move->state);
    if (err != 0)
        return err;
    struct bytes_reader r = bytes_reader_of(
        bytes_of(from.data + PARTITION_STATE_SIZE, from.size - PARTITION_STATE_SIZE));
    move->from_group = bytes_read_le32(&r);
    move->from_index = bytes_read_le64(&r);
    move->total_size = bytes_read_le32(&r);
    move->position = bytes_read_le32(&r);
    move->piece = bytes_read(&r, bytes_reader_left(&r));
    return r.is_bad || !is_sound(move) ? ERR_MALFORMED : 0;
}

int moved_state_encode(struct bytes record, struct bytes consumers, uint8_t **bytes, size_t *size)
{
    struct byte_list list = {0};
    byte_list_put_bytes(&list, record);
    byte_list_put_bytes(&list, consumers);
    return byte_list_take(&list, bytes, size);
}

int moved_state_decode(struct bytes from, struct bytes *record, struct bytes *consumers)
{
    struct bytes_reader r = bytes_reader_of(from);
    *record = byte_list_read_bytes(&r);
    *consumers = byte_list_read_bytes(&r);
    return r.is_bad || bytes_reader_left(&r) != 0 ? ERR_MALFORMED : 0;
}

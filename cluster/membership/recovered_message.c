/* Peers may lie: every field is looked at before any is used. */
#include "membership/recovered_message.h"

#include "broker.h"

#define MESSAGE_VERSION 1
#define ROW_SIZE        16

unsigned recovered_message_put(struct byte_list *list, const struct recovery_row *rows,
                               unsigned count)
{
    uint16_t said = 0;
    size_t head = list->size;
    byte_list_put_u8(list, BROKER_MESSAGE_RECOVERED);
    byte_list_put_u8(list, MESSAGE_VERSION);
    byte_list_put_u16(list, 0);
    for (unsigned i = 0; i < count; i++) {
        if (rows[i].generation == 0)
            continue;
        byte_list_put_u32(list, rows[i].group_id);
        byte_list_put_u32(list, rows[i].generation);
        byte_list_put_u64(list, rows[i].recovery_id);
        said++;
    }
    if (!list->is_failed)
        bytes_put_le16(list->data + head + 2, said);
    return said;
}

static bool read_row(struct bytes_reader *r, struct recovery_order *order)
{
    const struct recovery_row *before = order->row_count == 0 ? NULL
                                                              : &order->rows[order->row_count - 1];
    struct recovery_row row = {.action = RECOVERY_ASIDE, .group_id = bytes_read_le32(r)};
    row.generation = bytes_read_le32(r);
    row.recovery_id = bytes_read_le64(r);
    if (row.generation == 0 || row.recovery_id == 0 || row.group_id >= METADATA_GROUPS_MAX ||
        (before != NULL && row.group_id <= before->group_id))
        return false;
    order->rows[order->row_count++] = row;
    return true;
}

bool recovered_message_read(struct bytes message, struct recovery_order *order)
{
    struct bytes_reader r = bytes_reader_of(message);
    *order = (struct recovery_order){.stage = RECOVERY_REPLAY};
    uint8_t type = bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint16_t count = bytes_read_le16(&r);
    if (r.is_bad || type != BROKER_MESSAGE_RECOVERED || version != MESSAGE_VERSION ||
        count > METADATA_GROUPS_MAX || bytes_reader_left(&r) != count * (size_t)ROW_SIZE)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!read_row(&r, order))
            return false;
    return true;
}

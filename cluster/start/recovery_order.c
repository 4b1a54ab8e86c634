/* The file "recovery", little-endian: "TRILOGRC", u16 version, u16 stage, u16 rows, u16 size of the
 * entry, rows x (u32 group id, u8 action, 3 zero, u32 generation, u64 recovery id, since version 2
 * u64 kept index), the entry as it is in the log (entry_format.md); at the end the CRC-32C of all
 * before. */
#include "start/recovery_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "start/small_file.h"
#include "state/byte_list.h"

#define FILE_NAME     "recovery"
#define FILE_VERSION  2
#define FILE_SIZE_MAX 16384
#define MAGIC         "TRILOGRC"

static void put_row(struct byte_list *list, const struct recovery_row *row)
{
    static const uint8_t zeros[3];
    byte_list_put_u32(list, row->group_id);
    byte_list_put_u8(list, (uint8_t)row->action);
    byte_list_put(list, zeros, sizeof zeros);
    byte_list_put_u32(list, row->generation);
    byte_list_put_u64(list, row->recovery_id);
    byte_list_put_u64(list, row->kept_index);
}

int recovery_order_encode(const struct recovery_order *order, uint8_t **bytes, size_t *size)
{
    struct byte_list list = {0};
    uint8_t entry[RECOVERY_ENTRY_SIZE_MAX];
    size_t entry_size = order->entry.group_count > 0 ? recovery_entry_encode(&order->entry, entry)
                                                     : 0;
    byte_list_put(&list, MAGIC, 8);
    byte_list_put_u16(&list, FILE_VERSION);
    byte_list_put_u16(&list, (uint16_t)order->stage);
    byte_list_put_u16(&list, (uint16_t)order->row_count);
    byte_list_put_u16(&list, (uint16_t)entry_size);
    for (unsigned i = 0; i < order->row_count; i++)
        put_row(&list, &order->rows[i]);
    byte_list_put(&list, entry, entry_size);
    byte_list_put_u32(&list, list.is_failed ? 0 : crc32c(0, bytes_of(list.data, list.size)));
    return byte_list_take(&list, bytes, size);
}

int recovery_order_write(const struct disk *disk, const struct recovery_order *order)
{
    uint8_t *bytes;
    size_t size;
    int err = recovery_order_encode(order, &bytes, &size);
    if (err != 0)
        return err;
    err = small_file_write(disk, FILE_NAME, bytes_of(bytes, size));
    free(bytes);
    return err;
}

static int read_row(struct bytes_reader *r, unsigned version, const struct recovery_row *before,
                    struct recovery_row *row)
{
    row->group_id = bytes_read_le32(r);
    row->action = bytes_read_u8(r);
    unsigned zeros = bytes_read_u8(r);
    zeros |= bytes_read_le16(r);
    row->generation = bytes_read_le32(r);
    row->recovery_id = bytes_read_le64(r);
    row->kept_index = version > 1 ? bytes_read_le64(r) : 0;
    bool is_sound = !r->is_bad && zeros == 0 && row->group_id < METADATA_GROUPS_MAX &&
                    (row->action == RECOVERY_SURVIVE || row->action == RECOVERY_ASIDE) &&
                    row->generation > 0 && row->recovery_id != 0 &&
                    (row->action == RECOVERY_SURVIVE || row->kept_index == 0) &&
                    (before == NULL || row->group_id > before->group_id);
    return is_sound ? 0 : ERR_CORRUPT;
}

int recovery_order_decode(struct bytes file, struct recovery_order *order)
{
    if (file.size < 20 || memcmp(file.data, MAGIC, 8) != 0 ||
        crc32c(0, bytes_of(file.data, file.size - 4)) != bytes_get_le32(file.data + file.size - 4))
        return ERR_CORRUPT;
    struct bytes_reader r = bytes_reader_of(bytes_of(file.data + 8, file.size - 12));
    unsigned version = bytes_read_le16(&r);
    if (version == 0 || version > FILE_VERSION)
        return ERR_VERSION;
    *order = (struct recovery_order){0};
    order->stage = bytes_read_le16(&r);
    order->row_count = bytes_read_le16(&r);
    uint16_t entry_size = bytes_read_le16(&r);
    if (r.is_bad || order->stage < RECOVERY_REPLAY || order->stage > RECOVERY_BEGIN ||
        order->row_count == 0 || order->row_count > METADATA_GROUPS_MAX)
        return ERR_CORRUPT;
    for (unsigned i = 0; i < order->row_count; i++)
        if (read_row(&r, version, i == 0 ? NULL : &order->rows[i - 1], &order->rows[i]) != 0)
            return ERR_CORRUPT;
    struct bytes entry = bytes_read(&r, entry_size);
    if (r.is_bad || bytes_reader_left(&r) != 0)
        return ERR_CORRUPT;
    return entry_size == 0 || recovery_entry_decode(entry, &order->entry) == 0 ? 0 : ERR_CORRUPT;
}

int recovery_order_read(const struct disk *disk, struct recovery_order *order)
{
    uint8_t bytes[FILE_SIZE_MAX];
    struct disk_file *file;
    int err = disk_open(disk, FILE_NAME, DISK_READ, &file);
    if (err != 0)
        return err;
    int64_t size = disk_read_at(disk, file, 0, bytes, sizeof bytes);
    disk_close(disk, file);
    return size < 0 ? (int)size : recovery_order_decode(bytes_of(bytes, (size_t)size), order);
}

int recovery_order_remove(const struct disk *disk)
{
    int err = disk_remove(disk, FILE_NAME);
    return err == 0 || err == UV_ENOENT ? disk_sync_directory(disk, "") : err;
}

/* Zeros, written out: a hole would be no room. */
#include "upkeep/ballast.h"

#include <stdlib.h>

#include "base/err.h"

#define PIECE_SIZE (1u << 20)

uint64_t ballast_size_bytes(uint64_t reserve_bytes)
{
    uint64_t size = reserve_bytes / 8;
    return size < BALLAST_BYTES_MAX ? size : BALLAST_BYTES_MAX;
}

static int fill(const struct disk *disk, struct disk_file *file, uint64_t from, uint64_t until)
{
    uint8_t *zeros = calloc(1, PIECE_SIZE);
    if (zeros == NULL)
        return UV_ENOMEM;
    int err = 0;
    while (from < until && err == 0) {
        size_t size = until - from < PIECE_SIZE ? (size_t)(until - from) : PIECE_SIZE;
        err = disk_write_bytes_at(disk, file, from, bytes_of(zeros, size));
        from += size;
    }
    free(zeros);
    return err;
}

int ballast_make(const struct disk *disk, uint64_t size_bytes)
{
    struct disk_file *file;
    int err = disk_open(disk, BALLAST_NAME, DISK_WRITE | DISK_CREATE, &file);
    if (err != 0)
        return err;
    int64_t size = disk_size(disk, file);
    if (size < 0)
        err = (int)size;
    else if ((uint64_t)size < size_bytes)
        err = fill(disk, file, (uint64_t)size, size_bytes);
    if (err == 0)
        err = disk_sync(disk, file);
    disk_close(disk, file);
    if (err_is_no_room(err))
        disk_remove(disk, BALLAST_NAME); /* better all of it free than a part of it lost */
    return err;
}

bool ballast_is_there(const struct disk *disk)
{
    struct disk_file *file;
    if (disk_open(disk, BALLAST_NAME, DISK_READ, &file) != 0)
        return false;
    disk_close(disk, file);
    return true;
}

int ballast_give(const struct disk *disk)
{
    return disk_remove(disk, BALLAST_NAME);
}

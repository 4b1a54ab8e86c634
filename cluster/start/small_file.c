/* Written beside its place, synced, renamed: a power cut leaves the old contents or the new. */
#include "start/small_file.h"

#include <stdio.h>

int small_file_write(const struct disk *disk, const char *name, struct bytes contents)
{
    char fresh[32];
    struct disk_file *file;
    snprintf(fresh, sizeof fresh, "%s.new", name);
    int err = disk_open(disk, fresh, DISK_WRITE | DISK_CREATE, &file);
    if (err != 0)
        return err;
    err = disk_truncate(disk, file, 0);
    if (err == 0)
        err = disk_write_bytes_at(disk, file, 0, contents);
    if (err == 0)
        err = disk_sync(disk, file);
    disk_close(disk, file);
    if (err == 0)
        err = disk_rename(disk, fresh, name);
    return err == 0 ? disk_sync_directory(disk, "") : err;
}

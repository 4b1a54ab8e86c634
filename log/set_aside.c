/* Damaged data that is put out of the way, not thrown away.
 *
 * A replica whose WAL or manifest is damaged is rebuilt under a new incarnation. What it had may
 * still be all that is left of something, where a majority is damaged at once: so it is kept under
 * another name until the owner knows that the replica is level again. Of WALs the oldest and the
 * newest are kept, of manifests the newest: a disk that goes on failing does not fill up with them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/disk.h"
#include "log/store.h"
#include "log/wal.h"

#define PATH_SIZE       256
#define WALS_KEPT_MAX   2
#define REMOVED_AT_ONCE 16

struct kept {
    const char *directory; /* of the WAL */
    unsigned numbers[REMOVED_AT_ONCE];
    unsigned count; /* of them */
};

static void note_kept(void *data, const char *name, bool is_directory)
{
    struct kept *k = data;
    unsigned number;
    int length = 0;
    size_t prefix = strlen(k->directory);
    if (is_directory && k->count < REMOVED_AT_ONCE && strncmp(name, k->directory, prefix) == 0 &&
        sscanf(name + prefix, ".damaged-%u%n", &number, &length) == 1 &&
        name[prefix + (size_t)length] == '\0')
        k->numbers[k->count++] = number;
}

static void put_path(char path[PATH_SIZE], const char *directory, unsigned number)
{
    snprintf(path, PATH_SIZE, "%s.damaged-%u", directory, number);
}

/* Takes the highest number out of the list. */
static unsigned take_newest(struct kept *k)
{
    unsigned at = 0;
    for (unsigned i = 1; i < k->count; i++)
        if (k->numbers[i] > k->numbers[at])
            at = i;
    unsigned number = k->numbers[at];
    k->numbers[at] = k->numbers[--k->count];
    return number;
}

/* Removes all but so many, the newest first: the oldest holds most of what there was. */
static int remove_kept(const struct disk *disk, const char *directory, unsigned kept_max)
{
    struct kept k = {.directory = directory};
    char path[PATH_SIZE];
    int err = disk_list(disk, "", note_kept, &k);
    while (err == 0 && k.count > kept_max) {
        put_path(path, directory, take_newest(&k));
        err = disk_remove_tree(disk, path);
    }
    return err;
}

int log_wal_set_aside(const struct disk *disk, const char *directory, unsigned number)
{
    char path[PATH_SIZE];
    put_path(path, directory, number);
    int err = remove_kept(disk, directory, WALS_KEPT_MAX - 1);
    if (err == 0)
        err = disk_rename(disk, directory, path);
    if (err == 0 || err == UV_ENOENT)
        err = disk_sync_directory(disk, "");
    return err;
}

int log_wal_remove_set_aside(const struct disk *disk, const char *directory)
{
    return remove_kept(disk, directory, 0);
}

int log_store_set_aside(const struct disk *disk, uint32_t group_id)
{
    char folder[PATH_SIZE], path[PATH_SIZE + 16], kept[PATH_SIZE + 32];
    snprintf(folder, sizeof folder, "groups/%" PRIu32, group_id);
    snprintf(path, sizeof path, "%s/manifest", folder);
    snprintf(kept, sizeof kept, "%s/manifest.damaged", folder);
    int err = disk_rename(disk, path, kept);
    if (err == 0 || err == UV_ENOENT)
        err = disk_sync_directory(disk, folder);
    return err;
}

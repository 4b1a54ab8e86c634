/* The simulated disk: files and directories in memory behind `struct disk`.
 *
 * It keeps what the device has apart from what is only cached, so that a power cut leaves what
 * a real one may leave. Every choice is drawn from a `struct random`: a seed replays.
 *
 * After fake_disk_crash()
 *   - what disk_sync() covered is there; of the rest any subset of 512-byte sectors is, the
 *     others are as they were, zero where there was nothing; so is the size of a grown file;
 *   - each create, rename, remove and make_directory since disk_sync_directory() of its folder
 *     has happened or not, one by one, and each as a whole (a rename never loses the file);
 *   - handles opened before are dead: operations give UV_EIO, closing frees.
 * A write that fails leaves any subset of its sectors. A sync that fails leaves any subset of
 * the unsynced sectors on the device and drops the others, as Linux may: nothing brings them
 * back. Any thread may call it. */
#ifndef FAKE_FAKE_DISK_H
#define FAKE_FAKE_DISK_H

#include "base/disk.h"
#include "base/random.h"

#define FAKE_DISK_SECTOR_SIZE    512u
#define FAKE_DISK_FILE_BYTES_MAX (UINT64_C(1) << 34) /* beyond it a write gives UV_EFBIG */

enum fake_disk_operation {
    FAKE_DISK_OPEN,
    FAKE_DISK_READ,
    FAKE_DISK_WRITE,
    FAKE_DISK_SYNC,
    FAKE_DISK_TRUNCATE,
    FAKE_DISK_REMOVE, /* of a file or a directory */
    FAKE_DISK_RENAME,
    FAKE_DISK_MAKE_DIRECTORY,
    FAKE_DISK_SYNC_DIRECTORY,
    FAKE_DISK_LIST
};
#define FAKE_DISK_OPERATION_COUNT 10

struct fake_disk;

/* Empty, without faults, without a bound on space. Returns owned (fake_disk_destroy); ends the
 * process without memory, as all of it does. Handles must be closed before destroy. */
struct fake_disk *fake_disk_create(uint64_t seed);
void fake_disk_destroy(struct fake_disk *d);

/* The seam; valid as long as the disk. */
const struct disk *fake_disk_seam(struct fake_disk *d);

/* Cuts the power and turns it on again: see above. `random` NULL: the disk's own. Also ends a
 * halt and drops faults that have not struck. */
void fake_disk_crash(struct fake_disk *d, struct random *random);

/* From now on every operation but close gives UV_EIO, until fake_disk_crash(): the machine is
 * off, and what its objects still do while they are torn down leaves no trace. */
void fake_disk_halt(struct fake_disk *d);

/* Halts during the nth operation from now (1: the next); a write is torn by it. To crash at
 * every point of something, run it with nth = 1, 2, … until fake_disk_is_halted() stays false. */
void fake_disk_halt_at(struct fake_disk *d, uint64_t nth);
bool fake_disk_is_halted(struct fake_disk *d);

/* The nth operation of this kind from now (1: the next) fails with `err`, once. 0 takes it back. */
void fake_disk_fail_nth(struct fake_disk *d, enum fake_disk_operation operation, uint64_t nth,
                        int err);

/* Each operation of this kind fails with this probability. 0 takes it back. */
void fake_disk_fail_chance(struct fake_disk *d, enum fake_disk_operation operation, double chance,
                           int err);

/* Space for file contents, holes not counted: a write beyond it is cut short and gives
 * UV_ENOSPC. 0: no bound (free_bytes then answers 1 TiB). */
void fake_disk_set_capacity(struct fake_disk *d, uint64_t bytes);

/* From now on the disk lies of the files that are in this folder: a sync says 0 and makes nothing
 * durable, and a crash loses all of it. "": of all files and names, so that a crash brings back the
 * whole disk as it was. NULL: of none any more; what is still there of "" is durable by then. */
void fake_disk_lie(struct fake_disk *d, const char *folder);

/* Flips one bit of a file at rest, on the device and in the cache. UV_ENOENT, or UV_EINVAL
 * beyond its end. */
int fake_disk_flip_bit(struct fake_disk *d, const char *path, uint64_t position, unsigned bit);

/* Puts other bytes into a file at rest, on the device and in the cache: a lost write is what stood
 * there before, a misdirected one what belongs elsewhere. UV_ENOENT, or UV_EINVAL beyond its end.
 */
int fake_disk_overwrite(struct fake_disk *d, const char *path, uint64_t position,
                        struct bytes bytes);

/* Cuts a file at rest off, on the device and in the cache. UV_ENOENT, or UV_EINVAL beyond its end.
 */
int fake_disk_cut(struct fake_disk *d, const char *path, uint64_t size);

/* What a test asks. Operations begun so far; open handles; whether all bytes of a file would
 * survive (its name is another matter); whether this name would lead to the same file. */
uint64_t fake_disk_count(struct fake_disk *d, enum fake_disk_operation operation);
unsigned fake_disk_open_count(struct fake_disk *d);
bool fake_disk_is_synced(struct fake_disk *d, const char *path);
bool fake_disk_is_name_synced(struct fake_disk *d, const char *path);
/* Copies a file's first bytes as who reads it would see them; returns its size, 0 when there is no
 * such file. No operation: also while it is halted. */
uint64_t fake_disk_peek(struct fake_disk *d, const char *path, uint8_t *into, uint64_t size_max);
/* Files that would not survive as they are, at most `max`, and the bytes in question (none where
 * only the size is); returns how many. */
struct fake_disk_unsynced {
    char path[200];
    uint64_t from, to;
};
unsigned fake_disk_list_unsynced(struct fake_disk *d, struct fake_disk_unsynced *into,
                                 unsigned max);

#endif

/* Damage at rest.
 *
 * It is done to the backing file while the world stands still. No reader can have kept the bytes
 * from before, since the kernel caches nothing of this file system: the next read or sendfile
 * sees them. It is no write: no power cut takes it back, unless the sector was unsynced anyway. */
#include "damage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "node.h"
#include "tree.h"
#include "volume.h"

#define DAMAGE_COUNT_MAX 64 /* of one command: its answer is one line */

/* One file that is being damaged. */
struct victim {
    const char *path;
    int descriptor;
    struct stat status;
};

static int open_victim(struct volume *volume, const struct tree_paths *found, struct victim *victim)
{
    victim->path = found->paths[chance_below(&volume->chance, found->count)];
    victim->descriptor = openat(volume->root->path_descriptor, victim->path,
                                O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (victim->descriptor >= 0 && fstat(victim->descriptor, &victim->status) == 0)
        return 0;
    int err = errno;
    if (victim->descriptor >= 0)
        close(victim->descriptor);
    return err;
}

static uint64_t offset_in(struct volume *volume, const struct command *command,
                          const struct victim *victim)
{
    uint64_t size = (uint64_t)victim->status.st_size;
    uint64_t drawn = chance_below(&volume->chance, size);
    return command->offset < 0 ? drawn : (uint64_t)command->offset;
}

static int flip_one(struct volume *volume, const struct command *command,
                    const struct victim *victim, char *answer, size_t size)
{
    uint64_t offset = offset_in(volume, command, victim);
    unsigned bit = (unsigned)chance_below(&volume->chance, 8);
    uint8_t byte;
    ssize_t got = pread(victim->descriptor, &byte, 1, (off_t)offset);
    if (got != 1)
        return got < 0 ? errno : ERANGE;
    byte ^= (uint8_t)(1u << bit);
    if (pwrite(victim->descriptor, &byte, 1, (off_t)offset) != 1)
        return errno;
    snprintf(answer, size, " file=%s offset=%llu bit=%u", victim->path, (unsigned long long)offset,
             bit);
    return 0;
}

/* The block as it was before its last write: from what is unsynced, else from what the last syncs
 * replaced, else zeroes. Says which. */
static const char *make_older(struct volume *volume, const struct victim *victim, uint64_t number,
                              uint8_t *block)
{
    const struct node *node = node_find(volume, &victim->status);
    if (node != NULL && undo_apply_old(&node->undo, number, block))
        return "unsynced";
    if (older_apply(&volume->older, victim->status.st_dev, victim->status.st_ino, number, block))
        return "older";
    memset(block, 0, UNDO_BLOCK_BYTES);
    return "zeroes";
}

static int make_one_stale(struct volume *volume, const struct command *command,
                          const struct victim *victim, char *answer, size_t size)
{
    uint8_t block[UNDO_BLOCK_BYTES] = {0};
    uint64_t number = offset_in(volume, command, victim) / UNDO_BLOCK_BYTES;
    off_t offset = (off_t)(number * UNDO_BLOCK_BYTES);
    ssize_t got = pread(victim->descriptor, block, sizeof block, offset);
    if (got <= 0)
        return got < 0 ? errno : ERANGE;
    const char *content = make_older(volume, victim, number, block);
    if (pwrite(victim->descriptor, block, (size_t)got, offset) != got)
        return errno;
    snprintf(answer, size, " file=%s offset=%lld size=%zd content=%s", victim->path,
             (long long)offset, got, content);
    return 0;
}

typedef int (*damage_one)(struct volume *, const struct command *, const struct victim *, char *,
                          size_t);

static int damage_found(struct volume *volume, const struct command *command,
                        const struct tree_paths *found, damage_one one, char *answer, size_t size)
{
    size_t used = 0;
    for (int64_t i = 0; i < command->count; i++) {
        struct victim victim = {.descriptor = -1};
        int err = open_victim(volume, found, &victim);
        if (err != 0)
            return err;
        err = one(volume, command, &victim, answer + used, size - used);
        close(victim.descriptor);
        if (err != 0)
            return err;
        used += strlen(answer + used);
    }
    return 0;
}

static int refuse(char *answer, size_t size, const char *why)
{
    snprintf(answer, size, "%s", why);
    return -1;
}

static int damage(struct volume *volume, const struct command *command, damage_one one,
                  char *answer, size_t size)
{
    struct tree_paths found;
    if (command->count > DAMAGE_COUNT_MAX)
        return refuse(answer, size, "count is 64 at most");
    answer[0] = '\0';
    volume_stand_still(volume);
    int err = tree_find(volume->root->path_descriptor, command->path, &found);
    if (err == 0 && found.count == 0)
        err = ENOENT;
    if (err == 0)
        err = damage_found(volume, command, &found, one, answer, size);
    volume_go_on(volume);
    tree_paths_free(&found);
    if (err == ERANGE)
        return refuse(answer, size, "the file ends before that offset");
    return err == 0 ? 0 : refuse(answer, size, err == ENOENT ? "no file matches" : strerror(err));
}

int damage_flip(struct volume *volume, const struct command *command, char *answer, size_t size)
{
    return damage(volume, command, flip_one, answer, size);
}

int damage_make_stale(struct volume *volume, const struct command *command, char *answer,
                      size_t size)
{
    return damage(volume, command, make_one_stale, answer, size);
}

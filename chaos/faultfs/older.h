/* Older content of blocks: what a disk shows that has lost a write.
 *
 * When a file is synced, the bytes that the sync replaced are moved here instead of being thrown
 * away; the newest OLDER_COUNT_MAX blocks are remembered. */
#ifndef FAULTFS_OLDER_H
#define FAULTFS_OLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "undo.h"

#define OLDER_COUNT_MAX 1024u

struct older_block {
    dev_t device;
    ino_t inode;
    uint64_t number; /* of the block in the file */
    uint8_t saved;   /* which sectors are known, as in struct undo_block */
    uint8_t *bytes;
};

struct older {
    struct older_block blocks[OLDER_COUNT_MAX]; /* a ring */
    uint64_t added;
};

/* Moves the old bytes out of `undo`, which is cleared next. */
void older_take(struct older *older, dev_t device, ino_t inode, struct undo *undo);
/* Writes what is known over `block` (UNDO_BLOCK_BYTES, as now): the newest known; false: nothing.
 */
bool older_apply(const struct older *older, dev_t device, ino_t inode, uint64_t number,
                 uint8_t *block);

#endif

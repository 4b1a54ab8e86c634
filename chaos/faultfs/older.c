/* Older content of blocks, a ring of the newest ones. */
#include "older.h"

#include <stdlib.h>
#include <string.h>

void older_take(struct older *older, dev_t device, ino_t inode, struct undo *undo)
{
    for (size_t i = 0; undo->old_count > 0 && i < undo->slot_count; i++) {
        struct undo_block *block = &undo->slots[i];
        if (block->old == NULL)
            continue;
        struct older_block *place = &older->blocks[older->added++ % OLDER_COUNT_MAX];
        free(place->bytes);
        *place = (struct older_block){device, inode, block->number, block->saved, block->old};
        block->old = NULL;
        undo->old_count--;
    }
}

bool older_apply(const struct older *older, dev_t device, ino_t inode, uint64_t number,
                 uint8_t *block)
{
    uint64_t known = older->added < OLDER_COUNT_MAX ? older->added : OLDER_COUNT_MAX;
    for (uint64_t i = 1; i <= known; i++) {
        const struct older_block *old = &older->blocks[(older->added - i) % OLDER_COUNT_MAX];
        if (old->device != device || old->inode != inode || old->number != number)
            continue;
        for (size_t s = 0, at = 0; s < UNDO_BLOCK_SECTORS; s++, at += UNDO_SECTOR_BYTES)
            if (old->saved & (1u << s))
                memcpy(block + at, old->bytes + at, UNDO_SECTOR_BYTES);
        return true;
    }
    return false;
}

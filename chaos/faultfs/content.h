/* The bytes of files: read, written, sized and synced, with the way back of what is not synced.
 * All within volume_enter() but content_sync(). Each returns 0 or an errno. */
#ifndef FAULTFS_CONTENT_H
#define FAULTFS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "undo.h"

struct node;
struct volume;

int content_open(struct volume *volume, struct node *node);
void content_close(struct volume *volume, struct node *node);

/* *written is less than `size` when space runs out in between, as on a disk. */
int content_write(struct volume *volume, struct node *node, uint64_t offset, const void *bytes,
                  size_t size, size_t *written);
/* A write that the disk takes and never makes: the size grows, the bytes stay as they were. */
int content_lose_write(struct volume *volume, struct node *node, uint64_t offset, size_t size);
/* A write that lands in another block of the file. */
int content_misdirect_write(struct volume *volume, struct node *node, uint64_t offset,
                            const void *bytes, size_t size);
int content_set_size(struct volume *volume, struct node *node, uint64_t size);
/* fallocate(2): sets space aside, or writes zeroes by FALLOC_FL_PUNCH_HOLE or _ZERO_RANGE. */
int content_allocate(struct volume *volume, struct node *node, int mode, uint64_t offset,
                     uint64_t size);

/* Not within volume_enter(): a power cut may come while the disk is at it, and finds it not synced.
 * What is written meanwhile makes it begin again; the kernel lets no one write to a file that
 * is being synced, so that this ends. */
int content_sync(struct volume *volume, struct node *node, uint64_t boot);
/* The sync fails: see undo_drop(). */
int content_fail_sync(struct volume *volume, struct node *node, uint64_t seed);

/* In a still world: what a power cut leaves of the file. */
int content_roll_back(struct volume *volume, struct node *node, const struct undo_choice *choice,
                      struct undo_outcome *outcome);
/* No handle and no name is left: nothing of it needs a way back. */
void content_forget(struct volume *volume, struct node *node);

#endif

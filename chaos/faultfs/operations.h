/* What the kernel asks of a FUSE file system, answered by names.h and content.h. */
#ifndef FAULTFS_OPERATIONS_H
#define FAULTFS_OPERATIONS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdint.h>

#include "command.h"
#include "rules.h"

struct node;
struct volume;

/* The session's user data must be the volume. */
void operations_fill(struct fuse_lowlevel_ops *operations);
/* The part that is about folders (operations_folder.c), used by operations_fill(). */
void operations_fill_folder(struct fuse_lowlevel_ops *operations);

struct volume *operations_volume(fuse_req_t request);
struct node *operations_node(fuse_req_t request, fuse_ino_t number);

/* Counts the call and lets the rules have it. */
struct verdict operations_meet(struct volume *volume, enum command_call call, struct node *node);
/* Answers with the node as an entry, giving its reference to the kernel; releases it on failure. */
void operations_reply_entry(fuse_req_t request, struct node *node, int err);
int operations_entry(struct volume *volume, struct node *node, struct fuse_entry_param *entry);

#endif

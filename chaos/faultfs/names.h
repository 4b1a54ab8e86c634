/* Folders: names looked up, made, removed, renamed and synced, with the way back of what is not
 * synced. All within volume_enter() but names_sync(). Each returns 0 or an errno. */
#ifndef FAULTFS_NAMES_H
#define FAULTFS_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "undo.h"

struct node;
struct volume;

/* Removed files wait for their folder's sync in this much space at most; then the oldest goes. */
#define NAMES_KEPT_BYTES_MAX (UINT64_C(4) << 30)

/* Whom a new file belongs to. */
struct names_owner {
    uid_t user;
    gid_t group;
};

/* *node is returned with a reference, here and below (node_release). */
int names_look_up(struct volume *volume, struct node *folder, const char *name, struct node **node);
/* Opens or makes a file: `flags` as of open(2), of which O_EXCL counts. */
int names_make_file(struct volume *volume, struct node *folder, const char *name, int flags,
                    mode_t mode, struct names_owner owner, struct node **node);
int names_make_folder(struct volume *volume, struct node *folder, const char *name, mode_t mode,
                      struct names_owner owner, struct node **node);
int names_make_symlink(struct volume *volume, struct node *folder, const char *name,
                       const char *target, struct names_owner owner, struct node **node);
int names_make_link(struct volume *volume, struct node *folder, const char *name,
                    struct node *node);
int names_remove(struct volume *volume, struct node *folder, const char *name, bool is_folder);
/* `flags`: 0 or RENAME_NOREPLACE. */
int names_rename(struct volume *volume, struct node *folder, const char *name,
                 struct node *folder_to, const char *name_to, unsigned flags);

/* What happened in the folder is durable. Not within volume_enter(), as content_sync(). */
int names_sync(struct volume *volume, struct node *folder, uint64_t boot);

struct names_outcome {
    uint64_t entries_kept;
    uint64_t entries_lost;
};

/* In a still world: what a power cut leaves of the changes. */
void names_roll_back(struct volume *volume, const struct undo_choice *choice,
                     struct names_outcome *outcome);

/* Is it the folder that nobody shall see? */
bool names_is_hidden(const struct volume *volume, const struct node *folder, const char *name);

#endif

/* Changes of folders that no fsync of the folder has made durable: what a power cut may take back.
 *
 * POSIX promises a new name only after fsync of its folder. Here each change since then has
 * happened or not, by chance, one by one, where that is possible without it:
 *   - a change of a name needs the earlier changes of that name;
 *   - a change in a folder needs the folder to have been made;
 *   - taking a folder away needs its having been emptied.
 * A rename happens as a whole or not at all, and is durable once either of its folders is
 * synced: it never loses the file, as on every file system with a journal.
 *
 * This file decides only; names.c makes the changes and takes them back. Folders are addresses
 * that are compared, never followed. */
#ifndef FAULTFS_ENTRIES_H
#define FAULTFS_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "undo.h"

/* Beyond it the oldest change becomes durable: deciding looks at pairs. */
#define ENTRIES_COUNT_MAX 4096u

enum entry_kind { ENTRY_MADE, ENTRY_REMOVED, ENTRY_RENAMED };

struct node;

struct entry_change {
    enum entry_kind kind;
    struct node *folder;
    char *name;             /* owned by the log once added */
    struct node *folder_to; /* renamed: where to; else NULL */
    char *name_to;
    struct node *made;    /* the folder that was made; NULL: not a folder */
    struct node *removed; /* what the name led to before: removed, or replaced by a rename */
    bool is_folder_removed;
    uint64_t kept_number; /* under which `removed` is kept for the way back; 0: nothing was */
    uint64_t kept_bytes;  /* space it takes meanwhile */
    bool is_marked;       /* chosen: to become durable, or to be taken back */
};

struct entries {
    struct entry_change *changes; /* oldest first */
    size_t count;
    size_t capacity;
    uint64_t kept_bytes;
};

/* Takes the change with its names. 0 or ENOMEM, and then nothing is taken. */
int entries_add(struct entries *entries, const struct entry_change *change);

/* Marks what becomes durable when `folder` is synced, with all it needs. */
void entries_mark_folder(struct entries *entries, const struct node *folder);
/* The same for the oldest change alone. */
void entries_mark_oldest(struct entries *entries);
void entries_mark_all(struct entries *entries);
/* Marks what a power cut takes back. `choice` says how; is_torn means nothing here. */
void entries_mark_lost(struct entries *entries, const struct undo_choice *choice);

/* Takes a marked change out, the oldest or the newest one; false when there is none. Its names
 * are the caller's (entry_change_free). */
bool entries_take_oldest(struct entries *entries, struct entry_change *change);
bool entries_take_newest(struct entries *entries, struct entry_change *change);
void entry_change_free(struct entry_change *change);

#endif

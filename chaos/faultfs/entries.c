/* Changes of folders that are not durable yet, and which of them go together. */
#include "entries.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

int entries_add(struct entries *entries, const struct entry_change *change)
{
    if (entries->count == entries->capacity) {
        size_t capacity = entries->capacity == 0 ? 64 : entries->capacity * 2;
        struct entry_change *changes = realloc(entries->changes, capacity * sizeof *changes);
        if (changes == NULL)
            return ENOMEM;
        entries->changes = changes;
        entries->capacity = capacity;
    }
    entries->changes[entries->count++] = *change;
    entries->kept_bytes += change->kept_bytes;
    return 0;
}

static bool is_about(const struct entry_change *change, const struct node *folder, const char *name)
{
    if (change->folder == folder && strcmp(change->name, name) == 0)
        return true;
    return change->folder_to != NULL && change->folder_to == folder &&
           strcmp(change->name_to, name) == 0;
}

static bool acts_in(const struct entry_change *change, const struct node *folder)
{
    return folder != NULL && (change->folder == folder || change->folder_to == folder);
}

static bool share_a_name(const struct entry_change *a, const struct entry_change *b)
{
    return is_about(a, b->folder, b->name) ||
           (b->folder_to != NULL && is_about(a, b->folder_to, b->name_to));
}

static bool is_between_folders(const struct entry_change *change)
{
    return change->folder_to != NULL && change->folder_to != change->folder;
}

static bool removes_folder_of(const struct entry_change *later, const struct entry_change *earlier)
{
    return later->is_folder_removed && acts_in(earlier, later->removed);
}

/* Can `later` not have happened without `earlier`? */
static bool needs(const struct entry_change *later, const struct entry_change *earlier)
{
    return share_a_name(later, earlier) || acts_in(later, earlier->made) ||
           removes_folder_of(later, earlier);
}

/* Does syncing `later` make `earlier` durable? What is in a new folder may be durable while the
 * folder's own name is not; a file that moved there would be lost from both places. */
static bool takes_along(const struct entry_change *later, const struct entry_change *earlier)
{
    return share_a_name(later, earlier) || removes_folder_of(later, earlier) ||
           (is_between_folders(later) && acts_in(later, earlier->made));
}

/* Marks all that the marked ones take along, from the newest to the oldest: each takes along
 * earlier ones only, so that one pass is enough. */
static void mark_needed(struct entries *entries)
{
    for (size_t later = entries->count; later-- > 0;)
        for (size_t i = 0; entries->changes[later].is_marked && i < later; i++)
            if (takes_along(&entries->changes[later], &entries->changes[i]))
                entries->changes[i].is_marked = true;
}

void entries_mark_folder(struct entries *entries, const struct node *folder)
{
    for (size_t i = 0; i < entries->count; i++)
        entries->changes[i].is_marked = acts_in(&entries->changes[i], folder);
    mark_needed(entries);
}

void entries_mark_oldest(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        entries->changes[i].is_marked = i == 0;
}

void entries_mark_all(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        entries->changes[i].is_marked = true;
}

/* Of eight changes so many are taken back for a reason of their own. */
static uint64_t lost_of_8(const struct undo_choice *choice)
{
    static const uint64_t manners[] = {8, 0, 4, 1};
    if (choice->keep != UNDO_KEEP_RANDOM)
        return choice->keep == UNDO_KEEP_NONE ? 8 : 0;
    return manners[chance_mix_text(choice->seed, "folders") % 4];
}

static bool needs_a_lost_one(const struct entries *entries, size_t later)
{
    for (size_t i = 0; i < later; i++)
        if (entries->changes[i].is_marked && needs(&entries->changes[later], &entries->changes[i]))
            return true;
    return false;
}

void entries_mark_lost(struct entries *entries, const struct undo_choice *choice)
{
    uint64_t lost = lost_of_8(choice);
    for (size_t i = 0; i < entries->count; i++) {
        struct entry_change *change = &entries->changes[i];
        uint64_t drawn = chance_mix(chance_mix_text(choice->seed, change->name), i);
        change->is_marked = drawn % 8 < lost || needs_a_lost_one(entries, i);
    }
}

static void take(struct entries *entries, size_t index, struct entry_change *change)
{
    *change = entries->changes[index];
    entries->count--;
    memmove(&entries->changes[index], &entries->changes[index + 1],
            (entries->count - index) * sizeof *change);
    assert(entries->kept_bytes >= change->kept_bytes);
    entries->kept_bytes -= change->kept_bytes;
}

bool entries_take_oldest(struct entries *entries, struct entry_change *change)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->changes[i].is_marked) {
            take(entries, i, change);
            return true;
        }
    return false;
}

bool entries_take_newest(struct entries *entries, struct entry_change *change)
{
    for (size_t i = entries->count; i-- > 0;)
        if (entries->changes[i].is_marked) {
            take(entries, i, change);
            return true;
        }
    return false;
}

void entry_change_free(struct entry_change *change)
{
    free(change->name);
    free(change->name_to);
    change->name = change->name_to = NULL;
}

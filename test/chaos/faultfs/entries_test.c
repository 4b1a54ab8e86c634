/* Changes of folders: what a power cut takes back, against folders that are arrays of names.
 *
 * Whatever is taken back must be possible to take back, newest first; and what is left must be
 * what the surviving changes alone would have made of the synced state. */
#include "entries.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

#define FOLDERS     2
#define NAMES       4
#define CHANGES_MAX 12
#define SEEDS       4000u

/* Addresses that stand for folders; files are numbers, 0: the name is free. */
static int places[FOLDERS + 1];
struct tree {
    int files[FOLDERS][NAMES];
};

static struct node *place(unsigned folder)
{
    return (struct node *)(void *)&places[folder];
}

static unsigned folder_of(const struct node *node)
{
    return (unsigned)((const int *)(const void *)node - places);
}

static int *slot(struct tree *tree, const struct node *folder, const char *name)
{
    return &tree->files[folder_of(folder)][name[0] - 'a'];
}

static char *name_of(unsigned number)
{
    char name[2] = {(char)('a' + number), '\0'};
    return strdup(name);
}

/* `removed` holds what the name led to, and `kept_number` the file that a change is about. */
static void apply(struct tree *tree, const struct entry_change *change)
{
    int *from = slot(tree, change->folder, change->name);
    int file = (int)change->kept_number, replaced = (int)change->kept_bytes;
    if (change->kind == ENTRY_MADE) {
        cr_assert_eq(*from, 0, "made over something");
        *from = file;
        return;
    }
    cr_assert_eq(*from, file, "the name leads to something else");
    *from = 0;
    if (change->kind != ENTRY_RENAMED)
        return;
    int *to = slot(tree, change->folder_to, change->name_to);
    cr_assert_eq(*to, replaced, "something else is replaced");
    *to = file;
}

static void take_back(struct tree *tree, const struct entry_change *change)
{
    int *from = slot(tree, change->folder, change->name);
    int file = (int)change->kept_number, replaced = (int)change->kept_bytes;
    if (change->kind == ENTRY_MADE) {
        cr_assert_eq(*from, file, "what was made is not there");
        *from = 0;
        return;
    }
    cr_assert_eq(*from, 0, "the old name is taken");
    *from = file;
    if (change->kind != ENTRY_RENAMED)
        return;
    int *to = slot(tree, change->folder_to, change->name_to);
    cr_assert_eq(*to, file, "the new name leads to something else");
    *to = replaced;
}

static struct entry_change made(unsigned folder, unsigned name, unsigned file)
{
    return (struct entry_change){
        .kind = ENTRY_MADE, .folder = place(folder), .name = name_of(name), .kept_number = file};
}

static struct entry_change removed(unsigned folder, unsigned name, unsigned file)
{
    return (struct entry_change){
        .kind = ENTRY_REMOVED, .folder = place(folder), .name = name_of(name), .kept_number = file};
}

static struct entry_change renamed(unsigned folder, unsigned name, unsigned folder_to,
                                   unsigned name_to, unsigned file, unsigned replaced)
{
    return (struct entry_change){.kind = ENTRY_RENAMED,
                                 .folder = place(folder),
                                 .name = name_of(name),
                                 .folder_to = place(folder_to),
                                 .name_to = name_of(name_to),
                                 .kept_number = file,
                                 .kept_bytes = replaced};
}

static void add(struct entries *entries, struct tree *tree, struct entry_change change)
{
    apply(tree, &change);
    cr_assert_eq(entries_add(entries, &change), 0);
}

static void add_random(struct entries *entries, struct tree *tree, struct chance *chance,
                       unsigned file)
{
    unsigned folder = (unsigned)chance_below(chance, FOLDERS);
    unsigned name = (unsigned)chance_below(chance, NAMES);
    unsigned folder_to = (unsigned)chance_below(chance, FOLDERS);
    unsigned name_to = (unsigned)chance_below(chance, NAMES);
    unsigned there = (unsigned)tree->files[folder][name];
    unsigned there_to = (unsigned)tree->files[folder_to][name_to];
    if (there == 0)
        add(entries, tree, made(folder, name, file));
    else if (chance_below(chance, 3) == 0)
        add(entries, tree, removed(folder, name, there));
    else if (folder != folder_to || name != name_to)
        add(entries, tree, renamed(folder, name, folder_to, name_to, there, there_to));
}

static void end(struct entries *entries)
{
    struct entry_change change;
    entries_mark_all(entries);
    while (entries_take_oldest(entries, &change))
        entry_change_free(&change);
    cr_assert_eq(entries->kept_bytes, 0);
    free(entries->changes);
    *entries = (struct entries){0};
}

/* Takes back what the choice says; the rest stays in the log. Returns how many went. */
static unsigned cut(struct entries *entries, struct tree *tree, struct undo_choice choice)
{
    struct entry_change change;
    unsigned count = 0;
    entries_mark_lost(entries, &choice);
    for (; entries_take_newest(entries, &change); count++) {
        take_back(tree, &change);
        entry_change_free(&change);
    }
    return count;
}

Test(faultfs_entries, what_is_left_is_what_the_survivors_alone_would_have_made)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct chance chance = {.seed = seed};
        struct tree synced = {{{1, 2, 0, 0}, {3, 0, 0, 0}}}, tree = synced;
        struct entries entries = {0};
        for (unsigned i = 0; i < CHANGES_MAX; i++)
            add_random(&entries, &tree, &chance, 10 + i);
        cut(&entries, &tree, (struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        for (size_t i = 0; i < entries.count; i++)
            apply(&synced, &entries.changes[i]);
        cr_assert_eq(memcmp(&synced, &tree, sizeof tree), 0, "seed %llu", (unsigned long long)seed);
        end(&entries);
    }
}

Test(faultfs_entries, keep_none_and_keep_all_are_the_two_ends)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct chance chance = {.seed = seed};
        struct tree synced = {{{1, 2, 0, 0}, {3, 0, 0, 0}}}, tree = synced;
        struct entries entries = {0};
        for (unsigned i = 0; i < CHANGES_MAX; i++)
            add_random(&entries, &tree, &chance, 10 + i);
        struct tree newest = tree;
        cr_assert_eq(cut(&entries, &tree, (struct undo_choice){.keep = UNDO_KEEP_ALL}), 0);
        cr_assert_eq(memcmp(&newest, &tree, sizeof tree), 0);
        cut(&entries, &tree, (struct undo_choice){.keep = UNDO_KEEP_NONE});
        cr_assert_eq(memcmp(&synced, &tree, sizeof tree), 0);
        end(&entries);
    }
}

/* Syncs a folder; what is durable leaves the log. */
static void sync_folder(struct entries *entries, unsigned folder)
{
    struct entry_change change;
    entries_mark_folder(entries, place(folder));
    while (entries_take_oldest(entries, &change))
        entry_change_free(&change);
}

Test(faultfs_entries, a_synced_folder_is_as_it_was_synced_and_nothing_is_lost_between_folders)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct chance chance = {.seed = seed};
        struct tree tree = {{{1, 2, 0, 0}, {3, 0, 0, 0}}};
        struct entries entries = {0};
        for (unsigned i = 0; i < CHANGES_MAX; i++)
            add_random(&entries, &tree, &chance, 10 + i);
        struct tree newest = tree;
        sync_folder(&entries, 0);
        cut(&entries, &tree, (struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        cr_assert_eq(memcmp(newest.files[0], tree.files[0], sizeof tree.files[0]), 0, "seed %llu",
                     (unsigned long long)seed);
        end(&entries);
    }
}

Test(faultfs_entries, every_subset_of_unrelated_changes_may_survive)
{
    bool seen[16] = {false};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct tree tree = {{{0}}};
        struct entries entries = {0};
        unsigned survivors = 0;
        for (unsigned i = 0; i < NAMES; i++)
            add(&entries, &tree, made(0, i, 10 + i));
        cut(&entries, &tree, (struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        for (unsigned i = 0; i < NAMES; i++)
            survivors |= (unsigned)(tree.files[0][i] != 0) << i;
        seen[survivors] = true;
        end(&entries);
    }
    for (unsigned i = 0; i < 16; i++)
        cr_assert(seen[i], "subset %x was never left", i);
}

/* Written beside and renamed over: the new file is there whole, or not at all. */
Test(faultfs_entries, changes_of_one_name_are_lost_from_the_newest_on)
{
    bool seen[3] = {false};
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct tree tree = {{{5, 0, 0, 0}}};
        struct entries entries = {0};
        add(&entries, &tree, made(0, 1, 6));
        add(&entries, &tree, renamed(0, 1, 0, 0, 6, 5));
        unsigned lost = cut(&entries, &tree, (struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        cr_assert_leq(lost, 2);
        cr_assert_eq(tree.files[0][0], lost == 0 ? 6 : 5);
        cr_assert_eq(tree.files[0][1], lost == 1 ? 6 : 0);
        seen[lost] = true;
        end(&entries);
    }
    cr_assert(seen[0] && seen[1] && seen[2]);
}

/* Folder 1 was made in folder 0 and something was made in it. */
static void add_new_folder(struct entries *entries)
{
    struct entry_change change = made(0, 0, 7);
    change.made = place(1);
    cr_assert_eq(entries_add(entries, &change), 0);
    change = made(1, 0, 8);
    cr_assert_eq(entries_add(entries, &change), 0);
}

Test(faultfs_entries, what_is_in_a_folder_that_was_never_made_was_never_there)
{
    bool is_inner_lost_alone = false;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct entries entries = {0};
        add_new_folder(&entries);
        entries_mark_lost(&entries, &(struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        cr_assert(!entries.changes[0].is_marked || entries.changes[1].is_marked);
        is_inner_lost_alone |= !entries.changes[0].is_marked && entries.changes[1].is_marked;
        end(&entries);
    }
    cr_assert(is_inner_lost_alone);
}

Test(faultfs_entries, syncing_a_new_folder_does_not_make_its_own_name_durable)
{
    struct entries entries = {0};
    add_new_folder(&entries);
    sync_folder(&entries, 1);
    cr_assert_eq(entries.count, 1);
    cr_assert_eq(entries.changes[0].made, place(1));
    end(&entries);
}

Test(faultfs_entries, a_rename_into_a_new_folder_takes_the_folder_along)
{
    struct entries entries = {0};
    add_new_folder(&entries);
    struct entry_change change = renamed(2, 0, 1, 1, 9, 0);
    cr_assert_eq(entries_add(&entries, &change), 0);
    sync_folder(&entries, 2);
    cr_assert_eq(entries.count, 1, "what else is in the new folder may still be lost");
    cr_assert_str_eq(entries.changes[0].name, "a");
    cr_assert_eq(entries.changes[0].folder, place(1));
    end(&entries);
}

Test(faultfs_entries, a_removed_folder_had_been_emptied)
{
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct entries entries = {0};
        struct entry_change change = removed(1, 0, 8);
        entries_add(&entries, &change);
        change = removed(0, 0, 7);
        change.removed = place(1);
        change.is_folder_removed = true;
        entries_add(&entries, &change);
        entries_mark_lost(&entries, &(struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        cr_assert(!entries.changes[0].is_marked || entries.changes[1].is_marked);
        sync_folder(&entries, 0);
        cr_assert_eq(entries.count, 0);
        end(&entries);
    }
}

Test(faultfs_entries, the_oldest_alone_can_be_made_durable)
{
    struct tree tree = {{{0}}};
    struct entries entries = {0};
    struct entry_change change;
    add(&entries, &tree, made(0, 0, 1));
    add(&entries, &tree, made(0, 1, 2));
    entries_mark_oldest(&entries);
    cr_assert(entries_take_oldest(&entries, &change));
    cr_assert_str_eq(change.name, "a");
    entry_change_free(&change);
    cr_assert_not(entries_take_oldest(&entries, &change));
    cr_assert_eq(entries.count, 1);
    end(&entries);
}

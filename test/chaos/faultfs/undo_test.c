/* What may survive of one file: against a file in memory, and for small cases every possibility. */
#include "undo.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

#define FILE_BYTES_MAX (40u * UNDO_SECTOR_BYTES)
#define SEEDS          4000u

struct memory_file {
    uint8_t bytes[FILE_BYTES_MAX]; /* zero behind the end */
    uint64_t size;
    int err; /* what reading fails with */
};

static int memory_read(void *data, uint64_t offset, void *into, size_t size)
{
    const struct memory_file *file = data;
    memset(into, 0, size);
    if (offset < FILE_BYTES_MAX)
        memcpy(into, file->bytes + offset,
               size < FILE_BYTES_MAX - offset ? size : FILE_BYTES_MAX - offset);
    return file->err;
}

static int memory_write(void *data, uint64_t offset, const void *bytes, size_t size)
{
    struct memory_file *file = data;
    cr_assert_leq(offset + size, FILE_BYTES_MAX);
    memcpy(file->bytes + offset, bytes, size);
    if (offset + size > file->size)
        file->size = offset + size;
    return 0;
}

static int memory_set_size(void *data, uint64_t size)
{
    struct memory_file *file = data;
    cr_assert_leq(size, FILE_BYTES_MAX);
    if (size < file->size)
        memset(file->bytes + size, 0, file->size - size);
    file->size = size;
    return 0;
}

static struct undo_file seam_of(struct memory_file *file)
{
    return (struct undo_file){file, memory_read, memory_write, memory_set_size};
}

/* A file with its way back. */
struct story {
    struct memory_file file;
    struct memory_file synced;
    struct undo undo;
};

static void put(struct story *story, uint64_t offset, size_t size, uint8_t fill)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    struct undo_file seam = seam_of(&story->file);
    memset(bytes, fill, size);
    cr_assert_eq(undo_before_write(&story->undo, &seam, offset, size, story->file.size), 0);
    memory_write(&story->file, offset, bytes, size);
}

static void resize(struct story *story, uint64_t size)
{
    struct undo_file seam = seam_of(&story->file);
    cr_assert_eq(undo_before_resize(&story->undo, &seam, size, story->file.size), 0);
    memory_set_size(&story->file, size);
}

static void sync_story(struct story *story)
{
    story->synced = story->file;
    undo_clear(&story->undo);
}

static struct undo_outcome cut(struct story *story, struct undo_choice choice)
{
    struct undo_file seam = seam_of(&story->file);
    struct undo_outcome outcome = {0};
    cr_assert_eq(undo_roll_back(&story->undo, &seam, &choice, &outcome), 0);
    cr_assert_not(story->undo.is_changed);
    return outcome;
}

static void end_story(struct story *story)
{
    undo_clear(&story->undo);
    free(story->undo.slots);
    story->undo.slots = NULL;
    story->undo.slot_count = 0;
}

/* Four sectors of 1, synced, then 2. */
static void overwrite_four(struct story *story)
{
    *story = (struct story){0};
    put(story, 0, 4 * UNDO_SECTOR_BYTES, 1);
    sync_story(story);
    put(story, 0, 4 * UNDO_SECTOR_BYTES, 2);
}

static bool sector_is(const struct memory_file *file, unsigned sector, uint8_t fill)
{
    for (unsigned i = 0; i < UNDO_SECTOR_BYTES; i++)
        if (file->bytes[sector * UNDO_SECTOR_BYTES + i] != fill)
            return false;
    return true;
}

/* Bit i: sector i holds its newest bytes; no sector holds anything but old or new. */
static unsigned survivors_of_four(const struct story *story)
{
    unsigned survivors = 0;
    for (unsigned i = 0; i < 4; i++) {
        bool is_new = sector_is(&story->file, i, 2);
        cr_assert(is_new || sector_is(&story->file, i, 1), "sector %u holds something else", i);
        survivors |= (unsigned)is_new << i;
    }
    return survivors;
}

Test(faultfs_undo, every_subset_of_the_sectors_may_survive)
{
    bool seen[16] = {false};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct story story;
        overwrite_four(&story);
        struct undo_outcome outcome = cut(&story, (struct undo_choice){UNDO_KEEP_RANDOM, 0, seed});
        unsigned survivors = survivors_of_four(&story);
        seen[survivors] = true;
        cr_assert_eq(outcome.sectors_kept, (unsigned)__builtin_popcount(survivors));
        cr_assert_eq(outcome.sectors_kept + outcome.sectors_lost, 4);
        end_story(&story);
    }
    for (unsigned i = 0; i < 16; i++)
        cr_assert(seen[i], "subset %x was never left", i);
}

Test(faultfs_undo, a_torn_write_leaves_each_of_its_beginnings_and_nothing_else)
{
    static const enum undo_keep keeps[] = {UNDO_KEEP_NONE, UNDO_KEEP_ALL, UNDO_KEEP_RANDOM};
    for (unsigned k = 0; k < 3; k++) {
        unsigned seen = 0;
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct story story;
            overwrite_four(&story);
            cut(&story, (struct undo_choice){keeps[k], true, seed});
            unsigned survivors = survivors_of_four(&story);
            cr_assert_eq(survivors & (survivors + 1), 0, "%x is no beginning", survivors);
            seen |= 1u << __builtin_popcount(survivors);
            end_story(&story);
        }
        cr_assert_eq(seen, 0x1f, "beginnings seen: %x", seen);
    }
}

Test(faultfs_undo, a_torn_append_ends_where_it_is_torn)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct story story = {0};
        put(&story, 0, 100, 1);
        sync_story(&story);
        put(&story, 100, 3 * UNDO_SECTOR_BYTES, 2);
        cut(&story, (struct undo_choice){UNDO_KEEP_ALL, true, seed});
        bool is_whole = story.file.size == 100 + 3 * UNDO_SECTOR_BYTES;
        cr_assert(is_whole || story.file.size == 100 || story.file.size % UNDO_SECTOR_BYTES == 0,
                  "ends at %llu", (unsigned long long)story.file.size);
        cr_assert_eq(story.file.bytes[99], 1);
        cr_assert_eq(story.file.bytes[100], story.file.size > 100 ? 2 : 0);
        seen |= 1u << (story.file.size + UNDO_SECTOR_BYTES - 101) / UNDO_SECTOR_BYTES;
        end_story(&story);
    }
    cr_assert_geq(__builtin_popcount(seen), 4);
}

Test(faultfs_undo, a_file_that_grew_ends_anywhere_between_old_and_new)
{
    bool is_low_seen = false, is_high_seen = false, is_between_seen = false;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct story story = {0};
        put(&story, 0, 700, 1);
        sync_story(&story);
        put(&story, 700, 2000, 2);
        cut(&story, (struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        uint64_t size = story.file.size;
        cr_assert(size >= 700 && size <= 2700);
        is_low_seen |= size == 700;
        is_high_seen |= size == 2700;
        is_between_seen |= size > 700 && size < 2700;
        cr_assert_eq(memcmp(story.file.bytes, story.synced.bytes, 700), 0);
        end_story(&story);
    }
    cr_assert(is_low_seen && is_high_seen && is_between_seen);
}

Test(faultfs_undo, cutting_off_is_undone_as_a_whole_or_not_at_all)
{
    unsigned kept = 0, undone = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct story story = {0};
        put(&story, 0, 4000, 1);
        sync_story(&story);
        resize(&story, 1000);
        cut(&story, (struct undo_choice){UNDO_KEEP_RANDOM, false, seed});
        kept += story.file.size == 1000;
        undone += story.file.size == 4000 && memcmp(&story.file, &story.synced, 4000) == 0;
        end_story(&story);
    }
    cr_assert_eq(kept + undone, 200);
    cr_assert(kept > 0 && undone > 0);
}

Test(faultfs_undo, a_failed_sync_drops_any_subset_and_nothing_brings_it_back)
{
    bool seen[16] = {false};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct story story;
        overwrite_four(&story);
        struct undo_file seam = seam_of(&story.file);
        struct undo_outcome outcome = {0};
        cr_assert_eq(undo_drop(&story.undo, &seam, seed, &outcome), 0);
        unsigned survivors = survivors_of_four(&story);
        seen[survivors] = true;
        cr_assert_not(story.undo.is_changed, "the next sync has nothing to do");
        cut(&story, (struct undo_choice){UNDO_KEEP_NONE, false, seed});
        cr_assert_eq(survivors_of_four(&story), survivors);
        end_story(&story);
    }
    for (unsigned i = 0; i < 16; i++)
        cr_assert(seen[i], "subset %x was never left", i);
}

Test(faultfs_undo, a_failed_sync_leaves_the_size_unsynced)
{
    struct story story = {0};
    put(&story, 0, 100, 1);
    sync_story(&story);
    put(&story, 100, 5000, 2);
    struct undo_file seam = seam_of(&story.file);
    struct undo_outcome outcome = {0};
    undo_drop(&story.undo, &seam, 3, &outcome);
    cr_assert_eq(story.file.size, 5100);
    cr_assert(story.undo.is_changed);
    cut(&story, (struct undo_choice){.keep = UNDO_KEEP_NONE});
    cr_assert_eq(story.file.size, 100);
    end_story(&story);
}

Test(faultfs_undo, a_write_is_refused_when_what_it_replaces_cannot_be_read)
{
    struct story story = {0};
    put(&story, 0, 4096, 1);
    sync_story(&story);
    struct undo_file seam = seam_of(&story.file);
    story.file.err = EIO;
    cr_assert_eq(undo_before_write(&story.undo, &seam, 0, 512, 4096), EIO);
    cr_assert_eq(undo_memory_bytes(&story.undo), 64 * sizeof(struct undo_block));
    end_story(&story);
}

Test(faultfs_undo, appends_and_zeroes_need_no_memory_for_bytes)
{
    struct story story = {0};
    put(&story, 0, 8192, 7);
    cr_assert_eq(story.undo.old_count, 0, "nothing was there before");
    sync_story(&story);
    resize(&story, 16384);
    put(&story, 8192, 4096, 7);
    cr_assert_eq(story.undo.old_count, 0, "zeroes were there before");
    put(&story, 0, 1, 8);
    cr_assert_eq(story.undo.old_count, 1);
    cr_assert_eq(story.undo.sector_count, 9);
    uint8_t block[UNDO_BLOCK_BYTES];
    memset(block, 9, sizeof block);
    cr_assert(undo_apply_old(&story.undo, 0, block));
    cr_assert(block[0] == 7 && block[511] == 7 && block[512] == 9);
    cr_assert_not(undo_apply_old(&story.undo, 3, block));
    end_story(&story);
    cr_assert_eq(undo_memory_bytes(&story.undo), 0);
}

/* ---- random stories ---- */

static void step(struct story *story, struct chance *chance)
{
    uint64_t offset = chance_below(chance, FILE_BYTES_MAX);
    uint64_t size = 1 + chance_below(chance, FILE_BYTES_MAX - offset);
    switch (chance_below(chance, 8)) {
    case 0:
        sync_story(story);
        break;
    case 1:
        resize(story, offset);
        break;
    case 2:
    case 3:
        if (story->file.size < FILE_BYTES_MAX) {
            size = 1 + chance_below(chance, FILE_BYTES_MAX - story->file.size);
            put(story, story->file.size, size, (uint8_t)(1 + chance_below(chance, 250)));
        }
        break;
    default:
        put(story, offset, size, (uint8_t)(1 + chance_below(chance, 250)));
    }
}

static uint64_t lowest_after(uint64_t lowest, const struct story *story)
{
    if (!story->undo.is_changed)
        return story->file.size;
    return lowest < story->file.size ? lowest : story->file.size;
}

/* Old bytes as they are when the cutting off to `lowest` has happened. */
static uint8_t old_byte(const struct story *before, uint64_t at, uint64_t lowest)
{
    return at < lowest ? before->synced.bytes[at] : 0;
}

static bool is_old_or_new(const struct story *before, const struct memory_file *after,
                          unsigned sector, uint64_t lowest)
{
    bool is_old = true, is_new = true;
    for (uint64_t at = sector * UNDO_SECTOR_BYTES; at < (sector + 1) * UNDO_SECTOR_BYTES; at++) {
        uint8_t now = at < after->size ? after->bytes[at] : 0;
        is_old &= now == (at < after->size ? old_byte(before, at, lowest) : 0);
        is_new &= now == (at < after->size ? before->file.bytes[at] : 0);
    }
    return is_old || is_new;
}

static void check_random_cut(const struct story *before, const struct memory_file *after,
                             uint64_t lowest, uint64_t seed)
{
    bool was_cut_off = lowest < before->synced.size;
    bool is_undone = was_cut_off && after->size == before->synced.size &&
                     memcmp(after->bytes + lowest, before->synced.bytes + lowest,
                            after->size - lowest) == 0;
    if (!is_undone)
        cr_assert(after->size >= lowest && after->size <= before->file.size, "seed %llu",
                  (unsigned long long)seed);
    for (unsigned i = 0; i < FILE_BYTES_MAX / UNDO_SECTOR_BYTES; i++)
        cr_assert(is_old_or_new(before, after, i, is_undone ? UINT64_MAX : lowest),
                  "seed %llu sector %u", (unsigned long long)seed, i);
}

static bool is_same(const struct memory_file *a, const struct memory_file *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* A story is told three times from the same seed, and the cut keeps none, all, and at random. */
Test(faultfs_undo, random_stories_end_as_a_naive_model_says)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        for (unsigned keep = UNDO_KEEP_NONE; keep <= UNDO_KEEP_RANDOM; keep++) {
            static struct story story, before;
            struct chance chance = {.seed = seed};
            story = (struct story){0};
            uint64_t lowest = 0;
            for (uint64_t steps = 1 + chance_below(&chance, 20); steps > 0; steps--) {
                step(&story, &chance);
                lowest = lowest_after(lowest, &story);
            }
            before = story;
            cut(&story, (struct undo_choice){(enum undo_keep)keep, false, seed});
            if (keep == UNDO_KEEP_NONE)
                cr_assert(is_same(&story.file, &before.synced), "seed %llu",
                          (unsigned long long)seed);
            else if (keep == UNDO_KEEP_ALL)
                cr_assert(is_same(&story.file, &before.file));
            else if (before.undo.is_changed)
                check_random_cut(&before, &story.file, lowest, seed);
            end_story(&story);
        }
    }
}

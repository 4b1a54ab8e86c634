#include "fake/fake_disk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <uv.h>

#define SECTOR FAKE_DISK_SECTOR_SIZE

static struct disk_file *opened(struct fake_disk *d, const char *path, unsigned flags)
{
    struct disk_file *file = NULL;
    cr_assert_eq(disk_open(fake_disk_seam(d), path, flags, &file), 0);
    return file;
}

static void write_fill(struct fake_disk *d, struct disk_file *file, uint64_t position, size_t size,
                       uint8_t value)
{
    uint8_t *bytes = malloc(size);
    memset(bytes, value, size);
    cr_assert_eq(disk_write_bytes_at(fake_disk_seam(d), file, position, bytes_of(bytes, size)), 0);
    free(bytes);
}

/* A durable file of `size` bytes, all `value`. */
static void make_file(struct fake_disk *d, const char *path, size_t size, uint8_t value)
{
    struct disk_file *file = opened(d, path, DISK_WRITE | DISK_CREATE);
    write_fill(d, file, 0, size, value);
    cr_assert_eq(disk_sync(fake_disk_seam(d), file), 0);
    disk_close(fake_disk_seam(d), file);
    cr_assert_eq(disk_sync_directory(fake_disk_seam(d), ""), 0);
}

static bool is_there(struct fake_disk *d, const char *path)
{
    struct disk_file *file = NULL;
    int err = disk_open(fake_disk_seam(d), path, DISK_READ, &file);
    disk_close(fake_disk_seam(d), file);
    return err == 0;
}

/* The byte at a position, or a negative error. */
static int byte_at(struct fake_disk *d, const char *path, uint64_t position)
{
    uint8_t byte = 0;
    struct disk_file *file = opened(d, path, DISK_READ);
    int64_t got = disk_read_at(fake_disk_seam(d), file, position, &byte, 1);
    disk_close(fake_disk_seam(d), file);
    return got == 1 ? byte : got == 0 ? UV_EOF : (int)got;
}

static int64_t size_of(struct fake_disk *d, const char *path)
{
    struct disk_file *file = opened(d, path, DISK_READ);
    int64_t size = disk_size(fake_disk_seam(d), file);
    disk_close(fake_disk_seam(d), file);
    return size;
}

Test(fake_disk, reads_what_was_written_across_pages_and_parts)
{
    struct fake_disk *d = fake_disk_create(1);
    struct disk_file *file = opened(d, "f", DISK_WRITE | DISK_CREATE);
    static uint8_t from[20000], into[20000];
    struct random r;
    random_init(&r, 3);
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)random_u64(&r);
    struct iovec parts[] = {{from, 5}, {from + 5, 9995}, {from, 0}, {from + 10000, 10000}};
    cr_assert_eq(disk_write_at(fake_disk_seam(d), file, 777, parts, 4, DISK_WRITE_CACHED), 0);
    cr_assert_eq(disk_size(fake_disk_seam(d), file), 20777);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 777, into, sizeof into), 20000);
    cr_assert_arr_eq(from, into, sizeof from);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 20770, into, 100), 7);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 20777, into, 100), 0);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 0, into, 777), 777);
    cr_assert_eq(into[776], 0, "a gap reads as zeros");
    disk_close(fake_disk_seam(d), file);
    fake_disk_destroy(d);
}

Test(fake_disk, keeps_what_was_synced_through_every_crash)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "f", 3 * SECTOR, 7);
        struct disk_file *file = opened(d, "f", DISK_WRITE);
        write_fill(d, file, 4 * SECTOR, 8 * SECTOR, 9);
        disk_close(fake_disk_seam(d), file);
        fake_disk_crash(d, NULL);
        for (uint64_t at = 0; at < 3 * SECTOR; at += SECTOR / 2)
            cr_assert_eq(byte_at(d, "f", at), 7);
        cr_assert(fake_disk_is_synced(d, "f"), "what a crash left is on the device");
        fake_disk_destroy(d);
    }
}

Test(fake_disk, leaves_any_subset_of_unsynced_sectors_after_a_crash)
{
    unsigned seen = 0; /* a bit per subset of three sectors */
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "f", 3 * SECTOR, 7);
        struct disk_file *file = opened(d, "f", DISK_WRITE);
        write_fill(d, file, 0, 3 * SECTOR, 9);
        fake_disk_crash(d, NULL);
        unsigned subset = 0;
        for (unsigned i = 0; i < 3; i++) {
            int first = byte_at(d, "f", i * SECTOR), last = byte_at(d, "f", i * SECTOR + 511);
            cr_assert_eq(first, last, "a sector is written as a whole");
            cr_assert(first == 7 || first == 9);
            subset |= (unsigned)(first == 9) << i;
        }
        seen |= 1u << subset;
        disk_close(fake_disk_seam(d), file);
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 0xffu, "all eight subsets occur");
}

Test(fake_disk, may_lose_growth_and_never_shows_stale_bytes_beyond_an_end)
{
    bool is_old_seen = false, is_new_seen = false, is_between_seen = false;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "f", 100, 7);
        struct disk_file *file = opened(d, "f", DISK_WRITE);
        write_fill(d, file, 100, 5000, 9);
        disk_close(fake_disk_seam(d), file);
        fake_disk_crash(d, NULL);
        int64_t size = size_of(d, "f");
        is_old_seen |= size == 100;
        is_new_seen |= size == 5100;
        is_between_seen |= size > 100 && size < 5100;
        file = opened(d, "f", DISK_WRITE);
        cr_assert_eq(disk_truncate(fake_disk_seam(d), file, 6000), 0);
        disk_close(fake_disk_seam(d), file);
        for (int64_t at = size; at < 6000; at += 100)
            cr_assert_eq(byte_at(d, "f", (uint64_t)at), 0);
        fake_disk_destroy(d);
    }
    cr_assert(is_old_seen && is_new_seen && is_between_seen);
}

Test(fake_disk, reads_zeros_where_a_file_shrank_and_grew_again)
{
    struct fake_disk *d = fake_disk_create(1);
    make_file(d, "f", 10000, 7);
    struct disk_file *file = opened(d, "f", DISK_WRITE);
    cr_assert_eq(disk_truncate(fake_disk_seam(d), file, 5000), 0);
    cr_assert_eq(disk_truncate(fake_disk_seam(d), file, 10000), 0);
    cr_assert_eq(byte_at(d, "f", 4999), 7);
    cr_assert_eq(byte_at(d, "f", 5000), 0);
    cr_assert_eq(byte_at(d, "f", 9999), 0);
    cr_assert_eq(disk_sync(fake_disk_seam(d), file), 0);
    fake_disk_crash(d, NULL);
    disk_close(fake_disk_seam(d), file);
    cr_assert_eq(byte_at(d, "f", 4999), 7);
    cr_assert_eq(byte_at(d, "f", 5000), 0);
    fake_disk_destroy(d);
}

Test(fake_disk, may_lose_a_name_that_was_not_synced_and_keeps_one_that_was)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "kept", 10, 1);
        struct disk_file *file = opened(d, "new", DISK_WRITE | DISK_CREATE);
        write_fill(d, file, 0, 10, 2);
        cr_assert_eq(disk_sync(fake_disk_seam(d), file), 0);
        disk_close(fake_disk_seam(d), file);
        cr_assert_not(fake_disk_is_name_synced(d, "new"), "a file's sync does not cover its name");
        fake_disk_crash(d, NULL);
        cr_assert(is_there(d, "kept"));
        seen |= is_there(d, "new") ? 1 : 2;
        if (is_there(d, "new"))
            cr_assert_eq(byte_at(d, "new", 9), 2);
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 3, "both outcomes occur");
}

Test(fake_disk, renames_as_a_whole_or_not_at_all)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "old", 10, 1);
        make_file(d, "new", 10, 2);
        cr_assert_eq(disk_rename(fake_disk_seam(d), "new", "old"), 0);
        cr_assert_eq(byte_at(d, "old", 0), 2);
        fake_disk_crash(d, NULL);
        bool is_done = !is_there(d, "new");
        cr_assert_eq(byte_at(d, "old", 0), is_done ? 2 : 1);
        seen |= is_done ? 1 : 2;
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 3, "both outcomes occur");
}

Test(fake_disk, never_shows_a_file_in_two_places_nor_loses_a_synced_one_by_renames)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "a", 10, 1);
        cr_assert_eq(disk_make_directory(fake_disk_seam(d), "x"), 0);
        cr_assert_eq(disk_sync_directory(fake_disk_seam(d), ""), 0);
        cr_assert_eq(disk_rename(fake_disk_seam(d), "a", "b"), 0);
        cr_assert_eq(disk_rename(fake_disk_seam(d), "b", "x/c"), 0);
        if (seed % 2 == 0)
            cr_assert_eq(disk_sync_directory(fake_disk_seam(d), "x"), 0);
        fake_disk_crash(d, NULL);
        int places = is_there(d, "a") + is_there(d, "b") + is_there(d, "x/c");
        cr_assert_eq(places, 1);
        if (seed % 2 == 0)
            cr_assert(is_there(d, "x/c"));
        fake_disk_destroy(d);
    }
}

Test(fake_disk, may_bring_back_a_removed_file_until_its_directory_is_synced)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "f", 10, 1);
        cr_assert_eq(disk_remove(fake_disk_seam(d), "f"), 0);
        cr_assert_not(is_there(d, "f"));
        if (seed % 2 == 0)
            cr_assert_eq(disk_sync_directory(fake_disk_seam(d), ""), 0);
        fake_disk_crash(d, NULL);
        if (seed % 2 == 0)
            cr_assert_not(is_there(d, "f"));
        else
            seen |= is_there(d, "f") ? 1 : 2;
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 3, "both outcomes occur");
}

Test(fake_disk, loses_a_directory_with_all_in_it_when_its_own_name_was_not_synced)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        cr_assert_eq(disk_make_directory(fake_disk_seam(d), "x/y"), 0);
        struct disk_file *file = opened(d, "x/y/f", DISK_WRITE | DISK_CREATE);
        disk_close(fake_disk_seam(d), file);
        cr_assert_eq(disk_sync_directory(fake_disk_seam(d), "x/y"), 0);
        cr_assert_eq(disk_sync_directory(fake_disk_seam(d), "x"), 0);
        fake_disk_crash(d, NULL);
        seen |= is_there(d, "x/y/f") ? 1 : 2;
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 3, "both outcomes occur");
}

Test(fake_disk, gives_handles_of_before_a_crash_errors_only)
{
    struct fake_disk *d = fake_disk_create(1);
    make_file(d, "f", 10, 1);
    struct disk_file *file = opened(d, "f", DISK_WRITE);
    fake_disk_crash(d, NULL);
    uint8_t byte = 9;
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 0, &byte, 1), UV_EIO);
    cr_assert_eq(disk_write_bytes_at(fake_disk_seam(d), file, 0, bytes_of(&byte, 1)), UV_EIO);
    cr_assert_eq(disk_sync(fake_disk_seam(d), file), UV_EIO);
    cr_assert_eq(disk_truncate(fake_disk_seam(d), file, 0), UV_EIO);
    cr_assert_eq(disk_size(fake_disk_seam(d), file), UV_EIO);
    disk_close(fake_disk_seam(d), file);
    cr_assert_eq(byte_at(d, "f", 0), 1);
    cr_assert_eq(fake_disk_open_count(d), 0);
    fake_disk_destroy(d);
}

Test(fake_disk, fails_the_nth_operation_once)
{
    struct fake_disk *d = fake_disk_create(1);
    make_file(d, "f", 10, 1);
    struct disk_file *file = opened(d, "f", DISK_WRITE);
    uint8_t byte;
    fake_disk_fail_nth(d, FAKE_DISK_READ, 2, UV_EIO);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 0, &byte, 1), 1);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 0, &byte, 1), UV_EIO);
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 0, &byte, 1), 1);
    disk_close(fake_disk_seam(d), file);
    fake_disk_fail_nth(d, FAKE_DISK_OPEN, 1, UV_EMFILE);
    cr_assert_eq(disk_open(fake_disk_seam(d), "f", DISK_READ, &file), UV_EMFILE);
    fake_disk_fail_chance(d, FAKE_DISK_OPEN, 1.0, UV_ENFILE);
    cr_assert_eq(disk_open(fake_disk_seam(d), "f", DISK_READ, &file), UV_ENFILE);
    fake_disk_fail_chance(d, FAKE_DISK_OPEN, 0, 0);
    cr_assert(is_there(d, "f"));
    cr_assert_eq(fake_disk_count(d, FAKE_DISK_READ), 3);
    fake_disk_destroy(d);
}

Test(fake_disk, tears_a_write_that_fails)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "f", 2 * SECTOR, 7);
        struct disk_file *file = opened(d, "f", DISK_WRITE);
        uint8_t bytes[2 * SECTOR];
        memset(bytes, 9, sizeof bytes);
        fake_disk_fail_nth(d, FAKE_DISK_WRITE, 1, UV_EIO);
        struct bytes whole = bytes_of(bytes, sizeof bytes);
        cr_assert_eq(disk_write_bytes_at(fake_disk_seam(d), file, 0, whole), UV_EIO);
        disk_close(fake_disk_seam(d), file);
        seen |= 1u << ((byte_at(d, "f", 0) == 9) + 2 * (byte_at(d, "f", SECTOR) == 9));
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 0xfu, "each subset of two sectors occurs");
}

Test(fake_disk, drops_unsynced_bytes_for_good_when_a_sync_fails)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fake_disk *d = fake_disk_create(seed);
        make_file(d, "f", SECTOR, 7);
        struct disk_file *file = opened(d, "f", DISK_WRITE);
        write_fill(d, file, 0, SECTOR, 9);
        fake_disk_fail_nth(d, FAKE_DISK_SYNC, 1, UV_EIO);
        cr_assert_eq(disk_sync(fake_disk_seam(d), file), UV_EIO);
        int after = byte_at(d, "f", 0);
        cr_assert_eq(disk_sync(fake_disk_seam(d), file), 0, "the second one says all is well");
        fake_disk_crash(d, NULL);
        disk_close(fake_disk_seam(d), file);
        cr_assert_eq(byte_at(d, "f", 0), after);
        seen |= after == 9 ? 1 : 2;
        fake_disk_destroy(d);
    }
    cr_assert_eq(seen, 3, "both outcomes occur");
}

Test(fake_disk, takes_no_more_than_its_capacity_and_gives_space_back)
{
    struct fake_disk *d = fake_disk_create(1);
    fake_disk_set_capacity(d, 4 * 4096);
    struct disk_file *file = opened(d, "f", DISK_WRITE | DISK_CREATE);
    uint64_t free_bytes, total_bytes;
    write_fill(d, file, 0, 3 * 4096, 1);
    cr_assert_eq(disk_free_bytes(fake_disk_seam(d), &free_bytes, &total_bytes), 0);
    cr_assert_eq(free_bytes, 4096);
    cr_assert_eq(total_bytes, 4 * 4096);
    uint8_t bytes[8192] = {1};
    struct bytes whole = bytes_of(bytes, sizeof bytes);
    cr_assert_eq(disk_write_bytes_at(fake_disk_seam(d), file, 3 * 4096, whole), UV_ENOSPC);
    write_fill(d, file, 0, 4096, 2); /* what has its space can be written over */
    disk_close(fake_disk_seam(d), file);
    cr_assert_eq(disk_remove(fake_disk_seam(d), "f"), 0);
    cr_assert_eq(disk_sync_directory(fake_disk_seam(d), ""), 0);
    cr_assert_eq(disk_free_bytes(fake_disk_seam(d), &free_bytes, &total_bytes), 0);
    cr_assert_eq(free_bytes, total_bytes);
    fake_disk_destroy(d);
}

Test(fake_disk, lies_of_all_files_and_names_until_it_is_honest_again)
{
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        struct fake_disk *d = fake_disk_create(1);
        make_file(d, "old", 3 * SECTOR, 1);
        make_file(d, "gone", 10, 1);
        fake_disk_lie(d, "");
        make_file(d, "new", 10, 2);
        make_file(d, "old", 4 * SECTOR, 2);
        cr_assert_eq(disk_remove(fake_disk_seam(d), "gone"), 0);
        cr_assert_eq(disk_sync_directory(fake_disk_seam(d), ""), 0);
        cr_assert_eq(byte_at(d, "old", 0), 2, "who asks it sees what was written");
        if (is_cut)
            fake_disk_crash(d, NULL);
        fake_disk_lie(d, NULL);
        fake_disk_crash(d, NULL);
        cr_assert_eq(is_there(d, "new"), !is_cut);
        cr_assert_eq(is_there(d, "gone"), is_cut);
        cr_assert_eq(size_of(d, "old"), is_cut ? 3 * SECTOR : 4 * SECTOR);
        cr_assert_eq(byte_at(d, "old", 0), is_cut ? 1 : 2);
        fake_disk_destroy(d);
    }
}

Test(fake_disk, flips_bits_at_rest_that_stay_flipped)
{
    struct fake_disk *d = fake_disk_create(1);
    make_file(d, "f", 10, 0);
    cr_assert_eq(fake_disk_flip_bit(d, "f", 3, 4), 0);
    cr_assert_eq(byte_at(d, "f", 3), 16);
    fake_disk_crash(d, NULL);
    cr_assert_eq(byte_at(d, "f", 3), 16);
    cr_assert_eq(fake_disk_flip_bit(d, "f", 10, 0), UV_EINVAL);
    cr_assert_eq(fake_disk_flip_bit(d, "none", 0, 0), UV_ENOENT);
    fake_disk_destroy(d);
}

Test(fake_disk, leaves_no_trace_of_what_is_done_while_it_is_off)
{
    struct fake_disk *d = fake_disk_create(1);
    make_file(d, "f", SECTOR, 7);
    struct disk_file *file = opened(d, "f", DISK_WRITE);
    fake_disk_halt(d);
    uint8_t byte = 9;
    struct disk_file *none = NULL;
    cr_assert_eq(disk_write_bytes_at(fake_disk_seam(d), file, 0, bytes_of(&byte, 1)), UV_EIO);
    cr_assert_eq(disk_remove(fake_disk_seam(d), "f"), UV_EIO);
    cr_assert_eq(disk_rename(fake_disk_seam(d), "f", "g"), UV_EIO);
    cr_assert_eq(disk_make_directory(fake_disk_seam(d), "x"), UV_EIO);
    cr_assert_eq(disk_open(fake_disk_seam(d), "g", DISK_WRITE | DISK_CREATE, &none), UV_EIO);
    disk_close(fake_disk_seam(d), file);
    fake_disk_crash(d, NULL);
    cr_assert_not(fake_disk_is_halted(d));
    cr_assert_eq(byte_at(d, "f", 0), 7);
    cr_assert_not(is_there(d, "g"));
    fake_disk_destroy(d);
}

Test(fake_disk, halts_at_each_point_of_a_run)
{
    /* Write, sync, rename, sync the directory: whatever the point, one whole file is there. */
    bool is_ended = false;
    for (uint64_t nth = 1; !is_ended; nth++) {
        struct fake_disk *d = fake_disk_create(nth);
        const struct disk *seam = fake_disk_seam(d);
        make_file(d, "f", SECTOR, 7);
        fake_disk_halt_at(d, nth);
        struct disk_file *file = NULL;
        uint8_t bytes[SECTOR];
        memset(bytes, 9, sizeof bytes);
        if (disk_open(seam, "new", DISK_WRITE | DISK_CREATE, &file) == 0 &&
            disk_write_bytes_at(seam, file, 0, bytes_of(bytes, SECTOR)) == 0 &&
            disk_sync(seam, file) == 0 && disk_rename(seam, "new", "f") == 0)
            disk_sync_directory(seam, "");
        is_ended = !fake_disk_is_halted(d);
        disk_close(seam, file);
        fake_disk_crash(d, NULL);
        cr_assert_eq(size_of(d, "f"), SECTOR);
        int first = byte_at(d, "f", 0);
        cr_assert_eq(first, byte_at(d, "f", SECTOR - 1));
        cr_assert(is_ended ? first == 9 : first == 7 || first == 9);
        cr_assert(nth <= 6);
        fake_disk_destroy(d);
    }
}

static void count_entry(void *data, const char *name, bool is_directory)
{
    unsigned *counts = data;
    (void)name;
    counts[is_directory]++;
}

Test(fake_disk, answers_names_and_kinds_as_a_file_system_does)
{
    struct fake_disk *d = fake_disk_create(1);
    const struct disk *seam = fake_disk_seam(d);
    struct disk_file *file = NULL;
    cr_assert_eq(disk_open(seam, "f", DISK_READ, &file), UV_ENOENT);
    cr_assert_eq(disk_open(seam, "x/f", DISK_WRITE | DISK_CREATE, &file), UV_ENOENT);
    make_file(d, "f", 1, 1);
    cr_assert_eq(disk_open(seam, "f", DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &file), UV_EEXIST);
    cr_assert_eq(disk_make_directory(seam, "x/y/z"), 0);
    cr_assert_eq(disk_make_directory(seam, "x/y/z"), 0);
    cr_assert_eq(disk_open(seam, "x", DISK_READ, &file), UV_EISDIR);
    cr_assert_eq(disk_remove(seam, "x"), UV_EISDIR);
    cr_assert_eq(disk_rename(seam, "x", "x/y/w"), UV_EINVAL);
    cr_assert_eq(disk_rename(seam, "f", "x"), UV_EISDIR);
    cr_assert_eq(disk_rename(seam, "x/y", "w"), 0);
    unsigned counts[2] = {0};
    cr_assert_eq(disk_list(seam, "", count_entry, counts), 0);
    cr_assert_eq(counts[0], 1);
    cr_assert_eq(counts[1], 2);
    cr_assert_eq(disk_list(seam, "x/y", count_entry, counts), UV_ENOENT);
    cr_assert_eq(disk_list(seam, "f", count_entry, counts), UV_ENOTDIR);
    cr_assert_eq(disk_remove_tree(seam, "w"), 0);
    cr_assert_eq(disk_remove_tree(seam, "w"), 0);
    cr_assert_eq(disk_remove(seam, "w"), UV_ENOENT);
    fake_disk_destroy(d);
}

Test(fake_disk, keeps_an_open_file_that_was_removed)
{
    struct fake_disk *d = fake_disk_create(1);
    make_file(d, "f", 10, 5);
    struct disk_file *file = opened(d, "f", DISK_WRITE);
    cr_assert_eq(disk_remove(fake_disk_seam(d), "f"), 0);
    uint8_t byte = 0;
    cr_assert_eq(disk_read_at(fake_disk_seam(d), file, 9, &byte, 1), 1);
    cr_assert_eq(byte, 5);
    disk_close(fake_disk_seam(d), file);
    fake_disk_destroy(d);
}

/* All that a crash left, as one number. */
static uint64_t outcome_of(uint64_t seed)
{
    struct fake_disk *d = fake_disk_create(1);
    struct random r;
    random_init(&r, seed);
    uint64_t outcome = 0;
    for (int round = 0; round < 3; round++) {
        char path[8];
        snprintf(path, sizeof path, "f%d", round);
        struct disk_file *file = opened(d, path, DISK_WRITE | DISK_CREATE);
        write_fill(d, file, 0, 60 * SECTOR, 1);
        disk_close(fake_disk_seam(d), file);
        fake_disk_crash(d, &r);
        for (uint64_t i = 0; is_there(d, path) && i < 60; i++)
            outcome = outcome * 31 + (byte_at(d, path, i * SECTOR) == 1);
    }
    fake_disk_destroy(d);
    return outcome;
}

Test(fake_disk, does_the_same_again_from_the_same_seed)
{
    unsigned differing = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        cr_assert_eq(outcome_of(seed), outcome_of(seed));
        differing += outcome_of(seed) != outcome_of(seed + 1);
    }
    cr_assert_gt(differing, 5);
}

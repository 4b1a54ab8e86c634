#include "base/disk.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

static char root[64];

static struct disk new_disk(void)
{
    struct disk d;
    snprintf(root, sizeof root, "/tmp/trilog-disk-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(disk_open_system(&d, root), 0);
    return d;
}

static void end_disk(struct disk *d)
{
    disk_remove_tree(d, "all");
    disk_remove(d, "f");
    disk_remove(d, "g");
    disk_close_system(d);
    cr_assert_eq(rmdir(root), 0, "something was left behind");
}

Test(disk_system, keeps_files_below_its_root)
{
    struct disk d = new_disk();
    struct disk_file *file;
    cr_assert_eq(disk_open(&d, "f", DISK_READ, &file), UV_ENOENT);
    cr_assert_eq(disk_open(&d, "f", DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &file), 0);
    cr_assert_eq(disk_write_bytes_at(&d, file, 100, bytes_of_text("hello")), 0);
    cr_assert_eq(disk_size(&d, file), 105);
    char into[16] = {0};
    cr_assert_eq(disk_read_at(&d, file, 98, into, sizeof into), 7);
    cr_assert_eq(memcmp(into, "\0\0hello", 7), 0);
    cr_assert_eq(disk_read_at(&d, file, 105, into, sizeof into), 0);
    cr_assert_eq(disk_sync(&d, file), 0);
    cr_assert_eq(disk_truncate(&d, file, 101), 0);
    cr_assert_eq(disk_size(&d, file), 101);
    disk_close(&d, file);
    cr_assert_eq(disk_open(&d, "f", DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &file), UV_EEXIST);
    cr_assert_eq(disk_rename(&d, "f", "g"), 0);
    cr_assert_eq(disk_sync_directory(&d, ""), 0);
    cr_assert_eq(disk_remove(&d, "f"), UV_ENOENT);
    cr_assert_eq(disk_remove(&d, "g"), 0);
    end_disk(&d);
}

/* More parts than one system call takes, empty ones among them. */
static void write_many_parts(unsigned flags)
{
    struct disk d = new_disk();
    struct disk_file *file;
    enum { PARTS = 2 * IOV_MAX + 3 };
    static uint8_t from[PARTS], into[PARTS];
    static struct iovec parts[2 * PARTS];
    for (int i = 0; i < PARTS; i++) {
        from[i] = (uint8_t)(i * 7);
        parts[2 * i] = (struct iovec){.iov_base = &from[i], .iov_len = 1};
        parts[2 * i + 1] = (struct iovec){.iov_base = NULL, .iov_len = 0};
    }
    cr_assert_eq(disk_open(&d, "f", DISK_WRITE | DISK_CREATE, &file), 0);
    cr_assert_eq(disk_write_at(&d, file, 5, parts, 2 * PARTS, flags), 0);
    cr_assert_eq(disk_size(&d, file), PARTS + 5);
    cr_assert_eq(disk_read_at(&d, file, 5, into, PARTS), PARTS);
    cr_assert_arr_eq(from, into, PARTS);
    disk_close(&d, file);
    end_disk(&d);
}

Test(disk_system, writes_more_parts_than_one_call_takes)
{
    write_many_parts(DISK_WRITE_CACHED);
}

Test(disk_system, writes_uncached_also_where_the_kernel_can_not)
{
    write_many_parts(DISK_WRITE_UNCACHED);
}

Test(disk_system, reports_a_write_that_fails)
{
    struct disk d = new_disk();
    struct disk_file *file;
    cr_assert_eq(disk_open(&d, "f", DISK_WRITE | DISK_CREATE, &file), 0);
    disk_close(&d, file);
    cr_assert_eq(disk_open(&d, "f", DISK_READ, &file), 0);
    cr_assert_eq(disk_write_bytes_at(&d, file, 0, bytes_of_text("x")), UV_EBADF);
    disk_close(&d, file);
    end_disk(&d);
}

struct names {
    int files, directories;
};

static void count_name(void *data, const char *name, bool is_directory)
{
    struct names *n = data;
    cr_assert_neq(name[0], '.');
    if (is_directory)
        n->directories++;
    else
        n->files++;
}

Test(disk_system, makes_lists_and_removes_directories)
{
    struct disk d = new_disk();
    struct disk_file *file;
    struct names names = {0};
    cr_assert_eq(disk_make_directory(&d, "all/a/b"), 0);
    cr_assert_eq(disk_make_directory(&d, "all/a/b"), 0);
    cr_assert_eq(disk_open(&d, "all/a/f", DISK_WRITE | DISK_CREATE, &file), 0);
    disk_close(&d, file);
    cr_assert_eq(disk_list(&d, "all/a", count_name, &names), 0);
    cr_assert_eq(names.files, 1);
    cr_assert_eq(names.directories, 1);
    cr_assert_eq(disk_list(&d, "all/none", count_name, &names), UV_ENOENT);
    cr_assert_eq(disk_remove_tree(&d, "all"), 0);
    cr_assert_eq(disk_remove_tree(&d, "all"), 0);
    cr_assert_eq(disk_list(&d, "all", count_name, &names), UV_ENOENT);
    end_disk(&d);
}

Test(disk_system, knows_the_space_below_it)
{
    struct disk d = new_disk();
    uint64_t free_bytes = 0, total_bytes = 0;
    cr_assert_eq(disk_free_bytes(&d, &free_bytes, &total_bytes), 0);
    cr_assert(free_bytes > 0 && free_bytes <= total_bytes);
    end_disk(&d);
}

Test(disk_system, keeps_nothing_when_its_root_can_not_be)
{
    struct disk d;
    cr_assert_eq(disk_open_system(&d, "/proc/none/such"), UV_ENOENT);
    cr_assert_eq(disk_open_system(&d, "/dev/null"), UV_ENOTDIR);
}

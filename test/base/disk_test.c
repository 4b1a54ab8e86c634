#include "base/disk.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "fake/fake_disk.h"

/* Whether the path gets as far as the disk; one that leads out of the root ends the process. */
static bool is_let_through(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0};
        struct disk_file *file = NULL;
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        freopen("/dev/null", "w", stderr);
        disk_open(fake_disk_seam(fake_disk_create(1)), path, DISK_READ, &file);
        _exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) || WTERMSIG(status) == SIGABRT);
    return WIFEXITED(status);
}

Test(disk, lets_no_path_lead_out_of_its_root)
{
    static const char *const out[] = {"/f", "..", "../f", "a/..", "a/../f", "a/../../f", "a/b/.."};
    static const char *const in[] = {"f", "a/f", "..f", "f..", "a/..f", "a../f", "a..b", "..."};
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        cr_assert_not(is_let_through(out[i]), "%s", out[i]);
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
        cr_assert(is_let_through(in[i]), "%s", in[i]);
}

Test(disk, makes_missing_parents_and_says_so_when_it_can_not)
{
    struct fake_disk *fake = fake_disk_create(1);
    const struct disk *d = fake_disk_seam(fake);
    fake_disk_fail_nth(fake, FAKE_DISK_MAKE_DIRECTORY, 2, UV_ENOSPC);
    cr_assert_eq(disk_make_directory(d, "a/b/c"), UV_ENOSPC);
    cr_assert_eq(disk_make_directory(d, "a/b/c"), 0);
    fake_disk_destroy(fake);
}

Test(disk, removes_a_tree_up_to_what_fails)
{
    struct fake_disk *fake = fake_disk_create(1);
    const struct disk *d = fake_disk_seam(fake);
    cr_assert_eq(disk_make_directory(d, "a/b/c"), 0);
    fake_disk_fail_nth(fake, FAKE_DISK_REMOVE, 2, UV_EIO);
    cr_assert_eq(disk_remove_tree(d, "a"), UV_EIO);
    cr_assert_eq(disk_remove_tree(d, "a"), 0);
    cr_assert_eq(disk_remove_tree(d, "a"), 0, "none is as good as removed");
    fake_disk_destroy(fake);
}

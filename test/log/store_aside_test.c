/* A replica that is put aside whole (log/store_aside.c), whatever comes between. */
#include "log/store.h"

#include "store_story.h"

#define STORY_LENGTH 120
#define GROUP_ID     5
#define DIRECTORY    "aside/one"

static void count_name(void *data, const char *name, bool is_directory)
{
    (void)name;
    *(unsigned *)data += is_directory;
}

static unsigned folder_count(const struct stage *s, const char *path)
{
    unsigned count = 0;
    int err = disk_list(fake_disk_seam(s->disk), path, count_name, &count);
    cr_assert(err == 0 || err == UV_ENOENT);
    return count;
}

/* A store with folders of topics, closed; returns how many of them. */
static unsigned make_store(struct stage *s)
{
    stage_init(s, 1);
    for (uint64_t index = 1; index <= STORY_LENGTH; index++)
        story_apply(s->store, 1, index);
    cr_assert_eq(stage_checkpoint(s, STORY_LENGTH), 0);
    log_store_close(s->store);
    s->store = NULL;
    unsigned count = folder_count(s, "topics");
    cr_assert_gt(count, 1);
    return count;
}

static int move_aside(const struct stage *s)
{
    return log_store_move_aside(fake_disk_seam(s->disk), GROUP_ID, DIRECTORY);
}

static void expect_aside(const struct stage *s, unsigned count)
{
    cr_assert_eq(folder_count(s, "topics"), 0);
    cr_assert_eq(folder_count(s, DIRECTORY "/topics"), count);
}

Test(log_store_aside, takes_the_group_and_its_partitions_folders_along)
{
    struct stage s;
    unsigned count = make_store(&s);
    cr_assert_eq(move_aside(&s), 0);
    expect_aside(&s, count);
    cr_assert_eq(move_aside(&s), 0, "again there is nothing to do");
    expect_aside(&s, count);
    stage_close(&s);
}

/* What can't be looked at is not gone: a folder that stayed would be cut to what its next owner has
 * of it, and its tail be lost. */
Test(log_store_aside, says_so_when_it_cannot_look_and_is_done_by_the_next_attempt)
{
    unsigned failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct stage s;
        unsigned count = make_store(&s);
        fake_disk_fail_nth(s.disk, FAKE_DISK_LIST, nth, UV_EIO);
        int err = move_aside(&s);
        fake_disk_fail_nth(s.disk, FAKE_DISK_LIST, 0, 0);
        bool has_failed = err != 0;
        if (has_failed) {
            cr_assert_eq(err, UV_EIO);
            cr_assert_eq(move_aside(&s), 0);
            failed++;
        }
        expect_aside(&s, count);
        stage_close(&s);
        if (!has_failed)
            break; /* it looked less often than that */
    }
    cr_assert_gt(failed, 3);
}

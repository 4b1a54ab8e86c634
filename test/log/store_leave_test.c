/* A store that gives up all that it has. */
#include "log/folders.h"
#include "log/store.h"

#include "store_story.h"

#define STORY_LENGTH 240
#define LEFT_INDEX   300u

struct status {
    int value;
    bool is_told;
};

static void on_left(struct log_leave *req, int status)
{
    struct status *s = req->data;
    cr_assert_not(s->is_told);
    *s = (struct status){.value = status, .is_told = true};
}

static int leave(struct stage *s)
{
    struct status status = {0};
    struct log_leave req = {.data = &status, .left_index = LEFT_INDEX};
    int err = log_store_leave(s->store, &req, on_left);
    if (err != 0)
        return err;
    cr_assert_eq(log_store_leave(s->store, &req, on_left), ERR_BUSY, "one at a time");
    fake_work_run_all(&s->work, NULL);
    cr_assert(status.is_told);
    return status.value;
}

static void tell(struct stage *s, uint64_t seed)
{
    stage_init(s, seed);
    for (uint64_t index = 1; index <= STORY_LENGTH; index++)
        story_apply(s->store, seed, index);
    cr_assert_eq(stage_checkpoint(s, STORY_LENGTH), 0);
}

static void count_name(void *data, const char *name, bool is_directory)
{
    (void)name;
    (void)is_directory;
    (*(unsigned *)data)++;
}

static unsigned folder_count(struct stage *s)
{
    unsigned count = 0;
    cr_assert_eq(disk_list(fake_disk_seam(s->disk), "topics", count_name, &count), 0);
    return count;
}

static void count_partition(void *data, uint32_t number, struct log_partition *p)
{
    (void)number;
    (void)p;
    (*(unsigned *)data)++;
}

static void check_has_left(struct stage *s)
{
    const struct log_store_state *state = log_store_state(s->store);
    unsigned partitions = 0;
    log_store_each_partition(s->store, count_partition, &partitions);
    cr_assert_eq(state->left_index, LEFT_INDEX);
    cr_assert_eq(state->index, 0);
    cr_assert_eq(state->configuration.size + state->machine.size, 0);
    cr_assert_eq(partitions, 0);
}

Test(log_store_leave, gives_all_folders_back_and_remembers_that_it_has_left)
{
    struct stage s;
    tell(&s, 3);
    cr_assert_gt(folder_count(&s), 1);
    cr_assert_eq(leave(&s), 0);
    cr_assert_eq(folder_count(&s), 0);
    check_has_left(&s);
    stage_crash(&s);
    check_has_left(&s);
    cr_assert_not(log_store_has_rest(s.store));
    stage_close(&s);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_store_leave, has_left_wholly_or_not_at_all_after_a_crash_at_any_point)
{
    unsigned old_count = 0, rest_count = 0, left_count = 0;
    for (uint64_t nth = 1, is_halted = true; is_halted; nth++) {
        struct stage s, same;
        tell(&s, 11);
        unsigned before = folder_count(&s);
        fake_disk_halt_at(s.disk, nth);
        int status = leave(&s);
        is_halted = fake_disk_is_halted(s.disk);
        cr_assert_eq(status != 0, is_halted);
        stage_crash(&s);
        if (log_store_state(s.store)->left_index == 0) {
            cr_assert_eq(log_store_state(s.store)->index, STORY_LENGTH);
            cr_assert_eq(folder_count(&s), before);
            tell(&same, 11);
            log_store_close(same.store);
            cr_assert_eq(stage_open(&same), 0);
            check_same(&same, &s);
            stage_close(&same);
            old_count++;
        } else {
            check_has_left(&s);
            cr_assert_eq(log_store_has_rest(s.store), folder_count(&s) > 0);
            rest_count += log_store_has_rest(s.store);
            left_count++;
        }
        cr_assert_eq(leave(&s), 0);
        cr_assert_eq(folder_count(&s), 0);
        check_has_left(&s);
        stage_close(&s);
    }
    cr_assert_gt(old_count, 1);
    cr_assert_gt(rest_count, 3);
    cr_assert_gt(left_count, rest_count);
}

Test(log_store_leave, goes_on_when_there_was_no_room_for_it)
{
    struct stage s;
    tell(&s, 4);
    fake_disk_fail_nth(s.disk, FAKE_DISK_WRITE, 1, UV_ENOSPC);
    cr_assert_eq(leave(&s), UV_ENOSPC);
    cr_assert_eq(leave(&s), 0);
    cr_assert_eq(folder_count(&s), 0);
    check_has_left(&s);
    stage_close(&s);
}

static void claim(void *data, uint32_t number, struct log_partition *p)
{
    (void)number;
    cr_assert_eq(log_folders_claim(data, log_partition_id(p), 6), 0);
}

static void release(void *data, uint32_t number, struct log_partition *p)
{
    (void)number;
    log_folders_release(data, log_partition_id(p), 6);
}

/* A store of which another one, group 6, has all folders. */
static void tell_shared(struct stage *s, struct stage *same, struct log_folders *folders)
{
    tell(s, 5);
    tell(same, 5); /* knows the same partitions */
    log_store_close(s->store);
    cr_assert_eq(stage_open(s), 0);
    cr_assert_eq(log_store_set_folders(s->store, folders), 0);
    log_store_each_partition(same->store, claim, folders);
}

Test(log_store_leave, leaves_folders_that_another_groups_store_has)
{
    struct stage s, same;
    struct log_folders *folders = log_folders_create();
    tell_shared(&s, &same, folders);
    unsigned before = folder_count(&s);
    cr_assert_eq(leave(&s), 0);
    cr_assert_eq(folder_count(&s), before);
    cr_assert_eq(log_folders_index(folders, 5), UINT64_MAX, "it holds nobody up");
    log_store_each_partition(same.store, release, folders);
    stage_close(&same);
    stage_close(&s);
    log_folders_destroy(folders);
}

/* The other store may know of them only when its log is applied again, long after this one opens.
 */
Test(log_store_leave, has_no_rest_in_folders_of_another_store_whenever_the_power_goes)
{
    unsigned left_count = 0;
    for (uint64_t nth = 1, is_halted = true; is_halted; nth++) {
        struct stage s, same;
        struct log_folders *folders = log_folders_create();
        tell_shared(&s, &same, folders);
        unsigned before = folder_count(&s);
        fake_disk_halt_at(s.disk, nth);
        (void)leave(&s);
        is_halted = fake_disk_is_halted(s.disk);
        log_store_each_partition(same.store, release, folders);
        stage_crash(&s);
        cr_assert_not(log_store_has_rest(s.store));
        cr_assert_eq(folder_count(&s), before);
        left_count += log_store_state(s.store)->left_index > 0;
        stage_close(&same);
        stage_close(&s);
        log_folders_destroy(folders);
    }
    cr_assert_gt(left_count, 1);
}

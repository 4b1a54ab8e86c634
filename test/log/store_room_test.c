/* Checkpoints on a full disk: they fail, leave what was there, and the next one writes all of it.
 */
#include "log/store.h"

#include "store_story.h"

#define STORY_LENGTH 360

static void tell_undisturbed(struct stage *s, uint64_t seed)
{
    stage_init(s, seed);
    for (uint64_t index = 1; index <= STORY_LENGTH; index++)
        story_apply(s->store, seed, index);
    cr_assert_eq(stage_checkpoint(s, STORY_LENGTH), 0);
}

static void reopen(struct stage *s)
{
    log_store_close(s->store);
    cr_assert_eq(stage_open(s), 0);
}

/* One operation of a checkpoint finds no room: of any kind, anywhere, and some write a part first.
 */
static int checkpoint_without_room(struct stage *s, struct random *r, uint64_t index)
{
    static const enum fake_disk_operation operations[] = {
        FAKE_DISK_WRITE,          FAKE_DISK_WRITE,  FAKE_DISK_SYNC,          FAKE_DISK_OPEN,
        FAKE_DISK_MAKE_DIRECTORY, FAKE_DISK_RENAME, FAKE_DISK_SYNC_DIRECTORY};
    enum fake_disk_operation operation =
        operations[random_below(r, sizeof operations / sizeof operations[0])];
    fake_disk_fail_nth(s->disk, operation, random_below(r, 12) + 1, UV_ENOSPC);
    int status = stage_checkpoint(s, index);
    fake_disk_fail_nth(s->disk, operation, 0, 0);
    cr_assert(status == 0 || status == UV_ENOSPC, "%s", err_name(status));
    return status;
}

Test(log_store_room, that_is_missing_costs_checkpoints_but_nothing_else)
{
    unsigned missed = 0, crashes = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct stage s, plain;
        struct random r;
        random_init(&r, seed + 5);
        stage_init(&s, seed);
        uint64_t index = 0, durable = 0, missed_index = 0;
        while (index < STORY_LENGTH) {
            story_apply(s.store, seed, ++index);
            if (!random_chance(&r, 0.1))
                continue;
            if (checkpoint_without_room(&s, &r, index) == 0) {
                durable = index;
                missed_index = 0;
            } else {
                missed++;
                missed_index = index;
            }
            if (random_chance(&r, 0.15)) {
                stage_crash(&s);
                crashes++;
                uint64_t opened = log_store_state(s.store)->index;
                cr_assert(opened == durable || (opened > durable && missed_index != 0),
                          "seed %lu: opened %lu, durable %lu", (unsigned long)seed,
                          (unsigned long)opened, (unsigned long)durable);
                check_state(s.store);
                durable = index = opened;
                missed_index = 0;
            }
        }
        cr_assert_eq(stage_checkpoint(&s, STORY_LENGTH), 0);
        tell_undisturbed(&plain, seed);
        reopen(&s);
        reopen(&plain);
        check_same(&s, &plain);
        stage_close(&s);
        stage_close(&plain);
    }
    cr_assert_gt(missed, 300);
    cr_assert_gt(crashes, 100);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

/* Any other error is final: what the disk still has is unknown. */
Test(log_store_room, alone_is_a_reason_to_try_again)
{
    struct stage s;
    stage_init(&s, 1);
    for (uint64_t index = 1; index <= 50; index++)
        story_apply(s.store, 1, index);
    fake_disk_fail_nth(s.disk, FAKE_DISK_WRITE, 1, UV_EIO);
    cr_assert_eq(stage_checkpoint(&s, 50), UV_EIO);
    cr_assert(err_is_no_room(UV_ENOSPC));
    cr_assert_not(err_is_no_room(UV_EIO));
    cr_assert_not(err_is_no_room(0));
    stage_close(&s);
}

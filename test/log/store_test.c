#include "log/store.h"

#include "log/folders.h"
#include "store_story.h"

#define STORY_LENGTH 360

/* The same story without any accident, checkpointed at its end only. */
static void tell_undisturbed(struct stage *s, uint64_t seed, uint64_t length)
{
    stage_init(s, seed);
    for (uint64_t index = 1; index <= length; index++)
        story_apply(s->store, seed, index);
    cr_assert_eq(stage_checkpoint(s, length), 0);
}

static void reopen(struct stage *s)
{
    log_store_close(s->store);
    cr_assert_eq(stage_open(s), 0);
}

Test(log_store, opens_empty_and_keeps_its_checkpoint)
{
    struct stage s;
    stage_init(&s, 1);
    cr_assert_eq(log_store_state(s.store)->index, 0);
    reopen(&s);
    cr_assert_eq(log_store_state(s.store)->index, 0);
    for (uint64_t index = 1; index <= 100; index++)
        story_apply(s.store, 1, index);
    cr_assert_eq(stage_checkpoint(&s, 100), 0);
    check_state(s.store);
    reopen(&s);
    cr_assert_eq(log_store_state(s.store)->index, 100);
    check_state(s.store);
    stage_close(&s);
}

Test(log_store, may_begin_with_a_state_that_is_agreed_on_elsewhere)
{
    struct stage s;
    stage_init(&s, 1);
    struct log_store_state state = {.index = 1,
                                    .term = 1,
                                    .configuration_index = 1,
                                    .configuration = bytes_of_text("who"),
                                    .machine = bytes_of_text("nothing"),
                                    .feature_level = 1};
    cr_assert_eq(log_store_begin(s.store, &state), 0);
    reopen(&s);
    const struct log_store_state *kept = log_store_state(s.store);
    cr_assert_eq(kept->index, 1);
    cr_assert_eq(kept->configuration_index, 1);
    cr_assert(bytes_is_equal(kept->configuration, state.configuration));
    cr_assert(bytes_is_equal(kept->machine, state.machine));
    for (uint64_t index = 2; index <= 100; index++)
        story_apply(s.store, 1, index);
    cr_assert_eq(stage_checkpoint(&s, 100), 0);
    reopen(&s);
    cr_assert_eq(log_store_state(s.store)->index, 100);
    stage_close(&s);
}

Test(log_store, ends_equal_to_an_undisturbed_one_after_any_crashes)
{
    unsigned crash_count = 0, torn_count = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct stage s, plain;
        struct random r;
        random_init(&r, seed + 77);
        stage_init(&s, seed);
        uint64_t index = 0, durable = 0;
        while (index < STORY_LENGTH) {
            story_apply(s.store, seed, ++index);
            if (random_chance(&r, 0.07)) {
                bool is_cut = random_chance(&r, 0.4);
                if (is_cut)
                    fake_disk_halt_at(s.disk, random_below(&r, 60) + 1);
                int status = stage_checkpoint(&s, index);
                bool has_failed = status != 0;
                cr_assert(!has_failed || is_cut, "%s", err_name(status));
                if (!has_failed)
                    durable = index;
                if (has_failed || random_chance(&r, 0.3)) {
                    stage_crash(&s);
                    crash_count++;
                    uint64_t opened = log_store_state(s.store)->index;
                    cr_assert(opened == durable || (has_failed && opened == index),
                              "seed %lu: opened %lu, durable %lu", (unsigned long)seed,
                              (unsigned long)opened, (unsigned long)durable);
                    torn_count += has_failed && opened == durable;
                    check_state(s.store);
                    durable = index = opened; /* the WAL gives the rest again */
                } else {
                    fake_disk_halt_at(s.disk, 0);
                }
            }
        }
        cr_assert_eq(stage_checkpoint(&s, STORY_LENGTH), 0);
        tell_undisturbed(&plain, seed, STORY_LENGTH);
        reopen(&s);
        reopen(&plain);
        check_same(&s, &plain);
        stage_close(&s);
        stage_close(&plain);
    }
    cr_assert_gt(crash_count, 300);
    cr_assert_gt(torn_count, 50);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_store, goes_on_applying_while_a_checkpoint_runs)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct stage s, plain;
        struct random r;
        random_init(&r, seed);
        stage_init(&s, seed);
        struct checkpoint_result result = {0};
        struct log_checkpoint req = {.data = &result};
        uint64_t index = 0, taken = 0, durable = 0;
        while (index < STORY_LENGTH) {
            story_apply(s.store, seed, ++index);
            if (taken == 0 && random_chance(&r, 0.1)) {
                result = (struct checkpoint_result){0};
                req.state = (struct log_store_state){.index = taken = index};
                cr_assert_eq(log_store_checkpoint(s.store, &req, on_checkpoint), 0);
                cr_assert_eq(log_store_checkpoint(s.store, &req, on_checkpoint), ERR_BUSY);
            }
            if (random_chance(&r, 0.2))
                fake_work_run_one(&s.work);
            if (result.is_done && taken != 0) {
                cr_assert_eq(result.status, 0);
                durable = taken;
                taken = 0;
            }
        }
        stage_crash(&s);
        uint64_t opened = log_store_state(s.store)->index;
        cr_assert(opened == durable || opened == taken);
        for (index = opened + 1; index <= STORY_LENGTH; index++)
            story_apply(s.store, seed, index);
        cr_assert_eq(stage_checkpoint(&s, STORY_LENGTH), 0);
        tell_undisturbed(&plain, seed, STORY_LENGTH);
        reopen(&s);
        reopen(&plain);
        check_same(&s, &plain);
        stage_close(&s);
        stage_close(&plain);
    }
}

Test(log_store, writes_what_changed_and_rewrites_its_manifest_now_and_then)
{
    struct stage s;
    stage_init(&s, 3);
    const struct disk *disk = fake_disk_seam(s.disk);
    int64_t size = 0, size_before = 0;
    bool has_shrunk = false;
    for (uint64_t index = 1; index <= 240; index++)
        story_apply(s.store, 3, index);
    for (uint64_t index = 241; index <= 12000 && !has_shrunk; index++) {
        struct random r;
        random_init(&r, index);
        for (uint32_t number = 0; number < STORY_PARTITIONS_MAX; number++)
            if (log_store_partition(s.store, number) != NULL && number % 3 == index % 3)
                story_append(s.store, number, &r, index);
        cr_assert_eq(stage_checkpoint(&s, index), 0);
        struct disk_file *file;
        cr_assert_eq(disk_open(disk, "groups/5/manifest", DISK_READ, &file), 0);
        size = disk_size(disk, file);
        disk_close(disk, file);
        has_shrunk = size < size_before;
        size_before = size;
    }
    cr_assert(has_shrunk);
    cr_assert_lt(size, 1 << 20);
    uint64_t index = log_store_state(s.store)->index;
    reopen(&s);
    cr_assert_eq(log_store_state(s.store)->index, index);
    check_state(s.store);
    stage_close(&s);
}

Test(log_store, gives_the_space_of_a_removed_partition_back_after_reads_have_ended)
{
    struct stage s;
    stage_init(&s, 1);
    struct log_partition_id id = id_numbered(0);
    struct log_partition_settings settings = small_settings();
    struct log_partition *p;
    cr_assert_eq(log_store_partition_add(s.store, 0, &id, &settings, 0, &p), 0);
    struct batch_plan plan = {.record_count = 1, .value_size = 100};
    append_planned(p, &plan);
    cr_assert_eq(stage_checkpoint(&s, 1), 0);
    cr_assert_eq(sum_of_topics(&s).file_count, 3);
    log_store_partition_remove(s.store, 0);
    cr_assert_null(log_store_partition(s.store, 0));
    cr_assert_eq(sum_of_topics(&s).file_count, 3, "a crash now must find them");
    cr_assert_eq(stage_checkpoint(&s, 2), 0);
    cr_assert_eq(sum_of_topics(&s).file_count, 0);
    stage_close(&s);
}

/* After a crash the store that has it by now may know of it only when its log is applied again:
 * what this one's manifest says must not make it remove the folder meanwhile. */
Test(log_store, never_removes_a_folder_that_another_store_had_when_it_was_recorded)
{
    struct stage s;
    struct log_partition *p;
    struct log_folders *folders = log_folders_create();
    struct log_partition_id id = id_numbered(3);
    struct log_partition_settings settings = small_settings();
    stage_init(&s, 8);
    cr_assert_eq(log_store_set_folders(s.store, folders), 0);
    cr_assert_eq(log_store_partition_add(s.store, 3, &id, &settings, 0, &p), 0);
    append_planned(p, &(struct batch_plan){.record_count = 1, .value_size = 100});
    cr_assert_eq(stage_checkpoint(&s, 10), 0);
    cr_assert_eq(log_folders_claim(folders, &id, 6), 0);
    log_store_partition_remove(s.store, 3);
    cr_assert_eq(stage_checkpoint(&s, 20), 0);
    stage_crash(&s);
    cr_assert_eq(stage_checkpoint(&s, 30), 0);
    cr_assert_eq(sum_of_topics(&s).file_count, 3);
    stage_close(&s);
    log_folders_release(folders, &id, 6);
    log_folders_destroy(folders);
}

#define SEAL_SIZE 24 /* behind the last checkpoint, not synced */

static uint64_t manifest_size(struct stage *s)
{
    struct disk_file *file;
    const struct disk *disk = fake_disk_seam(s->disk);
    cr_assert_eq(disk_open(disk, "groups/5/manifest", DISK_READ, &file), 0);
    int64_t size = disk_size(disk, file);
    disk_close(disk, file);
    return (uint64_t)size;
}

/* Two checkpoints, at 60 and 90; *first_end: where the second one's records begin. The store is
 * closed. */
static uint64_t make_two_checkpoints(struct stage *s, uint64_t *first_end)
{
    stage_init(s, 1);
    for (uint64_t index = 1; index <= 60; index++)
        story_apply(s->store, 1, index);
    cr_assert_eq(stage_checkpoint(s, 60), 0);
    *first_end = manifest_size(s);
    for (uint64_t index = 61; index <= 90; index++)
        story_apply(s->store, 1, index);
    cr_assert_eq(stage_checkpoint(s, 90), 0);
    log_store_close(s->store);
    s->store = NULL;
    return manifest_size(s);
}

Test(log_store, finds_damage_anywhere_in_its_manifest_the_last_checkpoint_included)
{
    struct stage s;
    uint64_t first_end, size = make_two_checkpoints(&s, &first_end);
    for (uint64_t at = 0; at < size - SEAL_SIZE; at += 3) {
        fake_disk_flip_bit(s.disk, "groups/5/manifest", at, (unsigned)(at % 8));
        cr_assert_eq(stage_open(&s), ERR_CORRUPT, "byte %lu", (unsigned long)at);
        fake_disk_flip_bit(s.disk, "groups/5/manifest", at, (unsigned)(at % 8));
    }
    cr_assert_eq(stage_open(&s), 0, "the refusals left all as it was");
    cr_assert_eq(log_store_state(s.store)->index, 90);
    stage_close(&s);
}

Test(log_store, cuts_a_torn_checkpoint_which_nothing_says_was_durable)
{
    struct stage s;
    uint64_t first_end, size = make_two_checkpoints(&s, &first_end);
    cr_assert_eq(fake_disk_cut(s.disk, "groups/5/manifest", size - SEAL_SIZE), 0);
    fake_disk_flip_bit(s.disk, "groups/5/manifest", first_end + 2, 0);
    cr_assert_eq(stage_open(&s), 0);
    cr_assert_eq(log_store_state(s.store)->index, 60, "the torn checkpoint never was");
    for (uint64_t index = 61; index <= 95; index++)
        story_apply(s.store, 1, index);
    cr_assert_eq(stage_checkpoint(&s, 95), 0);
    log_store_close(s.store);
    cr_assert_eq(stage_open(&s), 0);
    cr_assert_eq(log_store_state(s.store)->index, 95);
    stage_close(&s);
}

Test(log_store, begins_empty_when_a_damaged_manifest_was_set_aside)
{
    struct stage s;
    uint64_t first_end;
    make_two_checkpoints(&s, &first_end);
    fake_disk_flip_bit(s.disk, "groups/5/manifest", first_end - SEAL_SIZE - 3, 0);
    cr_assert_eq(stage_open(&s), ERR_CORRUPT);
    cr_assert_eq(log_store_set_aside(fake_disk_seam(s.disk), 5), 0);
    fake_disk_crash(s.disk, NULL);
    cr_assert_eq(stage_open(&s), 0);
    cr_assert_eq(log_store_state(s.store)->index, 0);
    stage_close(&s);
}

Test(log_store, refuses_another_groups_manifest)
{
    struct stage s;
    stage_init(&s, 1);
    log_store_close(s.store);
    const struct disk *disk = fake_disk_seam(s.disk);
    cr_assert_eq(disk_make_directory(disk, "groups/6"), 0);
    cr_assert_eq(disk_rename(disk, "groups/5/manifest", "groups/6/manifest"), 0);
    struct err_note note;
    cr_assert_eq(log_store_open(disk, 6, &s.work.seam, &s.work.seam, &s.store, &note), ERR_CORRUPT);
    cr_assert_not_null(strstr(note.text, "group 5"));
    s.store = NULL;
    stage_close(&s);
}

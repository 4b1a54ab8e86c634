/* A partition whose files change hands between two groups' stores (log/store_move.c), while some of
 * them are damaged. */
#include "../../log/repair_internal.h"
#include "fake/fake_clock.h"
#include "log/scrub.h"
#include "shipping.h"

#define NUMBER 1u

/* Groups 1 and 2 on one disk; a partition of the first one, all of it in files. */
struct desk {
    struct stage from, to;
    struct log_folders *folders;
    struct log_partition *partition;
};

static void open_store(struct desk *d, struct stage *s, uint32_t group_id)
{
    struct err_note note = {0};
    fake_work_init(&s->work);
    cr_assert_eq(log_store_open(fake_disk_seam(s->disk), group_id, &s->work.seam, &s->work.seam,
                                &s->store, &note),
                 0, "%s", note.text);
    cr_assert_eq(log_store_set_folders(s->store, d->folders), 0);
}

static void desk_init(struct desk *d, uint64_t seed)
{
    struct log_partition_id id = id_numbered(3);
    struct log_partition_settings settings = small_settings();
    *d = (struct desk){.folders = log_folders_create()};
    d->from.disk = d->to.disk = fake_disk_create(seed);
    open_store(d, &d->from, 1);
    open_store(d, &d->to, 2);
    cr_assert_eq(log_store_partition_add(d->from.store, NUMBER, &id, &settings, 0, &d->partition),
                 0);
    for (int64_t i = 0; i < 200; i++)
        append_planned(d->partition,
                       &(struct batch_plan){.base_offset = i, .record_count = 1, .wall_ms = i});
    cr_assert_eq(stage_checkpoint(&d->from, 1), 0);
    log_partition_trim_tail(d->partition, 0);
    cr_assert_gt(d->partition->segments.count, 3);
}

static void desk_close(struct desk *d)
{
    fake_work_run_all(&d->from.work, NULL);
    fake_work_run_all(&d->to.work, NULL);
    log_store_close(d->from.store);
    log_store_close(d->to.store);
    log_folders_destroy(d->folders);
    cr_assert_eq(fake_disk_open_count(d->from.disk), 0, "a file stayed open");
    fake_disk_destroy(d->from.disk);
}

static void path_of(const struct desk *d, unsigned segment, char *path)
{
    log_segment_path(path, &d->partition->id,
                     d->partition->segments.items[segment]->written.base_offset, 0, LOG_FILE_DATA);
}

static void damage(struct desk *d, unsigned segment)
{
    char path[LOG_PATH_SIZE];
    path_of(d, segment, path);
    cr_assert_eq(fake_disk_flip_bit(d->from.disk, path, 100, 2), 0);
    log_partition_suspect(d->partition, d->partition->segments.items[segment]);
}

/* Closed in the old group, opened in the new one; the files are the new one's. */
static struct log_partition *move(struct desk *d)
{
    struct slice record;
    struct log_partition *moved;
    struct log_partition_source source = {.index = 2, .group_id = 1};
    log_store_partition_freeze(d->from.store, NUMBER);
    cr_assert_eq(log_store_partition_record(d->from.store, NUMBER, &record), ERR_BUSY);
    cr_assert_eq(stage_checkpoint(&d->from, 2), 0);
    cr_assert_eq(log_store_partition_record(d->from.store, NUMBER, &record), 0);
    cr_assert_eq(log_store_partition_import(d->to.store, NUMBER, &d->partition->id, record.bytes,
                                            &source, &moved),
                 0);
    slice_unref(&record);
    cr_assert_eq(log_store_tend(d->to.store), 1);
    fake_work_run_all(&d->to.work, NULL);
    cr_assert_eq(log_store_tend(d->to.store), 0);
    return moved;
}

static int repair_status;

static void on_repair(void *data, int status)
{
    (void)data;
    repair_status = status;
}

static int run_repair(struct stage *s, struct log_repair *repair)
{
    log_repair_run(repair, on_repair);
    fake_work_run_all(&s->work, NULL);
    return repair_status;
}

static void end_repair(struct stage *s, struct log_repair *repair)
{
    log_repair_end(repair, on_repair);
    fake_work_run_all(&s->work, NULL);
}

static struct log_repair *begin_repair(struct stage *s)
{
    struct log_flaw flaw;
    struct log_repair *repair;
    if (!log_store_next_flaw(s->store, 1, &flaw))
        return NULL;
    cr_assert_eq(log_repair_begin(s->store, &flaw, NULL, &repair), 0);
    return repair;
}

Test(log_store_move, of_damaged_files_leaves_it_to_the_new_group_to_mend_them)
{
    struct desk d;
    struct log_damage_status status;
    struct log_repair *repair;
    unsigned sound = 0, damaged = 0;
    desk_init(&d, 1);
    damage(&d, 1);
    struct log_partition *moved = move(&d);
    cr_assert_null(begin_repair(&d.from), "both would write the same file");
    log_store_damage(d.to.store, &status);
    cr_assert_eq(status.suspected, moved->segments.count, "all are looked into");
    while (sound + damaged < moved->segments.count && (repair = begin_repair(&d.to)) != NULL) {
        int got = run_repair(&d.to, repair);
        cr_assert(got == 0 || got == ERR_NEED_MORE, "%s", err_name(got));
        sound += got == 0;
        damaged += got == ERR_NEED_MORE;
        if (got == ERR_NEED_MORE)
            log_repair_defer(repair, 1, false, "a peer is asked later");
        end_repair(&d.to, repair);
    }
    cr_assert_eq(damaged, 1);
    cr_assert_eq(sound, moved->segments.count - 1);
    desk_close(&d);
}

Test(log_store_move, of_sound_files_looks_into_none)
{
    struct desk d;
    desk_init(&d, 2);
    move(&d);
    cr_assert_null(begin_repair(&d.to));
    desk_close(&d);
}

Test(log_store_move, ends_a_repair_that_is_under_way)
{
    struct desk d;
    desk_init(&d, 3);
    damage(&d, 0);
    struct log_repair *repair = begin_repair(&d.from);
    cr_assert_eq(run_repair(&d.from, repair), ERR_NEED_MORE);
    cr_assert_not(log_repair_is_over(repair));
    log_store_partition_freeze(d.from.store, NUMBER);
    cr_assert(log_repair_is_over(repair));
    cr_assert_eq(run_repair(&d.from, repair), ERR_NOT_FOUND);
    end_repair(&d.from, repair);
    desk_close(&d);
}

/* The new group may have compacted or removed what the old one's store still names. */
Test(log_store_move, keeps_the_old_groups_scrubber_from_the_files)
{
    struct desk d;
    struct fake_clock clock;
    struct log_scrub_status status;
    char path[LOG_PATH_SIZE];
    desk_init(&d, 4);
    fake_clock_init(&clock);
    struct log_scrubber_options options = {.clock = &clock.seam, .bytes_per_second = 1 << 30};
    struct log_scrubber *scrubber = log_scrubber_create(&options);
    log_store_set_scrubber(d.from.store, scrubber);
    move(&d);
    path_of(&d, 0, path);
    cr_assert_eq(disk_remove(fake_disk_seam(d.from.disk), path), 0);
    log_scrubber_start_now(scrubber);
    for (unsigned i = 0; i < 1000; i++) {
        fake_clock_advance_ms(&clock, 10);
        log_store_scrub(d.from.store);
        fake_work_run_all(&d.from.work, NULL);
    }
    log_scrubber_status(scrubber, &status);
    cr_assert_eq(status.passes_finished, 1);
    cr_assert_eq(status.suspected, 0);
    desk_close(&d);
    log_scrubber_destroy(scrubber);
}

static void crash(struct desk *d)
{
    fake_disk_halt(d->from.disk);
    fake_work_run_all(&d->from.work, NULL);
    fake_work_run_all(&d->to.work, NULL);
    log_store_close(d->from.store);
    log_store_close(d->to.store);
    log_folders_destroy(d->folders);
    fake_disk_crash(d->from.disk, NULL);
    d->folders = log_folders_create();
    open_store(d, &d->from, 1);
    open_store(d, &d->to, 2);
    d->partition = log_store_partition(d->from.store, NUMBER);
}

/* The snapshot of the new group, of a node where all is done, to one that has not heard of it. */
static void ship_ahead_of_the_old_group(struct desk *there, struct desk *here)
{
    struct log_pin *pin;
    struct log_install *install;
    unsigned carried;
    cr_assert_eq(log_store_pin(there->to.store, &pin), 0);
    cr_assert_eq(log_store_install_begin(here->to.store, log_pin_contents(pin), &install), 0);
    cr_assert_eq(carry(&there->to, pin, &here->to, install, UINT32_MAX, &carried), 0);
    cr_assert_eq(commit_as(&here->to, install, false), ERR_BUSY, "the old group writes there");
    cr_assert_eq(commit_as(&here->to, install, true), 0);
    log_store_unpin(there->to.store, pin);
}

/* A node that was away while partitions moved one way and another: each group's snapshot has what
 * the other group's store here still writes, and neither would come first. */
Test(log_store_move, needs_not_wait_for_the_old_group_when_it_comes_by_a_snapshot)
{
    struct desk there, here;
    desk_init(&there, 5);
    desk_init(&here, 5);
    move(&there);
    cr_assert_eq(stage_checkpoint(&there.to, 3), 0);
    ship_ahead_of_the_old_group(&there, &here);
    for (unsigned round = 0; round < 2; round++) {
        const struct log_partition *moved = log_store_partition(here.to.store, NUMBER);
        cr_assert_eq(log_store_state(here.to.store)->index, 3);
        cr_assert_not(log_partition_has_files(moved));
        cr_assert_eq(log_store_tend(here.to.store), 1, "the old group still has the folder");
        if (round == 0)
            crash(&here);
    }
    log_store_partition_freeze(here.from.store, NUMBER);
    cr_assert_eq(stage_checkpoint(&here.from, 2), 0);
    log_store_tend(here.to.store);
    fake_work_run_all(&here.to.work, NULL);
    cr_assert(log_partition_has_files(log_store_partition(here.to.store, NUMBER)));
    cr_assert_eq(stage_checkpoint(&here.to, 4), 0);
    crash(&here);
    cr_assert(log_partition_has_files(log_store_partition(here.to.store, NUMBER)), "it is its own");
    cr_assert_null(begin_repair(&here.to), "nothing was missing");
    desk_close(&there);
    desk_close(&here);
}

static void count_name(void *data, const char *name, bool is_directory)
{
    (void)name;
    (void)is_directory;
    ++*(unsigned *)data;
}

static unsigned count_files(const struct desk *d)
{
    char path[LOG_PATH_SIZE];
    unsigned count = 0;
    log_folder_path(path, &d->partition->id);
    cr_assert_eq(disk_list(fake_disk_seam(d->from.disk), path, count_name, &count), 0);
    return count;
}

static unsigned missing_files(const struct desk *d)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < d->partition->segments.count; i++) {
        char path[LOG_PATH_SIZE];
        struct disk_file *file;
        path_of(d, i, path);
        int err = disk_open(fake_disk_seam(d->from.disk), path, DISK_READ, &file);
        missing += err != 0;
        if (err == 0)
            disk_close(fake_disk_seam(d->from.disk), file);
    }
    return missing;
}

/* All is done, and the new group has let go of the oldest segments. */
static void move_and_forget(struct desk *d)
{
    struct log_partition *moved = move(d);
    log_partition_settle(moved);
    cr_assert_eq(stage_checkpoint(&d->to, 3), 0);
    log_partition_advance_start(moved, moved->segments.items[2]->written.base_offset);
    cr_assert_eq(stage_checkpoint(&d->to, 4), 0);
}

/* The groups are done with the move, but this node's replica of the old one may be behind: it still
 * serves, and ships, what it names. */
Test(log_store_move, keeps_what_the_old_group_still_names_over_a_restart)
{
    struct desk d;
    desk_init(&d, 6);
    move_and_forget(&d);
    cr_assert_eq(missing_files(&d), 0, "while it runs");
    crash(&d);
    cr_assert_eq(missing_files(&d), 0, "when it starts");
    cr_assert_eq(stage_checkpoint(&d.to, 5), 0);
    cr_assert_eq(missing_files(&d), 0, "with the next checkpoint");
    log_store_partition_remove(d.from.store, NUMBER);
    cr_assert_eq(stage_checkpoint(&d.from, 3), 0);
    log_store_tend(d.to.store);
    cr_assert_eq(stage_checkpoint(&d.to, 6), 0);
    d.partition = log_store_partition(d.to.store, NUMBER);
    cr_assert_eq(missing_files(&d), 0);
    cr_assert_eq(count_files(&d), LOG_FILE_KIND_COUNT * d.partition->segments.count,
                 "then they go");
    desk_close(&d);
}

Test(log_store_move, keeps_what_the_old_group_still_names_when_a_snapshot_has_less)
{
    struct desk there, here;
    struct log_pin *pin;
    struct log_install *install;
    unsigned carried;
    desk_init(&there, 7);
    desk_init(&here, 7);
    move_and_forget(&there);
    log_store_partition_freeze(here.from.store, NUMBER);
    cr_assert_eq(stage_checkpoint(&here.from, 2), 0);
    cr_assert_eq(log_store_pin(there.to.store, &pin), 0);
    cr_assert_eq(log_store_install_begin(here.to.store, log_pin_contents(pin), &install), 0);
    cr_assert_eq(carry(&there.to, pin, &here.to, install, UINT32_MAX, &carried), 0);
    cr_assert_eq(commit_as(&here.to, install, false), 0);
    log_store_unpin(there.to.store, pin);
    cr_assert_eq(missing_files(&here), 0);
    desk_close(&there);
    desk_close(&here);
}

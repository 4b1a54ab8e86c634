/* Release, budget and recycling. */
#include "wal_fixture.h"

static void small_files(struct wal_fixture *f, uint64_t kept_bytes_max)
{
    fixture_init(f, 1);
    f->options.file_size_bytes = 64 * KIB;
    f->options.kept_bytes_max = kept_bytes_max;
    fixture_open(f);
}

/* Appends `count` entries of 7000 bytes from *next on, releasing each when asked to. */
static void fill(struct wal_fixture *f, uint32_t group_id, uint64_t *next, unsigned count,
                 bool releases)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(fixture_append(f, group_id, (*next)++, 1, 1, 7000), 0);
        if (releases)
            log_wal_release(f->wal, group_id, *next - 1);
        fixture_run(f);
    }
}

static void count_name(void *data, const char *name, bool is_directory)
{
    (void)is_directory;
    *(unsigned *)data += strstr(name, ".wal") != NULL;
}

static unsigned count_files(struct wal_fixture *f)
{
    unsigned count = 0;
    cr_assert_eq(disk_list(fake_disk_seam(f->disk), "wal", count_name, &count), 0);
    return count;
}

Test(log_wal_recycle, keeps_vote_snapshot_heard_and_generation_of_a_silent_group)
{
    struct wal_fixture f;
    struct request r;
    uint8_t heard[8];
    uint64_t next = 1;
    small_files(&f, 0);
    request_init(&f, &r, 9);
    r.append.group.generation = 2;
    r.append.group.recovery_id = 5;
    r.append.has_vote = true;
    r.append.term = 17;
    r.append.voted_for = 4;
    r.append.snapshot_index = 100;
    r.append.snapshot_term = 16;
    r.append.heard = bytes_of_text("heard");
    cr_assert_eq(fixture_finish(&f, &r), 0);
    fill(&f, 3, &next, 60, true);
    cr_assert_gt(fixture_counters(&f).files_recycled, 3);
    for (int round = 0; round < 2; round++) {
        struct log_wal_state s = fixture_state(&f, 9);
        cr_assert_eq(s.group.generation, 2);
        cr_assert_eq(s.group.recovery_id, 5);
        cr_assert_eq(s.term, 17);
        cr_assert_eq(s.voted_for, 4);
        cr_assert_eq(s.snapshot_index, 100);
        cr_assert_eq(s.snapshot_term, 16);
        cr_assert_eq(s.first_index, 101);
        cr_assert_eq(s.last_index, 100);
        cr_assert_eq(log_wal_heard(f.wal, 9, heard, sizeof heard), 5);
        fixture_power_cut(&f);
        fixture_open(&f);
    }
    fixture_close(&f);
}

Test(log_wal_recycle, never_takes_a_file_with_an_entry_that_is_not_released)
{
    struct wal_fixture f;
    uint64_t next = 1, other = 1;
    uint32_t group_id;
    uint64_t pinned_bytes;
    small_files(&f, 0);
    fill(&f, 9, &other, 1, false);
    fill(&f, 3, &next, 60, true);
    cr_assert_eq(fixture_counters(&f).files_recycled, 0);
    log_wal_pressure(f.wal, &group_id, &pinned_bytes);
    cr_assert_eq(group_id, 9);
    cr_assert_gt(pinned_bytes, 60 * 7000);
    log_wal_release(f.wal, 9, 1);
    fixture_run(&f);
    fill(&f, 3, &next, 20, true);
    cr_assert_gt(fixture_counters(&f).files_recycled, 0);
    log_wal_pressure(f.wal, &group_id, &pinned_bytes);
    cr_assert_eq(group_id, UINT32_MAX, "nothing is pinned");
    cr_assert_lt(pinned_bytes, 3 * 64 * KIB);
    fixture_close(&f);
}

Test(log_wal_recycle, keeps_released_entries_within_the_budget_for_catch_up)
{
    struct wal_fixture f;
    uint64_t next = 1;
    small_files(&f, 192 * KIB);
    fill(&f, 3, &next, 100, true);
    struct log_wal_state s = fixture_state(&f, 3);
    cr_assert_eq(s.last_index, 100);
    uint64_t kept_bytes = (s.last_index - s.first_index + 1) * 7000;
    cr_assert_gt(kept_bytes, 100 * KIB);
    cr_assert_lt(kept_bytes, 260 * KIB);
    uint64_t term;
    enum log_entry_type type;
    cr_assert_eq(log_wal_entry_term(f.wal, 3, s.first_index - 1, &term, &type), ERR_NOT_FOUND);
    fixture_close(&f);
}

Test(log_wal_recycle, gives_the_space_of_more_files_than_it_needs_back)
{
    struct wal_fixture f;
    uint64_t next = 1;
    small_files(&f, 0);
    fill(&f, 3, &next, 100, false);
    unsigned most = count_files(&f);
    cr_assert_gt(most, 10);
    log_wal_release(f.wal, 3, 100);
    fixture_run(&f);
    fill(&f, 3, &next, 10, true);
    cr_assert_leq(count_files(&f), 4);
    fixture_reopen(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, 110);
    fixture_close(&f);
}

Test(log_wal_recycle, tells_a_read_that_comes_too_late)
{
    struct wal_fixture f;
    struct log_wal_read *read = malloc(sizeof *read);
    uint64_t next = 1;
    small_files(&f, 0);
    fill(&f, 3, &next, 40, true);
    cr_assert_eq(fixture_read(&f, read, 3, 1, 100000), ERR_COMPACTED);
    cr_assert_eq(read->entry_count, 0);
    free(read);
    fixture_close(&f);
}

/* A disk on which time passes in the middle of a read. */
static struct {
    struct wal_fixture *f; /* NULL: reads as usual */
    const struct disk *below;
    uint64_t next; /* entry to append */
} slow;

static int64_t read_slowly(void *data, struct disk_file *file, uint64_t position, void *into,
                           size_t size)
{
    struct wal_fixture *f = slow.f;
    slow.f = NULL;
    if (f != NULL)
        fill(f, 3, &slow.next, 40, true);
    return slow.below->operations->read_at(data, file, position, into, size);
}

Test(log_wal_recycle, does_not_overwrite_a_file_that_is_being_read)
{
    struct wal_fixture f;
    struct log_wal_read *read = malloc(sizeof *read);
    fixture_init(&f, 1);
    f.options.file_size_bytes = 64 * KIB;
    f.options.kept_bytes_max = 0;
    struct disk_operations operations = *fake_disk_seam(f.disk)->operations;
    operations.read_at = read_slowly;
    struct disk disk = {.data = fake_disk_seam(f.disk)->data, .operations = &operations};
    slow.below = fake_disk_seam(f.disk);
    slow.next = 1;
    cr_assert_eq(log_wal_open(&disk, &f.options, &f.writer.seam, &f.readers.seam, &f.wal, &f.note),
                 0);
    fill(&f, 3, &slow.next, 8, false);
    log_wal_release(f.wal, 3, 7);
    slow.f = &f;
    cr_assert_eq(fixture_read(&f, read, 3, 8, 100), 0);
    cr_assert_gt(fixture_counters(&f).files_recycled, 2);
    assert_is_entry(&read->entries[0], 3, 8, 1, 7000);
    read_close(read);
    free(read);
    fixture_close(&f);
}

/* Who opens it may have to close it at once, with workers that run. */
Test(log_wal_recycle, submits_nothing_while_it_is_only_read)
{
    struct wal_fixture f;
    struct log_entry entry;
    uint64_t next = 1;
    small_files(&f, 1024 * KIB);
    fill(&f, 1, &next, 6, false); /* more than half of a file: the next one is due */
    fixture_reopen(&f);
    cr_assert_eq(log_wal_read_one(f.wal, 1, 3, &entry), 0);
    slice_unref(&entry.head);
    slice_unref(&entry.body);
    cr_assert_not(fake_work_run_one(&f.readers));
    cr_assert_not(fake_work_run_one(&f.writer));
    fill(&f, 1, &next, 1, false);
    cr_assert_eq(fixture_counters(&f).files_recycled, 1, "with the first append it begins");
    fixture_close(&f);
}

Test(log_wal_recycle, goes_on_when_a_file_cannot_be_prepared_ahead_and_ends_when_it_is_needed)
{
    struct wal_fixture f;
    struct request r;
    uint64_t next = 1;
    small_files(&f, 0);
    fake_disk_fail_chance(f.disk, FAKE_DISK_OPEN, 1, UV_EIO);
    fill(&f, 3, &next, 5, false);
    cr_assert_eq(count_files(&f), 1);
    int err = 0;
    for (; err == 0; next++) {
        request_init(&f, &r, 3);
        request_add(&r, next, 1, 1, 7000);
        err = fixture_finish(&f, &r);
    }
    cr_assert_eq(err, UV_EIO);
    fixture_close(&f);
}

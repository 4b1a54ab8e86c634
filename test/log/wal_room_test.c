/* A WAL on a full disk: it waits for room, gives back what it can, and loses nothing. */
#include "wal_fixture.h"

#define FILE_BYTES  (64 * KIB)
#define ENTRY_BYTES 7000
#define WAITING_MAX 32

static struct wal_fixture f;
static struct request requests[WAITING_MAX];
static unsigned sent;

static void begin(uint64_t capacity)
{
    fixture_init(&f, 1);
    f.options.file_size_bytes = FILE_BYTES;
    f.options.kept_bytes_max = 1024 * KIB;
    fixture_open(&f);
    fake_disk_set_capacity(f.disk, capacity);
    sent = 0;
}

/* Sends one more entry and runs; true when it is durable. */
static bool send_one(uint32_t group_id, uint64_t index)
{
    struct request *r = &requests[sent++];
    cr_assert_leq(sent, WAITING_MAX);
    request_init(&f, r, group_id);
    request_add(r, index, 1, 1, ENTRY_BYTES);
    cr_assert_eq(fixture_send(&f, r), 0);
    fixture_run(&f);
    return r->is_done;
}

/* Fills what room there is; returns the first index that waits. */
static uint64_t fill_up(uint32_t group_id)
{
    uint64_t index = 1;
    while (send_one(group_id, index))
        index++;
    return index;
}

static void finish(void)
{
    for (unsigned i = 0; i < sent; i++)
        request_close(&requests[i]);
    fixture_close(&f);
}

static bool is_out_of_files(void)
{
    struct log_wal_pace pace;
    log_wal_pace(f.wal, &pace);
    return pace.is_out_of_files;
}

Test(log_wal_room, that_is_missing_is_waited_for_and_used_when_it_comes)
{
    begin(FILE_BYTES + 4096); /* one file and no second */
    uint64_t waiting = fill_up(3);
    cr_assert_geq(waiting, 6);
    cr_assert(is_out_of_files());
    cr_assert_not(send_one(3, waiting + 1), "and so does what comes after it");
    for (unsigned i = 0; i < 5; i++) {
        log_wal_set_tight(f.wal, true);
        fixture_run(&f);
        cr_assert_not(requests[sent - 2].is_done);
    }
    fake_disk_set_capacity(f.disk, 0);
    log_wal_set_tight(f.wal, false);
    fixture_run(&f);
    for (unsigned i = 0; i < sent; i++)
        cr_assert(requests[i].is_done && requests[i].status == 0);
    cr_assert_not(is_out_of_files());
    for (uint64_t index = waiting + 2; index < waiting + 12; index++)
        cr_assert(send_one(3, index));
    fixture_reopen(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, waiting + 11);
    finish();
}

/* Nothing can be written but into the room that is left at the end of the last file. */
Test(log_wal_room, is_made_of_files_whose_entries_are_released)
{
    begin(2 * FILE_BYTES + 4096);
    uint64_t waiting = fill_up(3);
    log_wal_release(f.wal, 3, waiting - 1); /* a checkpoint; the budget would keep them */
    fixture_run(&f);
    cr_assert(requests[sent - 1].is_done);
    for (uint64_t index = waiting + 1; sent < WAITING_MAX - 1; index++) {
        cr_assert(send_one(3, index));
        log_wal_release(f.wal, 3, index);
        fixture_run(&f);
    }
    cr_assert_gt(fixture_counters(&f).files_recycled, 0);
    uint64_t last = fixture_state(&f, 3).last_index;
    fixture_power_cut(&f);
    fixture_open(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, last);
    finish();
}

Test(log_wal_room, is_made_also_when_other_groups_must_be_restated_first)
{
    begin(2 * FILE_BYTES + 4096);
    for (uint32_t group_id = 10; group_id < 14; group_id++)
        cr_assert_eq(fixture_vote(&f, group_id, 5, group_id), 0);
    uint64_t waiting = fill_up(3);
    log_wal_release(f.wal, 3, waiting - 1);
    fixture_run(&f);
    cr_assert(requests[sent - 1].is_done);
    fixture_power_cut(&f);
    fixture_open(&f);
    for (uint32_t group_id = 10; group_id < 14; group_id++) {
        cr_assert_eq(fixture_state(&f, group_id).term, 5);
        cr_assert_eq(fixture_state(&f, group_id).voted_for, group_id);
    }
    cr_assert_eq(fixture_state(&f, 3).last_index, waiting);
    finish();
}

static void count_name(void *data, const char *name, bool is_directory)
{
    (void)is_directory;
    *(unsigned *)data += strstr(name, ".wal") != NULL;
}

static unsigned count_files(void)
{
    unsigned count = 0;
    cr_assert_eq(disk_list(fake_disk_seam(f.disk), "wal", count_name, &count), 0);
    return count;
}

Test(log_wal_room, kept_for_catch_up_is_given_back_when_the_disk_is_full)
{
    begin(0);
    for (uint64_t index = 1; index <= 30; index++)
        cr_assert(send_one(3, index));
    log_wal_release(f.wal, 3, 30);
    fixture_run(&f);
    cr_assert_geq(count_files(), 4);
    log_wal_set_tight(f.wal, true);
    fixture_run(&f);
    cr_assert(send_one(3, 31));
    fixture_run(&f);
    cr_assert_leq(count_files(), 3);
    finish();
}

Test(log_wal_room, that_never_comes_does_not_keep_the_wal_from_stopping)
{
    begin(FILE_BYTES + 4096);
    fill_up(3);
    log_wal_stop(f.wal);
    fixture_run(&f);
    cr_assert(requests[sent - 1].is_done);
    cr_assert_eq(requests[sent - 1].status, ERR_CLOSED);
    finish();
}

Test(log_wal_pace, tells_how_long_writes_take_and_that_one_is_under_way)
{
    struct log_wal_pace pace;
    begin(0);
    log_wal_pace(f.wal, &pace);
    cr_assert_eq(pace.p50_us, 0);
    cr_assert_eq(pace.recent_us, 0);
    cr_assert(send_one(3, 1));
    log_wal_pace(f.wal, &pace);
    cr_assert_gt(pace.p50_us, 0);
    cr_assert_gt(pace.recent_us, 0);
    cr_assert_eq(pace.sync_count, 1);
    fake_clock_advance_ms(&f.clock, 1100);
    log_wal_pace(f.wal, &pace);
    cr_assert_eq(pace.recent_us, 0, "a second without a write");

    struct request *r = &requests[sent++];
    request_init(&f, r, 3);
    request_add(r, 2, 1, 1, ENTRY_BYTES);
    cr_assert_eq(fixture_send(&f, r), 0);
    fake_clock_advance_ms(&f.clock, 300);
    log_wal_pace(f.wal, &pace);
    cr_assert_eq(pace.writing_us, 300000);
    cr_assert_eq(pace.recent_us, 300000, "what is under way counts");
    fixture_run(&f);
    log_wal_pace(f.wal, &pace);
    cr_assert_eq(pace.writing_us, 0);
    cr_assert_geq(pace.p99_us, 1);
    cr_assert_leq(pace.queue_percent, 1);
    finish();
}

#include "log/wal.h"

#include "wal_fixture.h"

Test(log_wal, finds_its_entries_again_after_a_restart)
{
    struct wal_fixture f;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 5, 2, 100), 0);
    cr_assert_eq(fixture_append(&f, 3, 6, 1, 2, 30000), 0);
    cr_assert_eq(fixture_append(&f, 4, 100, 2, 9, 0), 0);
    cr_assert_eq(fixture_vote(&f, 3, 7, 42), 0);
    fixture_reopen(&f);
    struct log_wal_state s = fixture_state(&f, 3);
    cr_assert_eq(s.first_index, 1);
    cr_assert_eq(s.last_index, 6);
    cr_assert_eq(s.term, 7);
    cr_assert_eq(s.voted_for, 42);
    s = fixture_state(&f, 4);
    cr_assert_eq(s.first_index, 100);
    cr_assert_eq(s.last_index, 101);
    cr_assert_eq(fixture_counters(&f).torn_tails_cut, 0, "nothing was torn");
    fixture_close(&f);
}

Test(log_wal, knows_nothing_of_a_group_it_never_saw)
{
    struct wal_fixture f;
    struct log_wal_state s;
    uint64_t term;
    enum log_entry_type type;
    uint8_t heard[8];
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(log_wal_state(f.wal, 3, &s), ERR_NOT_FOUND);
    cr_assert_eq(log_wal_entry_term(f.wal, 3, 1, &term, &type), ERR_NOT_FOUND);
    cr_assert_eq(log_wal_heard(f.wal, 3, heard, sizeof heard), 0);
    fixture_close(&f);
}

Test(log_wal, reads_entries_back_as_they_were)
{
    struct wal_fixture f;
    struct log_wal_read *read = malloc(sizeof *read);
    static const size_t sizes[] = {0, 5, 32, 500, 600, 40000};
    fixture_init(&f, 1);
    fixture_open(&f);
    for (uint64_t i = 0; i < 6; i++)
        cr_assert_eq(fixture_append(&f, 3, 1 + i, 1, 2, sizes[i]), 0);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(fixture_read(&f, read, 3, 1, 1000000), 0);
        cr_assert_eq(read->entry_count, 6);
        for (uint64_t i = 0; i < 6; i++)
            assert_is_entry(&read->entries[i], 3, 1 + i, 2, sizes[i]);
        read_close(read);
        fixture_reopen(&f);
    }
    free(read);
    fixture_close(&f);
}

Test(log_wal, reads_one_entry_however_large_and_no_more_than_asked)
{
    struct wal_fixture f;
    struct log_wal_read *read = malloc(sizeof *read);
    fixture_init(&f, 1);
    fixture_open(&f);
    for (uint64_t i = 1; i <= 4; i++)
        cr_assert_eq(fixture_append(&f, 3, i, 1, 2, 20000), 0);
    cr_assert_eq(fixture_read(&f, read, 3, 2, 10), 0);
    cr_assert_eq(read->entry_count, 1);
    read_close(read);
    cr_assert_eq(fixture_read(&f, read, 3, 1, 41000), 0);
    cr_assert_eq(read->entry_count, 2);
    read_close(read);
    cr_assert_eq(fixture_read(&f, read, 3, 5, 10), ERR_OUT_OF_RANGE);
    cr_assert_eq(fixture_read(&f, read, 9, 1, 10), ERR_OUT_OF_RANGE);
    cr_assert_eq(fixture_read(&f, read, 3, 0, 10), ERR_COMPACTED);
    free(read);
    fixture_close(&f);
}

Test(log_wal, gathers_what_is_queued_into_one_write_and_one_sync)
{
    struct wal_fixture f;
    static struct request requests[50];
    fixture_init(&f, 1);
    fixture_open(&f);
    uint64_t writes = fake_disk_count(f.disk, FAKE_DISK_WRITE);
    uint64_t syncs = fake_disk_count(f.disk, FAKE_DISK_SYNC);
    for (uint32_t i = 0; i < 50; i++) {
        request_init(&f, &requests[i], i % 7);
        request_add(&requests[i], 1 + i / 7, 1, 1, 100);
        cr_assert_eq(fixture_send(&f, &requests[i]), 0);
        cr_assert(!requests[i].is_done);
    }
    fake_work_run_one(&f.writer);
    cr_assert_eq(fake_disk_count(f.disk, FAKE_DISK_WRITE), writes + 1);
    cr_assert_eq(fake_disk_count(f.disk, FAKE_DISK_SYNC), syncs + 1);
    for (uint32_t i = 0; i < 50; i++) {
        cr_assert(!requests[i].is_done, "only its home may run the callback");
        fake_work_run_one(&f.home);
        cr_assert(requests[i].is_done, "waiters complete in the order of appending");
        cr_assert_eq(requests[i].status, 0);
        request_close(&requests[i]);
    }
    cr_assert_eq(fixture_counters(&f).appends, 50);
    fixture_close(&f);
}

Test(log_wal, shows_nothing_before_it_is_durable)
{
    struct wal_fixture f;
    struct request r;
    struct log_wal_state s;
    fixture_init(&f, 1);
    fixture_open(&f);
    request_init(&f, &r, 3);
    request_add(&r, 1, 2, 1, 100);
    cr_assert_eq(fixture_send(&f, &r), 0);
    cr_assert_eq(log_wal_state(f.wal, 3, &s), ERR_NOT_FOUND);
    fixture_run(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, 2);
    request_close(&r);
    fixture_close(&f);
}

Test(log_wal, writes_heard_positions_without_a_sync)
{
    struct wal_fixture f;
    struct request r;
    uint8_t heard[16] = {0};
    fixture_init(&f, 1);
    fixture_open(&f);
    uint64_t syncs = fake_disk_count(f.disk, FAKE_DISK_SYNC);
    request_init(&f, &r, 3);
    r.append.heard = bytes_of_text("positions");
    cr_assert_eq(fixture_finish(&f, &r), 0);
    cr_assert_eq(fake_disk_count(f.disk, FAKE_DISK_SYNC), syncs);
    cr_assert_eq(log_wal_heard(f.wal, 3, heard, sizeof heard), 9);
    cr_assert_eq(fixture_vote(&f, 3, 1, 1), 0);
    fixture_power_cut(&f);
    fixture_open(&f);
    cr_assert_eq(log_wal_heard(f.wal, 3, heard, sizeof heard), 9, "the vote's sync covers it");
    cr_assert(memcmp(heard, "positions", 9) == 0);
    cr_assert_eq(log_wal_heard(f.wal, 3, heard, 3), 0, "no room, no half answer");
    fixture_close(&f);
}

Test(log_wal, truncates_on_conflict_and_takes_the_new_entries)
{
    struct wal_fixture f;
    struct request r;
    uint64_t term;
    enum log_entry_type type;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 10, 2, 100), 0);
    request_init(&f, &r, 3);
    r.append.truncate_from = 6;
    request_add(&r, 6, 2, 3, 50);
    cr_assert_eq(fixture_finish(&f, &r), 0);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(fixture_state(&f, 3).last_index, 7);
        cr_assert_eq(log_wal_entry_term(f.wal, 3, 5, &term, &type), 0);
        cr_assert_eq(term, 2);
        cr_assert_eq(log_wal_entry_term(f.wal, 3, 6, &term, &type), 0);
        cr_assert_eq(term, 3);
        cr_assert_eq(type, LOG_ENTRY_COMMAND);
        cr_assert_eq(log_wal_entry_term(f.wal, 3, 8, &term, &type), ERR_NOT_FOUND);
        fixture_reopen(&f);
    }
    fixture_close(&f);
}

Test(log_wal, replaces_its_entries_by_a_snapshot)
{
    struct wal_fixture f;
    struct request r;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 10, 2, 100), 0);
    request_init(&f, &r, 3);
    r.append.snapshot_index = 500;
    r.append.snapshot_term = 4;
    cr_assert_eq(fixture_finish(&f, &r), 0);
    cr_assert_eq(fixture_state(&f, 3).first_index, 501);
    cr_assert_eq(fixture_append(&f, 3, 501, 2, 4, 100), 0);
    fixture_reopen(&f);
    struct log_wal_state s = fixture_state(&f, 3);
    cr_assert_eq(s.snapshot_index, 500);
    cr_assert_eq(s.snapshot_term, 4);
    cr_assert_eq(s.first_index, 501);
    cr_assert_eq(s.last_index, 502);
    fixture_close(&f);
}

Test(log_wal, begins_anew_with_a_higher_generation_and_refuses_a_lower_one)
{
    struct wal_fixture f;
    struct request r;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 10, 2, 100), 0);
    cr_assert_eq(fixture_vote(&f, 3, 5, 1), 0);
    request_init(&f, &r, 3);
    r.append.group.generation = 1;
    r.append.group.recovery_id = 77;
    request_add(&r, 8, 1, 9, 100);
    cr_assert_eq(fixture_finish(&f, &r), 0);
    cr_assert_eq(fixture_append(&f, 3, 9, 1, 9, 100), ERR_OTHER_GENERATION);
    request_init(&f, &r, 3);
    r.append.group.generation = 1;
    r.append.group.recovery_id = 78;
    request_add(&r, 9, 1, 9, 100);
    cr_assert_eq(fixture_finish(&f, &r), ERR_OTHER_GENERATION, "another recovery's");
    fixture_reopen(&f);
    struct log_wal_state s = fixture_state(&f, 3);
    cr_assert_eq(s.group.generation, 1);
    cr_assert_eq(s.group.recovery_id, 77);
    cr_assert_eq(s.term, 0);
    cr_assert_eq(s.first_index, 8);
    cr_assert_eq(s.last_index, 8);
    fixture_close(&f);
}

static void count_group(void *data, uint32_t group_id)
{
    *(uint32_t *)data = *(uint32_t *)data * 10 + group_id;
}

Test(log_wal, forgets_a_dropped_group_and_lets_it_begin_again)
{
    struct wal_fixture f;
    struct log_wal_state s;
    uint32_t groups = 0;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 10, 2, 100), 0);
    cr_assert_eq(fixture_append(&f, 4, 1, 10, 2, 100), 0);
    log_wal_drop_group(f.wal, 3);
    fixture_run(&f);
    cr_assert_eq(log_wal_state(f.wal, 3, &s), ERR_NOT_FOUND);
    fixture_reopen(&f);
    cr_assert_eq(log_wal_state(f.wal, 3, &s), ERR_NOT_FOUND);
    log_wal_each_group(f.wal, count_group, &groups);
    cr_assert_eq(groups, 4);
    log_wal_drop_group(f.wal, 4);
    cr_assert_eq(fixture_append(&f, 4, 1, 1, 1, 10), 0, "behind its own end, in order");
    cr_assert_eq(fixture_state(&f, 4).last_index, 1);
    fixture_close(&f);
}

Test(log_wal, is_busy_beyond_its_bound_but_never_for_a_vote)
{
    struct wal_fixture f;
    static struct request requests[8], vote;
    fixture_init(&f, 1);
    f.options.queue_bytes_max = 50000;
    fixture_open(&f);
    unsigned taken = 0;
    for (; taken < 8; taken++) {
        request_init(&f, &requests[taken], 3);
        request_add(&requests[taken], 1 + taken, 1, 1, 20000);
        int err = fixture_send(&f, &requests[taken]);
        if (err != 0) {
            cr_assert_eq(err, ERR_BUSY);
            break;
        }
    }
    cr_assert_eq(taken, 2);
    request_init(&f, &vote, 3);
    vote.append.has_vote = true;
    cr_assert_eq(fixture_send(&f, &vote), 0);
    fixture_run(&f);
    cr_assert(!requests[2].is_done, "a refused request is never called back");
    cr_assert_eq(fixture_send(&f, &requests[2]), 0, "room again");
    fixture_run(&f);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(requests[i].is_done);
        request_close(&requests[i]);
    }
    fixture_close(&f);
}

Test(log_wal, refuses_a_request_larger_than_a_file)
{
    struct wal_fixture f;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 3, 1, 100000), ERR_TOO_LARGE);
    cr_assert_eq(fixture_append(&f, 3, 1, 2, 1, 100000), 0);
    fixture_close(&f);
}

Test(log_wal, keeps_an_entry_of_the_largest_size)
{
    struct wal_fixture f;
    struct log_wal_read *read = malloc(sizeof *read);
    struct request r;
    fixture_init(&f, 1);
    f.options.file_size_bytes = 40 << 20;
    fixture_open(&f);
    request_init(&f, &r, 3);
    struct buffer *b = buffer_create(LOG_ENTRY_SIZE_MAX);
    memset(b->data, 0x5a, b->capacity);
    r.entries[0] = (struct log_entry){.term = 1, .index = 1, .type = LOG_ENTRY_COMMAND};
    r.entries[0].crc = crc32c(0, bytes_of(b->data, b->capacity));
    r.entries[0].head = (struct slice){buffer_ref(b), bytes_of(b->data, 32)};
    r.entries[0].body = (struct slice){b, bytes_of(b->data + 32, b->capacity - 32)};
    r.append.entry_count = 1;
    cr_assert_eq(fixture_send(&f, &r), 0);
    fixture_run(&f);
    cr_assert_eq(r.status, 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_read(&f, read, 3, 1, 1), 0);
    cr_assert(bytes_is_equal(read->entries[0].body.bytes, r.entries[0].body.bytes));
    read_close(read);
    request_close(&r);
    free(read);
    fixture_close(&f);
}

Test(log_wal, ends_for_everyone_when_a_write_or_a_sync_fails)
{
    static const enum fake_disk_operation operations[] = {FAKE_DISK_WRITE, FAKE_DISK_SYNC};
    for (int i = 0; i < 2; i++) {
        struct wal_fixture f;
        struct request r[3];
        fixture_init(&f, 1);
        fixture_open(&f);
        cr_assert_eq(fixture_append(&f, 3, 1, 1, 1, 100), 0);
        for (unsigned k = 0; k < 2; k++) {
            request_init(&f, &r[k], 3);
            request_add(&r[k], 2 + k, 1, 1, 100);
            cr_assert_eq(fixture_send(&f, &r[k]), 0);
        }
        fake_disk_fail_nth(f.disk, operations[i], 1, UV_EIO);
        fake_work_run_one(&f.writer);
        request_init(&f, &r[2], 4);
        r[2].append.has_vote = true;
        cr_assert_eq(fixture_send(&f, &r[2]), UV_EIO, "nothing is taken any more");
        fixture_run(&f);
        for (unsigned k = 0; k < 2; k++) {
            cr_assert(r[k].is_done);
            cr_assert_eq(r[k].status, UV_EIO);
            request_close(&r[k]);
        }
        cr_assert_eq(fixture_state(&f, 3).last_index, 1, "what failed is not there");
        fixture_close(&f);
    }
}

Test(log_wal, tells_what_is_queued_when_it_is_stopped)
{
    struct wal_fixture f;
    struct request r;
    fixture_init(&f, 1);
    fixture_open(&f);
    request_init(&f, &r, 3);
    request_add(&r, 1, 1, 1, 100);
    cr_assert_eq(fixture_send(&f, &r), 0);
    log_wal_stop(f.wal);
    fixture_run(&f);
    cr_assert(r.is_done);
    cr_assert_eq(r.status, ERR_CLOSED);
    cr_assert_eq(fixture_finish(&f, &r), ERR_CLOSED);
    fixture_close(&f);
}

Test(log_wal, refuses_another_clusters_files)
{
    struct wal_fixture f;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 1, 1, 100), 0);
    fixture_kill(&f);
    f.options.cluster_id[1]++;
    cr_assert_eq(fixture_try_open(&f), ERR_OTHER_CLUSTER);
    cr_assert_not_null(strstr(f.note.text, ".wal"));
    f.options.cluster_id[1]--;
    fixture_open(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, 1, "and leaves them as they were");
    fixture_close(&f);
}

Test(log_wal, refuses_options_out_of_range)
{
    struct wal_fixture f;
    fixture_init(&f, 1);
    f.options.file_size_bytes = LOG_WAL_FILE_SIZE_MIN - 4096;
    cr_assert_eq(fixture_try_open(&f), ERR_INVALID);
    f.options.file_size_bytes = 256 * KIB + 1;
    cr_assert_eq(fixture_try_open(&f), ERR_INVALID);
    fixture_close(&f);
}

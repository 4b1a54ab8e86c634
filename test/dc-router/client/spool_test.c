/* The spool: what is stored is there, in order; what is not stored is an error; what is damaged is
 * said. */
#include "spool_fixture.h"

Test(spool, gives_records_back_in_order_and_whole)
{
    struct spool_bench b = spool_bench_of(1, 1 << 20, 8192);
    for (uint64_t order = 1; order <= 40; order++)
        cr_assert_eq(append(&b, order, order % 3, false), 0);
    for (uint64_t order = 1; order <= 40; order++)
        assert_takes(&b, order);
    assert_none_waits(&b);
    cr_assert_eq(spool_record_count(b.spool), 40, "taken is not done");
    spool_bench_close(&b);
}

Test(spool, has_its_records_after_it_was_closed)
{
    struct spool_bench b = spool_bench_of(2, 1 << 20, 8192);
    for (uint64_t order = 1; order <= 40; order++)
        cr_assert_eq(append(&b, order, order % 3, false), 0);
    for (uint64_t order = 2; order <= 40; order += 2)
        cr_assert_eq(spool_done(b.spool, order), 0);
    spool_bench_reopen(&b);
    cr_assert_eq(b.report.record_count, 20);
    cr_assert_eq(b.report.cut_bytes + b.report.damaged_bytes + b.report.missing_count, 0);
    cr_assert_eq(spool_order_next(b.spool), 41);
    for (uint64_t order = 1; order <= 40; order += 2)
        assert_takes(&b, order);
    assert_none_waits(&b);
    spool_bench_close(&b);
}

Test(spool, sorts_what_was_stored_out_of_order)
{
    struct spool_bench b = spool_bench_of(3, 1 << 20, 8192);
    static const uint64_t orders[] = {5, 3, 9, 1, 7};
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(append(&b, orders[i], 1, false), 0);
    assert_takes(&b, 1);
    spool_bench_reopen(&b);
    for (uint64_t order = 1; order <= 9; order += 2)
        assert_takes(&b, order);
    spool_bench_close(&b);
}

Test(spool, knows_which_keys_have_records_and_which_wait)
{
    struct spool_bench b = spool_bench_of(4, 1 << 20, 8192);
    cr_assert_eq(append(&b, 1, 77, false), 0);
    cr_assert(spool_has_key(b.spool, 77) && spool_key_waits(b.spool, 77));
    cr_assert(!spool_has_key(b.spool, 78));
    assert_takes(&b, 1);
    cr_assert(spool_has_key(b.spool, 77) && !spool_key_waits(b.spool, 77));
    cr_assert_eq(spool_give_back(b.spool, 1), 0);
    cr_assert(spool_key_waits(b.spool, 77));
    assert_takes(&b, 1);
    cr_assert_eq(spool_done(b.spool, 1), 0);
    cr_assert(!spool_has_key(b.spool, 77));
    cr_assert_eq(spool_done(b.spool, 1), ERR_NOT_FOUND);
    cr_assert_eq(spool_give_back(b.spool, 1), ERR_NOT_FOUND);
    spool_bench_close(&b);
}

Test(spool, gives_back_before_what_came_later)
{
    struct spool_bench b = spool_bench_of(5, 1 << 20, 8192);
    for (uint64_t order = 1; order <= 3; order++)
        cr_assert_eq(append(&b, order, 1, false), 0);
    assert_takes(&b, 1);
    assert_takes(&b, 2);
    spool_give_back(b.spool, 2);
    spool_give_back(b.spool, 1);
    for (uint64_t order = 1; order <= 3; order++)
        assert_takes(&b, order);
    spool_bench_close(&b);
}

Test(spool, refuses_an_order_twice)
{
    struct spool_bench b = spool_bench_of(6, 1 << 20, 8192);
    cr_assert_eq(append(&b, 1, 1, false), 0);
    cr_assert_eq(append(&b, 1, 1, false), ERR_EXISTS);
    spool_bench_close(&b);
}

static uint64_t fill(struct spool_bench *b, uint64_t from)
{
    while (append(b, from, from, false) == 0)
        from++;
    cr_assert_eq(append(b, from, from, false), ERR_FULL);
    return from;
}

Test(spool, refuses_beyond_its_bound_and_can_be_emptied_then)
{
    struct spool_bench b = spool_bench_of(7, 20000, 4000);
    uint64_t end = fill(&b, 1);
    cr_assert_gt(end, 10);
    for (uint64_t order = 1; order < end; order++) {
        assert_takes(&b, order);
        cr_assert_eq(spool_done(b.spool, order), 0);
        cr_assert_leq(spool_bytes(b.spool), 20000);
    }
    cr_assert_gt(fill(&b, end), end + 10, "there is room again");
    spool_bench_close(&b);
}

Test(spool, stays_within_its_bound_however_it_is_emptied)
{
    struct spool_bench b = spool_bench_of(8, 20000, 4000);
    uint64_t end = fill(&b, 1);
    for (uint64_t order = end; order-- > 1;) {
        cr_assert_eq(spool_done(b.spool, order), 0);
        cr_assert_leq(spool_bytes(b.spool), 20000);
    }
    cr_assert_gt(fill(&b, end), end + 10);
    spool_bench_close(&b);
}

Test(spool, has_room_again_where_one_file_is_all)
{
    struct spool_bench b = spool_bench_of(9, 4000, 4000);
    uint64_t end = fill(&b, 1);
    for (uint64_t order = 1; order < end; order++)
        cr_assert_eq(spool_done(b.spool, order), 0);
    cr_assert_gt(fill(&b, end), end);
    spool_bench_close(&b);
}

Test(spool, refuses_more_records_than_it_may_have)
{
    struct spool_bench b = spool_bench_of(10, 1 << 30, 1 << 20);
    for (uint64_t order = 1; order <= 1000; order++)
        cr_assert_eq(append(&b, order, 1, false), 0);
    cr_assert_eq(append(&b, 1001, 1, false), ERR_FULL);
    spool_done(b.spool, 500);
    cr_assert_eq(append(&b, 1001, 1, false), 0);
    spool_bench_close(&b);
}

Test(spool, refuses_bounds_that_allow_nothing)
{
    struct spool_bench b = spool_bench_of(11, 4000, 4000);
    spool_close(b.spool);
    b.options.bytes_max = 3999;
    cr_assert_eq(spool_bench_open(&b), ERR_INVALID);
    spool_bench_close(&b);
}

Test(spool, leaves_no_files_when_nothing_is_pending)
{
    struct spool_bench b = spool_bench_of(12, 1 << 20, 4000);
    for (uint64_t order = 1; order <= 40; order++)
        cr_assert_eq(append(&b, order, 1, false), 0);
    for (uint64_t order = 1; order <= 40; order++)
        cr_assert_eq(spool_done(b.spool, order), 0);
    spool_bench_reopen(&b);
    cr_assert_eq(spool_bytes(b.spool), 0);
    char paths[8][128] = {{0}};
    disk_list(b.options.disk, "spool", find_file, &paths);
    for (int i = 0; i < 8; i++)
        cr_assert_str_empty(paths[i]);
    spool_bench_close(&b);
}

Test(spool, says_that_a_full_disk_is_full_and_goes_on_when_it_is_not)
{
    struct spool_bench b = spool_bench_of(13, 1 << 20, 8192);
    fake_disk_set_capacity(b.disk, 4096);
    uint64_t order = 1;
    while (append(&b, order, 1, true) == 0)
        order++;
    cr_assert_gt(order, 5);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(append(&b, order, 1, true), UV_ENOSPC);
    cr_assert(!spool_has(b.spool, order));
    fake_disk_set_capacity(b.disk, 0);
    cr_assert_eq(append(&b, order, 1, true), 0);
    spool_bench_crash(&b);
    cr_assert_eq(b.report.record_count, order);
    cr_assert_eq(b.report.damaged_bytes + b.report.missing_count, 0);
    for (uint64_t stored = 1; stored <= order; stored++)
        assert_takes(&b, stored);
    spool_bench_close(&b);
}

Test(spool, gives_no_success_to_what_could_not_be_made_durable)
{
    struct spool_bench b = spool_bench_of(14, 1 << 20, 8192);
    cr_assert_eq(append(&b, 1, 1, true), 0);
    cr_assert_eq(append(&b, 2, 1, false), 0);
    fake_disk_fail_nth(b.disk, FAKE_DISK_SYNC, 1, UV_EIO);
    cr_assert_eq(append(&b, 3, 1, true), UV_EIO);
    cr_assert(!spool_has(b.spool, 3));
    cr_assert_eq(append(&b, 4, 1, true), 0, "the next file takes it");
    cr_assert_eq(spool_sync(b.spool), UV_EIO, "nobody knows of the second");
    spool_done(b.spool, 2);
    spool_done(b.spool, 1);
    cr_assert_eq(spool_sync(b.spool), 0);
    spool_bench_crash(&b);
    cr_assert(spool_has(b.spool, 4));
    cr_assert(!spool_has(b.spool, 3));
    spool_bench_close(&b);
}

Test(spool, does_not_name_a_file_that_a_crash_takes)
{
    struct spool_bench b = spool_bench_of(15, 1 << 20, 8192);
    fake_disk_fail_nth(b.disk, FAKE_DISK_SYNC_DIRECTORY, 1, UV_EIO);
    cr_assert_eq(append(&b, 1, 1, true), UV_EIO);
    cr_assert_eq(append(&b, 2, 1, true), 0);
    spool_bench_crash(&b);
    cr_assert(spool_has(b.spool, 2));
    spool_bench_close(&b);
}

Test(spool, begins_no_files_without_end_on_a_broken_disk)
{
    struct spool_bench b = spool_bench_of(16, 20000, 4000);
    fake_disk_fail_chance(b.disk, FAKE_DISK_WRITE, 1, UV_EIO);
    int err = 0;
    for (int i = 0; i < 500; i++)
        err = append(&b, 1, 1, true);
    cr_assert_lt(err, 0);
    cr_assert_lt(fake_disk_open_count(b.disk), 100);
    spool_bench_close(&b);
}

/* Where the record stands in the first file, when all contents are those of content_of(). */
static uint64_t position_of(uint64_t order)
{
    uint64_t position = 0;
    uint8_t content[2000];
    for (uint64_t o = 1; o < order; o++)
        position += 40 + content_of(o, content);
    return position;
}

static void damage(struct spool_bench *b, uint64_t position, unsigned bit)
{
    char paths[8][128] = {{0}};
    disk_list(b->options.disk, "spool", find_file, &paths);
    cr_assert_eq(fake_disk_flip_bit(b->disk, paths[1], position, bit), 0);
}

Test(spool, finds_each_flipped_bit_and_keeps_all_others)
{
    for (uint64_t position = 0; position < position_of(4); position += 3) {
        struct spool_bench b = spool_bench_of(17, 1 << 20, 8192);
        for (uint64_t order = 1; order <= 5; order++)
            cr_assert_eq(append(&b, order, 1, true), 0);
        damage(&b, position, position % 8);
        spool_bench_reopen(&b);
        uint64_t lost = position < position_of(2) ? 1 : position < position_of(3) ? 2 : 3;
        cr_assert_gt(b.report.damaged_bytes, 0, "at %lu", (unsigned long)position);
        cr_assert_eq(b.report.missing_count, lost > 1, "before the first none is known");
        cr_assert_eq(b.report.record_count, 4);
        for (uint64_t order = 1; order <= 5; order++)
            if (order != lost)
                assert_takes(&b, order);
        spool_bench_close(&b);
    }
}

Test(spool, says_which_record_went_bad_while_it_waited)
{
    struct spool_bench b = spool_bench_of(18, 1 << 20, 8192);
    for (uint64_t order = 1; order <= 3; order++)
        cr_assert_eq(append(&b, order, 1, true), 0);
    damage(&b, position_of(2) + 50, 3);
    assert_takes(&b, 1);
    uint64_t order;
    uint8_t *content;
    size_t size;
    cr_assert_eq(spool_take(b.spool, &order, &content, &size), ERR_CORRUPT);
    cr_assert_eq(order, 2);
    cr_assert(!spool_has(b.spool, 2));
    assert_takes(&b, 3);
    spool_bench_close(&b);
}

Test(spool, keeps_a_record_that_can_not_be_read_now)
{
    struct spool_bench b = spool_bench_of(19, 1 << 20, 8192);
    cr_assert_eq(append(&b, 1, 1, true), 0);
    fake_disk_fail_nth(b.disk, FAKE_DISK_READ, 1, UV_EIO);
    uint64_t order;
    uint8_t *content;
    size_t size;
    cr_assert_eq(spool_take(b.spool, &order, &content, &size), UV_EIO);
    assert_takes(&b, 1);
    spool_bench_close(&b);
}

Test(spool, cuts_a_torn_end_off_at_any_byte)
{
    for (uint64_t size = position_of(3); size < position_of(4); size++) {
        struct spool_bench b = spool_bench_of(20, 1 << 20, 8192);
        for (uint64_t order = 1; order <= 3; order++)
            cr_assert_eq(append(&b, order, 1, true), 0);
        spool_close(b.spool);
        char paths[8][128] = {{0}};
        disk_list(b.options.disk, "spool", find_file, &paths);
        cr_assert_eq(fake_disk_cut(b.disk, paths[1], size), 0);
        cr_assert_eq(spool_bench_open(&b), 0);
        cr_assert_eq(b.report.cut_bytes, size - position_of(3));
        cr_assert_eq(b.report.record_count, 2);
        cr_assert_eq(append(&b, 9, 1, true), 0);
        spool_bench_crash(&b);
        cr_assert_eq(b.report.cut_bytes + b.report.damaged_bytes + b.report.missing_count, 0,
                     "it is said once");
        assert_takes(&b, 1);
        assert_takes(&b, 2);
        assert_takes(&b, 9);
        spool_bench_close(&b);
    }
}

Test(spool, takes_no_record_out_of_another_ones_content)
{
    struct spool_bench b = spool_bench_of(21, 1 << 20, 8192);
    cr_assert_eq(append(&b, 1, 1, true), 0);
    char paths[8][128] = {{0}};
    disk_list(b.options.disk, "spool", find_file, &paths);
    uint8_t file[4000];
    uint64_t size = fake_disk_peek(b.disk, paths[1], file, sizeof file);
    cr_assert_eq(spool_append(b.spool, 2, 1, bytes_of(file, size), true, true), 0);
    cr_assert_eq(append(&b, 3, 1, true), 0);
    damage(&b, position_of(2) + 1, 0); /* the second's own head */
    cr_assert_eq(spool_done(b.spool, 1), 0);
    spool_bench_reopen(&b);
    cr_assert_eq(b.report.record_count, 1, "a record that was sent once would be there twice");
    cr_assert_eq(b.report.missing_count, 1);
    assert_takes(&b, 3);
    spool_bench_close(&b);
}

Test(spool, has_room_however_often_its_owner_starts_while_no_site_takes_its_records)
{
    struct spool_bench b = spool_bench_of(17, 20000000, 4000);
    b.options.bytes_max = 200000;
    for (uint64_t order = 1; order <= 300; order++) {
        cr_assert_eq(spool_append(b.spool, order, 1, bytes_of_text("x"), true, true), 0, "start %d",
                     (int)order);
        spool_bench_reopen(&b);
    }
    cr_assert_eq(spool_record_count(b.spool), 300);
    spool_bench_close(&b);
}

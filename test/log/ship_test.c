/* Snapshots from one store into another (log/ship_*.c). */
#include "log/repair.h"
#include "shipping.h"

#define SOURCE_INDEX 300

static void tell(struct stage *s, uint64_t seed, uint64_t from, uint64_t to)
{
    for (uint64_t index = from; index <= to; index++)
        story_apply(s->store, seed, index);
    cr_assert_eq(stage_checkpoint(s, to), 0);
}

static void check_level(struct stage *from, struct stage *to)
{
    cr_assert_eq(log_store_state(to->store)->index, log_store_state(from->store)->index);
    check_state(to->store);
    check_same(from, to);
}

Test(log_ship, gives_an_empty_replica_the_same_files_to_the_byte)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stage from, to;
        unsigned carried;
        stage_init(&from, seed);
        stage_init(&to, seed);
        tell(&from, seed, 1, SOURCE_INDEX);
        cr_assert_eq(ship(&from, &to, &carried), 0);
        check_level(&from, &to);
        tell(&from, seed, SOURCE_INDEX + 1, SOURCE_INDEX + 60);
        tell(&to, seed, SOURCE_INDEX + 1, SOURCE_INDEX + 60);
        check_level(&from, &to);
        stage_close(&from);
        stage_close(&to);
    }
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_ship, does_not_fetch_sealed_segments_that_are_there)
{
    struct stage from, to, empty;
    unsigned carried, carried_to_empty;
    stage_init(&from, 4);
    stage_init(&to, 4);
    stage_init(&empty, 4);
    tell(&from, 4, 1, SOURCE_INDEX);
    tell(&to, 4, 1, SOURCE_INDEX - 20);
    cr_assert_eq(ship(&from, &to, &carried), 0);
    cr_assert_eq(ship(&from, &empty, &carried_to_empty), 0);
    cr_assert_lt(carried, carried_to_empty / 2);
    check_level(&from, &to);
    check_level(&from, &empty);
    stage_close(&from);
    stage_close(&to);
    stage_close(&empty);
}

/* Most partitions of a group are idle: their open segments are the same wherever they are. */
Test(log_ship, does_not_fetch_open_segments_that_have_not_grown)
{
    struct stage from, to;
    unsigned carried;
    stage_init(&from, 4);
    stage_init(&to, 4);
    tell(&from, 4, 1, SOURCE_INDEX);
    tell(&to, 4, 1, SOURCE_INDEX);
    tell(&from, 4, SOURCE_INDEX + 1, SOURCE_INDEX + 2);
    cr_assert_eq(ship(&from, &to, &carried), 0);
    cr_assert_leq(carried, 2 * 3, "%u: the files of two partitions at most", carried);
    check_level(&from, &to);
    stage_close(&from);
    stage_close(&to);
}

/* A store with one large file, of batches of a mebibyte and a half. */
static void tell_of_a_large_file(struct stage *s)
{
    struct log_partition_id id = id_numbered(1);
    struct log_partition_settings settings = small_settings();
    struct log_partition *p;
    settings.segment_bytes = 16u << 20;
    cr_assert_eq(log_store_partition_add(s->store, 1, &id, &settings, 0, &p), 0);
    append_planned(p, &(struct batch_plan){.record_count = 1, .value_size = 3u << 19});
    cr_assert_eq(stage_checkpoint(s, 1), 0);
}

static void tell_more(struct stage *s, uint64_t index)
{
    struct log_partition *p = log_store_partition(s->store, 1);
    struct batch_plan plan = {.base_offset = log_partition_next_offset(p),
                              .record_count = 1,
                              .base_timestamp = (int64_t)index,
                              .value_size = 3u << 19};
    append_planned(p, &plan);
    cr_assert_eq(stage_checkpoint(s, index), 0);
}

enum own_file { OWN_SOUND, OWN_DAMAGED, OWN_CUT };

/* Five batches are here, two more are there. Returns the pieces that were fetched. */
static unsigned fetch_what_has_grown(enum own_file own)
{
    static const char path[] = "topics/abcd0000000000000000000000000000-1/00000000000000000000.log";
    struct stage from, to;
    unsigned carried, again = 0;
    stage_init(&from, 9);
    stage_init(&to, 9);
    tell_of_a_large_file(&from);
    tell_of_a_large_file(&to);
    for (uint64_t index = 2; index <= 7; index++) {
        tell_more(&from, index);
        if (index <= 5)
            tell_more(&to, index);
    }
    if (own == OWN_DAMAGED)
        cr_assert_eq(fake_disk_flip_bit(to.disk, path, 4000000, 3), 0);
    if (own == OWN_CUT) {
        struct disk_file *file;
        cr_assert_eq(disk_open(fake_disk_seam(to.disk), path, DISK_WRITE, &file), 0);
        cr_assert_eq(disk_truncate(fake_disk_seam(to.disk), file, 3000000), 0);
        disk_close(fake_disk_seam(to.disk), file);
    }
    struct log_pin *pin;
    struct log_install *install;
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    cr_assert_eq(log_store_install_begin(to.store, log_pin_contents(pin), &install), 0);
    cr_assert_eq(carry(&from, pin, &to, install, UINT32_MAX, &carried), 0);
    if (own == OWN_DAMAGED) {
        cr_assert_eq(commit(&to, install), ERR_CORRUPT, "the whole is checked");
        cr_assert_eq(carry(&from, pin, &to, install, UINT32_MAX, &again), 0);
    }
    cr_assert_eq(commit(&to, install), 0);
    log_store_unpin(from.store, pin);
    check_level(&from, &to);
    stage_close(&from);
    stage_close(&to);
    return carried + again;
}

Test(log_ship, fetches_only_what_is_new_of_an_open_segment)
{
    cr_assert_leq(fetch_what_has_grown(OWN_SOUND), 4 + 2,
                  "3 MiB, the piece they begin in, indexes");
}

Test(log_ship, fetches_what_its_own_segment_turns_out_not_to_have)
{
    cr_assert_geq(fetch_what_has_grown(OWN_DAMAGED), 4 + 11, "all of it, after what seemed new");
    unsigned cut = fetch_what_has_grown(OWN_CUT);
    cr_assert(cut > 6 && cut < 4 + 11, "%u: what is behind the cut", cut);
}

/* Ended after any number of pieces, by an abort or with its process: what is left is fetched. */
static void resume_after(unsigned piece_count, bool with_restart)
{
    struct stage from, to;
    struct log_pin *pin;
    struct log_install *install;
    unsigned all, first, rest;
    stage_init(&from, 6);
    stage_init(&to, 6);
    tell(&from, 6, 1, SOURCE_INDEX);
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    cr_assert_eq(log_store_install_begin(to.store, log_pin_contents(pin), &install), 0);
    all = log_pin_file_count(pin); /* each smaller than a piece */
    cr_assert_gt(all, piece_count);
    cr_assert_eq(carry(&from, pin, &to, install, piece_count, &first), 0);
    if (with_restart) {
        log_store_close(to.store);
        cr_assert_eq(stage_open(&to), 0);
    } else {
        log_install_abort(install);
    }
    cr_assert_eq(log_store_install_begin(to.store, log_pin_contents(pin), &install), 0);
    cr_assert_eq(carry(&from, pin, &to, install, UINT32_MAX, &rest), 0);
    cr_assert_eq(first + rest, all, "%u and %u of %u pieces", first, rest, all);
    cr_assert_eq(commit(&to, install), 0);
    log_store_unpin(from.store, pin);
    check_level(&from, &to);
    stage_close(&from);
    stage_close(&to);
}

Test(log_ship, fetches_no_piece_twice_when_it_was_ended_and_begins_again)
{
    for (unsigned piece_count = 1; piece_count < 12; piece_count += 2) {
        resume_after(piece_count, false);
        resume_after(piece_count, true);
    }
}

Test(log_ship, is_wholly_there_or_not_at_all_after_a_crash_at_any_point)
{
    unsigned old_count = 0, new_count = 0, resumed_count = 0;
    struct stage from;
    stage_init(&from, 11);
    tell(&from, 11, 1, SOURCE_INDEX);
    for (uint64_t nth = 1, is_halted = true; is_halted; nth++) {
        struct stage to;
        unsigned carried = 0, carried_again = 0;
        stage_init(&to, nth);
        tell(&to, 11, 1, SOURCE_INDEX / 2);
        fake_disk_halt_at(to.disk, nth);
        int status = ship(&from, &to, &carried);
        is_halted = fake_disk_is_halted(to.disk);
        cr_assert_eq(status != 0, is_halted);
        stage_crash(&to);
        uint64_t index = log_store_state(to.store)->index;
        cr_assert(index == SOURCE_INDEX / 2 || index == SOURCE_INDEX, "nth %lu: %lu",
                  (unsigned long)nth, (unsigned long)index);
        check_state(to.store);
        if (index == SOURCE_INDEX) {
            cr_assert_eq(stage_checkpoint(&to, index), 0, "what the log has no longer goes");
            new_count++;
        } else {
            struct stage same;
            stage_init(&same, 1);
            tell(&same, 11, 1, SOURCE_INDEX / 2);
            check_same(&same, &to);
            stage_close(&same);
            old_count++;
            /* A staged file may have lost sectors with the power: then it is fetched again. */
            while ((status = ship(&from, &to, &carried_again)) == ERR_CORRUPT) {
                log_store_close(to.store);
                cr_assert_eq(stage_open(&to), 0);
            }
            cr_assert_eq(status, 0);
            resumed_count += carried > 10 && carried_again < carried;
        }
        check_level(&from, &to);
        stage_close(&to);
    }
    cr_assert_gt(old_count, 50);
    cr_assert_gt(new_count, 20);
    cr_assert_gt(resumed_count, 10);
    stage_close(&from);
}

/* One operation of the commit finds no room. Returns how often it did. */
static uint64_t commit_without_room(struct stage *from, struct stage *to,
                                    enum fake_disk_operation operation, uint64_t nth,
                                    unsigned *given_up)
{
    struct log_pin *pin;
    struct log_install *install;
    unsigned carried;
    cr_assert_eq(log_store_pin(from->store, &pin), 0);
    cr_assert_eq(log_store_install_begin(to->store, log_pin_contents(pin), &install), 0);
    cr_assert_eq(carry(from, pin, to, install, UINT32_MAX, &carried), 0);
    fake_disk_fail_nth(to->disk, operation, nth, UV_ENOSPC);
    int status = commit(to, install);
    fake_disk_fail_nth(to->disk, operation, 0, 0);
    cr_assert(status == 0 || status == UV_ENOSPC, "%s", err_name(status));
    if (status != 0 && log_install_is_decided(install)) {
        struct log_partition *p = log_store_partition(to->store, 1);
        struct piece_result result = {0};
        struct log_read read = {.data = &result,
                                .readers = &to->work.seam,
                                .home = &to->work.seam,
                                .size_bytes_max = 1};
        if (p != NULL && log_partition_start_offset(p) < log_partition_next_offset(p)) {
            log_partition_trim_tail(p, 0);
            read.offset = log_partition_start_offset(p);
            read.offset_max = INT64_MAX;
            cr_assert_eq(log_partition_read(p, &read, NULL), ERR_BUSY, "nothing half done is read");
        }
        cr_assert_eq(commit(to, install), 0, "it is done when there is room");
    } else if (status != 0) {
        log_install_abort(install);
        cr_assert_eq(log_store_state(to->store)->index, SOURCE_INDEX / 2);
        tell(to, 11, SOURCE_INDEX / 2 + 1, SOURCE_INDEX / 2 + 20); /* it goes on as it was */
        if (nth % 2 == 0) {
            log_store_close(to->store);
            cr_assert_eq(stage_open(to), 0);
        }
        cr_assert_eq(log_store_state(to->store)->index, SOURCE_INDEX / 2 + 20);
        cr_assert_eq(ship(from, to, &carried), 0);
        (*given_up)++;
    }
    log_store_unpin(from->store, pin);
    return status != 0;
}

Test(log_ship, is_given_up_or_done_later_where_the_swap_finds_no_room)
{
    static const enum fake_disk_operation operations[] = {
        FAKE_DISK_WRITE,  FAKE_DISK_SYNC,           FAKE_DISK_OPEN,          FAKE_DISK_TRUNCATE,
        FAKE_DISK_RENAME, FAKE_DISK_MAKE_DIRECTORY, FAKE_DISK_SYNC_DIRECTORY};
    unsigned given_up = 0;
    uint64_t missed = 0;
    struct stage from;
    stage_init(&from, 11);
    tell(&from, 11, 1, SOURCE_INDEX);
    for (unsigned i = 0; i < sizeof operations / sizeof operations[0]; i++)
        for (uint64_t nth = 1, has_missed = 1; has_missed; nth++) {
            struct stage to;
            stage_init(&to, nth);
            tell(&to, 11, 1, SOURCE_INDEX / 2);
            has_missed = commit_without_room(&from, &to, operations[i], nth, &given_up);
            missed += has_missed;
            check_level(&from, &to);
            log_store_close(to.store);
            cr_assert_eq(stage_open(&to), 0);
            check_level(&from, &to);
            stage_close(&to);
        }
    cr_assert_gt(given_up, 30);
    cr_assert_gt(missed, given_up + 30);
    stage_close(&from);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_ship, keeps_pinned_files_while_retention_and_removal_go_on)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stage from, to, same;
        struct log_pin *pin;
        struct log_install *install;
        unsigned carried;
        stage_init(&from, seed);
        stage_init(&to, seed);
        stage_init(&same, seed);
        tell(&from, seed, 1, 250);
        tell(&same, seed, 1, 250);
        cr_assert_eq(log_store_pin(from.store, &pin), 0);
        cr_assert_eq(log_store_install_begin(to.store, log_pin_contents(pin), &install), 0);
        cr_assert_eq(carry(&from, pin, &to, install, 5, &carried), 0);
        for (uint32_t number = 0; number < STORY_PARTITIONS_MAX; number++) {
            struct log_partition *p = log_store_partition(from.store, number);
            if (p != NULL && number % 2 == 0)
                log_store_partition_remove(from.store, number);
            else if (p != NULL)
                log_partition_advance_start(p, log_partition_next_offset(p));
        }
        tell(&from, seed, 401, 402);
        cr_assert_eq(carry(&from, pin, &to, install, UINT32_MAX, &carried), 0);
        cr_assert_eq(commit(&to, install), 0);
        check_level(&same, &to);
        log_store_unpin(from.store, pin);
        tell(&from, seed, 403, 404);
        struct tree_sum before = sum_of_topics(&from);
        log_store_close(from.store);
        cr_assert_eq(stage_open(&from), 0);
        cr_assert_eq(sum_of_topics(&from).file_count, before.file_count, "a file was left over");
        stage_close(&from);
        stage_close(&to);
        stage_close(&same);
    }
}

static void flip_a_bit(void *data, const char *name, bool is_directory)
{
    char path[256];
    (void)is_directory;
    snprintf(path, sizeof path, "groups/5/incoming/%s", name);
    cr_assert_eq(fake_disk_flip_bit(data, path, 0, 3), 0);
}

/* What the source's disk has damaged it does not ship, and it looks into that itself. */
Test(log_ship, ships_no_file_that_is_damaged_at_its_source)
{
    struct stage from;
    struct log_pin *pin;
    struct log_flaw flaw;
    stage_init(&from, 6);
    tell(&from, 6, 1, SOURCE_INDEX);
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    char path[128];
    bool is_flipped = false;
    for (unsigned i = 0; i < 3 * STORY_PARTITIONS_MAX && !is_flipped; i++) {
        snprintf(path, sizeof path, "topics/abcd0000000000000000000000000000-%u/%020u.log", i / 3,
                 i % 3);
        is_flipped = fake_disk_flip_bit(from.disk, path, 100, 3) == 0;
    }
    cr_assert(is_flipped);
    unsigned refused = 0;
    for (unsigned file = 0; file < log_pin_file_count(pin); file++) {
        struct piece_result result = {0};
        struct log_pin_read read = {.data = &result, .pin = pin, .file = file, .size_max = 1 << 20};
        log_pin_read(from.store, &read, on_piece_read);
        fake_work_run_all(&from.work, NULL);
        slice_unref(&read.piece);
        refused += result.status == ERR_CORRUPT;
    }
    cr_assert_eq(refused, 1);
    cr_assert(log_store_next_flaw(from.store, 1, &flaw));
    log_store_unpin(from.store, pin);
    stage_close(&from);
}

Test(log_ship, reads_no_more_than_a_piece_however_much_a_peer_asks_for)
{
    struct stage from;
    struct log_pin *pin;
    stage_init(&from, 8);
    tell_of_a_large_file(&from);
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    struct piece_result result = {0};
    struct log_pin_read read = {.data = &result, .pin = pin, .size_max = UINT32_MAX};
    log_pin_read(from.store, &read, on_piece_read);
    fake_work_run_all(&from.work, NULL);
    cr_assert(result.is_done && result.status == 0);
    cr_assert_eq(read.size, 1u << 20);
    cr_assert_eq(read.piece.bytes.size, read.size);
    slice_unref(&read.piece);
    log_store_unpin(from.store, pin);
    stage_close(&from);
}

Test(log_ship, refuses_a_file_with_a_flipped_bit_and_asks_for_it_again)
{
    struct stage from, to;
    struct log_pin *pin;
    struct log_install *install;
    unsigned carried, again;
    stage_init(&from, 6);
    stage_init(&to, 6);
    tell(&from, 6, 1, SOURCE_INDEX);
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    cr_assert_eq(log_store_install_begin(to.store, log_pin_contents(pin), &install), 0);
    cr_assert_eq(carry(&from, pin, &to, install, UINT32_MAX, &carried), 0);
    cr_assert_eq(disk_list(fake_disk_seam(to.disk), "groups/5/incoming", flip_a_bit, to.disk), 0);
    cr_assert_eq(commit(&to, install), ERR_CORRUPT);
    cr_assert_eq(log_store_state(to.store)->index, 0);
    cr_assert_eq(commit(&to, install), ERR_INVALID, "pieces are missing now");
    cr_assert_eq(carry(&from, pin, &to, install, UINT32_MAX, &again), 0);
    cr_assert_eq(again, carried);
    cr_assert_eq(commit(&to, install), 0);
    log_store_unpin(from.store, pin);
    check_level(&from, &to);
    stage_close(&from);
    stage_close(&to);
}

Test(log_ship, refuses_contents_cut_anywhere_or_of_another_group)
{
    struct stage from, to;
    struct log_pin *pin;
    struct log_install *install;
    stage_init(&from, 6);
    stage_init(&to, 6);
    cr_assert_eq(log_store_pin(from.store, &pin), ERR_NOT_FOUND, "there is no checkpoint yet");
    tell(&from, 6, 1, 60);
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    struct bytes contents = log_pin_contents(pin);
    for (size_t size = 0; size < contents.size; size++)
        cr_assert_lt(log_store_install_begin(to.store, bytes_of(contents.data, size), &install), 0);
    struct log_store *other;
    cr_assert_eq(
        log_store_open(fake_disk_seam(to.disk), 6, &to.work.seam, &to.work.seam, &other, NULL), 0);
    cr_assert_eq(log_store_install_begin(other, contents, &install), ERR_MALFORMED);
    log_store_close(other);
    log_store_unpin(from.store, pin);
    stage_close(&from);
    stage_close(&to);
}

/* What failed, on the simulated disk: tried again later and later, and nothing lost by any crash.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "fake/fake_disk.h"
#include "retry_log.h"

struct bench {
    struct fake_disk *disk;
    struct retry_log *log;
    struct retry_log_options options;
    struct retry_log_report report; /* of the last opening */
    uint64_t now_ms;
};

static int open_log(struct bench *b)
{
    b->options.seed++;
    b->log = NULL;
    struct err_note note = {0};
    int err = retry_log_open(&b->log, &b->options, b->now_ms, &b->report, &note);
    cr_assert(err == 0 || note.text[0] != '\0', "no refusal without a reason");
    return err;
}

static struct bench bench_of(uint64_t seed)
{
    struct bench b = {.disk = fake_disk_create(seed), .now_ms = 1000};
    b.options = (struct retry_log_options){.disk = fake_disk_seam(b.disk),
                                           .folder = "failures",
                                           .bytes_max = 1 << 20,
                                           .file_bytes_max = 8192,
                                           .record_count_max = 100,
                                           .failure_count_max = 4,
                                           .wait_ms = 100,
                                           .wait_ms_max = 300,
                                           .seed = seed << 32};
    cr_assert_eq(open_log(&b), 0);
    return b;
}

static void clear(struct bench *b)
{
    retry_log_close(b->log);
    cr_assert_eq(fake_disk_open_count(b->disk), 0);
    fake_disk_destroy(b->disk);
}

/* The power is gone, and back. */
static void crash(struct bench *b)
{
    fake_disk_halt(b->disk);
    retry_log_close(b->log);
    fake_disk_crash(b->disk, NULL);
    cr_assert_eq(open_log(b), 0);
}

static int add(struct bench *b, const char *content, const char *reason)
{
    return retry_log_add(b->log, 7, bytes_of_text(content), reason, 5000, b->now_ms);
}

/* The order of the one that is due now, which must be this one. */
static uint64_t assert_takes(struct bench *b, const char *content, uint32_t failure_count)
{
    struct retry_entry entry;
    cr_assert_eq(retry_log_take(b->log, b->now_ms, &entry), 0);
    cr_assert_eq(entry.content.size, strlen(content));
    cr_assert_eq(memcmp(entry.content.data, content, entry.content.size), 0);
    cr_assert_eq(entry.failure_count, failure_count);
    cr_assert_eq(entry.failed_at_ms, 5000);
    cr_assert_eq(entry.key_hash, 7);
    free(entry.memory);
    return entry.order;
}

static void assert_nothing_due(struct bench *b)
{
    struct retry_entry entry;
    cr_assert_eq(retry_log_take(b->log, b->now_ms, &entry), ERR_NOT_FOUND);
}

Test(client_retry_log, waits_longer_after_each_failure_and_gives_up_at_the_cap)
{
    struct bench b = bench_of(1);
    cr_assert_eq(add(&b, "a", "no"), 0);
    static const uint64_t waits_ms[] = {100, 200, 300};
    bool is_given_up = false;
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t due_at_ms;
        cr_assert(retry_log_next_due(b.log, &due_at_ms));
        cr_assert_eq(due_at_ms, b.now_ms + waits_ms[i]);
        b.now_ms = due_at_ms - 1;
        assert_nothing_due(&b);
        b.now_ms++;
        uint64_t order = assert_takes(&b, "a", i + 1);
        cr_assert_not(is_given_up);
        cr_assert_eq(retry_log_again(b.log, order, "no again", b.now_ms, &is_given_up), 0);
    }
    cr_assert(is_given_up);
    cr_assert_eq(retry_log_given_up_count(b.log), 1);
    b.now_ms += 1000000;
    assert_nothing_due(&b);
    clear(&b);
}

static void renew(void *log, const struct retry_entry *entry, int err)
{
    cr_assert_eq(err, 0);
    cr_assert(entry->is_given_up);
    cr_assert_str_eq(entry->reason, "worse");
    cr_assert_eq(retry_log_renew(log, entry->order, 9000), 0);
}

Test(client_retry_log, keeps_what_is_given_up_until_somebody_renews_it)
{
    struct bench b = bench_of(2);
    b.options.failure_count_max = 2;
    crash(&b);
    cr_assert_eq(add(&b, "a", "no"), 0);
    b.now_ms += 100;
    uint64_t order = assert_takes(&b, "a", 1);
    cr_assert_eq(retry_log_again(b.log, order, "worse", b.now_ms, NULL), 0);
    crash(&b);
    cr_assert_eq(b.report.given_up_count, 1, "it is known after a crash, too");
    cr_assert_eq(retry_log_list(b.log, renew, b.log), 0);
    cr_assert_eq(retry_log_given_up_count(b.log), 0);
    crash(&b);
    order = assert_takes(&b, "a", 0);
    cr_assert_eq(retry_log_done(b.log, order), 0);
    crash(&b);
    cr_assert_eq(retry_log_count(b.log), 0);
    clear(&b);
}

Test(client_retry_log, takes_first_what_is_due_first)
{
    struct bench b = bench_of(3);
    cr_assert_eq(add(&b, "a", ""), 0);
    b.now_ms += 50;
    cr_assert_eq(add(&b, "b", ""), 0);
    b.now_ms += 50;
    uint64_t a = assert_takes(&b, "a", 1);
    assert_nothing_due(&b);
    cr_assert_eq(retry_log_again(b.log, a, "", b.now_ms, NULL), 0);
    b.now_ms += 400;
    uint64_t second = assert_takes(&b, "b", 1);
    assert_takes(&b, "a", 2);
    assert_nothing_due(&b);
    cr_assert_eq(retry_log_give_back(b.log, second, b.now_ms), 0);
    assert_takes(&b, "b", 1);
    cr_assert_eq(retry_log_renew(b.log, second, b.now_ms), ERR_BUSY);
    cr_assert_eq(retry_log_done(b.log, 99), ERR_NOT_FOUND);
    clear(&b);
}

Test(client_retry_log, is_full_at_its_bound_and_keeps_what_fails_again_then)
{
    struct bench b = bench_of(4);
    b.options.record_count_max = 3;
    crash(&b);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(add(&b, "a", ""), 0);
    cr_assert_eq(add(&b, "a", ""), ERR_FULL);
    b.now_ms += 100;
    uint64_t order = assert_takes(&b, "a", 1);
    cr_assert_eq(retry_log_again(b.log, order, "", b.now_ms, NULL), ERR_FULL);
    cr_assert_eq(retry_log_count(b.log), 3);
    assert_takes(&b, "a", 1);
    assert_takes(&b, "a", 1);
    assert_nothing_due(&b);
    b.now_ms += 200;
    assert_takes(&b, "a", 2);
    clear(&b);
}

/* One random life: what was added and not done is there after each crash, and nothing else. */
static void live(uint64_t seed)
{
    struct bench b = bench_of(seed);
    struct random random;
    random_init(&random, seed);
    uint64_t added = 0, done = 0;
    for (int step = 0; step < 200; step++) {
        b.now_ms += random_below(&random, 100);
        struct retry_entry entry;
        if (random_chance(&random, 0.4)) {
            added += add(&b, "content", "why") == 0;
        } else if (retry_log_take(b.log, b.now_ms, &entry) == 0) {
            free(entry.memory);
            if (random_chance(&random, 0.5)) {
                cr_assert_eq(retry_log_done(b.log, entry.order), 0);
                done++;
            } else {
                cr_assert_eq(retry_log_again(b.log, entry.order, "x", b.now_ms, NULL), 0);
            }
        }
        cr_assert_eq(retry_log_count(b.log), added - done);
        if (random_chance(&random, 0.05)) {
            retry_log_close(b.log);
            cr_assert_eq(open_log(&b), 0);
            cr_assert_eq(retry_log_count(b.log), added - done, "seed %lu", (unsigned long)seed);
        } else if (random_chance(&random, 0.02)) {
            crash(&b);
            cr_assert_geq(retry_log_count(b.log), added - done, "seed %lu", (unsigned long)seed);
            done = added - retry_log_count(b.log); /* marks may be lost: tried twice */
        }
    }
    clear(&b);
}

Test(client_retry_log, loses_nothing_in_random_lives)
{
    for (uint64_t seed = 10; seed < 110; seed++)
        live(seed);
}

Test(client_retry_log, stores_nothing_on_a_disk_that_fails)
{
    struct bench b = bench_of(5);
    fake_disk_fail_chance(b.disk, FAKE_DISK_SYNC, 1, UV_EIO);
    cr_assert_eq(add(&b, "a", ""), UV_EIO);
    cr_assert_eq(retry_log_count(b.log), 0);
    fake_disk_fail_chance(b.disk, FAKE_DISK_SYNC, 0, 0);
    cr_assert_eq(add(&b, "b", ""), 0);
    b.now_ms += 100;
    fake_disk_fail_nth(b.disk, FAKE_DISK_READ, 1, UV_EIO);
    struct retry_entry entry;
    cr_assert_eq(retry_log_take(b.log, b.now_ms, &entry), UV_EIO);
    assert_nothing_due(&b);
    b.now_ms += 100;
    assert_takes(&b, "b", 1);
    clear(&b);
}

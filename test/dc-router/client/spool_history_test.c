/* Thousands of random histories of a spool on a disk that fails, fills up and loses power.
 *
 * A model knows of each order what was promised. After each opening:
 *   durable and not done      is there
 *   stored, not durable       may be lost by a power cut, never by another opening
 *   refused                   may be there after a disk's error, never after ERR_FULL
 *   done                      may be found again, by a power cut or a failed mark
 *   anything else             is not there
 * and whatever is there has its own bytes, and comes in order. */
#include "base/random.h"
#include "spool_fixture.h"

#define ORDERS 400

enum fate { NEVER_SENT, STORED, DURABLE, UNKNOWN, DONE };

struct story {
    struct spool_bench bench;
    struct random random;
    enum fate fates[ORDERS];
    uint64_t order_next;
    uint64_t seed;
};

static void promise_all(struct story *t)
{
    for (uint64_t order = 1; order < t->order_next; order++)
        if (t->fates[order] == STORED)
            t->fates[order] = DURABLE;
}

static void append_one(struct story *t)
{
    if (t->order_next == ORDERS)
        return;
    uint64_t order = t->order_next++;
    bool is_durable = random_chance(&t->random, 0.5);
    int err = append(&t->bench, order, order % 5, is_durable);
    cr_assert_eq(spool_has(t->bench.spool, order), err == 0);
    if (err == 0)
        t->fates[order] = is_durable ? DURABLE : STORED;
    else if (err != ERR_FULL)
        t->fates[order] = UNKNOWN;
    if (random_chance(&t->random, 0.1) && spool_sync(t->bench.spool) == 0)
        promise_all(t);
}

static void finish_one(struct story *t)
{
    uint64_t order = 1 + random_below(&t->random, t->order_next);
    if (order < t->order_next && spool_has(t->bench.spool, order)) {
        spool_done(t->bench.spool, order);
        cr_assert(!spool_has(t->bench.spool, order));
        t->fates[order] = DONE;
    }
}

static void take_some(struct story *t)
{
    uint64_t order, before = 0;
    uint8_t *content;
    size_t size;
    for (uint64_t count = random_below(&t->random, 20); count > 0; count--) {
        int err = spool_take(t->bench.spool, &order, &content, &size);
        if (err == ERR_CORRUPT) {
            /* A failed sync has taken it; only what was not promised. */
            cr_assert_neq(t->fates[order], DURABLE, "seed %lu", (unsigned long)t->seed);
            t->fates[order] = DONE;
            continue;
        }
        if (err != 0)
            break;
        cr_assert_gt(order, before);
        before = order;
        assert_content(order, content, size);
        free(content);
        if (random_chance(&t->random, 0.2)) {
            spool_give_back(t->bench.spool, order);
            break;
        }
    }
}

/* What was found is what may be found; from now on it is stored. */
static void compare(struct story *t, bool was_crash)
{
    uint64_t count = 0;
    for (uint64_t order = 1; order < t->order_next; order++) {
        enum fate fate = t->fates[order];
        bool is_there = spool_has(t->bench.spool, order);
        count += is_there;
        if (fate == DURABLE || (fate == STORED && !was_crash))
            cr_assert(is_there, "seed %lu lost %lu", (unsigned long)t->seed, (unsigned long)order);
        if (fate == NEVER_SENT)
            cr_assert(!is_there, "seed %lu invented %lu", (unsigned long)t->seed,
                      (unsigned long)order);
        if (is_there)
            t->fates[order] = fate == DURABLE ? DURABLE : STORED;
        else if (fate == STORED)
            t->fates[order] = UNKNOWN;
    }
    cr_assert_eq(count, spool_record_count(t->bench.spool));
    cr_assert_leq(spool_bytes(t->bench.spool), t->bench.options.bytes_max);
}

static void set_trouble(struct story *t)
{
    static const enum fake_disk_operation kinds[] = {FAKE_DISK_WRITE,          FAKE_DISK_SYNC,
                                                     FAKE_DISK_SYNC_DIRECTORY, FAKE_DISK_REMOVE,
                                                     FAKE_DISK_TRUNCATE,       FAKE_DISK_OPEN};
    static const int errors[] = {UV_EIO, UV_ENOSPC};
    enum fake_disk_operation kind = kinds[random_below(&t->random, 6)];
    fake_disk_fail_nth(t->bench.disk, kind, 1 + random_below(&t->random, 4),
                       errors[random_below(&t->random, 2)]);
}

static void clear_trouble(struct story *t)
{
    for (int kind = 0; kind < FAKE_DISK_OPERATION_COUNT; kind++)
        fake_disk_fail_nth(t->bench.disk, (enum fake_disk_operation)kind, 0, 0);
    fake_disk_set_capacity(t->bench.disk, 0);
}

static void open_again(struct story *t, bool is_crash)
{
    if (is_crash)
        fake_disk_halt(t->bench.disk);
    spool_close(t->bench.spool);
    clear_trouble(t);
    if (is_crash)
        fake_disk_crash(t->bench.disk, NULL);
    cr_assert_eq(spool_bench_open(&t->bench), 0);
    compare(t, is_crash);
}

static void step(struct story *t, bool has_trouble)
{
    uint64_t dice = random_below(&t->random, 100);
    if (dice < 50)
        append_one(t);
    else if (dice < 80)
        finish_one(t);
    else if (dice < 90)
        take_some(t);
    else if (dice < 93)
        open_again(t, true);
    else if (dice < 95 && !has_trouble)
        open_again(t, false);
    else if (dice < 98 && has_trouble)
        set_trouble(t);
    else if (has_trouble)
        fake_disk_set_capacity(t->bench.disk, 1000 + random_below(&t->random, 30000));
}

static void run_story(uint64_t seed, bool has_trouble)
{
    struct story t = {.seed = seed, .order_next = 1};
    random_init(&t.random, seed);
    uint64_t file_bytes_max = 500 + random_below(&t.random, 8000);
    t.bench = spool_bench_of(seed + 1, file_bytes_max + random_below(&t.random, 60000),
                             file_bytes_max);
    for (int i = 0; i < 300; i++)
        step(&t, has_trouble);
    open_again(&t, true);
    spool_bench_close(&t.bench);
}

Test(spool_history, keeps_its_promises_through_power_cuts)
{
    for (uint64_t seed = 0; seed < 1000; seed++)
        run_story(seed, false);
}

Test(spool_history, keeps_its_promises_on_a_failing_disk)
{
    for (uint64_t seed = 0; seed < 1000; seed++)
        run_story(seed, true);
}

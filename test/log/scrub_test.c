/* The scrubber (log/scrubber.c, log/scrub.c). */
#include "../../log/repair_internal.h"
#include "../../log/scrub.h"
#include "fake/fake_clock.h"
#include "fake/fake_damage.h"
#include "store_story.h"

#define STEP_MS 10

struct yard {
    struct stage stage;
    struct fake_clock clock;
    struct log_scrubber *scrubber;
    struct random random;
    uint64_t seed, index;
};

static void make_scrubber(struct yard *y, uint64_t interval_ms, uint64_t bytes_per_second)
{
    struct log_scrubber_options options = {
        .clock = &y->clock.seam, .interval_ms = interval_ms, .bytes_per_second = bytes_per_second};
    y->scrubber = log_scrubber_create(&options);
    log_store_set_scrubber(y->stage.store, y->scrubber);
}

static void grow(struct yard *y, uint64_t entries)
{
    for (uint64_t until = y->index + entries; y->index < until; y->index++)
        story_apply(y->stage.store, y->seed, y->index + 1);
    cr_assert_eq(stage_checkpoint(&y->stage, y->index), 0);
}

static void yard_init(struct yard *y, uint64_t seed, uint64_t interval_ms,
                      uint64_t bytes_per_second)
{
    *y = (struct yard){.seed = seed};
    random_init(&y->random, seed);
    fake_clock_init(&y->clock);
    stage_init(&y->stage, seed);
    grow(y, 500);
    make_scrubber(y, interval_ms, bytes_per_second);
}

static void yard_close(struct yard *y)
{
    stage_close(&y->stage);
    log_scrubber_destroy(y->scrubber);
}

static struct log_scrub_status status_of(struct yard *y)
{
    struct log_scrub_status status;
    log_scrubber_status(y->scrubber, &status);
    return status;
}

static void run_ms(struct yard *y, uint64_t ms)
{
    for (uint64_t done = 0; done < ms; done += STEP_MS) {
        fake_clock_advance_ms(&y->clock, STEP_MS);
        log_store_scrub(y->stage.store);
        fake_work_run_all(&y->stage.work, NULL);
    }
}

/* Milliseconds until `passes` have been finished. */
static uint64_t run_passes(struct yard *y, uint64_t passes)
{
    uint64_t ms = 0;
    for (; status_of(y).passes_finished < passes; ms += STEP_MS) {
        cr_assert_lt(ms, 100000000);
        run_ms(y, STEP_MS);
    }
    return ms;
}

struct each_file {
    struct yard *yard;
    unsigned segments, seen;
};

static void count_segments(void *data, uint32_t number, struct log_partition *p)
{
    unsigned *count = data;
    (void)number;
    for (unsigned i = 0; i < p->segments.count; i++)
        *count += p->segments.items[i]->written.size_bytes > 0;
}

static unsigned suspected(struct yard *y)
{
    struct log_damage_status status;
    log_store_damage(y->stage.store, &status);
    return status.suspected;
}

Test(log_scrub, reads_every_segment_and_suspects_no_sound_one)
{
    struct yard y;
    yard_init(&y, 1, 1000, 1 << 30);
    unsigned segments = 0;
    log_store_each_partition(y.stage.store, count_segments, &segments);
    cr_assert_gt(segments, 10);
    run_passes(&y, 3);
    struct log_scrub_status status = status_of(&y);
    cr_assert_eq(status.segments_done, segments);
    cr_assert_eq(status.bytes_done, status.bytes_total);
    cr_assert_eq(suspected(&y), 0);
    cr_assert_gt(status.finished_wall_ms, 0);
    yard_close(&y);
}

static void damage_each(void *data, uint32_t number, struct log_partition *p)
{
    struct each_file *e = data;
    (void)number;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment_meta *meta = &p->segments.items[i]->written;
        enum log_file_kind file = (enum log_file_kind)(e->seen % LOG_FILE_KIND_COUNT);
        uint32_t size = log_segment_file_size(meta, file);
        char path[LOG_PATH_SIZE];
        log_segment_path(path, &p->id, meta->base_offset, meta->version, file);
        if (size > 0)
            e->segments += fake_damage(e->yard->stage.disk, path,
                                       (enum fake_damage)(e->seen % FAKE_DAMAGE_COUNT), size,
                                       &e->yard->random);
        e->seen++;
    }
}

Test(log_scrub, finds_each_kind_of_damage_in_each_kind_of_file)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct yard y;
        yard_init(&y, seed, 1000, 1 << 30);
        struct each_file e = {.yard = &y};
        log_store_each_partition(y.stage.store, damage_each, &e);
        cr_assert_gt(e.segments, 3);
        run_passes(&y, 1);
        cr_assert_eq(suspected(&y), e.segments);
        cr_assert_eq(status_of(&y).suspected, e.segments);
        yard_close(&y);
    }
}

Test(log_scrub, keeps_to_the_set_time_and_to_the_rate)
{
    struct yard y;
    yard_init(&y, 2, 0, 20000); /* bytes a second */
    run_ms(&y, 1000);
    cr_assert_eq(status_of(&y).passes_finished, 0, "only when asked for");
    log_scrubber_start_now(y.scrubber);
    run_ms(&y, 100);
    struct log_scrub_status status = status_of(&y);
    cr_assert(status.is_running);
    cr_assert(status.is_hurried);
    cr_assert_gt(status.bytes_total, 40000);
    cr_assert_gt(strlen(status.position), 10);
    uint64_t ms = run_passes(&y, 1) + 100;
    cr_assert_geq(ms, status.bytes_total * 1000 / 20000 * 8 / 10, "faster than its rate");
    cr_assert_leq(ms, status.bytes_total * 1000 / 20000 * 15 / 10 + 1000);
    run_ms(&y, 5000);
    cr_assert_eq(status_of(&y).passes_finished, 1);
    yard_close(&y);
}

Test(log_scrub, begins_again_after_the_set_time)
{
    struct yard y;
    yard_init(&y, 3, 60000, 1 << 30);
    run_passes(&y, 1);
    uint64_t ms = run_passes(&y, 2);
    cr_assert_geq(ms, 40000);
    cr_assert_leq(ms, 61000);
    yard_close(&y);
}

Test(log_scrub, goes_on_where_an_earlier_process_was_and_then_reads_all)
{
    struct yard y;
    yard_init(&y, 4, 10000000, 400);
    for (unsigned i = 0; i < 100 && status_of(&y).segments_done < 8; i++)
        run_ms(&y, 5000);
    struct log_scrub_status before = status_of(&y);
    cr_assert(before.is_running);
    fake_work_run_all(&y.stage.work, NULL);
    log_store_close(y.stage.store);
    log_scrubber_destroy(y.scrubber);
    cr_assert_eq(stage_open(&y.stage), 0);
    make_scrubber(&y, 10000000, 1 << 30);
    run_passes(&y, 1);
    struct log_scrub_status resumed = status_of(&y);
    cr_assert_eq(resumed.bytes_done, resumed.bytes_total);
    unsigned segments = 0;
    log_store_each_partition(y.stage.store, count_segments, &segments);
    cr_assert_lt(resumed.segments_done, segments, "not from the beginning");
    run_passes(&y, 2);
    cr_assert_eq(status_of(&y).segments_done, segments, "a whole one follows at once");
    yard_close(&y);
}

Test(log_scrub, is_not_misled_by_what_changes_meanwhile)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct yard y;
        yard_init(&y, seed, 0, 100000);
        for (unsigned round = 0; round < 60; round++) {
            log_scrubber_start_now(y.scrubber);
            fake_clock_advance_ms(&y.clock, STEP_MS);
            log_store_scrub(y.stage.store);
            unsigned steps = (unsigned)random_below(&y.random, 4);
            while (steps-- > 0)
                fake_work_run_one(&y.stage.work);
            grow(&y, random_below(&y.random, 20) + 1);
        }
        run_passes(&y, 1);
        cr_assert_eq(suspected(&y), 0);
        yard_close(&y);
    }
}

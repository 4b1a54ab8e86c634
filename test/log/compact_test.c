/* Compaction on two replicas, a leader's and a follower's, beside a naive model of what was
 * written: flushes, trims and log starts come at other times on each, the bytes come out the same.
 */
#include "log/compact.h"

#include <sys/resource.h>
#include <unistd.h>

#include "../../log/compact_unpack.h"
#include "../../log/partition_internal.h"
#include "keyed_batches.h"
#include "log/store.h"
#include "partition_bench.h"

#define KEYS        10
#define OFFSETS_MAX 4000

struct written {
    struct keyed_record record;
    int64_t timestamp_ms;
    bool is_readable; /* not in a damaged batch */
};

struct replica {
    struct fake_disk *disk;
    struct log_partition *partition;
};

struct story {
    struct replica replicas[2]; /* the first one plans */
    struct fake_work work;
    struct random random;
    struct written written[OFFSETS_MAX];
    int64_t next_offset, start_offset, now_ms;
    int64_t clean_until;  /* each key once below it */
    int64_t mapped_until; /* keys up to here may have made older ones go */
    int64_t delete_retention_ms;
    size_t map_bytes_max;
    int64_t step_bytes_max;
    unsigned steps, passes;
    uint64_t removed;
};

static void story_open(struct story *s, uint64_t seed)
{
    *s = (struct story){.now_ms = 1000000,
                        .delete_retention_ms = 5000,
                        .map_bytes_max = 1 << 20,
                        .step_bytes_max = 1 << 20};
    random_init(&s->random, seed);
    fake_work_init(&s->work);
    for (int i = 0; i < 2; i++) {
        struct log_partition_id id = id_numbered(3);
        struct log_partition_settings settings = small_settings();
        s->replicas[i].disk = fake_disk_create(seed + (uint64_t)i);
        cr_assert_eq(log_partition_create(fake_disk_seam(s->replicas[i].disk), &id, &settings, 0,
                                          &s->replicas[i].partition),
                     0);
    }
}

static void story_close(struct story *s)
{
    for (int i = 0; i < 2; i++) {
        log_partition_destroy(s->replicas[i].partition);
        cr_assert_eq(fake_disk_open_count(s->replicas[i].disk), 0, "a file stayed open");
        fake_disk_destroy(s->replicas[i].disk);
    }
}

static void append_batch(struct story *s, const struct keyed_batch *plan)
{
    struct log_batch batch = keyed_made(plan);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(log_partition_append(s->replicas[i].partition, &batch), 0);
    slice_unref(&batch.data);
    for (int i = 0; i < plan->record_count; i++) {
        cr_assert_lt(s->next_offset, OFFSETS_MAX);
        s->written[s->next_offset++] = (struct written){
            .record = plan->records[i],
            .timestamp_ms = plan->base_timestamp + 3 * i,
            .is_readable = plan->codec != KEYED_DAMAGED};
    }
}

static void append_one(struct story *s)
{
    struct random *r = &s->random;
    struct keyed_batch plan = {.base_offset = s->next_offset,
                               .leader_epoch = (int32_t)(s->next_offset / 300),
                               .base_timestamp = s->now_ms,
                               .wall_ms = s->now_ms,
                               .codec = (enum keyed_codec)random_below(r, KEYED_CODEC_COUNT),
                               .record_count = (int)random_below(r, KEYED_RECORDS_MAX) + 1};
    if (plan.codec == KEYED_DAMAGED && !random_chance(r, 0.1))
        plan.codec = KEYED_NONE;
    for (int i = 0; i < plan.record_count; i++)
        plan.records[i] = (struct keyed_record){
            .key = random_chance(r, 0.05) ? -1 : (int)random_below(r, KEYS),
            .is_tombstone = random_chance(r, 0.15),
            .mark = (uint64_t)(s->next_offset + i),
            .filler = random_below(r, 200)};
    append_batch(s, &plan);
    s->now_ms += (int64_t)random_below(r, 300);
}

static void on_planned(struct log_compact_plan *plan, int status)
{
    *(int *)plan->data = status;
}

/* The leader plans; 0 with a step to propose, or why there is none. */
static int plan_step(struct story *s, struct log_compact_plan *plan)
{
    int status = 1;
    *plan = (struct log_compact_plan){.data = &status,
                                      .now_ms = s->now_ms,
                                      .delete_retention_ms = s->delete_retention_ms,
                                      .segment_bytes = 4000,
                                      .step_bytes_max = s->step_bytes_max,
                                      .map_bytes_max = s->map_bytes_max,
                                      .worker = &s->work.seam,
                                      .home = &s->work.seam};
    bytes_put_le64(plan->seed, random_u64(&s->random));
    int err = log_partition_compact_plan(s->replicas[0].partition, plan, on_planned);
    if (err != 0)
        return err;
    fake_work_run_all(&s->work, NULL);
    return status;
}

static void note_step(struct story *s, const struct log_compact_plan *plan)
{
    struct log_compact_state state;
    log_partition_compact_state(s->replicas[0].partition, &state);
    s->steps++;
    s->removed += plan->counts.records_removed;
    s->mapped_until = state.pass_until;
    if (state.pass_until == 0) {
        s->mapped_until = state.clean_until;
        s->clean_until = state.clean_until;
        s->passes++;
    }
}

/* One step, to both replicas. What plan_step says. */
static int compact_once(struct story *s)
{
    struct log_compact_plan plan;
    int err = plan_step(s, &plan);
    if (err != 0)
        return err;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(log_partition_compact(s->replicas[i].partition, plan.step.bytes), 0);
    note_step(s, &plan);
    slice_unref(&plan.step);
    return 0;
}

static void flush_all(struct story *s)
{
    for (int i = 0; i < 2; i++)
        flush_now(s->replicas[i].partition);
}

static void advance_start(struct story *s)
{
    int64_t span = s->next_offset - s->start_offset;
    s->start_offset += (int64_t)random_below(&s->random, (uint64_t)span / 2 + 1);
    for (int i = 0; i < 2; i++)
        log_partition_advance_start(s->replicas[i].partition, s->start_offset);
}

/* ---- what is left ---- */

static int64_t read_varint_at(const uint8_t **at)
{
    uint64_t raw = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        raw |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80);
    return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
}

static void check_record(const struct story *s, const uint8_t *at, int64_t offset, int64_t time_ms)
{
    const struct written *w = &s->written[offset];
    char key[32];
    int64_t key_size = read_varint_at(&at);
    cr_assert_eq(key_size >= 0, w->record.key >= 0, "offset %" PRId64, offset);
    if (key_size >= 0) {
        cr_assert_eq(snprintf(key, sizeof key, "key-%d", w->record.key), (int)key_size);
        cr_assert_eq(memcmp(key, at, (size_t)key_size), 0);
        at += key_size;
    }
    int64_t value_size = read_varint_at(&at);
    cr_assert_eq(value_size < 0, w->record.is_tombstone, "offset %" PRId64, offset);
    if (value_size >= 0)
        cr_assert_eq(bytes_get_le64(at), w->record.mark);
    cr_assert_eq(time_ms, w->timestamp_ms, "offset %" PRId64, offset);
}

/* Marks which offsets an uncompressed batch holds. */
static void walk_plain(const struct story *s, const uint8_t *batch, bool *is_there)
{
    int64_t base_offset = (int64_t)bytes_get_be64(batch);
    int64_t base_time_ms = (int64_t)bytes_get_be64(batch + 27);
    const uint8_t *at = batch + 61;
    for (uint32_t i = 0; i < bytes_get_be32(batch + 57); i++) {
        int64_t length = read_varint_at(&at);
        const uint8_t *next = at + length;
        at++;
        int64_t time_ms = base_time_ms + read_varint_at(&at);
        int64_t offset = base_offset + read_varint_at(&at);
        is_there[offset] = true;
        check_record(s, at, offset, time_ms);
        at = next;
    }
}

/* Reads everything of a replica; batches lie without a hole. */
static void read_all(struct story *s, struct log_partition *p, bool *is_there)
{
    int64_t offset = log_partition_start_offset(p);
    while (offset < log_partition_next_offset(p)) {
        int status = read_at(p, &one_read, &s->work, offset, INT64_MAX, 3000);
        cr_assert_eq(status, 0, "offset %" PRId64 ": %s", offset, err_name(status));
        size_t size = gather(&one_read, gathered, sizeof gathered);
        cr_assert_gt(size, 0);
        for (size_t at = 0; at < size; at += bytes_get_be32(gathered + at + 8) + 12) {
            const uint8_t *batch = gathered + at;
            int64_t base_offset = (int64_t)bytes_get_be64(batch);
            int64_t next_offset = base_offset + bytes_get_be32(batch + 23) + 1;
            cr_assert(base_offset <= offset && offset < next_offset);
            if (bytes_get_be16(batch + 21) & 7)
                for (int64_t i = base_offset; i < next_offset; i++)
                    is_there[i] = true;
            else
                walk_plain(s, batch, is_there);
            offset = next_offset;
        }
    }
}

static int64_t newest_of(const struct story *s, int key, int64_t until)
{
    for (int64_t i = until - 1; i >= 0; i--)
        if (s->written[i].record.key == key && s->written[i].is_readable)
            return i;
    return -1;
}

/* `is_exact`: nothing that should have gone is left, either (a compaction has been carried out). */
static void check_contents(struct story *s, struct log_partition *p, bool is_exact)
{
    static bool is_there[OFFSETS_MAX];
    memset(is_there, 0, sizeof is_there);
    read_all(s, p, is_there);
    for (int64_t i = s->start_offset; i < s->next_offset; i++) {
        const struct written *w = &s->written[i];
        bool is_mapped = w->is_readable && i < s->mapped_until;
        bool is_newest = w->record.key >= 0 && newest_of(s, w->record.key, s->mapped_until) <= i;
        if (!is_mapped || (is_newest && !w->record.is_tombstone))
            cr_assert(is_there[i], "offset %" PRId64 " must stay", i);
        else if (is_exact && !is_newest && i < s->clean_until)
            cr_assert_not(is_there[i], "offset %" PRId64 " should have gone", i);
    }
}

static void compare_files(struct story *s)
{
    static uint8_t one[1 << 16], other[1 << 16];
    uint8_t *records[2];
    size_t sizes[2], one_size, other_size;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(log_partition_encode(s->replicas[i].partition, &records[i], &sizes[i]), 0);
    cr_assert_eq(sizes[0], sizes[1]);
    cr_assert_eq(memcmp(records[0], records[1], sizes[0]), 0, "the manifests' records differ");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(log_partition_remove_dead_files(s->replicas[i].partition), 0);
    for (unsigned i = list_folder(s->replicas[0].disk); i-- > 0;) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", FOLDER, listed[i]);
        read_file(s->replicas[0].disk, path, one, &one_size);
        read_file(s->replicas[1].disk, path, other, &other_size);
        cr_assert_eq(one_size, other_size, "%s", path);
        cr_assert_eq(memcmp(one, other, one_size), 0, "%s", path);
    }
    free(records[0]);
    free(records[1]);
}

/* Opens a replica from its record, as after a restart. */
static void reopen(struct story *s, int number)
{
    struct replica *r = &s->replicas[number];
    uint8_t *record;
    size_t size;
    struct err_note note = {0};
    flush_now(r->partition);
    cr_assert_eq(log_partition_encode(r->partition, &record, &size), 0);
    log_partition_destroy(r->partition);
    cr_assert_eq(
        log_partition_decode(fake_disk_seam(r->disk), bytes_of(record, size), &r->partition, &note),
        0, "%s", note.text);
    free(record);
}

/* ---- stories ---- */

static void do_something(struct story *s)
{
    struct random *r = &s->random;
    append_one(s);
    for (int i = 0; i < 2; i++) {
        if (random_chance(r, i == 0 ? 0.15 : 0.05))
            flush_now(s->replicas[i].partition);
        if (random_chance(r, 0.1))
            log_partition_trim_tail(s->replicas[i].partition, random_below(r, 3000));
        if (random_chance(r, 0.01))
            reopen(s, i);
    }
    if (random_chance(r, 0.15))
        compact_once(s);
    if (random_chance(r, 0.01))
        advance_start(s);
    if (random_chance(r, 0.03))
        check_contents(s, s->replicas[1].partition, false);
}

static void end_story(struct story *s)
{
    do
        flush_all(s);
    while (compact_once(s) == 0);
    flush_all(s);
    compare_files(s);
    for (int i = 0; i < 2; i++) {
        log_partition_trim_tail(s->replicas[i].partition, 0);
        check_contents(s, s->replicas[i].partition, true);
        reopen(s, i);
        check_contents(s, s->replicas[i].partition, true);
    }
}

Test(log_compact, keeps_the_newest_record_of_each_key_and_the_same_bytes_on_every_replica)
{
    static struct story s;
    unsigned steps = 0, passes = 0;
    uint64_t removed = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        story_open(&s, seed);
        if (seed % 3 == 1)
            s.step_bytes_max = 6000; /* several steps a pass */
        if (seed % 4 == 1)
            s.map_bytes_max = 8 * 32; /* fewer keys than there are: several passes */
        for (int i = 0; i < 400; i++)
            do_something(&s);
        end_story(&s);
        steps += s.steps;
        passes += s.passes;
        removed += s.removed;
        story_close(&s);
    }
    cr_assert_gt(passes, 300);
    cr_assert_gt(steps, passes + 100);
    cr_assert_gt(removed, 10000);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

/* A few keys over and over, then enough to seal what they are in. */
static void append_rounds(struct story *s, int rounds, bool ends_with_tombstones)
{
    for (int round = 0; round < rounds + 12; round++) {
        struct keyed_batch plan = {.base_offset = s->next_offset,
                                   .base_timestamp = s->now_ms,
                                   .wall_ms = s->now_ms,
                                   .codec = KEYED_ZSTD,
                                   .record_count = 3};
        for (int i = 0; i < 3; i++)
            plan.records[i] = (struct keyed_record){.key = round < rounds ? i : 5 + i,
                                                    .is_tombstone = ends_with_tombstones &&
                                                                    round == rounds - 1,
                                                    .mark = (uint64_t)(s->next_offset + i),
                                                    .filler = (size_t)(40 * (round % 5))};
        if (round >= rounds)
            plan.codec = KEYED_NONE;
        append_batch(s, &plan);
        s->now_ms += 10;
    }
}

static void write_rounds(struct story *s, int rounds, bool ends_with_tombstones)
{
    append_rounds(s, rounds, ends_with_tombstones);
    flush_all(s);
}

static bool holds_key(struct story *s, int key)
{
    static bool is_there[OFFSETS_MAX];
    memset(is_there, 0, sizeof is_there);
    read_all(s, s->replicas[1].partition, is_there);
    for (int64_t i = s->start_offset; i < s->next_offset; i++)
        if (is_there[i] && s->written[i].record.key == key)
            return true;
    return false;
}

static int compact_and_carry_out(struct story *s)
{
    int err = compact_once(s);
    flush_all(s);
    return err;
}

Test(log_compact, takes_tombstones_away_when_their_time_since_the_first_compaction_is_over)
{
    static struct story s;
    story_open(&s, 5);
    write_rounds(&s, 4, true);
    cr_assert_eq(compact_and_carry_out(&s), 0);
    cr_assert(holds_key(&s, 0), "a tombstone stays for a reader to see");
    s.now_ms += s.delete_retention_ms / 2;
    write_rounds(&s, 1, false);
    cr_assert_eq(compact_and_carry_out(&s), 0);
    cr_assert(holds_key(&s, 5));
    story_close(&s);

    story_open(&s, 6);
    write_rounds(&s, 4, true);
    cr_assert_eq(compact_and_carry_out(&s), 0);
    s.now_ms += s.delete_retention_ms;
    write_rounds(&s, 0, false);
    cr_assert_eq(compact_and_carry_out(&s), 0);
    for (int key = 0; key < 3; key++)
        cr_assert_not(holds_key(&s, key), "its time is over");
    story_close(&s);
}

Test(log_compact, does_not_wait_for_segments_that_are_not_flushed_yet)
{
    static struct story s;
    struct log_compact_backlog flushed, backlog;
    story_open(&s, 8);
    append_rounds(&s, 30, false);
    log_partition_compact_backlog(s.replicas[0].partition, s.now_ms, 0, &backlog);
    cr_assert_eq(backlog.dirty_bytes, 0, "nothing is on the disk");
    cr_assert_eq(compact_once(&s), ERR_NOT_FOUND);
    flush_all(&s);
    log_partition_compact_backlog(s.replicas[0].partition, s.now_ms, 0, &flushed);
    cr_assert_gt(flushed.dirty_bytes, 0);
    append_rounds(&s, 30, false);
    log_partition_compact_backlog(s.replicas[0].partition, s.now_ms, 0, &backlog);
    cr_assert_eq(backlog.dirty_bytes, flushed.dirty_bytes);
    cr_assert_eq(compact_and_carry_out(&s), 0);
    cr_assert_gt(s.clean_until, 0);
    cr_assert_lt(s.clean_until, s.next_offset);
    check_contents(&s, s.replicas[1].partition, true);
    story_close(&s);
}

Test(log_compact, refuses_a_step_that_was_planned_on_other_segments_and_changes_nothing)
{
    static struct story s;
    struct log_compact_plan plan;
    story_open(&s, 7);
    write_rounds(&s, 30, false);
    cr_assert_eq(plan_step(&s, &plan), 0);
    log_partition_advance_start(s.replicas[1].partition, s.next_offset - 5);
    cr_assert_eq(log_partition_compact(s.replicas[1].partition, plan.step.bytes), ERR_INVALID,
                 "retention was faster");
    cr_assert_eq(log_partition_compact(s.replicas[0].partition, plan.step.bytes), 0);
    cr_assert_eq(log_partition_compact(s.replicas[0].partition, plan.step.bytes), ERR_INVALID,
                 "the same step again");
    for (size_t size = 0; size < plan.step.bytes.size; size++)
        cr_assert_lt(
            log_partition_compact(s.replicas[0].partition, bytes_of(plan.step.bytes.data, size)), 0,
            "cut short");
    cr_assert_eq(log_partition_start_offset(s.replicas[1].partition), s.next_offset - 5);
    slice_unref(&plan.step);
    story_close(&s);
}

Test(log_compact, leaves_segments_out_that_come_out_otherwise_and_never_serves_them)
{
    static struct story s;
    struct log_compact_plan plan;
    story_open(&s, 8);
    write_rounds(&s, 30, false);
    cr_assert_eq(plan_step(&s, &plan), 0);
    cr_assert_eq(fake_disk_flip_bit(s.replicas[1].disk, FOLDER "/00000000000000000000.log", 200, 3),
                 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(log_partition_compact(s.replicas[i].partition, plan.step.bytes), 0);
        flush_now(s.replicas[i].partition);
        log_partition_trim_tail(s.replicas[i].partition, 0);
    }
    cr_assert_eq(read_at(s.replicas[0].partition, &one_read, &s.work, 0, INT64_MAX, 1000), 0);
    gather(&one_read, gathered, sizeof gathered);
    cr_assert_eq(read_at(s.replicas[1].partition, &one_read, &s.work, 0, INT64_MAX, 1000),
                 ERR_CORRUPT, "to be fetched from the other replica");
    slice_unref(&plan.step);
    story_close(&s);
}

/* Of what only the keys were taken, nobody else may read for long. */
Test(log_compact, suspects_what_it_read_and_found_damaged)
{
    static struct story s;
    struct log_compact_plan plan;
    story_open(&s, 12);
    s.step_bytes_max = 1; /* one segment at a time: the others are read for their keys */
    for (int round = 0; round < 6; round++)
        write_rounds(&s, 30, false);
    struct log_partition *p = s.replicas[1].partition;
    struct log_segment *read = log_segment_ref(p->segments.items[2]);
    char path[LOG_PATH_SIZE];
    cr_assert(read->is_sealed);
    log_segment_path(path, &p->id, read->written.base_offset, 0, LOG_FILE_DATA);
    cr_assert_eq(plan_step(&s, &plan), 0);
    cr_assert_eq(fake_disk_flip_bit(s.replicas[1].disk, path, 200, 3), 0);
    cr_assert_eq(log_partition_compact(p, plan.step.bytes), 0);
    flush_now(p);
    cr_assert(log_partition_has_segment(p, read), "it stays in the log");
    cr_assert(read->is_suspect);
    log_segment_unref(read);
    slice_unref(&plan.step);
    story_close(&s);
}

/* The epoch of a batch lies outside its checksum: nothing but the file's own tells. */
Test(log_compact, plans_on_no_segment_of_which_a_leader_epoch_is_damaged)
{
    static struct story s;
    struct log_compact_plan plan;
    story_open(&s, 9);
    write_rounds(&s, 30, false);
    cr_assert_eq(fake_disk_flip_bit(s.replicas[0].disk, FOLDER "/00000000000000000000.log", 14, 0),
                 0);
    cr_assert_eq(plan_step(&s, &plan), ERR_CORRUPT);
    cr_assert(s.replicas[0].partition->segments.items[0]->is_suspect, "it is looked into");
    cr_assert_lt(plan_step(&s, &plan), 0, "not before it is mended");
    story_close(&s);
}

/* The files are sound: only an error that stays, or their bytes, say otherwise. */
Test(log_compact, leaves_nothing_out_because_of_one_read_that_failed)
{
    static struct story s;
    uint64_t failed = 0;
    for (uint64_t nth = 1, before = 0, after = UINT64_MAX; before + nth <= after; nth++) {
        story_open(&s, 11);
        write_rounds(&s, 30, false);
        struct replica *r = &s.replicas[1];
        before = fake_disk_count(r->disk, FAKE_DISK_READ);
        fake_disk_fail_nth(r->disk, FAKE_DISK_READ, nth, UV_EIO);
        cr_assert_eq(compact_and_carry_out(&s), 0);
        after = fake_disk_count(r->disk, FAKE_DISK_READ);
        failed += before + nth <= after;
        fake_disk_fail_nth(r->disk, FAKE_DISK_READ, 0, 0);
        for (unsigned i = 0; i < r->partition->segments.count; i++)
            cr_assert_not(r->partition->segments.items[i]->is_suspect);
        end_story(&s);
        story_close(&s);
    }
    cr_assert_gt(failed, 1);
}

Test(log_compact, gives_back_what_it_took_when_there_is_no_room_and_is_carried_out_later)
{
    static struct story s;
    uint64_t missed = 0;
    for (uint64_t nth = 1, is_missed = true; is_missed; nth++) {
        story_open(&s, 10);
        write_rounds(&s, 30, false);
        struct replica *r = &s.replicas[1];
        cr_assert_eq(compact_once(&s), 0);
        flush_now(s.replicas[0].partition);
        unsigned files = list_folder(r->disk);
        struct log_flush *flush;
        cr_assert_eq(log_partition_flush_prepare(r->partition, &flush), 0);
        fake_disk_fail_nth(r->disk, FAKE_DISK_WRITE, nth, UV_ENOSPC);
        int status = log_flush_run(flush);
        fake_disk_fail_nth(r->disk, FAKE_DISK_WRITE, 0, 0);
        log_partition_flush_finish(r->partition, flush, status);
        is_missed = status == UV_ENOSPC;
        missed += is_missed;
        if (is_missed)
            cr_assert_eq(list_folder(r->disk), files, "others need the room");
        check_contents(&s, r->partition, false);
        end_story(&s);
        story_close(&s);
    }
    cr_assert_gt(missed, 1);
}

#ifndef __has_feature
#define __has_feature(name) 0 /* clang's way to tell */
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&                             \
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
static void bound_memory(size_t more_bytes)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    cr_assert_not_null(statm);
    cr_assert_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more_bytes;
    cr_assert_eq(setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = bytes, .rlim_max = bytes}), 0);
}

/* Else one replica would keep a batch that the others rewrite. Sanitizers take all addresses for
 * themselves: not there. */
Test(log_compact, does_not_take_missing_memory_for_damage)
{
    /* A zstd frame of nothing that wants a window of 128 MiB. */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00};
    struct compact_room room = {0};
    struct bytes packed = bytes_of(frame, sizeof frame);
    cr_assert_eq(compact_unpack(COMPACT_CODEC_ZSTD, packed, &room), 0);
    bound_memory(32 << 20);
    cr_assert_eq(compact_unpack(COMPACT_CODEC_ZSTD, packed, &room), UV_ENOMEM);
    compact_room_close(&room);
}
#endif

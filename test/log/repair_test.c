/* Damaged segments (log/flaw.c, repair.c, repair_gather.c, segment_check.c, piece_read.c). */
#include "../../log/repair_internal.h"
#include "fake/fake_damage.h"
#include "store_story.h"

#define ENTRIES 400

static const char *const suffixes[] = {".log", ".index", ".timeindex"};

/* Two replicas of one history, all of it in files and none in memory. */
struct pair {
    struct stage mine, peer;
    struct random random;
    uint64_t index; /* applied by both */
};

static void trim(void *data, uint32_t number, struct log_partition *p)
{
    (void)data, (void)number;
    log_partition_trim_tail(p, 0);
}

static void pair_apply(struct pair *p, uint64_t seed, uint64_t until)
{
    for (; p->index < until; p->index++) {
        story_apply(p->mine.store, seed, p->index + 1);
        story_apply(p->peer.store, seed, p->index + 1);
    }
}

static void pair_flush(struct stage *s, uint64_t index)
{
    cr_assert_eq(stage_checkpoint(s, index), 0);
    log_store_each_partition(s->store, trim, NULL);
}

static void pair_init(struct pair *p, uint64_t seed)
{
    *p = (struct pair){0};
    random_init(&p->random, seed + 77);
    stage_init(&p->mine, seed);
    stage_init(&p->peer, seed + 1);
    pair_apply(p, seed, ENTRIES);
    pair_flush(&p->mine, ENTRIES);
    pair_flush(&p->peer, ENTRIES);
    check_same(&p->mine, &p->peer);
}

static void pair_close(struct pair *p)
{
    stage_close(&p->mine);
    stage_close(&p->peer);
}

/* ---- damage ---- */

struct choice {
    struct random *random;
    struct log_partition *partition;
    struct log_segment *segment;
    unsigned seen;
};

static void choose(void *data, uint32_t number, struct log_partition *p)
{
    struct choice *c = data;
    (void)number;
    for (unsigned i = 0; i < p->segments.count; i++)
        if (p->segments.items[i]->written.size_bytes > 0 &&
            random_below(c->random, ++c->seen) == 0) {
            c->partition = p;
            c->segment = p->segments.items[i];
        }
}

static struct choice any_segment(struct stage *s, struct random *random)
{
    struct choice c = {.random = random};
    log_store_each_partition(s->store, choose, &c);
    cr_assert_not_null(c.segment);
    return c;
}

static bool damage(struct stage *s, const struct choice *c, unsigned file, enum fake_damage kind)
{
    char path[LOG_PATH_SIZE];
    uint32_t size = log_segment_file_size(&c->segment->written, (enum log_file_kind)file);
    log_segment_path(path, &c->partition->id, c->segment->written.base_offset,
                     c->segment->written.version, (enum log_file_kind)file);
    return size > 0 && fake_damage(s->disk, path, kind, size, c->random);
}

static void suspect_all(void *data, uint32_t number, struct log_partition *p)
{
    (void)data, (void)number;
    for (unsigned i = 0; i < p->segments.count; i++)
        log_partition_suspect(p, p->segments.items[i]);
}

/* ---- mending ---- */

struct outcome {
    bool is_done;
    int status;
};

static void on_done(void *data, int status)
{
    struct outcome *o = data;
    cr_assert_not(o->is_done, "a callback runs once");
    *o = (struct outcome){.is_done = true, .status = status};
}

static void on_piece(struct log_piece_read *req, int status)
{
    on_done(req->data, status);
}

static void on_read(struct log_read *req, int status)
{
    on_done(req->data, status);
}

/* What the peer answers; the piece is owned. */
static int ask(struct stage *peer, const struct log_repair_need *need, struct slice *piece)
{
    struct outcome o = {0};
    struct log_piece_read req = {.data = &o, .need = *need};
    int err = log_store_read_piece(peer->store, &req, on_piece);
    if (err != 0)
        return err;
    fake_work_run_all(&peer->work, NULL);
    cr_assert(o.is_done);
    *piece = req.piece;
    return o.status;
}

static unsigned asked_count;
static uint64_t asked_bytes;

/* One repair to its end; `peer` NULL: nobody helps. Returns the last status. */
static int mend(struct stage *s, struct stage *peer, const struct log_flaw *flaw)
{
    struct outcome o = {0};
    struct log_repair *r;
    cr_assert_eq(log_repair_begin(s->store, flaw, &o, &r), 0);
    log_repair_run(r, on_done);
    fake_work_run_all(&s->work, NULL);
    bool has_restarted = false;
    int err = 0;
    while (o.is_done && err == 0 && (o.status == ERR_NEED_MORE || o.status == ERR_CORRUPT)) {
        struct log_repair_need need;
        struct slice piece = {0};
        bool restarts = o.status == ERR_CORRUPT;
        if (restarts && has_restarted)
            break;
        log_repair_need(r, &need);
        if (!restarts)
            err = peer == NULL ? ERR_NOT_FOUND : ask(peer, &need, &piece);
        if (err != 0)
            break;
        o.is_done = false;
        if (restarts) {
            has_restarted = true;
            log_repair_restart(r);
            log_repair_run(r, on_done);
        } else {
            asked_count++;
            asked_bytes += piece.bytes.size;
            log_repair_add(r, &piece, on_done);
            slice_unref(&piece);
        }
        fake_work_run_all(&s->work, NULL);
    }
    cr_assert(o.is_done);
    int status = err != 0 ? err : o.status;
    if (status != 0)
        log_repair_defer(r, 1, false, "");
    o.is_done = false;
    log_repair_end(r, on_done);
    fake_work_run_all(&s->work, NULL);
    return status;
}

/* Everything that is suspected or damaged; the first status that is not 0. */
static int mend_all(struct stage *s, struct stage *peer)
{
    struct log_flaw flaw;
    int first = 0;
    asked_count = 0;
    asked_bytes = 0;
    while (log_store_next_flaw(s->store, 1, &flaw)) {
        int status = mend(s, peer, &flaw);
        if (first == 0)
            first = status;
    }
    return first;
}

static struct log_damage_status damage_of(struct stage *s)
{
    struct log_damage_status status;
    log_store_damage(s->store, &status);
    return status;
}

Test(log_repair, mends_any_damage_to_any_file_from_a_peer)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct pair p;
        pair_init(&p, seed);
        for (unsigned round = 0; round < 15; round++) {
            struct choice c = any_segment(&p.mine, &p.random);
            unsigned file = (unsigned)random_below(&p.random, 3);
            enum fake_damage kind = (enum fake_damage)random_below(&p.random, FAKE_DAMAGE_COUNT);
            if (!damage(&p.mine, &c, file, kind))
                continue;
            log_partition_suspect(c.partition, c.segment);
            uint64_t found = damage_of(&p.mine).files_found;
            cr_assert_eq(mend_all(&p.mine, &p.peer), 0, "seed %lu: %s %s", (unsigned long)seed,
                         fake_damage_name(kind), suffixes[file]);
            cr_assert_eq(damage_of(&p.mine).files_found, found + 1);
            cr_assert(file == LOG_FILE_DATA || asked_count == 0, "indexes need no peer");
            check_same(&p.mine, &p.peer);
        }
        cr_assert_eq(damage_of(&p.mine).damaged, 0);
        cr_assert_gt(damage_of(&p.mine).segments_repaired, 5);
        pair_close(&p);
    }
}

Test(log_repair, finds_nothing_where_nothing_is_wrong)
{
    struct pair p;
    pair_init(&p, 3);
    log_store_each_partition(p.mine.store, suspect_all, NULL);
    cr_assert_gt(damage_of(&p.mine).suspected, 5);
    cr_assert_eq(mend_all(&p.mine, NULL), 0);
    struct log_damage_status status = damage_of(&p.mine);
    cr_assert_eq(status.files_found, 0);
    cr_assert_eq(status.suspected, 0);
    pair_close(&p);
}

Test(log_repair, asks_a_peer_for_the_damaged_batches_only)
{
    struct pair p;
    pair_init(&p, 5);
    struct choice c = any_segment(&p.mine, &p.random);
    while (c.segment->written.size_bytes < 3000)
        c = any_segment(&p.mine, &p.random);
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &c.partition->id, c.segment->written.base_offset, 0, LOG_FILE_DATA);
    /* In the front batch's records: the rest of the file is sound. */
    cr_assert_eq(fake_disk_flip_bit(p.mine.disk, path, 70, 3), 0);
    log_partition_suspect(c.partition, c.segment);
    struct log_flaw flaw;
    cr_assert(log_store_next_flaw(p.mine.store, 1, &flaw));
    struct log_repair *r;
    struct outcome o = {0};
    cr_assert_eq(log_repair_begin(p.mine.store, &flaw, &o, &r), 0);
    log_repair_run(r, on_done);
    fake_work_run_all(&p.mine.work, NULL);
    cr_assert_eq(o.status, ERR_NEED_MORE);
    struct log_repair_need need;
    struct slice piece;
    log_repair_need(r, &need);
    cr_assert_eq(need.position, 0);
    need.size_max = 1; /* one batch */
    cr_assert_eq(ask(&p.peer, &need, &piece), 0);
    cr_assert_lt(piece.bytes.size, c.segment->written.size_bytes / 2);
    o.is_done = false;
    log_repair_add(r, &piece, on_done);
    slice_unref(&piece);
    fake_work_run_all(&p.mine.work, NULL);
    cr_assert_eq(o.status, 0, "the rest was its own");
    o.is_done = false;
    log_repair_end(r, on_done);
    fake_work_run_all(&p.mine.work, NULL);
    check_same(&p.mine, &p.peer);
    pair_close(&p);
}

/* The epoch lies outside Kafka's checksum: no batch fails its own, only the whole is not the one.
 */
Test(log_repair, believes_no_batch_whose_head_was_damaged)
{
    struct pair p;
    pair_init(&p, 7);
    struct choice c = any_segment(&p.mine, &p.random);
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &c.partition->id, c.segment->written.base_offset, 0, LOG_FILE_DATA);
    cr_assert_eq(fake_disk_flip_bit(p.mine.disk, path, 13, 3), 0);
    log_partition_suspect(c.partition, c.segment);
    cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
    cr_assert_eq(asked_bytes, c.segment->written.size_bytes, "nothing of its own is believed");
    check_same(&p.mine, &p.peer);
    pair_close(&p);
}

Test(log_repair, is_told_by_a_read_and_nothing_wrong_is_read)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair p;
        pair_init(&p, seed);
        struct choice c = any_segment(&p.mine, &p.random);
        cr_assert(damage(&p.mine, &c, LOG_FILE_DATA, FAKE_DAMAGE_REMOVE));
        int64_t offset = c.segment->written.base_offset;
        if (offset < log_partition_start_offset(c.partition))
            offset = log_partition_start_offset(c.partition);
        struct log_read read = {.offset = offset,
                                .offset_max = INT64_MAX,
                                .size_bytes_max = 100,
                                .readers = &p.mine.work.seam,
                                .home = &p.mine.work.seam};
        struct outcome o = {0};
        read.data = &o;
        cr_assert_eq(log_partition_read(c.partition, &read, on_read), 0);
        fake_work_run_all(&p.mine.work, NULL);
        cr_assert_eq(o.status, ERR_CORRUPT);
        cr_assert_eq(damage_of(&p.mine).suspected, 1);
        cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
        check_same(&p.mine, &p.peer);
        pair_close(&p);
    }
}

Test(log_repair, opens_without_what_is_missing_and_mends_it)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair p;
        pair_init(&p, seed);
        unsigned damaged = 0;
        for (unsigned i = 0; i < 4; i++) {
            struct choice c = any_segment(&p.mine, &p.random);
            damaged += damage(&p.mine, &c, (unsigned)random_below(&p.random, 3),
                              i % 2 == 0 ? FAKE_DAMAGE_REMOVE : FAKE_DAMAGE_CUT);
        }
        stage_crash(&p.mine);
        cr_assert_gt(damage_of(&p.mine).suspected, 0, "%u damaged", damaged);
        cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
        check_same(&p.mine, &p.peer);
        pair_close(&p);
    }
}

/* The open segment's front is mended while new batches come behind it. */
Test(log_repair, mends_the_open_segment_while_it_grows)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct pair p;
        pair_init(&p, seed);
        struct choice c = any_segment(&p.mine, &p.random);
        struct log_segment *open = c.partition->segments.items[c.partition->segments.count - 1];
        c.segment = open;
        if (open->written.size_bytes == 0) {
            pair_close(&p);
            continue;
        }
        cr_assert(damage(&p.mine, &c, LOG_FILE_DATA, (enum fake_damage)(seed % 3)));
        log_partition_suspect(c.partition, open);
        struct log_flaw flaw;
        struct outcome o = {0};
        struct log_repair *r;
        cr_assert(log_store_next_flaw(p.mine.store, 1, &flaw));
        cr_assert_eq(log_repair_begin(p.mine.store, &flaw, &o, &r), 0);
        log_repair_run(r, on_done);
        for (unsigned round = 0; o.status != 0 || !o.is_done; round++) {
            cr_assert_lt(round, 200);
            if (round < 5) {
                pair_apply(&p, seed, p.index + 10);
                pair_flush(&p.mine, p.index);
                pair_flush(&p.peer, p.index);
            }
            fake_work_run_all(&p.mine.work, NULL);
            cr_assert(o.is_done);
            if (o.status == 0 || o.status == ERR_NOT_FOUND)
                break;
            o.is_done = false;
            if (o.status == ERR_NEED_MORE) {
                struct log_repair_need need;
                struct slice piece;
                log_repair_need(r, &need);
                cr_assert_eq(ask(&p.peer, &need, &piece), 0);
                log_repair_add(r, &piece, on_done);
                slice_unref(&piece);
            } else {
                cr_assert_eq(o.status, ERR_BUSY);
                log_repair_run(r, on_done);
            }
        }
        o.is_done = false;
        log_repair_end(r, on_done);
        fake_work_run_all(&p.mine.work, NULL);
        pair_apply(&p, seed, p.index + 40);
        pair_flush(&p.mine, p.index);
        pair_flush(&p.peer, p.index);
        cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
        check_same(&p.mine, &p.peer);
        pair_close(&p);
    }
}

Test(log_repair, goes_on_writing_a_segment_whose_files_are_gone)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair p;
        pair_init(&p, seed);
        struct choice c = any_segment(&p.mine, &p.random);
        c.segment = c.partition->segments.items[c.partition->segments.count - 1];
        char folder[LOG_PATH_SIZE];
        log_folder_path(folder, &c.partition->id);
        if (seed % 2 == 0)
            cr_assert_eq(disk_remove_tree(fake_disk_seam(p.mine.disk), folder), 0);
        else
            for (unsigned file = 0; file < 3; file++)
                damage(&p.mine, &c, file, FAKE_DAMAGE_REMOVE);
        pair_apply(&p, seed, p.index + 200);
        pair_flush(&p.mine, p.index);
        pair_flush(&p.peer, p.index);
        log_store_each_partition(p.mine.store, suspect_all, NULL);
        cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
        check_same(&p.mine, &p.peer);
        pair_close(&p);
    }
}

Test(log_repair, leaves_damage_or_the_right_bytes_when_power_fails_at_any_moment)
{
    unsigned cuts = 0, mended = 0;
    for (uint64_t nth = 1;; nth++) {
        struct pair p;
        pair_init(&p, 11);
        struct choice c = any_segment(&p.mine, &p.random);
        cr_assert(damage(&p.mine, &c, LOG_FILE_DATA, FAKE_DAMAGE_FLIP));
        log_partition_suspect(c.partition, c.segment);
        fake_disk_halt_at(p.mine.disk, nth);
        mend_all(&p.mine, &p.peer);
        bool is_halted = fake_disk_is_halted(p.mine.disk);
        cuts += is_halted;
        stage_crash(&p.mine);
        log_store_each_partition(p.mine.store, suspect_all, NULL);
        cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
        mended += damage_of(&p.mine).files_found == 0;
        check_same(&p.mine, &p.peer); /* nothing of a repair is left either */
        pair_close(&p);
        if (!is_halted)
            break;
    }
    cr_assert_gt(cuts, 10);
    cr_assert_gt(mended, 0);
}

Test(log_repair, stays_damaged_without_room_and_is_mended_when_there_is_some)
{
    struct pair p;
    pair_init(&p, 13);
    struct choice c = any_segment(&p.mine, &p.random);
    cr_assert(damage(&p.mine, &c, LOG_FILE_DATA, FAKE_DAMAGE_FLIP));
    log_partition_suspect(c.partition, c.segment);
    fake_disk_set_capacity(p.mine.disk, 1);
    cr_assert_eq(mend_all(&p.mine, &p.peer), UV_ENOSPC);
    cr_assert_eq(damage_of(&p.mine).damaged, 1);
    struct log_flaw flaw;
    cr_assert_not(log_store_next_flaw(p.mine.store, 1, &flaw), "not at once again");
    cr_assert(log_store_next_flaw(p.mine.store, 100000, &flaw));
    fake_disk_set_capacity(p.mine.disk, 0);
    cr_assert_eq(mend(&p.mine, &p.peer, &flaw), 0);
    cr_assert_eq(damage_of(&p.mine).damaged, 0);
    check_same(&p.mine, &p.peer);
    pair_close(&p);
}

Test(log_repair, takes_no_piece_that_is_not_the_wanted_batches)
{
    struct pair p;
    pair_init(&p, 17);
    struct choice c = any_segment(&p.mine, &p.random);
    cr_assert(damage(&p.mine, &c, LOG_FILE_DATA, FAKE_DAMAGE_REMOVE));
    log_partition_suspect(c.partition, c.segment);
    struct log_flaw flaw;
    cr_assert(log_store_next_flaw(p.mine.store, 1, &flaw));
    struct log_repair_need need = {0};
    struct slice piece = {0};
    for (unsigned bit = 0; bit < 1000; bit += 7) {
        struct outcome o = {0};
        struct log_repair *r;
        cr_assert_eq(log_repair_begin(p.mine.store, &flaw, &o, &r), 0);
        log_repair_run(r, on_done);
        fake_work_run_all(&p.mine.work, NULL);
        cr_assert_eq(o.status, ERR_NEED_MORE);
        log_repair_need(r, &need);
        cr_assert_eq(ask(&p.peer, &need, &piece), 0);
        uint8_t *bytes = (uint8_t *)(uintptr_t)piece.bytes.data;
        bytes[bit / 8 % piece.bytes.size] ^= (uint8_t)(1u << bit % 8);
        o.is_done = false;
        log_repair_add(r, &piece, on_done);
        slice_unref(&piece);
        fake_work_run_all(&p.mine.work, NULL);
        cr_assert(o.status == ERR_CORRUPT || o.status == ERR_NEED_MORE,
                  "bit %u: never as if it were right (%s)", bit, err_name(o.status));
        o.is_done = false;
        log_repair_end(r, on_done);
        fake_work_run_all(&p.mine.work, NULL);
    }
    cr_assert_eq(mend_all(&p.mine, &p.peer), 0);
    check_same(&p.mine, &p.peer);
    pair_close(&p);
}

/* ---- the peer that helps ---- */

Test(log_repair, helps_with_nothing_damaged_absent_or_other)
{
    struct pair p;
    pair_init(&p, 19);
    struct choice c = any_segment(&p.peer, &p.random);
    const struct log_segment_meta *meta = &c.segment->written;
    struct log_flaw flaw;
    uint32_t number = 0;
    while (log_store_partition(p.peer.store, number) != c.partition)
        number++;
    struct log_repair_need need = {.partition_number = number,
                                   .base_offset = meta->base_offset,
                                   .offset = meta->base_offset,
                                   .size_max = 1000,
                                   .size_bytes = meta->size_bytes,
                                   .crc = meta->crc,
                                   .is_sealed = meta->is_sealed};
    struct slice piece;
    struct log_repair_need other = need;
    other.partition_number = 99;
    cr_assert_eq(ask(&p.peer, &other, &piece), ERR_NOT_FOUND);
    other = need;
    other.base_offset += 100000;
    cr_assert_eq(ask(&p.peer, &other, &piece), ERR_NOT_FOUND);
    other = need;
    other.version = 4;
    cr_assert_eq(ask(&p.peer, &other, &piece), ERR_NOT_FOUND);
    other = need;
    other.position = meta->size_bytes;
    other.size_bytes = meta->size_bytes + 1000;
    cr_assert_eq(ask(&p.peer, &other, &piece), meta->is_sealed ? ERR_INVALID : ERR_NEED_MORE);
    if (meta->is_sealed) {
        other = need;
        other.crc++;
        cr_assert_eq(ask(&p.peer, &other, &piece), ERR_INVALID);
    }
    cr_assert(damage(&p.peer, &c, LOG_FILE_DATA, FAKE_DAMAGE_REMOVE));
    cr_assert_eq(ask(&p.peer, &need, &piece), ERR_CORRUPT);
    cr_assert(log_store_next_flaw(p.peer.store, 1, &flaw), "it looks after itself, too");
    pair_close(&p);
}

Test(log_repair, lets_a_segment_go_that_leaves_the_log_meanwhile)
{
    struct pair p;
    pair_init(&p, 23);
    struct choice c = {0};
    do
        c = any_segment(&p.mine, &p.random);
    while (c.partition->segments.count < 2 || c.segment != c.partition->segments.items[0]);
    cr_assert(damage(&p.mine, &c, LOG_FILE_DATA, FAKE_DAMAGE_FLIP));
    log_partition_suspect(c.partition, c.segment);
    struct log_flaw flaw;
    struct outcome o = {0};
    struct log_repair *r;
    cr_assert(log_store_next_flaw(p.mine.store, 1, &flaw));
    cr_assert_eq(log_repair_begin(p.mine.store, &flaw, &o, &r), 0);
    log_repair_run(r, on_done);
    log_partition_advance_start(c.partition, c.segment->next_offset);
    cr_assert_eq(stage_checkpoint(&p.mine, p.index + 1), 0);
    cr_assert(o.is_done);
    cr_assert_eq(o.status, ERR_NOT_FOUND);
    o.is_done = false;
    log_repair_end(r, on_done);
    fake_work_run_all(&p.mine.work, NULL);
    cr_assert_not(log_store_next_flaw(p.mine.store, 1, &flaw));
    pair_close(&p);
}

/* The WAL against a naive model, through power cuts, kills, failed disks and cut-short openings.
 *
 * The model is the list of operations in the order they were appended. Whatever happens, what the
 * WAL shows after opening must be the state after some prefix of that list, and the prefix must
 * hold everything that was acknowledged: nothing lost, nothing invented, nothing out of order. */
#include "fake/quiet.h"
#include "wal_fixture.h"

#define GROUPS            3
#define OPERATIONS_MAX    64
#define MODEL_ENTRIES_MAX 4096

struct model_group {
    bool is_known;
    uint32_t generation;
    uint64_t term, voted_for, snapshot_index, snapshot_term;
    uint64_t first, next; /* entries [first, next) by index; 0, 0: none was ever known */
    uint64_t released;    /* as told to this life of the WAL, or an earlier one */
    uint32_t heard;       /* what was heard last; 0: nothing */
    uint64_t terms[MODEL_ENTRIES_MAX];
    uint32_t sizes[MODEL_ENTRIES_MAX];
};

/* One appended request and what it means. */
struct operation {
    struct request request;
    bool is_sent, is_drop;
    uint32_t heard;
    uint8_t heard_bytes[4];
};

struct world {
    struct wal_fixture f;
    struct random random;
    uint64_t seed;                      /* WAL_SEED=… WAL_SEEDS=1 replays it */
    struct model_group durable[GROUPS]; /* after every operation that is acknowledged */
    struct model_group newest[GROUPS];  /* after every operation that was appended */
    uint64_t terms;                     /* given out so far: each vote and request differs */
    struct operation *operations;       /* appended and not taken into `durable` */
    unsigned count;
    struct log_wal_read *read;
    unsigned cuts, kept_unacknowledged, lost_unacknowledged;
};

static void clear_entries(struct model_group *g, uint64_t next)
{
    g->first = g->next = next;
}

static void model_apply(struct model_group *groups, const struct operation *o)
{
    const struct log_wal_append *a = &o->request.append;
    struct model_group *g = &groups[a->group.group_id];
    if (o->is_drop) {
        memset(g, 0, sizeof *g);
        return;
    }
    if (g->is_known && a->group.generation > g->generation)
        memset(g, 0, sizeof *g);
    g->is_known = true;
    g->generation = a->group.generation;
    if (a->has_vote) {
        g->term = a->term;
        g->voted_for = a->voted_for;
    }
    if (a->snapshot_index > 0) {
        g->snapshot_index = a->snapshot_index;
        g->snapshot_term = a->snapshot_term;
        clear_entries(g, a->snapshot_index + 1);
    }
    if (a->truncate_from > 0 && a->truncate_from < g->next)
        g->next = a->truncate_from;
    for (unsigned i = 0; i < a->entry_count; i++) {
        const struct log_entry *e = &a->entries[i];
        if (g->next == 0)
            clear_entries(g, e->index);
        cr_assert_eq(e->index, g->next);
        g->terms[e->index % MODEL_ENTRIES_MAX] = e->term;
        g->sizes[e->index % MODEL_ENTRIES_MAX] = log_entry_size(e);
        g->next++;
    }
    if (o->heard != 0)
        g->heard = o->heard;
}

/* Takes the first `count` operations into the durable model and forgets them. */
static void settle(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        model_apply(w->durable, &w->operations[i]);
    for (unsigned i = 0; i < count; i++)
        request_close(&w->operations[i].request);
    w->count -= count;
    memmove(w->operations, w->operations + count, w->count * sizeof *w->operations);
    for (unsigned i = 0; i < w->count; i++) /* the pointers into themselves move along */
        w->operations[i].request.append.entries = w->operations[i].request.entries;
}

static bool is_heard_only(const struct operation *o)
{
    const struct log_wal_append *a = &o->request.append;
    return o->heard != 0 && !a->has_vote && a->entry_count == 0;
}

/* How many operations are known to be durable: up to the last acknowledged one that asks for it. */
static unsigned acknowledged(const struct world *w)
{
    unsigned count = 0;
    for (unsigned i = 0; i < w->count; i++)
        if (w->operations[i].request.is_done && w->operations[i].request.status == 0 &&
            !is_heard_only(&w->operations[i]))
            count = i + 1;
    return count;
}

/* ---- comparing ---- */

static bool is_group_same(struct world *w, uint32_t id, const struct model_group *g)
{
    struct log_wal_state s;
    uint8_t heard[8];
    int err = log_wal_state(w->f.wal, id, &s);
    if (err != 0)
        return !g->is_known;
    uint32_t heard_now = log_wal_heard(w->f.wal, id, heard, sizeof heard) == 4
                             ? bytes_get_le32(heard)
                             : 0;
    if (!g->is_known || s.group.generation != g->generation || s.term != g->term ||
        s.voted_for != g->voted_for || s.snapshot_index != g->snapshot_index ||
        s.snapshot_term != g->snapshot_term || heard_now != g->heard ||
        s.last_index != (g->next == 0 ? 0 : g->next - 1))
        return false;
    for (uint64_t i = s.first_index; i <= s.last_index; i++) {
        uint64_t term;
        enum log_entry_type type;
        if (log_wal_entry_term(w->f.wal, id, i, &term, &type) != 0 || i < g->first ||
            term != g->terms[i % MODEL_ENTRIES_MAX])
            return false;
    }
    /* What is not released is there. */
    uint64_t needed = g->released < g->first ? g->first : g->released + 1;
    return needed >= g->next || s.first_index <= needed;
}

static bool is_same(struct world *w, const struct model_group *groups)
{
    for (uint32_t id = 0; id < GROUPS; id++)
        if (!is_group_same(w, id, &groups[id]))
            return false;
    return true;
}

/* Finds the prefix that the WAL shows. */
static void check_opened(struct world *w)
{
    unsigned least = acknowledged(w), all = w->count;
    settle(w, least);
    unsigned kept = 0;
    while (!is_same(w, w->durable)) {
        cr_assert_gt(w->count, 0, "seed %llu: no prefix of what was appended is what it shows",
                     (unsigned long long)w->seed);
        settle(w, 1);
        kept++;
    }
    w->kept_unacknowledged += kept;
    w->lost_unacknowledged += all - least - kept;
    while (w->count > 0)
        request_close(&w->operations[--w->count].request);
    memcpy(w->newest, w->durable, sizeof w->newest);
}

static void check_bytes(struct world *w)
{
    for (uint32_t id = 0; id < GROUPS; id++) {
        struct log_wal_state s;
        if (log_wal_state(w->f.wal, id, &s) != 0)
            continue;
        uint64_t index = s.first_index;
        while (index <= s.last_index) {
            cr_assert_eq(fixture_read(&w->f, w->read, id, index, 50000), 0);
            for (unsigned i = 0; i < w->read->entry_count; i++, index++)
                assert_is_entry(&w->read->entries[i], id, index,
                                w->durable[id].terms[index % MODEL_ENTRIES_MAX],
                                w->durable[id].sizes[index % MODEL_ENTRIES_MAX]);
            read_close(w->read);
        }
    }
}

/* ---- what happens ---- */

static size_t any_size(struct random *r)
{
    switch (random_below(r, 6)) {
    case 0:
        return 0;
    case 1:
        return 1000 + random_below(r, 12000);
    default:
        return random_below(r, 900);
    }
}

static void make_entries(struct world *w, struct operation *o, uint64_t next)
{
    unsigned count = (unsigned)random_below(&w->random, 5);
    w->terms++; /* an index and a term name one entry, in raft as here */
    for (unsigned i = 0; i < count; i++)
        request_add(&o->request, next + i, 1, w->terms, any_size(&w->random));
}

static void make_operation(struct world *w, struct operation *o, uint32_t id)
{
    struct model_group *g = &w->newest[id];
    struct random *r = &w->random;
    struct log_wal_append *a = &o->request.append;
    uint64_t next = g->next == 0 ? 1 + random_below(r, 50) : g->next;
    a->group.generation = g->generation;
    a->group.recovery_id = g->generation * 1001;
    if (random_chance(r, 0.02) && g->is_known) {
        a->group.generation++;
        a->group.recovery_id += 1001;
        a->has_vote = true;
        next = next + 1;
    }
    if (random_chance(r, 0.15) || a->has_vote) {
        a->has_vote = true;
        a->term = ++w->terms;
        a->voted_for = random_below(r, 4);
    }
    if (random_chance(r, 0.02)) {
        a->snapshot_index = next + random_below(r, 20);
        a->snapshot_term = 1 + w->terms;
        next = a->snapshot_index + 1;
    } else if (random_chance(r, 0.1) && g->next > g->first && next == g->next) {
        uint64_t lowest = g->released < g->first ? g->first : g->released + 1;
        if (lowest < next)
            next = a->truncate_from = lowest + random_below(r, next - lowest);
    }
    make_entries(w, o, next);
    if (random_chance(r, 0.1) ||
        (!a->has_vote && a->entry_count == 0 && a->snapshot_index == 0 && a->truncate_from == 0)) {
        o->heard = 1 + (uint32_t)random_below(r, 1000000);
        bytes_put_le32(o->heard_bytes, o->heard);
        a->heard = bytes_of(o->heard_bytes, 4);
    }
}

static bool is_idle(const struct world *w, uint32_t id)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->operations[i].request.append.group.group_id == id)
            return false;
    return true;
}

static void drop_group(struct world *w, uint32_t id)
{
    struct operation *o = &w->operations[w->count++];
    *o = (struct operation){.is_drop = true};
    o->request.append.group.group_id = id;
    log_wal_drop_group(w->f.wal, id);
    model_apply(w->newest, o);
}

/* False when the WAL takes no more. */
static bool append(struct world *w)
{
    uint32_t id = (uint32_t)random_below(&w->random, GROUPS);
    if (w->count == OPERATIONS_MAX)
        return true;
    if (random_chance(&w->random, 0.01) && is_idle(w, id) && w->newest[id].is_known) {
        drop_group(w, id);
        return true;
    }
    struct operation *o = &w->operations[w->count];
    *o = (struct operation){0};
    request_init(&w->f, &o->request, id);
    make_operation(w, o, id);
    int err = fixture_send(&w->f, &o->request);
    if (err != 0) {
        request_close(&o->request);
        return err == ERR_BUSY;
    }
    model_apply(w->newest, o);
    w->count++;
    return true;
}

/* An owner only releases what is committed, so what is durable, and never truncates it. */
static void release(struct world *w)
{
    uint32_t id = (uint32_t)random_below(&w->random, GROUPS);
    struct model_group *g = &w->durable[id];
    if (!is_idle(w, id) || !g->is_known || g->next == g->first)
        return;
    uint64_t index = g->first + random_below(&w->random, g->next - g->first);
    if (index > g->released)
        g->released = w->newest[id].released = index;
    log_wal_release(w->f.wal, id, g->released);
}

/* The requests are borrowed until their callbacks: they move only when all are done. */
static void settle_when_all_are_done(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (!w->operations[i].request.is_done && !w->operations[i].is_drop)
            return;
    settle(w, acknowledged(w));
}

static void live(struct world *w, unsigned steps)
{
    for (unsigned i = 0; i < steps && !fake_disk_is_halted(w->f.disk); i++) {
        switch (random_below(&w->random, 6)) {
        case 0:
        case 1:
            if (!append(w))
                return;
            break;
        case 2:
        case 3:
            fake_work_run_one(&w->f.writer);
            break;
        case 4:
            fake_work_run_one(&w->f.readers);
            fake_work_run_all(&w->f.home, NULL);
            settle_when_all_are_done(w);
            break;
        default:
            release(w);
        }
        fake_clock_advance_ns(&w->f.clock, 1000 + random_below(&w->random, 1000000));
    }
}

/* One of the ways in which a life of the WAL ends. */
static void end_life(struct world *w)
{
    switch (random_below(&w->random, 4)) {
    case 0: /* power cut in the middle of an operation on the disk */
        fake_disk_halt_at(w->f.disk, 1 + random_below(&w->random, 12));
        live(w, 60);
        fixture_power_cut(&w->f);
        break;
    case 1: /* power cut between operations */
        fixture_power_cut(&w->f);
        break;
    case 2: /* the process is killed: the page cache stays */
        fixture_kill(&w->f);
        break;
    default: /* a failing disk, then a new process on the same page cache */
        fake_disk_fail_nth(w->f.disk,
                           random_chance(&w->random, 0.5) ? FAKE_DISK_SYNC : FAKE_DISK_WRITE,
                           1 + random_below(&w->random, 4), UV_EIO);
        live(w, 60);
        fixture_kill(&w->f);
        fake_disk_fail_nth(w->f.disk, FAKE_DISK_SYNC, 0, 0);
        fake_disk_fail_nth(w->f.disk, FAKE_DISK_WRITE, 0, 0);
    }
}

/* Opens, often after openings that were themselves cut short by a power cut. */
static void begin_life(struct world *w)
{
    while (random_chance(&w->random, 0.5)) {
        fake_disk_halt_at(w->f.disk, 1 + random_below(&w->random, 40));
        int err = fixture_try_open(&w->f);
        cr_assert(err == 0 || err == UV_EIO, "%s: %s", err_name(err), w->f.note.text);
        fixture_power_cut(&w->f);
    }
    fixture_open(&w->f);
    w->cuts += (unsigned)fixture_counters(&w->f).torn_tails_cut;
}

static void world_init(struct world *w, uint64_t seed)
{
    fixture_init(&w->f, seed);
    random_init(&w->random, seed);
    w->seed = seed;
    w->f.options.file_size_bytes = 64 * KIB;
    w->f.options.kept_bytes_max = random_below(&w->random, 4) * 64 * KIB;
    w->f.options.queue_bytes_max = 100 * KIB;
    w->operations = calloc(OPERATIONS_MAX, sizeof *w->operations);
    w->read = malloc(sizeof *w->read);
    w->count = 0;
    w->terms = 0;
    memset(w->durable, 0, sizeof w->durable);
    memset(w->newest, 0, sizeof w->newest);
}

static void world_close(struct world *w)
{
    fixture_close(&w->f);
    free(w->operations);
    free(w->read);
}

static void run_seeds(uint64_t first, uint64_t end)
{
    struct world *w = calloc(1, sizeof *w);
    uint64_t recycled = 0;
    be_quiet();
    for (uint64_t seed = first; seed < end; seed++) {
        world_init(w, seed);
        begin_life(w);
        for (unsigned lives = 0; lives < 12; lives++) {
            live(w, 150);
            recycled += fixture_counters(&w->f).files_recycled;
            end_life(w);
            begin_life(w);
            check_opened(w);
            check_bytes(w);
        }
        world_close(w);
    }
    cr_assert_gt(w->cuts, 0);
    cr_assert_gt(w->kept_unacknowledged, 0);
    cr_assert_gt(w->lost_unacknowledged, 0);
    cr_assert_gt(recycled, 0);
    free(w);
    event_set_sink(NULL, NULL);
}

Test(log_wal_model, is_a_prefix_that_holds_all_acknowledged_whatever_happens)
{
    uint64_t first = getenv("WAL_SEED") != NULL ? strtoull(getenv("WAL_SEED"), NULL, 10) : 1;
    uint64_t count = getenv("WAL_SEEDS") != NULL ? strtoull(getenv("WAL_SEEDS"), NULL, 10) : 300;
    run_seeds(first, first + count);
}

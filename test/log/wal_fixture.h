/* A WAL on fakes: one disk, three queues of work, a clock, and helpers to append and look. */
#ifndef LOG_WAL_FIXTURE_H
#define LOG_WAL_FIXTURE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "fake/fake_clock.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "log/wal.h"

#define KIB 1024u

struct wal_fixture {
    struct fake_disk *disk;
    struct fake_work writer, readers, home;
    struct fake_clock clock;
    struct log_wal_options options;
    struct log_wal *wal;  /* NULL while closed */
    struct err_note note; /* of the last opening */
};

static inline void fixture_init(struct wal_fixture *f, uint64_t seed)
{
    *f = (struct wal_fixture){0};
    f->disk = fake_disk_create(seed);
    fake_work_init(&f->writer);
    fake_work_init(&f->readers);
    fake_work_init(&f->home);
    fake_clock_init(&f->clock);
    f->options = (struct log_wal_options){
        .directory = "wal",
        .file_size_bytes = 256 * KIB,
        .queue_bytes_max = 1024 * KIB,
        .kept_bytes_max = 1024 * KIB,
        .cluster_id = {11, 22},
        .clock = &f->clock.seam,
    };
}

static inline int fixture_try_open(struct wal_fixture *f)
{
    f->note.text[0] = '\0';
    return log_wal_open(fake_disk_seam(f->disk), &f->options, &f->writer.seam, &f->readers.seam,
                        &f->wal, &f->note);
}

static inline void fixture_open(struct wal_fixture *f)
{
    int err = fixture_try_open(f);
    cr_assert_eq(err, 0, "open: %s: %s", err_name(err), f->note.text);
}

/* Runs everything until nothing is left to do. */
static inline void fixture_run(struct wal_fixture *f)
{
    while (fake_work_run_one(&f->writer) || fake_work_run_one(&f->readers) ||
           fake_work_run_one(&f->home))
        fake_clock_advance_ms(&f->clock, 1);
}

/* The process is gone; what it had queued never ran. */
static inline void fixture_kill(struct wal_fixture *f)
{
    fake_work_drop(&f->writer);
    fake_work_drop(&f->readers);
    fake_work_drop(&f->home);
    log_wal_close(f->wal);
    f->wal = NULL;
}

static inline void fixture_reopen(struct wal_fixture *f)
{
    fixture_kill(f);
    fixture_open(f);
}

static inline void fixture_power_cut(struct wal_fixture *f)
{
    fake_disk_halt(f->disk);
    fixture_kill(f);
    fake_disk_crash(f->disk, NULL);
}

static inline void fixture_close(struct wal_fixture *f)
{
    fixture_kill(f);
    fake_disk_destroy(f->disk);
}

/* ---- entries whose bytes follow from who they are ---- */

static inline void fill_body(uint8_t *into, size_t size, uint64_t seed)
{
    struct random r;
    random_init(&r, seed);
    for (size_t i = 0; i < size; i++)
        into[i] = (uint8_t)random_u64(&r);
}

static inline struct log_entry make_entry(uint32_t group_id, uint64_t index, uint64_t term,
                                          size_t size)
{
    struct log_entry e = {.term = term, .index = index, .type = LOG_ENTRY_BARRIER};
    if (size == 0)
        return e;
    struct buffer *b = buffer_create(size);
    fill_body(b->data, size, index * 1000003 + term * 7919 + group_id);
    e.type = LOG_ENTRY_CHANGE;
    if (size >= LOG_ENTRY_HEAD_SIZE) {
        e.type = LOG_ENTRY_COMMAND;
        e.head = (struct slice){buffer_ref(b), bytes_of(b->data, LOG_ENTRY_HEAD_SIZE)};
    }
    size_t head_size = e.head.bytes.size;
    e.body = (struct slice){b, bytes_of(b->data + head_size, size - head_size)};
    e.crc = crc32c(0, bytes_of(b->data, size));
    return e;
}

static inline void entry_unref(struct log_entry *e)
{
    slice_unref(&e->head);
    slice_unref(&e->body);
}

/* ---- one request that waits for itself ---- */

struct request {
    struct log_wal_append append;
    struct log_entry entries[16];
    bool is_done;
    int status;
};

static inline void on_appended(struct log_wal_append *append, int status)
{
    struct request *r = append->data;
    cr_assert(!r->is_done, "a callback runs once");
    r->is_done = true;
    r->status = status;
}

static inline void request_init(struct wal_fixture *f, struct request *r, uint32_t group_id)
{
    *r = (struct request){0};
    r->append.data = r;
    r->append.group.group_id = group_id;
    r->append.home = &f->home.seam;
    r->append.entries = r->entries;
}

/* Adds `count` entries of `size` bytes from `index` on. */
static inline void request_add(struct request *r, uint64_t index, unsigned count, uint64_t term,
                               size_t size)
{
    for (unsigned i = 0; i < count; i++)
        r->entries[r->append.entry_count++] = make_entry(r->append.group.group_id, index + i, term,
                                                         size);
}

static inline void request_close(struct request *r)
{
    for (unsigned i = 0; i < r->append.entry_count; i++)
        entry_unref(&r->entries[i]);
}

static inline int fixture_send(struct wal_fixture *f, struct request *r)
{
    return log_wal_append(f->wal, &r->append, on_appended);
}

/* Sends, runs all, and gives back the status. */
static inline int fixture_finish(struct wal_fixture *f, struct request *r)
{
    int err = fixture_send(f, r);
    fixture_run(f);
    cr_assert(err != 0 || r->is_done);
    request_close(r);
    return err != 0 ? err : r->status;
}

static inline int fixture_append(struct wal_fixture *f, uint32_t group_id, uint64_t index,
                                 unsigned count, uint64_t term, size_t size)
{
    struct request r;
    request_init(f, &r, group_id);
    request_add(&r, index, count, term, size);
    return fixture_finish(f, &r);
}

static inline int fixture_vote(struct wal_fixture *f, uint32_t group_id, uint64_t term,
                               uint64_t voted_for)
{
    struct request r;
    request_init(f, &r, group_id);
    r.append.has_vote = true;
    r.append.term = term;
    r.append.voted_for = voted_for;
    return fixture_finish(f, &r);
}

static inline struct log_wal_state fixture_state(struct wal_fixture *f, uint32_t group_id)
{
    struct log_wal_state s = {0};
    cr_assert_eq(log_wal_state(f->wal, group_id, &s), 0);
    return s;
}

static inline struct log_wal_counters fixture_counters(struct wal_fixture *f)
{
    struct log_wal_counters c;
    log_wal_counters(f->wal, &c);
    return c;
}

/* ---- reading ---- */

static inline void on_read(struct log_wal_read *read, int status)
{
    read->status = status;
    *(bool *)read->data = true;
}

/* Reads from `index` on; the caller gives the entries back with read_close. */
static inline int fixture_read(struct wal_fixture *f, struct log_wal_read *read, uint32_t group_id,
                               uint64_t index, size_t size_bytes_max)
{
    bool is_done = false;
    *read = (struct log_wal_read){.data = &is_done,
                                  .group_id = group_id,
                                  .index = index,
                                  .size_bytes_max = size_bytes_max,
                                  .home = &f->home.seam};
    log_wal_read(f->wal, read, on_read);
    fixture_run(f);
    cr_assert(is_done);
    return read->status;
}

static inline void read_close(struct log_wal_read *read)
{
    for (unsigned i = 0; i < read->entry_count; i++)
        entry_unref(&read->entries[i]);
}

static inline void assert_is_entry(const struct log_entry *e, uint32_t group_id, uint64_t index,
                                   uint64_t term, size_t size)
{
    struct log_entry expected = make_entry(group_id, index, term, size);
    cr_assert_eq(e->index, index);
    cr_assert_eq(e->term, term);
    cr_assert_eq(e->type, expected.type);
    cr_assert_eq(e->crc, expected.crc);
    cr_assert(bytes_is_equal(e->head.bytes, expected.head.bytes));
    cr_assert(bytes_is_equal(e->body.bytes, expected.body.bytes));
    entry_unref(&expected);
}

#endif

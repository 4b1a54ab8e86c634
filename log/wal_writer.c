/* The WAL's writer: group commit.
 *
 * Appends of all shards meet in one queue. When the writer is idle the first append submits its
 * work item; what arrives while a write is under way becomes the next write. One pass of the item
 * is one write: take what is queued, one vector write, one fdatasync, complete the waiters in
 * order, submit itself again while there is more. Only the writer touches the file and the
 * `write`; the lock is held to take and to complete, never during I/O.
 *
 * Giving files back takes two writes, so that recovery needs to trust no write that might be torn:
 *   1. all entries of the oldest files are released and the budget is exceeded: groups whose vote,
 *      snapshot, heard positions or generation stand there are restated (STATE records);
 *   2. once that is durable, the next write's header names the new oldest file; once that one is
 *      durable too, the files below may be overwritten.
 * On a full disk that must work without a new file: so entries leave some room at the end of a file
 * as long as the next one is not there. What is queued then waits for room, in files given back or
 * on the disk; it is not lost, and not acknowledged.
 *
 * A failed write or fdatasync is final: what the kernel kept of it is unknown. */
#include <assert.h>
#include <time.h>

#include "base/clock.h"
#include "base/event.h"
#include "wal_private.h"

#define WRITE_BYTES_ENOUGH      (8u << 20) /* a write of this size gathers no more */
#define GATHER_ABOVE_PER_SECOND 10000u
#define GATHER_BELOW_BYTES      (256u << 10) /* with more queued a write is efficient as it is */
#define RATE_WINDOW_NS          20000000u

/* ---- completing ---- */

static void run_callback(struct work_item *item)
{
    struct log_wal_append *req = item->data;
    req->cb(req, req->status);
}

/* Outside the lock: a request belongs to its owner again as soon as it is submitted. */
static void complete_all(struct log_wal_append *first)
{
    while (first != NULL) {
        struct log_wal_append *req = first;
        first = req->next;
        if (req->home == NULL)
            continue; /* a drop: nobody waits */
        req->item.data = req;
        work_submit(req->home, &req->item, run_callback);
    }
}

/* Under the lock: the request is no longer counted. */
static void settle_request(struct log_wal *wal, struct log_wal_append *req, int status)
{
    struct wal_group *g = log_wal_index_find(&wal->index, req->group.group_id);
    assert(g != NULL && g->queued_count > 0);
    g->queued_count--;
    if (req->is_drop) {
        g->is_drop_queued = false;
        req->home = NULL;
    }
    wal->queued_bytes -= req->size_bytes;
    wal->counters.appends++;
    req->status = status;
}

/* Under the lock. The WAL takes no more; what waits is told. Returns the requests to complete. */
static struct log_wal_append *fail(struct log_wal *wal, int err)
{
    if (wal->status == 0)
        event_error("wal_failed", "error=%s file_id=%u", err_name(err),
                    (unsigned)wal->current->header.file_id);
    wal->status = err;
    wal->is_writer_busy = false;
    struct log_wal_append *first = wal->write.first != NULL ? wal->write.first : wal->first;
    if (wal->write.first != NULL)
        wal->write.last->next = wal->first;
    wal->write.first = wal->write.last = wal->first = wal->last = NULL;
    for (struct log_wal_append *req = first; req != NULL; req = req->next)
        settle_request(wal, req, err);
    return first;
}

/* ---- taking ---- */

bool log_wal_writer_has_retiring(const struct log_wal *wal)
{
    return log_wal_files_retirable(wal) > wal->oldest_file_id;
}

void log_wal_writer_kick(struct log_wal *wal)
{
    if (wal->is_writer_busy || wal->status != 0)
        return;
    wal->is_writer_busy = wal->is_in_service = true;
    wal->writer_item.data = wal;
    log_wal_pace_begin(wal);
    work_submit(wal->writer, &wal->writer_item, log_wal_writer_run);
}

void log_wal_writer_wake(struct log_wal *wal)
{
    if (!wal->is_waiting_for_file || wal->status != 0)
        return;
    wal->is_waiting_for_file = false;
    work_submit(wal->writer, &wal->writer_item, log_wal_writer_run);
}

/* The next group whose state stands in a file below `oldest_file_id` only. */
static struct wal_group *next_to_restate(const struct log_wal *wal, uint32_t oldest_file_id)
{
    for (size_t i = 0; i < wal->index.count; i++) {
        struct wal_group *g = wal->index.groups[i];
        if (g->is_known && !g->is_restating && g->state_file_id < oldest_file_id)
            return g;
    }
    return NULL;
}

static size_t state_size(const struct wal_group *g)
{
    return WAL_RECORD_HEADER_SIZE + WAL_STATE_SIZE + g->heard_size;
}

static void add_state(struct wal_write *w, struct wal_group *g)
{
    uint8_t data[WAL_STATE_SIZE];
    struct wal_record r = {.kind = WAL_STATE, .group = g->id};
    r.data_size = (uint32_t)(WAL_STATE_SIZE + g->heard_size);
    log_wal_state_encode(&(struct wal_state_data){.term = g->term,
                                                  .voted_for = g->voted_for,
                                                  .snapshot_index = g->snapshot_index,
                                                  .snapshot_term = g->snapshot_term,
                                                  .next_index = g->next_index},
                         data);
    log_wal_write_add(w, &r, bytes_of(data, sizeof data), bytes_of(g->heard, g->heard_size));
    g->is_restating = true;
    w->needs_sync = true;
}

/* Restates what fits into so many bytes. */
static void take_states(struct log_wal *wal, size_t left)
{
    uint32_t oldest = log_wal_files_retirable(wal);
    struct wal_group *g;
    if (left > WAL_WRITE_STATES_MAX)
        left = WAL_WRITE_STATES_MAX;
    if (oldest == wal->oldest_file_id)
        return;
    while ((g = next_to_restate(wal, oldest)) != NULL && state_size(g) <= left) {
        left -= state_size(g);
        add_state(&wal->write, g);
    }
}

static bool is_heard_only(const struct log_wal_append *req)
{
    return req->heard.size > 0 && req->entry_count == 0 && !req->has_vote &&
           req->truncate_from == 0 && req->snapshot_index == 0 && !req->is_drop;
}

/* Moves queued requests into the write, as many as file and staging have room for. */
static void take_requests(struct log_wal *wal, uint32_t room)
{
    struct wal_write *w = &wal->write;
    size_t bytes = w->header.payload_size;
    unsigned requests = 0, entries = 0;
    while (wal->first != NULL && bytes < WRITE_BYTES_ENOUGH) {
        struct log_wal_append *req = wal->first;
        if (req->size_bytes > room - bytes ||
            !log_wal_write_has_room(w, requests + 1, entries + req->entry_count))
            break;
        bytes += req->size_bytes;
        requests++;
        entries += req->entry_count;
        wal->first = req->next;
        if (w->last != NULL)
            w->last->next = req;
        else
            w->first = req;
        w->last = req;
        req->next = NULL;
        w->needs_sync |= !is_heard_only(req);
    }
    if (wal->first == NULL)
        wal->last = NULL;
}

/* Bytes of payload that still fit into the current file, before the write that ends it. */
static uint32_t room_in(const struct wal_file *file)
{
    uint32_t left = file->size - file->end;
    return left < 2 * WAL_BLOCK_SIZE ? 0 : left - WAL_BLOCK_SIZE - WAL_WRITE_HEADER_SIZE;
}

/* What entries leave of it, so that files can be given back when there is no other. */
static uint32_t room_kept(const struct log_wal *wal)
{
    const struct wal_file *file = wal->current;
    uint32_t kept = file->size / WAL_KEPT_SHARE;
    if (wal->prepared != NULL || file->end <= 2 * WAL_BLOCK_SIZE)
        return 0; /* what needs a whole file finds one */
    if (kept < WAL_KEPT_MIN)
        kept = WAL_KEPT_MIN;
    return kept < WAL_KEPT_MAX ? kept : WAL_KEPT_MAX;
}

/* The payload that the next write has at least. */
static size_t size_needed(const struct log_wal *wal)
{
    if (wal->first != NULL)
        return wal->first->size_bytes;
    struct wal_group *g = next_to_restate(wal, log_wal_files_retirable(wal));
    return g == NULL ? 0 : state_size(g);
}

static int sync_current(struct log_wal *wal)
{
#ifdef TRILOG_BREAK_SKIP_FDATASYNC
    (void)wal;
    return 0;
#else
    return disk_sync(wal->disk, wal->current->disk_file);
#endif
}

/* Moves the ends: the write stands. */
static void settle_write(struct log_wal *wal)
{
    struct wal_write *w = &wal->write;
    uint64_t size = wal_write_size(w->header.payload_size);
    wal->current->end += (uint32_t)size;
    wal->sequence++;
    wal->counters.writes++;
    wal->counters.bytes += size;
    if (!w->needs_sync)
        return;
    wal->counters.syncs++;
    wal->mark = (struct wal_position){wal->current->header.file_id, wal->current->end};
    wal->oldest_file_id_durable = w->header.oldest_file_id;
}

/* Under the lock, which it gives up for the I/O. Goes on to the prepared file when the current one
 * is full. An empty write ends the old file and names the next, so that one that is gone as a whole
 * is missed. It is durable, and so is all before it, when the next file is written: recovery relies
 * on only the last file having a torn tail. */
static int switch_file(struct log_wal *wal)
{
    log_wal_write_begin_next(wal);
    wal->write.header.next_file_id = wal->prepared->header.file_id;
    wal->write.needs_sync = true;
    pthread_mutex_unlock(&wal->lock);
    int err = log_wal_write_issue(wal, &wal->write, wal->current);
    if (err == 0)
        err = sync_current(wal);
    pthread_mutex_lock(&wal->lock);
    if (err != 0)
        return err;
    settle_write(wal);
    log_wal_file_switch(wal);
    return 0;
}

/* Under the lock. There is no file for what is queued, nor room for one: a write that gives files
 * back, as far as that leads on. */
static bool take_relief(struct log_wal *wal)
{
    uint32_t room = room_in(wal->current), oldest = log_wal_files_retirable(wal);
    struct wal_group *g = next_to_restate(wal, oldest);
    bool leads_on = wal->oldest_file_id > wal->oldest_file_id_durable ||
                    (oldest > wal->oldest_file_id && (g == NULL || state_size(g) <= room));
    if (!err_is_no_room(wal->prepare_status) || room == 0 || !leads_on)
        return false;
    log_wal_write_begin_next(wal);
    take_states(wal, room);
    wal->write.needs_sync = wal->write.is_relief = true;
    return true;
}

static bool needs_file(const struct log_wal *wal)
{
    size_t size = size_needed(wal);
    return size > 0 && size + room_kept(wal) > room_in(wal->current);
}

/* Under the lock. 1: the write is taken; 0: wait for a file; or the error that ends the WAL. */
static int take_write(struct log_wal *wal)
{
    if (needs_file(wal)) {
        bool is_final = wal->prepare_status != 0 && !err_is_no_room(wal->prepare_status);
        if (wal->prepared == NULL && is_final && wal->was_prepare_needed)
            return wal->prepare_status; /* tried for this very need */
        if (wal->prepared == NULL && take_relief(wal))
            return 1;
        if (wal->prepared == NULL) {
            wal->is_waiting_for_file = true;
            log_wal_upkeep_if_due(wal);
            return 0;
        }
        int err = switch_file(wal);
        if (err != 0)
            return err;
    }
    log_wal_write_begin_next(wal);
    uint32_t room = room_in(wal->current), kept = room_kept(wal);
    room = room > kept ? room - kept : 0;
    size_t first_size = wal->first != NULL ? wal->first->size_bytes : 0;
    take_states(wal, room - first_size); /* the first one must never have to wait for them */
    take_requests(wal, room);
    return 1;
}

/* ---- writing ---- */

static void add_record(void *data, struct wal_record *r, struct bytes head, struct bytes body)
{
    log_wal_write_add(data, r, head, body);
}

/* Without the lock: the requests are ours until they complete. */
static int write_and_sync(struct log_wal *wal)
{
    struct wal_write *w = &wal->write;
    for (const struct log_wal_append *req = w->first; req != NULL; req = req->next)
        log_wal_visit_records(req, add_record, w);
    int err = log_wal_write_issue(wal, w, wal->current);
    return err == 0 && w->needs_sync ? sync_current(wal) : err;
}

/* ---- taking in what is durable ---- */

struct applying {
    struct log_wal *wal;
    struct wal_position place; /* of the next record */
    int err;                   /* first one */
};

static void apply_record(void *data, struct wal_record *r, struct bytes head, struct bytes body)
{
    struct applying *a = data;
    (void)body;
    if (a->err == 0)
        a->err = log_wal_index_apply(&a->wal->index, r, a->place, head);
    a->place.position += WAL_RECORD_HEADER_SIZE + r->data_size;
}

/* Restated groups no longer need the older files. Returns the bytes of their records. */
static uint32_t settle_states(struct log_wal *wal)
{
    uint32_t bytes = 0;
    for (size_t i = 0; i < wal->index.count; i++) {
        struct wal_group *g = wal->index.groups[i];
        if (!g->is_restating)
            continue;
        bytes += (uint32_t)state_size(g);
        g->is_restating = false;
        g->state_file_id = wal->current->header.file_id;
    }
    return bytes;
}

/* Step 2 of giving files back, in memory: from now on nothing is looked up there. */
static void retire_files(struct log_wal *wal)
{
    uint32_t oldest = log_wal_files_retirable(wal);
    if (oldest == wal->oldest_file_id || next_to_restate(wal, oldest) != NULL)
        return;
    log_wal_index_forget_files(&wal->index, oldest);
    wal->oldest_file_id = oldest;
}

static void note_rate(struct log_wal *wal, uint64_t now_ns, uint64_t requests)
{
    wal->rate_requests += requests;
    uint64_t passed_ns = now_ns - wal->rate_from_ns;
    if (passed_ns < RATE_WINDOW_NS)
        return;
    wal->requests_per_second = wal->rate_requests * 1000000000u / passed_ns;
    wal->rate_requests = 0;
    wal->rate_from_ns = now_ns;
}

/* Under the lock: index, files and waiters learn of the write. Returns 0 or UV_ENOMEM. */
static int take_in(struct log_wal *wal)
{
    struct wal_write *w = &wal->write;
    uint64_t before = wal->counters.appends;
    settle_write(wal);
    struct applying a = {.wal = wal, .place = w->place};
    a.place.position += WAL_WRITE_HEADER_SIZE + settle_states(wal);
    for (struct log_wal_append *req = w->first; req != NULL; req = req->next)
        log_wal_visit_records(req, apply_record, &a);
    if (a.err != 0)
        return a.err;
    for (struct log_wal_append *req = w->first; req != NULL; req = req->next)
        settle_request(wal, req, 0);
    note_rate(wal, clock_now_ns(wal->options.clock), wal->counters.appends - before);
    return 0;
}

/* Under the lock: goes on, or rests. */
static void continue_or_rest(struct log_wal *wal, bool was_synced)
{
    bool goes_on = wal->first != NULL || (wal->status == 0 && log_wal_writer_has_retiring(wal));
    log_wal_pace_end(wal, was_synced, goes_on);
    if (goes_on)
        work_submit(wal->writer, &wal->writer_item, log_wal_writer_run);
    else
        wal->is_writer_busy = false;
}

/* Many small commits cost less together. Only a real disk's WAL is told to wait. */
static void gather(struct log_wal *wal)
{
    if (wal->options.gather_us_max == 0 || wal->requests_per_second < GATHER_ABOVE_PER_SECOND)
        return;
    pthread_mutex_lock(&wal->lock);
    bool is_little = wal->queued_bytes < GATHER_BELOW_BYTES;
    pthread_mutex_unlock(&wal->lock);
    struct timespec wait = {.tv_nsec = (long)wal->options.gather_us_max * 1000};
    if (is_little)
        nanosleep(&wait, NULL);
}

/* Between the two locks the write's I/O. Returns with the lock held. */
static int perform_write(struct log_wal *wal)
{
    if (wal->write.first == NULL && wal->write.header.record_count == 0 && !wal->write.is_relief) {
        wal->write.needs_sync = false;
        return 0; /* only files to retire */
    }
    pthread_mutex_unlock(&wal->lock);
    uint64_t start_ns = clock_now_ns(wal->options.clock);
    int err = write_and_sync(wal);
    uint64_t took_us = (clock_now_ns(wal->options.clock) - start_ns) / 1000;
    pthread_mutex_lock(&wal->lock);
    wal->counters.write_us_last = took_us;
    wal->counters.write_us_sum += took_us;
    return err == 0 ? take_in(wal) : err;
}

void log_wal_writer_run(struct work_item *item)
{
    struct log_wal *wal = item->data;
    struct log_wal_append *done = NULL;
    gather(wal);
    pthread_mutex_lock(&wal->lock);
    int taken = wal->status != 0 ? wal->status : take_write(wal);
    int err = taken > 0 ? perform_write(wal) : taken;
    if (err != 0) {
        done = fail(wal, err);
    } else if (taken > 0) {
        done = wal->write.first;
        wal->write.first = wal->write.last = NULL;
        retire_files(wal);
        log_wal_files_free_retired(wal);
        log_wal_upkeep_if_due(wal);
        continue_or_rest(wal, wal->write.needs_sync);
    }
    pthread_mutex_unlock(&wal->lock);
    complete_all(done);
}

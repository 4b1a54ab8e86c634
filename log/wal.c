/* The write-ahead log of one disk: opening, appending, queries.
 *
 *   shards --append--> queue --writer--> [file][file][current]  [prepared] [spare]
 *                                 |                                  ^ upkeep
 *                                 +--> index: per group state and where each entry is
 *
 *   wal_format.c   stored form                 wal_index.c    groups and entries in memory
 *   wal_file.c     prepare, recycle, remove    wal_request.c  the records of a request
 *   wal_write.c    one vector write            wal_writer.c   group commit
 *   wal_recover.c  opening after any end       wal_read.c     entries back from the files
 *
 * One lock guards queue and index; it is never held during I/O. Nothing is acknowledged before
 * its fdatasync has returned; what is acknowledged is found again at opening, or the opening
 * fails and says where the damage is (design, section 4). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "wal_private.h"

static bool is_allowed(const struct log_wal_options *o)
{
    return o->file_size_bytes >= LOG_WAL_FILE_SIZE_MIN &&
           o->file_size_bytes <= LOG_WAL_FILE_SIZE_MAX &&
           o->file_size_bytes % WAL_BLOCK_SIZE == 0 && o->gather_us_max < 1000000 &&
           strlen(o->directory) > 0 && strlen(o->directory) < WAL_PATH_SIZE / 2 - 32;
}

static struct log_wal *create_wal(const struct disk *disk, const struct log_wal_options *options,
                                  const struct work *writer, const struct work *readers)
{
    struct log_wal *wal = calloc(1, sizeof *wal);
    if (wal == NULL)
        return NULL;
    pthread_mutex_init(&wal->lock, NULL);
    wal->disk = disk;
    wal->writer = writer;
    wal->readers = readers;
    wal->options = *options;
    snprintf(wal->directory, sizeof wal->directory, "%s", options->directory);
    wal->options.directory = wal->directory;
    wal->rate_from_ns = clock_now_ns(options->clock);
    wal->writer_item.data = wal;
    if (log_wal_write_init(&wal->write) == 0)
        return wal;
    log_wal_close(wal);
    return NULL;
}

int log_wal_open(const struct disk *disk, const struct log_wal_options *options,
                 const struct work *writer, const struct work *readers, struct log_wal **wal,
                 struct err_note *note)
{
    assert(options->clock != NULL && options->directory != NULL);
    if (!is_allowed(options))
        return err_set(note, ERR_INVALID, "wal: file size %llu or directory not allowed",
                       (unsigned long long)options->file_size_bytes);
    struct log_wal *w = create_wal(disk, options, writer, readers);
    if (w == NULL)
        return err_set(note, UV_ENOMEM, "wal: no memory");
    int err = log_wal_recover(w, note);
    if (err != 0) {
        log_wal_close(w);
        return err;
    }
    *wal = w;
    return 0;
}

void log_wal_stop(struct log_wal *wal)
{
    pthread_mutex_lock(&wal->lock);
    bool is_first = wal->status == 0;
    if (is_first)
        wal->status = ERR_CLOSED;
    if (is_first && wal->is_waiting_for_file) {
        wal->is_waiting_for_file = false; /* the writer tells those who wait */
        work_submit(wal->writer, &wal->writer_item, log_wal_writer_run);
    }
    pthread_mutex_unlock(&wal->lock);
}

static void close_files(struct log_wal *wal, struct wal_file *first)
{
    while (first != NULL) {
        struct wal_file *next = first->next;
        log_wal_file_close(wal, first);
        first = next;
    }
}

void log_wal_close(struct log_wal *wal)
{
    if (wal == NULL)
        return;
    close_files(wal, wal->files);
    close_files(wal, wal->prepared);
    close_files(wal, wal->spare);
    log_wal_index_close(&wal->index);
    log_wal_write_close(&wal->write);
    pthread_mutex_destroy(&wal->lock);
    free(wal);
}

/* ---- append ---- */

static void add_size(void *data, struct wal_record *r, struct bytes head, struct bytes body)
{
    size_t *size = data;
    (void)head;
    (void)body;
    *size += WAL_RECORD_HEADER_SIZE + r->data_size;
}

static void check_request(const struct log_wal_append *req)
{
    assert(req->home != NULL && req->group.group_id != UINT32_MAX);
    assert(req->entry_count <= LOG_WAL_ENTRIES_MAX && req->heard.size <= LOG_WAL_HEARD_SIZE_MAX);
    for (unsigned i = 0; i < req->entry_count; i++) {
        assert(req->entries[i].index == req->entries[0].index + i);
        assert(req->entries[i].head.bytes.size <= LOG_ENTRY_HEAD_SIZE);
        assert(log_entry_size(&req->entries[i]) <= LOG_ENTRY_SIZE_MAX);
    }
}

/* The queued view moves on, so that a gap between requests is found here and not at the next
 * opening. */
static void note_queued(struct wal_group *g, const struct log_wal_append *req)
{
    if (g->queued_id.generation != req->group.generation || req->forgets)
        g->queued_next = 0;
    g->queued_id = req->group;
    g->queued_count++;
    if (req->snapshot_index > 0)
        g->queued_next = req->snapshot_index + 1;
    if (req->truncate_from > 0 && req->truncate_from < g->queued_next)
        g->queued_next = req->truncate_from;
    if (req->entry_count == 0)
        return;
    assert(g->queued_next == 0 || req->entries[0].index == g->queued_next);
    g->queued_next = req->entries[0].index + req->entry_count;
}

static void enqueue(struct log_wal *wal, struct log_wal_append *req)
{
    req->next = NULL;
    if (wal->last != NULL)
        wal->last->next = req;
    else
        wal->first = req;
    wal->last = req;
    wal->queued_bytes += req->size_bytes;
    log_wal_writer_kick(wal);
}

static bool is_other_generation(const struct wal_group *g, const struct log_wal_group *id)
{
    if (!g->is_known && g->queued_count == 0)
        return false; /* never seen, or dropped */
    return id->generation < g->queued_id.generation ||
           (id->generation == g->queued_id.generation &&
            id->recovery_id != g->queued_id.recovery_id);
}

/* Under the lock. */
static int try_enqueue(struct log_wal *wal, struct log_wal_append *req)
{
    if (wal->status != 0)
        return wal->status;
    if (req->entry_count > 0 && wal->queued_bytes > 0 &&
        wal->queued_bytes + req->size_bytes > wal->options.queue_bytes_max)
        return ERR_BUSY;
    struct wal_group *g = log_wal_index_get(&wal->index, req->group.group_id);
    if (g == NULL)
        return UV_ENOMEM;
    if (is_other_generation(g, &req->group))
        return ERR_OTHER_GENERATION;
    note_queued(g, req);
    enqueue(wal, req);
    return 0;
}

int log_wal_append(struct log_wal *wal, struct log_wal_append *req, log_wal_append_cb cb)
{
    check_request(req);
    req->cb = cb;
    req->is_drop = false;
    req->size_bytes = 0;
    log_wal_visit_records(req, add_size, &req->size_bytes);
    assert(req->size_bytes > 0); /* an empty request would have nothing to wait for */
    if (wal_write_size(req->size_bytes) > wal->options.file_size_bytes - 2 * WAL_BLOCK_SIZE)
        return ERR_TOO_LARGE;
    pthread_mutex_lock(&wal->lock);
    int err = try_enqueue(wal, req);
    pthread_mutex_unlock(&wal->lock);
    return err;
}

void log_wal_drop_group(struct log_wal *wal, uint32_t group_id)
{
    pthread_mutex_lock(&wal->lock);
    struct wal_group *g = log_wal_index_find(&wal->index, group_id);
    if (g != NULL && g->is_known && !g->is_drop_queued && wal->status == 0) {
        assert(g->queued_count == 0); /* the owner stops the group first */
        g->drop = (struct log_wal_append){.group = g->id, .is_drop = true};
        g->drop.size_bytes = WAL_RECORD_HEADER_SIZE;
        g->is_drop_queued = true;
        g->queued_count++;
        g->queued_id = (struct log_wal_group){.group_id = group_id};
        g->queued_next = 0;
        enqueue(wal, &g->drop);
    }
    pthread_mutex_unlock(&wal->lock);
}

void log_wal_release(struct log_wal *wal, uint32_t group_id, uint64_t index)
{
    pthread_mutex_lock(&wal->lock);
    struct wal_group *g = log_wal_index_find(&wal->index, group_id);
    if (g != NULL && index > g->released) {
        g->released = index;
        if (log_wal_writer_has_retiring(wal)) {
            log_wal_writer_kick(wal);
            log_wal_writer_wake(wal);
        }
    }
    pthread_mutex_unlock(&wal->lock);
}

void log_wal_set_tight(struct log_wal *wal, bool is_tight)
{
    pthread_mutex_lock(&wal->lock);
    wal->is_tight = is_tight;
    if (wal->status == 0 && log_wal_writer_has_retiring(wal)) {
        log_wal_writer_kick(wal);
        log_wal_writer_wake(wal);
    }
    if (err_is_no_room(wal->prepare_status))
        wal->prepare_status = 0; /* look again */
    if (wal->status == 0)
        log_wal_upkeep_if_due(wal);
    pthread_mutex_unlock(&wal->lock);
}

/* ---- queries ---- */

static uint64_t first_index_of(const struct wal_group *g)
{
    return g->next_index == 0 ? 1 : g->first_index;
}

int log_wal_state(struct log_wal *wal, uint32_t group_id, struct log_wal_state *state)
{
    pthread_mutex_lock(&wal->lock);
    const struct wal_group *g = log_wal_index_find(&wal->index, group_id);
    bool is_known = g != NULL && g->is_known;
    if (is_known)
        *state = (struct log_wal_state){
            .group = g->id,
            .term = g->term,
            .voted_for = g->voted_for,
            .first_index = first_index_of(g),
            .last_index = g->next_index == 0 ? 0 : g->next_index - 1,
            .snapshot_index = g->snapshot_index,
            .snapshot_term = g->snapshot_term,
        };
    pthread_mutex_unlock(&wal->lock);
    return is_known ? 0 : ERR_NOT_FOUND;
}

size_t log_wal_heard(struct log_wal *wal, uint32_t group_id, uint8_t *into, size_t size_max)
{
    pthread_mutex_lock(&wal->lock);
    const struct wal_group *g = log_wal_index_find(&wal->index, group_id);
    size_t size = g != NULL && g->heard_size <= size_max ? g->heard_size : 0;
    if (size > 0)
        memcpy(into, g->heard, size);
    pthread_mutex_unlock(&wal->lock);
    return size;
}

int log_wal_entry_term(struct log_wal *wal, uint32_t group_id, uint64_t index, uint64_t *term,
                       enum log_entry_type *type)
{
    pthread_mutex_lock(&wal->lock);
    const struct wal_group *g = log_wal_index_find(&wal->index, group_id);
    const struct wal_entry *e = g == NULL ? NULL : log_wal_index_entry(g, index);
    if (e != NULL) {
        *term = e->term;
        *type = (enum log_entry_type)e->type;
    }
    pthread_mutex_unlock(&wal->lock);
    return e != NULL ? 0 : ERR_NOT_FOUND;
}

void log_wal_each_group(struct log_wal *wal, log_wal_group_cb cb, void *data)
{
    /* At opening: no shard runs yet, and `cb` may ask for the group's state. */
    for (size_t i = 0; i < wal->index.count; i++)
        if (wal->index.groups[i]->is_known)
            cb(data, wal->index.groups[i]->id.group_id);
}

void log_wal_pressure(struct log_wal *wal, uint32_t *group_id, uint64_t *pinned_bytes)
{
    struct wal_position oldest = {UINT32_MAX, UINT32_MAX};
    *group_id = UINT32_MAX;
    pthread_mutex_lock(&wal->lock);
    for (size_t i = 0; i < wal->index.count; i++) {
        const struct wal_entry *pin = log_wal_index_pin(wal->index.groups[i]);
        if (pin == NULL || !wal_position_is_before(pin->place, oldest))
            continue;
        oldest = pin->place;
        *group_id = wal->index.groups[i]->id.group_id;
    }
    *pinned_bytes = log_wal_files_bytes(wal);
    pthread_mutex_unlock(&wal->lock);
}

void log_wal_counters(struct log_wal *wal, struct log_wal_counters *counters)
{
    pthread_mutex_lock(&wal->lock);
    *counters = wal->counters;
    pthread_mutex_unlock(&wal->lock);
}

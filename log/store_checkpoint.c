/* A checkpoint: what changed becomes durable, then the manifest says so.
 *
 *   shard    take the changed partitions: prepare their flushes, make their records
 *   worker   run the flushes (data, indexes, folders synced), append records and commit, sync
 *   shard    finish the flushes, move the durable state forward, choose files that may go
 *   worker   remove them
 *   shard    tell the owner
 *
 * Everything is taken at one moment, so that the group's partitions are one consistent cut at
 * state.index while apply goes on. Files of segments that left the log and of removed partitions
 * go last: only when no manifest names them, no snapshot that is being shipped pins them, and no
 * read is under way in a removed partition. What can't go yet goes after a later checkpoint.
 *
 * A checkpoint that finds no room leaves everything as it was, but for bytes behind the ends that
 * the manifest knows; the next one writes all of it anew, from memory. */
#include <assert.h>
#include <stdlib.h>

#include "store_internal.h"

#define REWRITE_SIZE_MIN (1u << 20) /* a manifest smaller than this is never rewritten */
#define REWRITE_FACTOR   4          /* nor one with more than a quarter of it alive */

struct checkpoint_item {
    struct store_partition *entry;
    struct log_flush *flush; /* NULL: only the record changed */
    struct log_partition_record record;
};

/* A record that a rewrite repeats. */
struct kept_record {
    uint32_t number;
    struct slice record;
};

struct dead_file {
    struct log_partition_id id;
    int64_t base_offset;
    uint32_t version;
    bool is_folder; /* the whole partition */
};

struct checkpoint_job {
    struct log_store *store;
    struct log_checkpoint *req;
    struct log_store_state state; /* with our copies of its bytes */
    struct slice configuration, machine;
    bool has_new_machine;
    bool rewrites;      /* the whole manifest */
    bool leaves_rest;   /* a part of a seal may stand behind the end */
    bool cuts_manifest; /* an earlier attempt may have left something behind its end */
    struct checkpoint_item *items;
    uint32_t item_count;
    struct kept_record *kept; /* of partitions that did not change; for a rewrite */
    uint32_t kept_count;
    struct store_partition **removed; /* whose removal is recorded now */
    uint32_t removed_count;
    uint64_t manifest_size;    /* in: where to append; out: the new size */
    uint64_t manifest_durable; /* in and out: of it, what was synced */
    struct dead_file *dead;    /* to remove once the manifest is durable */
    uint32_t dead_count;
    int status;
};

static void free_job(struct checkpoint_job *job)
{
    for (uint32_t i = 0; job->items != NULL && i < job->item_count; i++)
        buffer_unref(job->items[i].record.bytes);
    for (uint32_t i = 0; job->kept != NULL && i < job->kept_count; i++)
        slice_unref(&job->kept[i].record);
    slice_unref(&job->configuration);
    slice_unref(&job->machine);
    free(job->items);
    free(job->kept);
    free(job->removed);
    free(job->dead);
    free(job);
}

/* ---- taking, on the shard ---- */

static uint32_t count_removed(const struct log_store *s, bool also_durable)
{
    uint32_t count = 0;
    for (struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        count += also_durable || !r->is_removal_durable;
    return count;
}

static bool wants_rewrite(const struct log_store *s)
{
    uint64_t live = s->live_size + s->machine.bytes.size + s->configuration.bytes.size;
    return s->must_rewrite ||
           (s->manifest_size > REWRITE_SIZE_MIN && s->manifest_size > REWRITE_FACTOR * live);
}

static int take_state(struct checkpoint_job *job, const struct log_store_state *state)
{
    struct log_store *s = job->store;
    job->state = *state;
    int err = store_copy_bytes(state->configuration, &job->configuration);
    job->has_new_machine = !bytes_is_equal(state->machine, s->machine.bytes);
    if (err == 0 && job->has_new_machine)
        err = store_copy_bytes(state->machine, &job->machine);
    else if (err == 0)
        job->machine = slice_ref(s->machine);
    job->state.configuration = job->configuration.bytes;
    job->state.machine = job->machine.bytes;
    return err;
}

static int take_removed(struct checkpoint_job *job)
{
    struct log_store *s = job->store;
    uint32_t count = count_removed(s, job->rewrites);
    job->removed = calloc(count + 1, sizeof(struct store_partition *));
    if (job->removed == NULL)
        return UV_ENOMEM;
    for (struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        if (job->rewrites || !r->is_removal_durable)
            job->removed[job->removed_count++] = r;
    return 0;
}

static int take_kept(struct checkpoint_job *job)
{
    struct log_store *s = job->store;
    job->kept = calloc(s->partition_count + 1, sizeof *job->kept);
    if (job->kept == NULL)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < s->partition_count; i++) {
        const struct store_partition *entry = s->partitions[i];
        if (!entry->is_dirty)
            job->kept[job->kept_count++] = (struct kept_record){.number = entry->number,
                                                                .record = slice_ref(entry->record)};
    }
    return 0;
}

static int take_item(struct checkpoint_job *job, struct store_partition *entry)
{
    struct checkpoint_item *item = &job->items[job->item_count++];
    item->entry = entry;
    int err = log_partition_record_make(entry->partition, &item->record);
    return err != 0 ? err : log_partition_flush_prepare(entry->partition, &item->flush);
}

static int take_dirty(struct checkpoint_job *job)
{
    struct log_store *s = job->store;
    uint32_t count = 0;
    for (const struct store_partition *e = s->dirty; e != NULL; e = e->next_dirty)
        count++;
    job->items = calloc(count + 1, sizeof *job->items);
    if (job->items == NULL)
        return UV_ENOMEM;
    int err = 0;
    for (struct store_partition *e = s->dirty; e != NULL && err == 0; e = e->next_dirty)
        err = take_item(job, e);
    if (err != 0)
        return err;
    while (s->dirty != NULL) {
        s->dirty->is_dirty = false;
        s->dirty = s->dirty->next_dirty;
    }
    return 0;
}

static void undo_take(struct checkpoint_job *job)
{
    for (uint32_t i = 0; job->items != NULL && i < job->item_count; i++)
        if (job->items[i].flush != NULL)
            log_partition_flush_finish(job->items[i].entry->partition, job->items[i].flush,
                                       UV_ECANCELED);
    free_job(job);
}

/* ---- writing, on the worker ---- */

static int run_flushes(struct checkpoint_job *job)
{
    int err = 0;
    for (uint32_t i = 0; i < job->item_count && err == 0; i++) {
        struct checkpoint_item *item = &job->items[i];
        if (item->flush == NULL)
            continue;
        err = log_flush_run(item->flush);
        if (err == 0)
            log_partition_record_fill(&item->record, item->flush);
    }
    return err;
}

static void add_partition(struct manifest_bytes *b, uint32_t number, struct bytes record)
{
    manifest_add(b, &(struct manifest_record){
                        .kind = MANIFEST_PARTITION, .number = number, .payload = record});
}

static struct bytes record_bytes(const struct checkpoint_item *item)
{
    return bytes_of(item->record.bytes->data, item->record.bytes->capacity);
}

/* Who opens the manifest removes the folders that it names. One that another store has by now is
 * not named: after a crash that store may know of it only when its log is applied again. */
static struct log_partition_id name_of_folder(const struct log_store *s,
                                              const struct store_partition *removed)
{
    const struct log_partition_id *id = log_partition_id(removed->partition);
    return store_is_shared(s, id) ? (struct log_partition_id){0} : *id;
}

static void compose(struct checkpoint_job *job, struct manifest_bytes *b)
{
    if (job->rewrites)
        manifest_add_header(b, job->store->group_id);
    for (uint32_t i = 0; i < job->kept_count; i++)
        add_partition(b, job->kept[i].number, job->kept[i].record.bytes);
    for (uint32_t i = 0; i < job->item_count; i++)
        add_partition(b, job->items[i].entry->number, record_bytes(&job->items[i]));
    for (uint32_t i = 0; i < job->removed_count; i++) {
        struct log_partition_id id = name_of_folder(job->store, job->removed[i]);
        manifest_add_removed(b, job->removed[i]->number, &id);
    }
    if (job->has_new_machine || job->rewrites)
        manifest_add(
            b, &(struct manifest_record){.kind = MANIFEST_MACHINE, .payload = job->machine.bytes});
    manifest_add_commit(b, &job->state, job->rewrites ? 0 : job->manifest_durable, 0);
    if (job->rewrites)
        manifest_finish_header(b);
}

static int write_manifest(struct checkpoint_job *job)
{
    struct manifest_bytes b = {0};
    compose(job, &b);
    int err = b.err;
    if (err == 0 && job->cuts_manifest && !job->rewrites)
        err = store_cut_manifest(job->store, job->manifest_size);
    if (err == 0 && job->rewrites)
        err = store_replace_manifest(job->store, bytes_of(b.data, b.size));
    else if (err == 0)
        err = store_append_manifest(job->store, job->manifest_size, bytes_of(b.data, b.size));
    job->manifest_size = job->rewrites ? b.size : job->manifest_size + b.size;
    job->manifest_durable = job->manifest_size;
    manifest_bytes_close(&b);
    if (err != 0 || job->rewrites)
        return err; /* the header of a new file vouches for all of it */
    int64_t seal_size = store_seal_manifest(job->store, job->manifest_size);
    job->manifest_size += seal_size < 0 ? 0 : (uint64_t)seal_size;
    job->leaves_rest = seal_size < 0;
    bool is_final = seal_size < 0 && !err_is_no_room((int)seal_size);
    return is_final ? (int)seal_size : 0; /* it can be done without */
}

static int remove_dead(struct checkpoint_job *job)
{
    const struct disk *disk = job->store->disk;
    int err = 0;
    for (uint32_t i = 0; i < job->dead_count && err == 0; i++) {
        const struct dead_file *dead = &job->dead[i];
        err = dead->is_folder
                  ? log_partition_remove_folder(disk, &dead->id)
                  : log_segment_remove_files(disk, &dead->id, dead->base_offset, dead->version);
    }
    return err;
}

/* ---- finishing, on the shard ---- */

static void finish_item(struct log_store *s, struct checkpoint_item *item)
{
    struct store_partition *e = item->entry;
    uint32_t is_live = log_store_partition(s, e->number) == e->partition;
    if (is_live && e->record.bytes.size > 0)
        s->live_size -= manifest_record_size(e->record.bytes.size);
    slice_unref(&e->record);
    struct bytes bytes = record_bytes(item);
    e->record = (struct slice){.owner = item->record.bytes, .bytes = bytes};
    item->record.bytes = NULL; /* the entry has it now */
    if (is_live)
        s->live_size += manifest_record_size(bytes.size);
}

static void move_state(struct checkpoint_job *job)
{
    struct log_store *s = job->store;
    slice_unref(&s->configuration);
    slice_unref(&s->machine);
    s->configuration = slice_ref(job->configuration);
    s->machine = slice_ref(job->machine);
    s->state = job->state;
    s->manifest_size = job->manifest_size;
    s->manifest_durable = job->manifest_durable;
    store_tell_index(s);
    s->has_manifest_rest = job->leaves_rest;
    s->must_rewrite = false;
    for (uint32_t i = 0; i < job->item_count; i++)
        finish_item(s, &job->items[i]);
    for (uint32_t i = 0; i < job->removed_count; i++)
        job->removed[i]->is_removal_durable = true;
}

/* Segments that were dead already when the record was made; later ones are in the manifest. */
static bool is_in_record(const struct log_segment *dead, const struct store_partition *entry);

static void choose_dead_segments(struct checkpoint_job *job, struct store_partition *entry,
                                 uint32_t *capacity)
{
    struct log_segment_list *dead = &entry->partition->dead;
    unsigned kept = 0;
    for (unsigned i = 0; i < dead->count; i++) {
        struct log_segment *s = dead->items[i];
        bool is_shared = store_is_shared(job->store, &s->id);
        job->store->has_held_files |= is_shared;
        bool stays = is_shared || is_in_record(s, entry) || job->dead_count == *capacity ||
                     store_is_pinned(job->store, &s->id, s->written.base_offset,
                                     s->written.version);
        if (stays) {
            dead->items[kept++] = s;
            continue;
        }
        job->dead[job->dead_count++] = (struct dead_file){
            .id = s->id, .base_offset = s->written.base_offset, .version = s->written.version};
        log_segment_unref(s);
    }
    dead->count = kept;
}

struct record_search {
    int64_t base_offset;
    uint32_t version;
    bool is_found;
};

static int compare_segment(void *data, const struct log_partition_id *id,
                           const struct log_segment_meta *meta)
{
    (void)id;
    struct record_search *search = data;
    search->is_found |= meta->base_offset == search->base_offset &&
                        meta->version == search->version;
    return 0;
}

static bool is_in_record(const struct log_segment *dead, const struct store_partition *entry)
{
    struct record_search search = {.base_offset = dead->written.base_offset,
                                   .version = dead->written.version};
    int err = log_partition_record_each_segment(entry->record.bytes, compare_segment, &search);
    assert(err == 0); /* our own record */
    return search.is_found;
}

/* Of two stores that name a folder the last one removes it. */
static bool may_remove(const struct log_store *s, const struct log_partition_id *id)
{
    return s->folders == NULL || log_folders_begin_removal(s->folders, id, s->group_id);
}

/* Removed partitions that nobody needs any more leave the store here. */
static void choose_dead_folders(struct checkpoint_job *job, uint32_t *capacity)
{
    struct store_partition **link = &job->store->removed;
    while (*link != NULL && job->dead_count < *capacity) {
        struct store_partition *r = *link;
        const struct log_partition_id *id = log_partition_id(r->partition);
        if (!r->is_removal_durable || log_partition_pending_reads(r->partition) > 0 ||
            r->partition->is_flushing || store_is_folder_pinned(job->store, id)) {
            link = &r->next_removed;
            continue;
        }
        if (!store_has_folder(job->store, id) && may_remove(job->store, id))
            job->dead[job->dead_count++] = (struct dead_file){.id = *id, .is_folder = true};
        *link = r->next_removed;
        store_free_entry(r);
    }
}

static void choose_dead(struct checkpoint_job *job)
{
    uint32_t capacity = count_removed(job->store, true);
    for (uint32_t i = 0; i < job->item_count; i++)
        capacity += job->items[i].entry->partition->dead.count;
    if (capacity == 0)
        return;
    job->dead = calloc(capacity, sizeof *job->dead);
    if (job->dead == NULL)
        return; /* they go after a later checkpoint, or the first of the next start */
    for (uint32_t i = 0; i < job->item_count; i++)
        choose_dead_segments(job, job->items[i].entry, &capacity);
    choose_dead_folders(job, &capacity);
}

/* There was no room: what was taken is still to be done. */
static void put_back(struct checkpoint_job *job)
{
    for (uint32_t i = 0; i < job->item_count; i++) {
        struct store_partition *e = job->items[i].entry;
        if (log_store_partition(job->store, e->number) == e->partition)
            store_mark_dirty(e);
    }
    job->store->manifest_size = job->store->manifest_durable; /* a failed sync may cost the seal */
    job->store->has_manifest_rest = true;
    job->store->must_rewrite |= job->rewrites;
}

static void end_job(struct work_item *item)
{
    struct checkpoint_job *job = item->data;
    struct log_checkpoint *req = job->req;
    int status = job->status;
    job->store->is_checkpointing = false;
    req->job = NULL;
    free_job(job);
    req->cb(req, status);
}

static void run_removal(struct work_item *item)
{
    struct checkpoint_job *job = item->data;
    job->status = remove_dead(job);
    for (uint32_t i = 0; job->store->folders != NULL && i < job->dead_count; i++)
        if (job->dead[i].is_folder)
            log_folders_end_removal(job->store->folders, &job->dead[i].id);
    work_submit(job->store->home, item, end_job);
}

static void on_written(struct work_item *item)
{
    struct checkpoint_job *job = item->data;
    for (uint32_t i = 0; i < job->item_count; i++)
        if (job->items[i].flush != NULL)
            log_partition_flush_finish(job->items[i].entry->partition, job->items[i].flush,
                                       job->status);
    if (job->status == 0) {
        move_state(job);
        choose_dead(job);
    } else {
        put_back(job);
    }
    if (job->dead_count > 0)
        work_submit(job->store->worker, item, run_removal);
    else
        end_job(item);
}

static void run_write(struct work_item *item)
{
    struct checkpoint_job *job = item->data;
    job->status = run_flushes(job);
    if (job->status == 0)
        job->status = write_manifest(job);
    work_submit(job->store->home, item, on_written);
}

static bool is_any_flushing(const struct log_store *s)
{
    for (const struct store_partition *e = s->dirty; e != NULL; e = e->next_dirty)
        if (e->partition->is_flushing)
            return true;
    return false;
}

static struct checkpoint_job *create_job(struct log_store *s)
{
    struct checkpoint_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->store = s;
    job->rewrites = wants_rewrite(s);
    job->cuts_manifest = s->has_manifest_rest;
    job->manifest_size = s->manifest_size;
    job->manifest_durable = s->manifest_durable;
    return job;
}

int log_store_begin(struct log_store *s, const struct log_store_state *state)
{
    assert(s->state.index == 0 && s->partition_count == 0 && state->index > 0);
    assert(!s->is_checkpointing && s->removed == NULL);
    struct checkpoint_job *job = create_job(s);
    if (job == NULL)
        return UV_ENOMEM;
    int err = take_state(job, state);
    if (err == 0)
        err = write_manifest(job);
    if (err == 0)
        move_state(job);
    free_job(job);
    return err;
}

int log_store_checkpoint(struct log_store *s, struct log_checkpoint *req, log_checkpoint_cb cb)
{
    assert(req->state.index >= s->state.index);
    if (s->is_checkpointing || s->install != NULL || s->awaiting_count > 0 || is_any_flushing(s))
        return ERR_BUSY;
    struct checkpoint_job *job = create_job(s);
    if (job == NULL)
        return UV_ENOMEM;
    job->req = req;
    int err = take_state(job, &req->state);
    if (err == 0)
        err = take_removed(job);
    if (err == 0 && job->rewrites)
        err = take_kept(job);
    if (err == 0)
        err = take_dirty(job);
    if (err != 0) {
        undo_take(job);
        return err;
    }
    s->is_checkpointing = true;
    req->cb = cb;
    req->job = job;
    req->item.data = job;
    work_submit(s->worker, &req->item, run_write);
    return 0;
}

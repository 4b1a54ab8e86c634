/* Shipping a snapshot, the receiver: the swap, all of it or nothing.
 *
 * A crash may come between any two lines:
 *
 *   1 check every staged file's checksum, sync files and folder
 *   2 replace the manifest by the snapshot's, its commit flagged "installing"   <- the point
 *   3 move staged files to their places, sync folders
 *   4 append the same commit without the flag, remove "incoming"
 *
 * A partition whose folder the store of another group still has (it moved from there, and that
 * group's replica is behind as well) may come without files: its record says that it is awaited,
 * steps 3 and opening leave the folder alone, and store_move.c takes it over when it is free.
 *
 * Before 2 nothing live has changed. After 2 an opening store repeats 3 and 4 (store.c): a move
 * that has happened finds no staged file, and one that has not finds it. Files of ours that the
 * snapshot has no longer are named by no manifest then and go last. On a full disk the same is done
 * without a restart: before 2 the snapshot can be given up, after it there is only waiting. */
#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/event.h"
#include "ship_install.h"

/* ---- on the worker ---- */

static int crc_of_file(const struct disk *disk, struct disk_file *file, uint32_t size,
                       uint32_t *crc)
{
    uint8_t *bytes = malloc(SHIP_PIECE_SIZE);
    int err = bytes == NULL ? UV_ENOMEM : 0;
    *crc = 0;
    for (uint32_t at = 0; at < size && err == 0; at += SHIP_PIECE_SIZE) {
        size_t wanted = size - at < SHIP_PIECE_SIZE ? size - at : SHIP_PIECE_SIZE;
        int64_t got = disk_read_at(disk, file, at, bytes, wanted);
        if (got < 0)
            err = (int)got;
        else if ((size_t)got < wanted)
            err = ERR_CORRUPT;
        else
            *crc = crc32c(*crc, bytes_of(bytes, wanted));
    }
    free(bytes);
    return err;
}

/* Checks one staged file and makes it durable. A wrong one is removed, to be fetched again; so is
 * one that there was no room for: what a failed sync has lost of it can't be known. */
static int settle_file(const struct log_install *i, const struct ship_file *file)
{
    const struct disk *disk = i->store->disk;
    char path[LOG_PATH_SIZE];
    struct disk_file *opened;
    uint32_t crc = 0;
    ship_staged_path(i->store, file, path);
    int err = disk_open(disk, path, DISK_WRITE, &opened);
    if (err != 0)
        return err == UV_ENOENT ? ERR_CORRUPT : err;
    err = crc_of_file(disk, opened, file->size_bytes, &crc);
    if (err == 0 && crc != file->crc)
        err = ERR_CORRUPT;
    if (err == 0)
        err = disk_truncate(disk, opened, file->size_bytes);
    if (err == 0)
        err = disk_sync(disk, opened);
    disk_close(disk, opened);
    if (err == ERR_CORRUPT) {
        event_warn("snapshot_file_damaged", "file=%s", path);
        int removed = disk_remove(disk, path);
        err = removed == 0 ? ERR_CORRUPT : removed;
    } else if (err_is_no_room(err)) {
        disk_remove(disk, path);
    }
    return err;
}

static void forget_pieces(struct log_install *i, unsigned file)
{
    memset(i->files[file].pieces, PIECE_MISSING, i->files[file].piece_count);
    i->files[file].own_size = 0; /* what was copied may be what was wrong */
    i->file_next = 0;
}

/* A leftover under the name of a file that we keep would replace it in step 3. */
static int drop_staged(const struct log_install *i, const struct ship_file *file)
{
    char path[LOG_PATH_SIZE];
    ship_staged_path(i->store, file, path);
    int err = disk_remove(i->store->disk, path);
    return err == UV_ENOENT ? 0 : err;
}

static int settle_files(struct log_install *i)
{
    char folder[LOG_PATH_SIZE], incoming[LOG_PATH_SIZE];
    store_path(i->store, "", folder);
    store_path(i->store, "/incoming", incoming);
    int err = ship_prepare_folder(i), damaged = 0;
    for (unsigned f = 0; f < i->list.count && err == 0; f++) {
        bool is_ours = i->files[f].is_ours;
        err = is_ours ? drop_staged(i, &i->list.files[f]) : settle_file(i, &i->list.files[f]);
        if (!is_ours && (err == ERR_CORRUPT || err_is_no_room(err)))
            forget_pieces(i, f);
        if (err == ERR_CORRUPT) {
            damaged = err; /* go on: find all of them in one attempt */
            err = 0;
        }
    }
    if (err == 0)
        err = damaged;
    if (err == 0)
        err = disk_sync_directory(i->store->disk, incoming);
    if (err == 0)
        err = disk_sync_directory(i->store->disk, folder);
    return err;
}

static bool has_partition(const struct manifest *m, uint32_t number)
{
    for (uint32_t n = 0; n < m->partition_count; n++)
        if (m->partitions[n].number == number)
            return true;
    return false;
}

static void add_if_gone(struct manifest_bytes *b, const struct log_install *i,
                        const struct store_partition *entry)
{
    if (!has_partition(&i->manifest, entry->number))
        manifest_add_removed(b, entry->number, log_partition_id(entry->partition));
}

/* The snapshot's records, and which of our partitions it no longer has. */
static void compose_manifest(const struct log_install *i, struct manifest_bytes *b)
{
    const struct log_store *s = i->store;
    manifest_add_header(b, s->group_id);
    for (uint32_t n = 0; n < i->manifest.partition_count; n++)
        if (!i->manifest.partitions[n].is_removed)
            manifest_add(b, &(struct manifest_record){.kind = MANIFEST_PARTITION,
                                                      .number = i->manifest.partitions[n].number,
                                                      .payload = i->manifest.partitions[n].record});
    for (uint32_t n = 0; n < s->partition_count; n++)
        add_if_gone(b, i, s->partitions[n]);
    for (const struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        add_if_gone(b, i, r);
    manifest_add(b, &(struct manifest_record){.kind = MANIFEST_MACHINE,
                                              .payload = i->manifest.state.machine});
    manifest_add_commit(b, &i->manifest.state, 0, MANIFEST_COMMIT_INSTALLING);
    manifest_finish_header(b);
}

static int replace_manifest(struct log_install *i)
{
    struct log_store *s = i->store;
    struct manifest_bytes b = {0};
    compose_manifest(i, &b);
    int err = b.err != 0 ? b.err : store_prepare_manifest(s, bytes_of(b.data, b.size));
    if (err == 0) {
        i->is_decided = true;
        err = store_place_manifest(s);
    }
    if (err == 0) {
        i->is_placed = true;
        s->manifest_size = s->manifest_durable = b.size;
    }
    manifest_bytes_close(&b);
    return err;
}

static int make_empty(const struct log_store *s, const struct log_partition_id *id,
                      const struct log_segment_meta *meta, enum log_file_kind kind)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    log_segment_path(path, id, meta->base_offset, meta->version, kind);
    int err = disk_open(s->disk, path, DISK_WRITE | DISK_CREATE, &file);
    if (err != 0)
        return err;
    err = disk_truncate(s->disk, file, 0);
    if (err == 0)
        err = disk_sync(s->disk, file);
    disk_close(s->disk, file);
    return err;
}

/* Step 3 for one file: a staged one goes to its place; without one it is there already. */
static int move_file(const struct log_store *s, const struct ship_file *file)
{
    char from[LOG_PATH_SIZE], to[LOG_PATH_SIZE];
    ship_staged_path(s, file, from);
    log_segment_path(to, &file->id, file->base_offset, file->version, file->kind);
    int err = disk_rename(s->disk, from, to);
    return err == UV_ENOENT ? 0 : err;
}

static int move_segment(void *data, const struct log_partition_id *id,
                        const struct log_segment_meta *meta)
{
    const struct log_store *s = data;
    int err = 0;
    for (int i = 0; i < LOG_FILE_KIND_COUNT && err == 0; i++) {
        enum log_file_kind kind = (enum log_file_kind)i;
        struct ship_file file = {.id = *id,
                                 .base_offset = meta->base_offset,
                                 .version = meta->version,
                                 .kind = kind,
                                 .size_bytes = log_segment_file_size(meta, kind),
                                 .crc = log_segment_file_crc(meta, kind)};
        err = file.size_bytes > 0 ? move_file(s, &file) : make_empty(s, id, meta, kind);
    }
    return err;
}

static int make_folder(struct log_store *s, struct bytes record)
{
    struct log_partition_id id;
    char path[LOG_PATH_SIZE];
    int err = log_partition_record_id(record, &id);
    if (err != 0)
        return err;
    log_folder_path(path, &id);
    return disk_make_directory(s->disk, path);
}

static int move_partition(struct log_store *s, struct bytes record)
{
    struct log_partition_id id;
    char path[LOG_PATH_SIZE];
    int err = log_partition_record_id(record, &id);
    if (err == 0)
        err = log_partition_record_each_segment(record, move_segment, s);
    if (err != 0)
        return err;
    log_folder_path(path, &id);
    return disk_sync_directory(s->disk, path);
}

static bool brings_files(const struct manifest_partition *p)
{
    return !p->is_removed && !log_partition_record_is_awaiting(p->record);
}

/* Folders are durable before anything moves into them: else a power cut could keep the move and
 * lose where it went. */
static int move_all(struct log_store *s, const struct manifest *m)
{
    int err = 0;
    for (uint32_t n = 0; n < m->partition_count && err == 0; n++)
        if (brings_files(&m->partitions[n]))
            err = make_folder(s, m->partitions[n].record);
    if (err == 0)
        err = disk_sync_directory(s->disk, "topics");
    for (uint32_t n = 0; n < m->partition_count && err == 0; n++)
        if (brings_files(&m->partitions[n]))
            err = move_partition(s, m->partitions[n].record);
    return err;
}

int store_finish_install(struct log_store *s, const struct manifest *m, struct err_note *note)
{
    char incoming[LOG_PATH_SIZE];
    struct manifest_bytes b = {0};
    store_path(s, "/incoming", incoming);
    int err = move_all(s, m);
    if (err == 0)
        err = disk_sync_directory(s->disk, incoming);
    if (err == UV_ENOENT)
        err = 0; /* all moved, and the folder gone with the last attempt */
    manifest_add_commit(&b, &m->state, s->manifest_durable, 0);
    if (err == 0)
        err = b.err;
    if (err == 0)
        err = store_append_manifest(s, s->manifest_size, bytes_of(b.data, b.size));
    if (err == 0)
        s->manifest_size = s->manifest_durable = s->manifest_size + b.size;
    manifest_bytes_close(&b);
    if (err == 0)
        err = disk_remove_tree(s->disk, incoming);
    return err == 0 ? 0 : err_set(note, err, "finish installing a snapshot: %s", err_text(err));
}

static bool table_has_folder(const struct store_table *table, const struct log_partition_id *id)
{
    for (uint32_t n = 0; n < table->count; n++)
        if (memcmp(log_partition_id(table->items[n]->partition), id, sizeof *id) == 0)
            return true;
    return false;
}

static int remove_gone(const struct log_install *i, const struct store_partition *entry)
{
    const struct log_partition_id *id = log_partition_id(entry->partition);
    if (store_is_shared(i->store, id))
        return 0; /* it moved to another group, whose store has it */
    return table_has_folder(&i->table, id) ? 0 : log_partition_remove_folder(i->store->disk, id);
}

static int remove_all_gone(const struct log_install *i)
{
    const struct log_store *s = i->store;
    int err = 0;
    for (uint32_t n = 0; n < s->partition_count && err == 0; n++)
        err = remove_gone(i, s->partitions[n]);
    for (struct store_partition *r = s->removed; r != NULL && err == 0; r = r->next_removed)
        err = remove_gone(i, r);
    return err;
}

/* Segments that we had and the snapshot has not, where no other group's store may still name them:
 * those stay for a checkpoint to look after. */
static int remove_strays(const struct log_install *i)
{
    int err = 0;
    for (uint32_t n = 0; n < i->table.count && err == 0; n++) {
        struct log_partition *p = i->table.items[n]->partition;
        if (p->dead.count > 0 && !store_is_shared(i->store, &p->id))
            err = log_partition_remove_dead_files(p);
    }
    return err;
}

/* Where there was no room it is done again: all of what is not behind the point, else the rest. */
static int swap_files(struct log_install *i)
{
    struct log_store *s = i->store;
    int err = i->is_decided ? 0 : settle_files(i);
    if (err == 0 && !i->is_placed)
        err = replace_manifest(i);
    if (err == 0)
        err = store_finish_install(s, &i->manifest, NULL);
    if (err == 0)
        err = store_table_open(s, &i->manifest, &i->table, NULL);
    if (err == 0)
        err = remove_all_gone(i);
    if (err == 0)
        err = remove_strays(i);
    if (err != 0)
        store_table_close(&i->table);
    return err;
}

/* ---- on the shard ---- */

bool store_is_in_use(const struct log_store *s)
{
    for (uint32_t n = 0; n < s->partition_count; n++)
        if (log_partition_pending_reads(s->partitions[n]->partition) > 0 ||
            s->partitions[n]->partition->is_flushing)
            return true;
    for (const struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        if (log_partition_pending_reads(r->partition) > 0 || r->partition->is_flushing)
            return true;
    return s->is_checkpointing || s->is_tending || s->pins != NULL;
}

void store_forget_removed(struct log_store *s)
{
    while (s->removed != NULL) {
        struct store_partition *next = s->removed->next_removed;
        store_free_entry(s->removed);
        s->removed = next;
    }
}

/* ---- folders that another store may have: a move between groups ---- */

static bool has_folder_to_take(const struct log_install *i, uint32_t n)
{
    return i->store->folders != NULL && !i->manifest.partitions[n].is_removed;
}

/* Of what moved away, the new group's store may well have the files: they are the same. */
static int check_folder(const struct log_install *i, struct bytes record, bool may_await)
{
    struct log_partition_id id;
    struct log_partition_source source;
    int err = log_partition_record_source(record, &id, &source);
    if (err != 0 || log_partition_record_is_frozen(record))
        return err;
    bool is_free = store_may_take(i->store, &id, &source);
    uint8_t *own = i->contents.owner->data + (record.data - i->contents.owner->data);
    log_partition_record_set_awaiting(own, !is_free);
    return is_free || may_await ? 0 : ERR_BUSY;
}

static int check_folders(const struct log_install *i, bool may_await)
{
    int err = 0;
    for (uint32_t n = 0; n < i->manifest.partition_count && err == 0; n++)
        if (has_folder_to_take(i, n))
            err = check_folder(i, i->manifest.partitions[n].record, may_await);
    return err;
}

static void release_folders(const struct log_install *i, uint32_t count)
{
    struct log_partition_id id;
    for (uint32_t n = 0; n < count; n++)
        if (has_folder_to_take(i, n) &&
            log_partition_record_id(i->manifest.partitions[n].record, &id) == 0)
            log_folders_release(i->store->folders, &id, i->store->group_id);
}

/* From here to the end nobody removes one. */
static int claim_folders(struct log_install *i)
{
    for (uint32_t n = 0; n < i->manifest.partition_count; n++) {
        struct log_partition_id id;
        if (!has_folder_to_take(i, n) ||
            log_partition_record_id(i->manifest.partitions[n].record, &id) != 0)
            continue;
        if (log_folders_claim(i->store->folders, &id, i->store->group_id) != 0) {
            release_folders(i, n);
            return UV_ENOMEM;
        }
    }
    i->has_claims = true;
    return 0;
}

void store_hold_reads(struct log_store *s, bool is_held)
{
    for (uint32_t n = 0; n < s->partition_count; n++)
        s->partitions[n]->partition->is_being_replaced = is_held;
}

static void finish_commit(struct work_item *item)
{
    struct log_install_commit *req = item->data;
    struct log_install *i = req->install;
    struct log_store *s = i->store;
    bool is_half_done = req->status != 0 && i->is_decided;
    store_hold_reads(s, is_half_done);
    if (i->has_claims && !is_half_done) {
        release_folders(i, i->manifest.partition_count); /* the table has its own by now */
        i->has_claims = false;
    }
    if (req->status == 0) {
        store_take_table(s, &i->table);
        store_tell_index(s);
        store_forget_removed(s);
        s->staged.count = 0;
        s->install = NULL;
        ship_install_free(i);
        req->install = NULL;
    }
    req->cb(req, req->status);
}

static void run_commit(struct work_item *item)
{
    struct log_install_commit *req = item->data;
    struct log_store *s = req->install->store;
    if (req->status == 0)
        req->status = swap_files(req->install);
    work_submit(s->home, item, finish_commit);
}

bool log_install_is_decided(const struct log_install *i)
{
    return i->is_decided;
}

void log_install_commit(struct log_install_commit *req, log_install_commit_cb cb)
{
    struct log_install *i = req->install;
    req->cb = cb;
    req->status = 0;
    if (!log_install_is_complete(i) || i->pending_writes > 0)
        req->status = ERR_INVALID;
    else if (store_is_in_use(i->store))
        req->status = ERR_BUSY;
    else if (!i->has_claims)
        req->status = check_folders(i, req->may_await);
    if (req->status == 0 && !i->has_claims)
        req->status = claim_folders(i);
    store_hold_reads(i->store, req->status == 0 || i->is_decided);
    req->item.data = req;
    work_submit(i->store->worker, &req->item, run_commit);
}

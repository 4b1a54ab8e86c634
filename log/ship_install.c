/* Shipping a snapshot, the receiver: gathering pieces.
 *
 * Pieces are staged in "groups/<id>/incoming"; a staged file's name carries the size and checksum
 * it will have, so a later attempt, also at a newer snapshot and after a restart, goes on where
 * files are the same. Files of segments that this replica has with the same size and checksum are
 * not fetched, and of an open segment that has grown only what is new: its front is copied, piece
 * by piece as what is fetched. The checksum of the whole decides in the end. Nothing here is
 * durable and nothing live changes: ship_commit.c does both. */
#include <assert.h>
#include <stdlib.h>

#include "ship_install.h"
#include "ship_pack.h"

#define STAGED_NAME_MAX 110 /* ours are shorter; others are not ours */

static uint32_t pieces_of(uint64_t size)
{
    return (uint32_t)((size + SHIP_PIECE_SIZE - 1) / SHIP_PIECE_SIZE);
}

static uint32_t piece_size(const struct ship_file *file, uint32_t piece)
{
    uint32_t left = file->size_bytes - piece * SHIP_PIECE_SIZE;
    return left < SHIP_PIECE_SIZE ? left : SHIP_PIECE_SIZE;
}

static void staged_path(const struct log_store *s, const char *name, char *path)
{
    store_path(s, "/incoming/", path);
    size_t length = strlen(path);
    assert(length + strlen(name) < LOG_PATH_SIZE);
    memcpy(path + length, name, strlen(name) + 1);
}

void ship_staged_path(const struct log_store *s, const struct ship_file *file, char *path)
{
    char name[LOG_PATH_SIZE];
    ship_staged_name(file, name);
    staged_path(s, name, path);
}

/* ---- beginning ---- */

void ship_install_free(struct log_install *i)
{
    for (unsigned f = 0; i->files != NULL && f < i->list.count; f++)
        free(i->files[f].pieces);
    free(i->files);
    ship_list_close(&i->list);
    manifest_close(&i->manifest);
    slice_unref(&i->contents);
    store_table_close(&i->table);
    free(i);
}

/* What this replica has written of the segment, or NULL. */
static const struct log_segment_meta *own_segment(const struct log_store *s,
                                                  const struct ship_file *file)
{
    const struct log_partition *p = log_store_partition((struct log_store *)(uintptr_t)s,
                                                        file->number);
    if (p == NULL || p->is_awaiting || memcmp(&p->id, &file->id, sizeof p->id) != 0)
        return NULL;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *own = p->segments.items[i];
        const struct log_segment_meta *m = &own->written;
        if (own->due != NULL)
            continue; /* its files are not there yet */
        if (m->base_offset == file->base_offset && m->version == file->version)
            return own->damaged == 0 && !own->is_suspect ? m : NULL;
    }
    return NULL;
}

/* An open segment's files only grow: what may be written behind these bytes until the swap is cut
 * off when the store opens, or written again. */
static void look_at_own(const struct log_install *i, const struct ship_file *file,
                        struct install_file *f)
{
    const struct log_segment_meta *m = own_segment(i->store, file);
    if (m == NULL)
        return;
    uint32_t size = log_segment_file_size(m, file->kind);
    f->is_ours = size == file->size_bytes && log_segment_file_crc(m, file->kind) == file->crc;
    f->own_size = size < file->size_bytes && !m->is_sealed ? size : 0;
}

static uint64_t staged_size(const struct log_store *s, const char *name)
{
    for (unsigned i = 0; i < s->staged.count; i++)
        if (strcmp(s->staged.items[i].name, name) == 0)
            return s->staged.items[i].size_bytes;
    return 0;
}

static int begin_file(struct log_install *i, unsigned number)
{
    const struct ship_file *file = &i->list.files[number];
    struct install_file *f = &i->files[number];
    look_at_own(i, file, f);
    if (f->is_ours)
        return 0;
    f->piece_count = pieces_of(file->size_bytes);
    f->pieces = calloc(f->piece_count, 1);
    if (f->pieces == NULL)
        return UV_ENOMEM;
    char name[LOG_PATH_SIZE];
    ship_staged_name(file, name);
    uint64_t have = staged_size(i->store, name);
    for (uint32_t piece = 0; piece < f->piece_count; piece++)
        if ((uint64_t)piece * SHIP_PIECE_SIZE + piece_size(file, piece) <= have)
            f->pieces[piece] = PIECE_HERE;
    return 0;
}

/* All records of the contents must open; nothing of the disk is looked at. */
static int check_records(const struct log_install *i)
{
    int err = 0;
    for (uint32_t n = 0; n < i->manifest.partition_count && err == 0; n++) {
        struct log_partition *p;
        if (i->manifest.partitions[n].is_removed)
            continue;
        err = log_partition_decode_memory(i->store->disk, i->manifest.partitions[n].record, &p);
        if (err == 0)
            log_partition_destroy(p);
    }
    return err;
}

static int begin(struct log_install *i, struct bytes contents)
{
    int err = store_copy_bytes(contents, &i->contents);
    if (err == 0)
        err = manifest_parse(i->contents.bytes, &i->manifest, NULL);
    if (err == 0 && (i->manifest.end != contents.size || i->manifest.state.index == 0 ||
                     i->manifest.group_id != i->store->group_id || i->manifest.is_installing))
        err = ERR_MALFORMED;
    if (err == 0)
        err = check_records(i);
    if (err == 0)
        err = ship_list_make(&i->manifest, &i->list);
    if (err == 0) {
        i->files = calloc(i->list.count + 1, sizeof *i->files);
        err = i->files == NULL ? UV_ENOMEM : 0;
    }
    for (unsigned f = 0; f < i->list.count && err == 0; f++)
        err = begin_file(i, f);
    return err;
}

int log_store_install_begin(struct log_store *s, struct bytes contents,
                            struct log_install **install)
{
    if (s->install != NULL)
        return ERR_BUSY;
    struct log_install *i = calloc(1, sizeof *i);
    if (i == NULL)
        return UV_ENOMEM;
    i->store = s;
    int err = begin(i, contents);
    if (err != 0) {
        ship_install_free(i);
        return err;
    }
    s->install = i;
    *install = i;
    return 0;
}

/* ---- pieces ---- */

bool log_install_next(struct log_install *i, unsigned *file, uint64_t *position, uint32_t *size_max)
{
    for (; i->file_next < i->list.count; i->file_next++) {
        struct install_file *f = &i->files[i->file_next];
        for (uint32_t piece = 0; piece < f->piece_count; piece++) {
            if (f->pieces[piece] != PIECE_MISSING)
                continue;
            f->pieces[piece] = PIECE_ASKED;
            *file = i->file_next;
            *position = (uint64_t)piece * SHIP_PIECE_SIZE;
            *size_max = piece_size(&i->list.files[i->file_next], piece);
            return true;
        }
    }
    return false;
}

bool log_install_is_own(const struct log_install *i, unsigned file, uint64_t position)
{
    uint32_t piece = (uint32_t)(position / SHIP_PIECE_SIZE);
    return position + piece_size(&i->list.files[file], piece) <= i->files[file].own_size;
}

bool log_install_is_complete(const struct log_install *i)
{
    for (unsigned f = 0; f < i->list.count; f++)
        for (uint32_t piece = 0; piece < i->files[f].piece_count; piece++)
            if (i->files[f].pieces[piece] != PIECE_HERE)
                return false;
    return true;
}

struct name_check {
    struct log_install *install;
    int err;
};

/* Drops what an attempt at another snapshot has left, so that attempts don't add up. */
static void drop_if_stale(void *data, const char *name, bool is_directory)
{
    struct name_check *check = data;
    struct log_install *i = check->install;
    char wanted[LOG_PATH_SIZE], path[LOG_PATH_SIZE];
    for (unsigned f = 0; f < i->list.count; f++) {
        ship_staged_name(&i->list.files[f], wanted);
        if (strcmp(name, wanted) == 0)
            return;
    }
    if (is_directory || strlen(name) > STAGED_NAME_MAX)
        return;
    staged_path(i->store, name, path);
    int err = disk_remove(i->store->disk, path);
    if (err != 0 && check->err == 0)
        check->err = err;
}

int ship_prepare_folder(struct log_install *i)
{
    if (i->folder == FOLDER_READY)
        return 0;
    char path[LOG_PATH_SIZE];
    struct name_check check = {.install = i};
    store_path(i->store, "/incoming", path);
    int err = disk_make_directory(i->store->disk, path);
    if (err == 0)
        err = disk_list(i->store->disk, path, drop_if_stale, &check);
    return err == 0 ? check.err : err;
}

static int write_piece(const struct log_install *i, const struct log_install_write *req,
                       struct bytes piece)
{
    const struct disk *disk = i->store->disk;
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    ship_staged_path(i->store, &i->list.files[req->file], path);
    int err = disk_open(disk, path, DISK_WRITE | DISK_CREATE, &file);
    if (err != 0)
        return err;
    struct iovec part = {.iov_base = (void *)(uintptr_t)piece.data, .iov_len = piece.size};
    err = disk_write_at(disk, file, req->position, &part, 1, DISK_WRITE_UNCACHED);
    disk_close(disk, file);
    return err;
}

static uint32_t wanted_size(const struct log_install_write *req)
{
    return piece_size(&req->install->list.files[req->file],
                      (uint32_t)(req->position / SHIP_PIECE_SIZE));
}

/* From the live file to the staged one. */
static int copy_piece(const struct log_install *i, const struct log_install_write *req)
{
    const struct disk *disk = i->store->disk;
    const struct ship_file *file = &i->list.files[req->file];
    char path[LOG_PATH_SIZE];
    struct disk_file *opened;
    uint32_t size = wanted_size(req);
    struct buffer *buffer = buffer_create(size);
    if (buffer == NULL)
        return UV_ENOMEM;
    log_segment_path(path, &file->id, file->base_offset, file->version, file->kind);
    int err = disk_open(disk, path, DISK_READ, &opened);
    if (err == 0) {
        int64_t got = disk_read_at(disk, opened, req->position, buffer->data, size);
        err = got == (int64_t)size ? 0 : ERR_NOT_FOUND;
        disk_close(disk, opened);
    }
    err = err != 0 ? ERR_NOT_FOUND : write_piece(i, req, bytes_of(buffer->data, size));
    buffer_unref(buffer);
    return err;
}

static int stage_piece(const struct log_install *i, const struct log_install_write *req)
{
    struct slice piece;
    if (req->is_own)
        return copy_piece(i, req);
    if (!req->is_compressed)
        return write_piece(i, req, req->piece.bytes);
    int err = ship_unpack(req->piece.bytes, wanted_size(req), &piece);
    if (err != 0)
        return err;
    err = write_piece(i, req, piece.bytes);
    slice_unref(&piece);
    return err;
}

/* Our own file does not give what it should: the peer has it. */
static void fetch_instead(struct log_install *i, const struct log_install_write *req)
{
    struct install_file *f = &i->files[req->file];
    f->own_size = 0;
    f->pieces[req->position / SHIP_PIECE_SIZE] = PIECE_MISSING;
    if (i->file_next > req->file)
        i->file_next = req->file;
}

static void finish_write(struct work_item *item)
{
    struct log_install_write *req = item->data;
    struct log_install *i = req->install;
    i->pending_writes--;
    bool is_gone = req->is_own && req->status == ERR_NOT_FOUND;
    if (is_gone)
        fetch_instead(i, req);
    if (is_gone)
        req->status = 0;
    else if (req->status == 0)
        i->files[req->file].pieces[req->position / SHIP_PIECE_SIZE] = PIECE_HERE;
    slice_unref(&req->piece);
    req->cb(req, req->status);
}

static void run_write(struct work_item *item)
{
    struct log_install_write *req = item->data;
    if (req->status == 0)
        req->status = stage_piece(req->install, req);
    work_submit(req->install->store->home, item, finish_write);
}

static void on_folder_prepared(struct work_item *item)
{
    struct log_install *i = item->data;
    struct log_install_write *req = i->waiting;
    i->folder = i->folder_err == 0 ? FOLDER_READY : FOLDER_NEW;
    i->waiting = i->waiting_last = NULL;
    while (req != NULL) {
        struct log_install_write *next = req->next;
        if (req->status == 0)
            req->status = i->folder_err;
        work_submit(i->store->worker, &req->item, run_write);
        req = next;
    }
}

static void run_prepare(struct work_item *item)
{
    struct log_install *i = item->data;
    i->folder_err = ship_prepare_folder(i);
    work_submit(i->store->home, item, on_folder_prepared);
}

/* The worker may be many threads and the pieces of one attempt come many at a time: what an
 * earlier attempt has left is dropped once, before the first of them. */
static void wait_for_folder(struct log_install *i, struct log_install_write *req)
{
    req->next = NULL;
    if (i->waiting_last != NULL)
        i->waiting_last->next = req;
    else
        i->waiting = req;
    i->waiting_last = req;
    if (i->folder == FOLDER_PREPARING)
        return;
    i->folder = FOLDER_PREPARING;
    i->folder_item.data = i;
    work_submit(i->store->worker, &i->folder_item, run_prepare);
}

static bool is_wanted(const struct log_install_write *req)
{
    const struct log_install *i = req->install;
    if (req->file >= i->list.count || req->position % SHIP_PIECE_SIZE != 0)
        return false;
    uint64_t piece = req->position / SHIP_PIECE_SIZE;
    return piece < i->files[req->file].piece_count &&
           (req->is_own || req->is_compressed || req->piece.bytes.size == wanted_size(req));
}

void log_install_write(struct log_install_write *req, log_install_write_cb cb)
{
    req->cb = cb;
    req->status = is_wanted(req) ? 0 : ERR_INVALID;
    req->piece = slice_ref(req->piece);
    req->item.data = req;
    req->install->pending_writes++;
    if (req->install->folder == FOLDER_READY)
        work_submit(req->install->store->worker, &req->item, run_write);
    else
        wait_for_folder(req->install, req);
}

/* ---- what is left of an attempt ---- */

static int note_staged(struct log_store *s, const char *name, uint64_t size_bytes)
{
    struct staged_list *list = &s->staged;
    if (strlen(name) > STAGED_NAME_MAX)
        return 0;
    if (list->count == list->capacity) {
        unsigned capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct staged_file *items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return UV_ENOMEM;
        list->items = items;
        list->capacity = capacity;
    }
    struct staged_file *file = &list->items[list->count++];
    memcpy(file->name, name, strlen(name) + 1);
    file->size_bytes = size_bytes;
    return 0;
}

/* Bytes at the front of a staged file that are there. */
static uint64_t staged_front(const struct log_install *i, unsigned number)
{
    const struct install_file *f = &i->files[number];
    uint64_t front = 0;
    for (uint32_t piece = 0; piece < f->piece_count && f->pieces[piece] == PIECE_HERE; piece++)
        front += piece_size(&i->list.files[number], piece);
    return front;
}

void log_install_abort(struct log_install *i)
{
    if (i == NULL)
        return;
    assert(i->pending_writes == 0);
    struct log_store *s = i->store;
    s->staged.count = 0;
    for (unsigned f = 0; f < i->list.count; f++) {
        char name[LOG_PATH_SIZE];
        uint64_t front = staged_front(i, f);
        ship_staged_name(&i->list.files[f], name);
        if (front > 0 && note_staged(s, name, front) != 0)
            break; /* then it is fetched again */
    }
    s->install = NULL;
    ship_install_free(i);
}

struct staged_search {
    struct log_store *store;
    int err;
};

static void on_staged_name(void *data, const char *name, bool is_directory)
{
    struct staged_search *search = data;
    if (!is_directory && search->err == 0)
        search->err = note_staged(search->store, name, 0);
}

int store_list_staged(struct log_store *s)
{
    char path[LOG_PATH_SIZE];
    struct staged_search search = {.store = s};
    store_path(s, "/incoming", path);
    int err = disk_list(s->disk, path, on_staged_name, &search);
    if (err == UV_ENOENT)
        return 0;
    if (err == 0)
        err = search.err;
    for (unsigned i = 0; i < s->staged.count && err == 0; i++) {
        struct disk_file *file;
        staged_path(s, s->staged.items[i].name, path);
        err = disk_open(s->disk, path, DISK_READ, &file);
        if (err != 0)
            break;
        int64_t size = disk_size(s->disk, file);
        disk_close(s->disk, file);
        s->staged.items[i].size_bytes = size < 0 ? 0 : (uint64_t)size;
    }
    return err;
}

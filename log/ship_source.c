/* Shipping a snapshot, the sender: a checkpoint that stays readable while it is sent.
 *
 * A pin is a list of names, not a copy: the records of the last durable checkpoint, from which the
 * files follow. Sealed segments never change and open ones only grow behind what the records say,
 * so the bytes are the pinned ones as long as the files are there; the checkpoint asks before it
 * removes any. Each file's checksum was computed while it was written, from memory: damage that
 * the disk did later is found, here where a file is one piece, else by the receiver, and never
 * becomes part of another replica. A receiver that asks for a file from its beginning once more has
 * found some, perhaps: the segment is looked into. Compression comes last: what is compressed has
 * been checked as far as it can be. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "repair_internal.h"
#include "ship.h"
#include "ship_pack.h"

struct log_pin {
    struct log_pin *next;           /* in the store's list */
    struct manifest_bytes contents; /* what the peer gets */
    struct manifest manifest;       /* the same, parsed; borrows from contents */
    struct ship_list list;
    bool *has_begun; /* each file: its beginning was asked for */
    unsigned pending_reads;
};

struct list_making {
    struct ship_list *list;
    uint32_t number, segment_place;
};

static int add_file(struct ship_list *list, const struct ship_file *file)
{
    if (list->count == list->capacity) {
        unsigned capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct ship_file *files = realloc(list->files, capacity * sizeof *files);
        if (files == NULL)
            return UV_ENOMEM;
        list->files = files;
        list->capacity = capacity;
    }
    list->files[list->count++] = *file;
    return 0;
}

static int add_segment(void *data, const struct log_partition_id *id,
                       const struct log_segment_meta *meta)
{
    struct list_making *making = data;
    int err = 0;
    for (int i = 0; i < LOG_FILE_KIND_COUNT && err == 0; i++) {
        enum log_file_kind kind = (enum log_file_kind)i;
        struct ship_file file = {.id = *id,
                                 .base_offset = meta->base_offset,
                                 .version = meta->version,
                                 .kind = kind,
                                 .size_bytes = log_segment_file_size(meta, kind),
                                 .crc = log_segment_file_crc(meta, kind),
                                 .number = making->number,
                                 .segment_place = making->segment_place};
        if (file.size_bytes > 0)
            err = add_file(making->list, &file);
    }
    making->segment_place++;
    return err;
}

int ship_list_make(const struct manifest *m, struct ship_list *list)
{
    *list = (struct ship_list){0};
    int err = 0;
    for (uint32_t i = 0; i < m->partition_count && err == 0; i++) {
        struct list_making making = {.list = list, .number = m->partitions[i].number};
        if (!m->partitions[i].is_removed)
            err = log_partition_record_each_segment(m->partitions[i].record, add_segment, &making);
    }
    if (err != 0)
        ship_list_close(list);
    return err;
}

void ship_list_close(struct ship_list *list)
{
    free(list->files);
    *list = (struct ship_list){0};
}

void ship_staged_name(const struct ship_file *file, char *name)
{
    char path[LOG_PATH_SIZE], folder[LOG_PATH_SIZE];
    log_segment_path(path, &file->id, file->base_offset, file->version, file->kind);
    log_folder_path(folder, &file->id);
    const char *own = path + strlen(folder) + 1;
    const char *id = folder + strlen("topics/");
    snprintf(name, LOG_PATH_SIZE, "%.44s-%.42s.%08" PRIx32 ".%08" PRIx32, id, own, file->size_bytes,
             file->crc);
}

static void add_record(struct manifest_bytes *b, const struct store_partition *entry)
{
    if (entry->record.bytes.size > 0) /* else it came after the checkpoint */
        manifest_add(b, &(struct manifest_record){.kind = MANIFEST_PARTITION,
                                                  .number = entry->number,
                                                  .payload = entry->record.bytes});
}

static int compose(const struct log_store *s, struct log_pin *pin)
{
    struct manifest_bytes *b = &pin->contents;
    manifest_add_header(b, s->group_id);
    for (uint32_t i = 0; i < s->partition_count; i++)
        add_record(b, s->partitions[i]);
    for (const struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        if (!r->is_removal_durable)
            add_record(b, r); /* removed since: the checkpoint still has it */
    manifest_add(b,
                 &(struct manifest_record){.kind = MANIFEST_MACHINE, .payload = s->machine.bytes});
    manifest_add_commit(b, &s->state, 0, 0);
    manifest_finish_header(b);
    if (b->err != 0)
        return b->err;
    return manifest_parse(bytes_of(b->data, b->size), &pin->manifest, NULL);
}

static void free_pin(struct log_pin *pin)
{
    free(pin->has_begun);
    ship_list_close(&pin->list);
    manifest_close(&pin->manifest);
    manifest_bytes_close(&pin->contents);
    free(pin);
}

int log_store_pin(struct log_store *s, struct log_pin **pinned)
{
    if (s->state.index == 0)
        return ERR_NOT_FOUND;
    struct log_pin *pin = calloc(1, sizeof *pin);
    if (pin == NULL)
        return UV_ENOMEM;
    int err = compose(s, pin);
    if (err == 0)
        err = ship_list_make(&pin->manifest, &pin->list);
    if (err == 0) {
        pin->has_begun = calloc(pin->list.count + 1, sizeof *pin->has_begun);
        err = pin->has_begun == NULL ? UV_ENOMEM : 0;
    }
    if (err != 0) {
        free_pin(pin);
        return err;
    }
    pin->next = s->pins;
    s->pins = pin;
    *pinned = pin;
    return 0;
}

void log_store_unpin(struct log_store *s, struct log_pin *pin)
{
    assert(pin->pending_reads == 0);
    struct log_pin **link = &s->pins;
    while (*link != pin)
        link = &(*link)->next;
    *link = pin->next;
    free_pin(pin);
    /* What only waited for the pin goes after the next checkpoint. */
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (s->partitions[i]->partition->dead.count > 0)
            log_partition_changed(s->partitions[i]->partition);
}

bool store_is_pinned(const struct log_store *s, const struct log_partition_id *id,
                     int64_t base_offset, uint32_t version)
{
    for (const struct log_pin *pin = s->pins; pin != NULL; pin = pin->next)
        for (unsigned i = 0; i < pin->list.count; i++)
            if (pin->list.files[i].base_offset == base_offset &&
                pin->list.files[i].version == version &&
                memcmp(&pin->list.files[i].id, id, sizeof *id) == 0)
                return true;
    return false;
}

bool store_is_folder_pinned(const struct log_store *s, const struct log_partition_id *id)
{
    for (const struct log_pin *pin = s->pins; pin != NULL; pin = pin->next)
        for (unsigned i = 0; i < pin->list.count; i++)
            if (memcmp(&pin->list.files[i].id, id, sizeof *id) == 0)
                return true;
    return false;
}

const struct log_store_state *log_pin_state(const struct log_pin *pin)
{
    return &pin->manifest.state;
}

struct bytes log_pin_contents(const struct log_pin *pin)
{
    return bytes_of(pin->contents.data, pin->contents.size);
}

unsigned log_pin_file_count(const struct log_pin *pin)
{
    return pin->list.count;
}

/* Our own segment of this file, while it is one. */
static void suspect_file(struct log_store *s, const struct ship_file *file)
{
    struct log_partition *p = log_store_partition(s, file->number);
    struct log_segment *segment = NULL;
    if (p != NULL && memcmp(&p->id, &file->id, sizeof p->id) == 0)
        segment = log_partition_find_segment(p, file->base_offset, file->version);
    if (segment != NULL)
        log_partition_suspect(p, segment);
}

static bool is_piece_sound(const struct ship_file *file, const struct log_pin_read *req,
                           struct bytes piece)
{
    return req->position > 0 || piece.size < file->size_bytes || crc32c(0, piece) == file->crc;
}

static int read_piece(const struct disk *disk, const struct ship_file *file,
                      struct log_pin_read *req)
{
    size_t size = 0;
    if (req->position < file->size_bytes)
        size = file->size_bytes - (size_t)req->position;
    if (size > req->size_max)
        size = req->size_max;
    if (size > SHIP_PIECE_SIZE)
        size = SHIP_PIECE_SIZE; /* a peer named the size: memory is not for it to decide */
    char path[LOG_PATH_SIZE];
    struct disk_file *opened;
    log_segment_path(path, &file->id, file->base_offset, file->version, file->kind);
    int err = disk_open(disk, path, DISK_READ, &opened);
    if (err != 0)
        return err;
    struct buffer *buffer = buffer_create(size);
    int64_t got = UV_ENOMEM;
    if (buffer != NULL)
        got = disk_read_at(disk, opened, req->position, buffer->data, size);
    disk_close(disk, opened);
    if (got == (int64_t)size && is_piece_sound(file, req, bytes_of(buffer->data, size))) {
        req->piece = (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, size)};
        return 0;
    }
    buffer_unref(buffer);
    return got < 0 ? (int)got : ERR_CORRUPT;
}

/* What reads the piece compresses it: the shard never waits for that. */
static void compress_piece(struct log_pin_read *req)
{
    uint64_t since_ns = clock_now_ns(req->compress_clock);
    req->is_compressed = ship_pack(&req->piece);
    req->compress_ns = clock_now_ns(req->compress_clock) - since_ns;
}

static void finish_read(struct work_item *item)
{
    struct log_pin_read *req = item->data;
    req->pin->pending_reads--;
    if (log_is_damage(req->status))
        suspect_file(req->store, &req->pin->list.files[req->file]);
    req->cb(req, req->status);
}

static void run_read(struct work_item *item)
{
    struct log_pin_read *req = item->data;
    req->status = ERR_OUT_OF_RANGE; /* no such file: the number came from the peer */
    if (req->file < req->pin->list.count)
        req->status = read_piece(req->store->disk, &req->pin->list.files[req->file], req);
    req->size = (uint32_t)req->piece.bytes.size;
    if (req->status == 0 && req->compress_clock != NULL)
        compress_piece(req);
    work_submit(req->store->home, item, finish_read);
}

void log_pin_read(struct log_store *s, struct log_pin_read *req, log_pin_read_cb cb)
{
    req->store = s;
    req->cb = cb;
    req->piece = (struct slice){0};
    req->is_compressed = false;
    req->compress_ns = 0;
    req->item.data = req;
    if (req->file < req->pin->list.count && req->position == 0) {
        if (req->pin->has_begun[req->file])
            suspect_file(s, &req->pin->list.files[req->file]);
        req->pin->has_begun[req->file] = true;
    }
    req->pin->pending_reads++;
    work_submit(s->worker, &req->item, run_read);
}

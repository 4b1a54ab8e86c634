/* One raft group's checkpointed state: opening it, and its table of partitions.
 *
 * Opening reads the manifest up to its last commit, cuts the rest, and opens each partition from
 * its record. What a crash has left behind is cleaned here: a manifest that was never named, a
 * snapshot that was being installed; or noted for the first checkpoint: folders of removed
 * partitions, files of segments that left the log. Afterwards only what changed is looked at: each
 * partition tells its place in the table when it changes, which puts it on the list of the next
 * checkpoint. */
#include "log/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/event.h"
#include "scrub.h"
#include "store_internal.h"

void store_path(const struct log_store *s, const char *suffix, char *path)
{
    snprintf(path, LOG_PATH_SIZE, "groups/%" PRIu32 "%s", s->group_id, suffix);
}

int store_copy_bytes(struct bytes from, struct slice *copy)
{
    *copy = (struct slice){0};
    if (from.size == 0)
        return 0;
    struct buffer *buffer = buffer_create(from.size);
    if (buffer == NULL)
        return UV_ENOMEM;
    memcpy(buffer->data, from.data, from.size);
    *copy = (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, from.size)};
    return 0;
}

int64_t store_seal_manifest(const struct log_store *s, uint64_t position)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    struct manifest_bytes b = {0};
    manifest_add_seal(&b, position);
    store_path(s, "/manifest", path);
    int err = b.err != 0 ? b.err : disk_open(s->disk, path, DISK_WRITE, &file);
    if (err == 0) {
        err = disk_write_bytes_at(s->disk, file, position, bytes_of(b.data, b.size));
        disk_close(s->disk, file);
    }
    int64_t size = (int64_t)b.size;
    manifest_bytes_close(&b);
    return err == 0 ? size : err;
}

static int write_synced(const struct log_store *s, const char *path, unsigned flags,
                        uint64_t position, struct bytes contents)
{
    struct disk_file *file;
    int err = disk_open(s->disk, path, flags, &file);
    if (err != 0)
        return err;
    if (flags & DISK_CREATE)
        err = disk_truncate(s->disk, file, 0);
    if (err == 0)
        err = disk_write_bytes_at(s->disk, file, position, contents);
    if (err == 0)
        err = disk_sync(s->disk, file);
    disk_close(s->disk, file);
    return err;
}

int store_append_manifest(const struct log_store *s, uint64_t position, struct bytes contents)
{
    char path[LOG_PATH_SIZE];
    store_path(s, "/manifest", path);
    return write_synced(s, path, DISK_WRITE, position, contents);
}

int store_prepare_manifest(const struct log_store *s, struct bytes contents)
{
    char fresh[LOG_PATH_SIZE];
    store_path(s, "/manifest.new", fresh);
    return write_synced(s, fresh, DISK_WRITE | DISK_CREATE, 0, contents);
}

int store_place_manifest(const struct log_store *s)
{
    char folder[LOG_PATH_SIZE], path[LOG_PATH_SIZE], fresh[LOG_PATH_SIZE];
    store_path(s, "", folder);
    store_path(s, "/manifest", path);
    store_path(s, "/manifest.new", fresh);
    int err = disk_rename(s->disk, fresh, path);
    return err == 0 ? disk_sync_directory(s->disk, folder) : err;
}

int store_replace_manifest(const struct log_store *s, struct bytes contents)
{
    int err = store_prepare_manifest(s, contents);
    return err == 0 ? store_place_manifest(s) : err;
}

static int make_empty_manifest(struct log_store *s)
{
    struct manifest_bytes b = {0};
    manifest_add_header(&b, s->group_id);
    manifest_finish_header(&b);
    int err = b.err != 0 ? b.err : store_replace_manifest(s, bytes_of(b.data, b.size));
    manifest_bytes_close(&b);
    return err;
}

static int make_folders(struct log_store *s)
{
    char path[LOG_PATH_SIZE];
    store_path(s, "", path);
    int err = disk_make_directory(s->disk, path);
    if (err == 0)
        err = disk_make_directory(s->disk, "topics");
    if (err == 0)
        err = disk_sync_directory(s->disk, "groups");
    if (err == 0)
        err = disk_sync_directory(s->disk, "");
    store_path(s, "/manifest.new", path);
    if (err == 0)
        err = disk_remove(s->disk, path);
    return err == UV_ENOENT ? 0 : err;
}

/* The whole manifest, made when there is none. *bytes is owned (free). */
static int read_manifest(struct log_store *s, uint8_t **bytes, size_t *size)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    store_path(s, "/manifest", path);
    int err = disk_open(s->disk, path, DISK_READ, &file);
    if (err == UV_ENOENT) {
        err = make_empty_manifest(s);
        if (err == 0)
            err = disk_open(s->disk, path, DISK_READ, &file);
    }
    if (err != 0)
        return err;
    int64_t length = disk_size(s->disk, file);
    *bytes = length < 0 ? NULL : malloc((size_t)length + 1);
    int64_t got = length < 0 ? length : UV_ENOMEM;
    if (*bytes != NULL)
        got = disk_read_at(s->disk, file, 0, *bytes, (size_t)length);
    disk_close(s->disk, file);
    *size = got < 0 ? 0 : (size_t)got;
    return got < 0 ? (int)got : 0;
}

int store_cut_manifest(const struct log_store *s, uint64_t size)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    store_path(s, "/manifest", path);
    int err = disk_open(s->disk, path, DISK_WRITE, &file);
    if (err != 0)
        return err;
    err = disk_truncate(s->disk, file, size);
    if (err == 0)
        err = disk_sync(s->disk, file);
    disk_close(s->disk, file);
    return err;
}

/* ---- the table ---- */

void store_mark_dirty(struct store_partition *entry)
{
    if (entry->is_dirty || entry->store == NULL)
        return;
    entry->is_dirty = true;
    entry->next_dirty = entry->store->dirty;
    entry->store->dirty = entry;
}

static void on_partition_change(void *data)
{
    store_mark_dirty(data);
}

static void on_partition_flaw(void *data)
{
    struct store_partition *entry = data;
    entry->store->has_flaws = true;
}

void store_free_entry(struct store_partition *entry)
{
    store_unclaim(entry);
    log_partition_destroy(entry->partition);
    slice_unref(&entry->record);
    free(entry);
}

/* Adds an entry at its place; takes the partition when it returns 0. */
static int table_add(struct log_store *s, struct store_partition ***items, uint32_t *count,
                     uint32_t *capacity, uint32_t number, struct log_partition *p,
                     struct store_partition **added)
{
    if (*count == *capacity) {
        uint32_t larger = *capacity == 0 ? 16 : *capacity * 2;
        struct store_partition **grown = realloc(*items, larger * sizeof(struct store_partition *));
        if (grown == NULL)
            return UV_ENOMEM;
        *items = grown;
        *capacity = larger;
    }
    struct store_partition *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return UV_ENOMEM;
    *entry = (struct store_partition){.store = s, .number = number, .partition = p};
    if (store_claim(entry) != 0) {
        free(entry);
        return UV_ENOMEM;
    }
    uint32_t place = *count;
    while (place > 0 && (*items)[place - 1]->number > number)
        place--;
    memmove(*items + place + 1, *items + place,
            (*count - place) * sizeof(struct store_partition *));
    (*items)[place] = entry;
    (*count)++;
    p->on_change = on_partition_change;
    p->on_flaw = on_partition_flaw;
    p->on_change_data = entry;
    *added = entry;
    return 0;
}

static struct store_partition *find_entry(const struct log_store *s, uint32_t number,
                                          uint32_t *place)
{
    uint32_t low = 0, high = s->partition_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->partitions[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    bool is_there = low < s->partition_count && s->partitions[low]->number == number;
    return is_there ? s->partitions[low] : NULL;
}

struct store_partition *store_find(const struct log_store *s, uint32_t number)
{
    uint32_t place;
    return find_entry(s, number, &place);
}

static int table_open_partition(struct log_store *s, const struct manifest_partition *from,
                                struct store_table *table, struct err_note *note)
{
    struct log_partition *p;
    struct store_partition *entry;
    int err = log_partition_decode(s->disk, from->record, &p, note);
    if (err != 0)
        return err;
    err = table_add(s, &table->items, &table->count, &table->capacity, from->number, p, &entry);
    if (err != 0) {
        log_partition_destroy(p);
        return err;
    }
    table->live_size += manifest_record_size(from->record.size);
    return store_copy_bytes(from->record, &entry->record);
}

int store_table_open(struct log_store *s, const struct manifest *m, struct store_table *table,
                     struct err_note *note)
{
    *table = (struct store_table){.state = m->state};
    int err = store_copy_bytes(m->state.configuration, &table->configuration);
    if (err == 0)
        err = store_copy_bytes(m->state.machine, &table->machine);
    table->state.configuration = table->configuration.bytes;
    table->state.machine = table->machine.bytes;
    for (uint32_t i = 0; i < m->partition_count && err == 0; i++)
        if (!m->partitions[i].is_removed)
            err = table_open_partition(s, &m->partitions[i], table, note);
    if (err != 0)
        store_table_close(table);
    return err;
}

void store_table_close(struct store_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        store_free_entry(table->items[i]);
    free(table->items);
    slice_unref(&table->configuration);
    slice_unref(&table->machine);
    *table = (struct store_table){0};
}

void store_take_table(struct log_store *s, struct store_table *table)
{
    for (uint32_t i = 0; i < s->partition_count; i++)
        store_free_entry(s->partitions[i]);
    free(s->partitions);
    slice_unref(&s->configuration);
    slice_unref(&s->machine);
    s->partitions = table->items;
    s->partition_count = table->count;
    s->partition_capacity = table->capacity;
    s->configuration = table->configuration;
    s->machine = table->machine;
    s->state = table->state;
    s->live_size = table->live_size;
    s->dirty = NULL;
    s->has_flaws = true; /* what opening found, perhaps */
    s->awaiting_count = 0;
    for (uint32_t i = 0; i < s->partition_count; i++) {
        s->awaiting_count += s->partitions[i]->partition->is_awaiting;
        if (s->partitions[i]->partition->dead.count > 0) /* files that may have to go */
            on_partition_change(s->partitions[i]);
    }
    *table = (struct store_table){0};
}

/* ---- opening ---- */

bool store_has_folder(const struct log_store *s, const struct log_partition_id *id)
{
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (memcmp(log_partition_id(s->partitions[i]->partition), id, sizeof *id) == 0)
            return true;
    return false;
}

/* Folders of removed partitions that a crash may have left. Whether another store has one (a move
 * between groups) is known when all stores are open: they go after the first checkpoint. */
static int note_removed(struct log_store *s, const struct log_partition_id *id, uint32_t number)
{
    static const struct log_partition_settings any = {.segment_bytes = 1, .producer_count_max = 1};
    struct store_partition *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return UV_ENOMEM;
    *entry = (struct store_partition){.store = s, .number = number, .is_removal_durable = true};
    int err = log_partition_create(s->disk, id, &any, 0, &entry->partition);
    if (err != 0) {
        free(entry);
        return err;
    }
    entry->next_removed = s->removed;
    s->removed = entry;
    return 0;
}

static void on_any_name(void *data, const char *name, bool is_directory)
{
    (void)data;
    (void)name;
    (void)is_directory;
}

static bool is_folder_there(const struct log_store *s, const struct log_partition_id *id)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, id);
    return disk_list(s->disk, path, on_any_name, NULL) == 0;
}

static int clean_removed(struct log_store *s, const struct manifest *m)
{
    int err = 0;
    for (uint32_t i = 0; i < m->partition_count && err == 0; i++)
        if (m->partitions[i].is_removed && !store_has_folder(s, &m->partitions[i].id) &&
            is_folder_there(s, &m->partitions[i].id))
            err = note_removed(s, &m->partitions[i].id, m->partitions[i].number);
    return err;
}

static int open_contents(struct log_store *s, struct bytes file, struct err_note *note)
{
    struct manifest m;
    struct store_table table;
    int err = manifest_parse(file, &m, note);
    if (err != 0)
        return err;
    if (m.group_id != s->group_id)
        err = err_set(note, ERR_CORRUPT, "manifest: belongs to group %" PRIu32, m.group_id);
    s->manifest_size = m.end;
    s->manifest_durable = m.commit_end;
    if (err == 0 && m.end < file.size) {
        event_warn("manifest_tail_cut", "group=%" PRIu32 " size_bytes=%" PRIu64, s->group_id,
                   m.end);
        err = store_cut_manifest(s, m.end);
    }
    if (err == 0 && m.is_installing)
        err = store_finish_install(s, &m, note);
    if (err == 0)
        err = store_table_open(s, &m, &table, note);
    if (err == 0) {
        store_take_table(s, &table);
        err = clean_removed(s, &m);
    }
    manifest_close(&m);
    return err;
}

int log_store_open(const struct disk *disk, uint32_t group_id, const struct work *worker,
                   const struct work *home, struct log_store **opened, struct err_note *note)
{
    if (note != NULL)
        note->text[0] = '\0';
    struct log_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(note, UV_ENOMEM, "open store: no memory");
    *s = (struct log_store){.disk = disk, .group_id = group_id, .worker = worker, .home = home};
    uint8_t *bytes = NULL;
    size_t size = 0;
    int err = make_folders(s);
    if (err == 0)
        err = read_manifest(s, &bytes, &size);
    if (err == 0)
        err = open_contents(s, bytes_of(bytes, size), note);
    if (err == 0)
        err = store_list_staged(s);
    free(bytes);
    if (err != 0) {
        log_store_close(s);
        return err_prefix(note, err, "groups/%" PRIu32 " (%s)", group_id, err_text(err));
    }
    *opened = s;
    return 0;
}

void log_store_close(struct log_store *s)
{
    if (s == NULL)
        return;
    assert(!s->is_checkpointing && s->pins == NULL && !s->is_tending);
    log_install_abort(s->install);
    scrub_destroy(s->scrub);
    store_take_table(s, &(struct store_table){0});
    while (s->removed != NULL) {
        struct store_partition *next = s->removed->next_removed;
        store_free_entry(s->removed);
        s->removed = next;
    }
    free(s->staged.items);
    free(s);
}

/* ---- partitions ---- */

const struct log_store_state *log_store_state(const struct log_store *s)
{
    return &s->state;
}

int store_add_partition(struct log_store *s, uint32_t number, struct log_partition *p)
{
    struct store_partition *entry;
    assert(store_find(s, number) == NULL); /* numbers are used once */
    int err = table_add(s, &s->partitions, &s->partition_count, &s->partition_capacity, number, p,
                        &entry);
    if (err == 0)
        on_partition_change(entry);
    return err;
}

int log_store_partition_add(struct log_store *s, uint32_t partition_number,
                            const struct log_partition_id *id,
                            const struct log_partition_settings *settings, int64_t start_offset,
                            struct log_partition **added)
{
    struct log_partition *p;
    struct log_partition_id own_id = *id;
    store_give_ghost_id(s, partition_number, &own_id);
    int err = log_partition_create(s->disk, &own_id, settings, start_offset, &p);
    if (err != 0)
        return err;
    err = store_add_partition(s, partition_number, p);
    if (err != 0) {
        log_partition_destroy(p);
        return err;
    }
    *added = p;
    return 0;
}

struct log_partition *log_store_partition(struct log_store *s, uint32_t partition_number)
{
    uint32_t place;
    struct store_partition *entry = find_entry(s, partition_number, &place);
    return entry != NULL ? entry->partition : NULL;
}

static void unlink_dirty(struct log_store *s, struct store_partition *entry)
{
    struct store_partition **link = &s->dirty;
    while (*link != NULL && *link != entry)
        link = &(*link)->next_dirty;
    if (*link != NULL)
        *link = entry->next_dirty;
}

void log_store_partition_remove(struct log_store *s, uint32_t partition_number)
{
    uint32_t place;
    struct store_partition *entry = find_entry(s, partition_number, &place);
    if (entry == NULL)
        return;
    s->partition_count--;
    memmove(s->partitions + place, s->partitions + place + 1,
            (s->partition_count - place) * sizeof(struct store_partition *));
    if (entry->record.bytes.size > 0)
        s->live_size -= manifest_record_size(entry->record.bytes.size);
    unlink_dirty(s, entry);
    entry->partition->on_change = NULL;
    if (entry->partition->is_awaiting)
        s->awaiting_count--;
    entry->partition->is_awaiting = false;
    store_set_writing(entry, false);
    entry->next_removed = s->removed;
    s->removed = entry;
}

void log_store_each_partition(struct log_store *s, log_store_partition_cb cb, void *data)
{
    for (uint32_t i = 0; i < s->partition_count; i++)
        cb(data, s->partitions[i]->number, s->partitions[i]->partition);
}

bool log_store_is_checkpointing(const struct log_store *s)
{
    return s->is_checkpointing;
}

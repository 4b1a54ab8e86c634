/* The folder "aside/<recovery id>" is a disk of its own: stores are opened there as at any start,
 * and their work runs where they are called. */
#include "admin/salvage_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/machine.h"
#include "start/work_pump.h"

struct salvage_store {
    struct disk disk; /* rooted at the folder */
    bool has_disk;
    struct work_pump pump;
    uint32_t group_ids[METADATA_GROUPS_MAX]; /* rising */
    struct log_store *stores[METADATA_GROUPS_MAX];
    unsigned group_count;
    struct metadata *metadata;
    struct salvage_row *rows; /* owned */
    unsigned row_count, row_capacity;
    int err;               /* while rows are gathered */
    unsigned unread_count; /* groups that can't be */
    struct err_note *note;
};

/* ---- which one ---- */

struct finding {
    const char *wanted;
    char id[SALVAGE_ID_SIZE];
    unsigned count;
    char all[200];
};

static bool is_recovery_id(const char *name)
{
    return strlen(name) == SALVAGE_ID_SIZE - 1 && strspn(name, "0123456789abcdef") == 16;
}

static void on_aside(void *data, const char *name, bool is_directory)
{
    struct finding *f = data;
    size_t size = strlen(f->all);
    if (!is_directory || !is_recovery_id(name) ||
        (f->wanted[0] != '\0' && strcmp(f->wanted, name) != 0))
        return;
    bytes_copy_text(f->id, sizeof f->id, name);
    f->count++;
    snprintf(f->all + size, sizeof f->all - size, "%s%s", size > 0 ? ", " : "", name);
}

int salvage_store_find(const struct disk *disk, const char *wanted, char id[SALVAGE_ID_SIZE],
                       struct err_note *note)
{
    struct finding f = {.wanted = wanted};
    int err = disk_list(disk, "aside", on_aside, &f);
    if (err != 0 && err != UV_ENOENT)
        return err_set(note, err, "folder \"aside\": %s", err_text(err));
    if (f.count == 0)
        return err_set(note, ERR_NOT_FOUND, "nothing lies aside here%s%s",
                       wanted[0] == '\0' ? "" : " of recovery ", wanted);
    if (f.count > 1)
        return err_set(note, ERR_INVALID, "name one of the recoveries %s", f.all);
    memcpy(id, f.id, sizeof f.id);
    return 0;
}

/* ---- opening ---- */

static void on_group(void *data, const char *name, bool is_directory)
{
    struct salvage_store *s = data;
    char *end;
    unsigned long id = strtoul(name, &end, 10);
    if (!is_directory || *end != '\0' || id >= METADATA_GROUPS_MAX ||
        s->group_count == METADATA_GROUPS_MAX)
        return;
    unsigned place = s->group_count++;
    for (; place > 0 && s->group_ids[place - 1] > id; place--)
        s->group_ids[place] = s->group_ids[place - 1];
    s->group_ids[place] = (uint32_t)id;
}

static void on_partition(void *data, uint32_t number, struct log_partition *p)
{
    struct salvage_store *s = data;
    (void)number;
    if (s->row_count == s->row_capacity) {
        unsigned more = s->row_capacity == 0 ? 64 : 2 * s->row_capacity;
        struct salvage_row *rows = realloc(s->rows, more * sizeof *rows);
        if (rows == NULL) {
            s->err = UV_ENOMEM;
            return;
        }
        s->rows = rows;
        s->row_capacity = more;
    }
    s->rows[s->row_count++] = (struct salvage_row){.id = *log_partition_id(p),
                                                   .log = p,
                                                   .has_files = !log_partition_is_frozen(p) &&
                                                                log_partition_has_files(p)};
}

static int by_id(const void *a, const void *b)
{
    const struct salvage_row *first = a, *second = b;
    int order = memcmp(first->id.topic_id, second->id.topic_id, sizeof first->id.topic_id);
    if (order == 0)
        order = (first->id.partition > second->id.partition) -
                (first->id.partition < second->id.partition);
    return order != 0 ? order : second->has_files - first->has_files;
}

/* Of a partition that was moving two groups have something: the one with its files counts. */
static void sort_rows(struct salvage_store *s)
{
    unsigned count = 0;
    if (s->row_count == 0)
        return;
    qsort(s->rows, s->row_count, sizeof *s->rows, by_id);
    for (unsigned i = 0; i < s->row_count; i++)
        if (count == 0 || s->rows[count - 1].id.partition != s->rows[i].id.partition ||
            memcmp(s->rows[count - 1].id.topic_id, s->rows[i].id.topic_id,
                   sizeof s->rows[i].id.topic_id) != 0)
            s->rows[count++] = s->rows[i];
    s->row_count = count;
}

/* Group 0's machine has the lost side's metadata. */
static int restore_metadata(struct salvage_store *s, struct log_store *store)
{
    struct machine *machine;
    const struct log_store_state *state = log_store_state(store);
    if (state->index == 0)
        return 0;
    int err = metadata_create(&s->metadata);
    if (err != 0)
        return err;
    struct machine_options options = {.group_id = 0, .metadata = s->metadata};
    err = machine_create(&options, &machine);
    if (err == 0) {
        err = machine_callbacks(machine).restore(machine, store, state);
        machine_destroy(machine);
    }
    if (err != 0) {
        metadata_destroy(s->metadata);
        s->metadata = NULL;
    }
    return err;
}

/* Not one that had left its group: its manifest was lost. */
static bool has_nothing(const struct log_store *store)
{
    const struct log_store_state *state = log_store_state(store);
    return state->index == 0 && state->left_index == 0;
}

static int open_group(struct salvage_store *s, unsigned place)
{
    struct err_note note = {0};
    uint32_t group_id = s->group_ids[place];
    int err = log_store_open(&s->disk, group_id, &s->pump.seam, &s->pump.seam, &s->stores[place],
                             &note);
    if (err == 0 && group_id == 0)
        err = restore_metadata(s, s->stores[place]);
    if (err == UV_ENOMEM)
        return err;
    if (err == 0 && has_nothing(s->stores[place]))
        err = err_set(&note, ERR_NOT_FOUND, "it has no checkpoint");
    if (err == 0)
        log_store_each_partition(s->stores[place], on_partition, s);
    else if (s->unread_count++ == 0)
        err_set(s->note, err, "raft group %u can't be read: %s", group_id,
                note.text[0] != '\0' ? note.text : err_text(err));
    return s->err;
}

static void tell_unread(const struct salvage_store *s)
{
    struct err_note first = *s->note;
    if (s->unread_count > 1)
        err_set(s->note, ERR_CORRUPT, "%u raft groups can't be read; the first: %.150s",
                s->unread_count, first.text);
}

static int open_all(struct salvage_store *s, const char *directory, const char *id)
{
    char root[1200];
    snprintf(root, sizeof root, "%s/aside/%s", directory, id);
    int err = disk_open_system(&s->disk, root);
    s->has_disk = err == 0;
    if (err == 0)
        err = disk_list(&s->disk, "groups", on_group, s);
    for (unsigned i = 0; i < s->group_count && err == 0; i++)
        err = open_group(s, i);
    return err;
}

int salvage_store_open(const char *directory, const char *id, struct salvage_store **store,
                       struct err_note *note)
{
    struct salvage_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return UV_ENOMEM;
    work_pump_init(&s->pump);
    s->note = note;
    int err = open_all(s, directory, id);
    if (err != 0) {
        salvage_store_close(s);
        return err_set(note, err, "recovery %s: %s", id, err_text(err));
    }
    sort_rows(s);
    tell_unread(s);
    *store = s;
    return 0;
}

void salvage_store_close(struct salvage_store *s)
{
    if (s == NULL)
        return;
    work_pump_run(&s->pump);
    for (unsigned i = 0; i < s->group_count; i++)
        if (s->stores[i] != NULL)
            log_store_close(s->stores[i]);
    if (s->metadata != NULL)
        metadata_destroy(s->metadata);
    if (s->has_disk)
        disk_close_system(&s->disk);
    free(s->rows);
    free(s);
}

unsigned salvage_store_count(const struct salvage_store *s)
{
    return s->row_count;
}

const struct salvage_row *salvage_store_row(const struct salvage_store *s, unsigned place)
{
    return &s->rows[place];
}

struct metadata *salvage_store_metadata(const struct salvage_store *s)
{
    return s->metadata;
}

/* What a spool's files hold, found again.
 *
 * Every file is read from its beginning. Behind bytes that are no entry every further byte is
 * tried, until there is one; entries are numbered one by one, so their numbers say how many are
 * missing. What stands behind the last whole entry of the last file was torn by a crash (or
 * damaged later, which nothing can tell apart), and is cut off; behind the last whole
 * entry of another file it is what a failed write has left, unless entries are missing there.
 *
 * A number that is met again: the write of the earlier ones has failed, but left them behind. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_parts.h"

struct names {
    uint64_t (*entries)[2]; /* number, salt */
    size_t count, capacity;
    int err;
};

struct scan {
    struct spool *spool;
    struct spool_report *report;
    uint64_t sequence_next; /* 0: nothing seen yet */
    uint64_t unread_bytes;  /* no entry, and it is not known yet why */
    bool is_within_file;    /* the unread ones have an entry before them or behind, in one file */
};

static void on_name(void *data, const char *name, bool is_directory)
{
    struct names *n = data;
    uint64_t number, salt;
    int length = 0;
    if (is_directory || n->err != 0 ||
        sscanf(name, "%20" SCNu64 "-%16" SCNx64 ".spool%n", &number, &salt, &length) != 2 ||
        length != 20 + 1 + 16 + 6 || name[length] != '\0')
        return;
    if (n->count == n->capacity) {
        size_t capacity = 2 * n->capacity + 16;
        void *grown = realloc(n->entries, capacity * sizeof *n->entries);
        if (grown == NULL) {
            n->err = UV_ENOMEM;
            return;
        }
        n->entries = grown;
        n->capacity = capacity;
    }
    n->entries[n->count][0] = number;
    n->entries[n->count++][1] = salt;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

static void forget_from(struct spool *s, uint64_t sequence)
{
    for (struct spool_item *item = s->first, *next; item != NULL; item = next) {
        next = item->next;
        if (item->sequence >= sequence)
            spool_index_remove(s, item);
    }
}

static void note_sequence(struct scan *scan, uint64_t sequence)
{
    uint64_t expected = scan->sequence_next;
    bool is_missing = expected != 0 && sequence > expected;
    if (expected != 0 && sequence < expected)
        forget_from(scan->spool, sequence);
    if (is_missing)
        scan->report->missing_count += sequence - expected;
    if (is_missing || scan->is_within_file)
        scan->report->damaged_bytes += scan->unread_bytes;
    scan->unread_bytes = 0;
    scan->sequence_next = sequence + 1;
}

static int take_entry(struct scan *scan, const struct spool_entry *entry, struct spool_file *f,
                      uint64_t position)
{
    struct spool *s = scan->spool;
    note_sequence(scan, entry->sequence);
    struct spool_item *item = spool_index_find(s, entry->order);
    if (item != NULL)
        spool_index_remove(s, item);
    if (entry->order >= s->order_next)
        s->order_next = entry->order + 1;
    if (entry->kind == SPOOL_ENTRY_DONE)
        return 0;
    struct spool_item found = {.order = entry->order,
                               .key_hash = entry->key_hash,
                               .sequence = entry->sequence,
                               .file = f,
                               .position = position,
                               .body_size = entry->body_size,
                               .is_waiting = true};
    return spool_index_add(s, &found);
}

/* All entries of one file's bytes; *end is where the last whole one ends. */
static int scan_bytes(struct scan *scan, struct spool_file *f, struct bytes all, uint64_t *end)
{
    *end = 0;
    for (size_t at = 0; at < all.size;) {
        struct spool_entry entry;
        struct spool_place place = {f->salt, at};
        if (!spool_entry_decode(bytes_of(all.data + at, all.size - at), place, &entry)) {
            const uint8_t *next = memchr(all.data + at + 1, 'T', all.size - at - 1);
            at = next == NULL ? all.size : (size_t)(next - all.data);
            continue;
        }
        scan->is_within_file = at > *end;
        scan->unread_bytes += at - *end;
        int err = take_entry(scan, &entry, f, at);
        if (err != 0)
            return err;
        at += SPOOL_HEAD_SIZE + entry.body_size;
        *end = at;
    }
    scan->is_within_file = false;
    scan->unread_bytes += all.size - *end;
    return 0;
}

static int scan_file(struct scan *scan, struct spool_file *f, uint64_t *end)
{
    const struct disk *disk = scan->spool->options.disk;
    int64_t size = disk_size(disk, f->file);
    if (size < 0)
        return (int)size;
    uint8_t *all = malloc((size_t)size + 1);
    if (all == NULL)
        return UV_ENOMEM;
    int64_t got = disk_read_at(disk, f->file, 0, all, (size_t)size);
    int err = got < 0 ? (int)got : scan_bytes(scan, f, bytes_of(all, (size_t)got), end);
    free(all);
    f->size_bytes = (uint64_t)size;
    return err;
}

/* Nothing comes behind the last file, so the bytes at its end are not kept for anyone. */
static int cut_last(struct spool *s, uint64_t end)
{
    struct spool_file *f = s->newest;
    if (f->size_bytes == end)
        return 0;
    int err = disk_truncate(s->options.disk, f->file, end);
    if (err == 0)
        err = disk_sync(s->options.disk, f->file);
    f->size_bytes = end;
    return err;
}

static int scan_all(struct spool *s, const struct names *names, struct spool_report *report,
                    struct err_note *note)
{
    struct scan scan = {.spool = s, .report = report};
    uint64_t end = 0;
    int err = 0;
    for (size_t i = 0; i < names->count && err == 0; i++) {
        uint64_t number = names->entries[i][0], salt = names->entries[i][1];
        err = spool_file_adopt(s, number, salt);
        if (err == 0)
            err = scan_file(&scan, s->newest, &end);
        if (err == 0 && i + 1 == names->count)
            err = cut_last(s, end);
        if (err == 0)
            s->size_bytes += s->newest->size_bytes;
        else
            err_set(note, err, "%s/%020" PRIu64 "-%016" PRIx64 ".spool: %s", s->folder, number,
                    salt, err_text(err));
    }
    report->cut_bytes = scan.unread_bytes;
    report->record_count = spool_record_count(s);
    if (scan.sequence_next != 0)
        s->sequence_next = scan.sequence_next;
    return err;
}

int spool_scan(struct spool *s, struct spool_report *report, struct err_note *note)
{
    struct names names = {0};
    int err = disk_list(s->options.disk, s->folder, on_name, &names);
    if (err == 0)
        err = names.err;
    if (err != 0)
        err_set(note, err, "%s: %s", s->folder, err_text(err));
    if (err == 0) {
        if (names.count > 0)
            qsort(names.entries, names.count, sizeof *names.entries, by_number);
        err = scan_all(s, &names, report, note);
    }
    free(names.entries);
    if (err != 0)
        return err;
    s->is_sealed = true;
    spool_file_remove_done(s);
    return 0;
}

/* What the write headers of all files say, before anything is believed or changed.
 *
 * The survey reads headers only. It finds the durable mark (the highest in any intact header,
 * also beyond damage), the oldest file still needed, and the chain: the writes that follow on
 * each other by sequence from the oldest file on. Where the chain ends below the mark, something
 * that was durable is gone: that is corruption, and the only other thing it can be is a torn tail.
 *
 * A file whose own header can't be read was being prepared when the process ended, and holds
 * nothing of ours but its past. If it does hold a write that is still needed, its header is
 * damaged: the header is durable before the first write. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "wal_private.h"

/* ---- finding files ---- */

struct slots {
    uint32_t *numbers;
    size_t count, capacity;
    bool is_out_of_memory;
};

static void note_slot(void *data, const char *name, bool is_directory)
{
    struct slots *s = data;
    uint32_t number;
    int length = 0;
    if (is_directory || sscanf(name, "%8" SCNx32 ".wal%n", &number, &length) != 1 || length != 12 ||
        name[length] != '\0')
        return;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        uint32_t *numbers = realloc(s->numbers, capacity * sizeof *numbers);
        if (numbers == NULL) {
            s->is_out_of_memory = true;
            return;
        }
        s->numbers = numbers;
        s->capacity = capacity;
    }
    s->numbers[s->count++] = number;
}

static int read_file_header(struct log_wal *wal, struct wal_found *f, const char *path,
                            struct err_note *note)
{
    uint8_t block[WAL_BLOCK_SIZE];
    int64_t size = disk_size(wal->disk, f->file->disk_file);
    if (size < 0)
        return err_set(note, (int)size, "%s: size unknown", path);
    f->file->size = size > (int64_t)LOG_WAL_FILE_SIZE_MAX ? LOG_WAL_FILE_SIZE_MAX : (uint32_t)size;
    f->file->size -= f->file->size % WAL_BLOCK_SIZE;
    if (f->file->size == 0)
        return 0;
    int64_t got = disk_read_at(wal->disk, f->file->disk_file, 0, block, sizeof block);
    if (got < 0)
        return err_set(note, (int)got, "%s: can't be read", path);
    int err = got == sizeof block ? log_wal_file_header_decode(block, &f->file->header)
                                  : ERR_CORRUPT;
    if (err == ERR_VERSION)
        return err_set(note, err, "%s: written by another release", path);
    if (err != 0)
        return 0;
    if (memcmp(f->file->header.cluster_id, wal->options.cluster_id, 16) != 0)
        return err_set(note, ERR_OTHER_CLUSTER, "%s: belongs to another cluster", path);
    f->has_header = true;
    f->is_short = size < (int64_t)f->file->header.size;
    return 0;
}

static int open_found(struct log_wal *wal, struct wal_found *f, uint32_t slot,
                      struct err_note *note)
{
    char path[WAL_PATH_SIZE];
    log_wal_file_path(wal, slot, path);
    f->file = calloc(1, sizeof *f->file);
    if (f->file == NULL)
        return UV_ENOMEM;
    f->file->slot = slot;
    int err = disk_open(wal->disk, path, DISK_WRITE, &f->file->disk_file);
    if (err != 0)
        return err_set(note, err, "%s: can't be opened", path);
    return read_file_header(wal, f, path, note);
}

static int compare_found(const void *a, const void *b)
{
    const struct wal_found *left = a, *right = b;
    uint32_t l = left->has_header ? left->file->header.file_id : 0;
    uint32_t r = right->has_header ? right->file->header.file_id : 0;
    if (l != r)
        return l < r ? -1 : 1;
    return left->file->slot < right->file->slot ? -1 : left->file->slot > right->file->slot;
}

static int open_all(struct log_wal *wal, struct wal_survey *s, struct err_note *note)
{
    struct slots slots = {0};
    int err = disk_list(wal->disk, wal->directory, note_slot, &slots);
    if (slots.is_out_of_memory)
        err = UV_ENOMEM;
    s->found = calloc(slots.count + 1, sizeof *s->found);
    if (err == 0 && s->found == NULL)
        err = UV_ENOMEM;
    for (size_t i = 0; i < slots.count && err == 0; i++) {
        err = open_found(wal, &s->found[i], slots.numbers[i], note);
        s->count++;
        if (slots.numbers[i] >= wal->next_slot)
            wal->next_slot = slots.numbers[i] + 1;
    }
    free(slots.numbers);
    if (err == 0)
        qsort(s->found, s->count, sizeof *s->found, compare_found);
    return err;
}

/* ---- reading write headers ---- */

static void note_header(struct wal_survey *s, const struct wal_write_header *h)
{
    if (wal_position_is_before(s->mark, h->mark))
        s->mark = h->mark;
    if (h->oldest_file_id > s->oldest_file_id)
        s->oldest_file_id = h->oldest_file_id;
    if (h->life > s->life)
        s->life = h->life;
}

/* Follows the writes from the file's start as long as each follows on the one before. */
static int walk(struct wal_survey *s, struct wal_found *f, struct wal_scan *scan)
{
    struct wal_write_header h;
    int is_there;
    f->file->end = WAL_BLOCK_SIZE;
    while ((is_there = log_wal_scan_header(scan, f->file->end, &h)) > 0) {
        f->has_own_header = true;
        bool follows = h.sequence == f->last_sequence + 1 && h.life >= f->last_life;
        if (f->write_count > 0 && !follows)
            break;
        note_header(s, &h);
        if (f->write_count++ == 0) {
            f->first_sequence = h.sequence;
            f->first_life = h.life;
        }
        f->last_sequence = h.sequence;
        f->last_life = h.life;
        f->next_file_id = h.next_file_id;
        f->file->end += (uint32_t)wal_write_size(h.payload_size);
    }
    return is_there < 0 ? is_there : 0;
}

/* Looks at each block behind the walk: a header there tells what was durable before the damage. */
static int search_rest(struct wal_survey *s, struct wal_found *f, struct wal_scan *scan)
{
    struct wal_write_header h;
    uint32_t at = f->file->end;
    while (at < f->file->size) {
        int is_there = log_wal_scan_header(scan, at, &h);
        if (is_there < 0)
            return is_there;
        if (is_there > 0) {
            f->has_own_header = true;
            note_header(s, &h);
        }
        at += is_there > 0 ? (uint32_t)wal_write_size(h.payload_size) : WAL_BLOCK_SIZE;
    }
    return 0;
}

/* True when the next file that has writes goes on where this one ends: nothing is missing. */
static bool is_continued(const struct wal_survey *s, size_t i)
{
    for (size_t next = i + 1; next < s->count; next++)
        if (s->found[next].write_count > 0)
            return s->found[i].write_count > 0 &&
                   s->found[next].first_sequence == s->found[i].last_sequence + 1;
    return false;
}

static int read_headers(struct log_wal *wal, struct wal_survey *s, struct wal_scan *scan)
{
    int err = 0;
    for (size_t i = 0; i < s->count && err == 0; i++) {
        log_wal_scan_begin(scan, wal->disk, s->found[i].file);
        if (s->found[i].has_header)
            err = walk(s, &s->found[i], scan);
    }
    for (size_t i = 0; i < s->count && err == 0; i++) {
        log_wal_scan_begin(scan, wal->disk, s->found[i].file);
        if (s->found[i].has_header && !is_continued(s, i))
            err = search_rest(s, &s->found[i], scan);
    }
    return err;
}

/* ---- judging ---- */

static int check_ids(struct log_wal *wal, const struct wal_survey *s, struct err_note *note)
{
    for (size_t i = 1; i < s->count; i++) {
        const struct wal_found *a = &s->found[i - 1], *b = &s->found[i];
        if (a->has_header && a->file->header.file_id == b->file->header.file_id)
            return err_set(note, ERR_CORRUPT,
                           "%s: %08" PRIx32 ".wal and %08" PRIx32 ".wal have the same file id",
                           wal->directory, a->file->slot, b->file->slot);
    }
    return 0;
}

/* A write that is still needed, in a file without a header? */
static int check_headless(struct log_wal *wal, const struct wal_survey *s, struct wal_scan *scan,
                          const struct wal_found *f, struct err_note *note)
{
    struct wal_write_header h;
    log_wal_scan_begin(scan, wal->disk, f->file);
    for (uint32_t at = WAL_BLOCK_SIZE; at < f->file->size; at += WAL_BLOCK_SIZE) {
        const uint8_t *bytes;
        int err = log_wal_scan_read(scan, at, WAL_WRITE_HEADER_SIZE, &bytes);
        if (err != 0)
            return err;
        if (log_wal_write_header_decode(bytes, &h) && h.file_id >= s->oldest_file_id)
            return err_set(note, ERR_CORRUPT, "%s/%08" PRIx32 ".wal: file header damaged at byte 0",
                           wal->directory, f->file->slot);
    }
    return 0;
}

/* Finds the chain: from the oldest needed file on, whatever follows by sequence. Files between
 * that have no writes were prepared, or hold only what was cut before; one that the last write of
 * the chain names was begun, and ends it. */
static int find_chain(struct log_wal *wal, struct wal_survey *s, struct err_note *note)
{
    size_t i = 0;
    while (i < s->count &&
           (!s->found[i].has_header || s->found[i].file->header.file_id < s->oldest_file_id))
        i++;
    s->chain_first = s->chain_last = i;
    if (s->oldest_file_id == 0)
        return 0; /* nothing was ever written */
    if (i == s->count || s->found[i].file->header.file_id != s->oldest_file_id)
        return err_set(note, ERR_CORRUPT, "%s: the file with id %" PRIu32 " is missing",
                       wal->directory, s->oldest_file_id);
    for (; i < s->count; i++) {
        const struct wal_found *last = &s->found[s->chain_last], *f = &s->found[i];
        if (f->is_short)
            return err_set(note, ERR_CORRUPT,
                           "%s/%08" PRIx32 ".wal: cut off at byte %" PRIu32 " of %" PRIu32,
                           wal->directory, f->file->slot, f->file->size, f->file->header.size);
        bool follows = f->first_sequence == last->last_sequence + 1 &&
                       f->first_life >= last->last_life && last->write_count > 0;
        bool is_begun = f->write_count == 0 && last->next_file_id != 0 &&
                        last->next_file_id == f->file->header.file_id;
        if (is_begun || (f->write_count > 0 && (i == s->chain_first || follows)))
            s->chain_last = i;
    }
    const struct wal_file *end = s->found[s->chain_last].file;
    s->chain_end = (struct wal_position){end->header.file_id, end->end};
    return 0;
}

/* The file that the chain's last write names is durable before that write. */
static int check_next(const struct log_wal *wal, const struct wal_survey *s, struct err_note *note)
{
    uint32_t next = s->oldest_file_id == 0 ? 0 : s->found[s->chain_last].next_file_id;
    if (next == 0)
        return 0;
    return err_set(note, ERR_CORRUPT,
                   "%s: the file with id %" PRIu32 " is missing, which %08" PRIx32
                   ".wal names at byte %" PRIu32,
                   wal->directory, next, s->found[s->chain_last].file->slot,
                   s->chain_end.position - WAL_BLOCK_SIZE);
}

static int judge(struct log_wal *wal, struct wal_survey *s, struct wal_scan *scan,
                 struct err_note *note)
{
    int err = check_ids(wal, s, note);
    for (size_t i = 0; i < s->count && err == 0 && !s->found[i].has_header; i++)
        err = check_headless(wal, s, scan, &s->found[i], note);
    if (err == 0)
        err = find_chain(wal, s, note);
    if (err == 0)
        err = check_next(wal, s, note);
    if (err != 0 || !wal_position_is_before(s->chain_end, s->mark))
        return err;
    return err_set(note, ERR_CORRUPT,
                   "%s/%08" PRIx32 ".wal: the write at byte %" PRIu32
                   " (or the start of the next file) is damaged, though later ones say that it"
                   " was durable",
                   wal->directory, s->found[s->chain_last].file->slot, s->chain_end.position);
}

int log_wal_survey_make(struct log_wal *wal, struct wal_survey *s, struct err_note *note)
{
    struct wal_scan scan = {0};
    int err = open_all(wal, s, note);
    if (err == 0)
        err = read_headers(wal, s, &scan);
    if (err == 0)
        err = judge(wal, s, &scan, note);
    log_wal_scan_close(&scan);
    return err;
}

void log_wal_survey_close(struct log_wal *wal, struct wal_survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        log_wal_file_close(wal, s->found[i].file);
    free(s->found);
    *s = (struct wal_survey){0};
}

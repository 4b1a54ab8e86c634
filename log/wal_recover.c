/* Opening the WAL after any end of the process or the machine.
 *
 *   1. survey: which writes there are, what was durable (wal_survey.c); damage below the durable
 *      mark ends here, with the files as they were.
 *   2. replay: each write's records are checked, then taken into the index. The first write that
 *      fails above the mark is where the log is cut, whatever follows it.
 *   3. settle: what stands above the mark is written again in place and synced (a failed fdatasync
 *      in an earlier life may have left clean pages that never reached the disk), the cut rest of
 *      the file is zeroed, files beyond are removed.
 *   4. an empty write with a new life number is made durable. From then on no fragment of what was
 *      cut can be taken for a part of a new write: lives only rise along the log, and each record
 *      names the life and sequence of its write.
 *
 * A crash at any point leaves either what was there or what is above the mark and was going to be
 * cut: opening again does the same again. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/event.h"
#include "wal_private.h"

struct replay {
    struct log_wal *wal;
    struct wal_survey *survey;
    struct wal_scan scan;
    struct wal_position end; /* of the sound writes so far */
    uint32_t cut_size;       /* of the write that failed above the mark; 0: none did */
    uint64_t next_sequence;  /* after the last sound write */
    bool has_write;          /* there was a sound one */
    char damage[160];        /* where and what, when a write fails */
};

/* ---- checking one write ---- */

static int note_damage(struct replay *r, const struct wal_file *file, uint32_t position,
                       const char *what, const struct wal_record *record)
{
    int used = snprintf(r->damage, sizeof r->damage, "%08" PRIx32 ".wal: %s at byte %" PRIu32,
                        file->slot, what, position);
    if (record != NULL && used > 0 && (size_t)used < sizeof r->damage)
        snprintf(r->damage + used, sizeof r->damage - (size_t)used,
                 " (group %" PRIu32 ", index %" PRIu64 ")", record->group.group_id, record->index);
    return ERR_CORRUPT;
}

/* One record at `at` of a write's bytes. Returns its size, or an error with the damage noted. */
static int64_t check_record(struct replay *r, const struct wal_file *file,
                            const struct wal_write_header *h, uint32_t write_position,
                            struct bytes left)
{
    uint32_t position = write_position;
    struct wal_record record;
    if (left.size < WAL_RECORD_HEADER_SIZE)
        return note_damage(r, file, position, "a record is cut short", NULL);
    int err = log_wal_record_decode(left.data, &record);
    if (err == ERR_VERSION) {
        note_damage(r, file, position, "a record of another release", NULL);
        return err;
    }
    if (err != 0)
        return note_damage(r, file, position, "a record header's checksum differs", NULL);
    if (record.sequence != h->sequence || record.life != h->life)
        return note_damage(r, file, position, "a record of another write", &record);
    if (record.data_size > left.size - WAL_RECORD_HEADER_SIZE)
        return note_damage(r, file, position, "a record is cut short", &record);
    struct bytes data = bytes_of(left.data + WAL_RECORD_HEADER_SIZE, record.data_size);
    if (crc32c(0, data) != record.data_crc)
        return note_damage(r, file, position, "a record's checksum differs", &record);
    return WAL_RECORD_HEADER_SIZE + record.data_size;
}

static int check_write(struct replay *r, const struct wal_file *file,
                       const struct wal_write_header *h, uint32_t position, const uint8_t *bytes)
{
    uint32_t end = WAL_WRITE_HEADER_SIZE + h->payload_size;
    uint32_t at = WAL_WRITE_HEADER_SIZE, count = 0;
    while (at < end) {
        int64_t size = check_record(r, file, h, position + at, bytes_of(bytes + at, end - at));
        if (size < 0)
            return (int)size;
        at += (uint32_t)size;
        count++;
    }
    if (count != h->record_count)
        return note_damage(r, file, position, "a write's record count differs", NULL);
    size_t whole = (size_t)wal_write_size(h->payload_size);
    if (!log_wal_is_zero(bytes_of(bytes + end, whole - end)))
        return note_damage(r, file, position + end, "padding is not zero", NULL);
    return 0;
}

/* ---- taking it in ---- */

static int apply_write(struct replay *r, const struct wal_file *file,
                       const struct wal_write_header *h, uint32_t position, const uint8_t *bytes,
                       struct err_note *note)
{
    uint32_t at = WAL_WRITE_HEADER_SIZE;
    while (at < WAL_WRITE_HEADER_SIZE + h->payload_size) {
        struct wal_record record;
        int err = log_wal_record_decode(bytes + at, &record);
        assert(err == 0); /* it was checked a moment ago */
        struct wal_position place = {file->header.file_id, position + at};
        err = log_wal_index_apply(&r->wal->index, &record, place,
                                  bytes_of(bytes + at + WAL_RECORD_HEADER_SIZE, record.data_size));
        if (err == ERR_CORRUPT)
            note_damage(r, file, position + at, "a record contradicts those before", &record);
        if (err != 0)
            return err_set(note, err, "%s/%s", r->wal->directory, r->damage);
        at += WAL_RECORD_HEADER_SIZE + record.data_size;
    }
    return 0;
}

/* 1: sound and taken in; 0: no further write here; or an error. */
static int replay_write(struct replay *r, const struct wal_found *f, struct err_note *note)
{
    struct wal_write_header h;
    const uint8_t *bytes;
    uint32_t position = r->end.position;
    int is_there = log_wal_scan_header(&r->scan, position, &h);
    if (is_there <= 0)
        return is_there;
    size_t size = (size_t)wal_write_size(h.payload_size);
    int err = log_wal_scan_read(&r->scan, position, size, &bytes);
    if (err != 0)
        return err_set(note, err, "%s: can't be read", r->wal->directory);
    err = check_write(r, f->file, &h, position, bytes);
    bool was_durable = wal_position_is_before(r->end, r->survey->mark);
    if (err == ERR_VERSION || (err != 0 && was_durable))
        return err_set(note, err, "%s/%s", r->wal->directory, r->damage);
    if (err != 0) {
        r->cut_size = (uint32_t)size;
        return 0;
    }
    err = apply_write(r, f->file, &h, position, bytes, note);
    if (err != 0)
        return err;
    r->end.position += (uint32_t)size;
    r->next_sequence = h.sequence + 1;
    r->has_write = true;
    return 1;
}

/* Replays as many writes as the survey's walk has counted. */
static int replay_file(struct replay *r, const struct wal_found *f, struct err_note *note)
{
    r->end = (struct wal_position){f->file->header.file_id, WAL_BLOCK_SIZE};
    log_wal_scan_begin(&r->scan, r->wal->disk, f->file);
    for (uint32_t i = 0; i < f->write_count && r->cut_size == 0; i++) {
        int sound = replay_write(r, f, note);
        if (sound < 0)
            return sound;
    }
    return 0;
}

/* Only the last file of the chain can be cut: a file is durable before the next one is begun. */
static int replay_chain(struct replay *r, struct err_note *note)
{
    const struct wal_survey *s = r->survey;
    r->next_sequence = 1;
    if (s->oldest_file_id == 0)
        return 0;
    if (s->found[s->chain_first].write_count > 0)
        r->next_sequence = s->found[s->chain_first].first_sequence;
    uint64_t expected = r->next_sequence;
    for (size_t i = s->chain_first; i <= s->chain_last; i++) {
        const struct wal_found *f = &s->found[i];
        bool is_begun = i == s->chain_last && i > s->chain_first && f->write_count == 0;
        if (is_begun && r->cut_size == 0)
            r->end = (struct wal_position){f->file->header.file_id, WAL_BLOCK_SIZE};
        bool is_in_chain = i == s->chain_first ||
                           (f->write_count > 0 && f->first_sequence == expected);
        if (!is_in_chain)
            continue;
        if (r->cut_size > 0)
            return err_set(note, ERR_CORRUPT, "%s/%s", r->wal->directory, r->damage);
        int err = replay_file(r, f, note);
        if (err != 0)
            return err;
        expected = r->next_sequence;
    }
    return 0;
}

/* ---- settling ---- */

static void add_last(struct wal_file **list, struct wal_file *file)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = file;
}

static int remove_found(struct log_wal *wal, struct wal_found *f, struct err_note *note)
{
    char path[WAL_PATH_SIZE];
    log_wal_file_path(wal, f->file->slot, path);
    log_wal_file_close(wal, f->file);
    f->file = NULL;
    int err = disk_remove(wal->disk, path);
    return err == 0 ? 0 : err_set(note, err, "%s: can't be removed", path);
}

/* The chain's files are in use; sound ones without a needed write are spare; others go. */
static int sort_files(struct replay *r, struct err_note *note)
{
    struct log_wal *wal = r->wal;
    const struct wal_survey *s = r->survey;
    for (size_t i = 0; i < s->count; i++) {
        struct wal_found *f = &s->found[i];
        uint32_t file_id = f->has_header ? f->file->header.file_id : 0;
        bool is_old = file_id < s->oldest_file_id;
        bool is_needed = s->oldest_file_id > 0 && file_id >= s->oldest_file_id &&
                         file_id <= r->end.file_id &&
                         (f->write_count > 0 || file_id == r->end.file_id);
        bool is_spare = f->has_header && (is_old || !f->has_own_header) &&
                        f->file->size == wal->options.file_size_bytes;
        if (file_id >= wal->next_file_id)
            wal->next_file_id = file_id + 1;
        if (!is_needed && !is_spare) {
            int err = remove_found(wal, f, note);
            if (err != 0)
                return err;
            continue;
        }
        add_last(is_needed ? &wal->files : &wal->spare, f->file);
        if (is_needed)
            wal->current = f->file;
        f->file = NULL;
    }
    return disk_sync_directory(wal->disk, wal->directory);
}

/* Writes [from, to) of the file again as it stands. */
static int write_again(struct replay *r, const struct wal_file *file, uint32_t from, uint32_t to)
{
    const struct log_wal *wal = r->wal;
    log_wal_scan_begin(&r->scan, wal->disk, file);
    while (from < to) {
        const uint8_t *bytes;
        size_t size = to - from < WAL_CHUNK_SIZE ? to - from : WAL_CHUNK_SIZE;
        int err = log_wal_scan_read(&r->scan, from, size, &bytes);
        if (err == 0)
            err = disk_write_bytes_at(wal->disk, file->disk_file, from, bytes_of(bytes, size));
        if (err != 0)
            return err;
        from += (uint32_t)size;
    }
    return 0;
}

/* One past the last byte behind the end that is a trace of a cut write: in a fresh file any byte
 * that is not zero, in a recycled one what a header of its present use covers. */
static int find_traces(struct replay *r, uint32_t *traces_end)
{
    const struct wal_file *file = r->wal->current;
    *traces_end = r->end.position + r->cut_size;
    log_wal_scan_begin(&r->scan, r->wal->disk, file);
    for (uint32_t at = r->end.position; at < file->size; at += WAL_BLOCK_SIZE) {
        struct wal_write_header h;
        const uint8_t *bytes;
        int is_there = log_wal_scan_header(&r->scan, at, &h);
        if (is_there < 0)
            return is_there;
        uint32_t end = at;
        if (is_there > 0)
            end = at + (uint32_t)wal_write_size(h.payload_size);
        int err = log_wal_scan_read(&r->scan, at, WAL_BLOCK_SIZE, &bytes);
        if (err != 0)
            return err;
        if (end == at && file->header.uses == 1 &&
            !log_wal_is_zero(bytes_of(bytes, WAL_BLOCK_SIZE)))
            end = at + WAL_BLOCK_SIZE;
        if (end > at && end > *traces_end)
            *traces_end = end;
    }
    return 0;
}

static int write_zeros(struct log_wal *wal, uint32_t from, uint32_t to)
{
    uint8_t *zeros = calloc(1, WAL_CHUNK_SIZE);
    if (zeros == NULL)
        return UV_ENOMEM;
    int err = 0;
    while (from < to && err == 0) {
        size_t size = to - from < WAL_CHUNK_SIZE ? to - from : WAL_CHUNK_SIZE;
        err = disk_write_bytes_at(wal->disk, wal->current->disk_file, from, bytes_of(zeros, size));
        from += (uint32_t)size;
    }
    free(zeros);
    return err;
}

static uint32_t proven_in(const struct replay *r, const struct wal_file *file)
{
    bool is_mark_here = r->survey->mark.file_id == file->header.file_id;
    return is_mark_here ? r->survey->mark.position : WAL_BLOCK_SIZE;
}

/* The file before one that was begun and has no write yet: nothing says that its end is durable. */
static int settle_previous(struct replay *r)
{
    const struct log_wal *wal = r->wal;
    const struct wal_file *previous = wal->files;
    while (previous != wal->current && previous->next != wal->current)
        previous = previous->next;
    if (previous == wal->current || r->end.position != WAL_BLOCK_SIZE ||
        r->survey->mark.file_id > previous->header.file_id)
        return 0;
    int err = write_again(r, previous, proven_in(r, previous), previous->end);
    return err == 0 ? disk_sync(wal->disk, previous->disk_file) : err;
}

/* The current file holds exactly its sound writes, durably. */
static int settle_tail(struct replay *r)
{
    struct log_wal *wal = r->wal;
    uint32_t traces_end;
    int err = find_traces(r, &traces_end);
    if (err != 0)
        return err;
    err = write_again(r, wal->current, proven_in(r, wal->current), r->end.position);
    if (err == 0)
        err = write_zeros(wal, r->end.position, traces_end);
    if (err == 0)
        err = disk_sync(wal->disk, wal->current->disk_file);
    wal->current->end = r->end.position;
    if (traces_end == r->end.position)
        return err;
    wal->counters.torn_tails_cut++;
    wal->counters.torn_bytes += traces_end - r->end.position;
    event_warn("wal_tail_cut", "file_id=%" PRIu32 " position=%" PRIu32 " bytes=%" PRIu32,
               r->end.file_id, r->end.position, traces_end - r->end.position);
    return err;
}

/* ---- ready to append ---- */

/* A write of our own, before the writer has any. */
static int end_write(struct log_wal *wal)
{
    struct wal_file *file = wal->current;
    int err = log_wal_write_issue(wal, &wal->write, file);
    if (err == 0)
        err = disk_sync(wal->disk, file->disk_file);
    if (err != 0)
        return err;
    file->end += (uint32_t)wal_write_size(wal->write.header.payload_size);
    wal->sequence++;
    wal->mark = (struct wal_position){file->header.file_id, file->end};
    wal->oldest_file_id_durable = wal->oldest_file_id;
    return 0;
}

/* The current file's last write names the next one, which is durable. */
static int end_file(struct log_wal *wal, uint32_t next_file_id)
{
    if (wal->current == NULL)
        return 0;
    log_wal_write_begin_next(wal);
    wal->write.header.next_file_id = next_file_id;
    return end_write(wal);
}

/* A fresh WAL, or its last file has no room left. */
static int begin_file(struct log_wal *wal)
{
    struct wal_file *file = wal->spare;
    int err = 0;
    if (file == NULL)
        err = log_wal_file_create(wal, wal->next_slot++, &file);
    else
        wal->spare = file->next; /* a full disk may have room for no other */
    if (err != 0)
        return err;
    file->next = NULL;
    err = log_wal_file_start(wal, file, log_wal_file_next_id(wal));
    if (err == 0)
        err = end_file(wal, file->header.file_id);
    if (err != 0) {
        log_wal_file_close(wal, file);
        return err;
    }
    add_last(&wal->files, file);
    wal->current = file;
    return 0;
}

static bool has_room(const struct wal_file *file)
{
    return file != NULL && file->size - file->end >= 2 * WAL_BLOCK_SIZE; /* for the last one, too */
}

static int make_ready(struct replay *r, struct err_note *note)
{
    struct log_wal *wal = r->wal;
    int err = sort_files(r, note);
    if (err == 0 && wal->current != NULL)
        err = settle_previous(r);
    if (err == 0 && wal->current != NULL)
        err = settle_tail(r);
    wal->sequence = r->next_sequence;
    wal->life = r->survey->life + 1;
    wal->mark = r->end;
    if (wal->files != NULL)
        wal->oldest_file_id = wal->files->header.file_id;
    if (err == 0 && !has_room(wal->current))
        err = begin_file(wal);
    if (err != 0)
        return err;
    wal->oldest_file_id = wal->files->header.file_id;
    log_wal_index_settle(&wal->index);
    log_wal_write_begin_next(wal);
    return end_write(wal); /* the empty write that begins this life */
}

int log_wal_forget_group(struct log_wal *wal, uint32_t group_id)
{
    struct wal_group *g = log_wal_index_find(&wal->index, group_id);
    if (g == NULL || !g->is_known)
        return 0;
    assert(wal->first == NULL && !wal->is_writer_busy); /* nothing was appended yet */
    int err = has_room(wal->current) ? 0 : begin_file(wal);
    if (err != 0)
        return err;
    struct wal_record record = {.kind = WAL_DROPPED, .group = g->id};
    struct wal_position place = {wal->current->header.file_id,
                                 wal->current->end + WAL_WRITE_HEADER_SIZE};
    log_wal_write_begin_next(wal);
    log_wal_write_add(&wal->write, &record, (struct bytes){0}, (struct bytes){0});
    err = end_write(wal);
    if (err == 0)
        err = log_wal_index_apply(&wal->index, &record, place, (struct bytes){0});
    log_wal_index_settle(&wal->index);
    return err;
}

/* The folder itself must survive too. */
static int make_directory(struct log_wal *wal)
{
    char parent[WAL_PATH_SIZE / 2];
    snprintf(parent, sizeof parent, "%s", wal->directory);
    char *slash = strrchr(parent, '/');
    *(slash == NULL ? parent : slash) = '\0';
    int err = disk_make_directory(wal->disk, wal->directory);
    return err == 0 ? disk_sync_directory(wal->disk, parent) : err;
}

/* ---- damage found by a read ---- */

#define NOTE_NAME "damaged"

static void note_path(const struct log_wal *wal, char path[WAL_PATH_SIZE])
{
    snprintf(path, WAL_PATH_SIZE, "%s/" NOTE_NAME, wal->directory);
}

void log_wal_note_damage(struct log_wal *wal, const char *text)
{
    char path[WAL_PATH_SIZE];
    struct disk_file *file;
    note_path(wal, path);
    int err = disk_open(wal->disk, path, DISK_WRITE | DISK_CREATE, &file);
    if (err == 0) {
        err = disk_write_bytes_at(wal->disk, file, 0, bytes_of_text(text));
        if (err == 0)
            err = disk_sync(wal->disk, file);
        disk_close(wal->disk, file);
    }
    if (err == 0)
        err = disk_sync_directory(wal->disk, wal->directory);
    if (err != 0) /* the process ends all the same; the next opening may see for itself */
        event_error("wal_damage_not_noted", "error=%s", err_name(err));
}

static int check_note(const struct log_wal *wal, struct err_note *note)
{
    char path[WAL_PATH_SIZE], text[200];
    struct disk_file *file;
    note_path(wal, path);
    int err = disk_open(wal->disk, path, DISK_READ, &file);
    if (err != 0)
        return err == UV_ENOENT ? 0 : err;
    int64_t size = disk_read_at(wal->disk, file, 0, text, sizeof text - 1);
    disk_close(wal->disk, file);
    text[size < 0 ? 0 : size] = '\0';
    return err_set(note, ERR_CORRUPT, "%s", size > 0 ? text : "a read found damage");
}

int log_wal_recover(struct log_wal *wal, struct err_note *note)
{
    struct wal_survey survey = {0};
    struct replay r = {.wal = wal, .survey = &survey};
    if (note != NULL)
        note->text[0] = '\0';
    wal->next_file_id = 1;
    int err = make_directory(wal);
    if (err == 0)
        err = check_note(wal, note);
    if (err == 0)
        err = log_wal_survey_make(wal, &survey, note);
    if (err == 0)
        err = replay_chain(&r, note);
    if (err == 0 && wal->options.is_expected && !r.has_write)
        err = err_set(note, ERR_CORRUPT, "%s: its files are gone, or hold no sound write",
                      wal->directory);
    if (err == 0)
        err = make_ready(&r, note);
    log_wal_scan_close(&r.scan);
    log_wal_survey_close(wal, &survey);
    if (err != 0 && note != NULL && note->text[0] == '\0')
        err_set(note, err, "%s: %s", wal->directory, err_text(err));
    return err;
}

/* Whether a segment's files hold what the manifest says.
 *
 * Each file is read once, from front to back, and its CRC-32C compared with the one that was kept
 * when it was written. Only when it differs is the place looked for, by the batches' own checksums.
 * A file may hold more than the manifest's bytes (it grows, or a crash came before the checkpoint):
 * what is behind is nobody's yet and is not looked at. */
#include "segment_check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "batch.h"
#include "log/repair.h"

bool log_is_damage(int err)
{
    switch (err) {
    case ERR_CORRUPT:
    case UV_EIO:
    case UV_ENOENT:
    case UV_EISDIR:
    case -EUCLEAN: /* "structure needs cleaning": the file system's own checksum */
    case -EBADMSG:
        return true;
    default:
        return false;
    }
}

void log_segment_check_init(struct log_segment_check *c, const struct log_segment_view *view)
{
    *c = (struct log_segment_check){.view = *view};
}

static int open_kind(const struct log_segment_check *c, enum log_file_kind kind,
                     struct disk_file **file)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &c->view.id, c->view.meta.base_offset, c->view.meta.version, kind);
    return disk_open(c->view.disk, path, DISK_READ, file);
}

static int64_t next_offset_of(struct bytes batches)
{
    size_t at = 0;
    while (at + (size_t)batch_size(batches.data + at) < batches.size)
        at += (size_t)batch_size(batches.data + at);
    return batch_next_offset(batches.data + at);
}

/* The first batch that is not sound: the whole file's checksum differs. */
static uint32_t find_damage(const struct log_segment_check *c)
{
    struct log_segment_reader reader;
    uint32_t position = 0;
    int64_t offset = c->view.meta.base_offset;
    if (log_segment_reader_open(&reader, &c->view) != 0)
        return LOG_POSITION_UNKNOWN;
    int err = 0;
    while (err == 0 && position < c->view.meta.size_bytes) {
        struct slice batches;
        err = log_segment_read_on(&reader, position, offset, 1 << 20, &batches);
        if (err == 0) {
            position += (uint32_t)batches.bytes.size;
            offset = next_offset_of(batches.bytes);
        }
        slice_unref(&batches);
    }
    log_segment_reader_close(&reader);
    return err == 0 ? LOG_POSITION_UNKNOWN : position;
}

static void note_flaw(struct log_segment_check *c, int err, uint32_t position)
{
    c->flaws[c->kind] = (struct log_file_flaw){.err = err, .position = position};
}

/* The file has been read, or can't be. */
static void end_file(struct log_segment_check *c, int err)
{
    enum log_file_kind kind = (enum log_file_kind)c->kind;
    if (err != 0)
        note_flaw(c, err, c->position);
    else if (c->crc != log_segment_file_crc(&c->view.meta, kind))
        note_flaw(c, ERR_CORRUPT, kind == LOG_FILE_DATA ? find_damage(c) : LOG_POSITION_UNKNOWN);
    c->kind++;
    c->position = c->crc = 0;
}

/* Reads on in the present file. 1 at its end, 0 when there is more, or an error. */
static int read_some(struct log_segment_check *c, uint8_t *into, size_t size_max)
{
    struct disk_file *file;
    uint32_t left = log_segment_file_size(&c->view.meta, (enum log_file_kind)c->kind) - c->position;
    size_t size = left < size_max ? left : size_max;
    int err = open_kind(c, (enum log_file_kind)c->kind, &file);
    if (err != 0)
        return err;
    int64_t got = size == 0 ? 0 : disk_read_at_once(c->view.disk, file, c->position, into, size);
    disk_close(c->view.disk, file);
    if (got < 0)
        return (int)got;
    c->crc = crc32c(c->crc, bytes_of(into, (size_t)got));
    c->position += (uint32_t)got;
    c->bytes_read += (uint64_t)got;
    if ((size_t)got < size)
        return ERR_CORRUPT; /* it ends here */
    return left == size;
}

int log_segment_check_go_on(struct log_segment_check *c, size_t size_max)
{
    uint8_t *into = malloc(size_max);
    uint64_t until = c->bytes_read + size_max;
    int status = into == NULL ? UV_ENOMEM : 0;
    while (status >= 0 && c->kind < LOG_FILE_KIND_COUNT && c->bytes_read < until) {
        status = read_some(c, into, (size_t)(until - c->bytes_read));
        if (status == 1 || log_is_damage(status)) {
            end_file(c, status == 1 ? 0 : status);
            status = 0;
        }
    }
    free(into);
    return status < 0 ? status : c->kind == LOG_FILE_KIND_COUNT;
}

unsigned log_segment_check_damaged(const struct log_segment_check *c)
{
    unsigned damaged = 0;
    for (unsigned kind = 0; kind < LOG_FILE_KIND_COUNT; kind++)
        if (c->flaws[kind].err != 0)
            damaged |= 1u << kind;
    return damaged;
}

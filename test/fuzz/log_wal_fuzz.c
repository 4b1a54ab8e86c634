/* Any bytes as the WAL's files: opening refuses them or comes to a state, which then holds: what is
 * readable is read, appending goes on, and the next opening shows the same.
 *
 * The input is a compact form, or checksums and block alignment would stop every mutation:
 *   repeated: control byte, 64 bytes of header, payload
 * Bit 3 of the control byte says that the header is a file's (the next file begins), else it is a
 * write's and its payload size says how many bytes follow. Bits 0, 1 and 2 have the checksum of the
 * header, of the record headers and of the records' data put right. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/event.h"
#include "fake/fake_clock.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "log/wal.h"

#define FILE_SIZE   (64u << 10)
#define FILES_MAX   4
#define BLOCK       4096u
#define HEADER_SIZE 64u
#define GROUPS_MAX  64

enum control { SEAL_HEADER = 1, SEAL_RECORDS = 2, SEAL_DATA = 4, IS_FILE = 8 };

static uint8_t files[FILES_MAX][FILE_SIZE];

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argument_count, char ***arguments)
{
    (void)argument_count;
    (void)arguments;
    event_init("fuzz", 0, EVENT_ERROR); /* a line for each cut tail would drown the rest */
    return 0;
}

static void seal(uint8_t *from, size_t size)
{
    bytes_put_le32(from, crc32c(0, bytes_of(from + 4, size - 4)));
}

static void seal_records(uint8_t *at, size_t left, uint8_t control)
{
    while (left >= HEADER_SIZE) {
        size_t data_size = bytes_get_le32(at + 4);
        if (data_size > left - HEADER_SIZE)
            return;
        if (control & SEAL_DATA)
            bytes_put_le32(at + 8, crc32c(0, bytes_of(at + HEADER_SIZE, data_size)));
        if (control & SEAL_RECORDS)
            seal(at, HEADER_SIZE);
        at += HEADER_SIZE + data_size;
        left -= HEADER_SIZE + data_size;
    }
}

/* One write; returns its size on disk, 0 when it does not fit. */
static size_t put_write(uint8_t *at, size_t room, struct bytes header, struct bytes_reader *r,
                        uint8_t control)
{
    size_t payload_size = bytes_get_le32(header.data + 28);
    size_t left = bytes_reader_left(r);
    payload_size = payload_size < left ? payload_size : left;
    size_t whole = (HEADER_SIZE + payload_size + BLOCK - 1) / BLOCK * BLOCK;
    if (whole > room)
        return 0;
    struct bytes payload = bytes_read(r, payload_size);
    memcpy(at, header.data, HEADER_SIZE);
    if (payload_size > 0)
        memcpy(at + HEADER_SIZE, payload.data, payload_size);
    seal_records(at + HEADER_SIZE, payload_size, control);
    if (control & SEAL_HEADER)
        seal(at, HEADER_SIZE);
    return whole;
}

/* Returns how many files there are. */
static unsigned expand(struct bytes input)
{
    struct bytes_reader r = bytes_reader_of(input);
    unsigned count = 0;
    size_t at = FILE_SIZE;
    memset(files, 0, sizeof files);
    while (bytes_reader_left(&r) > HEADER_SIZE) {
        uint8_t control = bytes_read_u8(&r);
        struct bytes header = bytes_read(&r, HEADER_SIZE);
        if (control & IS_FILE) {
            if (count == FILES_MAX)
                break;
            memcpy(files[count], header.data, HEADER_SIZE);
            if (control & SEAL_HEADER)
                seal(files[count], BLOCK);
            at = BLOCK;
            count++;
        } else if (count > 0) {
            at += put_write(files[count - 1] + at, FILE_SIZE - at, header, &r, control);
        }
    }
    return count;
}

static void put_files(const struct disk *disk, unsigned count)
{
    static const char *const paths[FILES_MAX] = {"wal/00000000.wal", "wal/00000001.wal",
                                                 "wal/00000002.wal", "wal/00000003.wal"};
    disk_make_directory(disk, "wal");
    for (unsigned i = 0; i < count; i++) {
        struct disk_file *file;
        if (disk_open(disk, paths[i], DISK_WRITE | DISK_CREATE, &file) != 0 ||
            disk_write_bytes_at(disk, file, 0, bytes_of(files[i], FILE_SIZE)) != 0)
            abort();
        disk_close(disk, file);
    }
}

struct seen {
    struct log_wal *wal;
    unsigned count;
    struct log_wal_state states[GROUPS_MAX];
};

static void see_group(void *data, uint32_t group_id)
{
    struct seen *s = data;
    if (s->count < GROUPS_MAX && log_wal_state(s->wal, group_id, &s->states[s->count++]) != 0)
        abort();
}

static void on_read(struct log_wal_read *read, int status)
{
    if (status != 0 && read->entry_count != 0)
        abort();
    for (unsigned i = 0; i < read->entry_count; i++) {
        struct log_entry *e = &read->entries[i];
        if (crc32c(crc32c(0, e->head.bytes), e->body.bytes) != e->crc)
            abort(); /* never served when its checksum fails */
        slice_unref(&e->head);
        slice_unref(&e->body);
    }
    *(int *)read->data = status;
}

static void on_appended(struct log_wal_append *append, int status)
{
    *(int *)append->data = status;
}

struct machine {
    struct fake_disk *disk;
    struct fake_work work;
    struct fake_clock clock;
    struct log_wal_options options;
};

static void read_all(struct machine *m, const struct seen *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        int status = -1;
        struct log_wal_read *read = calloc(1, sizeof *read);
        read->data = &status;
        read->group_id = s->states[i].group.group_id;
        read->index = s->states[i].first_index;
        read->size_bytes_max = 1 << 20;
        read->home = &m->work.seam;
        log_wal_read(s->wal, read, on_read);
        fake_work_run_all(&m->work, NULL);
        if (status != 0 && s->states[i].last_index >= s->states[i].first_index)
            abort(); /* what opening has checked can be read */
        free(read);
    }
}

static void vote(struct machine *m, const struct seen *s)
{
    int status = -1;
    struct log_wal_append append = {.data = &status, .has_vote = true, .home = &m->work.seam};
    append.group = s->states[0].group;
    append.term = s->states[0].term;
    append.voted_for = s->states[0].voted_for;
    if (append.group.group_id == UINT32_MAX)
        return;
    if (log_wal_append(s->wal, &append, on_appended) != 0)
        abort();
    fake_work_run_all(&m->work, NULL);
    if (status != 0)
        abort();
}

static int open_and_see(struct machine *m, struct seen *s)
{
    *s = (struct seen){0};
    int err = log_wal_open(fake_disk_seam(m->disk), &m->options, &m->work.seam, &m->work.seam,
                           &s->wal, NULL);
    if (err == 0)
        log_wal_each_group(s->wal, see_group, s);
    return err;
}

static void open_twice(struct machine *m)
{
    static struct seen first, second;
    if (open_and_see(m, &first) != 0)
        return;
    read_all(m, &first);
    if (first.count > 0)
        vote(m, &first);
    log_wal_close(first.wal);
    fake_work_drop(&m->work);
    if (open_and_see(m, &second) != 0 || first.count != second.count ||
        memcmp(first.states, second.states, sizeof first.states) != 0)
        abort();
    log_wal_close(second.wal);
    fake_work_drop(&m->work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine m = {.disk = fake_disk_create(1)};
    fake_work_init(&m.work);
    fake_clock_init(&m.clock);
    m.options = (struct log_wal_options){
        .directory = "wal",
        .file_size_bytes = FILE_SIZE,
        .queue_bytes_max = 1 << 20,
        .kept_bytes_max = 1 << 20,
        .cluster_id = {11, 22},
        .clock = &m.clock.seam,
    };
    put_files(fake_disk_seam(m.disk), expand(bytes_of(data, size)));
    open_twice(&m);
    fake_disk_destroy(m.disk);
    return 0;
}

/* Any bytes as a segment's data and indexes: reads and lookups by time give checked batches or an
 * error. The first 2 bytes say how many of the rest are .index, the next 2 how many .timeindex. */
#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/event.h"
#include "log/partition.h"

#include "fake/fake_disk.h"
#include "fake/fake_work.h"

#define FOLDER "topics/00000000000000000000000000000000-0"

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argument_count, char ***arguments)
{
    (void)argument_count;
    (void)arguments;
    event_init("fuzz", 0, EVENT_ERROR); /* a line for each rebuilt index would drown the rest */
    return 0;
}

static void put_file(const struct disk *disk, const char *path, struct bytes bytes)
{
    struct disk_file *file;
    if (disk_open(disk, path, DISK_WRITE | DISK_CREATE, &file) != 0 ||
        disk_write_bytes_at(disk, file, 0, bytes) != 0)
        abort();
    disk_close(disk, file);
}

/* The manifest's record of a partition with this one segment of 1000 offsets. */
static size_t put_record(uint8_t *into, size_t size, struct bytes index, struct bytes time_index)
{
    uint8_t *at = memset(into, 0, 512);
    at = bytes_put_le32(at, 2) + 16 + 4;                           /* version, id */
    at = bytes_put_le64(bytes_put_le64(at, 1 << 20), 1 << 20);     /* segment bytes, ms */
    at = bytes_put_le64(bytes_put_le64(at, 100), 10);              /* interval, producers */
    at = bytes_put_le64(bytes_put_le64(at, 0), 1000);              /* start, next */
    at = bytes_put_le32(bytes_put_le32(at, 1), 1);                 /* epochs, segments */
    at = bytes_put_le32(at, 8) + 44;                               /* producer state, no more */
    at = bytes_put_le64(bytes_put_le32(at, 0), 0);                 /* epoch 0 from 0 */
    at = bytes_put_le64(bytes_put_le64(at, 0), 1000);              /* base, next */
    at = bytes_put_le64(bytes_put_le64(at, 0), (uint64_t)1 << 40); /* wall, max timestamp */
    at = bytes_put_le64(bytes_put_le64(at, 999), UINT64_MAX);      /* its offset, indexed */
    at = bytes_put_le32(bytes_put_le32(at, (uint32_t)size), 0);
    at = bytes_put_le32(bytes_put_le32(at, (uint32_t)index.size), 0);
    at = bytes_put_le32(at, (uint32_t)time_index.size);
    at = bytes_put_le32(at, crc32c(0, time_index));
    at = bytes_put_le32(bytes_put_le32(at, 0), 100);
    at += 8;                                       /* flags: open */
    at = bytes_put_le32(bytes_put_le32(at, 1), 0); /* no producers */
    return (size_t)(at - into);
}

static void on_read(struct log_read *req, int status)
{
    (void)status;
    for (unsigned i = 0; i < req->slice_count; i++) {
        struct bytes batch = req->slices[i].bytes;
        assert(batch.size >= 61 && bytes_get_be32(batch.data + 8) + 12 <= batch.size);
        slice_unref(&req->slices[i]);
    }
}

static void on_time(struct log_time_lookup *req, int status)
{
    assert(status != 0 || req->offset >= -1);
}

static void read_all(struct log_partition *p, struct fake_work *work)
{
    static struct log_read read;
    for (int64_t offset = 0; offset < 1000; offset += 199) {
        read = (struct log_read){.offset = offset,
                                 .offset_max = INT64_MAX,
                                 .size_bytes_max = 4096,
                                 .readers = &work->seam,
                                 .home = &work->seam};
        if (log_partition_read(p, &read, on_read) < 0)
            abort();
        struct log_time_lookup lookup = {
            .timestamp_ms = offset * 7, .readers = &work->seam, .home = &work->seam};
        if (log_partition_find_time(p, &lookup, on_time) < 0)
            abort();
        fake_work_run_all(work, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    size_t index_size = bytes_get_le16(data) % 256 * 8;
    size_t time_index_size = bytes_get_le16(data + 2) % 256 * 12;
    if (index_size + time_index_size + 5 > size)
        return 0;
    struct bytes index = bytes_of(data + 4, index_size);
    struct bytes time_index = bytes_of(data + 4 + index_size, time_index_size);
    struct bytes batches = bytes_of(data + 4 + index_size + time_index_size,
                                    size - 4 - index_size - time_index_size);
    uint8_t record[512];
    struct fake_disk *disk = fake_disk_create(1);
    const struct disk *seam = fake_disk_seam(disk);
    struct fake_work work;
    struct log_partition *p;
    fake_work_init(&work);
    if (disk_make_directory(seam, FOLDER) != 0)
        abort();
    put_file(seam, FOLDER "/00000000000000000000.log", batches);
    put_file(seam, FOLDER "/00000000000000000000.index", index);
    put_file(seam, FOLDER "/00000000000000000000.timeindex", time_index);
    size_t record_size = put_record(record, batches.size, index, time_index);
    int err = log_partition_decode(seam, bytes_of(record, record_size), &p, NULL);
    assert(err == 0); /* the record is sound, whatever the files hold */
    read_all(p, &work);
    log_partition_destroy(p);
    fake_disk_destroy(disk);
    return 0;
}

/* Any bytes as a manifest, and what is in it as partition records: refused or understood, never
 * believed further than checked. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/event.h"
#include "log/partition.h"
#include "log/store.h"

#include "fake/fake_disk.h"
#include "fake/fake_work.h"

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argument_count, char ***arguments)
{
    (void)argument_count;
    (void)arguments;
    event_init("fuzz", 0, EVENT_ERROR); /* a line for each rebuilt index would drown the rest */
    return 0;
}

static void put_manifest(const struct disk *disk, struct bytes bytes)
{
    struct disk_file *file;
    if (disk_make_directory(disk, "groups/5") != 0 ||
        disk_open(disk, "groups/5/manifest", DISK_WRITE | DISK_CREATE, &file) != 0)
        abort();
    if (disk_write_bytes_at(disk, file, 0, bytes) != 0)
        abort();
    disk_close(disk, file);
}

/* The checksums of records are made right, so that what lies behind them is reached too. */
static void mend_checksums(uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (size - at >= 16) {
        uint32_t payload_size = bytes_get_le32(bytes + at + 4);
        if (payload_size > size - at - 16)
            return;
        bytes_put_le32(bytes + at, crc32c(0, bytes_of(bytes + at + 4, 12 + payload_size)));
        size_t whole = (16 + (size_t)payload_size + 7) & ~(size_t)7;
        if (whole > size - at)
            return;
        at += whole;
    }
}

static void open_once(struct bytes bytes)
{
    struct fake_disk *disk = fake_disk_create(1);
    struct fake_work work;
    struct log_store *store;
    fake_work_init(&work);
    put_manifest(fake_disk_seam(disk), bytes);
    if (log_store_open(fake_disk_seam(disk), 5, &work.seam, &work.seam, &store, NULL) == 0) {
        struct log_install *install;
        if (log_store_install_begin(store, bytes, &install) == 0)
            log_install_abort(install);
        log_store_close(store);
    }
    fake_disk_destroy(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_partition *p;
    struct fake_disk *disk = fake_disk_create(1);
    if (log_partition_decode(fake_disk_seam(disk), bytes_of(data, size), &p, NULL) == 0)
        log_partition_destroy(p);
    fake_disk_destroy(disk);
    open_once(bytes_of(data, size));
    uint8_t *mended = malloc(size + 1);
    if (mended == NULL)
        return 0;
    memcpy(mended, data, size);
    mend_checksums(mended, size);
    open_once(bytes_of(mended, size));
    free(mended);
    return 0;
}

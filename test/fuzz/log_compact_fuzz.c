/* Compaction of a batch whose records are any bytes, in any compression, beside a sound one of the
 * same producer's: whatever they are, the step is planned, applied and carried out, comes out as it
 * was planned, and every batch of the log can still be read. The step's own bytes are input as
 * well: the last byte says where one of them is changed. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "log/compact.h"

#define BATCH_BYTES_MAX 65536

static struct fake_work queue;

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

/* Attributes, record count and records are the input's, the rest is sound. */
static void append(struct log_partition *p, struct bytes input)
{
    uint8_t codec = input.size > 0 ? input.data[0] & 0x0f : 0;
    uint8_t count = input.size > 1 ? input.data[1] & 0x1f : 0;
    size_t skipped = input.size < 2 ? input.size : 2, size = 61 + input.size - skipped;
    struct buffer *buffer = buffer_create(size);
    must(buffer != NULL);
    uint8_t *at = buffer->data;
    memset(at, 0, 61);
    bytes_put_be32(at + 8, (uint32_t)(size - 12));
    at[16] = 2;
    bytes_put_be16(at + 21, codec);
    bytes_put_be32(at + 23, 31);
    bytes_put_be32(at + 57, count);
    if (size > 61)
        memcpy(at + 61, input.data + skipped, size - 61);
    bytes_put_be32(at + 17, crc32c(0, bytes_of(at + 21, size - 21)));
    struct log_batch batch = {.base_offset = log_partition_next_offset(p),
                              .record_count = 32,
                              .leader_epoch = 1,
                              .max_timestamp = 0,
                              .wall_ms = log_partition_next_offset(p),
                              .data = {.owner = buffer, .bytes = bytes_of(at, size)}};
    must(log_partition_append(p, &batch) == 0);
    buffer_unref(buffer);
}

static void flush(struct log_partition *p)
{
    struct log_flush *f;
    must(log_partition_flush_prepare(p, &f) == 0);
    if (f == NULL)
        return;
    int status = log_flush_run(f);
    log_partition_flush_finish(p, f, status);
    must(status == 0);
}

static void on_planned(struct log_compact_plan *plan, int status)
{
    *(int *)plan->data = status;
}

static void on_read(struct log_read *req, int status)
{
    *(int *)req->data = status;
}

static void read_all(struct log_partition *p)
{
    static struct log_read req;
    int64_t offset = 0;
    log_partition_trim_tail(p, 0);
    while (offset < log_partition_next_offset(p)) {
        int status = 1;
        req = (struct log_read){.data = &status,
                                .offset = offset,
                                .offset_max = INT64_MAX,
                                .size_bytes_max = 1,
                                .readers = &queue.seam,
                                .home = &queue.seam};
        int got = log_partition_read(p, &req, on_read);
        fake_work_run_all(&queue, NULL);
        must(got == 1 || status == 0);
        uint8_t head[61];
        size_t size = 0;
        for (unsigned i = 0; i < req.slice_count; i++) {
            for (size_t k = 0; k < req.slices[i].bytes.size && size < sizeof head; k++)
                head[size++] = req.slices[i].bytes.data[k];
            slice_unref(&req.slices[i]);
        }
        must(size == sizeof head && (int64_t)bytes_get_be64(head) == offset);
        offset += bytes_get_be32(head + 23) + 1;
    }
}

static void change_step(struct log_partition *p, struct bytes step, uint8_t place)
{
    uint8_t *copy = malloc(step.size);
    must(copy != NULL);
    memcpy(copy, step.data, step.size);
    copy[place % step.size] ^= (uint8_t)(1 + place);
    int64_t next_offset = log_partition_next_offset(p);
    log_partition_compact(p, bytes_of(copy, step.size)); /* any verdict but a crash */
    must(log_partition_next_offset(p) == next_offset);
    free(copy);
}

static void compact(struct log_partition *p, const uint8_t *changed)
{
    int status = 1;
    struct log_compact_plan plan = {.data = &status,
                                    .now_ms = 1000,
                                    .segment_bytes = 1 << 20,
                                    .step_bytes_max = 1 << 20,
                                    .map_bytes_max = 4096,
                                    .worker = &queue.seam,
                                    .home = &queue.seam};
    if (log_partition_compact_plan(p, &plan, on_planned) != 0)
        return;
    fake_work_run_all(&queue, NULL);
    if (status == 0 && changed != NULL)
        change_step(p, plan.step.bytes, *changed);
    else if (status == 0)
        must(log_partition_compact(p, plan.step.bytes) == 0);
    slice_unref(&plan.step);
    if (changed == NULL)
        flush(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t sound[] = {0, 1, 16, 0, 0, 0, 2, 'k', 2, 'v', 0};
    struct log_partition *p;
    struct log_partition_id id = {.partition = 1};
    struct log_partition_settings settings = {.segment_bytes = 1 << 20,
                                              .segment_ms = 40,
                                              .index_interval_bytes = 64,
                                              .producer_count_max = 1};
    if (size > BATCH_BYTES_MAX)
        return 0;
    struct fake_disk *disk = fake_disk_create(1);
    fake_work_init(&queue);
    must(log_partition_create(fake_disk_seam(disk), &id, &settings, 0, &p) == 0);
    append(p, bytes_of(data, size));
    append(p, bytes_of(sound, sizeof sound));
    append(p, bytes_of(data, size));
    append(p, bytes_of(sound, sizeof sound));
    flush(p);
    compact(p, NULL);
    read_all(p);
    append(p, bytes_of(data, size));
    append(p, bytes_of(sound, sizeof sound));
    flush(p);
    compact(p, size > 0 ? &data[size - 1] : NULL);
    log_partition_destroy(p);
    fake_disk_destroy(disk);
    return 0;
}

/* A piece of a log that was put aside: whole batches are read, taken out of their compression, and
 * their records put into a new batch. Reading checks each batch (log_segment_read); one whose
 * checksum holds and which still can't be taken apart (it unpacks to more than 32 MiB, or its
 * producer made it so) is left out, and counted, for nothing behind it needs it. */
#include <stdlib.h>
#include <string.h>

#include "admin/salvage_batch.h"
#include "admin/salvage_store.h"
#include "log/salvage.h"
#include "start/work_pump.h"

#define READ_BYTES_MAX (1u << 20)

struct reading {
    struct work_pump pump;
    struct log_read read;
    int status;
    uint8_t *bytes; /* what was read, in one piece; owned */
    size_t size;
    struct salvage_batch batch;
};

static void on_read(struct log_read *req, int status)
{
    *(int *)req->data = status;
}

static int gather(struct reading *r)
{
    r->bytes = malloc(r->read.size_bytes + 1);
    for (unsigned i = 0; i < r->read.slice_count; i++) {
        struct bytes piece = r->read.slices[i].bytes;
        if (r->bytes != NULL)
            memcpy(r->bytes + r->size, piece.data, piece.size);
        r->size += piece.size;
        slice_unref(&r->read.slices[i]);
    }
    return r->bytes == NULL ? UV_ENOMEM : 0;
}

static int read_batches(struct reading *r, struct log_partition *log, int64_t from)
{
    r->status = ERR_BUSY;
    work_pump_init(&r->pump);
    r->read = (struct log_read){.data = &r->status,
                                .offset = from,
                                .offset_max = INT64_MAX,
                                .size_bytes_max = READ_BYTES_MAX,
                                .readers = &r->pump.seam,
                                .home = &r->pump.seam};
    int got = log_partition_read(log, &r->read, on_read);
    if (got == 0) {
        work_pump_run(&r->pump);
        got = r->status;
    }
    return got < 0 ? got : gather(r);
}

/* 1: the new batch is full. */
static int add_batch(struct salvage_batch *b, const struct kafka_record_batch *old)
{
    struct kafka_record_batch plain;
    struct slice unpacked;
    if (kafka_record_batch_next_offset(old) <= b->next_offset)
        return 0;
    int err = log_batch_unpack(old->bytes, &unpacked);
    if (err == 0) {
        int size = kafka_record_batch_decode(unpacked.bytes, &plain);
        err = size < 0 ? size : salvage_batch_add(b, &plain);
        slice_unref(&unpacked);
    }
    if (err >= 0 || err == UV_ENOMEM)
        return err;
    salvage_batch_pass(b, old);
    return 0;
}

static int add_all(struct reading *r)
{
    struct kafka_record_batch old;
    struct bytes left = bytes_of(r->bytes, r->size);
    int err = 0;
    while (left.size > 0 && err == 0) {
        int size = kafka_record_batch_decode(left, &old);
        if (size < 0)
            return size;
        err = add_batch(&r->batch, &old);
        left = bytes_of(left.data + size, left.size - (size_t)size);
    }
    return err < 0 ? err : 0;
}

static int fill(struct reading *r, struct log_partition *log, int64_t from,
                struct salvage_piece *piece)
{
    int err = add_all(r);
    if (err == 0 && r->batch.record_count > 0)
        err = kafka_record_batch_builder_finish(&r->batch.builder, &piece->batch);
    piece->record_count = r->batch.record_count;
    piece->left_out_count = r->batch.left_out_count;
    piece->next_offset = r->batch.next_offset;
    if (err == 0 && piece->next_offset == from)
        piece->next_offset = log_partition_next_offset(log); /* a gap, up to the end */
    return err;
}

int salvage_read(struct log_partition *log, int64_t from, struct salvage_piece *piece)
{
    struct reading *r = calloc(1, sizeof *r);
    *piece = (struct salvage_piece){.next_offset = from};
    if (r == NULL)
        return UV_ENOMEM;
    salvage_batch_init(&r->batch, from);
    int err = read_batches(r, log, from);
    if (err == 0)
        err = fill(r, log, from, piece);
    salvage_batch_close(&r->batch);
    free(r->bytes);
    free(r);
    return err;
}

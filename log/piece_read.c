/* The peer that helps: whole, checked batches of a segment, by position.
 *
 * Replicas are byte-identical, so a position here is the same place there. What can't be said of
 * this replica's own bytes is not said: a batch that fails its checksum ends the piece before it,
 * and the segment is looked into. */
#include <assert.h>
#include <stdlib.h>

#include "repair_internal.h"

struct cold_piece {
    struct log_segment *segment; /* referenced */
    struct log_segment_view view;
    unsigned mended_count;
};

/* Does the segment begin here as well, with nothing of it in files yet? */
static bool is_not_written_yet(const struct log_partition *p, const struct log_repair_need *need)
{
    for (unsigned i = 0; p != NULL && i < p->segments.count; i++)
        if (p->segments.items[i]->written.base_offset == need->base_offset &&
            p->segments.items[i]->written.version == need->version)
            return true;
    return false;
}

/* May this segment's bytes stand for the wanted ones? */
static int compare(const struct log_segment *s, const struct log_repair_need *need)
{
    const struct log_segment_meta *meta = &s->written;
    if (need->is_sealed && meta->is_sealed &&
        (meta->size_bytes != need->size_bytes || meta->crc != need->crc))
        return ERR_INVALID;
    if (meta->is_sealed && meta->size_bytes < need->size_bytes)
        return ERR_INVALID;
    return need->position < meta->size_bytes ? 0 : ERR_NEED_MORE;
}

static void finish_read(struct work_item *item)
{
    struct log_piece_read *req = item->data;
    struct cold_piece *cold = req->cold;
    struct log_partition *p = req->partition;
    assert(p->pending_reads > 0);
    p->pending_reads--;
    req->status = log_partition_note_read(p, cold->segment, cold->mended_count, req->status);
    log_segment_unref(cold->segment);
    free(cold);
    req->cb(req, req->status);
}

static void run_read(struct work_item *item)
{
    struct log_piece_read *req = item->data;
    struct cold_piece *cold = req->cold;
    struct log_segment_reader reader;
    int err = log_segment_reader_open(&reader, &cold->view);
    if (err == 0) {
        err = log_segment_read_on(&reader, req->need.position, req->need.offset, req->need.size_max,
                                  &req->piece);
        log_segment_reader_close(&reader);
    }
    req->status = err;
    work_submit(req->store->home, item, finish_read);
}

int log_store_read_piece(struct log_store *s, struct log_piece_read *req, log_piece_read_cb cb)
{
    const struct log_repair_need *need = &req->need;
    struct log_partition *p = log_store_partition(s, need->partition_number);
    struct log_segment *segment = NULL;
    if (p != NULL)
        segment = log_partition_find_segment(p, need->base_offset, need->version);
    if (segment == NULL)
        return is_not_written_yet(p, need) ? ERR_NEED_MORE : ERR_NOT_FOUND;
    int err = compare(segment, need);
    if (err == 0 && (p->pending_reads >= LOG_PENDING_READS_MAX || p->is_being_replaced))
        err = ERR_BUSY;
    struct cold_piece *cold = err == 0 ? malloc(sizeof *cold) : NULL;
    if (cold == NULL)
        return err == 0 ? UV_ENOMEM : err;
    *cold = (struct cold_piece){.segment = log_segment_ref(segment),
                                .view = {.disk = s->disk, .id = p->id, .meta = segment->written},
                                .mended_count = segment->mended_count};
    if (cold->view.meta.size_bytes > need->size_bytes)
        cold->view.meta.size_bytes = need->size_bytes; /* batches behind are not asked for */
    req->cb = cb;
    req->store = s;
    req->partition = p;
    req->cold = cold;
    req->piece = (struct slice){0};
    req->item.data = req;
    p->pending_reads++;
    work_submit(s->worker, &req->item, run_read);
    return 0;
}

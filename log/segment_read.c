/* Cold reads: from an offset to checked batches.
 *
 * The index gives a batch at or before the offset, headers lead on to the exact one, then one read
 * takes everything wanted. Nothing is handed out unchecked: a batch must begin where the one
 * before ended (base offsets lie outside Kafka's checksum), carry the epoch its offset belongs to,
 * and its own CRC-32C must hold. An index that points wrong is not believed: the search then
 * begins at position 0, where the base offset is known. */
#include "segment_read.h"

#include <assert.h>
#include <stdlib.h>

#include "batch.h"
#include "offset_index.h"

int log_segment_reader_open(struct log_segment_reader *r, const struct log_segment_view *view)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &view->id, view->meta.base_offset, view->meta.version, LOG_FILE_DATA);
    r->view = *view;
    r->is_index_flawed = false;
    return disk_open(view->disk, path, DISK_READ, &r->file);
}

void log_segment_reader_close(struct log_segment_reader *r)
{
    disk_close(r->view.disk, r->file);
    r->file = NULL;
}

static int read_exactly(struct log_segment_reader *r, uint32_t position, void *into, size_t size)
{
    int64_t got = disk_read_at(r->view.disk, r->file, position, into, size);
    if (got < 0)
        return (int)got;
    return (size_t)got == size ? 0 : ERR_CORRUPT; /* shorter than the manifest says */
}

static int read_header(struct log_segment_reader *r, uint32_t position, uint8_t *header)
{
    if (r->view.meta.size_bytes - position < BATCH_RECORDS_FROM)
        return ERR_CORRUPT;
    return read_exactly(r, position, header, BATCH_RECORDS_FROM);
}

static int place_of_header(const struct log_segment_reader *r, const uint8_t *header,
                           uint32_t position, int64_t base_offset, struct log_batch_place *place)
{
    if (!batch_header_is_plausible(header, base_offset) ||
        batch_size(header) > (int64_t)(r->view.meta.size_bytes - position) ||
        batch_next_offset(header) > r->view.meta.next_offset)
        return ERR_CORRUPT;
    *place = (struct log_batch_place){.base_offset = base_offset,
                                      .next_offset = batch_next_offset(header),
                                      .max_timestamp = batch_max_timestamp(header),
                                      .position = position,
                                      .size = (uint32_t)batch_size(header)};
    return 0;
}

int log_segment_place_at(struct log_segment_reader *r, uint32_t position, int64_t base_offset,
                         struct log_batch_place *place)
{
    uint8_t header[BATCH_RECORDS_FROM];
    int err = read_header(r, position, header);
    return err != 0 ? err : place_of_header(r, header, position, base_offset, place);
}

/* A first place from the index, or position 0. */
static int begin_place(struct log_segment_reader *r, int64_t offset, struct log_batch_place *place)
{
    const struct log_segment_meta *meta = &r->view.meta;
    int64_t last_offset = 0;
    uint32_t position = 0;
    uint8_t header[BATCH_RECORDS_FROM];
    int got = log_offset_index_lookup(r->view.disk, &r->view.id, meta, offset, &last_offset,
                                      &position);
    if (got < 0 && !log_is_damage(got))
        return got;
    if (got == 1 && read_header(r, position, header) == 0) {
        int64_t base_offset = last_offset - batch_last_offset_delta(header);
        if (base_offset <= offset && place_of_header(r, header, position, base_offset, place) == 0)
            return 0;
    }
    r->is_index_flawed = got != 0;
    return log_segment_place_at(r, 0, meta->base_offset, place);
}

static int walk_to(struct log_segment_reader *r, int64_t offset, struct log_batch_place *place)
{
    int err = 0;
    while (err == 0 && place->next_offset <= offset) {
        uint32_t position = place->position + place->size;
        err = position >= r->view.meta.size_bytes
                  ? ERR_CORRUPT
                  : log_segment_place_at(r, position, place->next_offset, place);
    }
    return err;
}

int log_segment_find(struct log_segment_reader *r, int64_t offset, struct log_batch_place *place)
{
    assert(offset >= r->view.meta.base_offset && offset < r->view.meta.next_offset);
    int err = begin_place(r, offset, place);
    if (err == 0)
        err = walk_to(r, offset, place);
    return err;
}

/* Bytes at the front of `bytes` that are whole, sound batches within the range. */
static size_t sound_bytes(struct bytes bytes, const struct log_segment_range *range,
                          int64_t base_offset)
{
    size_t sound = 0;
    while (bytes.size - sound >= BATCH_RECORDS_FROM && base_offset < range->offset_max) {
        const uint8_t *batch = bytes.data + sound;
        if (!batch_header_is_plausible(batch, base_offset) ||
            (size_t)batch_size(batch) > bytes.size - sound)
            break;
        if (range->leader_epoch >= 0 && batch_leader_epoch(batch) != range->leader_epoch)
            break;
        struct bytes whole = bytes_of(batch, (size_t)batch_size(batch));
        if (!batch_checksum_holds(whole))
            break;
        sound += whole.size;
        base_offset = batch_next_offset(batch);
    }
    return sound;
}

static int read_from(struct log_segment_reader *r, const struct log_segment_range *range,
                     const struct log_batch_place *place, struct slice *batches)
{
    size_t size = r->view.meta.size_bytes - place->position;
    if (size > range->size_bytes_max)
        size = range->size_bytes_max;
    if (size < place->size)
        size = place->size;
    struct buffer *buffer = buffer_create(size);
    if (buffer == NULL)
        return UV_ENOMEM;
    int err = read_exactly(r, place->position, buffer->data, size);
    size_t sound = 0;
    if (err == 0)
        sound = sound_bytes(bytes_of(buffer->data, size), range, place->base_offset);
    if (err == 0 && sound == 0)
        err = ERR_CORRUPT;
    if (err != 0) {
        buffer_unref(buffer);
        return err;
    }
    *batches = (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, sound)};
    return 0;
}

int log_segment_read(struct log_segment_reader *r, const struct log_segment_range *range,
                     struct slice *batches)
{
    struct log_batch_place place;
    *batches = (struct slice){0};
    int err = log_segment_find(r, range->offset, &place);
    if (err != 0 || place.base_offset >= range->offset_max)
        return err;
    return read_from(r, range, &place, batches);
}

int log_segment_read_on(struct log_segment_reader *r, uint32_t position, int64_t base_offset,
                        size_t size_bytes_max, struct slice *batches)
{
    struct log_segment_range range = {
        .offset_max = INT64_MAX, .leader_epoch = -1, .size_bytes_max = size_bytes_max};
    struct log_batch_place place;
    *batches = (struct slice){0};
    if (position >= r->view.meta.size_bytes)
        return ERR_CORRUPT;
    int err = log_segment_place_at(r, position, base_offset, &place);
    return err != 0 ? err : read_from(r, &range, &place, batches);
}

/* A partition: what apply does to it, all in memory.
 *
 * An appended batch gets its segment at once, though nothing is written yet: where segments end is
 * a function of the applied entries, never of flushes or memory. Moving the log start drops whole
 * segments only; a batch that lies partly below the start stays, as replicas must keep the same
 * bytes. What left the log waits in `dead` until a manifest without it is durable. */
#include "log/partition.h"

#include <assert.h>
#include <stdlib.h>

#include "compact_due.h"
#include "partition_internal.h"
#include "producer_state_hook.h"

static bool is_sound(const struct log_partition *p)
{
    return p->start_offset <= p->next_offset && p->flushed_offset <= p->next_offset &&
           log_tail_first_offset(&p->tail, p->next_offset) <= p->flushed_offset &&
           (p->segments.count == 0 ||
            log_offset_may_follow(p->next_offset,
                                  p->segments.items[p->segments.count - 1]->next_offset));
}

static void producers_changed(void *data)
{
    log_partition_changed(data);
}

int log_partition_create(const struct disk *disk, const struct log_partition_id *id,
                         const struct log_partition_settings *settings, int64_t start_offset,
                         struct log_partition **created)
{
    assert(start_offset >= 0);
    struct log_partition *p = calloc(1, sizeof *p);
    if (p == NULL)
        return UV_ENOMEM;
    p->producers = log_producer_state_create(settings->producer_count_max);
    if (p->producers == NULL) {
        free(p);
        return UV_ENOMEM;
    }
    log_producer_state_on_change(p->producers, producers_changed, p);
    p->disk = disk;
    p->id = *id;
    p->settings = *settings;
    p->start_offset = p->next_offset = p->flushed_offset = start_offset;
    *created = p;
    return 0;
}

void log_partition_destroy(struct log_partition *p)
{
    if (p == NULL)
        return;
    assert(p->pending_reads == 0 && !p->is_flushing);
    log_tail_close(&p->tail);
    log_epoch_table_close(&p->epochs);
    log_segment_list_close(&p->segments);
    log_segment_list_close(&p->dead);
    compact_due_destroy(p->compactions);
    log_producer_state_destroy(p->producers);
    free(p);
}

void log_partition_changed(struct log_partition *p)
{
    if (p->on_change != NULL)
        p->on_change(p->on_change_data);
}

int log_segment_list_reserve(struct log_segment_list *list, unsigned count)
{
    unsigned capacity = list->capacity == 0 ? 2 : list->capacity;
    while (capacity < list->count + count)
        capacity *= 2;
    if (capacity <= list->capacity)
        return 0;
    struct log_segment **items = realloc(list->items, capacity * sizeof(struct log_segment *));
    if (items == NULL)
        return UV_ENOMEM;
    list->items = items;
    list->capacity = capacity;
    return 0;
}

int log_segment_list_add(struct log_segment_list *list, struct log_segment *taken)
{
    int err = log_segment_list_reserve(list, 1);
    if (err == 0)
        list->items[list->count++] = taken;
    return err;
}

void log_segment_list_close(struct log_segment_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        log_segment_unref(list->items[i]);
    free(list->items);
    *list = (struct log_segment_list){0};
}

void log_partition_set_settings(struct log_partition *p,
                                const struct log_partition_settings *settings)
{
    p->settings = *settings;
    log_producer_state_set_count_max(p->producers, settings->producer_count_max);
    log_partition_changed(p);
}

static void leave_behind(struct log_partition *p);

/* The segment for a batch: the open one, or a new one behind it. */
static int segment_for(struct log_partition *p, const struct log_batch *batch,
                       struct log_segment **segment)
{
    struct log_segment *open = NULL;
    if (p->segments.count > 0)
        open = p->segments.items[p->segments.count - 1];
    /* The last one of another group's log is sealed. */
    if (open != NULL && !open->is_sealed && open->next_offset > p->start_offset &&
        !log_segment_is_full_for(open, batch->data.bytes.size,
                                 batch->base_offset + batch->record_count, batch->wall_ms,
                                 &p->settings)) {
        *segment = open;
        return 0;
    }
    struct log_segment *fresh = log_segment_create(&p->id, batch->base_offset, batch->wall_ms,
                                                   p->settings.index_interval_bytes);
    if (fresh == NULL || log_segment_list_add(&p->segments, fresh) != 0) {
        log_segment_unref(fresh);
        return UV_ENOMEM;
    }
    if (open != NULL)
        open->is_sealed = true;
    *segment = fresh;
    return 0;
}

int log_partition_append(struct log_partition *p, const struct log_batch *batch)
{
    assert(batch->base_offset == p->next_offset); /* offsets are given at apply, by us */
    assert(batch->record_count > 0 && batch->data.bytes.size > 0 && !p->is_frozen);
    struct log_tail_batch in_tail = {.base_offset = batch->base_offset,
                                     .next_offset = batch->base_offset + batch->record_count,
                                     .max_timestamp = batch->max_timestamp,
                                     .leader_epoch = batch->leader_epoch,
                                     .data = batch->data};
    struct log_segment *segment;
    int err = segment_for(p, batch, &segment);
    if (err == 0)
        err = log_epoch_table_add(&p->epochs, batch->leader_epoch, batch->base_offset);
    if (err == 0)
        err = log_tail_push(&p->tail, &in_tail);
    if (err != 0)
        return err;
    log_segment_append(segment, batch);
    p->next_offset = in_tail.next_offset;
    if (p->segments.items[0]->next_offset <= p->start_offset)
        leave_behind(p); /* the last one was kept until there is another */
    log_partition_changed(p);
    assert(is_sound(p));
    return 0;
}

const struct log_partition_id *log_partition_id(const struct log_partition *p)
{
    return &p->id;
}

int64_t log_partition_start_offset(const struct log_partition *p)
{
    return p->start_offset;
}

int64_t log_partition_next_offset(const struct log_partition *p)
{
    return p->next_offset;
}

int64_t log_partition_size_bytes(const struct log_partition *p)
{
    int64_t size = 0;
    for (unsigned i = 0; i < p->segments.count; i++)
        size += p->segments.items[i]->size_bytes;
    return size;
}

int64_t log_partition_max_timestamp(const struct log_partition *p, int64_t *offset_of_max)
{
    int64_t max_timestamp = -1;
    *offset_of_max = -1;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        if (s->max_timestamp > max_timestamp && s->max_timestamp_offset >= p->start_offset) {
            max_timestamp = s->max_timestamp;
            *offset_of_max = s->max_timestamp_offset;
        }
    }
    return max_timestamp;
}

struct log_producer_state *log_partition_producers(struct log_partition *p)
{
    return p->producers;
}

void log_partition_epoch_end(const struct log_partition *p, int32_t epoch, int32_t *epoch_found,
                             int64_t *end_offset)
{
    log_epoch_table_end(&p->epochs, epoch, p->next_offset, epoch_found, end_offset);
}

int32_t log_partition_last_epoch(const struct log_partition *p)
{
    return log_epoch_table_last(&p->epochs);
}

int32_t log_partition_epoch_of(const struct log_partition *p, int64_t offset)
{
    int64_t epoch_end;
    if (offset >= p->next_offset || p->epochs.count == 0 ||
        offset < p->epochs.entries[0].start_offset)
        return -1;
    return log_epoch_table_at(&p->epochs, offset, &epoch_end);
}

struct log_segment *log_partition_segment_of(const struct log_partition *p, int64_t offset)
{
    unsigned low = 0, high = p->segments.count;
    while (low + 1 < high) {
        unsigned middle = low + (high - low) / 2;
        if (p->segments.items[middle]->written.base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    assert(high > 0);
    struct log_segment *s = p->segments.items[low];
    while (s->due != NULL)
        s = compact_due_input(s->due, offset);
    return s;
}

/* When the segment's newest record was written, as far as is known. */
static int64_t newest_ms(const struct log_segment *s)
{
    return s->max_timestamp >= 0 ? s->max_timestamp : s->written.first_wall_ms;
}

/* Moves segments that end at or below the start to `dead`; the last one stays to be written to. */
static void retire_segments(struct log_partition *p)
{
    unsigned retired = 0;
    while (retired + 1 < p->segments.count &&
           p->segments.items[retired]->next_offset <= p->start_offset) {
        struct log_segment *s = p->segments.items[retired++];
        if (log_segment_list_add(&p->dead, s) != 0)
            log_segment_unref(s); /* its files stay until the next start finds them */
    }
    if (retired == 0)
        return;
    p->segments.count -= retired;
    memmove(p->segments.items, p->segments.items + retired,
            p->segments.count * sizeof(struct log_segment *));
}

/* Segments below the start go, and what of them is in memory. */
static void leave_behind(struct log_partition *p)
{
    retire_segments(p);
    int64_t kept = p->next_offset;
    if (p->segments.count > 0)
        kept = p->segments.items[0]->written.base_offset;
    kept = compact_due_unflushed(p, kept);
    while (p->tail.count > 0 && log_tail_at(&p->tail, 0)->base_offset < kept)
        log_tail_drop_first(&p->tail);
    if (p->flushed_offset < kept)
        p->flushed_offset = kept; /* what was never written needs no writing any more */
}

void log_partition_advance_start(struct log_partition *p, int64_t start_offset)
{
    if (start_offset > p->next_offset)
        start_offset = p->next_offset;
    if (start_offset <= p->start_offset)
        return;
    p->start_offset = start_offset;
    leave_behind(p);
    log_epoch_table_trim(&p->epochs, start_offset);
    log_partition_changed(p);
    assert(is_sound(p));
}

int64_t log_partition_retention_offset(const struct log_partition *p, int64_t now_ms,
                                       int64_t retention_ms, int64_t retention_bytes,
                                       bool with_open)
{
    int64_t size = log_partition_size_bytes(p), retention_offset = -1;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        size -= s->size_bytes;
        bool is_old = retention_ms >= 0 && now_ms - newest_ms(s) > retention_ms;
        bool is_excess = retention_bytes >= 0 && size >= retention_bytes;
        if ((!is_old && !is_excess) || (!s->is_sealed && !with_open))
            break;
        retention_offset = s->next_offset;
    }
    return retention_offset > p->start_offset ? retention_offset : -1;
}

size_t log_partition_tail_bytes(const struct log_partition *p)
{
    return p->tail.owner_bytes;
}

size_t log_partition_unflushed_bytes(const struct log_partition *p)
{
    return p->tail.unflushed_bytes;
}

void log_partition_trim_tail(struct log_partition *p, size_t keep_bytes)
{
    while (p->tail.flushed_count > 0 && p->tail.owner_bytes > keep_bytes)
        log_tail_drop_first(&p->tail);
}

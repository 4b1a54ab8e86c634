/* From a committed step to its segments.
 *
 *   apply       the partition's list of segments is the step's at once; old ones are dead
 *   until then  reads of a new segment go to the old ones, which hold a superset
 *   checkpoint  flushes what of the old ones is only in memory, makes the new ones, compares,
 *               then writes the manifest that names them; the old ones' files go after it
 *
 * So whatever the next manifest says is there, a crash before it finds the old segments and applies
 * the step again from the WAL, and nothing that is read, pinned or shipped changes under its name.
 */
#include "compact_due.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/event.h"

static void destroy_one(struct log_compaction *c)
{
    for (unsigned i = 0; c->inputs != NULL && i < c->input_count; i++)
        log_segment_unref(c->inputs[i]);
    for (unsigned i = 0; c->outputs != NULL && i < c->step.output_count; i++)
        log_segment_unref(c->outputs[i]);
    compact_step_close(&c->step);
    free(c->inputs);
    free(c->views);
    free(c->outputs);
    free(c);
}

void compact_due_destroy(struct log_compaction *list)
{
    while (list != NULL) {
        struct log_compaction *next = list->next;
        destroy_one(list);
        list = next;
    }
}

struct log_segment *compact_due_input(const struct log_compaction *c, int64_t offset)
{
    unsigned low = 0, high = c->target_count;
    while (low + 1 < high) {
        unsigned middle = low + (high - low) / 2;
        if (c->inputs[middle]->written.base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    assert(high > 0);
    return c->inputs[low];
}

int64_t compact_due_unflushed(const struct log_partition *p, int64_t otherwise)
{
    for (const struct log_compaction *c = p->compactions; c != NULL; c = c->next)
        for (unsigned i = 0; i < c->input_count; i++) {
            const struct log_segment *s = c->inputs[i];
            if (s->due == NULL && s->written.next_offset < s->next_offset &&
                s->written.base_offset < otherwise)
                otherwise = s->written.base_offset;
        }
    return otherwise;
}

/* ---- apply ---- */

static void add_inputs(struct log_compaction *c, const struct log_partition *p,
                       struct compact_span span)
{
    for (unsigned i = span.first; i < span.first + span.count; i++) {
        struct log_segment *s = p->segments.items[i];
        struct log_segment_view *view = &c->views[c->input_count];
        *view = (struct log_segment_view){.disk = p->disk, .id = p->id, .meta = s->written};
        view->meta.next_offset = s->next_offset; /* flushed by the time it is read */
        view->meta.size_bytes = s->size_bytes;
        c->inputs[c->input_count++] = log_segment_ref(s);
    }
}

static int make_outputs(struct log_compaction *c, const struct log_partition *p)
{
    c->outputs = calloc((size_t)c->step.output_count + 1, sizeof(struct log_segment *));
    for (uint32_t i = 0; c->outputs != NULL && i < c->step.output_count; i++) {
        c->outputs[i] = log_segment_of_meta(&p->id, &c->step.outputs[i]);
        if (c->outputs[i] == NULL)
            return UV_ENOMEM;
        c->outputs[i]->due = c;
        c->outputs[i]->has_files = false;
    }
    return c->outputs == NULL ? UV_ENOMEM : 0;
}

/* Takes the step's contents, also when it fails. */
static struct log_compaction *make_due(const struct log_partition *p, struct compact_step *step,
                                       struct compact_span targets, struct compact_span mapped)
{
    struct log_compaction *c = calloc(1, sizeof *c);
    if (c == NULL) {
        compact_step_close(step);
        return NULL;
    }
    c->step = *step;
    c->target_count = targets.count;
    c->inputs = calloc(targets.count + mapped.count, sizeof(struct log_segment *));
    c->views = calloc(targets.count + mapped.count, sizeof *c->views);
    int err = c->inputs == NULL || c->views == NULL ? UV_ENOMEM : make_outputs(c, p);
    if (err != 0) {
        destroy_one(c);
        return NULL;
    }
    add_inputs(c, p, targets);
    add_inputs(c, p, mapped);
    return c;
}

/* The old segments die, the new ones stand in their place. Room was made for both. */
static void replace_segments(struct log_partition *p, struct log_compaction *c,
                             struct compact_span targets)
{
    struct log_segment **at = p->segments.items + targets.first;
    unsigned behind = p->segments.count - targets.first - targets.count;
    for (unsigned i = 0; i < targets.count; i++)
        p->dead.items[p->dead.count++] = at[i];
    memmove(at + c->step.output_count, at + targets.count, behind * sizeof(struct log_segment *));
    for (uint32_t i = 0; i < c->step.output_count; i++)
        at[i] = log_segment_ref(c->outputs[i]);
    p->segments.count = targets.first + c->step.output_count + behind;
}

static void queue_due(struct log_partition *p, struct log_compaction *c)
{
    struct log_compaction **link = &p->compactions;
    while (*link != NULL)
        link = &(*link)->next;
    *link = c;
}

static int apply_outputs(struct log_partition *p, struct compact_step *step,
                         struct compact_span targets, struct compact_span mapped)
{
    struct log_compaction *c = make_due(p, step, targets, mapped);
    int err = c == NULL ? UV_ENOMEM : log_segment_list_reserve(&p->dead, targets.count);
    if (err == 0)
        err = log_segment_list_reserve(&p->segments, c->step.output_count);
    if (err != 0) {
        compact_due_destroy(c);
        return err;
    }
    replace_segments(p, c, targets);
    queue_due(p, c);
    return 0;
}

static bool is_planned_on(const struct log_partition *p, const struct compact_step *step,
                          struct compact_span *targets, struct compact_span *mapped)
{
    const struct compact_parameters *q = &step->parameters;
    return !p->is_frozen && step->version == p->compact.version + 1 &&
           compact_span_of(p, step->target_from, step->target_until, true, targets) &&
           compact_span_of(p, q->map_from, q->map_until, false, mapped) &&
           compact_segments_crc(compact_segments_crc(0, p, *targets), p, *mapped) ==
               step->segments_crc;
}

int log_partition_compact(struct log_partition *p, struct bytes bytes)
{
    struct compact_step step;
    struct compact_span targets, mapped;
    int err = compact_step_decode(bytes, &step);
    if (err != 0)
        return err;
    if (!is_planned_on(p, &step, &targets, &mapped)) {
        compact_step_close(&step);
        return ERR_INVALID;
    }
    struct log_compact_state after = step.after;
    if (step.output_count > 0)
        err = apply_outputs(p, &step, targets, mapped);
    else
        compact_step_close(&step);
    if (err != 0)
        return err;
    p->compact = after;
    log_partition_changed(p);
    return 0;
}

/* ---- making the segments ---- */

static int fill_map(const struct log_compaction *c, struct compact_map *map)
{
    const struct compact_parameters *p = &c->step.parameters;
    struct compact_sources mapped = {.views = c->views + c->target_count,
                                     .count = c->input_count - c->target_count};
    int64_t until;
    int err = compact_map_init(map, p->key_count, p->seed);
    if (err == 0)
        err = compact_fill_map(map, &mapped, p->map_from, p->map_until, &until);
    return err == 0 && until != p->map_until ? ERR_CORRUPT : err;
}

static bool came_out_as_planned(const struct compact_writer *w, const struct compact_step *step)
{
    uint8_t made[LOG_SEGMENT_META_SIZE], planned[LOG_SEGMENT_META_SIZE];
    bool is_same = w->count == step->output_count;
    for (unsigned i = 0; i < w->count && is_same; i++) {
        log_segment_meta_encode(&w->metas[i], made);
        log_segment_meta_encode(&step->outputs[i], planned);
        is_same = memcmp(made, planned, sizeof made) == 0;
    }
    return is_same;
}

static int make_segments(const struct disk *disk, const struct log_partition_id *id,
                         const struct log_compaction *c, const struct compact_map *map)
{
    struct log_compact_counts counts = {0};
    struct compact_sources targets = {.views = c->views, .count = c->target_count};
    struct compact_writer w = {.disk = disk,
                               .id = *id,
                               .version = c->step.version,
                               .planned = c->step.outputs,
                               .planned_count = c->step.output_count};
    char folder[LOG_PATH_SIZE];
    int err = compact_writer_init(&w);
    if (err == 0)
        err = compact_rewrite(map, &targets, &c->step.parameters, &w, &counts);
    if (err == 0 && !came_out_as_planned(&w, &c->step))
        err = ERR_CORRUPT;
    compact_writer_close(&w);
    log_folder_path(folder, id);
    return err == 0 ? disk_sync_directory(disk, folder) : err;
}

static int remove_outputs(const struct disk *disk, const struct log_partition_id *id,
                          const struct log_compaction *c)
{
    int err = 0;
    for (uint32_t i = 0; i < c->step.output_count && err == 0; i++)
        err = log_segment_remove_files(disk, id, c->step.outputs[i].base_offset, c->step.version);
    return err;
}

static int carry_out(const struct disk *disk, const struct log_partition_id *id,
                     const struct log_compaction *c)
{
    struct compact_map map = {0};
    int err = fill_map(c, &map);
    if (err == 0)
        err = make_segments(disk, id, c, &map);
    compact_map_close(&map);
    return err;
}

/* A read that fails may be the moment's, and what is left out here is one copy less until it is
 * fetched: so it is tried once more. */
int compact_due_run(const struct disk *disk, const struct log_partition_id *id,
                    struct log_compaction *c)
{
    int err = carry_out(disk, id, c);
    if (err == ERR_CORRUPT)
        err = carry_out(disk, id, c);
    c->is_different = err == ERR_CORRUPT || err == ERR_TOO_LARGE;
    if (c->is_different)
        return remove_outputs(disk, id, c);
    if (err_is_no_room(err)) /* it is made again: until then others need what it took */
        remove_outputs(disk, id, c);
    return err;
}

static void tell_different(const struct log_partition *p, const struct log_compaction *c)
{
    char folder[LOG_PATH_SIZE];
    log_folder_path(folder, &p->id);
    event_error("compaction_differs",
                "folder=%s step=%" PRIu32 " from_offset=%" PRId64 " until_offset=%" PRId64
                " reason=\"damaged here, or a fault: fetched from a peer\"",
                folder, c->step.version, c->step.target_from, c->step.target_until);
}

/* The segments that are left out are fetched; of those that were read what is still in the log is
 * looked into, for it may be why. */
static void suspect_all(struct log_partition *p, const struct log_compaction *c)
{
    tell_different(p, c);
    for (uint32_t i = 0; i < c->step.output_count; i++)
        log_partition_suspect(p, c->outputs[i]);
    for (unsigned i = 0; i < c->input_count; i++)
        log_partition_suspect(p, c->inputs[i]);
}

/* What is in memory still holds what has gone. Oldest first, as the tail is a run of offsets. */
static void drop_from_tail(struct log_partition *p, int64_t until)
{
    while (p->tail.flushed_count > 0 && log_tail_at(&p->tail, 0)->base_offset < until)
        log_tail_drop_first(&p->tail);
}

void compact_due_finish(struct log_partition *p, unsigned count)
{
    while (count-- > 0) {
        struct log_compaction *c = p->compactions;
        for (uint32_t i = 0; i < c->step.output_count; i++) {
            c->outputs[i]->due = NULL;
            c->outputs[i]->has_files = true;
        }
        drop_from_tail(p, c->step.target_until);
        if (c->is_different)
            suspect_all(p, c);
        p->compactions = c->next;
        destroy_one(c);
    }
}

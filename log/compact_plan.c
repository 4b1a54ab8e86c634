/* Planning a step: the leader's dry run.
 *
 * On the shard the segments are chosen and held; a worker reads them, fills the map and goes
 * through window after window (as many old segments as one step may take), from where the pass is,
 * until one of them would change or the pass is at its end. What it hands back is the entry's body.
 * Nothing is written: the leader makes its segments when the step is committed, like every other
 * replica, and finds there whether it would come out the same again. */
#include <assert.h>
#include <stdlib.h>

#include "compact_due.h"

struct plan_job {
    struct log_segment **segments;  /* referenced: all from the pass's place to the end */
    struct log_segment_view *views; /* of the same */
    unsigned count;
    struct log_compact_state state;
    int64_t pass_at, map_from, map_until;
    unsigned failed; /* of the segments, when bytes of it were damaged */
    struct compact_step step;
};

/* ---- choosing, on the shard ---- */

static int64_t dirty_from(const struct log_partition *p)
{
    int64_t from = p->compact.clean_until;
    return from > p->start_offset ? from : p->start_offset;
}

/* Segments whose files are as they will stay. */
static bool is_ready(const struct log_segment *s)
{
    return s->due == NULL && s->written.is_sealed && s->damaged == 0 && !s->is_suspect;
}

/* Segments of [0, count) may be cleaned: up to the first that is open, too young, or not as it will
 * stay. Under a steady load the newest sealed one is hardly ever flushed: those before don't wait
 * for it. */
static unsigned cleanable_count(const struct log_partition *p, int64_t now_ms, int64_t lag_ms_min)
{
    unsigned count = 0;
    while (count < p->segments.count) {
        const struct log_segment *s = p->segments.items[count];
        bool is_dirty = s->next_offset > p->compact.clean_until;
        bool is_young = lag_ms_min > 0 && s->max_timestamp > now_ms - lag_ms_min;
        if (!is_ready(s) || (is_dirty && is_young))
            break;
        count++;
    }
    return count;
}

void log_partition_compact_state(const struct log_partition *p, struct log_compact_state *state)
{
    *state = p->compact;
}

bool log_partition_is_compaction_due(const struct log_partition *p)
{
    return p->compactions != NULL;
}

void log_partition_compact_backlog(const struct log_partition *p, int64_t now_ms,
                                   int64_t lag_ms_min, struct log_compact_backlog *backlog)
{
    unsigned count = cleanable_count(p, now_ms, lag_ms_min);
    *backlog = (struct log_compact_backlog){.oldest_dirty_ms = -1};
    for (unsigned i = 0; i < count; i++) {
        const struct log_segment *s = p->segments.items[i];
        if (s->next_offset <= p->compact.clean_until) {
            backlog->clean_bytes += s->size_bytes;
            continue;
        }
        backlog->dirty_bytes += s->size_bytes;
        if (backlog->oldest_dirty_ms < 0)
            backlog->oldest_dirty_ms = s->written.first_wall_ms;
    }
}

static void free_job(struct plan_job *job)
{
    for (unsigned i = 0; job->segments != NULL && i < job->count; i++)
        log_segment_unref(job->segments[i]);
    compact_step_close(&job->step);
    free(job->segments);
    free(job->views);
    free(job);
}

static struct plan_job *hold_segments(const struct log_partition *p, struct compact_span span)
{
    struct plan_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->segments = calloc(span.count, sizeof(struct log_segment *));
    job->views = calloc(span.count, sizeof *job->views);
    if (job->segments == NULL || job->views == NULL) {
        free_job(job);
        return NULL;
    }
    for (unsigned i = 0; i < span.count; i++) {
        struct log_segment *s = p->segments.items[span.first + i];
        job->segments[job->count++] = log_segment_ref(s);
        job->views[i] = (struct log_segment_view){.disk = p->disk, .id = p->id, .meta = s->written};
    }
    return job;
}

/* Where the pass that is under way, or a new one, begins and ends. ERR_NOT_FOUND: nowhere. */
static int choose_range(const struct log_partition *p, const struct log_compact_plan *plan,
                        int64_t *pass_at, int64_t *map_until)
{
    unsigned count = cleanable_count(p, plan->now_ms, plan->lag_ms_min);
    bool is_under_way = p->compact.pass_until > dirty_from(p);
    if (count == 0)
        return ERR_NOT_FOUND;
    *map_until = p->segments.items[count - 1]->next_offset;
    *pass_at = p->segments.items[0]->written.base_offset;
    if (is_under_way && p->compact.pass_until < *map_until)
        *map_until = p->compact.pass_until;
    if (is_under_way && p->compact.pass_at > *pass_at)
        *pass_at = p->compact.pass_at;
    return *map_until > dirty_from(p) ? 0 : ERR_NOT_FOUND;
}

static int make_job(struct log_partition *p, const struct log_compact_plan *plan,
                    struct plan_job **made)
{
    int64_t pass_at, map_until, map_from = dirty_from(p);
    struct compact_span all;
    int err = choose_range(p, plan, &pass_at, &map_until);
    if (err != 0)
        return err;
    int64_t from = pass_at < map_from ? pass_at : map_from;
    if (!compact_span_of(p, from, map_until, false, &all))
        return ERR_NOT_FOUND;
    struct plan_job *job = hold_segments(p, all);
    if (job == NULL)
        return UV_ENOMEM;
    job->state = p->compact;
    job->pass_at = pass_at;
    job->map_from = map_from;
    job->map_until = map_until;
    *made = job;
    return 0;
}

/* ---- the dry run, on the worker ---- */

/* Segments of the job that overlap [from, until). */
static struct compact_span span_in(const struct plan_job *job, int64_t from, int64_t until)
{
    struct compact_span span = {0};
    for (unsigned i = 0; i < job->count; i++) {
        const struct log_segment_meta *m = &job->views[i].meta;
        if (m->next_offset <= from || m->base_offset >= until)
            continue;
        if (span.count++ == 0)
            span.first = i;
    }
    return span;
}

static uint32_t crc_of(uint32_t crc, const struct plan_job *job, struct compact_span span)
{
    for (unsigned i = span.first; i < span.first + span.count; i++)
        crc = compact_meta_crc(crc, &job->views[i].meta);
    return crc;
}

static int map_keys(struct plan_job *job, const struct log_compact_plan *plan,
                    struct compact_map *map)
{
    struct compact_span span = span_in(job, job->map_from, job->map_until);
    struct compact_sources mapped = {.views = job->views + span.first, .count = span.count};
    uint32_t count_max = compact_map_count_of(plan->map_bytes_max);
    int err = compact_map_init(map, count_max > 0 ? count_max : 1, plan->seed);
    if (err == 0)
        err = compact_fill_map(map, &mapped, job->map_from, job->map_until, &job->map_until);
    job->failed = span.first + mapped.failed;
    return err;
}

/* The next segments to replace: within the step's bound, at least one, and up to a gap at most. */
static struct compact_span window_at(const struct plan_job *job, int64_t at, int64_t bytes_max)
{
    struct compact_span rest = span_in(job, at, job->map_until);
    struct compact_span window = {.first = rest.first};
    int64_t bytes = 0;
    while (window.count < rest.count) {
        const struct log_segment_view *view = &job->views[rest.first + window.count];
        bytes += view->meta.size_bytes;
        if (window.count > 0 &&
            (bytes > bytes_max || view->meta.base_offset != view[-1].meta.next_offset))
            break;
        window.count++;
    }
    return window;
}

static int rewrite_window(struct plan_job *job, struct log_compact_plan *plan,
                          const struct compact_map *map, struct compact_span window)
{
    struct compact_sources targets = {.views = job->views + window.first, .count = window.count};
    struct compact_writer w = {
        .id = job->views[0].id, .version = job->step.version, .segment_bytes = plan->segment_bytes};
    bool had_changed = plan->counts.has_changed;
    plan->counts.has_changed = false;
    int err = compact_writer_init(&w);
    if (err == 0)
        err = compact_rewrite(map, &targets, &job->step.parameters, &w, &plan->counts);
    job->failed = err != 0 ? window.first + targets.failed : job->failed;
    bool is_better = plan->counts.has_changed || w.count < window.count;
    plan->counts.has_changed |= had_changed;
    if (err == 0 && is_better && w.count <= COMPACT_OUTPUTS_MAX) {
        job->step.outputs = w.metas;
        job->step.output_count = w.count;
        w.metas = NULL;
    }
    compact_writer_close(&w);
    return err;
}

static void describe_step(struct plan_job *job, struct log_compact_plan *plan,
                          struct compact_span window)
{
    struct compact_step *step = &job->step;
    struct compact_span mapped = span_in(job, job->map_from, job->map_until);
    const struct log_segment_meta *first = &job->views[window.first].meta;
    const struct log_segment_meta *last = &job->views[window.first + window.count - 1].meta;
    bool replaces = step->output_count > 0;
    bool is_last = last->next_offset >= job->map_until;
    step->target_from = first->base_offset;
    step->target_until = replaces ? last->next_offset : first->base_offset;
    step->segments_crc = crc_of(replaces ? crc_of(0, job, window) : 0, job, mapped);
    step->after = (struct log_compact_state){
        .version = step->version,
        .clean_until = is_last ? job->map_until : job->state.clean_until,
        .pass_until = is_last ? 0 : job->map_until,
        .pass_at = is_last ? 0 : last->next_offset,
    };
    for (unsigned i = 0; i < window.count && replaces; i++)
        plan->bytes_before += job->views[window.first + i].meta.size_bytes;
    for (uint32_t i = 0; i < step->output_count; i++)
        plan->bytes_after += step->outputs[i].size_bytes;
}

static void set_parameters(struct plan_job *job, const struct log_compact_plan *plan,
                           const struct compact_map *map)
{
    job->step.version = job->state.version + 1;
    job->step.parameters = (struct compact_parameters){
        .map_from = job->map_from,
        .map_until = job->map_until,
        .now_ms = plan->now_ms,
        .delete_retention_ms = plan->delete_retention_ms,
        .key_count = map->count,
    };
    memcpy(job->step.parameters.seed, plan->seed, sizeof plan->seed);
}

static int dry_run(struct plan_job *job, struct log_compact_plan *plan)
{
    struct compact_map map = {0};
    struct compact_span window = {0};
    int err = map_keys(job, plan, &map);
    if (err == 0 && job->map_until <= job->map_from)
        err = ERR_TOO_LARGE; /* not one key fits */
    set_parameters(job, plan, &map);
    for (int64_t at = job->pass_at; err == 0;) {
        window = window_at(job, at, plan->step_bytes_max);
        if (window.count == 0) {
            err = ERR_NOT_FOUND;
            break;
        }
        err = rewrite_window(job, plan, &map, window);
        at = job->views[window.first + window.count - 1].meta.next_offset;
        if (job->step.output_count > 0 || at >= job->map_until)
            break;
    }
    compact_map_close(&map);
    if (err != 0)
        return err;
    describe_step(job, plan, window);
    plan->step = compact_step_encode(&job->step);
    return plan->step.owner == NULL ? UV_ENOMEM : 0;
}

static void finish_plan(struct work_item *item)
{
    struct log_compact_plan *plan = item->data;
    const struct plan_job *job = plan->job;
    assert(plan->partition->pending_reads > 0);
    plan->partition->pending_reads--;
    if (plan->status == ERR_CORRUPT)
        log_partition_suspect(plan->partition, job->segments[job->failed]);
    free_job(plan->job);
    plan->job = NULL;
    plan->cb(plan, plan->status);
}

static void run_plan(struct work_item *item)
{
    struct log_compact_plan *plan = item->data;
    plan->status = dry_run(plan->job, plan);
    work_submit(plan->home, item, finish_plan);
}

int log_partition_compact_plan(struct log_partition *p, struct log_compact_plan *plan,
                               log_compact_plan_cb cb)
{
    struct plan_job *job;
    if (p->compactions != NULL || p->is_being_replaced || p->is_frozen || p->is_awaiting)
        return ERR_BUSY;
    int err = make_job(p, plan, &job);
    if (err != 0)
        return err;
    plan->cb = cb;
    plan->partition = p;
    plan->job = job;
    plan->step = (struct slice){0};
    plan->counts = (struct log_compact_counts){0};
    plan->bytes_before = plan->bytes_after = 0;
    plan->item.data = plan;
    p->pending_reads++;
    work_submit(plan->worker, &plan->item, run_plan);
    return 0;
}

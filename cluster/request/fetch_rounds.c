/* The rounds of a fetch.
 *
 *   READING ──▶ READ ──enough, or an error, or no time left──▶ answered
 *      ▲          │
 *      │          ▼ too little
 *    PARKED ◀── PARKING
 *    until a partition grows, or the time is up
 *
 * A fetch visits the shards of its partitions one after another, so that one budget of bytes
 * holds for all, first batch always included. A visit reads (from memory at once, from segments
 * on the pool). When too little was there it visits again to park a waiter at each partition; the
 * first that wakes, or the deadline, begins the next round. Only one visit is under way at a
 * time, and each begins by taking back the shard's waiters: so nothing is shared between shards.
 *
 * What fetches read stays until clients have taken it: memory_bytes_max of it, all of them
 * together. A round claims its room before it reads, and keeps what it used. Without room it reads
 * nothing and is tried again a little later, until its time is up: then the answer is empty, as if
 * nothing were there, and the client asks again. */
#include <stdlib.h>

#include "base/err.h"
#include "error_code.h"
#include "request/fetch.h"

#define CLAIM_PART     32  /* a claim is at most this part of the room that is left */
#define SHORT_MS_FIRST 10  /* without room: until the next try, … */
#define SHORT_MS_MAX   320 /* … doubled each time up to this */

static void round_done(struct fetch *f);
static void next_shard(struct fetch *f);

/* ---- what a round reads ---- */

void fetch_free_read(struct fetch *f)
{
    free(f->read);
    f->read = NULL;
}

static void uncount_bytes(struct fetch *f)
{
    atomic_fetch_sub(&f->broker->fetched_bytes, f->counted_bytes);
    f->counted_bytes = 0;
}

/* What the client wants at most. */
static size_t wanted_bytes(const struct fetch *f)
{
    const struct kafka_fetch_request *message = f->request->message;
    int64_t most = f->broker->conf.fetch_bytes_max;
    int64_t sum = 0;
    if (message->max_bytes < most)
        most = message->max_bytes > 0 ? message->max_bytes : 1;
    for (unsigned i = 0; i < f->item_count && sum < most; i++)
        sum += (int64_t)f->items[i].part.size_bytes_max;
    if (sum < most)
        most = sum > 0 ? sum : 1;
    return (size_t)most;
}

/* Claims room for a round: at least for one batch, which goes out whatever its size. Returns how
 * much may be read, 0 without room. Who is alone always has room. */
static int64_t claim_room(struct fetch *f)
{
    const struct conf_settings *conf = &f->broker->conf;
    size_t limit = (size_t)conf->memory_bytes_max, bytes = wanted_bytes(f);
    size_t used = atomic_load(&f->broker->fetched_bytes);
    size_t room = used < limit ? limit - used : 0;
    if (bytes > room / CLAIM_PART)
        bytes = room / CLAIM_PART + 1;
    size_t claim = bytes > (size_t)conf->max_message_bytes ? bytes
                                                           : (size_t)conf->max_message_bytes;
    if (claim > room && used > 0)
        return 0;
    f->counted_bytes = claim;
    size_t before = atomic_fetch_add(&f->broker->fetched_bytes, claim);
    if (before == 0 || before + claim <= limit)
        return (int64_t)bytes;
    uncount_bytes(f); /* others were faster */
    return 0;
}

/* What was claimed and not used is others' room again. */
static void settle_room(struct fetch *f)
{
    if (f->bytes_read >= f->counted_bytes)
        atomic_fetch_add(&f->broker->fetched_bytes, f->bytes_read - f->counted_bytes);
    else
        atomic_fetch_sub(&f->broker->fetched_bytes, f->counted_bytes - f->bytes_read);
    f->counted_bytes = f->bytes_read;
}

/* ---- one visit, on the group's shard ---- */

static void visit_done(struct work_item *work)
{
    struct fetch *f = work->data;
    f->shard_index++;
    next_shard(f);
}

static void leave(struct fetch *f)
{
    struct shard *here = f->broker->shards[f->shard_index];
    if (here == f->request->shard)
        visit_done(&f->visit);
    else
        request_post_back(f->request, &f->visit, visit_done);
}

static bool is_on(const struct fetch *f, const struct fetch_item *item)
{
    return !item->is_refused && item->part.group->shard == f->broker->shards[f->shard_index];
}

static void take_read(struct fetch *f, struct fetch_item *item, int status)
{
    if (status == 0)
        status = f->read->slice_count > 0 ? fetch_part_take(&item->part, f->read)
                                          : fetch_part_pass_gap(&item->part);
    if (status != 0) {
        item->part.error_code = error_code_of(status);
        f->has_error = true;
        return;
    }
    if (f->bytes_read > 0 && (int64_t)item->part.size_bytes > f->bytes_left) {
        fetch_part_drop(&item->part); /* a first batch too large for what is left */
        return;
    }
    f->bytes_read += item->part.size_bytes;
    f->bytes_left -= (int64_t)item->part.size_bytes;
}

static void read_on(struct fetch *f);

static void on_cold_read(struct log_read *read, int status)
{
    struct fetch *f = read->data;
    take_read(f, &f->items[f->cursor++], status);
    read_on(f);
}

static size_t budget(const struct fetch *f, const struct fetch_part *part)
{
    size_t left = f->bytes_left > 0 ? (size_t)f->bytes_left : 0;
    return part->size_bytes_max < left ? part->size_bytes_max : left;
}

/* Begins a read; as log_partition_read. It is large, for it has room for many batches: so it is
 * there for the length of a round, and most rounds that end parked have read nothing. */
static int begin_read(struct fetch *f, const struct fetch_part *part)
{
    struct partition *p = machine_partition(part->group->machine, part->place.number);
    if (f->read == NULL)
        f->read = malloc(sizeof *f->read);
    if (f->read == NULL)
        return UV_ENOMEM;
    f->read->data = f;
    f->read->offset = part->offset;
    f->read->offset_max = part->high_watermark;
    f->read->size_bytes_max = budget(f, part);
    f->read->readers = work_pool_work(f->broker->readers);
    f->read->home = shard_work(part->group->shard);
    return log_partition_read(p->log, f->read, on_cold_read);
}

/* False when the read goes on elsewhere and comes back by on_cold_read. */
static bool read_item(struct fetch *f, struct fetch_item *item)
{
    struct fetch_part *part = &item->part;
    if (!fetch_part_check(part)) {
        f->has_error |= part->error_code != KAFKA_ERROR_NONE || part->preferred_replica >= 0;
        return true;
    }
    if (f->is_short || (f->bytes_left <= 0 && f->bytes_read > 0))
        return true; /* the next round, or the next fetch, gets it */
    int status = begin_read(f, part);
    if (status == 0)
        return false;
    take_read(f, item, status == 1 ? 0 : status);
    return true;
}

static void read_on(struct fetch *f)
{
    for (; f->cursor < f->item_count; f->cursor++)
        if (is_on(f, &f->items[f->cursor]) && !read_item(f, &f->items[f->cursor]))
            return;
    leave(f);
}

static void on_woken(struct work_item *work)
{
    struct fetch *f = work->data;
    atomic_store(&f->wakes_posted, 0);
    if (f->phase == FETCH_PARKED)
        fetch_begin_round(f);
    else if (f->phase == FETCH_READ)
        round_done(f);
}

static void on_wake(struct partition_waiter *waiter)
{
    struct fetch_item *item = waiter->data;
    struct fetch *f = item->fetch;
    if (!atomic_exchange(&f->is_woken, true)) {
        atomic_store(&f->wakes_posted, 1);
        request_post_back(f->request, &f->wake, on_woken);
    }
}

static void park_item(struct fetch_item *item)
{
    struct fetch_part *part = &item->part;
    struct partition *p = machine_partition(part->group->machine, part->place.number);
    int64_t seen = part->high_watermark > part->offset ? part->high_watermark : part->offset;
    part->waiter = (struct partition_waiter){.data = item, .offset = seen, .on_wake = on_wake};
    if (p != NULL && log_partition_next_offset(p->log) <= seen)
        machine_wait(p, &part->waiter);
    else
        on_wake(&part->waiter); /* it grew, or went, since it was read */
}

static void on_visit(struct work_item *work)
{
    struct fetch *f = work->data;
    for (unsigned i = 0; i < f->item_count; i++) {
        if (!is_on(f, &f->items[i]))
            continue;
        if (f->phase == FETCH_PARKING) {
            park_item(&f->items[i]);
        } else {
            machine_wait_cancel(&f->items[i].part.waiter);
            fetch_part_drop(&f->items[i].part);
        }
    }
    f->cursor = 0;
    if (f->phase == FETCH_PARKING)
        leave(f);
    else
        read_on(f);
}

/* ---- rounds, on the connection's shard ---- */

static bool has_items_on(struct fetch *f)
{
    for (unsigned i = 0; i < f->item_count; i++)
        if (is_on(f, &f->items[i]))
            return true;
    return false;
}

static void parked(struct fetch *f)
{
    f->phase = FETCH_PARKED;
    if (atomic_load(&f->wakes_posted) != 0)
        return; /* on_woken is on its way */
    if (f->is_late || atomic_load(&f->is_woken))
        fetch_begin_round(f);
}

/* No waiter: nothing tells when there is room, so it looks again. */
static void wait_for_room(struct fetch *f)
{
    f->short_ms = f->short_ms == 0 ? SHORT_MS_FIRST : 2 * f->short_ms;
    if (f->short_ms > SHORT_MS_MAX)
        f->short_ms = SHORT_MS_MAX;
    uint64_t again_ms = clock_now_ms(&f->broker->clock) + f->short_ms;
    f->phase = FETCH_PARKED;
    request_deadline_stop(&f->deadline);
    request_deadline_start(f->request, &f->deadline,
                           again_ms < f->late_at_ms ? again_ms : f->late_at_ms, fetch_on_time);
}

/* Every shard was visited, so no waiter is left; but a wake may still be on its way here. */
static void round_done(struct fetch *f)
{
    f->phase = FETCH_READ;
    fetch_free_read(f);
    settle_room(f);
    if (atomic_load(&f->wakes_posted) != 0)
        return; /* on_woken comes back to this */
    bool is_enough = f->bytes_read >= f->bytes_min && f->bytes_read > 0;
    if (is_enough || f->has_error || f->is_late || f->bytes_min == 0 ||
        request_is_abandoned(f->request)) {
        fetch_answer(f);
        return;
    }
    if (f->is_short) {
        wait_for_room(f);
        return;
    }
    f->phase = FETCH_PARKING;
    f->shard_index = 0;
    atomic_store(&f->is_woken, false);
    next_shard(f);
}

static void next_shard(struct fetch *f)
{
    while (f->shard_index < f->broker->shard_count && !has_items_on(f))
        f->shard_index++;
    if (f->shard_index == f->broker->shard_count) {
        if (f->phase == FETCH_PARKING)
            parked(f);
        else
            round_done(f);
    } else if (f->broker->shards[f->shard_index] == f->request->shard) {
        on_visit(&f->visit);
    } else {
        shard_post(f->broker->shards[f->shard_index], &f->visit, on_visit);
    }
}

void fetch_begin_round(struct fetch *f)
{
    uncount_bytes(f); /* the visits drop what the last round read */
    f->phase = FETCH_READING;
    f->shard_index = 0;
    f->bytes_read = 0;
    f->bytes_left = claim_room(f);
    f->is_short = f->bytes_left == 0;
    if (!f->is_short)
        f->short_ms = 0;
    next_shard(f);
}

void fetch_on_time(struct request_deadline *deadline)
{
    struct fetch *f = deadline->data;
    if (clock_now_ms(&f->broker->clock) >= f->late_at_ms) {
        fetch_end_soon(f);
        return;
    }
    request_deadline_start(f->request, deadline, f->late_at_ms, fetch_on_time);
    if (f->phase == FETCH_PARKED && atomic_load(&f->wakes_posted) == 0)
        fetch_begin_round(f);
}

void fetch_end_soon(struct fetch *f)
{
    f->is_late = true;
    if (f->phase == FETCH_PARKED && atomic_load(&f->wakes_posted) == 0)
        fetch_begin_round(f);
}

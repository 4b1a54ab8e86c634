/* The repair of a segment: the shard's part.
 *
 * It holds the partition as a read does, so that neither its removal nor a snapshot that is swapped
 * in take it away meanwhile. The open segment goes on being written while its front is mended: only
 * the last step, over what has come since, keeps flushes away, by the mark that flushes use among
 * themselves. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/event.h"
#include "repair_internal.h"

#define CHECK_BYTES_A_TIME (16u << 20)
#define DEFER_MS           2000
#define DEFER_COUNT_MAX    5 /* doublings */

static void on_worker(struct work_item *item);

/* ---- events ---- */

static void tell_damage(const struct log_repair *r, enum log_file_kind kind)
{
    const struct log_file_flaw *flaw = &r->check.flaws[kind];
    char path[LOG_PATH_SIZE], position[16] = "unknown";
    log_segment_path(path, &r->view.id, r->view.meta.base_offset, r->view.meta.version, kind);
    if (flaw->position != LOG_POSITION_UNKNOWN)
        snprintf(position, sizeof position, "%" PRIu32, flaw->position);
    event_warn("segment_damaged",
               "group=%" PRIu32 " file=%s partition=%" PRId32 " position=%s size_bytes=%" PRIu32
               " reason=\"%s\"",
               r->store->group_id, path, r->view.id.partition, position,
               log_segment_file_size(&r->view.meta, kind), err_text(flaw->err));
}

static void tell_repaired(const struct log_repair *r)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &r->view.id, r->view.meta.base_offset, r->view.meta.version,
                     LOG_FILE_DATA);
    event_info("segment_repaired",
               "group=%" PRIu32 " file=%s partition=%" PRId32 " size_bytes=%" PRIu32
               " fetched_bytes=%" PRIu64 " rebuilt=%s",
               r->store->group_id, path, r->view.id.partition, r->view.meta.size_bytes,
               r->taken_bytes, r->writes_data ? "data,indexes" : "indexes");
}

/* ---- life ---- */

static void begin_gathering(struct log_repair *r)
{
    r->phase = REPAIR_GATHERING;
    r->writes_data = (r->segment->damaged & LOG_DAMAGE_DATA) != 0;
    repair_begin_gathering(r);
}

int log_repair_begin(struct log_store *s, const struct log_flaw *flaw, void *data,
                     struct log_repair **repair)
{
    struct log_partition *p = log_store_partition(s, flaw->partition_number);
    struct log_segment *segment = NULL;
    if (p != NULL)
        segment = log_partition_find_segment(p, flaw->base_offset, flaw->version);
    if (segment == NULL)
        return ERR_NOT_FOUND;
    if (p->is_being_replaced || p->pending_reads >= LOG_PENDING_READS_MAX)
        return ERR_BUSY;
    struct log_repair *r = calloc(1, sizeof *r);
    if (r == NULL)
        return UV_ENOMEM;
    r->store = s;
    r->partition = p;
    r->segment = log_segment_ref(segment);
    r->partition_number = flaw->partition_number;
    r->data = data;
    r->item.data = r;
    r->trusts_own = true;
    r->view = (struct log_segment_view){.disk = s->disk, .id = p->id, .meta = segment->written};
    log_segment_check_init(&r->check, &r->view);
    if (segment->damaged != 0 && !segment->is_suspect)
        begin_gathering(r); /* what is wrong is known from an earlier attempt */
    p->pending_reads++;
    *repair = r;
    return 0;
}

static void unlock_flushes(struct log_repair *r)
{
    if (r->is_locked)
        r->partition->is_flushing = false;
    r->is_locked = false;
}

static void answer(struct log_repair *r, int status)
{
    unlock_flushes(r);
    r->cb(r->data, status);
}

static void on_answer(struct work_item *item)
{
    struct log_repair *r = item->data;
    answer(r, r->status);
}

static void answer_later(struct log_repair *r, int status)
{
    r->status = status;
    work_submit(r->store->home, &r->item, on_answer);
}

static void go_on(struct log_repair *r)
{
    work_submit(r->store->worker, &r->item, on_worker);
}

/* ---- between the phases, on the shard ---- */

static void end_check(struct log_repair *r)
{
    struct log_segment *s = r->segment;
    unsigned damaged = log_segment_check_damaged(&r->check);
    s->is_suspect = false;
    for (unsigned kind = 0; kind < LOG_FILE_KIND_COUNT; kind++)
        if ((damaged & ~s->damaged & 1u << kind) != 0) {
            tell_damage(r, (enum log_file_kind)kind);
            r->store->files_found++;
        }
    s->damaged = damaged;
    if (damaged == 0) {
        answer(r, 0);
        return;
    }
    begin_gathering(r);
    go_on(r);
}

/* All is gathered as far as the segment had come: now keep flushes away and take the rest. */
static void begin_closing(struct log_repair *r)
{
    if (r->partition->is_flushing) {
        answer(r, ERR_BUSY);
        return;
    }
    r->partition->is_flushing = r->is_locked = true;
    r->view.meta = r->segment->written;
    r->phase = REPAIR_CLOSING;
    go_on(r);
}

static void end_closing(struct log_repair *r)
{
    struct log_segment *s = r->segment;
    s->damaged = 0;
    s->is_not_repairable = false;
    s->defer_ms = s->defer_count = 0;
    s->mended_count++;
    r->store->segments_repaired++;
    tell_repaired(r);
    answer(r, 0);
}

bool log_repair_is_over(const struct log_repair *r)
{
    return !log_partition_has_segment(r->partition, r->segment) ||
           !log_partition_is_ours_to_mend(r->partition);
}

static void on_home(struct work_item *item)
{
    struct log_repair *r = item->data;
    int status = r->status;
    if (r->has_found_data) {
        r->has_found_data = false;
        r->segment->damaged |= LOG_DAMAGE_DATA;
    }
    if (log_repair_is_over(r))
        answer(r, ERR_NOT_FOUND);
    else if (status < 0)
        answer(r, status);
    else if (r->phase == REPAIR_CHECKING)
        end_check(r);
    else if (r->phase == REPAIR_GATHERING)
        begin_closing(r);
    else
        end_closing(r);
}

/* 1: the phase is over. */
static int work_some(struct log_repair *r)
{
    if (r->phase == REPAIR_CHECKING)
        return log_segment_check_go_on(&r->check, CHECK_BYTES_A_TIME);
    int status = repair_gather(r);
    if (status != 1 || r->phase == REPAIR_GATHERING)
        return status;
    status = repair_close_files(r);
    return status == 0 ? 1 : status;
}

static void on_worker(struct work_item *item)
{
    struct log_repair *r = item->data;
    r->status = work_some(r);
    if (r->status == 0)
        go_on(r); /* behind what else waits for the worker */
    else
        work_submit(r->store->home, item, on_home);
}

void log_repair_run(struct log_repair *r, log_repair_cb cb)
{
    r->cb = cb;
    if (log_repair_is_over(r)) {
        answer_later(r, ERR_NOT_FOUND);
        return;
    }
    if (r->phase == REPAIR_CLOSING)
        r->phase = REPAIR_GATHERING;
    go_on(r);
}

void log_repair_need(const struct log_repair *r, struct log_repair_need *need)
{
    const struct log_segment_meta *meta = &r->view.meta;
    *need = (struct log_repair_need){.partition_number = r->partition_number,
                                     .base_offset = meta->base_offset,
                                     .position = r->rebuilt.size_bytes,
                                     .offset = r->rebuilt.next_offset,
                                     .size_max = r->piece_size,
                                     .version = meta->version,
                                     .size_bytes = meta->size_bytes,
                                     .crc = meta->crc,
                                     .is_sealed = meta->is_sealed};
}

void log_repair_add(struct log_repair *r, const struct slice *piece, log_repair_cb cb)
{
    assert(r->phase != REPAIR_CHECKING && r->piece.bytes.size == 0);
    r->piece = slice_ref(*piece);
    if (r->piece_size < REPAIR_PIECE_MAX)
        r->piece_size *= 2; /* our own file brings it down again where it is sound */
    log_repair_run(r, cb);
}

void log_repair_restart(struct log_repair *r)
{
    assert(r->phase != REPAIR_CHECKING);
    r->phase = REPAIR_GATHERING;
    r->trusts_own = false;
    r->writes_data = true;
    r->segment->damaged |= LOG_DAMAGE_DATA;
    r->view.meta = r->segment->written;
    repair_begin_gathering(r);
}

void log_repair_defer(struct log_repair *r, uint64_t now_ms, bool is_final, const char *reason)
{
    struct log_segment *s = r->segment;
    char path[LOG_PATH_SIZE];
    s->defer_ms = now_ms + ((uint64_t)DEFER_MS << s->defer_count);
    if (s->defer_count < DEFER_COUNT_MAX)
        s->defer_count++;
    if (!is_final || s->is_not_repairable)
        return;
    s->is_not_repairable = true;
    log_segment_path(path, &r->view.id, r->view.meta.base_offset, r->view.meta.version,
                     LOG_FILE_DATA);
    event_error("segment_not_repairable",
                "group=%" PRIu32 " file=%s partition=%" PRId32 " position=%" PRIu32
                " offset=%" PRId64 " reason=\"%s\"",
                r->store->group_id, path, r->view.id.partition, r->rebuilt.size_bytes,
                r->rebuilt.next_offset, reason);
}

/* ---- the end ---- */

static void on_dropped(struct work_item *item)
{
    struct log_repair *r = item->data;
    log_repair_cb cb = r->cb;
    void *data = r->data;
    assert(r->partition->pending_reads > 0);
    r->partition->pending_reads--;
    log_segment_unref(r->segment);
    free(r);
    cb(data, 0);
}

static void run_drop(struct work_item *item)
{
    struct log_repair *r = item->data;
    repair_drop_files(r);
    work_submit(r->store->home, item, on_dropped);
}

void log_repair_end(struct log_repair *r, log_repair_cb cb)
{
    assert(!r->is_locked);
    r->cb = cb;
    slice_unref(&r->piece);
    work_submit(r->store->worker, &r->item, run_drop);
}

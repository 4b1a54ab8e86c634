/* The scrubber's reading: a store's segments in order, a piece at a time.
 *
 * The cursor is a name, not a pointer: between two pieces a segment may be retired, replaced or
 * mended, which ends the look at it. What differs is only suspected here, for all that may have
 * happened meanwhile; the repair looks again and says what is wrong. */
#include "scrub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "repair_internal.h"

#define PIECE_SIZE     (1u << 20)
#define CURSOR_VERSION 1u
#define CURSOR_SIZE    20 /* version, partition number, base offset, CRC-32C */
#define KEEP_CURSOR_NS UINT64_C(30000000000)

struct scrub {
    struct log_store *store;
    struct log_scrubber *scrubber;
    uint64_t pass;             /* that this store has begun last */
    bool is_done;              /* with it */
    uint32_t partition_number; /* of the segment being read, or read last */
    int64_t base_offset;       /* likewise; -1: before the first of the partition */
    struct log_segment_check check;
    struct log_segment *segment;     /* being read, referenced; NULL: choose the next */
    unsigned mended_count;           /* its own when the look at it began */
    struct log_partition *partition; /* while a piece is being read; held by pending_reads */
    struct work_item item;
    bool is_reading;
    int status;            /* of the piece */
    uint64_t bytes_before; /* of the check, before the piece */
    bool has_cursor;       /* an earlier process left it: the first pass goes on there */
    uint64_t kept_ns;      /* when the cursor was last kept */
};

static uint64_t segment_bytes(const struct log_segment *s)
{
    uint64_t bytes = 0;
    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++)
        bytes += log_segment_file_size(&s->written, (enum log_file_kind)kind);
    return bytes;
}

static bool is_readable(const struct log_partition *p, const struct log_segment *s)
{
    return log_partition_is_ours_to_mend(p) && s->damaged == 0 && !s->is_suspect &&
           log_partition_has_segment(p, s);
}

/* ---- the cursor on disk ---- */

static void cursor_path(const struct scrub *s, char *path)
{
    store_path(s->store, "/scrub", path);
}

/* On the worker. It is not synced, and nobody minds when it is lost: then a pass begins anew. */
static void keep_cursor(const struct scrub *s)
{
    uint8_t bytes[CURSOR_SIZE], *at = bytes;
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    at = bytes_put_le32(at, CURSOR_VERSION);
    at = bytes_put_le32(at, s->partition_number);
    at = bytes_put_le64(at, (uint64_t)s->base_offset);
    bytes_put_le32(at, crc32c(0, bytes_of(bytes, CURSOR_SIZE - 4)));
    cursor_path(s, path);
    if (disk_open(s->store->disk, path, DISK_WRITE | DISK_CREATE, &file) != 0)
        return;
    disk_write_bytes_at(s->store->disk, file, 0, bytes_of(bytes, CURSOR_SIZE));
    disk_close(s->store->disk, file);
}

static void find_cursor(struct scrub *s)
{
    uint8_t bytes[CURSOR_SIZE];
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    cursor_path(s, path);
    if (disk_open(s->store->disk, path, DISK_READ, &file) != 0)
        return;
    int64_t got = disk_read_at(s->store->disk, file, 0, bytes, sizeof bytes);
    disk_close(s->store->disk, file);
    if (got != CURSOR_SIZE || bytes_get_le32(bytes) != CURSOR_VERSION ||
        bytes_get_le32(bytes + CURSOR_SIZE - 4) != crc32c(0, bytes_of(bytes, CURSOR_SIZE - 4)))
        return;
    s->partition_number = bytes_get_le32(bytes + 4);
    s->base_offset = (int64_t)bytes_get_le64(bytes + 8);
    s->has_cursor = true;
}

static bool is_behind_cursor(const struct scrub *s, uint32_t number, int64_t base_offset)
{
    return number > s->partition_number ||
           (number == s->partition_number && base_offset > s->base_offset);
}

/* ---- a pass ---- */

static void begin_pass(struct scrub *s, uint64_t pass)
{
    uint64_t total = 0, before = 0;
    log_segment_unref(s->segment);
    s->segment = NULL;
    if (!s->has_cursor) {
        s->partition_number = 0;
        s->base_offset = -1;
    }
    s->has_cursor = false;
    for (uint32_t i = 0; i < s->store->partition_count; i++) {
        const struct log_partition *p = s->store->partitions[i]->partition;
        for (unsigned n = 0; n < p->segments.count; n++) {
            const struct log_segment *segment = p->segments.items[n];
            total += segment_bytes(segment);
            if (!is_behind_cursor(s, s->store->partitions[i]->number, segment->written.base_offset))
                before += segment_bytes(segment);
        }
    }
    s->pass = pass;
    s->is_done = false;
    scrubber_store_begins(s->scrubber, before, total);
}

/* The next segment behind the cursor. False at the end. */
static bool choose(struct scrub *s)
{
    for (uint32_t i = 0; i < s->store->partition_count; i++) {
        struct log_partition *p = s->store->partitions[i]->partition;
        uint32_t number = s->store->partitions[i]->number;
        for (unsigned n = 0; number >= s->partition_number && n < p->segments.count; n++) {
            struct log_segment *segment = p->segments.items[n];
            if (!is_behind_cursor(s, number, segment->written.base_offset) ||
                !is_readable(p, segment))
                continue;
            struct log_segment_view view = {
                .disk = s->store->disk, .id = p->id, .meta = segment->written};
            log_segment_check_init(&s->check, &view);
            s->segment = log_segment_ref(segment);
            s->mended_count = segment->mended_count;
            s->partition_number = number;
            s->base_offset = segment->written.base_offset;
            return true;
        }
    }
    return false;
}

/* Is it still what the look began at? */
static bool is_current(const struct scrub *s, const struct log_partition *p)
{
    return p != NULL && is_readable(p, s->segment) && s->segment->mended_count == s->mended_count;
}

static void leave_segment(struct scrub *s)
{
    log_segment_unref(s->segment);
    s->segment = NULL;
}

/* ---- a piece ---- */

static void tell(struct scrub *s, bool is_suspect)
{
    const struct log_segment_view *view = &s->check.view;
    int kind = s->check.kind < LOG_FILE_KIND_COUNT ? s->check.kind : LOG_FILE_DATA;
    struct scrub_progress progress = {.bytes = s->check.bytes_read - s->bytes_before,
                                      .is_segment_done = s->status == 1,
                                      .is_suspect = is_suspect};
    log_segment_path(progress.path, &view->id, view->meta.base_offset, view->meta.version,
                     (enum log_file_kind)kind);
    scrubber_has_read(s->scrubber, &progress);
}

static void on_piece(struct work_item *item)
{
    struct scrub *s = item->data;
    struct log_partition *p = s->partition;
    assert(p->pending_reads > 0);
    p->pending_reads--;
    s->is_reading = false;
    s->partition = NULL;
    bool is_suspect = s->status == 1 && log_segment_check_damaged(&s->check) != 0 &&
                      is_current(s, p);
    tell(s, is_suspect);
    if (is_suspect)
        log_partition_suspect(p, s->segment);
    if (s->status != 0)
        leave_segment(s); /* also when the machine has no memory or descriptors: the next pass */
}

static void read_piece(struct work_item *item)
{
    struct scrub *s = item->data;
    s->status = log_segment_check_go_on(&s->check, PIECE_SIZE);
    uint64_t now_ns = scrubber_now_ns(s->scrubber);
    if (s->status == 1 && now_ns - s->kept_ns >= KEEP_CURSOR_NS) {
        s->kept_ns = now_ns;
        keep_cursor(s);
    }
    work_submit(s->store->home, item, on_piece);
}

static void begin_piece(struct scrub *s, struct log_partition *p)
{
    s->partition = p;
    s->bytes_before = s->check.bytes_read;
    s->is_reading = true;
    p->pending_reads++;
    work_submit(s->store->worker, &s->item, read_piece);
}

static uint64_t piece_bytes(const struct scrub *s)
{
    uint64_t left = segment_bytes(s->segment) - s->check.bytes_read;
    return left < PIECE_SIZE ? left : PIECE_SIZE;
}

static void go_on(struct scrub *s)
{
    struct log_partition *p = log_store_partition(s->store, s->partition_number);
    if (s->segment != NULL && !is_current(s, p))
        leave_segment(s);
    if (s->segment == NULL && !choose(s)) {
        s->is_done =
            true; /* the cursor kept last leads to the end: the next process has little left */
        scrubber_store_ends(s->scrubber);
        return;
    }
    p = log_store_partition(s->store, s->partition_number);
    if (p->pending_reads < LOG_PENDING_READS_MAX / 2 && !p->is_being_replaced &&
        scrubber_may_read(s->scrubber, piece_bytes(s)))
        begin_piece(s, p);
}

void log_store_scrub(struct log_store *store)
{
    struct scrub *s = store->scrub;
    if (s == NULL || s->is_reading || store->install != NULL)
        return;
    uint64_t pass = scrubber_pass(s->scrubber);
    if (pass != s->pass)
        begin_pass(s, pass);
    if (pass > 0 && !s->is_done)
        go_on(s);
}

/* ---- life ---- */

void log_store_set_scrubber(struct log_store *store, struct log_scrubber *scrubber)
{
    assert(store->scrub == NULL);
    struct scrub *s = calloc(1, sizeof *s);
    if (s == NULL)
        return; /* this store is not scrubbed until the next start */
    s->store = store;
    s->scrubber = scrubber;
    s->item.data = s;
    s->is_done = true;
    s->kept_ns = scrubber_now_ns(scrubber);
    find_cursor(s);
    store->scrub = s;
    scrubber_join(scrubber);
}

bool log_store_is_scrubbing(const struct log_store *store)
{
    return store->scrub != NULL && store->scrub->is_reading;
}

void scrub_destroy(struct scrub *s)
{
    if (s == NULL)
        return;
    assert(!s->is_reading);
    scrubber_leave(s->scrubber, s->pass, s->is_done);
    log_segment_unref(s->segment);
    free(s);
}

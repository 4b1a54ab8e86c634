/* Idempotent producers: the last 5 batches of each, found by producer id.
 *
 * A producer numbers its records per partition; the window tells a repeated batch (answer what it
 * got the first time) from a gap (refuse). Producers hang in a hash table for finding and in a
 * list for eviction: each recorded batch moves its producer to the list's end, so the list is in
 * entry order and the first one goes when the count is reached. Order and contents are functions
 * of the recorded batches alone, so every replica evicts the same producer at the same entry.
 *
 * Sequences are 31 bits and wrap to 0 after INT32_MAX (KIP-98). Of two numbers the one is "before"
 * the other when it is less than half the circle behind. Stored form: docs/manifest_format.md.
 *
 * After a forced recovery a producer may have been told of batches that are lost. It goes on behind
 * them: so each producer of then may leave out sequences once, and one that is not known here may
 * begin anywhere (log_producer_stride). What is repeated is still found. */
#include "log/producer_state.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "base/err.h"
#include "producer_state_hook.h"

#define BUCKET_COUNT_FIRST 8
#define STATE_VERSION      1 /* of a state that no forced recovery has met */
#define STATE_STRIDDEN     2 /* ... of others: an id more, and a flag per producer */
#define MAY_JUMP           (1u << 15)
#define STATE_HEAD_SIZE    8
#define PRODUCER_HEAD_SIZE 20
#define BATCH_ENCODED_SIZE 24

struct window_batch {
    int32_t base_sequence, last_sequence;
    int64_t base_offset; /* what it was given */
    int64_t timestamp;   /* its largest */
};

struct producer {
    int64_t id;
    struct producer *same_bucket;     /* next in the hash chain */
    struct producer *earlier, *later; /* eviction list */
    int64_t wall_ms;                  /* clock of the entry that carried the last batch */
    int16_t epoch;
    bool may_jump;       /* its last batches may be lost: the next one need not follow */
    uint8_t batch_count; /* 1..LOG_PRODUCER_WINDOW */
    struct window_batch batches[LOG_PRODUCER_WINDOW]; /* oldest first */
};

struct log_producer_state {
    struct producer **buckets; /* chains; NULL until the first producer */
    unsigned bucket_count;     /* 0 or a power of two */
    unsigned count, count_max;
    int64_t unknown_end; /* ids below it, unknown here, may begin with any sequence */
    struct producer *earliest, *latest; /* eviction list's ends */
    log_producer_changed_cb on_change;  /* may be NULL */
    void *on_change_data;
};

struct log_producer_state *log_producer_state_create(unsigned producer_count_max)
{
    assert(producer_count_max > 0);
    struct log_producer_state *s = calloc(1, sizeof *s);
    if (s != NULL)
        s->count_max = producer_count_max;
    return s;
}

static void forget_all(struct log_producer_state *s)
{
    while (s->earliest != NULL) {
        struct producer *next = s->earliest->later;
        free(s->earliest);
        s->earliest = next;
    }
    s->latest = NULL;
    s->count = 0;
    s->unknown_end = 0;
    free(s->buckets);
    s->buckets = NULL;
    s->bucket_count = 0;
}

void log_producer_state_destroy(struct log_producer_state *s)
{
    if (s == NULL)
        return;
    forget_all(s);
    free(s);
}

void log_producer_state_on_change(struct log_producer_state *s, log_producer_changed_cb cb,
                                  void *data)
{
    s->on_change = cb;
    s->on_change_data = data;
}

static void changed(struct log_producer_state *s)
{
    if (s->on_change != NULL)
        s->on_change(s->on_change_data);
}

/* Fibonacci hashing: producer ids are handed out in blocks, so low bits alone would cluster. */
static unsigned bucket_of(const struct log_producer_state *s, int64_t id)
{
    uint64_t mixed = (uint64_t)id * 0x9e3779b97f4a7c15u;
    return (unsigned)(mixed >> 32) & (s->bucket_count - 1);
}

static struct producer *find(const struct log_producer_state *s, int64_t id)
{
    if (s->bucket_count == 0)
        return NULL;
    struct producer *p = s->buckets[bucket_of(s, id)];
    while (p != NULL && p->id != id)
        p = p->same_bucket;
    return p;
}

static int32_t sequence_after(int32_t sequence)
{
    return sequence == INT32_MAX ? 0 : sequence + 1;
}

/* Is `a` before `b` on the circle of 2^31 sequences? */
static bool is_before(int32_t a, int32_t b)
{
    uint32_t behind = ((uint32_t)b - (uint32_t)a) & INT32_MAX;
    return behind != 0 && behind < 1u << 30;
}

static const struct window_batch *last_batch(const struct producer *p)
{
    assert(p->batch_count > 0);
    return &p->batches[p->batch_count - 1];
}

static const struct window_batch *find_repeated(const struct producer *p,
                                                const struct log_producer_batch *batch)
{
    for (unsigned i = 0; i < p->batch_count; i++)
        if (p->batches[i].base_sequence == batch->base_sequence &&
            p->batches[i].last_sequence == batch->last_sequence)
            return &p->batches[i];
    return NULL;
}

enum log_producer_verdict log_producer_check(const struct log_producer_state *s,
                                             const struct log_producer_batch *batch,
                                             int64_t *base_offset, int64_t *timestamp)
{
    if (batch->producer_id < 0)
        return LOG_PRODUCER_NEW;
    const struct producer *p = find(s, batch->producer_id);
    if (p == NULL)
        return batch->base_sequence == 0 || batch->producer_id < s->unknown_end
                   ? LOG_PRODUCER_NEW
                   : LOG_PRODUCER_UNKNOWN;
    if (batch->producer_epoch < p->epoch)
        return LOG_PRODUCER_FENCED;
    if (batch->producer_epoch > p->epoch)
        return batch->base_sequence == 0 || p->may_jump ? LOG_PRODUCER_NEW
                                                        : LOG_PRODUCER_OUT_OF_ORDER;

    const struct window_batch *repeated = find_repeated(p, batch);
    if (repeated != NULL) {
        *base_offset = repeated->base_offset;
        *timestamp = repeated->timestamp;
        return LOG_PRODUCER_DUPLICATE;
    }
    int32_t expected = sequence_after(last_batch(p)->last_sequence);
    if (batch->base_sequence == expected)
        return LOG_PRODUCER_NEW;
    if (is_before(batch->base_sequence, expected))
        return LOG_PRODUCER_OLD_DUPLICATE;
    return p->may_jump ? LOG_PRODUCER_NEW : LOG_PRODUCER_OUT_OF_ORDER;
}

bool log_producer_is_stridden(const struct log_producer_state *s)
{
    return s->unknown_end > 0;
}

int64_t log_producer_last_offset(const struct log_producer_state *s, int64_t producer_id)
{
    const struct producer *p = find(s, producer_id);
    return p == NULL ? -1 : last_batch(p)->base_offset;
}

bool log_producer_is_jump(const struct log_producer_state *s,
                          const struct log_producer_batch *batch)
{
    int64_t offset, timestamp;
    if (batch->producer_id < 0 || batch->base_sequence == 0 ||
        log_producer_check(s, batch, &offset, &timestamp) != LOG_PRODUCER_NEW)
        return false;
    const struct producer *p = find(s, batch->producer_id);
    return p == NULL || batch->producer_epoch > p->epoch ||
           batch->base_sequence != sequence_after(last_batch(p)->last_sequence);
}

static void unlink_from_list(struct log_producer_state *s, struct producer *p)
{
    *(p->earlier != NULL ? &p->earlier->later : &s->earliest) = p->later;
    *(p->later != NULL ? &p->later->earlier : &s->latest) = p->earlier;
}

static void link_as_latest(struct log_producer_state *s, struct producer *p)
{
    p->earlier = s->latest;
    p->later = NULL;
    *(s->latest != NULL ? &s->latest->later : &s->earliest) = p;
    s->latest = p;
}

static void forget(struct log_producer_state *s, struct producer *p)
{
    struct producer **link = &s->buckets[bucket_of(s, p->id)];
    while (*link != p)
        link = &(*link)->same_bucket;
    *link = p->same_bucket;
    unlink_from_list(s, p);
    s->count--;
    free(p);
}

static int grow_buckets(struct log_producer_state *s)
{
    unsigned bucket_count = s->bucket_count == 0 ? BUCKET_COUNT_FIRST : s->bucket_count * 2;
    struct producer **buckets = calloc(bucket_count, sizeof(struct producer *));
    if (buckets == NULL)
        return UV_ENOMEM;
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_count = bucket_count;
    for (struct producer *p = s->earliest; p != NULL; p = p->later) {
        struct producer **bucket = &buckets[bucket_of(s, p->id)];
        p->same_bucket = *bucket;
        *bucket = p;
    }
    return 0;
}

static int add(struct log_producer_state *s, int64_t id, struct producer **added)
{
    if (s->count == s->bucket_count && grow_buckets(s) != 0)
        return UV_ENOMEM;
    struct producer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return UV_ENOMEM;
    if (s->count == s->count_max)
        forget(s, s->earliest);
    p->id = id;
    struct producer **bucket = &s->buckets[bucket_of(s, id)];
    p->same_bucket = *bucket;
    *bucket = p;
    link_as_latest(s, p);
    s->count++;
    *added = p;
    return 0;
}

int log_producer_record(struct log_producer_state *s, const struct log_producer_batch *batch,
                        int64_t base_offset, int64_t wall_ms)
{
    if (batch->producer_id < 0)
        return 0;
    struct producer *p = find(s, batch->producer_id);
    if (p == NULL) {
        int err = add(s, batch->producer_id, &p);
        if (err != 0)
            return err;
    } else {
        unlink_from_list(s, p);
        link_as_latest(s, p);
    }
    if (p->batch_count > 0 && p->epoch != batch->producer_epoch)
        p->batch_count = 0; /* a new epoch numbers from 0 again */
    p->epoch = batch->producer_epoch;
    p->may_jump = false;
    p->wall_ms = wall_ms;
    if (p->batch_count == LOG_PRODUCER_WINDOW) {
        memmove(p->batches, p->batches + 1, sizeof p->batches - sizeof p->batches[0]);
        p->batch_count--;
    }
    p->batches[p->batch_count++] = (struct window_batch){.base_sequence = batch->base_sequence,
                                                         .last_sequence = batch->last_sequence,
                                                         .base_offset = base_offset,
                                                         .timestamp = batch->max_timestamp};
    changed(s);
    return 0;
}

void log_producer_expire(struct log_producer_state *s, int64_t before_ms)
{
    /* The whole list: a leader's clock may have stepped back, so wall_ms need not be sorted. */
    unsigned count_before = s->count;
    for (struct producer *p = s->earliest, *next; p != NULL; p = next) {
        next = p->later;
        if (p->wall_ms < before_ms)
            forget(s, p);
    }
    if (s->count != count_before)
        changed(s);
}

void log_producer_state_set_count_max(struct log_producer_state *s, unsigned producer_count_max)
{
    assert(producer_count_max > 0);
    s->count_max = producer_count_max;
    while (s->count > s->count_max)
        forget(s, s->earliest);
    changed(s);
}

void log_producer_stride(struct log_producer_state *s, int64_t producer_id_end)
{
    for (struct producer *p = s->earliest; p != NULL; p = p->later)
        p->may_jump = true;
    if (s->unknown_end < producer_id_end)
        s->unknown_end = producer_id_end;
    changed(s);
}

unsigned log_producer_count(const struct log_producer_state *s)
{
    return s->count;
}

size_t log_producer_state_encoded_size(const struct log_producer_state *s)
{
    size_t size = STATE_HEAD_SIZE + (s->unknown_end > 0 ? 8 : 0);
    for (const struct producer *p = s->earliest; p != NULL; p = p->later)
        size += PRODUCER_HEAD_SIZE + p->batch_count * (size_t)BATCH_ENCODED_SIZE;
    return size;
}

void log_producer_state_encode(const struct log_producer_state *s, uint8_t *into)
{
    into = bytes_put_le32(into, s->unknown_end > 0 ? STATE_STRIDDEN : STATE_VERSION);
    into = bytes_put_le32(into, s->count);
    if (s->unknown_end > 0)
        into = bytes_put_le64(into, (uint64_t)s->unknown_end);
    for (const struct producer *p = s->earliest; p != NULL; p = p->later) {
        into = bytes_put_le64(into, (uint64_t)p->id);
        into = bytes_put_le64(into, (uint64_t)p->wall_ms);
        into = bytes_put_le16(into, (uint16_t)p->epoch);
        into = bytes_put_le16(into, (uint16_t)(p->batch_count | (p->may_jump ? MAY_JUMP : 0)));
        for (unsigned i = 0; i < p->batch_count; i++) {
            into = bytes_put_le32(into, (uint32_t)p->batches[i].base_sequence);
            into = bytes_put_le32(into, (uint32_t)p->batches[i].last_sequence);
            into = bytes_put_le64(into, (uint64_t)p->batches[i].base_offset);
            into = bytes_put_le64(into, (uint64_t)p->batches[i].timestamp);
        }
    }
}

static int decode_producer(struct log_producer_state *s, struct bytes_reader *r)
{
    int64_t id = (int64_t)bytes_read_le64(r);
    int64_t wall_ms = (int64_t)bytes_read_le64(r);
    int16_t epoch = (int16_t)bytes_read_le16(r);
    unsigned flags = bytes_read_le16(r), batch_count = flags & ~MAY_JUMP;
    bool may_jump = batch_count != flags;
    if (r->is_bad || (may_jump && s->unknown_end == 0) || id < 0 || batch_count < 1 ||
        batch_count > LOG_PRODUCER_WINDOW || find(s, id) != NULL)
        return ERR_MALFORMED;
    struct producer *p;
    int err = add(s, id, &p);
    if (err != 0)
        return err;
    p->wall_ms = wall_ms;
    p->epoch = epoch;
    p->may_jump = may_jump;
    p->batch_count = (uint8_t)batch_count;
    for (unsigned i = 0; i < batch_count; i++) {
        p->batches[i].base_sequence = (int32_t)bytes_read_le32(r);
        p->batches[i].last_sequence = (int32_t)bytes_read_le32(r);
        p->batches[i].base_offset = (int64_t)bytes_read_le64(r);
        p->batches[i].timestamp = (int64_t)bytes_read_le64(r);
    }
    return r->is_bad ? ERR_MALFORMED : 0;
}

int log_producer_state_decode(struct log_producer_state *s, struct bytes from)
{
    forget_all(s);
    struct bytes_reader r = bytes_reader_of(from);
    uint32_t version = bytes_read_le32(&r);
    uint32_t count = bytes_read_le32(&r);
    bool is_known = version == STATE_VERSION || version == STATE_STRIDDEN;
    int err = r.is_bad || !is_known || count > s->count_max ? ERR_MALFORMED : 0;
    if (err == 0 && version == STATE_STRIDDEN) {
        s->unknown_end = (int64_t)bytes_read_le64(&r);
        err = r.is_bad || s->unknown_end <= 0 ? ERR_MALFORMED : 0;
    }
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = decode_producer(s, &r);
    if (err == 0 && bytes_reader_left(&r) != 0)
        err = ERR_MALFORMED;
    if (err != 0)
        forget_all(s);
    return err;
}

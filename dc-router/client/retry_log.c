/* What failed, on disk, tried again later and later.
 *
 *   add ──▶ WAITING ──due──▶ IN HAND ──done──▶ gone
 *              ▲                │
 *              └──fails again───┴──too often──▶ GIVEN UP ──renewed──▶ WAITING
 *
 * It stands on a spool, which knows nothing of failures. What fails again is stored anew with its
 * new count, and then the old one is done: a crash between the two leaves both, so it is tried
 * twice, never lost. When it is due is not stored: after a restart each waits as long as its count
 * says, from then on, whatever clocks have done. */
#include "retry_log.h"

#include <stdlib.h>

/* uthash: without memory an addition fails, rather than the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define VERSION   1
#define HEAD_SIZE (4 + 4 + 8 + RETRY_REASON_SIZE)

enum state { WAITING, IN_HAND, GIVEN_UP };

struct item {
    uint64_t order; /* hash key; of the spool */
    uint64_t key_hash;
    uint64_t due_at_ms;
    uint32_t failure_count;
    uint32_t heap_at; /* while it is waiting */
    enum state state;
    UT_hash_handle hh;
};

struct retry_log {
    struct retry_log_options options;
    struct spool *spool;
    struct item *items;
    struct item **heap; /* those that wait, the next due first; room for all of them */
    uint32_t heap_count, heap_capacity;
    uint64_t given_up_count;
};

/* ---- the heap ---- */

static void heap_put(struct retry_log *log, uint32_t at, struct item *item)
{
    log->heap[at] = item;
    item->heap_at = at;
}

static bool is_before(const struct item *a, const struct item *b)
{
    return a->due_at_ms < b->due_at_ms || (a->due_at_ms == b->due_at_ms && a->order < b->order);
}

static void heap_rise(struct retry_log *log, uint32_t at)
{
    struct item *item = log->heap[at];
    for (; at > 0 && is_before(item, log->heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap_put(log, at, log->heap[(at - 1) / 2]);
    heap_put(log, at, item);
}

static void heap_sink(struct retry_log *log, uint32_t at)
{
    struct item *item = log->heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= log->heap_count)
            break;
        if (child + 1 < log->heap_count && is_before(log->heap[child + 1], log->heap[child]))
            child++;
        if (!is_before(log->heap[child], item))
            break;
        heap_put(log, at, log->heap[child]);
        at = child;
    }
    heap_put(log, at, item);
}

static int heap_reserve(struct retry_log *log)
{
    if (HASH_COUNT(log->items) < log->heap_capacity)
        return 0;
    uint32_t capacity = 2 * log->heap_capacity + 16;
    struct item **grown = realloc(log->heap, capacity * sizeof(struct item *));
    if (grown == NULL)
        return UV_ENOMEM;
    log->heap = grown;
    log->heap_capacity = capacity;
    return 0;
}

static void set_state(struct retry_log *log, struct item *item, enum state state, uint64_t due_at)
{
    if (item->state == WAITING) {
        struct item *last = log->heap[--log->heap_count];
        uint32_t at = item->heap_at;
        if (last != item) {
            heap_put(log, at, last);
            heap_rise(log, at);
            heap_sink(log, last->heap_at);
        }
    }
    log->given_up_count += (state == GIVEN_UP) - (uint64_t)(item->state == GIVEN_UP);
    item->state = state;
    item->due_at_ms = due_at;
    if (state == WAITING) {
        heap_put(log, log->heap_count++, item);
        heap_rise(log, item->heap_at);
    }
}

/* ---- items ---- */

static struct item *find(const struct retry_log *log, uint64_t order)
{
    struct item *item;
    HASH_FIND(hh, log->items, &order, sizeof order, item);
    return item;
}

/* Where it waits, if it does: until this, or not at all. */
static void settle(struct retry_log *log, struct item *item, uint64_t now_ms)
{
    const struct retry_log_options *o = &log->options;
    if (item->failure_count >= o->failure_count_max) {
        set_state(log, item, GIVEN_UP, 0);
        return;
    }
    uint64_t wait_ms = item->failure_count == 0 ? 0 : o->wait_ms;
    for (uint32_t i = 1; i < item->failure_count && wait_ms < o->wait_ms_max; i++)
        wait_ms *= 2;
    if (wait_ms > o->wait_ms_max)
        wait_ms = o->wait_ms_max;
    set_state(log, item, WAITING, now_ms + wait_ms);
}

/* In hand, as long as nobody settles it. */
static struct item *add_item(struct retry_log *log, uint64_t order, uint64_t key_hash,
                             uint32_t failure_count)
{
    struct item *item = heap_reserve(log) == 0 ? calloc(1, sizeof *item) : NULL;
    if (item == NULL)
        return NULL;
    *item = (struct item){
        .order = order, .key_hash = key_hash, .failure_count = failure_count, .state = IN_HAND};
    HASH_ADD(hh, log->items, order, sizeof item->order, item);
    if (item->hh.tbl != NULL)
        return item;
    free(item);
    return NULL;
}

static void remove_item(struct retry_log *log, struct item *item)
{
    set_state(log, item, IN_HAND, 0);
    HASH_DEL(log->items, item);
    free(item);
}

/* ---- bytes ---- */

/* Returned owned, or NULL without memory. */
static uint8_t *encode(const struct retry_entry *entry, size_t *size)
{
    *size = HEAD_SIZE + entry->content.size;
    uint8_t *bytes = malloc(*size);
    if (bytes == NULL)
        return NULL;
    uint8_t *at = bytes_put_le32(bytes, VERSION);
    at = bytes_put_le32(at, entry->failure_count);
    at = bytes_put_le64(at, (uint64_t)entry->failed_at_ms);
    memcpy(at, entry->reason, RETRY_REASON_SIZE);
    if (entry->content.size > 0)
        memcpy(at + RETRY_REASON_SIZE, entry->content.data, entry->content.size);
    return bytes;
}

static int decode(uint8_t *memory, size_t size, struct retry_entry *entry)
{
    struct bytes_reader reader = bytes_reader_of(bytes_of(memory, size));
    if (bytes_read_le32(&reader) != VERSION)
        return ERR_CORRUPT;
    entry->failure_count = bytes_read_le32(&reader);
    entry->failed_at_ms = (int64_t)bytes_read_le64(&reader);
    bytes_read_copy(&reader, entry->reason, RETRY_REASON_SIZE);
    if (reader.is_bad || entry->reason[RETRY_REASON_SIZE - 1] != '\0')
        return ERR_CORRUPT;
    entry->content = bytes_read(&reader, bytes_reader_left(&reader));
    entry->memory = memory;
    return 0;
}

static int read_entry(struct retry_log *log, const struct item *item, struct retry_entry *entry)
{
    uint8_t *memory;
    size_t size;
    *entry = (struct retry_entry){.order = item->order,
                                  .key_hash = item->key_hash,
                                  .failure_count = item->failure_count,
                                  .is_given_up = item->state == GIVEN_UP};
    int err = spool_read(log->spool, item->order, &memory, &size);
    if (err != 0)
        return err;
    err = decode(memory, size, entry);
    entry->failure_count = item->failure_count;
    if (err != 0)
        free(memory);
    return err;
}

static int store(struct retry_log *log, const struct retry_entry *entry, struct item **added)
{
    size_t size;
    uint8_t *bytes = encode(entry, &size);
    if (bytes == NULL)
        return UV_ENOMEM;
    uint64_t order = spool_order_next(log->spool);
    int err = spool_append(log->spool, order, entry->key_hash, bytes_of(bytes, size), false, true);
    free(bytes);
    if (err != 0)
        return err;
    *added = add_item(log, order, entry->key_hash, entry->failure_count);
    if (*added != NULL)
        return 0;
    spool_done(log->spool, order);
    return UV_ENOMEM;
}

/* ---- opened, closed ---- */

static int adopt_all(struct retry_log *log, uint64_t now_ms, struct retry_log_report *report)
{
    for (;;) {
        struct retry_entry entry = {0};
        uint64_t key_hash;
        if (!spool_peek(log->spool, &entry.order, &key_hash))
            return 0;
        uint8_t *memory;
        size_t size;
        int err = spool_take(log->spool, &entry.order, &memory, &size);
        if (err == 0) {
            err = decode(memory, size, &entry);
            free(memory);
            if (err != 0)
                spool_done(log->spool, entry.order);
        }
        if (err == ERR_CORRUPT) {
            report->lost_count++;
            continue;
        }
        if (err != 0)
            return err;
        struct item *item = add_item(log, entry.order, key_hash, entry.failure_count);
        if (item == NULL)
            return UV_ENOMEM;
        settle(log, item, now_ms);
    }
}

int retry_log_open(struct retry_log **opened, const struct retry_log_options *options,
                   uint64_t now_ms, struct retry_log_report *report, struct err_note *note)
{
    *report = (struct retry_log_report){0};
    if (options->failure_count_max == 0 || options->wait_ms == 0)
        return err_set(note, ERR_INVALID, "a retry log needs a wait and a cap");
    struct retry_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return err_set(note, UV_ENOMEM, "%s", err_text(UV_ENOMEM));
    log->options = *options;
    struct spool_options spool = {.disk = options->disk,
                                  .folder = options->folder,
                                  .bytes_max = options->bytes_max,
                                  .file_bytes_max = options->file_bytes_max,
                                  .record_count_max = options->record_count_max,
                                  .seed = options->seed};
    int err = spool_open(&log->spool, &spool, &report->spool, note);
    if (err == 0) {
        err = adopt_all(log, now_ms, report);
        if (err != 0)
            err_set(note, err, "%s: %s", options->folder, err_text(err));
    }
    report->given_up_count = log->given_up_count;
    if (err != 0)
        retry_log_close(log);
    else
        *opened = log;
    return err;
}

void retry_log_close(struct retry_log *log)
{
    if (log == NULL)
        return;
    struct item *item, *next;
    HASH_ITER(hh, log->items, item, next)
    {
        HASH_DEL(log->items, item);
        free(item);
    }
    free(log->heap);
    spool_close(log->spool);
    free(log);
}

/* ---- a record's life ---- */

static int add(struct retry_log *log, uint64_t key_hash, struct bytes content, const char *reason,
               uint32_t failure_count, int64_t failed_at_ms, uint64_t now_ms)
{
    struct retry_entry entry = {.key_hash = key_hash,
                                .failure_count = failure_count,
                                .failed_at_ms = failed_at_ms,
                                .content = content};
    bytes_copy_text(entry.reason, sizeof entry.reason, reason != NULL ? reason : "");
    struct item *item;
    int err = store(log, &entry, &item);
    if (err == 0)
        settle(log, item, now_ms);
    return err;
}

int retry_log_add(struct retry_log *log, uint64_t key_hash, struct bytes content,
                  const char *reason, int64_t failed_at_ms, uint64_t now_ms)
{
    return add(log, key_hash, content, reason, 1, failed_at_ms, now_ms);
}

int retry_log_add_given_up(struct retry_log *log, uint64_t key_hash, struct bytes content,
                           const char *reason, int64_t failed_at_ms)
{
    return add(log, key_hash, content, reason, log->options.failure_count_max, failed_at_ms, 0);
}

bool retry_log_next_due(const struct retry_log *log, uint64_t *at_ms)
{
    if (log->heap_count > 0)
        *at_ms = log->heap[0]->due_at_ms;
    return log->heap_count > 0;
}

int retry_log_take(struct retry_log *log, uint64_t now_ms, struct retry_entry *entry)
{
    if (log->heap_count == 0 || log->heap[0]->due_at_ms > now_ms)
        return ERR_NOT_FOUND;
    struct item *item = log->heap[0];
    int err = read_entry(log, item, entry);
    if (err == 0) {
        set_state(log, item, IN_HAND, 0);
    } else if (err == ERR_CORRUPT) {
        remove_item(log, item);
        spool_done(log->spool, entry->order);
    } else {
        set_state(log, item, WAITING, now_ms + log->options.wait_ms);
    }
    return err;
}

int retry_log_done(struct retry_log *log, uint64_t order)
{
    struct item *item = find(log, order);
    if (item == NULL)
        return ERR_NOT_FOUND;
    remove_item(log, item);
    return spool_done(log->spool, order);
}

/* Stored anew with its count, and then settled: the new one, or the old one where the disk does not
 * take it. */
static int store_again(struct retry_log *log, struct item *item, const char *reason,
                       uint64_t now_ms, bool *is_given_up)
{
    struct retry_entry entry;
    int err = read_entry(log, item, &entry);
    if (err == 0) {
        if (reason != NULL)
            bytes_copy_text(entry.reason, sizeof entry.reason, reason);
        struct item *added;
        err = store(log, &entry, &added);
        free(entry.memory);
        if (err == 0) {
            spool_done(log->spool, item->order);
            spool_sync(log->spool); /* so that a power cut seldom brings the old one back */
            remove_item(log, item);
            item = added;
        }
    }
    settle(log, item, now_ms);
    if (is_given_up != NULL)
        *is_given_up = item->state == GIVEN_UP;
    return err;
}

int retry_log_again(struct retry_log *log, uint64_t order, const char *reason, uint64_t now_ms,
                    bool *is_given_up)
{
    struct item *item = find(log, order);
    if (item == NULL)
        return ERR_NOT_FOUND;
    if (item->failure_count < log->options.failure_count_max)
        item->failure_count++;
    return store_again(log, item, reason, now_ms, is_given_up);
}

int retry_log_renew(struct retry_log *log, uint64_t order, uint64_t now_ms)
{
    struct item *item = find(log, order);
    if (item == NULL)
        return ERR_NOT_FOUND;
    if (item->state == IN_HAND)
        return ERR_BUSY;
    item->failure_count = 0;
    return store_again(log, item, NULL, now_ms, NULL);
}

int retry_log_give_back(struct retry_log *log, uint64_t order, uint64_t now_ms)
{
    struct item *item = find(log, order);
    if (item == NULL)
        return ERR_NOT_FOUND;
    if (item->state == IN_HAND)
        set_state(log, item, WAITING, now_ms);
    return 0;
}

/* ---- questions ---- */

static int by_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int retry_log_list(struct retry_log *log, retry_log_list_cb cb, void *data)
{
    size_t count = 0;
    uint64_t *orders = calloc(HASH_COUNT(log->items) + 1, sizeof *orders);
    if (orders == NULL)
        return UV_ENOMEM;
    for (const struct item *item = log->items; item != NULL; item = item->hh.next)
        orders[count++] = item->order;
    qsort(orders, count, sizeof *orders, by_order);
    for (size_t i = 0; i < count; i++) {
        const struct item *item = find(log, orders[i]);
        struct retry_entry entry;
        if (item == NULL)
            continue; /* the callback was done with it */
        int err = read_entry(log, item, &entry);
        cb(data, &entry, err);
        if (err == 0)
            free(entry.memory);
    }
    free(orders);
    return 0;
}

uint64_t retry_log_count(const struct retry_log *log)
{
    return HASH_COUNT(log->items);
}

uint64_t retry_log_given_up_count(const struct retry_log *log)
{
    return log->given_up_count;
}

uint64_t retry_log_bytes(const struct retry_log *log)
{
    return spool_bytes(log->spool);
}

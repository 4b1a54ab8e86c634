/* Fetch: record batches out of partitions, with long polling.
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
 * Fetch sessions (KIP-227) are refused with session id 0; clients then send whole fetches. One
 * that goes on with a session has none to go on with; one that ends or begins one is whole. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "error_code.h"
#include "fetch_path.h"
#include "request.h"

#define PARTITIONS_MAX METADATA_PARTITIONS_MAX /* of one request: no cluster has more */

#define SESSION_EPOCH_BEGIN 0
#define SESSION_EPOCH_END   (-1)

enum fetch_phase { FETCH_READING, FETCH_READ, FETCH_PARKING, FETCH_PARKED };

struct fetch_item {
    struct fetch_part part;
    struct fetch *fetch;
    struct kafka_fetch_response_partition *answer;
    bool is_refused; /* the answer stands already: unknown topic … */
};

struct fetch {
    struct request *request;
    struct broker *broker;
    struct kafka_fetch_response response;
    char rack[256];     /* client.rack */
    int64_t bytes_left; /* of the whole answer */
    size_t bytes_min;
    size_t bytes_read;    /* this round */
    size_t counted_bytes; /* of them, in broker.fetched_bytes */
    bool has_error;       /* an error is answered at once */
    bool is_late;         /* the deadline has passed: the next round is the last */
    atomic_bool is_woken; /* a waiter fired since parking began */
    enum fetch_phase phase;
    unsigned shard_index; /* of the visit */
    unsigned cursor;      /* item being read on that shard */
    struct request_deadline deadline;
    struct work_item visit;  /* to a shard and back */
    struct work_item wake;   /* from whoever wakes first */
    atomic_int wakes_posted; /* `wake` is queued: the fetch must stay */
    struct log_read *read;   /* while a round reads; a parked fetch has none */
    unsigned item_count;
    struct fetch_item items[];
};

static void begin_round(struct fetch *f);
static void round_done(struct fetch *f);
static void next_shard(struct fetch *f);

/* ---- answering ---- */

static void fill_answer(struct fetch_item *item)
{
    struct kafka_fetch_response_partition *answer = item->answer;
    if (item->is_refused)
        return;
    answer->error_code = item->part.error_code;
    if (answer->error_code == KAFKA_ERROR_NONE) { /* an error tells nothing of the partition */
        answer->high_watermark = item->part.high_watermark;
        answer->last_stable_offset = item->part.high_watermark;
        answer->log_start_offset = item->part.log_start_offset;
    }
    answer->preferred_read_replica = item->part.preferred_replica;
    answer->records = (struct kafka_slices){.items = item->part.slices,
                                            .count = (int32_t)item->part.slice_count};
}

static void free_read(struct fetch *f)
{
    free(f->read);
    f->read = NULL;
}

static void free_fetch(struct fetch *f)
{
    free_read(f);
    for (unsigned i = 0; i < f->item_count; i++)
        fetch_part_drop(&f->items[i].part);
    free(f);
}

static void count_bytes(struct fetch *f, size_t size)
{
    f->counted_bytes += size;
    atomic_fetch_add(&f->broker->fetched_bytes, size);
}

static void uncount_bytes(struct fetch *f)
{
    atomic_fetch_sub(&f->broker->fetched_bytes, f->counted_bytes);
    f->counted_bytes = 0;
}

static void answer(struct fetch *f)
{
    request_deadline_stop(&f->deadline);
    f->request->fetched_bytes = f->counted_bytes; /* until the client has them */
    for (unsigned i = 0; i < f->item_count; i++)
        fill_answer(&f->items[i]);
    request_answer(f->request, &f->response);
    free_fetch(f);
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
    if (status == 0 && fetch_part_take(&item->part, f->read) != 0)
        status = UV_ENOMEM;
    if (status != 0) {
        item->part.error_code = error_code_of(status);
        f->has_error = true;
        return;
    }
    if (f->bytes_read > 0 && (int64_t)item->part.size_bytes > f->bytes_left) {
        fetch_part_drop(&item->part); /* a first batch too large for what is left */
        return;
    }
    count_bytes(f, item->part.size_bytes);
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
    if (f->bytes_left <= 0 && f->bytes_read > 0)
        return true; /* the next fetch gets it */
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
        begin_round(f);
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
        begin_round(f);
}

/* Every shard was visited, so no waiter is left; but a wake may still be on its way here. */
static void round_done(struct fetch *f)
{
    f->phase = FETCH_READ;
    free_read(f);
    if (atomic_load(&f->wakes_posted) != 0)
        return; /* on_woken comes back to this */
    bool is_enough = f->bytes_read >= f->bytes_min && f->bytes_read > 0;
    if (is_enough || f->has_error || f->is_late || f->bytes_min == 0 ||
        request_is_abandoned(f->request)) {
        answer(f);
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

/* When slow clients hold all that answers may hold, each fetch gets one batch. */
static int64_t most_bytes(const struct fetch *f)
{
    const struct kafka_fetch_request *message = f->request->message;
    const struct broker *b = f->broker;
    if (atomic_load(&b->fetched_bytes) > (size_t)b->conf.memory_bytes_max)
        return 1;
    return message->max_bytes < b->conf.fetch_bytes_max ? message->max_bytes
                                                        : b->conf.fetch_bytes_max;
}

static void begin_round(struct fetch *f)
{
    uncount_bytes(f); /* the visits drop what the last round read */
    f->phase = FETCH_READING;
    f->shard_index = 0;
    f->bytes_read = 0;
    f->bytes_left = most_bytes(f);
    next_shard(f);
}

/* The next round is the last, whatever it reads: it also takes the waiters back. */
static void end_soon(struct fetch *f)
{
    f->is_late = true;
    if (f->phase == FETCH_PARKED && atomic_load(&f->wakes_posted) == 0)
        begin_round(f);
}

static void on_timeout(struct request_deadline *deadline)
{
    end_soon(deadline->data);
}

static void on_abandoned(struct request *r)
{
    end_soon(r->parked);
}

/* ---- the request ---- */

static void prepare(struct fetch *f, struct kafka_string topic,
                    const struct kafka_fetch_request_partition *from,
                    struct kafka_fetch_response_partition *into)
{
    struct fetch_item *item = &f->items[f->item_count++];
    kafka_fetch_response_partition_init(into);
    into->partition_index = from->partition_index;
    into->high_watermark = -1;
    if (((const struct kafka_fetch_request *)f->request->message)->isolation_level == 0)
        into->aborted_transactions_count = -1; /* null: not looked for */
    item->fetch = f;
    item->answer = into;
    item->part.offset = from->fetch_offset;
    item->part.leader_epoch = from->current_leader_epoch;
    item->part.size_bytes_max = from->partition_max_bytes > 0 ? (size_t)from->partition_max_bytes
                                                              : 0;
    item->part.may_follow = f->request->header.api_version >= 11;
    item->part.rack = f->rack;
    if (topic.size <= 0 || broker_find_partition(f->broker, topic.data, (size_t)topic.size,
                                                 from->partition_index, &item->part.place) != 0) {
        item->is_refused = true;
        into->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        item->part.group = broker_group(f->broker, item->part.place.group_id);
        item->is_refused = item->part.group == NULL;
        into->error_code = item->is_refused ? KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER : 0;
    }
    f->has_error |= item->is_refused;
}

static int prepare_topic(struct fetch *f, const struct kafka_fetch_request_topic *from,
                         struct kafka_fetch_response_topic *into)
{
    into->name = from->name;
    into->partitions_count = from->partitions_count;
    into->partitions = request_array(f->request, (size_t)from->partitions_count,
                                     sizeof *into->partitions);
    if (into->partitions == NULL && from->partitions_count > 0)
        return UV_ENOMEM;
    for (int32_t i = 0; i < from->partitions_count; i++)
        prepare(f, from->name, &from->partitions[i], &into->partitions[i]);
    return 0;
}

static struct fetch *create_fetch(struct request *r)
{
    const struct kafka_fetch_request *message = r->message;
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)message->topics[i].partitions_count;
    if (count > PARTITIONS_MAX)
        return NULL;
    struct fetch *f = calloc(1, sizeof *f + count * sizeof f->items[0]);
    if (f == NULL)
        return NULL;
    f->request = r;
    r->parked = f;
    request_count_bytes(r, sizeof *f + count * sizeof f->items[0]);
    r->on_abandoned = on_abandoned;
    f->broker = r->broker;
    f->visit.data = f->wake.data = f->deadline.data = f;
    f->bytes_min = message->min_bytes > 0 ? (size_t)message->min_bytes : 0;
    if (message->rack_id.size > 0 && (size_t)message->rack_id.size < sizeof f->rack)
        memcpy(f->rack, message->rack_id.data, (size_t)message->rack_id.size);
    kafka_fetch_response_init(&f->response);
    f->response.topics_count = message->topics_count;
    f->response.topics = request_array(r, (size_t)message->topics_count,
                                       sizeof *f->response.topics);
    if (f->response.topics == NULL && message->topics_count > 0) {
        free(f);
        return NULL;
    }
    return f;
}

static void refuse_session(struct request *r)
{
    struct kafka_fetch_response response;
    kafka_fetch_response_init(&response);
    response.error_code = KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    request_answer(r, &response);
}

void request_handle_fetch(struct request *r)
{
    const struct kafka_fetch_request *message = r->message;
    if (message->session_epoch != SESSION_EPOCH_BEGIN &&
        message->session_epoch != SESSION_EPOCH_END) {
        refuse_session(r);
        return;
    }
    struct fetch *f = create_fetch(r);
    if (f == NULL) {
        request_close_connection(r, "out of memory, or more partitions than there can be");
        return;
    }
    for (int32_t i = 0; i < message->topics_count; i++)
        if (prepare_topic(f, &message->topics[i], &f->response.topics[i]) != 0) {
            request_close_connection(r, "out of memory");
            free_fetch(f);
            return;
        }
    uint64_t wait_ms = message->max_wait_ms > 0 ? (uint64_t)message->max_wait_ms : 0;
    if (wait_ms == 0)
        f->is_late = true;
    else
        request_deadline_start(r, &f->deadline, r->received_ms + wait_ms, on_timeout);
    begin_round(f);
}

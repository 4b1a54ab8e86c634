/* Where the consumer reads: partitions that come and go, and from which offset on.
 *
 *   assigned ──▶ what is committed, and what is done here: the higher ──▶ fetched
 *                neither: its beginning or end, by setting; committed at once
 *   out of range ──▶ records gone: on from what is left.  Less there than was read: wait for it
 *
 * librdkafka is never left to choose an offset itself. So no broker's word, whether it is an older
 * committed offset or that a log is shorter than it was, throws the consumer back behind what it
 * has done: it says so and goes on from its own position. Only a seek goes back.
 *
 * All of it runs on the library's thread; questions to the cluster are asked without the lock. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "consumer_parts.h"

#define ANSWER_WAIT_MS 5000
#define TRY_EVERY_MS   1000
#define COMMIT_WAIT_MS 5000

/* ---- what librdkafka fetches ---- */

static rd_kafka_topic_partition_list_t *list_placed(struct trilog_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    pthread_mutex_lock(&c->lock);
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_assigned && part->is_placed)
            rd_kafka_topic_partition_list_add(list, part->key.topic, part->key.partition)->offset =
                part->position;
    pthread_mutex_unlock(&c->lock);
    return list;
}

/* All that are placed, each from its position on. What was fetched and is not ready is dropped by
 * librdkafka and fetched again. */
static void assign_placed(struct trilog_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = list_placed(c);
    rd_kafka_assign(c->kafka, list);
    if (list->cnt > 0)
        rd_kafka_resume_partitions(c->kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
    c->is_paused = false;
}

void consumer_pause(struct trilog_consumer *c, bool is_paused)
{
    rd_kafka_topic_partition_list_t *list = list_placed(c);
    if (list->cnt > 0 && is_paused)
        rd_kafka_pause_partitions(c->kafka, list);
    else if (list->cnt > 0)
        rd_kafka_resume_partitions(c->kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
    c->is_paused = is_paused;
}

/* ---- where a partition starts ---- */

static void place(struct part *part, int64_t position)
{
    part->position = position;
    part->is_placed = true;
    part->look_count = 0;
    part->read_to = NO_OFFSET;
    part->came_at_ms = consumer_now_ms();
    part->place_at_ms = part->came_at_ms + TRY_EVERY_MS; /* not again before that */
}

/* With the lock held. False when nobody knows of a position. */
static bool place_by_commit(struct trilog_consumer *c, struct part *part, int64_t committed)
{
    if (committed < part->committed)
        consumer_event(c, TRILOG_CONSUMER_EVENT_BEHIND,
                       "%s-%d: the cluster says that %" PRId64 " is committed, and %" PRId64
                       " was committed from here: goes on at %" PRId64,
                       part->key.topic, part->key.partition, committed, part->committed,
                       part->floor > committed ? part->floor : committed);
    part->committed = part->sent = committed;
    int64_t start = committed > part->floor ? committed : part->floor;
    if (start != NO_OFFSET)
        place(part, start);
    return start != NO_OFFSET;
}

/* What is never committed is kept here: after a rebalance the start would else be looked for anew,
 * at an end that has moved on. */
static void place_first(const struct trilog_consumer *c, struct part *part, int64_t start)
{
    place(part, start);
    if (c->options.commits_nothing)
        part->floor = start;
}

/* Those without any position. */
static bool place_fresh(struct trilog_consumer *c, rd_kafka_topic_partition_list_t *fresh)
{
    if (fresh->cnt == 0)
        return true;
    if (!consumer_start_ask(c, fresh))
        return false;
    bool is_whole = true;
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < fresh->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &fresh->elems[i];
        struct part_key key = consumer_part_key(p->topic, p->partition);
        struct part *part = consumer_part_find(c, &key);
        if (p->err != RD_KAFKA_RESP_ERR_NO_ERROR || p->offset < 0)
            is_whole = false;
        else if (part != NULL && part->is_assigned && !part->is_placed)
            place_first(c, part, p->offset);
    }
    c->wants_commit = true; /* so that it starts there the next time too */
    pthread_mutex_unlock(&c->lock);
    return is_whole;
}

/* Those whose position is not known here: what does the cluster know? */
static rd_kafka_topic_partition_list_t *list_unknown(struct trilog_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    pthread_mutex_lock(&c->lock);
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_assigned && !part->is_placed && part->position == NO_OFFSET)
            rd_kafka_topic_partition_list_add(list, part->key.topic, part->key.partition);
    pthread_mutex_unlock(&c->lock);
    return list;
}

static bool place_all(struct trilog_consumer *c, rd_kafka_topic_partition_list_t *committed)
{
    if (rd_kafka_committed(c->kafka, committed, ANSWER_WAIT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    bool is_whole = true;
    rd_kafka_topic_partition_list_t *fresh = rd_kafka_topic_partition_list_new(16);
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < committed->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &committed->elems[i];
        struct part_key key = consumer_part_key(p->topic, p->partition);
        struct part *part = consumer_part_find(c, &key);
        if (p->err != RD_KAFKA_RESP_ERR_NO_ERROR || part == NULL)
            is_whole = false;
        else if (!place_by_commit(c, part, p->offset >= 0 ? p->offset : NO_OFFSET))
            rd_kafka_topic_partition_list_add(fresh, p->topic, p->partition)->offset =
                consumer_start_of(c, committed, p->topic);
    }
    pthread_mutex_unlock(&c->lock);
    is_whole = place_fresh(c, fresh) && is_whole;
    rd_kafka_topic_partition_list_destroy(fresh);
    return is_whole;
}

static void place_unknown(struct trilog_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = list_unknown(c);
    bool is_whole = list->cnt == 0 || place_all(c, list);
    rd_kafka_topic_partition_list_destroy(list);
    pthread_mutex_lock(&c->lock);
    c->had_assignment = c->had_assignment || is_whole;
    uint64_t again_at_ms = consumer_now_ms() + TRY_EVERY_MS;
    for (struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_assigned && !part->is_placed && part->position == NO_OFFSET)
            part->place_at_ms = again_at_ms;
    pthread_mutex_unlock(&c->lock);
}

/* ---- a broker does not have what is wanted ---- */

void consumer_place_lost(struct trilog_consumer *c, const rd_kafka_message_t *m)
{
    struct part_key key = consumer_part_key(rd_kafka_topic_name(m->rkt), m->partition);
    pthread_mutex_lock(&c->lock);
    struct part *part = consumer_part_find(c, &key);
    if (part != NULL && part->is_assigned) {
        part->is_placed = false; /* and is looked at when place_at_ms says so */
        part->is_out_of_range = m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    pthread_mutex_unlock(&c->lock);
}

/* With the lock held. */
static void place_within(struct trilog_consumer *c, struct part *part, int64_t low, int64_t high)
{
    const char *topic = part->key.topic;
    int32_t partition = part->key.partition;
    if (part->position < low) {
        consumer_event(c, TRILOG_CONSUMER_EVENT_GONE,
                       "%s-%d: the records from %" PRId64 " to %" PRId64
                       " are gone, and were not read",
                       topic, partition, part->position, low);
        place(part, low);
        return;
    }
    if (part->is_out_of_range && !part->has_been_behind)
        consumer_event(c, TRILOG_CONSUMER_EVENT_BEHIND,
                       "%s-%d: a broker says that %" PRId64 " is out of range, and has %" PRId64
                       " to %" PRId64 ": goes on at %" PRId64 " %s",
                       topic, partition, part->position, low, high, part->position,
                       part->position <= high ? "now" : "once it is there");
    part->has_been_behind = part->position > high;
    if (part->has_been_behind)
        part->place_at_ms = consumer_now_ms() + TRY_EVERY_MS;
    else
        place(part, part->position);
}

static void look_at(struct trilog_consumer *c, const struct part_key *key)
{
    int64_t low, high;
    rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(c->kafka, key->topic, key->partition,
                                                               &low, &high, ANSWER_WAIT_MS);
    pthread_mutex_lock(&c->lock);
    struct part *part = consumer_part_find(c, key);
    if (part != NULL && err == RD_KAFKA_RESP_ERR_NO_ERROR)
        place_within(c, part, low, high);
    else if (part != NULL)
        part->place_at_ms = consumer_now_ms() + TRY_EVERY_MS;
    pthread_mutex_unlock(&c->lock);
}

/* One that is to be looked at now. */
static bool find_due(struct trilog_consumer *c, struct part_key *key, bool *is_unknown)
{
    uint64_t now_ms = consumer_now_ms();
    bool is_found = false;
    pthread_mutex_lock(&c->lock);
    for (const struct part *part = c->parts; part != NULL && !is_found; part = part->hh.next)
        if (part->is_assigned && !part->is_placed && now_ms >= part->place_at_ms) {
            is_found = true;
            *key = part->key;
            *is_unknown = part->position == NO_OFFSET;
        }
    pthread_mutex_unlock(&c->lock);
    return is_found;
}

/* ---- rebalances ---- */

static void tell_partitions(struct trilog_consumer *c)
{
    char text[TRILOG_TEXT_SIZE - 100] = "";
    size_t length = 0;
    c->state.partition_count = 0;
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next) {
        if (!part->is_assigned)
            continue;
        c->state.partition_count++;
        if (length < sizeof text - 1)
            length += (size_t)snprintf(text + length, sizeof text - length, " %s-%d",
                                       part->key.topic, part->key.partition);
    }
    consumer_event(c, TRILOG_CONSUMER_EVENT_PARTITIONS, "%" PRIu64 " partitions%s%s",
                   c->state.partition_count, text[0] != '\0' ? ":" : "", text);
}

static void note_known(struct trilog_consumer *c, const char *topic)
{
    for (size_t i = 0; i < c->topic_count; i++)
        if (strcmp(c->topics[i], topic) == 0)
            c->is_unknown[i] = false;
}

static void forget_missing(struct trilog_consumer *c)
{
    if (c->missing != NULL)
        rd_kafka_topic_partition_list_destroy(c->missing);
    c->missing = NULL;
}

/* There was no memory to know of it: another try is due. */
static void add_missing(struct trilog_consumer *c, const rd_kafka_topic_partition_t *p)
{
    if (c->missing == NULL)
        c->missing = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(c->missing, p->topic, p->partition);
    c->missing_at_ms = consumer_now_ms() + TRY_EVERY_MS;
}

/* What is still held of it from before is fetched again. */
static void begin_part(struct trilog_consumer *c, struct part *part)
{
    if (part->is_assigned)
        consumer_part_drop(c, part);
    part->is_assigned = true;
    part->is_placed = part->has_been_behind = false;
    part->place_at_ms = 0;
    part->position = NO_OFFSET;
}

static void on_assign(struct trilog_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    pthread_mutex_lock(&c->lock);
    forget_missing(c);
    for (int i = 0; i < list->cnt; i++) {
        struct part *part = consumer_part(c, list->elems[i].topic, list->elems[i].partition);
        note_known(c, list->elems[i].topic);
        if (part != NULL)
            begin_part(c, part);
        else
            add_missing(c, &list->elems[i]);
    }
    tell_partitions(c);
    pthread_mutex_unlock(&c->lock);
    consumer_run_events(c); /* before the first record comes */
    place_unknown(c);
    assign_placed(c);
}

static void assign_missing(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    rd_kafka_topic_partition_list_t *list = NULL;
    if (c->missing != NULL && consumer_now_ms() >= c->missing_at_ms) {
        list = c->missing;
        c->missing = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (list == NULL)
        return;
    on_assign(c, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void consumer_place_due(struct trilog_consumer *c)
{
    struct part_key key;
    bool is_unknown;
    assign_missing(c);
    if (!find_due(c, &key, &is_unknown))
        return;
    if (is_unknown)
        place_unknown(c);
    else
        look_at(c, &key);
    assign_placed(c);
}

static bool has_hands(const struct trilog_consumer *c)
{
    for (const struct held *h = c->in_hand.first; h != NULL; h = h->next)
        if (consumer_part_has(h))
            return true;
    return false;
}

/* What is in hand may still get done, so that nobody gets it again. */
static void wait_for_hands(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t end_ms = consumer_now_ms() + (uint64_t)c->settings.revoke_wait_ms;
    c->is_revoking = true;
    while (!c->is_closing && has_hands(c) && consumer_wait(c, end_ms))
        ;
    pthread_mutex_unlock(&c->lock);
}

void consumer_place_let_go(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    c->has_lost_done = c->has_lost_done || !consumer_is_committed(c);
    for (struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_assigned) {
            consumer_part_drop(c, part);
            part->is_assigned = part->is_placed = false;
        }
    forget_missing(c);
    c->is_revoking = false;
    tell_partitions(c);
    pthread_mutex_unlock(&c->lock);
    consumer_run_events(c);
}

static void on_revoke(struct trilog_consumer *c)
{
    bool is_lost = rd_kafka_assignment_lost(c->kafka); /* others may have them already */
    if (!is_lost) {
        wait_for_hands(c);
        consumer_commit_now(c, COMMIT_WAIT_MS);
    }
    consumer_place_let_go(c);
    rd_kafka_assign(c->kafka, NULL);
}

void consumer_on_rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t err,
                           rd_kafka_topic_partition_list_t *list, void *consumer)
{
    (void)kafka;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        on_assign(consumer, list);
    else
        on_revoke(consumer);
}

/* ---- seeks ---- */

static int resolve(struct trilog_consumer *c, const struct part_key *key, int64_t *offset)
{
    if (*offset >= 0)
        return 0;
    int64_t low, high;
    if (rd_kafka_query_watermark_offsets(c->kafka, key->topic, key->partition, &low, &high,
                                         ANSWER_WAIT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return TRILOG_ERR_TIMED_OUT;
    *offset = *offset == TRILOG_OFFSET_BEGINNING ? low : high;
    return 0;
}

/* True when librdkafka is to go there. */
static bool serve_seek(struct trilog_consumer *c, struct consumer_seek *seek)
{
    int64_t offset = seek->offset;
    int result = resolve(c, &seek->key, &offset);
    pthread_mutex_lock(&c->lock);
    struct part *part = consumer_part_find(c, &seek->key);
    if (result == 0 && (part == NULL || !part->is_assigned))
        result = TRILOG_ERR_NOT_ASSIGNED;
    if (result == 0) {
        consumer_part_drop(c, part);
        part->floor = offset;
        part->committed = NO_OFFSET; /* whatever it is, this one is committed */
        part->has_been_behind = false;
        place(part, offset);
        c->wants_commit = true;
    }
    seek->result = result;
    pthread_mutex_unlock(&c->lock);
    return result == 0;
}

/* The next one; NULL: none. It stays first in the list meanwhile. */
static struct consumer_seek *next_seek(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    struct consumer_seek *seek = c->seeks_first;
    pthread_mutex_unlock(&c->lock);
    return seek;
}

static void finish_seek(struct trilog_consumer *c, struct consumer_seek *seek)
{
    pthread_mutex_lock(&c->lock);
    c->seeks_first = seek->next;
    if (seek->next == NULL)
        c->seeks_last = NULL;
    seek->is_done = true;
    if (seek->is_abandoned)
        free(seek);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void consumer_serve_seeks(struct trilog_consumer *c)
{
    struct consumer_seek *seek;
    while ((seek = next_seek(c)) != NULL) {
        if (serve_seek(c, seek))
            assign_placed(c);
        finish_seek(c, seek);
    }
}

void consumer_refuse_seeks(struct trilog_consumer *c)
{
    struct consumer_seek *seek;
    while ((seek = next_seek(c)) != NULL) {
        seek->result = TRILOG_ERR_CLOSED;
        finish_seek(c, seek);
    }
}

bool consumer_has_partitions(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    bool has_partitions = c->state.partition_count > 0;
    pthread_mutex_unlock(&c->lock);
    return has_partitions;
}

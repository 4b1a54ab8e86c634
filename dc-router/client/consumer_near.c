/* Reading in the own site, and leaving it when nothing comes from there.
 *
 * A partition's leader names the replica of the consumer's site, and librdkafka reads from that:
 * for five minutes, also when its node is gone or hangs, as long as the leader is another one. So
 * the ends of partitions that have become quiet are asked for; where records are that do not come,
 * the consumer gets a new handle that reads from leaders.
 *
 * It returns by another new handle: not before near_return_ms, longer each time that it had to
 * leave again, when the policy has its site first, and, for as long again, only while nothing is in
 * hand. Each way is a rebalance. Behind routers none of it is needed: these choose the replica, and
 * connections are led to another site's as the producer's are. */
#include <inttypes.h>

#include "consumer_parts.h"

#define LOOK_EVERY_MS  2000
#define QUIET_MS       2000
#define ANSWER_WAIT_MS 1000
#define LOOKS_MAX      2 /* so often there was more, and nothing came */
#define DOUBLINGS_MAX  5
#define LEFT_KEPT_MS   600000 /* who was near for so long begins to count anew */

/* With the lock held. Returned owned; empty where all are busy. */
static rd_kafka_topic_partition_list_t *list_quiet(struct trilog_consumer *c, uint64_t now_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_assigned && part->is_placed && now_ms - part->came_at_ms >= QUIET_MS)
            rd_kafka_topic_partition_list_add(list, part->key.topic, part->key.partition)->offset =
                RD_KAFKA_OFFSET_END;
    return list;
}

static uint64_t return_wait_ms(const struct trilog_consumer *c)
{
    unsigned doublings = c->near_left_count < DOUBLINGS_MAX ? c->near_left_count : DOUBLINGS_MAX;
    return (uint64_t)c->settings.near_return_ms << doublings;
}

/* Does one of them have records that do not come? With the lock held. */
static bool is_starved(struct trilog_consumer *c, const rd_kafka_topic_partition_list_t *ends)
{
    for (int i = 0; i < ends->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &ends->elems[i];
        struct part_key key = consumer_part_key(p->topic, p->partition);
        struct part *part = consumer_part_find(c, &key);
        if (part == NULL || p->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        part->look_count = p->offset > part->position ? part->look_count + 1 : 0;
        if (part->look_count < LOOKS_MAX)
            continue;
        consumer_event(
            c, TRILOG_CONSUMER_EVENT_LEFT_SITE,
            "%s-%d has records from %" PRId64 " to %" PRId64
            " that do not come from site %s: reads from leaders for %" PRIu64 " ms and more",
            p->topic, p->partition, part->position, p->offset, c->settings.site, return_wait_ms(c));
        return true;
    }
    return false;
}

/* The next look is a while off. False where there is none: a handle made anew would throw out
 * whoever has its name now. */
static bool begin_look(struct trilog_consumer *c, uint64_t now_ms)
{
    pthread_mutex_lock(&c->lock);
    c->near_at_ms = now_ms + LOOK_EVERY_MS;
    bool is_fatal = c->is_fatal;
    pthread_mutex_unlock(&c->lock);
    return !is_fatal;
}

/* Does something not come from there? */
static bool is_to_leave(struct trilog_consumer *c, uint64_t now_ms)
{
    pthread_mutex_lock(&c->lock);
    rd_kafka_topic_partition_list_t *list = consumer_is_full(c) ? NULL : list_quiet(c, now_ms);
    pthread_mutex_unlock(&c->lock);
    bool is_answered = list != NULL && list->cnt > 0 &&
                       rd_kafka_offsets_for_times(c->kafka, list, ANSWER_WAIT_MS) ==
                           RD_KAFKA_RESP_ERR_NO_ERROR;
    bool is_left = false;
    if (is_answered) {
        pthread_mutex_lock(&c->lock);
        if (now_ms - c->near_since_ms >= LEFT_KEPT_MS)
            c->near_left_count = 0;
        is_left = is_starved(c, list);
        pthread_mutex_unlock(&c->lock);
    }
    if (list != NULL)
        rd_kafka_topic_partition_list_destroy(list);
    return is_left;
}

static void leave(struct trilog_consumer *c)
{
    c->near_again_at_ms = consumer_now_ms() + return_wait_ms(c);
    c->near_left_count++;
    c->reads_near = false;
    consumer_renew(c);
}

static bool is_to_return(struct trilog_consumer *c, uint64_t now_ms)
{
    if (now_ms < c->near_again_at_ms || !consumer_is_own_site_first(c))
        return false;
    pthread_mutex_lock(&c->lock);
    bool is_idle = c->in_hand.count == 0;
    pthread_mutex_unlock(&c->lock);
    bool is_late = now_ms - c->near_again_at_ms >= (uint64_t)c->settings.near_return_ms;
    return consumer_has_partitions(c) && (is_idle || is_late);
}

static void come_back(struct trilog_consumer *c, uint64_t now_ms)
{
    c->reads_near = true;
    c->near_since_ms = now_ms;
    pthread_mutex_lock(&c->lock);
    consumer_event(c, TRILOG_CONSUMER_EVENT_BACK_AT_SITE, "reads from its own site %s again",
                   c->settings.site);
    pthread_mutex_unlock(&c->lock);
    consumer_renew(c);
}

void consumer_near_watch(struct trilog_consumer *c)
{
    uint64_t now_ms = consumer_now_ms();
    if (c->is_paused || now_ms < c->near_at_ms || consumer_has_routers(c))
        return;
    if (!begin_look(c, now_ms))
        return;
    if (c->reads_near && is_to_leave(c, now_ms))
        leave(c);
    else if (!c->reads_near && is_to_return(c, now_ms))
        come_back(c, now_ms);
}

/* The end, for who wants to stop there.
 *
 * It is where a partition's leader ended when the partition came, so that it stands still while
 * others go on writing; a replica of the own site, which may lag, is not believed. It is reached by
 * the records that come, or when librdkafka has nothing more from there on: the last offsets may be
 * none of a record. */
#include "consumer_parts.h"

#define ASK_EVERY_MS   500
#define ANSWER_WAIT_MS 1000

static bool is_level(const struct part *part)
{
    return part->is_placed && part->end != NO_OFFSET &&
           (part->position >= part->end || part->read_to >= part->end);
}

bool consumer_is_at_end(const struct trilog_consumer *c)
{
    unsigned count = 0;
    if (!c->options.stops_at_end || c->ready.count > 0)
        return false;
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next) {
        if (part->is_assigned && !is_level(part))
            return false;
        count += part->is_assigned;
    }
    return count > 0;
}

void consumer_end_note(struct trilog_consumer *c, const rd_kafka_message_t *m)
{
    struct part_key key = consumer_part_key(rd_kafka_topic_name(m->rkt), m->partition);
    struct part *part = consumer_part_find(c, &key);
    if (part != NULL && part->is_placed)
        part->read_to = m->offset;
    pthread_cond_broadcast(&c->changed);
}

/* Returned owned; empty when all are known. */
static rd_kafka_topic_partition_list_t *list_unknown(struct trilog_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    pthread_mutex_lock(&c->lock);
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_placed && part->end == NO_OFFSET)
            rd_kafka_topic_partition_list_add(list, part->key.topic, part->key.partition)->offset =
                RD_KAFKA_OFFSET_END;
    pthread_mutex_unlock(&c->lock);
    return list;
}

static void take_ends(struct trilog_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        struct part_key key = consumer_part_key(p->topic, p->partition);
        struct part *part = consumer_part_find(c, &key);
        if (part != NULL && p->err == RD_KAFKA_RESP_ERR_NO_ERROR && p->offset >= 0)
            part->end = p->offset;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void consumer_end_watch(struct trilog_consumer *c)
{
    uint64_t now_ms = consumer_now_ms();
    if (!c->options.stops_at_end || c->kafka == NULL || now_ms < c->end_at_ms)
        return;
    rd_kafka_topic_partition_list_t *list = list_unknown(c);
    if (list->cnt > 0) {
        c->end_at_ms = now_ms + ASK_EVERY_MS;
        if (rd_kafka_offsets_for_times(c->kafka, list, ANSWER_WAIT_MS) ==
            RD_KAFKA_RESP_ERR_NO_ERROR)
            take_ends(c, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Commits: what is done, in order, never less than was committed from here.
 *
 * Now and then in the background; synchronously before a partition is given away, at the end, and
 * when somebody asks. An offset that was refused is sent again the next time. */
#include <stdio.h>

#include "consumer_parts.h"

/* What is to be committed of it; NO_OFFSET: nothing new. */
static int64_t due_of(const struct trilog_consumer *c, const struct part *part)
{
    int64_t done_to = consumer_part_done_to(part);
    if (c->options.commits_nothing || !part->is_assigned || done_to < 0 ||
        done_to == part->committed)
        return NO_OFFSET;
    return done_to;
}

/* Returned owned, or NULL where nothing is new. With the lock held. */
static rd_kafka_topic_partition_list_t *list_due(struct trilog_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (struct part *part = c->parts; part != NULL; part = part->hh.next) {
        int64_t offset = due_of(c, part);
        if (offset == NO_OFFSET)
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new(16);
        rd_kafka_topic_partition_list_add(list, part->key.topic, part->key.partition)->offset =
            offset;
        part->sent = offset;
    }
    return list;
}

bool consumer_is_committed(const struct trilog_consumer *c)
{
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (due_of(c, part) != NO_OFFSET)
            return false;
    return true;
}

static void note_refusal(struct trilog_consumer *c, rd_kafka_resp_err_t err)
{
    if (err == c->not_committed || err == RD_KAFKA_RESP_ERR__NO_OFFSET)
        return;
    c->not_committed = err;
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        consumer_event(c, TRILOG_CONSUMER_EVENT_NOT_COMMITTED,
                       "what is done could not be committed, and is tried again: %s",
                       rd_kafka_err2str(err));
}

/* True when all of it succeeded. */
static bool take_result(struct trilog_consumer *c, rd_kafka_resp_err_t err,
                        const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        struct part_key key = consumer_part_key(p->topic, p->partition);
        struct part *part = consumer_part_find(c, &key);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR && p->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            err = p->err;
        if (part != NULL && p->err == RD_KAFKA_RESP_ERR_NO_ERROR && p->offset == part->sent &&
            err == RD_KAFKA_RESP_ERR_NO_ERROR)
            part->committed = p->offset;
    }
    note_refusal(c, err);
    pthread_cond_broadcast(&c->changed);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void consumer_on_commit(rd_kafka_t *kafka, rd_kafka_resp_err_t err,
                        rd_kafka_topic_partition_list_t *list, void *consumer)
{
    (void)kafka;
    struct trilog_consumer *c = consumer;
    pthread_mutex_lock(&c->lock);
    c->is_committing = false;
    if (take_result(c, err, list))
        c->commits_made = c->commits_begun;
    pthread_mutex_unlock(&c->lock);
}

void consumer_commit_due(struct trilog_consumer *c)
{
    uint64_t now_ms = consumer_now_ms();
    pthread_mutex_lock(&c->lock);
    rd_kafka_topic_partition_list_t *list = NULL;
    if (!c->is_committing && (c->wants_commit || now_ms >= c->commit_at_ms)) {
        list = list_due(c);
        c->is_committing = list != NULL;
        c->commits_begun++;
        if (list == NULL) {
            c->commits_made = c->commits_begun; /* nothing new */
            pthread_cond_broadcast(&c->changed);
        }
        c->wants_commit = false;
        c->commit_at_ms = now_ms + (uint64_t)c->settings.commit_ms;
    }
    pthread_mutex_unlock(&c->lock);
    if (list == NULL)
        return;
    if (rd_kafka_commit(c->kafka, list, 1) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        pthread_mutex_lock(&c->lock);
        c->is_committing = false;
        pthread_mutex_unlock(&c->lock);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void consumer_commit_now(struct trilog_consumer *c, int timeout_ms)
{
    pthread_mutex_lock(&c->lock);
    rd_kafka_topic_partition_list_t *list = list_due(c);
    pthread_mutex_unlock(&c->lock);
    if (list == NULL)
        return;
    rd_kafka_queue_t *answers = rd_kafka_queue_new(c->kafka);
    rd_kafka_event_t *event = NULL;
    if (rd_kafka_commit_queue(c->kafka, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR)
        event = rd_kafka_queue_poll(answers, timeout_ms);
    pthread_mutex_lock(&c->lock);
    if (event != NULL)
        take_result(c, rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event));
    else
        note_refusal(c, RD_KAFKA_RESP_ERR__TIMED_OUT);
    pthread_mutex_unlock(&c->lock);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_topic_partition_list_destroy(list);
}

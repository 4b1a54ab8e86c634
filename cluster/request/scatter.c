/* Asking several raft groups and gathering their answers. Counting happens on the connection's
 * shard alone, so no lock is needed. */
#include "request/scatter.h"

#include "error_code.h"

void scatter_begin(struct scatter *s, struct request *r, void *response, scatter_finish_cb finish)
{
    *s = (struct scatter){.request = r, .response = response, .pending = 1, .finish = finish};
}

void scatter_end(struct scatter *s)
{
    if (--s->pending == 0)
        s->finish(s);
}

static void on_there(struct work_item *work)
{
    struct scatter_item *item = work->data;
    item->run(item);
}

static void on_back(struct work_item *work)
{
    struct scatter_item *item = work->data;
    scatter_end(item->scatter);
}

int16_t scatter_send(struct scatter *s, struct scatter_item *item, struct kafka_string topic,
                     int32_t partition, scatter_run_cb run)
{
    struct broker *b = s->request->broker;
    if (topic.size <= 0 ||
        broker_find_partition(b, topic.data, (size_t)topic.size, partition, &item->place) != 0)
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    item->group = broker_group(b, item->place.group_id);
    if (item->group == NULL)
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    item->scatter = s;
    item->run = run;
    item->work.data = item;
    s->pending++;
    broker_group_post(item->group, &item->work, on_there);
    return KAFKA_ERROR_NONE;
}

void scatter_item_done(struct scatter_item *item)
{
    request_post_back(item->scatter->request, &item->work, on_back);
}

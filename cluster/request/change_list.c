/* Changes of the metadata on behalf of a request. */
#include "request/change_list.h"

#include <string.h>

#include "base/err.h"
#include "error_code.h"
#include "topic_replication.h"

#define TIMEOUT_MS_MAX 60000
#define OPEN_MS_MAX    5000
#define TIMEOUT_MS_MIN 1000 /* some tools send 0 and mean: soon */

void change_list_begin(struct change_list *list, struct request *r, void *response,
                       change_list_cb finish)
{
    *list = (struct change_list){
        .request = r, .response = response, .pending = 1, .finish = finish};
}

void change_list_end(struct change_list *list)
{
    if (--list->pending == 0)
        list->finish(list);
}

/* The verdict as Kafka's code. */
static int16_t code_of(const struct change_item *item, int status)
{
    int err = status != 0 ? status : item->change.result.error;
    switch (err) {
    case ERR_EXISTS:
        return item->exists_code;
    case ERR_INVALID:
        return item->invalid_code;
    case ERR_NOT_LEADER:
    case ERR_LEADERSHIP_LOST:
        return KAFKA_ERROR_REQUEST_TIMED_OUT; /* fate unknown: clients look, or try again */
    default:
        return error_code_of(err);
    }
}

static void on_open(struct open_wait *wait)
{
    struct change_item *item = wait->data;
    change_list_end(item->list);
}

static void on_verdict(struct controller_change *change, int status)
{
    struct change_item *item = change->data;
    if (item->error_code != NULL)
        *item->error_code = code_of(item, status);
    if (status == 0 && change->result.error == 0 && item->makes_partitions) {
        item->open.data = item;
        open_wait_begin(&item->open, item->list->request, item->topic_id, OPEN_MS_MAX, on_open);
        return;
    }
    change_list_end(item->list);
}

/* Whatever came of it: where there is no group for the topic, apply takes another. */
static void on_group(struct controller_change *group, int status)
{
    struct change_item *item = group->data;
    (void)status;
    controller_propose(item->list->request->broker->controller, &item->change, on_verdict);
}

static uint64_t bounded(int32_t timeout_ms)
{
    if (timeout_ms < TIMEOUT_MS_MIN)
        return TIMEOUT_MS_MIN;
    return timeout_ms > TIMEOUT_MS_MAX ? TIMEOUT_MS_MAX : (uint64_t)timeout_ms;
}

int16_t change_list_send(struct change_list *list, struct change_item *item,
                         const struct metadata_change *change, int32_t timeout_ms,
                         int16_t *error_code)
{
    int err = metadata_change_encode(change, &item->change.body, &item->change.body_size);
    if (err != 0)
        return err == ERR_INVALID ? KAFKA_ERROR_INVALID_REQUEST : error_code_of(err);
    item->list = list;
    item->error_code = error_code;
    item->change.data = item;
    item->change.home = list->request->shard;
    item->change.timeout_ms = bounded(timeout_ms);
    item->makes_partitions = change->kind == METADATA_TOPIC_CREATE ||
                             change->kind == METADATA_TOPIC_PARTITIONS;
    memcpy(item->topic_id, change->id, sizeof item->topic_id);
    list->pending++;
    struct broker *b = list->request->broker;
    if (change->kind == METADATA_TOPIC_CREATE &&
        topic_replication_new_group(b->metadata, change, &item->group)) {
        item->group.data = item;
        item->group.home = list->request->shard;
        item->group.timeout_ms = item->change.timeout_ms;
        controller_propose(b->controller, &item->group, on_group);
    } else {
        controller_propose(b->controller, &item->change, on_verdict);
    }
    return KAFKA_ERROR_NONE;
}

/* One ListOffsets for each leader, or several where it leads very many of the partitions. */
#include "admin/offset_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "protocol/messages.h"

#define LIST_OFFSETS_VERSION 7

static int by_leader(const void *a, const void *b)
{
    const struct offset_wish *first = a, *second = b;
    if (first->leader != second->leader)
        return first->leader < second->leader ? -1 : 1;
    int order = strcmp(first->topic, second->topic);
    if (order != 0)
        return order;
    return (first->partition > second->partition) - (first->partition < second->partition);
}

static void find_leader(struct broker *b, struct offset_wish *wish)
{
    struct broker_place place;
    wish->is_known = false;
    wish->offset = wish->leader_epoch = -1;
    wish->leader = 0;
    if (broker_find_partition(b, wish->topic, strlen(wish->topic), wish->partition, &place) == 0)
        wish->leader = broker_group_leader(b, place.group_id, NULL);
}

static void one_less(struct offset_lookup *lookup)
{
    if (--lookup->pending == 0)
        lookup->cb(lookup);
}

static int compare(struct kafka_string topic, int32_t partition, const struct offset_wish *wish)
{
    size_t size = (size_t)topic.size, own = strlen(wish->topic);
    int order = memcmp(topic.data, wish->topic, size < own ? size : own);
    if (order == 0)
        order = (size > own) - (size < own);
    return order != 0 ? order : (partition > wish->partition) - (partition < wish->partition);
}

/* The wish among `count` sorted ones, or NULL: what a node says more is left alone. */
static struct offset_wish *find(struct offset_wish *wishes, size_t count, struct kafka_string topic,
                                int32_t partition)
{
    while (count > 0) {
        size_t half = count / 2;
        int order = compare(topic, partition, &wishes[half]);
        if (order == 0)
            return &wishes[half];
        if (order > 0) {
            wishes += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return NULL;
}

static void take_partition(const struct offset_lookup_part *part, struct kafka_string topic,
                           const struct kafka_list_offsets_response_partition *p)
{
    struct offset_wish *wish = topic.size < 0 || p->error_code != 0
                                   ? NULL
                                   : find(part->wishes, part->count, topic, p->partition_index);
    if (wish == NULL)
        return;
    wish->is_known = true;
    wish->offset = p->offset;
    wish->leader_epoch = p->leader_epoch;
}

static void on_answer(void *data, int status, const void *answer)
{
    struct offset_lookup_part *part = data;
    const struct kafka_list_offsets_response *response = answer;
    for (int32_t t = 0; status == 0 && t < response->topics_count; t++)
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++)
            take_partition(part, response->topics[t].name, &response->topics[t].partitions[p]);
    one_less(part->lookup);
}

/* The message for `count` wishes of one leader; its topics lie in one piece with it. */
static struct kafka_list_offsets_request *message_of(const struct offset_wish *wishes, size_t count)
{
    struct kafka_list_offsets_request *m;
    struct kafka_list_offsets_request_topic *topics;
    struct kafka_list_offsets_request_partition *partitions;
    m = calloc(1, sizeof *m + count * (sizeof *topics + sizeof *partitions));
    if (m == NULL)
        return NULL;
    topics = (void *)(m + 1);
    partitions = (void *)(topics + count);
    kafka_list_offsets_request_init(m);
    m->replica_id = -1;
    m->topics = topics;
    for (size_t i = 0; i < count; i++) {
        bool is_new = i == 0 || strcmp(wishes[i].topic, wishes[i - 1].topic) != 0;
        struct kafka_list_offsets_request_topic *topic;
        if (is_new) {
            topic = &topics[m->topics_count++];
            topic->name = kafka_string_of(wishes[i].topic);
            topic->partitions = &partitions[i];
        }
        topic = &topics[m->topics_count - 1];
        kafka_list_offsets_request_partition_init(&partitions[i]);
        partitions[i].partition_index = wishes[i].partition;
        partitions[i].timestamp = wishes[i].timestamp_ms;
        topic->partitions_count++;
    }
    return m;
}

static void ask_leader(struct offset_lookup *lookup, struct offset_wish *wishes, size_t count)
{
    if (lookup->part_count == OFFSET_LOOKUP_PARTS_MAX)
        return;
    struct kafka_list_offsets_request *message = message_of(wishes, count);
    struct offset_lookup_part *part = &lookup->parts[lookup->part_count++];
    struct ask_question question = {.node_id = wishes[0].leader,
                                    .api = KAFKA_API_LIST_OFFSETS,
                                    .version = LIST_OFFSETS_VERSION,
                                    .message = message,
                                    .client_id = "trilog-admin",
                                    .timeout_ms = ASK_READ_MS_MAX,
                                    .owner = lookup->owner};
    *part = (struct offset_lookup_part){.lookup = lookup, .wishes = wishes, .count = count};
    if (message != NULL && ask_send(lookup->admin, lookup->broker, &question, on_answer, part) == 0)
        lookup->pending++;
    free(message);
}

void offset_lookup_start(struct offset_lookup *lookup, offset_lookup_cb cb)
{
    lookup->cb = cb;
    lookup->pending = 1; /* until all are asked */
    lookup->part_count = 0;
    for (size_t i = 0; i < lookup->count; i++)
        find_leader(lookup->broker, &lookup->wishes[i]);
    if (lookup->count > 0)
        qsort(lookup->wishes, lookup->count, sizeof lookup->wishes[0], by_leader);
    for (size_t at = 0, end; at < lookup->count; at = end) {
        uint32_t leader = lookup->wishes[at].leader;
        for (end = at; end < lookup->count && end - at < OFFSET_LOOKUP_PARTITIONS_MAX &&
                       lookup->wishes[end].leader == leader;)
            end++;
        if (leader != 0)
            ask_leader(lookup, lookup->wishes + at, end - at);
    }
    one_less(lookup);
}

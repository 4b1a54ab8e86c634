/* DescribeLogDirs: which partitions lie in this node's data folder, how large they are here, and
 * how much room there is (KIP-113, KIP-827). Tools ask every node, each tells of its own replicas.
 *
 * Each raft group is asked on its shard, whoever leads it, for numbers and sizes only; names and
 * Kafka's indexes come from the metadata, when all have answered. A replica serves what it has
 * applied, and that it has in full: so the offset lag is 0. How far it is behind its leader is
 * told in raft entries, by `trilog lag`. */
#include <stdlib.h>
#include <string.h>

#include "error_code.h"
#include "request/text.h"

#define ARENA_BYTES_MAX (16u << 20) /* of one raft group's sizes */

struct sized {
    uint32_t number;
    int64_t size_bytes;
};

/* One raft group's part. */
struct part {
    struct log_dirs *all;
    struct broker_group *group;
    struct work_item item;
    struct kafka_arena arena; /* parts are made on several shards */
    struct sized *sizes;
    size_t count, room;
};

/* A partition that is told. */
struct told {
    const struct metadata_topic *topic; /* valid under the metadata's lock */
    int32_t partition;
    int64_t size_bytes;
};

struct log_dirs {
    struct request *request;
    unsigned pending;
    unsigned part_count;
    struct part *parts;
    struct told *told;
    size_t told_count;
    struct kafka_describe_log_dirs_response_result result;
};

/* ---- on the raft group's shard ---- */

static void count_partition(void *data, struct partition *partition)
{
    struct part *p = data;
    (void)partition;
    p->room++;
}

static void take_size(void *data, struct partition *partition)
{
    struct part *p = data;
    if (partition->moved_index != 0)
        return; /* it is another group's now */
    p->sizes[p->count++] = (struct sized){.number = partition->number,
                                          .size_bytes = log_partition_size_bytes(partition->log)};
}

static int by_number(const void *a, const void *b)
{
    const struct sized *left = a, *right = b;
    return (left->number > right->number) - (left->number < right->number);
}

static void gather(struct work_item *item);
static void on_there(struct work_item *item)
{
    struct part *p = item->data;
    machine_each_partition(p->group->machine, count_partition, p);
    if (p->room > 0)
        p->sizes = kafka_arena_array(&p->arena, p->room, sizeof *p->sizes);
    if (p->sizes != NULL) {
        machine_each_partition(p->group->machine, take_size, p);
        qsort(p->sizes, p->count, sizeof *p->sizes, by_number);
    }
    request_post_back(p->all->request, &p->item, gather);
}

/* ---- which are told, on the connection's shard ---- */

static void tell(struct log_dirs *all, const struct metadata_topic *topic, int32_t partition,
                 int64_t size_bytes)
{
    all->told[all->told_count++] = (struct told){
        .topic = topic, .partition = partition, .size_bytes = size_bytes};
}

/* What was deleted is about to go from here, too. */
static void tell_all(struct log_dirs *all)
{
    const struct metadata *m = all->request->broker->metadata;
    for (unsigned i = 0; i < all->part_count; i++) {
        const struct part *p = &all->parts[i];
        for (size_t k = 0; k < p->count; k++) {
            int32_t partition;
            const struct metadata_topic *topic = metadata_topic_of(m, p->group->group_id,
                                                                   p->sizes[k].number, &partition);
            if (topic != NULL)
                tell(all, topic, partition, p->sizes[k].size_bytes);
        }
    }
}

static void tell_one(struct log_dirs *all, const struct metadata_topic *topic, int32_t partition)
{
    const struct metadata_partition *place = &topic->partitions[partition];
    const struct sized wanted = {.number = place->number}, *found = NULL;
    if (place->group_id < all->part_count && all->parts[place->group_id].count > 0)
        found = bsearch(&wanted, all->parts[place->group_id].sizes,
                        all->parts[place->group_id].count, sizeof wanted, by_number);
    if (found != NULL)
        tell(all, topic, partition, found->size_bytes);
}

static void tell_asked(struct log_dirs *all)
{
    const struct kafka_describe_log_dirs_request *message = all->request->message;
    for (int32_t i = 0; i < message->topics_count; i++) {
        const struct kafka_describe_log_dirs_request_topic *asked = &message->topics[i];
        const struct metadata_topic *topic = metadata_topic_by_name(
            all->request->broker->metadata, asked->name.data, (size_t)asked->name.size);
        for (int32_t k = 0; topic != NULL && k < asked->partitions_count; k++)
            if (asked->partitions[k] >= 0 && asked->partitions[k] < topic->partition_count)
                tell_one(all, topic, asked->partitions[k]);
    }
}

/* The most that may be told. */
static size_t room_for(const struct log_dirs *all)
{
    const struct kafka_describe_log_dirs_request *message = all->request->message;
    size_t count = 0;
    for (unsigned i = 0; i < all->part_count && message->topics_count < 0; i++)
        count += all->parts[i].count;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)message->topics[i].partitions_count;
    return count;
}

/* ---- the answer ---- */

static int by_topic(const void *a, const void *b)
{
    const struct told *left = a, *right = b;
    int order = left->topic == right->topic ? 0 : strcmp(left->topic->name, right->topic->name);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* One topic, from its first place among the sorted on; returns where the next one begins. */
static size_t fill_topic(const struct log_dirs *all, size_t at,
                         struct kafka_describe_log_dirs_response_partition *partitions,
                         struct kafka_describe_log_dirs_response_topic *into)
{
    const struct metadata_topic *topic = all->told[at].topic;
    kafka_describe_log_dirs_response_topic_init(into);
    into->name = text_copy(all->request, topic->name);
    into->partitions = partitions;
    for (; at < all->told_count && all->told[at].topic == topic; at++) {
        struct kafka_describe_log_dirs_response_partition *p = &partitions[into->partitions_count];
        if (into->partitions_count > 0 && p[-1].partition_index == all->told[at].partition)
            continue; /* asked for twice */
        kafka_describe_log_dirs_response_partition_init(p);
        p->partition_index = all->told[at].partition;
        p->partition_size = all->told[at].size_bytes;
        into->partitions_count++;
    }
    return at;
}

/* Under the metadata's lock, for topics are told by it. */
static int fill_topics(struct log_dirs *all)
{
    struct request *r = all->request;
    const struct kafka_describe_log_dirs_request *message = r->message;
    struct kafka_describe_log_dirs_response_result *into = &all->result;
    size_t room = room_for(all);
    r->arena.limit_bytes += room * (sizeof *all->told + sizeof *into->topics->partitions);
    struct kafka_describe_log_dirs_response_partition *partitions = request_array(
        r, room, sizeof *partitions);
    all->told = request_array(r, room, sizeof *all->told);
    if (partitions == NULL || all->told == NULL)
        return UV_ENOMEM;
    if (message->topics_count < 0)
        tell_all(all);
    else
        tell_asked(all);
    qsort(all->told, all->told_count, sizeof *all->told, by_topic);
    size_t topic_count = 0;
    for (size_t i = 0; i < all->told_count; i++)
        topic_count += i == 0 || all->told[i].topic != all->told[i - 1].topic;
    r->arena.limit_bytes += topic_count * (sizeof *into->topics + METADATA_TOPIC_NAME_MAX + 16);
    into->topics = request_array(r, topic_count, sizeof *into->topics);
    if (into->topics == NULL)
        return UV_ENOMEM;
    for (size_t at = 0; at < all->told_count;)
        at = fill_topic(all, at, &partitions[at], &into->topics[into->topics_count++]);
    return 0;
}

static int fill_result(struct log_dirs *all)
{
    struct broker *b = all->request->broker;
    struct repl_disk_report disk = {0};
    kafka_describe_log_dirs_response_result_init(&all->result);
    metadata_read_lock(b->metadata);
    int err = fill_topics(all);
    metadata_read_unlock(b->metadata);
    all->result.log_dir = text_copy(all->request, b->conf.data_directory);
    if (repl_node_disk(b->node, (uint32_t)b->conf.node_id, &disk)) {
        all->result.total_bytes = (int64_t)disk.total_bytes;
        all->result.usable_bytes = (int64_t)disk.free_bytes;
    }
    return err;
}

static bool is_short(const struct log_dirs *all)
{
    for (unsigned i = 0; i < all->part_count; i++)
        if (all->parts[i].room > 0 && all->parts[i].sizes == NULL)
            return true;
    return false;
}

static void answer(struct log_dirs *all)
{
    struct kafka_describe_log_dirs_response response;
    kafka_describe_log_dirs_response_init(&response);
    response.results = &all->result;
    response.results_count = 1;
    if (is_short(all) || fill_result(all) != 0)
        request_close_connection(all->request, "its answer needs too much memory");
    else
        request_answer(all->request, &response);
    for (unsigned i = 0; i < all->part_count; i++)
        kafka_arena_close(&all->parts[i].arena);
}

static void one_less(struct log_dirs *all)
{
    if (--all->pending == 0)
        answer(all);
}

static void gather(struct work_item *item)
{
    one_less(((struct part *)item->data)->all);
}

void request_handle_describe_log_dirs(struct request *r)
{
    struct broker *b = r->broker;
    unsigned count = atomic_load(&b->group_count);
    struct log_dirs *all = request_allocate(r, sizeof *all);
    struct part *parts = request_array(r, count, sizeof *parts);
    if (all != NULL)
        *all = (struct log_dirs){.request = r, .pending = 1, .part_count = count, .parts = parts};
    if (all == NULL || parts == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        parts[i].all = all;
        parts[i].group = b->groups[i];
        parts[i].item.data = &parts[i];
        kafka_arena_init(&parts[i].arena, ARENA_BYTES_MAX);
        all->pending++;
        broker_group_post(parts[i].group, &parts[i].item, on_there);
    }
    one_less(all);
}

#include "router_requests.h"

#define BATCH_VERSION            8
#define FETCH_VERSION            11
#define COMMIT_VERSION           7
#define FIND_COORDINATOR_VERSION 3
#define LIST_OFFSETS_VERSION     5
#define FETCH_BYTES_MAX          (50 << 20)

/* Declares the message `m`, of one topic. */
#define OF_ONE_TOPIC(kind, m, topic_name, its_partitions, its_count)                               \
    struct kafka_##kind m;                                                                         \
    struct kafka_##kind##_topic m##_topic;                                                         \
    kafka_##kind##_init(&m);                                                                       \
    kafka_##kind##_topic_init(&m##_topic);                                                         \
    m##_topic.name = kafka_string_of(topic_name);                                                  \
    m##_topic.partitions = its_partitions;                                                         \
    m##_topic.partitions_count = its_count;                                                        \
    m.topics = &m##_topic;                                                                         \
    m.topics_count = 1

static void send_produce(struct world_client *c, int16_t version, const char *topic,
                         int32_t timeout_ms, struct kafka_produce_request_partition *partitions,
                         int32_t count)
{
    OF_ONE_TOPIC(produce_request, m, topic, partitions, count);
    m.acks = -1;
    m.timeout_ms = timeout_ms;
    world_send(c, KAFKA_API_PRODUCE, version, &m);
}

void world_send_produce(struct world_client *c, int32_t timeout_ms,
                        struct kafka_produce_request_partition *partitions, int32_t count)
{
    send_produce(c, WORLD_PRODUCE_VERSION, "t", timeout_ms, partitions, count);
}

void world_send_batch(struct world_client *c, const char *topic, int32_t timeout_ms)
{
    static uint8_t records[61] = {[16] = 2};
    struct kafka_produce_request_partition partition;
    kafka_produce_request_partition_init(&partition);
    partition.records = bytes_of(records, sizeof records);
    send_produce(c, BATCH_VERSION, topic, timeout_ms, &partition, 1);
}

const struct kafka_produce_response *world_batch_answer(struct world_client *c)
{
    return world_answer(c, KAFKA_API_PRODUCE, BATCH_VERSION);
}

void world_answer_produce(struct world *w, int32_t node, unsigned n,
                          struct kafka_produce_response_partition *partition)
{
    OF_ONE_TOPIC(produce_response, m, "t", partition, 1);
    world_node_answer(w, node, n, &m);
}

void world_send_fetch(struct world_client *c, const char *topic, int32_t wait_ms_max,
                      struct kafka_fetch_request_partition *partitions, int32_t count)
{
    OF_ONE_TOPIC(fetch_request, m, topic, partitions, count);
    m.max_wait_ms = wait_ms_max;
    m.max_bytes = FETCH_BYTES_MAX;
    world_send(c, KAFKA_API_FETCH, FETCH_VERSION, &m);
}

const struct kafka_fetch_response *world_fetch_answer(struct world_client *c)
{
    return world_answer(c, KAFKA_API_FETCH, FETCH_VERSION);
}

void world_answer_fetch(struct world *w, int32_t node, unsigned n,
                        struct kafka_fetch_response_partition *partition)
{
    OF_ONE_TOPIC(fetch_response, m, "t", partition, 1);
    world_node_answer(w, node, n, &m);
}

void world_send_commit(struct world_client *c, const char *group, int64_t offset)
{
    struct kafka_offset_commit_request_partition partition;
    kafka_offset_commit_request_partition_init(&partition);
    partition.committed_offset = offset;
    OF_ONE_TOPIC(offset_commit_request, m, "t", &partition, 1);
    m.group_id = kafka_string_of(group);
    world_send(c, KAFKA_API_OFFSET_COMMIT, COMMIT_VERSION, &m);
}

const struct kafka_offset_commit_response *world_commit_answer(struct world_client *c)
{
    return world_answer(c, KAFKA_API_OFFSET_COMMIT, COMMIT_VERSION);
}

void world_answer_commit(struct world *w, int32_t node, unsigned n, int16_t error_code)
{
    struct kafka_offset_commit_response_partition partition;
    kafka_offset_commit_response_partition_init(&partition);
    partition.error_code = error_code;
    OF_ONE_TOPIC(offset_commit_response, m, "t", &partition, 1);
    world_node_answer(w, node, n, &m);
}

void world_answer_committed(struct world *w, int32_t node, unsigned n, int64_t offset)
{
    struct kafka_offset_fetch_response_partition partitions[WORLD_PARTITIONS];
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++) {
        kafka_offset_fetch_response_partition_init(&partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].committed_offset = offset;
    }
    OF_ONE_TOPIC(offset_fetch_response, m, "t", partitions, WORLD_PARTITIONS);
    world_node_answer(w, node, n, &m);
}

void world_send_list_offsets(struct world_client *c, const char *topic,
                             struct kafka_list_offsets_request_partition *partitions, int32_t count)
{
    OF_ONE_TOPIC(list_offsets_request, m, topic, partitions, count);
    world_send(c, KAFKA_API_LIST_OFFSETS, LIST_OFFSETS_VERSION, &m);
}

const struct kafka_list_offsets_response *world_list_offsets_answer(struct world_client *c)
{
    return world_answer(c, KAFKA_API_LIST_OFFSETS, LIST_OFFSETS_VERSION);
}

void world_answer_list_offsets(struct world *w, int32_t node, unsigned n,
                               struct kafka_list_offsets_response_partition *partitions,
                               int32_t count)
{
    OF_ONE_TOPIC(list_offsets_response, m, "t", partitions, count);
    world_node_answer(w, node, n, &m);
}

void world_send_fetch_of_two(struct world_client *c, int64_t first, int64_t second,
                             int32_t wait_ms_max)
{
    struct kafka_fetch_request_partition partitions[2];
    for (int i = 0; i < 2; i++) {
        kafka_fetch_request_partition_init(&partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].fetch_offset = i == 0 ? first : second;
        partitions[i].partition_max_bytes = 20 << 20;
    }
    world_send_fetch(c, "t", wait_ms_max, partitions, 2);
}

void world_send_find_coordinator(struct world_client *c, const char *group)
{
    struct kafka_find_coordinator_request m;
    kafka_find_coordinator_request_init(&m);
    m.key = kafka_string_of(group);
    world_send(c, KAFKA_API_FIND_COORDINATOR, FIND_COORDINATOR_VERSION, &m);
}

const struct kafka_find_coordinator_response *world_coordinator_answer(struct world_client *c)
{
    return world_answer(c, KAFKA_API_FIND_COORDINATOR, FIND_COORDINATOR_VERSION);
}

/* One partition's salvage topic: made when there is none, and how far it has come.
 *
 * The newest record there says how far an earlier call, or another node, has come; it is asked for
 * each time, so a request whose fate is not known needs no more than to end the call. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/salvage.h"
#include "admin/salvage_batch.h"
#include "base/err.h"
#include "log/salvage.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define FETCH_BYTES (8 << 20)

#define CREATE_VERSION 7
#define FETCH_VERSION  11

/* ---- Kafka's questions ---- */

bool salvage_ask_leader(struct salvage *s, enum kafka_api_key api, int16_t version,
                        const void *message, ask_cb cb)
{
    struct broker_place place;
    int32_t partition = salvage_store_row(s->store, s->place)->id.partition;
    int err = broker_find_partition(s->broker, s->target, strlen(s->target), partition, &place);
    uint32_t leader = err == 0 ? broker_group_leader(s->broker, place.group_id, NULL) : 0;
    struct ask_question question = {.node_id = leader,
                                    .api = api,
                                    .version = version,
                                    .message = message,
                                    .client_id = "trilog-salvage",
                                    .timeout_ms = SALVAGE_ASK_MS_MAX,
                                    .owner = s};
    if (leader == 0)
        err = ERR_NOT_FOUND;
    if (err == 0)
        err = ask_send(s->admin, s->broker, &question, cb, s);
    if (err != 0)
        salvage_wait(s, ask_trouble(err));
    return err == 0;
}

/* What asking again does not mend. */
static bool is_final(int16_t error_code)
{
    static const int16_t codes[] = {
        KAFKA_ERROR_CORRUPT_MESSAGE,
        KAFKA_ERROR_MESSAGE_TOO_LARGE,
        KAFKA_ERROR_INVALID_TOPIC_EXCEPTION,
        KAFKA_ERROR_RECORD_LIST_TOO_LARGE,
        KAFKA_ERROR_INVALID_REQUIRED_ACKS,
        KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED,
        KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED,
        KAFKA_ERROR_INVALID_TIMESTAMP,
        KAFKA_ERROR_INVALID_PARTITIONS,
        KAFKA_ERROR_INVALID_REPLICATION_FACTOR,
        KAFKA_ERROR_INVALID_CONFIG,
        KAFKA_ERROR_INVALID_REQUEST,
        KAFKA_ERROR_POLICY_VIOLATION,
        KAFKA_ERROR_INVALID_RECORD,
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == error_code)
            return true;
    return false;
}

/* An answer that is none ends the call: what became of the question is seen when it is asked again.
 */
bool salvage_is_sound(struct salvage *s, int status, bool has_partition, int16_t error_code)
{
    char text[120];
    snprintf(text, sizeof text, "the salvage topic answers %.60s", kafka_error_name(error_code));
    if (status != 0 || !has_partition)
        salvage_wait(s, ask_trouble(status != 0 ? status : ERR_TIMEOUT));
    else if (is_final(error_code))
        salvage_leave(s, text);
    else if (error_code != KAFKA_ERROR_NONE)
        salvage_wait(s, kafka_error_name(error_code));
    else
        return true;
    return false;
}

/* ---- how far the topic has come ---- */

static void on_newest(void *data, int status, const void *message)
{
    struct salvage *s = data;
    const struct kafka_fetch_response *r = message;
    bool has_partition = status == 0 && r->topics_count == 1 && r->topics[0].partitions_count == 1;
    const struct kafka_fetch_response_partition *p = has_partition ? &r->topics[0].partitions[0]
                                                                   : NULL;
    if (!salvage_is_sound(s, status, has_partition, has_partition ? p->error_code : 0))
        return;
    struct salvage_mark newest;
    const struct log_partition *log = salvage_store_row(s->store, s->place)->log;
    if (p->records.count != 1 || p->records.items[0].bytes.size == 0) {
        salvage_leave(s, "the salvage topic's end went through a forced recovery: how far it had "
                         "come is not known");
    } else if (!salvage_last_mark(p->records.items[0].bytes, &newest)) {
        salvage_leave(s, "the newest record of the salvage topic is not one of a salvage");
    } else {
        int64_t behind = log_partition_behind(log, newest.leader_epoch, newest.offset);
        if (behind > s->from)
            s->from = behind;
        salvage_copy(s);
    }
}

static void fetch_newest(struct salvage *s, int64_t offset)
{
    struct kafka_fetch_request_partition partition;
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request message;
    kafka_fetch_request_init(&message);
    kafka_fetch_request_topic_init(&topic);
    kafka_fetch_request_partition_init(&partition);
    partition.partition_index = salvage_store_row(s->store, s->place)->id.partition;
    partition.fetch_offset = offset;
    partition.partition_max_bytes = FETCH_BYTES;
    topic.name = kafka_string_of(s->target);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.max_bytes = FETCH_BYTES;
    message.min_bytes = 1;
    message.topics = &topic;
    message.topics_count = 1;
    salvage_ask_leader(s, KAFKA_API_FETCH, FETCH_VERSION, &message, on_newest);
}

static void on_next(struct offset_lookup *lookup)
{
    struct salvage *s = lookup->data;
    if (!s->wish.is_known) {
        salvage_wait(s, ask_trouble(ERR_NOT_FOUND));
        return;
    }
    s->target_next = s->wish.offset;
    if (s->target_next > 0 && s->target_first >= s->target_next)
        salvage_leave(s, "the salvage topic was emptied: how far it had come is not known");
    else if (s->target_next > 0)
        fetch_newest(s, s->target_next - 1);
    else
        salvage_copy(s);
}

static void look(struct salvage *s, int64_t which, offset_lookup_cb cb)
{
    s->wish = (struct offset_wish){.topic = s->target,
                                   .partition = salvage_store_row(s->store, s->place)->id.partition,
                                   .timestamp_ms = which};
    s->lookup = (struct offset_lookup){.data = s,
                                       .admin = s->admin,
                                       .broker = s->broker,
                                       .owner = s,
                                       .wishes = &s->wish,
                                       .count = 1};
    offset_lookup_start(&s->lookup, cb);
}

/* ListOffsets takes a partition once in a question. */
static void on_first(struct offset_lookup *lookup)
{
    struct salvage *s = lookup->data;
    if (!s->wish.is_known) {
        salvage_wait(s, ask_trouble(ERR_NOT_FOUND));
        return;
    }
    s->target_first = s->wish.offset;
    look(s, OFFSET_LOOKUP_LATEST, on_next);
}

static void look_offsets(struct salvage *s)
{
    look(s, OFFSET_LOOKUP_EARLIEST, on_first);
}

/* ---- the salvage topic ---- */

static void on_created(void *data, int status, const void *message)
{
    struct salvage *s = data;
    const struct kafka_create_topics_response *r = message;
    int16_t error_code = status == 0 && r->topics_count == 1 ? r->topics[0].error_code : 0;
    if (error_code == KAFKA_ERROR_TOPIC_ALREADY_EXISTS)
        error_code = KAFKA_ERROR_NONE;
    if (salvage_is_sound(s, status, status == 0 && r->topics_count == 1, error_code))
        look_offsets(s);
}

static void create_topic(struct salvage *s)
{
    struct kafka_create_topics_request_config configs[] = {
        {.name = kafka_string_of("cleanup.policy"), .value = kafka_string_of("delete")},
        {.name = kafka_string_of("max.message.bytes"),
         .value = kafka_string_of(SALVAGE_MESSAGE_BYTES_MAX)},
        {.name = kafka_string_of("message.timestamp.type"), .value = kafka_string_of("CreateTime")},
        {.name = kafka_string_of("retention.bytes"), .value = kafka_string_of("-1")},
        {.name = kafka_string_of("retention.ms"), .value = kafka_string_of("-1")},
    };
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request message;
    struct ask_question question = {.node_id = (uint32_t)s->broker->conf.node_id,
                                    .api = KAFKA_API_CREATE_TOPICS,
                                    .version = CREATE_VERSION,
                                    .message = &message,
                                    .client_id = "trilog-salvage",
                                    .timeout_ms = ASK_CHANGE_MS_MAX,
                                    .owner = s};
    kafka_create_topics_request_init(&message);
    kafka_create_topics_request_topic_init(&topic);
    topic.name = kafka_string_of(s->target);
    topic.num_partitions = s->partition_count;
    topic.replication_factor = -1;
    topic.configs = configs;
    topic.configs_count = sizeof configs / sizeof configs[0];
    message.topics = &topic;
    message.topics_count = 1;
    message.timeout_ms = SALVAGE_ASK_MS_MAX;
    int err = ask_send(s->admin, s->broker, &question, on_created, s);
    if (err != 0)
        salvage_wait(s, ask_trouble(err));
}

/* How many partitions the topic has; 0: there is none. */
static int32_t partitions_of(struct metadata *m, const char *topic)
{
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_name(m, topic, strlen(topic));
    int32_t count = t == NULL ? 0 : t->partition_count;
    metadata_read_unlock(m);
    return count;
}

void salvage_bring(struct salvage *s)
{
    int size = snprintf(s->target, sizeof s->target, "%s.salvage.%" PRIu64, s->topic, s->epoch);
    if (size >= SALVAGE_NAME_SIZE) {
        s->target[0] = '\0';
        salvage_leave(s, "the salvage topic's name would be too long");
        return;
    }
    int32_t count = partitions_of(s->broker->metadata, s->target);
    if (count == 0)
        create_topic(s);
    else if (count <= salvage_store_row(s->store, s->place)->id.partition)
        salvage_leave(s,
                      "the salvage topic has fewer partitions: it must have as many as this one");
    else
        look_offsets(s);
}

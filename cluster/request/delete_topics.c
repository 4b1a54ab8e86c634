/* DeleteTopics, by name or, from version 6, by id. Group leaders close the partitions when they
 * see it; their files go with the next checkpoint. */
#include <string.h>

#include "error_code.h"
#include "request/change_list.h"
#include "request/repeats.h"
#include "request/text.h"

struct delete_topics {
    struct change_list list;
    struct kafka_delete_topics_response response;
};

/* 0 or Kafka's error code; completes name and id of the answer. */
static int16_t find(struct request *r, struct kafka_delete_topics_response_topic *answer)
{
    struct metadata *m = r->broker->metadata;
    static const uint8_t no_id[16];
    bool is_by_id = kafka_string_is_null(answer->name);
    if (is_by_id == (memcmp(answer->topic_id.bytes, no_id, sizeof no_id) == 0))
        return KAFKA_ERROR_INVALID_REQUEST; /* named in both ways, or in none */
    int16_t error_code = KAFKA_ERROR_NONE;
    metadata_read_lock(m);
    const struct metadata_topic *t = is_by_id ? metadata_topic_by_id(m, answer->topic_id.bytes)
                                              : metadata_topic_by_name(m, answer->name.data,
                                                                       (size_t)answer->name.size);
    if (t == NULL) {
        error_code = is_by_id ? KAFKA_ERROR_UNKNOWN_TOPIC_ID
                              : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (t->is_internal) {
        error_code = KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    } else {
        answer->name = text_copy(r, t->name);
        memcpy(answer->topic_id.bytes, t->id, sizeof t->id);
    }
    metadata_read_unlock(m);
    return error_code;
}

static void begin(struct delete_topics *dt, struct kafka_delete_topics_response_topic *answer,
                  int32_t timeout_ms)
{
    struct request *r = dt->list.request;
    struct change_item *item = request_allocate(r, sizeof *item);
    struct metadata_change change = {.kind = METADATA_TOPIC_DELETE};
    if (item == NULL)
        answer->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    if (answer->error_code != KAFKA_ERROR_NONE)
        return;
    memcpy(change.id, answer->topic_id.bytes, sizeof change.id);
    item->exists_code = item->invalid_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    int16_t error_code = change_list_send(&dt->list, item, &change, timeout_ms,
                                          &answer->error_code);
    if (error_code != KAFKA_ERROR_NONE)
        answer->error_code = error_code;
}

/* A topic may be named by its name and by its id. */
static struct kafka_string key_of(const struct kafka_delete_topics_response_topic *topic)
{
    bool is_known = topic->error_code == KAFKA_ERROR_NONE || kafka_string_is_null(topic->name);
    return is_known ? (struct kafka_string){.data = (const char *)topic->topic_id.bytes,
                                            .size = sizeof topic->topic_id.bytes}
                    : topic->name;
}

/* What is named several times is answered once, and refused. */
static int refuse_repeated(struct delete_topics *dt)
{
    struct request *r = dt->list.request;
    struct kafka_delete_topics_response_topic *topics = dt->response.topics;
    size_t count = (size_t)dt->response.topics_count;
    struct kafka_string *keys = request_array(r, count, sizeof *keys);
    for (size_t i = 0; keys != NULL && i < count; i++)
        keys[i] = key_of(&topics[i]);
    const uint8_t *repeats = keys == NULL ? NULL : repeats_find(r, keys, count);
    if (repeats == NULL)
        return UV_ENOMEM;
    dt->response.topics_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (repeats[i] == REPEAT_AGAIN)
            continue;
        struct kafka_delete_topics_response_topic *into = &topics[dt->response.topics_count++];
        *into = topics[i];
        if (repeats[i] == REPEAT_NONE)
            continue;
        into->error_code = KAFKA_ERROR_INVALID_REQUEST;
        into->error_message = text_copy(r, "The topic is named more than once.");
    }
    return 0;
}

static void answer_all(struct change_list *list)
{
    request_answer(list->request, list->response);
}

void request_handle_delete_topics(struct request *r)
{
    const struct kafka_delete_topics_request *message = r->message;
    bool has_ids = r->header.api_version >= 6;
    int32_t count = has_ids ? message->topics_count : message->topic_names_count;
    struct delete_topics *dt = request_allocate(r, sizeof *dt);
    struct kafka_delete_topics_response_topic *topics = request_array(r, (size_t)count,
                                                                      sizeof *topics);
    if (dt == NULL || topics == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_delete_topics_response_init(&dt->response);
    dt->list.request = r;
    dt->response.topics = topics;
    dt->response.topics_count = count;
    for (int32_t i = 0; i < count; i++) {
        kafka_delete_topics_response_topic_init(&topics[i]);
        topics[i].name = has_ids ? message->topics[i].name : message->topic_names[i];
        if (has_ids)
            topics[i].topic_id = message->topics[i].topic_id;
        topics[i].error_code = find(r, &topics[i]);
    }
    if (refuse_repeated(dt) != 0) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    change_list_begin(&dt->list, r, &dt->response, answer_all);
    for (int32_t i = 0; i < dt->response.topics_count; i++)
        begin(dt, &topics[i], message->timeout_ms);
    change_list_end(&dt->list);
}

/* DeleteTopics, by name or, from version 6, by id. Group leaders close the partitions when they
 * see it; their files go with the next checkpoint. */
#include <string.h>

#include "error_code.h"
#include "request/change_list.h"
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
    answer->error_code = item == NULL ? KAFKA_ERROR_UNKNOWN_SERVER_ERROR : find(r, answer);
    if (answer->error_code != KAFKA_ERROR_NONE)
        return;
    memcpy(change.id, answer->topic_id.bytes, sizeof change.id);
    item->exists_code = item->invalid_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    int16_t error_code = change_list_send(&dt->list, item, &change, timeout_ms,
                                          &answer->error_code);
    if (error_code != KAFKA_ERROR_NONE)
        answer->error_code = error_code;
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
    dt->response.topics = topics;
    dt->response.topics_count = count;
    change_list_begin(&dt->list, r, &dt->response, answer_all);
    for (int32_t i = 0; i < count; i++) {
        kafka_delete_topics_response_topic_init(&topics[i]);
        topics[i].name = has_ids ? message->topics[i].name : message->topic_names[i];
        if (has_ids)
            topics[i].topic_id = message->topics[i].topic_id;
        begin(dt, &topics[i], message->timeout_ms);
    }
    change_list_end(&dt->list);
}

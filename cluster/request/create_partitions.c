/* CreatePartitions: more partitions for a topic. */
#include <string.h>

#include "error_code.h"
#include "request/change_list.h"
#include "request/placement.h"
#include "request/repeats.h"
#include "request/text.h"

struct create_partitions {
    struct change_list list;
    struct kafka_create_partitions_response response;
};

static bool is_assignment_possible(const struct metadata *m,
                                   const struct kafka_create_partitions_request_topic *t,
                                   int32_t present_count)
{
    const struct metadata_group *group = metadata_group_at(m, 0);
    bool is_possible = group != NULL && t->assignments_count == t->count - present_count;
    for (int32_t i = 0; is_possible && i < t->assignments_count; i++)
        is_possible = placement_is_everywhere(group, t->assignments[i].broker_ids,
                                              t->assignments[i].broker_ids_count);
    return is_possible;
}

static int16_t check(struct request *r, const struct kafka_create_partitions_request_topic *t,
                     struct metadata_change *change, const char **why)
{
    struct metadata *m = r->broker->metadata;
    int16_t error_code = KAFKA_ERROR_NONE;
    *why = NULL;
    metadata_read_lock(m);
    const struct metadata_topic *topic = t->name.size <= 0
                                             ? NULL
                                             : metadata_topic_by_name(m, t->name.data,
                                                                      (size_t)t->name.size);
    if (topic == NULL) {
        error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        *why = "The topic does not exist.";
    } else if (topic->is_internal) {
        error_code = KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
        *why = "An internal topic keeps its partitions.";
    } else if (t->count <= topic->partition_count ||
               t->count > r->broker->conf.topic_partitions_max) {
        error_code = KAFKA_ERROR_INVALID_PARTITIONS;
        *why = "The count must be above the present one and within topic_partitions_max.";
    } else if (t->assignments_count >= 0 && !is_assignment_possible(m, t, topic->partition_count)) {
        error_code = KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT;
        *why = "Replicas go by raft group: each new partition on all voters, or leave the "
               "assignment out.";
    } else {
        memcpy(change->id, topic->id, sizeof change->id);
    }
    metadata_read_unlock(m);
    return error_code;
}

static void begin(struct create_partitions *cp,
                  const struct kafka_create_partitions_request_topic *from,
                  struct kafka_create_partitions_response_topic *answer)
{
    struct request *r = cp->list.request;
    const struct kafka_create_partitions_request *message = r->message;
    struct metadata_change change = {.kind = METADATA_TOPIC_PARTITIONS,
                                     .partition_count = from->count};
    struct change_item *item = request_allocate(r, sizeof *item);
    const char *why;
    kafka_create_partitions_response_topic_init(answer);
    answer->name = from->name;
    answer->error_code = check(r, from, &change, &why);
    if (item == NULL && answer->error_code == KAFKA_ERROR_NONE)
        answer->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR; /* the arena is at its limit */
    if (why != NULL)
        answer->error_message = text_copy(r, why);
    if (answer->error_code != KAFKA_ERROR_NONE || message->validate_only)
        return;
    item->exists_code = KAFKA_ERROR_INVALID_PARTITIONS;
    item->invalid_code = KAFKA_ERROR_INVALID_PARTITIONS;
    int16_t error_code = change_list_send(&cp->list, item, &change, message->timeout_ms,
                                          &answer->error_code);
    if (error_code != KAFKA_ERROR_NONE)
        answer->error_code = error_code;
}

/* Which count was meant? */
static void refuse_repeated(struct request *r,
                            const struct kafka_create_partitions_request_topic *from,
                            struct kafka_create_partitions_response_topic *answer)
{
    kafka_create_partitions_response_topic_init(answer);
    answer->name = from->name;
    answer->error_code = KAFKA_ERROR_INVALID_REQUEST;
    answer->error_message = text_copy(r, "The topic is named more than once.");
}

static const uint8_t *find_repeats(struct request *r)
{
    const struct kafka_create_partitions_request *message = r->message;
    size_t count = (size_t)message->topics_count;
    struct kafka_string *names = request_array(r, count, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++)
        names[i] = message->topics[i].name;
    return names == NULL ? NULL : repeats_find(r, names, count);
}

static void answer_all(struct change_list *list)
{
    request_answer(list->request, list->response);
}

void request_handle_create_partitions(struct request *r)
{
    const struct kafka_create_partitions_request *message = r->message;
    struct create_partitions *cp = request_allocate(r, sizeof *cp);
    struct kafka_create_partitions_response_topic *topics = request_array(
        r, (size_t)message->topics_count, sizeof *topics);
    const uint8_t *repeats = find_repeats(r);
    if (cp == NULL || topics == NULL || repeats == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_create_partitions_response_init(&cp->response);
    cp->response.topics = topics;
    change_list_begin(&cp->list, r, &cp->response, answer_all);
    for (int32_t i = 0; i < message->topics_count; i++)
        if (repeats[i] == REPEAT_NONE)
            begin(cp, &message->topics[i], &topics[cp->response.topics_count++]);
        else if (repeats[i] == REPEAT_FIRST)
            refuse_repeated(r, &message->topics[i], &topics[cp->response.topics_count++]);
    change_list_end(&cp->list);
}

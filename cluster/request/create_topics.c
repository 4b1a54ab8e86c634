/* CreateTopics. What can be checked is checked here, with a sentence for the client; whether the
 * name is free is decided where group 0 applies it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "consumer/group_place.h"
#include "error_code.h"
#include "request/change_list.h"
#include "request/placement.h"
#include "request/repeats.h"
#include "request/text.h"
#include "topic_config.h"
#include "topic_replication.h"

#define TOPICS_MAX           1000 /* of one request: names are compared with each other */
#define VERSION_WITH_CONFIGS 5    /* of the answer (KIP-525) */
#define ANSWER_TOPIC_BYTES   4096 /* a topic's configs in it */
#define SOURCE_TOPIC         1
#define SOURCE_STATIC        4
#define SOURCE_DEFAULT       5

struct creation {
    struct change_item item; /* first */
    struct metadata_change change;
    struct kafka_create_topics_response_topic *answer;
};

struct create_topics {
    struct change_list list;
    struct kafka_create_topics_response response;
    struct creation *creations;
};

static void refuse(struct request *r, struct kafka_create_topics_response_topic *answer,
                   int16_t error_code, const char *why)
{
    answer->error_code = error_code;
    answer->error_message = text_copy(r, why);
}

static unsigned voter_count(struct request *r)
{
    metadata_read_lock(r->broker->metadata);
    const struct metadata_group *group = metadata_group_at(r->broker->metadata, 0);
    unsigned count = group == NULL ? 0 : group->node_count;
    metadata_read_unlock(r->broker->metadata);
    return count;
}

/* Each partition on all voters: then that is what will be. */
static bool is_assignment_possible(struct request *r,
                                   const struct kafka_create_topics_request_topic *t)
{
    bool is_possible = true;
    metadata_read_lock(r->broker->metadata);
    const struct metadata_group *group = metadata_group_at(r->broker->metadata, 0);
    for (int32_t i = 0; is_possible && i < t->assignments_count; i++)
        is_possible = group != NULL && t->assignments[i].partition_index == i &&
                      placement_is_everywhere(group, t->assignments[i].broker_ids,
                                              t->assignments[i].broker_ids_count);
    metadata_read_unlock(r->broker->metadata);
    return is_possible;
}

static bool check_assignment(struct request *r, const struct kafka_create_topics_request_topic *t,
                             struct creation *c)
{
    if (t->num_partitions != -1 || t->replication_factor != -1) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_REQUEST,
               "An assignment says how many partitions and replicas there are: both must be -1.");
        return false;
    }
    if (!is_assignment_possible(r, t)) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
               "Replicas go by raft group: partitions from 0 on, each on all voters, or leave the "
               "assignment out.");
        return false;
    }
    c->change.partition_count = t->assignments_count;
    return true;
}

/* False when refused: the answer says why. */
static bool check_numbers(struct request *r, const struct kafka_create_topics_request_topic *t,
                          struct creation *c)
{
    const struct conf_settings *conf = &r->broker->conf;
    unsigned voters = voter_count(r);
    c->change.partition_count = t->num_partitions == -1 ? (int32_t)conf->num_partitions
                                                        : t->num_partitions;
    c->change.replication_factor = t->replication_factor == -1
                                       ? (int16_t)conf->default_replication_factor
                                       : t->replication_factor;
    if (t->assignments_count > 0 && !check_assignment(r, t, c))
        return false;
    if (c->change.partition_count <= 0 || c->change.partition_count > conf->topic_partitions_max) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_PARTITIONS,
               "Number of partitions must be larger than 0 and within topic_partitions_max.");
        return false;
    }
    if (t->replication_factor == -1 && (unsigned)c->change.replication_factor > voters)
        c->change.replication_factor = (int16_t)voters;
    if (c->change.replication_factor <= 0 || (unsigned)c->change.replication_factor > voters) {
        char why[128];
        snprintf(why, sizeof why, "Replication factor: %d is not within 1 and the %u voters.",
                 c->change.replication_factor, voters);
        refuse(r, c->answer, KAFKA_ERROR_INVALID_REPLICATION_FACTOR, why);
        return false;
    }
    c->change.replication_factor = (int16_t)voters; /* what is, is shown: replicas go by group */
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct metadata_config *first = a, *second = b;
    return strcmp(first->name, second->name);
}

static bool check_configs(struct request *r, const struct kafka_create_topics_request_topic *t,
                          struct creation *c)
{
    struct err_note note = {0};
    size_t count = t->configs_count < 0 ? 0 : (size_t)t->configs_count;
    struct metadata_config *configs = request_array(r, count, sizeof *configs);
    if (configs == NULL || count > METADATA_CONFIGS_MAX) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_CONFIG, "too many configs");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        configs[i].name = text_terminated(r, t->configs[i].name);
        configs[i].value = text_terminated(r, t->configs[i].value);
        bool is_sound = configs[i].name != NULL && configs[i].value != NULL &&
                        topic_config_check(configs[i].name, configs[i].value, &note) == 0;
        if (!is_sound) {
            refuse(r, c->answer, KAFKA_ERROR_INVALID_CONFIG,
                   note.text[0] != '\0' ? note.text : "Null value not supported for topic configs");
            return false;
        }
    }
    qsort(configs, count, sizeof configs[0], by_name);
    c->change.configs = configs;
    c->change.config_count = (unsigned)count;
    if (topic_replication_check(r->broker->metadata, &c->change, &note) == 0)
        return true;
    refuse(r, c->answer, KAFKA_ERROR_INVALID_CONFIG, note.text);
    return false;
}

struct collision {
    struct kafka_string name;
    bool is_found;
};

/* Kafka's metrics can't tell '.' from '_'. */
static void compare(void *data, const struct metadata_topic *t)
{
    struct collision *collision = data;
    size_t size = (size_t)collision->name.size, i = 0;
    if (strlen(t->name) != size)
        return;
    for (; i < size; i++) {
        char a = t->name[i] == '.' ? '_' : t->name[i];
        char b = collision->name.data[i] == '.' ? '_' : collision->name.data[i];
        if (a != b)
            return;
    }
    collision->is_found = true;
}

static bool is_free(struct request *r, struct kafka_string name, struct creation *c)
{
    struct collision collision = {.name = name};
    bool can_collide = memchr(name.data, '.', (size_t)name.size) != NULL ||
                       memchr(name.data, '_', (size_t)name.size) != NULL;
    metadata_read_lock(r->broker->metadata);
    bool exists = metadata_topic_by_name(r->broker->metadata, name.data, (size_t)name.size) != NULL;
    if (!exists && can_collide)
        metadata_each_topic(r->broker->metadata, compare, &collision);
    metadata_read_unlock(r->broker->metadata);
    c->change.name = text_terminated(r, name);
    if (exists)
        refuse(r, c->answer, KAFKA_ERROR_TOPIC_ALREADY_EXISTS, "Topic already exists.");
    else if (collision.is_found)
        refuse(r, c->answer, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION,
               "Another topic's name differs in '.' and '_' only.");
    else if (c->change.name == NULL)
        refuse(r, c->answer, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, "The request is too large.");
    else
        c->change.is_internal = strcmp(c->change.name, OFFSETS_TOPIC) == 0;
    return c->answer->error_code == KAFKA_ERROR_NONE;
}

static bool check_name(struct request *r, int32_t position, enum repeat repeat, struct creation *c)
{
    const struct kafka_create_topics_request *message = r->message;
    struct kafka_string name = message->topics[position].name;
    if (position >= TOPICS_MAX) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_REQUEST, "More than 1000 topics in one request.");
        return false;
    }
    if (repeat != REPEAT_NONE) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_REQUEST, "Duplicate topic name.");
        return false;
    }
    if (!text_is_topic_name(name)) {
        refuse(r, c->answer, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION,
               "Topic names are 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'.");
        return false;
    }
    return is_free(r, name, c);
}

static void draw_id(struct creation *c)
{
    struct random random;
    random_init_system(&random);
    for (int i = 0; i < 2; i++) {
        uint64_t half = random_u64(&random);
        memcpy(c->change.id + 8 * i, &half, sizeof half);
    }
}

static const char *override_of(const struct creation *c, const char *name)
{
    for (unsigned i = 0; i < c->change.config_count; i++)
        if (strcmp(c->change.configs[i].name, name) == 0)
            return c->change.configs[i].value;
    return NULL;
}

static void describe_configs(struct request *r, struct creation *c)
{
    const struct conf_settings *conf = &r->broker->conf;
    unsigned count = topic_config_count();
    c->answer->configs = request_array(r, count, sizeof *c->answer->configs);
    for (unsigned i = 0; i < count && c->answer->configs != NULL; i++) {
        struct kafka_create_topics_response_config *config = &c->answer->configs[i];
        const char *name = topic_config_at(i)->name, *override = override_of(c, name);
        char inherited[64];
        topic_config_default(i, conf, inherited, sizeof inherited);
        kafka_create_topics_response_config_init(config);
        config->name = text_copy(r, name);
        config->value = text_copy(r, override != NULL ? override : inherited);
        config->config_source = override != NULL               ? SOURCE_TOPIC
                                : topic_config_is_set(i, conf) ? SOURCE_STATIC
                                                               : SOURCE_DEFAULT;
        c->answer->configs_count = (int32_t)i + 1;
    }
}

static void describe(struct request *r, struct creation *c)
{
    if (r->header.api_version >= VERSION_WITH_CONFIGS)
        describe_configs(r, c);
    c->answer->num_partitions = c->change.partition_count;
    c->answer->replication_factor = c->change.replication_factor;
    memcpy(c->answer->topic_id.bytes, c->change.id, sizeof c->change.id);
}

static void begin(struct create_topics *ct, int32_t position, enum repeat repeat)
{
    struct request *r = ct->list.request;
    const struct kafka_create_topics_request *message = r->message;
    const struct kafka_create_topics_request_topic *t = &message->topics[position];
    struct creation *c = &ct->creations[position];
    c->answer = &ct->response.topics[ct->response.topics_count++];
    kafka_create_topics_response_topic_init(c->answer);
    c->answer->name = t->name;
    c->change.kind = METADATA_TOPIC_CREATE;
    if (!check_name(r, position, repeat, c) || !check_numbers(r, t, c) || !check_configs(r, t, c))
        return;
    draw_id(c);
    describe(r, c);
    if (message->validate_only)
        return;
    c->item.exists_code = KAFKA_ERROR_TOPIC_ALREADY_EXISTS;
    c->item.invalid_code = KAFKA_ERROR_INVALID_PARTITIONS;
    int16_t error_code = change_list_send(&ct->list, &c->item, &c->change, message->timeout_ms,
                                          &c->answer->error_code);
    if (error_code != KAFKA_ERROR_NONE)
        refuse(r, c->answer, error_code, "the change could not be proposed");
}

static const uint8_t *find_repeats(struct request *r)
{
    const struct kafka_create_topics_request *message = r->message;
    size_t count = (size_t)message->topics_count;
    struct kafka_string *names = request_array(r, count, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++)
        names[i] = message->topics[i].name;
    return names == NULL ? NULL : repeats_find(r, names, count);
}

static void answer(struct change_list *list)
{
    request_answer(list->request, list->response);
}

void request_handle_create_topics(struct request *r)
{
    const struct kafka_create_topics_request *message = r->message;
    struct create_topics *ct = request_allocate(r, sizeof *ct);
    size_t count = (size_t)message->topics_count;
    struct kafka_create_topics_response_topic *topics = request_array(r, count, sizeof *topics);
    r->arena.limit_bytes += (count < TOPICS_MAX ? count : TOPICS_MAX) * ANSWER_TOPIC_BYTES;
    struct creation *creations = request_array(r, count, sizeof *creations);
    const uint8_t *repeats = find_repeats(r);
    if (ct == NULL || topics == NULL || creations == NULL || repeats == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_create_topics_response_init(&ct->response);
    ct->response.topics = topics;
    ct->creations = creations;
    change_list_begin(&ct->list, r, &ct->response, answer);
    for (int32_t i = 0; i < message->topics_count; i++)
        if (repeats[i] != REPEAT_AGAIN) /* answered once */
            begin(ct, i, (enum repeat)repeats[i]);
    change_list_end(&ct->list);
}

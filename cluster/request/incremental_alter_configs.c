/* IncrementalAlterConfigs: sets, deletes and edits overrides of topics (KIP-339). A topic's
 * operations are one change, so that they take effect together; it names what it changes only, so
 * that others may change the rest meanwhile. A consumer group's policy is set here, too.
 *
 * A broker has no config that could be altered but trilog.site.report, which is never stored:
 * routers and clients say so how they reach the sites (dc-router/policy_report.h). */
#include <stdlib.h>
#include <string.h>

#include "dc-router/policy_report.h"
#include "error_code.h"
#include "request/alter_configs.h"
#include "request/group_policy.h"
#include "request/text.h"
#include "site/board.h"
#include "topic_config.h"
#include "topic_replication.h"

#define RESOURCE_TOPIC        2
#define RESOURCE_BROKER       4
#define RESOURCE_GROUP        32
#define ANSWER_RESOURCE_BYTES 4096 /* a resource's edits and its sentence, where one is refused */
#define OPERATIONS_MAX        1000 /* on one resource, for the same reason */

enum operation { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

struct alter_configs {
    struct change_list list;
    const struct kafka_incremental_alter_configs_request *message;
    struct kafka_incremental_alter_configs_response response;
};

/* What a resource's operations come to. */
struct edits {
    uint8_t topic_id[16];
    unsigned set_count, removed_count;
    struct metadata_config set[METADATA_CONFIGS_MAX];
    const char *removed[METADATA_CONFIGS_MAX];
};

static void refuse(struct request *r,
                   struct kafka_incremental_alter_configs_response_resource *answer,
                   int16_t error_code, const char *why)
{
    answer->error_code = error_code;
    answer->error_message = text_copy(r, why);
}

static int16_t find_topic(struct request *r, struct kafka_string name, uint8_t topic_id[16])
{
    struct metadata *m = r->broker->metadata;
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_name(m, name.data, (size_t)name.size);
    if (t != NULL)
        memcpy(topic_id, t->id, 16);
    metadata_read_unlock(m);
    return t != NULL ? KAFKA_ERROR_NONE : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* The list in effect with the items of `operand` added, or taken out; NULL without memory. */
static char *edit_list(struct request *r, const struct edits *edits, const char *name,
                       const char *operand, bool should_add)
{
    char inherited[64] = "", *edited = NULL;
    struct metadata *m = r->broker->metadata;
    topic_config_default_of(name, &r->broker->conf, inherited, sizeof inherited);
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_id(m, edits->topic_id);
    const char *override = t == NULL ? NULL : metadata_topic_config(t, name);
    const char *present = override != NULL ? override : inherited;
    edited = request_allocate(r, strlen(present) + strlen(operand) + 2);
    if (edited != NULL)
        topic_config_edit_list(present, operand, should_add, edited);
    metadata_read_unlock(m);
    return edited;
}

static int16_t delete_one(struct edits *edits, const char *name)
{
    if (edits->removed_count == METADATA_CONFIGS_MAX)
        return KAFKA_ERROR_INVALID_REQUEST;
    edits->removed[edits->removed_count++] = name;
    return KAFKA_ERROR_NONE;
}

static int16_t set_one(struct edits *edits, char *name, char *value, struct err_note *note)
{
    if (value == NULL || topic_config_check(name, value, note) != 0 ||
        edits->set_count == METADATA_CONFIGS_MAX)
        return KAFKA_ERROR_INVALID_CONFIG;
    edits->set[edits->set_count++] = (struct metadata_config){.name = name, .value = value};
    return KAFKA_ERROR_NONE;
}

static int16_t alter_one(struct request *r, struct edits *edits,
                         const struct kafka_incremental_alter_configs_request_config *config,
                         struct err_note *note)
{
    int8_t operation = config->config_operation;
    char *name = text_terminated(r, config->name), *value = text_terminated(r, config->value);
    if (name == NULL || operation < OPERATION_SET || operation > OPERATION_SUBTRACT)
        return KAFKA_ERROR_INVALID_REQUEST;
    if (operation == OPERATION_DELETE)
        return delete_one(edits, name);
    if (value == NULL) {
        err_set(note, ERR_INVALID, "Null value not supported for : %s", name);
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    if (operation == OPERATION_SET)
        return set_one(edits, name, value, note);
    if (!topic_config_is_list(name)) {
        err_set(note, ERR_INVALID, "Can't %s to key %s because its type is not LIST.",
                operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT", name);
        return KAFKA_ERROR_INVALID_CONFIG;
    }
    value = edit_list(r, edits, name, value, operation == OPERATION_APPEND);
    return set_one(edits, name, value, note);
}

static bool is_repeated(const struct kafka_incremental_alter_configs_request_resource *from,
                        int32_t position)
{
    for (int32_t i = 0; i < position; i++)
        if (kafka_string_is_equal(from->configs[i].name, from->configs[position].name))
            return true;
    return false;
}

static int16_t alter_all(struct request *r, struct edits *edits,
                         const struct kafka_incremental_alter_configs_request_resource *from,
                         struct err_note *note)
{
    int16_t error_code = KAFKA_ERROR_NONE;
    if (from->configs_count > OPERATIONS_MAX)
        return KAFKA_ERROR_INVALID_REQUEST;
    for (int32_t i = 0; i < from->configs_count && error_code == KAFKA_ERROR_NONE; i++) {
        if (is_repeated(from, i)) {
            err_set(note, ERR_INVALID, "Error due to duplicate config keys");
            return KAFKA_ERROR_INVALID_REQUEST;
        }
        error_code = alter_one(r, edits, &from->configs[i], note);
    }
    return error_code;
}

static int by_name(const void *a, const void *b)
{
    const struct metadata_config *first = a, *second = b;
    return strcmp(first->name, second->name);
}

/* Its changes would each be made to what is there now, and the last one win. */
static bool
is_resource_repeated(const struct kafka_incremental_alter_configs_request *message,
                     const struct kafka_incremental_alter_configs_request_resource *resource)
{
    for (int32_t i = 0; i < message->resources_count; i++)
        if (&message->resources[i] != resource &&
            message->resources[i].resource_type == resource->resource_type &&
            kafka_string_is_equal(message->resources[i].resource_name, resource->resource_name))
            return true;
    return false;
}

static int take_reports(struct request *r, struct bytes text, bool is_check, struct err_note *note)
{
    struct router_told told[ROUTER_REPORTS_MAX];
    int count = router_report_read(text, told, note), err = count < 0 ? count : 0;
    for (int i = 0; i < count && err == 0 && !is_check; i++) {
        struct site_report report = {.told = told[i], .reporter = site_reporter_of(&r->context)};
        err = site_board_take(r->broker->sites, &report, true, clock_now_ms(&r->broker->clock));
        if (err != 0)
            err_set(note, err, "report %d was not taken: %s", i + 1,
                    err == ERR_BUSY        ? "too many, or too soon after the one before"
                    : err == ERR_NOT_FOUND ? "there is no such site"
                                           : "it is too old");
    }
    return err;
}

static void alter_broker(struct request *r, bool is_check,
                         const struct kafka_incremental_alter_configs_request_resource *from,
                         struct kafka_incremental_alter_configs_response_resource *answer)
{
    struct err_note note = {0};
    const struct kafka_incremental_alter_configs_request_config *config = from->configs;
    if (from->configs_count != 1 || !kafka_string_is_text(config->name, ROUTER_REPORT_CONFIG) ||
        config->config_operation != OPERATION_SET || config->value.size < 0) {
        refuse(r, answer, KAFKA_ERROR_INVALID_REQUEST,
               "Configs can be altered for topics and groups; a node's own are in its file.");
        return;
    }
    struct bytes text = bytes_of(config->value.data, (size_t)config->value.size);
    int err = take_reports(r, text, is_check, &note);
    if (err != 0)
        refuse(r, answer,
               err == ERR_BUSY ? KAFKA_ERROR_THROTTLING_QUOTA_EXCEEDED : KAFKA_ERROR_INVALID_CONFIG,
               note.text);
}

static void begin(struct alter_configs *ac,
                  const struct kafka_incremental_alter_configs_request_resource *from,
                  struct kafka_incremental_alter_configs_response_resource *answer)
{
    struct request *r = ac->list.request;
    const struct kafka_incremental_alter_configs_request *message = ac->message;
    struct edits *edits = request_allocate(r, sizeof *edits);
    struct change_item *item = request_allocate(r, sizeof *item);
    struct metadata_change change = {.kind = METADATA_TOPIC_CONFIG};
    struct err_note note = {0};
    kafka_incremental_alter_configs_response_resource_init(answer);
    answer->resource_type = from->resource_type;
    answer->resource_name = from->resource_name;
    if (from->resource_type == RESOURCE_GROUP) {
        group_policy_alter(&ac->list, from, message->validate_only, answer);
        return;
    }
    if (from->resource_type == RESOURCE_BROKER) {
        alter_broker(r, message->validate_only, from, answer);
        return;
    }
    if (from->resource_type != RESOURCE_TOPIC || edits == NULL || item == NULL) {
        refuse(r, answer, KAFKA_ERROR_INVALID_REQUEST,
               "Configs can be altered for topics and groups; a node's own are in its file.");
        return;
    }
    if (is_resource_repeated(message, from)) {
        refuse(r, answer, KAFKA_ERROR_INVALID_REQUEST, "Each resource may be named once.");
        return;
    }
    if (from->resource_name.size == 0) {
        refuse(r, answer, KAFKA_ERROR_INVALID_REQUEST, "Default topic resources are not allowed.");
        return;
    }
    int16_t error_code = find_topic(r, from->resource_name, edits->topic_id);
    if (error_code == KAFKA_ERROR_NONE)
        error_code = alter_all(r, edits, from, &note);
    if (error_code != KAFKA_ERROR_NONE) {
        const char *why = error_code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                              ? "The topic does not exist."
                              : "The operation is not known, or the request too large.";
        refuse(r, answer, error_code, note.text[0] != '\0' ? note.text : why);
        return;
    }
    qsort(edits->set, edits->set_count, sizeof edits->set[0], by_name);
    memcpy(change.id, edits->topic_id, sizeof change.id);
    change.configs = edits->set;
    change.config_count = edits->set_count;
    change.removed = edits->removed;
    change.removed_count = edits->removed_count;
    if (topic_replication_check(r->broker->metadata, &change, &note) != 0)
        refuse(r, answer, KAFKA_ERROR_INVALID_CONFIG, note.text);
    if (answer->error_code != KAFKA_ERROR_NONE || message->validate_only)
        return;
    item->exists_code = item->invalid_code = KAFKA_ERROR_INVALID_CONFIG;
    error_code = change_list_send(&ac->list, item, &change, 0, &answer->error_code);
    if (error_code != KAFKA_ERROR_NONE)
        refuse(r, answer, error_code, "the change could not be proposed");
}

void alter_configs_begin(struct request *r,
                         const struct kafka_incremental_alter_configs_request *message,
                         change_list_cb finish)
{
    size_t count = (size_t)message->resources_count;
    r->arena.limit_bytes += count * ANSWER_RESOURCE_BYTES;
    struct alter_configs *ac = request_allocate(r, sizeof *ac);
    struct kafka_incremental_alter_configs_response_resource *resources = request_array(
        r, count, sizeof *resources);
    if (ac == NULL || resources == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    ac->message = message;
    kafka_incremental_alter_configs_response_init(&ac->response);
    ac->response.resources = resources;
    ac->response.resources_count = message->resources_count;
    change_list_begin(&ac->list, r, &ac->response, finish);
    for (size_t i = 0; i < count; i++)
        begin(ac, &message->resources[i], &resources[i]);
    change_list_end(&ac->list);
}

static void answer_all(struct change_list *list)
{
    request_answer(list->request, list->response);
}

void request_handle_incremental_alter_configs(struct request *r)
{
    const struct kafka_incremental_alter_configs_request *message = r->message;
    if (message->resources_count > ALTER_RESOURCES_MAX)
        request_close_connection(r, "it names more resources than one request may");
    else
        alter_configs_begin(r, message, answer_all);
}

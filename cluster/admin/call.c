/* Answers of the operator's port, and the fields of its requests. */
#include "admin/call.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "protocol/error.h"

#define WHO_SIZE_MAX 200

void call_answer_text(struct admin_call *call, unsigned status, const char *content_type,
                      char *text, size_t size)
{
    http_answer_text(&call->http, status, content_type, text, size);
}

void call_answer_json(struct admin_call *call, unsigned status, json_t *json)
{
    http_answer_json(&call->http, status, json);
}

void call_refuse(struct admin_call *call, unsigned status, const char *code, const char *format,
                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    http_refuse_list(&call->http, status, code, format, arguments);
    va_end(arguments);
}

/* Our codes as HTTP's and as a word. Anything else is the node's own trouble. */
static const struct {
    int err;
    unsigned status;
    const char *code;
} refusals[] = {
    {ERR_NOT_FOUND, MHD_HTTP_NOT_FOUND, "not_found"},
    {ERR_EXISTS, MHD_HTTP_CONFLICT, "exists"},
    {ERR_INVALID, MHD_HTTP_BAD_REQUEST, "invalid"},
    {ERR_CANT_CHANGE, MHD_HTTP_CONFLICT, "not_allowed_now"},
    {ERR_BUSY, MHD_HTTP_SERVICE_UNAVAILABLE, "busy"},
    {ERR_FULL, MHD_HTTP_CONFLICT, "full"},
    {ERR_NOT_LEADER, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {ERR_LEADERSHIP_LOST, MHD_HTTP_SERVICE_UNAVAILABLE, "fate_unknown"},
    {ERR_TIMEOUT, MHD_HTTP_GATEWAY_TIMEOUT, "timeout"},
    {ERR_CLOSED, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping"},
    {ERR_NO_SPACE, MHD_HTTP_INSUFFICIENT_STORAGE, "disk_full"},
    {UV_ENOTSUP, MHD_HTTP_NOT_IMPLEMENTED, "not_supported"},
};

void call_refuse_err(struct admin_call *call, int err, const char *text)
{
    const char *message = text != NULL && text[0] != '\0' ? text : err_text(err);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].err == err) {
            call_refuse(call, refusals[i].status, refusals[i].code, "%s", message);
            return;
        }
    call_refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "%s: %s", err_name(err), message);
}

/* Kafka's codes, likewise. */
static const struct {
    int16_t error_code;
    unsigned status;
    const char *code;
} kafka_refusals[] = {
    {KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, MHD_HTTP_NOT_FOUND, "not_found"},
    {KAFKA_ERROR_GROUP_ID_NOT_FOUND, MHD_HTTP_NOT_FOUND, "not_found"},
    {KAFKA_ERROR_TOPIC_ALREADY_EXISTS, MHD_HTTP_CONFLICT, "exists"},
    {KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, MHD_HTTP_BAD_REQUEST, "invalid"},
    {KAFKA_ERROR_INVALID_PARTITIONS, MHD_HTTP_BAD_REQUEST, "invalid"},
    {KAFKA_ERROR_INVALID_REPLICATION_FACTOR, MHD_HTTP_BAD_REQUEST, "invalid"},
    {KAFKA_ERROR_INVALID_CONFIG, MHD_HTTP_BAD_REQUEST, "invalid"},
    {KAFKA_ERROR_INVALID_REQUEST, MHD_HTTP_BAD_REQUEST, "invalid"},
    {KAFKA_ERROR_INVALID_GROUP_ID, MHD_HTTP_BAD_REQUEST, "invalid"},
    {KAFKA_ERROR_UNKNOWN_MEMBER_ID, MHD_HTTP_CONFLICT, "not_allowed_now"},
    {KAFKA_ERROR_NON_EMPTY_GROUP, MHD_HTTP_CONFLICT, "not_allowed_now"},
    {KAFKA_ERROR_POLICY_VIOLATION, MHD_HTTP_CONFLICT, "not_allowed_now"},
    {KAFKA_ERROR_REBALANCE_IN_PROGRESS, MHD_HTTP_CONFLICT, "not_allowed_now"},
    {KAFKA_ERROR_NOT_CONTROLLER, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {KAFKA_ERROR_NOT_COORDINATOR, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {KAFKA_ERROR_LEADER_NOT_AVAILABLE, MHD_HTTP_SERVICE_UNAVAILABLE, "no_leader"},
    {KAFKA_ERROR_REQUEST_TIMED_OUT, MHD_HTTP_GATEWAY_TIMEOUT, "timeout"},
    {KAFKA_ERROR_KAFKA_STORAGE_ERROR, MHD_HTTP_INSUFFICIENT_STORAGE, "disk_full"},
};

void call_refuse_kafka(struct admin_call *call, int16_t error_code, const char *text)
{
    const char *message = text != NULL && text[0] != '\0' ? text : kafka_error_text(error_code);
    for (size_t i = 0; i < sizeof kafka_refusals / sizeof kafka_refusals[0]; i++)
        if (kafka_refusals[i].error_code == error_code) {
            call_refuse(call, kafka_refusals[i].status, kafka_refusals[i].code, "%s", message);
            return;
        }
    call_refuse(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "%s: %s",
                kafka_error_name(error_code), message);
}

json_t *call_text(const char *text, int32_t size)
{
    if (size < 0)
        return json_null();
    json_t *json = json_stringn(text, (size_t)size);
    char *plain = json == NULL ? malloc((size_t)size + 1) : NULL;
    if (plain == NULL)
        return json;
    for (int32_t i = 0; i < size; i++)
        plain[i] = (uint8_t)text[i] < 0x80 ? text[i] : '?';
    json = json_stringn(plain, (size_t)size);
    free(plain);
    return json;
}

/* ---- the query ---- */

bool call_allows_query(struct admin_call *call, const char *const *names, size_t count)
{
    return http_allows_query(&call->http, names, count);
}

const char *call_query(struct admin_call *call, const char *name)
{
    return http_query(&call->http, name);
}

bool call_query_text(struct admin_call *call, const char *name, const char **value)
{
    *value = call_query(call, name);
    json_t *text = *value == NULL ? NULL : json_string(*value); /* NULL: no UTF-8 */
    bool is_sound = text != NULL && (*value)[0] != '\0';
    json_decref(text);
    if (!is_sound)
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "?%s=… must be given, as UTF-8",
                    name);
    return is_sound;
}

/* ---- fields ---- */

bool call_allows_fields(struct admin_call *call, const char *const *names, size_t count)
{
    const char *name;
    json_t *value;
    json_object_foreach(call->json, name, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < count && !is_known; i++)
            is_known = strcmp(names[i], name) == 0;
        if (is_known)
            continue;
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "unknown_field", "'%.64s' is not a field here",
                    name);
        return false;
    }
    return true;
}

bool call_field_number(struct admin_call *call, const char *name, int64_t least, int64_t most,
                       int64_t *value)
{
    const json_t *field = json_object_get(call->json, name);
    if (json_is_integer(field) && json_integer_value(field) >= least &&
        json_integer_value(field) <= most) {
        *value = json_integer_value(field);
        return true;
    }
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                "'%s' must be a whole number from %" PRId64 " to %" PRId64, name, least, most);
    return false;
}

bool call_field_text(struct admin_call *call, const char *name, const char **value)
{
    const json_t *field = json_object_get(call->json, name);
    if (json_is_string(field) && json_string_length(field) > 0) {
        *value = json_string_value(field);
        return true;
    }
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'%s' must be text", name);
    return false;
}

bool call_field_who(struct admin_call *call, const char *what, char who[CALL_WHO_SIZE])
{
    const char *by = "nobody said who";
    char plain[WHO_SIZE_MAX + 1];
    size_t size = 0;
    if (json_object_get(call->json, "by") != NULL && !call_field_text(call, "by", &by))
        return false;
    for (; by[size] != '\0' && size < WHO_SIZE_MAX; size++)
        plain[size] = isprint((unsigned char)by[size]) && by[size] != '"' ? by[size] : '?';
    plain[size] = '\0';
    snprintf(who, CALL_WHO_SIZE, "trilog %s by %s, asked of node %u", what, plain,
             (unsigned)call->broker->conf.node_id);
    return true;
}

bool call_field_flag(struct admin_call *call, const char *name, bool *value)
{
    const json_t *field = json_object_get(call->json, name);
    if (field == NULL || json_is_boolean(field)) {
        if (field != NULL)
            *value = json_boolean_value(field);
        return true;
    }
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'%s' must be true or false", name);
    return false;
}

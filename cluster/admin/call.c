/* Answers of the operator's port, and the fields of its requests. */
#include "admin/call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"

#define JSON_TYPE "application/json"

/* Without memory for the answer: this needs none. */
static const char out_of_memory[] =
    "{\"error\": \"out_of_memory\", \"message\": \"the node has no memory for this answer\"}\n";

static void answer(struct admin_call *call)
{
    assert(call->state == CALL_READING || call->state == CALL_WORKING); /* exactly once */
    call->state = CALL_ANSWERED;
    call->admin->answered_count++;
    if (call->status >= 400)
        call->admin->refused_count++;
    if (call->is_suspended) {
        call->is_suspended = false;
        MHD_resume_connection(call->http); /* MHD asks for the answer in this turn */
    }
}

void call_answer_text(struct admin_call *call, unsigned status, const char *content_type,
                      char *text, size_t size)
{
    call->status = text == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    call->content_type = text == NULL ? JSON_TYPE : content_type;
    call->text = text;
    call->text_size = size;
    if (text == NULL && (call->text = strdup(out_of_memory)) != NULL)
        call->text_size = sizeof out_of_memory - 1;
    answer(call);
}

void call_answer_json(struct admin_call *call, unsigned status, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_INDENT(2));
    size_t size = text == NULL ? 0 : strlen(text);
    json_decref(json);
    if (text != NULL)
        text[size++] = '\n'; /* in the place of the NUL: a size goes with it */
    call_answer_text(call, status, JSON_TYPE, text, size);
}

void call_refuse(struct admin_call *call, unsigned status, const char *code, const char *format,
                 ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    json_t *json = json_pack("{s:s, s:s}", "error", code, "message", message);
    if (json == NULL) /* text of the client's that is not UTF-8 */
        json = json_pack("{s:s, s:s}", "error", code, "message", "the request is not UTF-8");
    call_answer_json(call, status, json);
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

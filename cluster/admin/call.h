/* One request of an operator, from its headers to its answer. On the port's thread. */
#ifndef CLUSTER_ADMIN_CALL_H
#define CLUSTER_ADMIN_CALL_H

#include <microhttpd.h>

#include "base/http_port.h"

struct admin;
struct broker;

struct admin_call {
    struct http_call http; /* first: what the port knows of it */
    struct admin *admin;
    struct broker *broker; /* never NULL in a handler, unless the route is one for any time */
    json_t *json;          /* the body of a POST: an object, the port's */
    void *data;            /* the handler's own, while it works */
    /* Set by whoever answers later: the port closes and has answered, the call is gone then. */
    void (*on_abandoned)(struct admin_call *call);
};

/* Each call is answered exactly once, at once or later, on the port's thread. */

/* Takes `json`; NULL means that there was no memory for it. */
void call_answer_json(struct admin_call *call, unsigned status, json_t *json);
/* Takes `text` (malloc); NULL means that there was no memory for it. */
void call_answer_text(struct admin_call *call, unsigned status, const char *content_type,
                      char *text, size_t size);
/* {"error": code, "message": text}. The message says what to do next where that is known. */
void call_refuse(struct admin_call *call, unsigned status, const char *code, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
/* The same for one of our error codes, with its own sentence when `text` is NULL or "". */
void call_refuse_err(struct admin_call *call, int err, const char *text);

/* The same for one of Kafka's, as another node answered it; `text` may be NULL. */
void call_refuse_kafka(struct admin_call *call, int16_t error_code, const char *text);

/* Text of a client's as JSON: null where there is none (`size` below 0), '?' for bytes that are no
 * UTF-8 and so have no place in JSON. */
json_t *call_text(const char *text, int32_t size);

/* ---- the query, for GET: "?name=value" ---- */

/* True when there are no other arguments than these, each once, and no NUL in them; else the call
 * is refused: a misspelled one would be answered as if it had not been there, two as if there were
 * one.
 */
bool call_allows_query(struct admin_call *call, const char *const *names, size_t count);
/* NULL when there is none. Borrowed from the call. */
const char *call_query(struct admin_call *call, const char *name);
/* False when the call was refused: the argument is missing, empty, or no UTF-8. */
bool call_query_text(struct admin_call *call, const char *name, const char **value);

/* ---- the body's fields, for POST ---- */

/* True when the object has no other fields than these; else the call is refused: a misspelled
 * "plan" must never do what was only to be planned. */
bool call_allows_fields(struct admin_call *call, const char *const *names, size_t count);
/* False when the call was refused: the field is missing or of another type. */
bool call_field_number(struct admin_call *call, const char *name, int64_t least, int64_t most,
                       int64_t *value);
bool call_field_text(struct admin_call *call, const char *name, const char **value);
/* As it is when the field is missing. */
bool call_field_flag(struct admin_call *call, const char *name, bool *value);
/* "by", as it will stand in a group's history and in events: "trilog WHAT by …, asked of node N".
 */
#define CALL_WHO_SIZE 264
bool call_field_who(struct admin_call *call, const char *what, char who[CALL_WHO_SIZE]);

#endif

/* Asking a node's operator's port, by libcurl. */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <jansson.h>
#include <stdbool.h>

#include "target.h"

#define HTTP_ANSWER_BYTES_MAX (64u << 20)
#define HTTP_PATH_SIZE        4096

/* How an exchange went, as far as anybody can know. */
enum http_outcome {
    HTTP_ANSWERED,    /* `status` and `json` are set */
    HTTP_NOT_SENT,    /* no connection: the node has seen nothing of it */
    HTTP_FATE_UNKNOWN /* it was sent, and no sound answer came */
};

struct http_answer {
    enum http_outcome outcome;
    long status;
    json_t *json;      /* owned (http_answer_close); NULL unless ANSWERED */
    char trouble[256]; /* in words, unless ANSWERED */
    char message[600]; /* of a refusal, for people; "" when there is none */
};

/* Once, before anything else. */
bool http_init(void);

/* GET when `body` is NULL, else POST of it (borrowed). Blocking, 20 s at most. An answer that is no
 * JSON is none of ours: FATE_UNKNOWN. */
void http_ask(const struct targets *targets, unsigned target, const char *path, const json_t *body,
              struct http_answer *answer);
void http_answer_close(struct http_answer *answer);

/* Asks one node after the other until one has done with it: those that can't be reached, that are
 * starting or ending, or that know no leader have done nothing, so the next is asked. Where none
 * has done with it, the answer of one that said why goes before the silence of others. */
void http_ask_any(const struct targets *targets, const char *path, const json_t *body,
                  struct http_answer *answer);

/* "error" and "message" of an answer that refuses, or NULL. Borrowed from the answer. Control
 * characters of the message are '?': what a node says must not steer the terminal. */
const char *http_error_code(const struct http_answer *answer);
const char *http_error_text(const struct http_answer *answer);

#endif

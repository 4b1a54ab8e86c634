/* An HTTP port for operators, on a shard of its own: what nodes and routers have in common.
 *
 * libmicrohttpd runs without threads: callbacks, answers and deadlines all happen on the port's
 * shard, one after another. Who may ask is base/http_guard.h's; what is answered is the owner's.
 *
 *   headers --guard, find--> body --handle--> answer at once
 *                                    '--> suspended, costs nothing --> answer later
 *
 * Each call is answered exactly once, on the port's shard. What clients can take is bounded:
 * connections, header bytes, body bytes, and time. */
#ifndef BASE_HTTP_PORT_H
#define BASE_HTTP_PORT_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/shard.h"

struct MHD_Connection;
struct http_port;
struct http_connection;
struct http_call;

#define HTTP_CONNECTIONS_MAX 64

enum http_route_flag {
    HTTP_OPEN = 1 << 0, /* without a token: what probes ask */
    HTTP_QUERY = 1 << 1 /* takes a query, which its handler checks; of others any is refused */
};

/* What the owner has for a method and path. */
struct http_route {
    const char *method; /* GET (HEAD too) or POST; NULL: nothing */
    unsigned flags;     /* enum http_route_flag */
    const char *allow;  /* without `method`: the one that the path has; NULL: no such path */
    const void *own;    /* the owner's */
};

enum http_call_state {
    HTTP_CALL_READING,  /* its body is coming */
    HTTP_CALL_WORKING,  /* a handler has it, or what that asked */
    HTTP_CALL_ANSWERED, /* `status` and `text` are set */
    HTTP_CALL_SENT      /* handed over */
};

/* First in a larger struct of the owner's, if it has one (`call_size`); zero at first. */
struct http_call {
    struct http_port *port;
    struct http_route route;
    json_t *json; /* the body of a POST: an object, owned by the call */
    enum http_call_state state;
    struct MHD_Connection *http; /* private from here on */
    struct http_connection *connection;
    uint8_t *body; /* as it came; NULL when there is none */
    size_t body_size;
    bool is_too_large; /* the body passed its bound: the rest is not kept */
    bool is_suspended;
    unsigned status; /* of HTTP */
    const char *content_type;
    char *text; /* owned: the answer's bytes */
    size_t text_size;
};

struct http_port_options {
    struct shard *shard; /* the port's own, not started yet */
    int descriptor;      /* listens; taken over */
    bool is_loopback;    /* where all clients have one address */
    const char *listen_host;
    const char *token_file; /* "": no token is wanted */
    size_t call_size;       /* of the owner's struct around a call; 0: just a call */
    void *data;             /* the owner's */
    struct http_route (*find)(void *data, const char *method, const char *path);
    /* Answers the call, at once or later. */
    void (*handle)(struct http_call *call);
    /* Somebody would answer later, but the port closes, and then answers: the call is gone. */
    void (*abandon)(struct http_call *call);
    void (*on_tick)(void *data); /* about every 250 ms; may be NULL */
};

/* Opens it; it serves when the shard has started. *port is returned owned (http_port_close, then
 * http_port_destroy). On failure the note says what is wrong; the descriptor is the caller's. */
int http_port_open(const struct http_port_options *options, struct http_port **port,
                   struct err_note *note);
/* Ends all calls and connections. On the shard. */
void http_port_close(struct http_port *port);
/* After the shard has stopped. */
void http_port_destroy(struct http_port *port);

void *http_port_data(const struct http_port *port);
bool http_port_has_token(const struct http_port *port);
/* Requests so far, and how many of them were answered with an error. */
uint64_t http_port_answered(const struct http_port *port);
uint64_t http_port_refused(const struct http_port *port);

/* Takes `json`; NULL means that there was no memory for it. */
void http_answer_json(struct http_call *call, unsigned status, json_t *json);
/* Takes `text` (malloc); NULL means that there was no memory for it. */
void http_answer_text(struct http_call *call, unsigned status, const char *content_type, char *text,
                      size_t size);
/* {"error": code, "message": text}. The message says what to do next where that is known. */
void http_refuse(struct http_call *call, unsigned status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void http_refuse_list(struct http_call *call, unsigned status, const char *code, const char *format,
                      va_list arguments);

/* True when there are no other arguments in the query than these (at most 63), each once, and no
 * NUL in them; else the call is refused: a misspelled one would be answered as if it had not been
 * there, two as if there were one. */
bool http_allows_query(struct http_call *call, const char *const *names, size_t count);
/* NULL when there is none. Borrowed from the call. */
const char *http_query(struct http_call *call, const char *name);

#endif

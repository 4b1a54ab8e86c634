/* The inside of an HTTP port; shared by http_port.c and http_call.c. */
#ifndef BASE_HTTP_PARTS_H
#define BASE_HTTP_PARTS_H

#include <microhttpd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/http_guard.h"
#include "base/http_port.h"

#define HTTP_BODY_BYTES_MAX (64u << 10)

/* A client's connection, as long as MHD has it. */
struct http_connection {
    int descriptor;
    uint64_t since_ms;      /* clock: it began, or its last answer was made */
    struct http_call *call; /* under way, or NULL */
    struct http_connection *next, **previous;
};

struct http_port {
    struct http_port_options options;
    struct clock clock;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* of MHD's own epoll descriptor */
    uv_timer_t timer; /* deadlines */
    struct http_guard guard;
    struct http_connection *connections;
    unsigned connection_count;
    uint64_t answered_count, refused_count;
};

/* http_call.c: a call's life, as libmicrohttpd tells it. */
enum MHD_Result http_on_request(void *data, struct MHD_Connection *http, const char *path,
                                const char *method, const char *version, const char *bytes,
                                size_t *size, void **own);
void http_on_completed(void *data, struct MHD_Connection *http, void **own,
                       enum MHD_RequestTerminationCode code);

#endif

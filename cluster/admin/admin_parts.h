/* The inside of the operator's port; shared by the files of admin/. Everything here is touched on
 * the port's own thread, but where a field says otherwise. */
#ifndef CLUSTER_ADMIN_ADMIN_PARTS_H
#define CLUSTER_ADMIN_ADMIN_PARTS_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <uv.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/guard.h"
#include "admin/watch.h"
#include "base/clock.h"
#include "base/shard.h"

#define ADMIN_CONNECTIONS_MAX        64
#define ADMIN_PER_ADDRESS_MAX        32          /* beyond loopback, where all have one address */
#define ADMIN_HEADER_BYTES_MAX       (32u << 10) /* request line, headers and MHD's own, a connection */
#define ADMIN_BODY_BYTES_MAX         (64u << 10)
#define ADMIN_REQUEST_MS_MAX         15000 /* for a whole request to come, or its answer to be taken */
#define ADMIN_CROWDED_CONNECTIONS    48
#define ADMIN_CROWDED_REQUEST_MS_MAX 2000 /* so long when most connections are in use */

/* A client's connection, as long as MHD has it. */
struct admin_connection {
    int descriptor;
    uint64_t since_ms;       /* clock: it began, or its last answer was made */
    struct admin_call *call; /* under way, or NULL */
    struct admin_connection *next, **previous;
};

struct admin {
    const struct conf_settings *conf;
    struct clock clock;
    struct shard *shard; /* the port's own thread and loop */
    int descriptor;      /* listens */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* of MHD's own epoll descriptor */
    uv_timer_t timer; /* deadlines */
    struct admin_guard guard;
    struct admin_connection *connections;
    unsigned connection_count;
    _Atomic(struct broker *) broker; /* any thread: NULL before it serves */
    atomic_bool is_stopping;         /* any thread: admin_detach was called */
    unsigned survey_count;           /* under way, also those whose caller has given up */
    struct ask *asks;                /* questions to nodes under way (ask.h) */
    unsigned ask_count;
    bool is_salvaging; /* one at a time (resource_salvage.c) */
    struct watch watch;
    struct work_item begin_item, end_item;
    uint64_t started_ms;                    /* clock */
    uint64_t answered_count, refused_count; /* requests, for the metrics */
};

/* http.c: on the port's thread. */
int admin_http_open(struct admin *a, struct err_note *note);
void admin_http_close(struct admin *a);

#endif

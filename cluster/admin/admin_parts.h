/* The inside of the operator's port; shared by the files of admin/. Everything here is touched on
 * the port's own thread, but where a field says otherwise. */
#ifndef CLUSTER_ADMIN_ADMIN_PARTS_H
#define CLUSTER_ADMIN_ADMIN_PARTS_H

#include <stdatomic.h>
#include <uv.h>

#include "admin/admin.h"
#include "admin/call.h"
#include "admin/watch.h"
#include "base/clock.h"
#include "base/shard.h"

struct admin {
    const struct conf_settings *conf;
    struct clock clock;
    struct shard *shard; /* the port's own thread and loop */
    struct http_port *port;
    _Atomic(struct broker *) broker; /* any thread: NULL before it serves */
    atomic_bool is_stopping;         /* any thread: admin_detach was called */
    unsigned survey_count;           /* under way, also those whose caller has given up */
    struct ask *asks;                /* questions to nodes under way (ask.h) */
    unsigned ask_count;
    bool is_salvaging; /* one at a time (resource_salvage.c) */
    struct watch watch;
    struct work_item begin_item, end_item;
    uint64_t started_ms; /* clock */
};

#endif

/* What the parts of one router shard share.
 *
 * A router is as many shards as it has threads. Each has a listening socket of its own on the same
 * port, its own connections to the nodes and its own picture of the cluster: nothing is shared
 * between them but the settings, so nothing is locked; but for the board, where each tells how it
 * stands. */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include <stdatomic.h>
#include <uv.h>

#include "base/client_count.h"
#include "base/clock.h"
#include "base/shard.h"
#include "router/backlog.h"
#include "router/board.h"
#include "router/cluster_map.h"
#include "router/kept_settings.h"
#include "router/deadline.h"
#include "router/node_pool.h"
#include "router/peers.h"
#include "router/site_report.h"
#include "router/site_verdict.h"
#include "router/view.h"

#define ROUTER_OWN_CLIENT KAFKA_ENVELOPE_OWN_NUMBER

struct client;

struct router_shard {
    const struct router_settings *settings; /* those in force; others come between two callbacks */
    struct kept_settings *kept;             /* what holds them */
    uint64_t settings_number;               /* of them */
    struct shard *shard;
    int64_t router_id; /* drawn when the router started: whose its clients' numbers are */
    struct clock clock;
    uv_poll_t listen_poll;
    int listen_descriptor;
    uv_timer_t tick;
    uint64_t ticked_ms;       /* the last time */
    uint64_t woke_ms;         /* when it had last missed ticks; see router_silence_ms */
    struct client *clients;   /* all open ones */
    struct client *paused;    /* are not read for a while */
    struct client *beyond;    /* whose large request goes beyond memory_bytes_max; NULL: none */
    uint64_t beyond_ms;       /* when it was looked at last */
    struct client *answering; /* have answers that can leave; written at the turn's end */
    unsigned client_count;
    struct client_count *connections; /* of all shards; NULL: nobody counts */
    struct client_refusals refusals;
    uint64_t client_number; /* of the last one */
    unsigned shard_count;   /* of the router */
    size_t held_bytes;      /* of requests and answers under way, whole or not */
    size_t promised_bytes;  /* that nodes may answer to fetches under way */
    struct node_pool pool;
    struct cluster_map map;
    struct view view;
    struct router_shard *const *all;  /* the first shard's: all shards, itself too; else NULL */
    struct peers peers;               /* the first shard's */
    struct site_verdict site_verdict; /* the first shard's */
    struct site_report site_report;   /* the first shard's */
    struct backlogs backlogs;         /* the first shard's */
    struct counts counts;
    struct board board;
    struct deadline_wheel deadlines;
    bool is_draining;   /* it takes no more connections, and ends those that it has */
    uint64_t drains_ms; /* since then */
    bool is_stopping;
};

/* This shard's part of what the router may hold. */
static inline size_t router_shard_memory_bytes(const struct router_shard *s)
{
    return (size_t)s->settings->memory_bytes_max / (s->shard_count > 0 ? s->shard_count : 1);
}

static inline uint64_t router_now_ms(const struct router_shard *s)
{
    return clock_now_ms(&s->clock);
}

/* How long one that last answered at `answered_ms` has answered nothing, as far as we can tell:
 * what came while we slept (SIGSTOP, no processor) lies unread, so everyone has his time from then
 * on. */
static inline uint64_t router_silence_ms(const struct router_shard *s, uint64_t answered_ms)
{
    return router_now_ms(s) - (answered_ms > s->woke_ms ? answered_ms : s->woke_ms);
}

#endif

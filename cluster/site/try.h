/* One try of the real path to a node, as a client of it goes: connect, ask who leads, produce a
 * record where that node leads, commit an offset where it coordinates, fetch the record there.
 *
 * Where it leads no partition of the canary's topic the newest record that was acknowledged
 * elsewhere is fetched from it, as a consumer of this site does; how far it lags is not judged. One
 * that does not hear what group 0 has agreed knows no such topic: that says nothing for 0.8 s, and
 * counts as failed from then on. So does in the second try one that knows no leader of anything,
 * where this node does: its peers don't reach it. An offset is committed once a second, and not
 * before some application has a group. The connection is kept for the next try; one that failed is
 * closed. */
#ifndef CLUSTER_SITE_TRY_H
#define CLUSTER_SITE_TRY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "dc-router/policy.h"
#include "site/pace.h"

#define SITE_CANARY_TOPIC "__trilog_canary"
#define SITE_CANARY_GROUP "__trilog_canary." /* what its consumer groups begin with */

/* Is the topic or group the canary's? Those who ask for all that there is are not told of it. */
bool site_is_canarys(const char *name, size_t size);

struct broker;
struct node_wire;
struct site_try;

/* What the node that tries knows itself. Of the broker: site_try_known_here. */
struct site_try_known {
    bool (*has_topic)(struct broker *b);
    bool (*is_led)(struct broker *b, int32_t partition); /* by whichever node */
    /* The id of the node that coordinates such a group. 0: none is known, or there is no topic of
     * offsets yet. */
    uint32_t (*coordinator)(struct broker *b, const char *group, size_t size);
};
extern const struct site_try_known site_try_known_here;

/* The newest record that this node's canary has had acknowledged, by whichever node. */
struct site_record {
    int32_t partition;
    int64_t offset;
    uint64_t at_ms; /* clock; 0: none yet */
};

/* How it ended: ROUTER_STAGE_NONE, or the stage that failed, or that it says nothing yet. On the
 * loop. */
#define SITE_TRY_UNSURE ROUTER_STAGE_COUNT
typedef void (*site_try_cb)(void *data, enum router_stage stage);

/* Of one node, again and again; zeroed before the first. */
struct site_try {
    struct broker *broker; /* these six are the owner's */
    const struct site_try_known *known;
    uv_loop_t *loop;
    uint32_t node_id;
    struct site_record *newest; /* shared by all tries of this node */
    void *data;
    site_try_cb cb; /* private from here on */
    bool is_busy;
    enum router_stage stage; /* that is under way */
    uint64_t deadline_ms;
    struct site_pace pace;
    struct site_record record; /* that is fetched */
    bool is_led;               /* ... from its leader */
    uint64_t committed_slot;   /* the second of wall time in which an offset was, there */
    uint64_t lacked_since_ms;  /* it knows no such topic or no leader, this node does; 0: not so */
    uint64_t moved_since_ms;   /* it refuses to lead what it says that it leads; 0: not so */
    struct node_wire *wire;    /* the connection, or NULL */
};

/* Not while it is busy. `cb` runs exactly once, later or at once, unless it is stopped. */
void site_try_start(struct site_try *t, uint64_t now_ms, struct site_pace pace, site_try_cb cb);
/* One that is under way has so much longer: this node stood still, and read no answer. */
void site_try_put_off(struct site_try *t, uint64_t ms);
/* Ends one that is past its deadline. Every tick. */
void site_try_tick(struct site_try *t, uint64_t now_ms);
/* Closes the connection; nothing is called any more. */
void site_try_stop(struct site_try *t);

#endif

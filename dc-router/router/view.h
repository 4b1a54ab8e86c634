/* What the router as a whole has found out, as each shard has it: the first shard finds it out, for
 * all, and gives each a copy when it changes. */
#ifndef ROUTER_VIEW_H
#define ROUTER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "dc-router/policy.h"
#include "protocol/types.h"
#include "conf/router_conf.h"

struct router_shard;

/* A limit of a backlog (backlog.h). */
struct view_backlog {
    char topic[CONF_TOPIC_SIZE], group[CONF_GROUP_SIZE];
    int answer;      /* enum conf_backlog_answer */
    int64_t records; /* that the group is behind */
    bool is_known;   /* it could be found out */
    bool is_open;    /* the topic takes no records */
};

struct view {
    struct router_verdict verdict;  /* on the cluster's sites; epoch 0: none is known */
    unsigned live_count;            /* of the other routers, as peers.h has them: */
    int32_t live[CONF_ROUTERS_MAX]; /* ids of those that answer, rising */
    unsigned backlog_count, open_count;
    struct view_backlog backlogs[CONF_RULES_MAX];
};

/* The limit for which the topic takes no records; NULL: it does. */
const struct view_backlog *view_open_backlog(const struct view *v, struct kafka_string topic);
bool view_has_live(const struct view *v, uint32_t router_id);
/* On the first shard, whose own view has changed: the others get it, soon. */
void view_publish(struct router_shard *s);

#endif

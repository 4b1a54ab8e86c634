/* How far consumer groups are behind, and which topics take no records for it (`backlog_limits`).
 *
 * The first shard asks, for all: one limit after another, each every `backlog_check_ms`, what the
 * group has committed, where the partitions end, and, where the limit is of time, which offset is
 * so old. A topic above its limit is *open* as a breaker is: its records are refused until the
 * group has come down to half of the limit. What could not be found out changes nothing. */
#ifndef ROUTER_BACKLOG_H
#define ROUTER_BACKLOG_H

#include "router/upstream.h"
#include "conf/router_conf.h"

struct router_shard;
struct backlog_round;

struct backlogs {
    struct conf_backlogs limits; /* as they are looked at */
    uint64_t looked_ms[CONF_RULES_MAX];
    bool was_asked[CONF_RULES_MAX]; /* the last time: else it is tried again soon */
    struct backlog_round *round;    /* of questions under way; NULL: none */
    unsigned next;                  /* to look at */
};

/* At the start and when settings have changed: what stays the same stays as it is. */
void backlogs_take_settings(struct router_shard *s);
/* About every 20 ms. */
void backlogs_tick(struct router_shard *s, uint64_t now_ms);
/* When the connections are closed. */
void backlogs_close(struct router_shard *s);

/* What was found of one partition. */
struct backlog_partition {
    int64_t committed; /* -1: the group has committed nothing there: it is not counted */
    int64_t end;
    int64_t young; /* the first offset that is not too old; -1: none; only with a limit of time */
};

/* Pure: what the group is behind, in records. */
int64_t backlog_records(const struct backlog_partition *partitions, int32_t count);
/* Pure: is it too much? `is_open`: it was; then it has to come down to half of the limits. `young`
 * was asked for by the age that backlog_age_ms says. */
bool backlog_is_too_much(const struct conf_backlog *limit, bool is_open,
                         const struct backlog_partition *partitions, int32_t count);
int64_t backlog_age_ms(const struct conf_backlog *limit, bool is_open);

#endif

/* What would be lost if sites were lost now: a forecast from live state, without a word to anybody.
 *
 * It goes by who leads and votes where, what leaders tell of replicas' lag (lag.h), and how long
 * elections took lately. A forecast of each single site is made every second, as long as the site
 * is heard; the one made last stays, so that a real loss can be compared with it. */
#ifndef CLUSTER_MEMBERSHIP_FORECAST_H
#define CLUSTER_MEMBERSHIP_FORECAST_H

#include "broker.h"

#define FORECAST_SITES_MAX 16 /* single ones are kept of so many */

struct forecast {
    unsigned groups_without_leader; /* for a while: a majority is left, and elects */
    unsigned partitions_without_leader;
    unsigned groups_without_majority; /* until the sites are back, or a forced recovery */
    unsigned partitions_without_majority;
    unsigned groups_without_majority_now; /* of them: they have none now either */
    unsigned offsets_groups_lost;         /* of those without a majority: they carry committed
                                             offsets */
    bool is_metadata_lost;                /* group 0 is one of them: nothing can be changed */
    uint64_t only_there_records,
        only_there_bytes; /* acknowledged, at most: on no replica that is
                             left. 0 where every majority is in two sites */
    unsigned groups_with_only_there;
    unsigned groups_not_known; /* no replica that is left was heard by the group's leader: what
                                  exists only there is not known */
    int64_t pause_ms;          /* expected, of groups without a leader for a while; 0: there are
                                  none */
    int64_t pause_ms_max;      /* the longest that was measured; -1: none was */
    bool is_pause_measured;    /* else reckoned from settings and round trips */
};

/* Of one group. */
struct forecast_group {
    uint32_t group_id;
    unsigned partition_count;
    bool is_asynchronous; /* its voters stand in one site: what is acknowledged may be there only */
    bool loses_leader;
    bool has_majority_now, loses_majority; /* has none then, whether it has one now or not */
    bool is_known;                         /* the next two */
    uint64_t only_there_records, only_there_bytes;
};

/* Sites by name; a name that no node has is no error. Takes the metadata's read lock. Any thread.
 */
void forecast_sites(struct broker *b, const char *const *sites, unsigned site_count,
                    struct forecast *f);
/* One group of it, under the metadata's read lock. */
void forecast_of_group(struct broker *b, const struct metadata_group *group,
                       const char *const *sites, unsigned site_count, struct forecast_group *f);

/* Every second, shard 0: the forecasts of single sites. Lives as long as the process. */
struct forecast_board;
int forecast_board_create(struct forecast_board **board);
void forecast_tick(struct broker *b);
/* The newest one made while a node of the site was heard; false when there is none. Any thread. */
bool forecast_kept(struct broker *b, const char *site, struct forecast *f);
struct forecast_of_site {
    char site[32];
    struct forecast forecast;
};
/* All that are kept; returns how many. Any thread. */
unsigned forecast_each_kept(struct broker *b, struct forecast_of_site kept[FORECAST_SITES_MAX]);

#endif

/* What the loss of sites would cost, group by group and in sum.
 *
 * What was acknowledged is on a majority. As long as fewer than a majority of the voters are lost,
 * every majority has one that is left, so nothing can exist only there: that needs no measurement,
 * and no lag changes it. Where a whole majority may be lost, which is so for asynchronous groups
 * and their home site, what exists only there is at most what the best of the replicas that are
 * left lacks of the leader's log. */
#include "membership/forecast.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "membership/lag.h"

#define EVERY_MS      1000
#define STAND_MS      40   /* until the first successor stands, and a second one's turn */
#define TICKS_MS      15   /* that it is silent, may be elected, should stand: half a tick each */
#define ROUND_TRIPS   3    /* pre-vote, vote, and the first commit of the new leader */
#define DISKS_MS      6    /* ... each with a disk's write */
#define ROUND_TRIP_US 1000 /* where none was measured */

struct forecast_board {
    pthread_mutex_t lock;
    struct forecast_of_site kept[FORECAST_SITES_MAX];
    unsigned count;
    uint64_t made_at_ms; /* shard 0 */
};

int forecast_board_create(struct forecast_board **board)
{
    *board = calloc(1, sizeof **board);
    if (*board == NULL)
        return UV_ENOMEM;
    pthread_mutex_init(&(*board)->lock, NULL);
    return 0;
}

/* ---- one group ---- */

static bool stands_in(const struct broker *b, uint32_t node_id, const char *const *sites,
                      unsigned site_count)
{
    const struct metadata_node *node = metadata_node_by_id(b->metadata, node_id);
    for (unsigned i = 0; node != NULL && i < site_count; i++)
        if (strcmp(node->site, sites[i]) == 0)
            return true;
    return false;
}

static bool is_alive(struct broker *b, uint32_t node_id)
{
    return node_id == (uint32_t)b->conf.node_id || repl_node_is_alive(b->node, node_id);
}

struct voters {
    unsigned count, alive, left; /* alive now; and outside the sites */
    unsigned lost;               /* in the sites, alive or not */
};

static void count_voter(struct broker *b, uint32_t node_id, const char *const *sites,
                        unsigned site_count, struct voters *v)
{
    bool is_lost = stands_in(b, node_id, sites, site_count);
    v->count++;
    v->lost += is_lost;
    v->alive += is_alive(b, node_id);
    v->left += !is_lost && is_alive(b, node_id);
}

/* As the leader told them; before it did, as group 0 wants them. */
static struct voters voters_of(struct broker *b, const struct metadata_group *group,
                               const struct lag_group *lag, const char *const *sites,
                               unsigned site_count)
{
    struct voters v = {0};
    for (unsigned i = 0; i < lag->count; i++)
        if (lag->replicas[i].is_voter)
            count_voter(b, lag->replicas[i].node_id, sites, site_count, &v);
    for (unsigned i = 0; v.count == 0 && i < group->node_count; i++)
        if (metadata_group_votes(group, group->node_ids[i]))
            count_voter(b, group->node_ids[i], sites, site_count, &v);
    return v;
}

/* The replica outside, alive, that lacks least. */
static const struct lag_view *best_left(struct broker *b, const struct lag_group *lag,
                                        const char *const *sites, unsigned site_count)
{
    const struct lag_view *best = NULL;
    for (unsigned i = 0; i < lag->count; i++) {
        const struct lag_view *v = &lag->replicas[i];
        bool is_known = v->certainty == LAG_MEASURED || v->certainty == LAG_AT_MOST;
        if (is_known && is_alive(b, v->node_id) && !stands_in(b, v->node_id, sites, site_count) &&
            (best == NULL || v->entries < best->entries))
            best = v;
    }
    return best;
}

void forecast_of_group(struct broker *b, const struct metadata_group *group,
                       const char *const *sites, unsigned site_count, struct forecast_group *f)
{
    struct lag_group lag;
    uint32_t leader = broker_group_leader(b, group->group_id, NULL);
    lag_of_group(b, group->group_id, &lag);
    struct voters v = voters_of(b, group, &lag, sites, site_count);
    *f = (struct forecast_group){.group_id = group->group_id,
                                 .partition_count = group->partition_count,
                                 .is_asynchronous = group->mode == METADATA_ASYNC,
                                 .has_majority_now = v.alive > v.count / 2,
                                 .loses_majority = v.left <= v.count / 2,
                                 .is_known = true};
    f->loses_leader = leader != 0 && stands_in(b, leader, sites, site_count);
    if (v.lost <= v.count / 2)
        return; /* every majority has a voter that is left */
    const struct lag_view *best = best_left(b, &lag, sites, site_count);
    f->is_known = best != NULL && lag.is_confirmed;
    if (best != NULL) {
        f->only_there_records = best->records;
        f->only_there_bytes = best->bytes;
    }
}

/* ---- how long ---- */

static void add_election(struct broker *b, uint32_t node_id, struct forecast *f)
{
    struct repl_election_report lost, handed_over;
    if (!repl_node_elections(b->node, node_id, &lost, &handed_over) || lost.count == 0)
        return;
    f->is_pause_measured = true;
    if ((int64_t)lost.median_ms > f->pause_ms)
        f->pause_ms = lost.median_ms;
    if ((int64_t)lost.longest_ms > f->pause_ms_max)
        f->pause_ms_max = lost.longest_ms;
}

static uint32_t slowest_round_trip_us(struct broker *b, const char *const *sites,
                                      unsigned site_count)
{
    uint32_t slowest_us = 0, us;
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        uint32_t node_id = metadata_node_at(b->metadata, i)->node_id;
        if (!stands_in(b, node_id, sites, site_count) &&
            repl_node_round_trip(b->node, node_id, &us) && us > slowest_us)
            slowest_us = us;
    }
    return slowest_us == 0 ? ROUND_TRIP_US : slowest_us;
}

/* As elections went that nodes won which are left; where there were none, as they should go. */
static void expect_pause(struct broker *b, const char *const *sites, unsigned site_count,
                         struct forecast *f)
{
    f->pause_ms_max = -1;
    if (f->groups_without_leader == 0)
        return;
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        uint32_t node_id = metadata_node_at(b->metadata, i)->node_id;
        if (!stands_in(b, node_id, sites, site_count))
            add_election(b, node_id, f);
    }
    if (!f->is_pause_measured)
        f->pause_ms = b->conf.gone_ms + STAND_MS + TICKS_MS + DISKS_MS +
                      ROUND_TRIPS * (int64_t)slowest_round_trip_us(b, sites, site_count) / 1000;
}

/* ---- in sum ---- */

static void look_for_offsets(void *data, const struct metadata_topic *topic)
{
    bool *has_offsets = data;
    for (int32_t i = 0; topic->is_internal && i < topic->partition_count; i++)
        has_offsets[topic->partitions[i].group_id] = true;
}

static void add_group(struct forecast *f, const struct forecast_group *g, bool has_offsets)
{
    if (g->loses_majority) {
        f->groups_without_majority++;
        f->partitions_without_majority += g->partition_count;
        f->groups_without_majority_now += !g->has_majority_now;
        f->offsets_groups_lost += has_offsets;
        f->is_metadata_lost |= g->group_id == 0;
    } else if (g->loses_leader) {
        f->groups_without_leader++;
        f->partitions_without_leader += g->partition_count;
    }
    f->groups_not_known += !g->is_known;
    f->groups_with_only_there += g->only_there_records > 0;
    f->only_there_records += g->only_there_records;
    f->only_there_bytes += g->only_there_bytes;
}

static void sum_groups(struct broker *b, const char *const *sites, unsigned site_count,
                       struct forecast *f)
{
    bool has_offsets[METADATA_GROUPS_MAX] = {false};
    *f = (struct forecast){0};
    metadata_each_topic(b->metadata, look_for_offsets, has_offsets);
    for (unsigned i = 0; i < metadata_group_count(b->metadata); i++) {
        const struct metadata_group *group = metadata_group_at(b->metadata, i);
        struct forecast_group g;
        forecast_of_group(b, group, sites, site_count, &g);
        add_group(f, &g, has_offsets[group->group_id]);
    }
    expect_pause(b, sites, site_count, f);
}

void forecast_sites(struct broker *b, const char *const *sites, unsigned site_count,
                    struct forecast *f)
{
    metadata_read_lock(b->metadata);
    sum_groups(b, sites, site_count, f);
    metadata_read_unlock(b->metadata);
}

/* ---- kept ---- */

static struct forecast_of_site *place_of(struct forecast_board *board, const char *site)
{
    for (unsigned i = 0; i < board->count; i++)
        if (strcmp(board->kept[i].site, site) == 0)
            return &board->kept[i];
    if (board->count == FORECAST_SITES_MAX)
        return NULL;
    struct forecast_of_site *kept = &board->kept[board->count++];
    snprintf(kept->site, sizeof kept->site, "%s", site);
    return kept;
}

static void keep(struct broker *b, const char *site)
{
    struct forecast f;
    sum_groups(b, &site, 1, &f);
    pthread_mutex_lock(&b->forecasts->lock);
    struct forecast_of_site *kept = place_of(b->forecasts, site);
    if (kept != NULL)
        kept->forecast = f;
    pthread_mutex_unlock(&b->forecasts->lock);
}

static bool is_site_heard(struct broker *b, const char *site)
{
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const struct metadata_node *node = metadata_node_at(b->metadata, i);
        if (strcmp(node->site, site) == 0 && is_alive(b, node->node_id))
            return true;
    }
    return false;
}

static bool is_first_of_site(const struct metadata *m, unsigned position)
{
    for (unsigned i = 0; i < position; i++)
        if (strcmp(metadata_node_at(m, i)->site, metadata_node_at(m, position)->site) == 0)
            return false;
    return true;
}

void forecast_tick(struct broker *b)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (now_ms - b->forecasts->made_at_ms < EVERY_MS)
        return;
    b->forecasts->made_at_ms = now_ms;
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const char *site = metadata_node_at(b->metadata, i)->site;
        if (is_first_of_site(b->metadata, i) && is_site_heard(b, site))
            keep(b, site);
    }
    metadata_read_unlock(b->metadata);
}

bool forecast_kept(struct broker *b, const char *site, struct forecast *f)
{
    bool is_there = false;
    pthread_mutex_lock(&b->forecasts->lock);
    for (unsigned i = 0; i < b->forecasts->count && !is_there; i++) {
        is_there = strcmp(b->forecasts->kept[i].site, site) == 0;
        if (is_there)
            *f = b->forecasts->kept[i].forecast;
    }
    pthread_mutex_unlock(&b->forecasts->lock);
    return is_there;
}

unsigned forecast_each_kept(struct broker *b, struct forecast_of_site kept[FORECAST_SITES_MAX])
{
    pthread_mutex_lock(&b->forecasts->lock);
    unsigned count = b->forecasts->count;
    memcpy(kept, b->forecasts->kept, count * sizeof kept[0]);
    pthread_mutex_unlock(&b->forecasts->lock);
    return count;
}

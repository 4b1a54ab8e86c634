/* Watches what a switch, or the loss of a site, has come to, and writes it down in group 0.
 *
 * All of it follows from group 0's state and from who is heard to lead: a leader of group 0 that
 * dies in the middle leaves nothing behind that the next would have to know. So what is to be told
 * (switch_drive_next) is a function of what is known. */
#include "membership/switch_drive.h"

#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "membership/forecast.h"
#include "membership/node_drive.h"
#include "upkeep/maintain.h"

#define AGAIN_MS     500  /* after a proposal that nothing was heard of */
#define SITE_LOST_MS 2000 /* all its nodes silent for so long */

#define LOOK_MS       10 /* about a tick: so old is what a node shows of leaders */
#define DISK_USUAL_MS 2  /* until a disk has what it was given, where nothing was measured */

static bool stands_in(const struct metadata *m, uint32_t node_id, const char *site)
{
    const struct metadata_node *node = metadata_node_by_id(m, node_id);
    return node != NULL && strcmp(node->site, site) == 0;
}

/* ---- has it come to what was wanted? ---- */

static bool is_async_of(const struct metadata_group *group, const char *site)
{
    return group->mode == METADATA_ASYNC && strcmp(group->home_site, site) == 0;
}

static bool is_concerned(const struct metadata *m, const struct metadata_group *group,
                         uint32_t leader)
{
    const struct metadata_switch *s = metadata_switch_of(m);
    return stands_in(m, group->preferred_node_id, s->from) || is_async_of(group, s->from) ||
           (s->phase == METADATA_SWITCH_LEAVING && stands_in(m, leader, s->from));
}

/* Where the target has no voter any other site will do: the wanted node says which. The voters of
 * an asynchronous group go, too. */
static bool has_arrived(struct broker *b, const struct metadata_group *group, uint32_t leader)
{
    const struct metadata *m = b->metadata;
    const struct metadata_switch *s = metadata_switch_of(m);
    const struct metadata_node *wanted = metadata_node_by_id(m, metadata_leader_of(m, group));
    if (group->mode == METADATA_ASYNC)
        return stands_in(m, leader, metadata_home_now(m, group)) && !node_drive_is_moving(b, group);
    if (s->phase == METADATA_SWITCH_RETURNING)
        return leader == group->preferred_node_id;
    if (leader == 0 || wanted == NULL || stands_in(m, leader, s->from))
        return false;
    return s->to[0] == '\0' || !stands_in(m, group->preferred_node_id, s->from) ||
           stands_in(m, leader, wanted->site);
}

void switch_progress_of(struct broker *b, struct switch_progress *progress)
{
    const struct metadata *m = b->metadata;
    *progress = (struct switch_progress){0};
    for (unsigned i = 0; i < metadata_group_count(m); i++) {
        const struct metadata_group *group = metadata_group_at(m, i);
        uint32_t leader = broker_group_leader(b, group->group_id, NULL);
        if (!is_concerned(m, group, leader))
            continue;
        progress->group_count++;
        if (has_arrived(b, group, leader))
            progress->arrived_count++;
        else
            progress->waiting_group = group->group_id;
    }
}

/* ---- how long it takes ---- */

static uint32_t longest_round_trip_us(struct broker *b)
{
    uint32_t node_ids[METADATA_NODES_MAX], longest_us = 0, us;
    unsigned count = broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < count; i++)
        if (repl_node_round_trip(b->node, node_ids[i], &us) && us > longest_us)
            longest_us = us;
    return longest_us;
}

/* Of all nodes, from standing to serving; 0 when nobody has lately. */
static uint32_t longest_handover_ms(struct broker *b, bool is_median)
{
    struct repl_election_report lost, handed_over;
    uint32_t longest_ms = 0;
    for (uint32_t id = 1; id < METADATA_NODES_MAX; id++) {
        if (!repl_node_elections(b->node, id, &lost, &handed_over) || handed_over.count == 0)
            continue;
        uint32_t ms = is_median ? handed_over.median_ms : handed_over.longest_ms;
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    return longest_ms;
}

/* From the last answer of the old leader to the new one's first, for who follows what any node says
 * of leaders:
 *
 *   the word goes to the target       half a round trip
 *   it stands, with the vote it got   its own vote on its disk
 *   the others hear that it leads     half a round trip, and a look at who leads
 *   a record is there for a majority  a round trip, and a disk
 *
 * The last is what a new leader's own first entry takes as well, with the vote: that is measured at
 * each handover, from standing to serving. Before the first one it is reckoned. */
int64_t switch_pause_ms(uint32_t round_trip_us, uint32_t stood_to_served_ms)
{
    int64_t round_trip_ms = (round_trip_us + 999) / 1000;
    if (round_trip_us == 0 && stood_to_served_ms == 0)
        return -1;
    int64_t served_ms = stood_to_served_ms != 0 ? stood_to_served_ms
                                                : round_trip_ms + 2 * DISK_USUAL_MS;
    return round_trip_ms + LOOK_MS + served_ms;
}

static int64_t pause_ms(struct broker *b, bool is_median)
{
    return switch_pause_ms(longest_round_trip_us(b), longest_handover_ms(b, is_median));
}

int64_t switch_expected_pause_ms(struct broker *b)
{
    return pause_ms(b, true);
}

/* Of leaders that were lost; -1 when there was none. */
static int64_t longest_election_ms(struct broker *b)
{
    struct repl_election_report lost, handed_over;
    int64_t longest_ms = -1;
    for (uint32_t id = 1; id < METADATA_NODES_MAX; id++)
        if (repl_node_elections(b->node, id, &lost, &handed_over) && lost.count > 0 &&
            (int64_t)lost.longest_ms > longest_ms)
            longest_ms = lost.longest_ms;
    return longest_ms;
}

/* ---- what group 0 is to be told ---- */

static void tell_end(const struct metadata_epoch *row, const struct metadata_epoch *end)
{
    event_info("failover_epoch_ends",
               "epoch=%llu cause=%s outcome=%s from=%s to=%s groups=%u forecast_pause_ms=%lld "
               "pause_ms=%lld forecast_lost_records=%lld lost_records=%lld",
               (unsigned long long)row->epoch, metadata_epoch_cause_name(row->cause),
               metadata_epoch_outcome_name(end->outcome), row->from,
               row->to[0] == '\0' ? "-" : row->to, row->group_count,
               (long long)row->forecast_pause_ms, (long long)end->pause_ms,
               (long long)row->forecast_lost_records, (long long)end->lost_records);
}

/* Are there asynchronous groups whose voters stand there? */
static bool has_async_of(const struct metadata *m, const char *site)
{
    bool has_any = false;
    for (unsigned i = 0; i < metadata_group_count(m) && !has_any; i++)
        has_any = is_async_of(metadata_group_at(m, i), site);
    return has_any;
}

static void end(struct broker *b, const struct metadata_epoch *row,
                enum metadata_epoch_outcome outcome, int64_t took_ms,
                struct metadata_switch_change *c)
{
    *c = (struct metadata_switch_change){
        .step = METADATA_SWITCH_END,
        .row = {.epoch = row->epoch, .outcome = outcome, .pause_ms = took_ms}};
    if (row->cause == METADATA_EPOCH_SITE_LOST && has_async_of(b->metadata, row->from))
        c->row.lost_records = c->row.lost_bytes = c->row.lost_ms = -1; /* its voters were there */
}

/* ---- the planned switch ---- */

static bool next_of_planned(struct broker *b, struct metadata_switch_change *c)
{
    const struct metadata_switch *s = metadata_switch_of(b->metadata);
    const struct metadata_epoch *row = metadata_epoch_of(b->metadata, s->epoch);
    struct switch_progress p;
    if ((s->phase != METADATA_SWITCH_LEAVING && s->phase != METADATA_SWITCH_RETURNING) ||
        row == NULL)
        return false;
    switch_progress_of(b, &p);
    bool is_late = clock_wall_ms(&b->clock) > s->deadline_at_ms;
    if (p.arrived_count < p.group_count && !is_late)
        return false;
    end(b, row, is_late ? METADATA_EPOCH_UNDONE : METADATA_EPOCH_DONE, pause_ms(b, false), c);
    if (is_late)
        snprintf(c->row.note, sizeof c->row.note,
                 "past its deadline %u of %u raft groups had no leader there yet, %u is one",
                 p.group_count - p.arrived_count, p.group_count, p.waiting_group);
    return true;
}

/* ---- sites ---- */

struct site_watch {
    unsigned node_count;
    bool is_silent; /* every node of it is, for SITE_LOST_MS */
    bool is_heard;  /* a node of it is */
};

static void look_at_site(struct broker *b, const char *site, struct site_watch *w)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    *w = (struct site_watch){.is_silent = true};
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const struct metadata_node *node = metadata_node_at(b->metadata, i);
        bool was_heard = node->incarnation != 0 && node->state != METADATA_NODE_GONE;
        if (!was_heard || strcmp(node->site, site) != 0)
            continue;
        uint64_t since_ms = b->silent_since_ms[node->node_id];
        w->node_count++;
        w->is_heard |= since_ms == 0;
        w->is_silent &= since_ms != 0 && now_ms - since_ms >= SITE_LOST_MS;
    }
}

static unsigned groups_of_site(const struct metadata *m, const char *site)
{
    unsigned count = 0;
    for (unsigned i = 0; i < metadata_group_count(m); i++)
        count += stands_in(m, metadata_leader_of(m, metadata_group_at(m, i)), site);
    return count;
}

/* What was forecast while the site was still heard: now leaders are elsewhere already. */
static void take_forecast(struct broker *b, const char *site, struct metadata_epoch *row)
{
    struct forecast f;
    if (!forecast_kept(b, site, &f))
        return;
    row->forecast_pause_ms = f.pause_ms;
    row->forecast_lost_records = f.groups_not_known > 0 ? -1 : (int64_t)f.only_there_records;
}

static void lose_site(struct broker *b, const char *site, struct metadata_switch_change *c)
{
    *c = (struct metadata_switch_change){.step = METADATA_SWITCH_SITE_LOST};
    bytes_copy_text(c->row.from, sizeof c->row.from, site);
    c->row.group_count = groups_of_site(b->metadata, site);
    c->row.forecast_lost_records = has_async_of(b->metadata, site) ? -1 : 0;
    c->row.forecast_pause_ms = longest_election_ms(b);
    take_forecast(b, site, &c->row);
}

static void hear_site(const char *site, struct metadata_switch_change *c)
{
    *c = (struct metadata_switch_change){.step = METADATA_SWITCH_SITE_HEARD};
    bytes_copy_text(c->row.from, sizeof c->row.from, site);
}

static bool has_every_group_a_leader(struct broker *b)
{
    bool has_all = true;
    for (unsigned i = 0; i < metadata_group_count(b->metadata) && has_all; i++)
        has_all = broker_group_leader(b, metadata_group_at(b->metadata, i)->group_id, NULL) != 0;
    return has_all;
}

static bool next_of_site(struct broker *b, const char *site, struct metadata_switch_change *c)
{
    const struct metadata_epoch *row = metadata_lost_site(b->metadata, site);
    struct site_watch w;
    look_at_site(b, site, &w);
    if (w.node_count == 0)
        return false;
    if (row == NULL && w.is_silent)
        lose_site(b, site, c);
    else if (row != NULL && row->outcome == METADATA_EPOCH_UNDER_WAY && has_every_group_a_leader(b))
        end(b, row, METADATA_EPOCH_DONE, longest_election_ms(b), c);
    else if (row != NULL && row->outcome != METADATA_EPOCH_UNDER_WAY && w.is_heard)
        hear_site(site, c);
    else
        return false;
    return true;
}

/* Each site by the first of its nodes. */
static bool next_of_sites(struct broker *b, struct metadata_switch_change *c)
{
    const struct metadata *m = b->metadata;
    for (unsigned i = 0; i < metadata_node_count(m); i++) {
        const char *site = metadata_node_at(m, i)->site;
        bool is_first = true;
        for (unsigned k = 0; k < i; k++)
            is_first &= strcmp(metadata_node_at(m, k)->site, site) != 0;
        if (is_first && next_of_site(b, site, c))
            return true;
    }
    return false;
}

bool switch_drive_next(struct broker *b, struct metadata_switch_change *c)
{
    return next_of_planned(b, c) || next_of_sites(b, c);
}

/* ---- telling it ---- */

static void tell(const struct broker *b, const struct metadata_switch_change *c)
{
    if (c->step == METADATA_SWITCH_END)
        tell_end(metadata_epoch_of(b->metadata, c->row.epoch), &c->row);
    else if (c->step == METADATA_SWITCH_SITE_LOST)
        event_warn("site_lost", "lost=%s groups=%u", c->row.from, c->row.group_count);
    else
        event_info("site_heard", "heard=%s", c->row.from);
}

void switch_drive(struct broker_group *g)
{
    struct broker *b = g->broker;
    struct metadata_switch_change c;
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = &c};
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (!machine_is_ready(g->machine) || metadata_group_count(b->metadata) == 0)
        return;
    if (metadata_version(b->metadata) == b->switch_version && now_ms - b->switch_at_ms < AGAIN_MS)
        return; /* what was proposed is on its way */
    if (!switch_drive_next(b, &c))
        return;
    tell(b, &c);
    maintain_propose_metadata(g, &change);
    b->switch_version = metadata_version(b->metadata);
    b->switch_at_ms = now_ms;
}

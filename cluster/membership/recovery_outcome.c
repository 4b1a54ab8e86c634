/* Looks for a recovery of this node's that is still under way in group 0's history, and ends it.
 *
 * One that group 0 has ordered names its node and its epoch. Of one that took group 0 with it no
 * order is left: it is the newest of this site's, and whoever leads group 0 since then is the
 * survivor, the only voter that there was. */
#include "membership/recovery_outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "controller.h"

#define EVERY_MS      500
#define TIMEOUT_MS    5000
#define FAREWELL_MS   300  /* recovered.c */
#define STAND_WAIT_MS 1000 /* nobody stands before that after a start (group_role.c) */

struct recovery_outcome {
    struct controller_change change;
    struct broker *broker;
};

int64_t recovery_expected_pause_ms(const struct broker *b)
{
    return b->start_took_ms < 0 ? -1 : FAREWELL_MS + b->start_took_ms + STAND_WAIT_MS;
}

/* ---- which one ---- */

static bool is_ordered(const struct metadata *m, uint64_t epoch, uint32_t group_id)
{
    const struct metadata_recovered *r = metadata_recovered_of(m, group_id);
    return r != NULL && r->epoch == epoch;
}

/* Whoever has ordered it: do all groups that it concerns serve? False as well where it is another
 * node's. */
static bool has_come_to_serve(struct broker *b, const struct metadata_epoch *row)
{
    const struct metadata *m = b->metadata;
    bool is_ordered_any = false, do_all_serve = true, is_own = false;
    for (uint32_t i = 0; i < b->group_count; i++)
        is_ordered_any |= is_ordered(m, row->epoch, i);
    for (uint32_t i = 0; i < b->group_count; i++) {
        const struct metadata_recovered *r = metadata_recovered_of(m, i);
        bool is_concerned = is_ordered_any ? is_ordered(m, row->epoch, i)
                                           : b->groups[i]->generation > 0;
        if (!is_concerned)
            continue;
        is_own |= is_ordered_any ? r->node_id == (uint32_t)b->conf.node_id
                                 : i == 0 && machine_is_ready(b->groups[0]->machine);
        do_all_serve &= broker_group_leader(b, i, NULL) != 0 &&
                        (!is_ordered_any || b->groups[i]->generation >= r->generation);
    }
    return is_own && do_all_serve && strcmp(row->to, b->conf.site) == 0;
}

static const struct metadata_epoch *ended(struct broker *b)
{
    const struct metadata *m = b->metadata;
    for (unsigned i = metadata_epoch_count(m); i-- > 0;) {
        const struct metadata_epoch *row = metadata_epoch_at(m, i);
        if (row->cause == METADATA_EPOCH_RECOVERY && row->outcome == METADATA_EPOCH_UNDER_WAY &&
            has_come_to_serve(b, row))
            return row;
    }
    return NULL;
}

/* ---- telling group 0 ---- */

static void on_told(struct controller_change *change, int status)
{
    struct recovery_outcome *o = change->data;
    (void)status; /* looked at again while the row is under way */
    o->broker->outcome = NULL;
    free(o);
}

static void tell(struct broker *b, const struct metadata_epoch *row,
                 const struct metadata_switch_change *end)
{
    event_warn("failover_epoch_ends",
               "epoch=%llu cause=recovery outcome=done to=%s groups=%u forecast_pause_ms=%lld "
               "pause_ms=%lld forecast_lost_records=%lld lost_records=%lld",
               (unsigned long long)row->epoch, row->to, row->group_count,
               (long long)row->forecast_pause_ms, (long long)end->row.pause_ms,
               (long long)row->forecast_lost_records, (long long)end->row.lost_records);
    struct recovery_outcome *o = calloc(1, sizeof *o);
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = end};
    if (o == NULL)
        return; /* tried again */
    o->broker = b;
    o->change = (struct controller_change){
        .data = o, .home = b->shards[0], .timeout_ms = TIMEOUT_MS};
    if (metadata_change_encode(&change, &o->change.body, &o->change.body_size) != 0)
        o->change.body = NULL;
    b->outcome = o;
    controller_propose(b->controller, &o->change, on_told);
}

static bool is_reported(const struct broker *b, const struct metadata_epoch *row)
{
    bool is_of_order = false, is_any_ordered = false;
    for (uint32_t i = 0; i < b->group_count; i++) {
        const struct metadata_recovered *r = metadata_recovered_of(b->metadata, i);
        bool is_concerned = r != NULL && r->epoch == row->epoch;
        is_any_ordered |= is_concerned;
        is_of_order |= is_concerned && r->recovery_id == b->recovery_report.recovery_id;
    }
    return b->recovery_report.recovery_id != 0 && (is_of_order || !is_any_ordered);
}

static struct metadata_switch_change end_of(const struct broker *b,
                                            const struct metadata_epoch *row)
{
    const struct recovery_report *report = &b->recovery_report;
    bool is_known = is_reported(b, row);
    int64_t took_ms = clock_wall_ms(&b->clock) - row->begun_at_ms;
    return (struct metadata_switch_change){
        .step = METADATA_SWITCH_END,
        .row = {.epoch = row->epoch,
                .outcome = METADATA_EPOCH_DONE,
                .pause_ms = took_ms < 0 ? 0 : took_ms,
                .lost_records = is_known ? (int64_t)report->lost_records : -1,
                .lost_bytes = is_known ? (int64_t)report->lost_bytes : -1,
                .lost_ms = row->lost_ms}};
}

void recovery_outcome_tick(struct broker *b)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    struct metadata_epoch row;
    if (b->outcome != NULL || b->restart_at_ms != 0 || now_ms - b->outcome_at_ms < EVERY_MS)
        return;
    b->outcome_at_ms = now_ms;
    metadata_read_lock(b->metadata);
    const struct metadata_epoch *found = ended(b);
    if (found != NULL)
        row = *found;
    struct metadata_switch_change end = found == NULL ? (struct metadata_switch_change){0}
                                                      : end_of(b, found);
    metadata_read_unlock(b->metadata);
    if (found != NULL)
        tell(b, &row, &end);
}

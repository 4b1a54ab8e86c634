/* What a survivor would know, and what forecasts go by: what this node heard of leaders, records of
 * groups, round trips and elections. */
#include "admin/metrics.h"

#include <stdio.h>

#include "membership/forecast.h"

static void add_totals(struct metric_text *t, const struct survey *survey)
{
    metric_family(t, "trilog_group_records_total", METRIC_COUNTER,
                  "Records in all entries applied since the raft group began");
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        char group[16];
        snprintf(group, sizeof group, "%u", id);
        if (view != NULL)
            metric_whole(t, "", view->raft.totals.records, 1, "group", group);
    }
}

static bool is_following(const struct survey_group *view)
{
    return view != NULL && view->raft.role != REPL_LEADER && view->raft.heard.leader_raft_id != 0;
}

static void add_heard(struct metric_text *t, const struct survey *survey, bool is_age)
{
    metric_family(t, is_age ? "trilog_group_heard_seconds" : "trilog_group_heard_lacking_entries",
                  METRIC_GAUGE,
                  is_age ? "Since the group's leader was last heard, where it is followed"
                         : "Entries that this replica lacks of what its leader last said it had");
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        char group[16];
        snprintf(group, sizeof group, "%u", id);
        if (!is_following(view))
            continue;
        const struct repl_group_status *s = &view->raft;
        uint64_t now_ns = clock_now_ns(&survey->broker->clock);
        bool is_other;
        uint64_t lacking = repl_heard_lacking(s, &s->heard, &is_other);
        metric_sample(t, "", is_age ? (double)(now_ns - s->heard_ns) / 1e9 : (double)lacking, 1,
                      "group", group);
    }
}

static void add_round_trips(struct metric_text *t, struct broker *b)
{
    uint32_t node_ids[METADATA_NODES_MAX], us;
    unsigned count = broker_node_ids(b, node_ids);
    metric_family(t, "trilog_peer_round_trip_seconds", METRIC_GAUGE,
                  "A message to a peer and back, mean of the last heartbeats");
    for (unsigned i = 0; i < count; i++) {
        char node[16];
        snprintf(node, sizeof node, "%u", node_ids[i]);
        if (repl_node_round_trip(b->node, node_ids[i], &us))
            metric_sample(t, "", us / 1e6, 1, "peer_node", node);
    }
}

static void add_elections(struct metric_text *t, struct broker *b)
{
    struct repl_election_report lost, handed_over;
    repl_node_elections(b->node, (uint32_t)b->conf.node_id, &lost, &handed_over);
    metric_family(
        t, "trilog_election_seconds", METRIC_SUMMARY,
        "The newest elections won here: from the old leader's last sign of life to serving");
    if (lost.count > 0) {
        metric_sample(t, "", lost.median_ms / 1e3, 2, "cause", "lost", "quantile", "0.5");
        metric_sample(t, "", lost.longest_ms / 1e3, 2, "cause", "lost", "quantile", "1");
    }
    if (handed_over.count > 0) {
        metric_sample(t, "", handed_over.median_ms / 1e3, 2, "cause", "handed_over", "quantile",
                      "0.5");
        metric_sample(t, "", handed_over.longest_ms / 1e3, 2, "cause", "handed_over", "quantile",
                      "1");
    }
}

/* ---- forecasts ---- */

enum forecast_value { WITHOUT_LEADER, WITHOUT_MAJORITY, ONLY_THERE, NOT_KNOWN, PAUSE };

static double forecast_value(const struct forecast *f, enum forecast_value which)
{
    switch (which) {
    case WITHOUT_LEADER:
        return f->partitions_without_leader;
    case WITHOUT_MAJORITY:
        return f->partitions_without_majority;
    case ONLY_THERE:
        return (double)f->only_there_records;
    case NOT_KNOWN:
        return f->groups_not_known;
    case PAUSE:
        return (double)f->pause_ms / 1000;
    }
    return 0;
}

static void add_forecast(struct metric_text *t, struct broker *b, const char *name,
                         const char *help, enum forecast_value which)
{
    struct forecast_of_site kept[FORECAST_SITES_MAX];
    unsigned count = forecast_each_kept(b, kept);
    metric_family(t, name, METRIC_GAUGE, help);
    for (unsigned i = 0; i < count; i++)
        metric_sample(t, "", forecast_value(&kept[i].forecast, which), 1, "lost_site",
                      kept[i].site);
}

static void add_forecasts(struct metric_text *t, struct broker *b)
{
    add_forecast(t, b, "trilog_forecast_partitions_without_leader",
                 "Partitions that would elect a new leader, were the site lost", WITHOUT_LEADER);
    add_forecast(t, b, "trilog_forecast_partitions_without_majority",
                 "Partitions that nobody could write to, were the site lost", WITHOUT_MAJORITY);
    add_forecast(t, b, "trilog_forecast_only_there_records",
                 "Acknowledged records that exist in the site only, at most", ONLY_THERE);
    add_forecast(t, b, "trilog_forecast_groups_not_known",
                 "Raft groups of which it is not known what exists in the site only", NOT_KNOWN);
    add_forecast(t, b, "trilog_forecast_pause_seconds",
                 "Expected time without a leader, were the site lost", PAUSE);
}

void metrics_of_lag(struct metric_text *t, const struct survey *survey)
{
    add_totals(t, survey);
    add_heard(t, survey, true);
    add_heard(t, survey, false);
    add_round_trips(t, survey->broker);
    add_elections(t, survey->broker);
    add_forecasts(t, survey->broker);
}

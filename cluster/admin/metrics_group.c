/* Metrics of raft groups. A series for each group and, where it is led, each replica; none for
 * partitions, of which there can be any number. */
#include <stdio.h>

#include "admin/metrics.h"

struct group_metric {
    const char *name;
    enum metric_type type;
    const char *help;
    uint64_t (*value)(const struct survey_group *view);
};

#define VALUE(function, expression)                                                                \
    static uint64_t function(const struct survey_group *view)                                      \
    {                                                                                              \
        return (uint64_t)(expression);                                                             \
    }
VALUE(is_leader, view->is_serving)
VALUE(term, view->raft.term)
VALUE(last_index, view->raft.last_index)
VALUE(commit_index, view->raft.commit_index)
VALUE(applied_index, view->raft.applied_index)
VALUE(checkpoint_index, view->raft.checkpoint_index)
VALUE(partitions, view->partition_count)
VALUE(tail_bytes, view->tail_bytes)
VALUE(unflushed_bytes, view->unflushed_bytes)
VALUE(is_tail_full, view->is_tail_full)
VALUE(is_holding, view->is_holding_producers)
VALUE(is_set_aside, view->raft.is_set_aside)
VALUE(elections, view->counters.elections_started)
VALUE(terms_led, view->counters.terms_led)
VALUE(truncations, view->counters.truncations)
VALUE(snapshots_sent, view->counters.snapshots_sent)
VALUE(snapshots_installed, view->counters.snapshots_installed)
VALUE(shipped_bytes, view->counters.shipped_bytes)
VALUE(shipped_wire_bytes, view->counters.shipped_wire_bytes)
VALUE(transfers_done, view->counters.transfers_done)
VALUE(transfers_failed, view->counters.transfers_failed)
VALUE(entries_applied, view->counters.entries_applied)
VALUE(entries_from_wal, view->counters.entries_from_wal)
VALUE(reads_served, view->counters.reads_served)
VALUE(batches, view->machine.batches)

static const struct group_metric group_metrics[] = {
    {"trilog_group_leader", METRIC_GAUGE, "1 where this node leads the raft group and serves it",
     is_leader},
    {"trilog_group_term", METRIC_GAUGE, "Raft term of the replica here", term},
    {"trilog_group_last_index", METRIC_GAUGE, "Newest entry of the replica here", last_index},
    {"trilog_group_commit_index", METRIC_GAUGE, "Newest committed entry known here", commit_index},
    {"trilog_group_applied_index", METRIC_GAUGE, "Newest entry applied here", applied_index},
    {"trilog_group_checkpoint_index", METRIC_GAUGE, "Newest entry that is in segments here",
     checkpoint_index},
    {"trilog_group_partitions", METRIC_GAUGE, "Partitions that the raft group carries", partitions},
    {"trilog_group_tail_bytes", METRIC_GAUGE, "Newest batches in memory", tail_bytes},
    {"trilog_group_unflushed_bytes", METRIC_GAUGE, "Of them, those that are not in segments yet",
     unflushed_bytes},
    {"trilog_group_tail_full", METRIC_GAUGE, "1 while producers wait until tails are in segments",
     is_tail_full},
    {"trilog_group_holding_producers", METRIC_GAUGE, "1 while batches wait for room in the log",
     is_holding},
    {"trilog_group_set_aside", METRIC_GAUGE, "1 where the replica is of an older generation",
     is_set_aside},
    {"trilog_group_elections_total", METRIC_COUNTER, "Elections that the replica here began",
     elections},
    {"trilog_group_terms_led_total", METRIC_COUNTER, "Elections that it won", terms_led},
    {"trilog_group_truncations_total", METRIC_COUNTER, "Times that entries were cut off again",
     truncations},
    {"trilog_group_snapshots_sent_total", METRIC_COUNTER, "Snapshots sent to replicas far behind",
     snapshots_sent},
    {"trilog_group_snapshots_installed_total", METRIC_COUNTER, "Snapshots installed here",
     snapshots_installed},
    {"trilog_group_shipped_bytes_total", METRIC_COUNTER,
     "Bytes of segments sent to replicas far behind, as they are in files", shipped_bytes},
    {"trilog_group_shipped_wire_bytes_total", METRIC_COUNTER,
     "The same as they went over the network: fewer where they were compressed",
     shipped_wire_bytes},
    {"trilog_group_transfers_total", METRIC_COUNTER, "Leaderships handed over on purpose",
     transfers_done},
    {"trilog_group_transfers_failed_total", METRIC_COUNTER, "Hand-overs that nobody took",
     transfers_failed},
    {"trilog_group_entries_applied_total", METRIC_COUNTER, "Entries applied here", entries_applied},
    {"trilog_group_entries_from_wal_total", METRIC_COUNTER,
     "Entries read back from the WAL for replicas that are behind", entries_from_wal},
    {"trilog_group_reads_total", METRIC_COUNTER, "Fresh reads served (read index)", reads_served},
    {"trilog_group_batches_total", METRIC_COUNTER, "Record batches applied here", batches},
};

static void add_group_metric(struct metric_text *t, const struct survey *survey,
                             const struct group_metric *metric)
{
    metric_family(t, metric->name, metric->type, metric->help);
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        char group[16];
        snprintf(group, sizeof group, "%u", id);
        if (view != NULL)
            metric_whole(t, "", metric->value(view), 1, "group", group);
    }
}

/* Known of each group, whether this node has a replica of it or not. */
static void add_leaders(struct metric_text *t, const struct survey *survey)
{
    metric_family(t, "trilog_group_has_leader", METRIC_GAUGE,
                  "1 while this node knows a leader of the raft group");
    for (uint32_t id = 0; id < survey->group_count; id++) {
        char group[16];
        snprintf(group, sizeof group, "%u", id);
        metric_whole(t, "", broker_group_leader(survey->broker, id, NULL) != 0, 1, "group", group);
    }
}

/* What is acknowledged of such a group is in its home site; the lag of its learners is what would
 * be lost with that. */
static void add_modes(struct metric_text *t, const struct survey *survey)
{
    metric_family(t, "trilog_group_asynchronous", METRIC_GAUGE,
                  "1 where the home site of the raft group acknowledges alone");
    for (uint32_t id = 0; id < survey->group_count; id++) {
        char group[16];
        struct metadata *m = survey->broker->metadata;
        metadata_read_lock(m);
        const struct metadata_group *known = metadata_group_by_id(m, id);
        bool is_async = known != NULL && known->mode == METADATA_ASYNC;
        metadata_read_unlock(m);
        snprintf(group, sizeof group, "%u", id);
        metric_whole(t, "", is_async, 1, "group", group);
    }
}

/* ---- replicas, where they are led ---- */

enum replica_value { LAG_ENTRIES, LAG_RECORDS, LAG_BYTES, LAG_SECONDS, IS_LAG_KNOWN, IS_LEVEL };

static double replica_value(const struct repl_replica_status *r, enum replica_value which)
{
    switch (which) {
    case LAG_ENTRIES:
        return (double)r->lag_entries;
    case LAG_RECORDS:
        return (double)r->lag_records;
    case IS_LAG_KNOWN:
        return r->is_lag_known ? 1 : 0;
    case LAG_BYTES:
        return (double)r->lag_bytes;
    case LAG_SECONDS:
        return (double)r->lag_ms / 1000;
    case IS_LEVEL:
        return r->is_level ? 1 : 0;
    }
    return 0;
}

static void add_replicas(struct metric_text *t, const struct repl_group_status *status,
                         enum replica_value which)
{
    char group[16], node[16];
    snprintf(group, sizeof group, "%u", status->group_id);
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_replica_status *r = &status->replicas[i];
        snprintf(node, sizeof node, "%u", repl_raft_id_node(r->member.raft_id));
        metric_sample(t, "", replica_value(r, which), 4, "group", group, "replica_node", node,
                      "replica_site", r->member.site, "kind",
                      r->member.is_voter ? "voter" : "learner");
    }
}

static void add_replica_metric(struct metric_text *t, const struct survey *survey, const char *name,
                               const char *help, enum replica_value which)
{
    metric_family(t, name, METRIC_GAUGE, help);
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        if (view != NULL && view->raft.role == REPL_LEADER)
            add_replicas(t, &view->raft, which);
    }
}

/* ---- verdicts, over all groups ---- */

static void add_verdicts(struct metric_text *t, const struct survey *survey)
{
    struct machine_counters sum = {0};
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        if (view == NULL)
            continue;
        sum.duplicates += view->machine.duplicates;
        sum.out_of_order += view->machine.out_of_order;
        sum.fenced += view->machine.fenced;
        sum.unknown_partition += view->machine.unknown_partition;
        sum.malformed += view->machine.malformed;
    }
    metric_family(t, "trilog_batches_refused_total", METRIC_COUNTER,
                  "Record batches that apply did not take, by its verdict");
    metric_whole(t, "", sum.duplicates, 1, "verdict", "duplicate");
    metric_whole(t, "", sum.out_of_order, 1, "verdict", "out_of_order");
    metric_whole(t, "", sum.fenced, 1, "verdict", "fenced");
    metric_whole(t, "", sum.unknown_partition, 1, "verdict", "unknown_partition");
    metric_whole(t, "", sum.malformed, 1, "verdict", "malformed");
}

void metrics_of_groups(struct metric_text *t, const struct survey *survey)
{
    add_leaders(t, survey);
    add_modes(t, survey);
    for (size_t i = 0; i < sizeof group_metrics / sizeof group_metrics[0]; i++)
        add_group_metric(t, survey, &group_metrics[i]);
    add_replica_metric(t, survey, "trilog_replica_lag_entries",
                       "Entries that a replica lacks, at the leader", LAG_ENTRIES);
    add_replica_metric(t, survey, "trilog_replica_lag_records",
                       "Records in them, offsets in commits included", LAG_RECORDS);
    add_replica_metric(t, survey, "trilog_replica_lag_bytes", "Bytes of the entries with records",
                       LAG_BYTES);
    add_replica_metric(
        t, survey, "trilog_replica_lag_known",
        "0 where this leader has not heard the replica, or can't count all that it lacks",
        IS_LAG_KNOWN);
    add_replica_metric(t, survey, "trilog_replica_lag_seconds",
                       "Since the oldest entry that a replica lacks was submitted", LAG_SECONDS);
    add_replica_metric(t, survey, "trilog_replica_level",
                       "1 while the replica could take over, as its leader sees it", IS_LEVEL);
    add_verdicts(t, survey);
}

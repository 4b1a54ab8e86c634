/* GET /metrics: Prometheus' text format. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/metrics.h"
#include "admin/route.h"
#include "base/machine.h"
#include "membership/rebuild.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void add_process(struct metric_text *t, const struct admin *a, const struct broker *b)
{
    char node[16];
    snprintf(node, sizeof node, "%u", (unsigned)b->conf.node_id);
    metric_family(t, "trilog_node_info", METRIC_GAUGE, "Who this node is; always 1");
    metric_whole(t, "", 1, 3, "cluster", b->conf.cluster_name, "site", b->conf.site, "node", node);
    metric_family(t, "trilog_uptime_seconds", METRIC_GAUGE, "Since the process began");
    metric_sample(t, "", (double)(clock_now_ms(&a->clock) - a->started_ms) / 1000, 0);
    metric_family(t, "trilog_resident_memory_bytes", METRIC_GAUGE, "Memory that the process has");
    metric_whole(t, "", machine_resident_bytes(), 0);
    metric_family(t, "trilog_admin_requests_total", METRIC_COUNTER, "Requests to the admin port");
    metric_whole(t, "", http_port_answered(a->port), 0);
    metric_family(t, "trilog_admin_requests_refused_total", METRIC_COUNTER,
                  "Of them, those answered with an error");
    metric_whole(t, "", http_port_refused(a->port), 0);
}

static void add_shards(struct metric_text *t, const struct admin *a, const struct broker *b)
{
    char shard[16];
    metric_family(t, "trilog_shard_up", METRIC_GAUGE, "1 where the thread answers in time");
    for (unsigned i = 0; i < b->shard_count; i++) {
        snprintf(shard, sizeof shard, "%u", i);
        metric_whole(t, "", watch_silent_ms(a, i) <= WATCH_SILENT_MS, 1, "shard", shard);
    }
    metric_family(t, "trilog_shard_answer_seconds", METRIC_GAUGE,
                  "How long the thread took to answer lately: its loop's delay");
    for (unsigned i = 0; i < b->shard_count; i++) {
        snprintf(shard, sizeof shard, "%u", i);
        metric_sample(t, "", (double)a->watch.shards[i].answer_us / 1e6, 1, "shard", shard);
    }
}

static void add_wal(struct metric_text *t, struct broker *b)
{
    struct log_wal_counters c;
    uint32_t pinning_group;
    uint64_t held_bytes;
    log_wal_counters(b->wal, &c);
    log_wal_pressure(b->wal, &pinning_group, &held_bytes);
    metric_family(t, "trilog_wal_written_bytes_total", METRIC_COUNTER, "Written to the WAL");
    metric_whole(t, "", c.bytes, 0);
    metric_family(t, "trilog_wal_appends_total", METRIC_COUNTER, "Appends that became durable");
    metric_whole(t, "", c.appends, 0);
    metric_family(t, "trilog_wal_syncs_total", METRIC_COUNTER, "fdatasyncs of the WAL");
    metric_whole(t, "", c.syncs, 0);
    metric_family(t, "trilog_wal_write_duration_seconds", METRIC_SUMMARY,
                  "A write to the WAL with its fdatasync");
    metric_sample(t, "_sum", (double)c.write_us_sum / 1e6, 0);
    metric_whole(t, "_count", c.writes, 0);
    metric_family(t, "trilog_wal_last_write_seconds", METRIC_GAUGE, "How long the last one took");
    metric_sample(t, "", (double)c.write_us_last / 1e6, 0);
    metric_family(t, "trilog_wal_held_bytes", METRIC_GAUGE, "Size of the WAL's files in use");
    metric_whole(t, "", held_bytes, 0);
    metric_family(
        t, "trilog_wal_torn_bytes_total", METRIC_COUNTER,
        "Cut off at the end of the WAL at this start: a write that was never acknowledged");
    metric_whole(t, "", c.torn_bytes, 0);
}

static void add_disk(struct metric_text *t, struct broker *b)
{
    struct repl_disk_report r = {0};
    repl_node_disk(b->node, (uint32_t)b->conf.node_id, &r);
    metric_family(t, "trilog_disk_state", METRIC_GAUGE, "1 for the state that the disk is in");
    for (int i = 0; i < REPL_DISK_STATE_COUNT; i++)
        metric_whole(t, "", (int)r.state == i, 1, "state",
                     repl_disk_state_name((enum repl_disk_state)i));
    metric_family(t, "trilog_disk_free_bytes", METRIC_GAUGE, "Free on the disk of the data folder");
    metric_whole(t, "", r.free_bytes, 0);
    metric_family(t, "trilog_disk_size_bytes", METRIC_GAUGE, "Size of that disk");
    metric_whole(t, "", r.total_bytes, 0);
    metric_family(t, "trilog_wal_sync_seconds", METRIC_SUMMARY,
                  "Newest synced writes of the WAL, by quantile");
    metric_sample(t, "", (double)r.sync_p50_us / 1e6, 1, "quantile", "0.5");
    metric_sample(t, "", (double)r.sync_p99_us / 1e6, 1, "quantile", "0.99");
    metric_family(t, "trilog_wal_queue_ratio", METRIC_GAUGE,
                  "Of the bytes that may wait for the WAL, those that do");
    metric_sample(t, "", (double)r.queue_percent / 100, 0);
}

static void add_damage(struct metric_text *t, const struct survey *survey)
{
    struct log_damage_status sum = {0};
    struct rebuild_status status;
    survey_damage(survey, &sum);
    rebuild_status(survey->broker->rebuild, &status);
    metric_family(t, "trilog_segments_damaged", METRIC_GAUGE, "Damaged segments, by what is known");
    metric_whole(t, "", sum.suspected, 1, "state", "suspected");
    metric_whole(t, "", sum.damaged, 1, "state", "damaged");
    metric_whole(t, "", sum.not_repairable, 1, "state", "not_repairable");
    metric_family(t, "trilog_damaged_files_total", METRIC_COUNTER,
                  "Files of segments that were found damaged since this start");
    metric_whole(t, "", sum.files_found, 0);
    metric_family(t, "trilog_segments_repaired_total", METRIC_COUNTER, "Segments put right again");
    metric_whole(t, "", sum.segments_repaired, 0);
    metric_family(t, "trilog_start_damages", METRIC_GAUGE,
                  "WAL and manifests found damaged at this start: replicas were rebuilt");
    metric_whole(t, "", status.report.damage_count, 0);
    metric_family(t, "trilog_groups_lost", METRIC_GAUGE,
                  "Raft groups whose majority can't come back by itself");
    metric_whole(t, "", status.loss_count, 0);
}

static void add_scrub(struct metric_text *t, struct broker *b)
{
    struct log_scrub_status s;
    log_scrubber_status(b->scrubber, &s);
    metric_family(t, "trilog_scrub_running", METRIC_GAUGE, "1 while a pass over the disk runs");
    metric_whole(t, "", s.is_running, 0);
    metric_family(t, "trilog_scrub_done_bytes", METRIC_GAUGE,
                  "Read in the pass that runs or ran last");
    metric_whole(t, "", s.bytes_done, 0);
    metric_family(t, "trilog_scrub_size_bytes", METRIC_GAUGE, "What that pass has to read in all");
    metric_whole(t, "", s.bytes_total, 0);
    metric_family(t, "trilog_scrub_suspected", METRIC_GAUGE,
                  "Segments that the pass found not to be as they should");
    metric_whole(t, "", s.suspected, 0);
    metric_family(t, "trilog_scrub_passes_total", METRIC_COUNTER,
                  "Passes finished since this start");
    metric_whole(t, "", s.passes_finished, 0);
}

static void on_metrics(struct admin_call *call, const struct survey *survey)
{
    struct metric_text t = {0};
    add_process(&t, call->admin, survey->broker);
    add_shards(&t, call->admin, survey->broker);
    add_wal(&t, survey->broker);
    add_disk(&t, survey->broker);
    add_damage(&t, survey);
    add_scrub(&t, survey->broker);
    metrics_of_requests(&t, survey->broker);
    metrics_of_groups(&t, survey);
    metrics_of_kafka(&t, survey);
    metrics_of_lag(&t, survey);
    metrics_of_sites(&t, survey->broker);
    metrics_of_members(&t, survey);
    if (t.is_failed) {
        free(t.text);
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    call_answer_text(call, MHD_HTTP_OK, CONTENT_TYPE, t.text, t.size);
}

void resource_metrics(struct admin_call *call)
{
    struct survey_look look;
    if (metrics_member_look(call->broker, &look))
        survey_start_whole(call, (size_t)call->broker->conf.metrics_partitions_max, &look,
                           on_metrics);
    else
        call_answer_json(call, MHD_HTTP_OK, NULL); /* no memory */
}

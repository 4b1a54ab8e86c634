/* GET /v1/disk: this node's disk, its write-ahead log, and what was found damaged on it. */
#include "admin/route.h"
#include "admin/survey.h"
#include "membership/rebuild.h"

static json_t *wal_json(struct broker *b)
{
    struct log_wal_counters c;
    uint32_t pinning_group;
    uint64_t held_bytes;
    log_wal_counters(b->wal, &c);
    log_wal_pressure(b->wal, &pinning_group, &held_bytes);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "written_bytes", (json_int_t)c.bytes,
                     "syncs", (json_int_t)c.syncs, "last_write_us", (json_int_t)c.write_us_last,
                     "held_bytes", (json_int_t)held_bytes, "torn_tails_cut",
                     (json_int_t)c.torn_tails_cut, "torn_bytes", (json_int_t)c.torn_bytes);
}

/* What this start found, and how far the node is whole again. */
static json_t *rebuild_json(struct broker *b)
{
    struct rebuild_status status;
    json_t *found = json_array();
    rebuild_status(b->rebuild, &status);
    for (unsigned i = 0; i < status.report.damage_count && i < STORAGE_DAMAGES_MAX; i++)
        json_array_append_new(found, json_string(status.report.damages[i].text));
    return json_pack("{s:i, s:o, s:b, s:b, s:i, s:i}", "damages", (int)status.report.damage_count,
                     "damage", found, "has_new_incarnation",
                     status.report.lost_incarnation != 0 ? 1 : 0, "is_whole",
                     status.is_level ? 1 : 0, "groups_voting", (int)status.voter_count, "groups",
                     (int)status.group_count);
}

static json_t *segments_json(const struct survey *survey)
{
    struct log_damage_status sum = {0};
    survey_damage(survey, &sum);
    return json_pack("{s:I, s:I, s:i, s:i, s:i}", "files_found_damaged",
                     (json_int_t)sum.files_found, "repaired", (json_int_t)sum.segments_repaired,
                     "suspected", (int)sum.suspected, "damaged", (int)sum.damaged, "not_repairable",
                     (int)sum.not_repairable);
}

static void on_disk(struct admin_call *call, const struct survey *survey)
{
    struct broker *b = call->broker;
    struct repl_disk_report r = {0};
    repl_node_disk(b->node, (uint32_t)b->conf.node_id, &r);
    json_t *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "node_id",
        (int)b->conf.node_id, "data_directory", b->conf.data_directory, "wal_directory",
        broker_wal_has_own_disk(b) ? b->conf.wal_directory : b->conf.data_directory, "state",
        repl_disk_state_name(r.state), "state_for_ms", (json_int_t)r.for_ms, "free_bytes",
        (json_int_t)r.free_bytes, "total_bytes", (json_int_t)r.total_bytes, "reserve_bytes",
        (json_int_t)b->conf.disk_reserve_bytes, "reserve_percent",
        (json_int_t)b->conf.disk_reserve_percent, "sync_p50_us", (json_int_t)r.sync_p50_us,
        "sync_p99_us", (json_int_t)r.sync_p99_us, "wal_queue_percent", (int)r.queue_percent);
    json_object_set_new(json, "wal", wal_json(b));
    json_object_set_new(json, "start", rebuild_json(b));
    json_object_set_new(json, "segments", segments_json(survey));
    call_answer_json(call, MHD_HTTP_OK, json);
}

void resource_disk(struct admin_call *call)
{
    survey_start(call, on_disk);
}

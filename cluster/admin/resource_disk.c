/* GET /v1/disk: this node's disk and its write-ahead log. */
#include "admin/route.h"
#include "admin/survey.h"

static json_t *wal_json(struct broker *b)
{
    struct log_wal_counters c;
    uint32_t pinning_group;
    uint64_t pinned_bytes;
    log_wal_counters(b->wal, &c);
    log_wal_pressure(b->wal, &pinning_group, &pinned_bytes);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "written_bytes", (json_int_t)c.bytes,
                     "syncs", (json_int_t)c.syncs, "last_write_us", (json_int_t)c.write_us_last,
                     "held_bytes", (json_int_t)pinned_bytes, "torn_tails_cut",
                     (json_int_t)c.torn_tails_cut, "torn_bytes", (json_int_t)c.torn_bytes);
}

void resource_disk(struct admin_call *call)
{
    struct broker *b = call->broker;
    uint64_t free_bytes = 0, total_bytes = 0;
    int err = disk_free_bytes(&b->disk, &free_bytes, &total_bytes);
    if (err != 0) {
        call_refuse_err(call, err, NULL);
        return;
    }
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:o}", "node_id",
                               (int)b->conf.node_id, "data_directory", b->conf.data_directory,
                               "state", atomic_load(&b->is_disk_low) ? "full" : "ok", "free_bytes",
                               (json_int_t)free_bytes, "total_bytes", (json_int_t)total_bytes,
                               "reserve_bytes", (json_int_t)b->conf.disk_reserve_bytes, "wal",
                               wal_json(b)));
}

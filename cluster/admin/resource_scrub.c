/* GET /v1/scrub, POST /v1/scrub/start: this node's scrubber, which reads all segments in a set
 * time. */
#include "admin/route.h"
#include "admin/survey.h"

/* Milliseconds since 1970, or null. */
static json_t *time_json(int64_t wall_ms)
{
    return wall_ms == 0 ? json_null() : json_integer((json_int_t)wall_ms);
}

static json_t *scrub_json(struct broker *b)
{
    struct log_scrub_status s;
    log_scrubber_status(b->scrubber, &s);
    return json_pack("{s:i, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:s, s:I, s:I}", "node_id",
                     (int)b->conf.node_id, "is_running", s.is_running ? 1 : 0, "is_hurried",
                     s.is_hurried ? 1 : 0, "done_bytes", (json_int_t)s.bytes_done, "total_bytes",
                     (json_int_t)s.bytes_total, "segments_done", (json_int_t)s.segments_done,
                     "segments_suspected", (json_int_t)s.suspected, "passes_finished",
                     (json_int_t)s.passes_finished, "started_at_ms", time_json(s.started_wall_ms),
                     "finished_at_ms", time_json(s.finished_wall_ms), "position", s.position,
                     "interval_ms", (json_int_t)b->conf.scrub_interval_ms, "bytes_per_second_max",
                     (json_int_t)b->conf.scrub_bytes_per_second);
}

void resource_scrub(struct admin_call *call)
{
    call_answer_json(call, MHD_HTTP_OK, scrub_json(call->broker));
}

void resource_scrub_start(struct admin_call *call)
{
    if (!call_allows_fields(call, NULL, 0))
        return;
    log_scrubber_start_now(call->broker->scrubber);
    call_answer_json(call, MHD_HTTP_ACCEPTED, scrub_json(call->broker));
}

/* Which partition is compacted next, and its way from plan to entry.
 *
 * Kafka's rules (LogCleanerManager): of the compacted partitions whose share of dirty bytes has
 * reached min.cleanable.dirty.ratio, or which have a record that has waited for
 * max.compaction.lag.ms, the one with the largest share. A pass that has begun goes on first. One
 * step at a time in a group: each is planned on what the one before has made, and that is there
 * with the next checkpoint. A plan that comes to nothing is not repeated before others had their
 * turn. */
#include "upkeep/compaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "log/compact.h"
#include "upkeep/maintain.h"
#include "topic_config.h"

struct compaction {
    struct broker_group *group;
    struct log_compact_plan plan;
    struct machine_request request;
    struct random random;
    uint32_t number;        /* of the partition at work */
    uint32_t failed_number; /* not to be tried at the next look; 0: none */
    uint64_t looked_at_ms;  /* clock */
    bool is_running;        /* a plan or its entry is under way */
};

int compaction_create(struct broker_group *g, struct compaction **created)
{
    struct compaction *c = calloc(1, sizeof *c);
    if (c == NULL)
        return UV_ENOMEM;
    c->group = g;
    random_init_system(&c->random);
    *created = c;
    return 0;
}

/* ---- choosing ---- */

struct candidate {
    struct compaction *compaction;
    int64_t now_ms;      /* wall clock, as records' */
    struct partition *p; /* the best so far, or NULL */
    double share;        /* of it */
    struct topic_settings settings;
};

/* Share of dirty bytes, above 1 for a pass that has begun; 0: not now. */
static double share_of(const struct candidate *c, const struct partition *p,
                       const struct topic_settings *settings)
{
    struct log_compact_backlog backlog;
    struct log_compact_state state;
    log_partition_compact_state(p->log, &state);
    log_partition_compact_backlog(p->log, c->now_ms, settings->compaction_lag_ms_min, &backlog);
    if (backlog.dirty_bytes == 0 || log_partition_is_compaction_due(p->log))
        return 0;
    double share = (double)backlog.dirty_bytes /
                   (double)(backlog.clean_bytes + backlog.dirty_bytes);
    if (state.pass_until > state.clean_until)
        return 1 + share;
    bool has_waited = settings->compaction_lag_ms_max < INT64_MAX &&
                      c->now_ms - backlog.oldest_dirty_ms > settings->compaction_lag_ms_max;
    return share >= settings->dirty_ratio_min || has_waited ? share : 0;
}

static void consider(void *data, struct partition *p)
{
    struct candidate *c = data;
    struct topic_settings settings;
    if (p->moved_index != 0 || !log_partition_has_files(p->log) || /* it moves away, or just came */
        p->number == c->compaction->failed_number ||
        !maintain_settings_of(c->compaction->group, p, &settings) || !settings.is_compacted)
        return;
    double share = share_of(c, p, &settings);
    if (share <= c->share)
        return;
    c->p = p;
    c->share = share;
    c->settings = settings;
}

/* ---- from plan to entry ---- */

static void give_up(struct compaction *c, int status)
{
    c->failed_number = c->number;
    c->is_running = false;
    slice_unref(&c->plan.step);
    if (status == ERR_NOT_FOUND || status == ERR_BUSY || status == UV_ENOENT)
        return; /* nothing to do after all, or not just now */
    event_warn("compaction_failed", "group=%u partition_number=%u error=%s", c->group->group_id,
               c->number, err_name(status));
}

static void tell(const struct compaction *c)
{
    const struct log_compact_plan *plan = &c->plan;
    event_info("partition_compacted",
               "group=%u partition_number=%u records_removed=%llu bytes_before=%llu "
               "bytes_after=%llu",
               c->group->group_id, c->number, (unsigned long long)plan->counts.records_removed,
               (unsigned long long)plan->bytes_before, (unsigned long long)plan->bytes_after);
    if (plan->counts.batches_unreadable > 0)
        event_warn("batches_not_compacted",
                   "group=%u partition_number=%u count=%llu first_offset=%lld", c->group->group_id,
                   c->number, (unsigned long long)plan->counts.batches_unreadable,
                   (long long)plan->counts.unreadable_offset);
}

static void on_applied(struct machine_request *req, int status)
{
    struct compaction *c = req->data;
    if (status == 0)
        status = req->result.error;
    if (status == ERR_INVALID || status == ERR_NOT_FOUND || status == ERR_MOVED)
        status = ERR_BUSY; /* retention, another leader's step or a move was faster */
    if (status != 0) {
        give_up(c, status == ERR_LEADERSHIP_LOST || status == ERR_CLOSED ? ERR_BUSY : status);
        return;
    }
    tell(c);
    slice_unref(&c->plan.step);
    c->is_running = false;
    c->looked_at_ms = 0; /* there may be more to do */
    repl_group_checkpoint(c->group->raft);
}

static void on_planned(struct log_compact_plan *plan, int status)
{
    struct compaction *c = plan->data;
    const struct partition *p = machine_partition(c->group->machine, c->number);
    if (status == 0 && (p == NULL || p->log != plan->partition))
        status = ERR_BUSY; /* closed meanwhile */
    if (status == 0) {
        c->request.data = c;
        c->request.submit.head.kind = ENTRY_COMPACTION_STEP;
        c->request.submit.head.partition_number = c->number;
        c->request.submit.body = plan->step;
        status = machine_submit(c->group->machine, &c->request, on_applied);
        status = status == ERR_NOT_LEADER ? ERR_BUSY : status;
    }
    if (status != 0)
        give_up(c, status);
}

static void begin(struct compaction *c, const struct candidate *chosen)
{
    const struct conf_settings *conf = &c->group->broker->conf;
    const struct topic_settings *settings = &chosen->settings;
    c->number = chosen->p->number;
    c->plan = (struct log_compact_plan){
        .data = c,
        .now_ms = chosen->now_ms,
        .delete_retention_ms = settings->delete_retention_ms,
        .lag_ms_min = settings->compaction_lag_ms_min,
        .segment_bytes = settings->segment_bytes,
        .step_bytes_max = conf->compaction_step_bytes,
        .map_bytes_max = (size_t)conf->log_cleaner_dedupe_buffer_bytes,
        .worker = work_pool_work(c->group->broker->readers),
        .home = shard_work(c->group->shard),
    };
    bytes_put_le64(c->plan.seed, random_u64(&c->random));
    bytes_put_le64(c->plan.seed + 8, random_u64(&c->random));
    int err = log_partition_compact_plan(chosen->p->log, &c->plan, on_planned);
    c->is_running = err == 0;
    if (err != 0)
        give_up(c, err);
}

void compaction_tick(struct compaction *c)
{
    struct broker *b = c->group->broker;
    uint64_t now_ms = clock_now_ms(&b->clock);
    bool is_early = c->looked_at_ms != 0 &&
                    now_ms - c->looked_at_ms < (uint64_t)b->conf.log_cleaner_backoff_ms;
    if (c->is_running || is_early || !machine_is_ready(c->group->machine) ||
        c->group->is_without_room)
        return;
    struct candidate best = {.compaction = c, .now_ms = clock_wall_ms(&b->clock)};
    c->looked_at_ms = now_ms;
    machine_each_partition(c->group->machine, consider, &best);
    c->failed_number = 0;
    if (best.p != NULL)
        begin(c, &best);
}

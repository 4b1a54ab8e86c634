/* The judge's memory: what it is told, and what has been agreed.
 *
 * What follows from it is decided in policy_decide.c. Here is the rest: options, reports into the
 * matrix, an operator's word, the verdict that counts, and time.
 *
 * Time is counted in steps between calls, bounded, so that a clock that jumps ends no quiet time.
 */
#include "dc-router/policy_judge.h"

#include "policy_decide.h"
#include "policy_health.h"

/* ---- options, and time ---- */

struct router_judge_options router_judge_options_default(void)
{
    return (struct router_judge_options){.lost_ms = 1500,
                                         .heard_ms = 3000,
                                         .stale_ms = 2500,
                                         .cut_ms = 500,
                                         .quiet_ms = 30 * 1000,
                                         .frozen_ms = 10 * 60 * 1000,
                                         .leaves_max = 3,
                                         .leaves_window_ms = 15 * 60 * 1000,
                                         .step_ms_max = 1000};
}

/* Far above any sense, far below an overflow. */
#define DURATION_MS_MAX ((int64_t)1 << 40)

static bool is_duration(int64_t ms, int64_t least_ms)
{
    return ms >= least_ms && ms <= DURATION_MS_MAX;
}

static bool is_sound_options(const struct router_judge_options *o)
{
    return is_duration(o->lost_ms, 2) && is_duration(o->heard_ms, 1) &&
           is_duration(o->stale_ms, o->lost_ms) && is_duration(o->cut_ms, 0) &&
           is_duration(o->quiet_ms, o->heard_ms) && is_duration(o->frozen_ms, o->quiet_ms) &&
           o->leaves_max > 0 && o->leaves_max <= ROUTER_LEAVES_MAX &&
           is_duration(o->leaves_window_ms, 1) && is_duration(o->step_ms_max, 1) &&
           o->step_ms_max <= o->quiet_ms;
}

void judge_pass_time(struct router_judge *judge, int64_t now_ms)
{
    if (now_ms > judge->clock_ms) {
        uint64_t passed_ms = (uint64_t)now_ms - (uint64_t)judge->clock_ms;
        uint64_t most_ms = (uint64_t)judge->options.step_ms_max;
#ifdef TRILOG_BREAK_POLICY_TRUSTS_CLOCK
        most_ms = (uint64_t)DURATION_MS_MAX;
#endif
        judge->time_ms += (int64_t)(passed_ms < most_ms ? passed_ms : most_ms);
    }
    judge->clock_ms = now_ms;
}

bool judge_has_lasted(const struct router_judge *judge, int64_t since_ms, int64_t duration_ms)
{
    return since_ms >= 0 && judge->time_ms - since_ms >= duration_ms;
}

static bool is_calm_at_start(const struct router_verdict *agreed)
{
#ifdef TRILOG_BREAK_POLICY_BEGINS_CALM
    return true;
#endif
    return agreed->is_calm;
}

int router_judge_init(struct router_judge *judge, const struct router_judge_options *options,
                      const struct router_verdict *verdict, int64_t now_ms)
{
    if (judge == NULL || options == NULL || !is_sound_options(options) ||
        router_verdict_check(verdict) != 0)
        return ERR_INVALID;
    struct router_verdict agreed = *verdict;
    *judge = (struct router_judge){
        .options = *options, .verdict = agreed, .clock_ms = now_ms, .time_ms = options->quiet_ms};
    judge->moved_at_ms = is_calm_at_start(&agreed) ? 0 : judge->time_ms;
    for (unsigned i = 0; i < agreed.site_count; i++)
        judge->watches[i] = (struct router_site_watch){.is_drain_asked = agreed.sites[i].drain ==
                                                                         ROUTER_DRAINED,
                                                       .well_since_ms = -1,
                                                       .whole_since_ms = -1,
                                                       .cut_since_ms = -1,
                                                       .ending_at_ms = judge->time_ms,
                                                       .left_at_ms = -1};
    return 0;
}

/* ---- what is told ---- */

int router_judge_report(struct router_judge *judge, const struct router_report *report,
                        int64_t now_ms)
{
    if (judge == NULL || report == NULL || report->from >= judge->verdict.site_count ||
        report->to >= judge->verdict.site_count || (unsigned)report->stage >= ROUTER_STAGE_COUNT ||
        report->age_ms < 0)
        return ERR_INVALID;
    judge_pass_time(judge, now_ms);
    if (report->age_ms <= judge->options.stale_ms)
        path_take(&judge->paths[report->from][report->to], &judge->options, report->stage,
                  judge->time_ms - report->age_ms);
    return 0;
}

int router_judge_drain(struct router_judge *judge, unsigned site, bool is_drained, int64_t now_ms)
{
    if (judge == NULL || site >= judge->verdict.site_count)
        return ERR_INVALID;
    judge_pass_time(judge, now_ms);
    judge->watches[site].is_drain_asked = is_drained;
    judge->watches[site].is_word_new = true;
    return 0;
}

enum router_path_state router_judge_path(const struct router_judge *judge, unsigned from,
                                         unsigned to)
{
    if (judge == NULL || from >= judge->verdict.site_count || to >= judge->verdict.site_count)
        return ROUTER_PATH_UNKNOWN;
    return path_state(&judge->paths[from][to], &judge->options, judge->time_ms);
}

/* ---- what is agreed ---- */

bool judge_is_change(const struct router_verdict *now, const struct router_verdict *next)
{
    for (unsigned i = 0; i < now->site_count; i++)
        if (now->sites[i].health != next->sites[i].health ||
            now->sites[i].drain != next->sites[i].drain)
            return true;
    return false;
}

static bool is_other_weight(const struct router_verdict *now, const struct router_verdict *next)
{
    for (unsigned i = 0; i < now->site_count; i++)
        if (now->sites[i].site.weight != next->sites[i].site.weight)
            return true;
    return false;
}

/* Its sites in their order; an operator may have given them other weights. */
static bool can_follow(const struct router_verdict *now, const struct router_verdict *next)
{
    if (router_verdict_check(next) != 0 || next->site_count != now->site_count ||
        next->epoch < now->epoch || next->failover_epoch < now->failover_epoch)
        return false;
    for (unsigned i = 0; i < now->site_count; i++)
        if (strcmp(now->sites[i].site.name, next->sites[i].site.name) != 0)
            return false;
    bool is_same = !judge_is_change(now, next) && !is_other_weight(now, next) &&
                   now->is_calm == next->is_calm;
    return next->epoch > now->epoch || is_same;
}

/* Members move when a site changes its place among the others; that a drain is taken back does not
 * move them yet. */
static bool is_move_of(const struct router_standing *now, const struct router_standing *next)
{
    return now->health != next->health || (now->drain == ROUTER_IN) != (next->drain == ROUTER_IN);
}

bool judge_is_move(const struct router_verdict *now, const struct router_verdict *next)
{
    for (unsigned i = 0; i < now->site_count; i++)
        if (is_move_of(&now->sites[i], &next->sites[i]))
            return true;
    return false;
}

static void note_change(struct router_judge *judge, unsigned site,
                        const struct router_standing *next, bool has_missed)
{
    const struct router_standing *now = &judge->verdict.sites[site];
    struct router_site_watch *w = &judge->watches[site];
    if (next->health > now->health || (has_missed && next->health != ROUTER_WHOLE)) {
        w->left_at_ms = judge->time_ms;
        /* Who found it bad may have seen what this one did not: what was before says nothing. */
        w->well_since_ms = w->whole_since_ms = -1;
    }
    if (next->drain == ROUTER_ENDING && now->drain != ROUTER_ENDING)
        w->ending_at_ms = judge->time_ms;
    /* What was under way when the operator spoke does not unsay it. */
    bool is_drained = next->drain == ROUTER_DRAINED;
    w->is_word_new = w->is_word_new && is_drained != w->is_drain_asked;
    if (!w->is_word_new)
        w->is_drain_asked = is_drained;
}

/* Another judge may have waited longer. */
static int64_t calm_since(const struct router_judge *judge)
{
    int64_t since_ms = judge->time_ms - judge->options.quiet_ms;
    return judge->moved_at_ms < since_ms ? judge->moved_at_ms : since_ms;
}

int router_judge_adopt(struct router_judge *judge, const struct router_verdict *verdict,
                       int64_t now_ms)
{
    if (judge == NULL || !can_follow(&judge->verdict, verdict))
        return ERR_INVALID;
    judge_pass_time(judge, now_ms);
    /* In what it did not hear of anything may have been left, and have come back. */
    bool has_missed = verdict->epoch > judge->verdict.epoch + 1;
    if (verdict->is_calm)
        judge->moved_at_ms = calm_since(judge);
    else if (has_missed || judge_is_move(&judge->verdict, verdict))
        judge->moved_at_ms = judge->time_ms;
    for (unsigned i = 0; i < verdict->site_count; i++)
        note_change(judge, i, &verdict->sites[i], has_missed);
    judge->verdict = *verdict;
    return 0;
}

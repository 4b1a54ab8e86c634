/* The matrix: what sites say of each other, with hysteresis both ways, and what it says of each.
 *
 * A path (who tried, where to) is a small integrator. Time that fails counts in full, time that
 * goes well takes a quarter off; at lost_ms of failing the path is LOST. So a site that hangs is
 * lost after lost_ms, one that comes and goes each second in its second or third bad second, and
 * one that loses a try in ten never. The time before a try counts as the try ended, for a try that
 * ran into its timeout was bad all the while; but for half of lost_ms at most: one bad try is never
 * enough. LOST, it takes heard_ms without one bad try to be HEARD again.
 *
 * A site is live when another site reaches it. One that only itself reaches is dead where every
 * live site says so: it may think what it likes. Where no site reaches any other, each is as live
 * as it finds itself; and where nobody says anything, nothing is known, which changes nothing. */
#include "policy_health.h"

/* ---- one path ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A run of tries that ended alike begins anew, too, where nobody looked for too long. */
static void begin_run(struct router_path *path, bool is_well, int64_t since_ms)
{
    path->is_well = is_well;
    path->run_since_ms = since_ms;
}

static void take_failure(struct router_path *path, const struct router_judge_options *options,
                         int64_t at_ms)
{
    int64_t lost_4ms = 4 * options->lost_ms;
    path->failing_4ms = least(path->failing_4ms, lost_4ms);
    if (path->state == ROUTER_PATH_LOST || path->failing_4ms < lost_4ms)
        return;
    path->state = ROUTER_PATH_LOST;
    path->is_flapping = at_ms - path->run_since_ms < options->lost_ms * 3 / 4;
}

static void take_success(struct router_path *path, const struct router_judge_options *options,
                         int64_t at_ms)
{
    if (path->failing_4ms < 0)
        path->failing_4ms = 0;
    if (path->state == ROUTER_PATH_LOST && at_ms - path->run_since_ms < options->heard_ms)
        return;
    if (path->state == ROUTER_PATH_LOST) {
        path->failing_4ms = 0;
        path->is_flapping = false;
    }
    path->state = ROUTER_PATH_HEARD;
}

/* Nobody looked for too long: what was heard is not known any more; what was lost stays so until it
 * is heard. */
static void forget(struct router_path *path)
{
    if (path->state == ROUTER_PATH_HEARD)
        path->state = ROUTER_PATH_UNKNOWN;
    path->failing_4ms = 0;
}

void path_take(struct router_path *path, const struct router_judge_options *options,
               enum router_stage stage, int64_t at_ms)
{
    bool is_well = stage == ROUTER_STAGE_NONE;
    int64_t passed_ms = path->was_reported ? at_ms - path->reported_at_ms : 0;
    if (passed_ms < 0)
        return;
    int64_t counted_ms = least(passed_ms, options->lost_ms / 2);
    bool is_gap = !path->was_reported || passed_ms > options->stale_ms;
    if (is_gap) {
        forget(path);
        counted_ms = 0;
    }
    if (is_gap || is_well != path->is_well)
        begin_run(path, is_well, is_well ? at_ms : at_ms - counted_ms);
    path->was_reported = true;
    path->reported_at_ms = at_ms;
    path->failing_4ms += is_well ? -counted_ms : 4 * counted_ms;
    if (is_well) {
        take_success(path, options, at_ms);
    } else {
        path->stage = stage;
        take_failure(path, options, at_ms);
    }
}

static bool is_fresh(const struct router_path *path, const struct router_judge_options *options,
                     int64_t now_ms)
{
    return path->was_reported && now_ms - path->reported_at_ms <= options->stale_ms;
}

enum router_path_state path_state(const struct router_path *path,
                                  const struct router_judge_options *options, int64_t now_ms)
{
    return is_fresh(path, options, now_ms) ? path->state : ROUTER_PATH_UNKNOWN;
}

/* ---- all of them ---- */

static void look_at_path(const struct router_judge *judge, struct picture *p, unsigned from,
                         unsigned to)
{
    const struct router_path *path = &judge->paths[from][to];
    const struct router_judge_options *options = &judge->options;
    enum router_path_state state = path_state(path, options, judge->time_ms);
    if (state == ROUTER_PATH_HEARD)
        p->heard_by[to] |= bit_of(from);
    if (state == ROUTER_PATH_LOST)
        p->lost_by[to] |= bit_of(from);
    if (!is_fresh(path, options, judge->time_ms))
        return;
    bool is_lost = state == ROUTER_PATH_LOST;
    if (!is_lost && path->failing_4ms > 2 * options->lost_ms)
        p->uneasy |= bit_of(to);
    if (is_lost ? path->failing_4ms < 3 * options->lost_ms : path->failing_4ms > options->lost_ms)
        p->unsettled |= bit_of(to);
}

static enum evidence evidence_of(const struct picture *p, unsigned site)
{
    uint32_t self = bit_of(site), judges = p->reached & ~self;
    if ((p->heard_by[site] & ~self) != 0)
        return EVIDENCE_LIVE;
    if ((p->heard_by[site] & self) == 0)
        return p->lost_by[site] != 0 ? EVIDENCE_DEAD : EVIDENCE_NONE;
    bool is_denied = judges != 0 && (p->lost_by[site] & judges) == judges;
    return is_denied ? EVIDENCE_DEAD : EVIDENCE_LIVE;
}

void picture_take(const struct router_judge *judge, struct picture *picture)
{
    unsigned count = judge->verdict.site_count;
    *picture = (struct picture){0};
    for (unsigned from = 0; from < count; from++)
        for (unsigned to = 0; to < count; to++)
            look_at_path(judge, picture, from, to);
    for (unsigned i = 0; i < count; i++)
        if ((picture->heard_by[i] & ~bit_of(i)) != 0)
            picture->reached |= bit_of(i);
    for (unsigned i = 0; i < count; i++) {
        picture->evidence[i] = evidence_of(picture, i);
        if (picture->evidence[i] == EVIDENCE_LIVE)
            picture->live |= bit_of(i);
    }
}

bool picture_is_told_since(const struct router_judge *judge, const struct picture *picture,
                           unsigned site, int64_t since_ms)
{
    uint32_t others = picture->heard_by[site] & ~bit_of(site);
    uint32_t who = others != 0 ? others : picture->heard_by[site];
    for (uint32_t rest = who; rest != 0; rest &= rest - 1) {
        const struct router_path *path = &judge->paths[__builtin_ctz(rest)][site];
        if (path->is_well && path->reported_at_ms > since_ms)
            return true;
    }
    return false;
}

uint32_t picture_cut_off(const struct picture *picture, unsigned site, uint32_t others)
{
    uint32_t cut = picture->lost_by[site] & (others | bit_of(site));
    for (uint32_t rest = others & ~bit_of(site); rest != 0; rest &= rest - 1) {
        unsigned other = (unsigned)__builtin_ctz(rest);
        if ((picture->lost_by[other] & bit_of(site)) != 0)
            cut |= bit_of(other);
    }
    return cut;
}

/* What the judge decides: what the matrix says, made into a verdict that does not shake.
 *
 * Leaving is prompt, coming back is calm. What forces members off a site (nobody reaches it, an
 * operator drains it) is decided at once. All that moves them between sites that are reached is
 * held until a quiet time has passed since they last had to move, and then done together: a site
 * that was left comes back, a drain ends, a site that can't hear another one steps behind one
 * that hears both, or from there back. Each site waits for its own quiet time besides, a long one
 * when it was left often: so who flaps is left once.
 *
 * The rule above all: while a site that is reached is there, none that is not is used. So the last
 * used one is left only for another, and then any that is reached will do, quiet or not; and
 * where none is, all stays as it is, for a move from one dead site to another helps nobody. */
#include "policy_decide.h"

#include "policy_health.h"

/* One decision: what is seen, and the verdict as it grows. */
struct decision {
    struct router_judge *judge;
    struct picture picture;
    uint32_t used;     /* and reached */
    uint32_t cut;      /* reached, and cut off from more sites than another that is used */
    uint32_t sure_cut; /* and nothing about it is on its way to change */
    uint32_t better;   /* cut off from the fewest, and that is not on its way to change either */
    struct router_verdict *next;
};

static uint32_t sites_where(const struct router_verdict *v,
                            bool (*is)(const struct router_standing *))
{
    uint32_t found = 0;
    for (unsigned i = 0; i < v->site_count; i++)
        if (is(&v->sites[i]))
            found |= bit_of(i);
    return found;
}

static bool is_used(const struct router_standing *s)
{
    return s->health != ROUTER_LEFT;
}

static bool is_in(const struct router_standing *s)
{
    return s->drain == ROUTER_IN;
}

static unsigned cut_count(const struct decision *d, unsigned site, uint32_t others)
{
    return (unsigned)__builtin_popcount(picture_cut_off(&d->picture, site, others));
}

/* The fewest sites that one of `compared` is cut off from, and which of them are. */
static unsigned find_best(const struct decision *d, uint32_t compared, uint32_t used,
                          uint32_t *best)
{
    unsigned least = UINT_MAX;
    *best = 0;
    for (uint32_t rest = compared; rest != 0; rest &= rest - 1) {
        uint32_t site = rest & -rest;
        unsigned count = cut_count(d, (unsigned)__builtin_ctz(rest), used);
        if (count > least)
            continue;
        *best = count < least ? site : *best | site;
        least = count;
    }
    return least;
}

static uint32_t cut_ends(const struct decision *d, unsigned site)
{
    return picture_cut_off(&d->picture, site, d->used) | bit_of(site);
}

/* Among the sites that are used and reached, those in use count before drained ones. A cut is sure
 * where one to step behind is settled, and both ends are: else it may be a site that dies, or
 * comes and goes, seen by the first of two. */
static void find_cut(struct decision *d)
{
    uint32_t unsettled = d->picture.unsettled, best;
#ifdef TRILOG_BREAK_POLICY_CUTS_AT_ONCE
    unsettled = 0;
#endif
    d->used = sites_where(d->next, is_used) & d->picture.live;
    uint32_t in = d->used & sites_where(d->next, is_in);
    unsigned least = find_best(d, in != 0 ? in : d->used, d->used, &best);
    d->better = best & ~unsettled;
    d->cut = d->sure_cut = 0;
    for (uint32_t rest = d->picture.live; rest != 0; rest &= rest - 1) {
        unsigned site = (unsigned)__builtin_ctz(rest);
        if (cut_count(d, site, d->used) <= least)
            continue;
        d->cut |= bit_of(site);
        if ((cut_ends(d, site) & unsettled) == 0 && d->better != 0)
            d->sure_cut |= bit_of(site);
    }
}

/* Since when something is so; -1 while it is not. */
static void keep_since(int64_t *since_ms, bool is_so, int64_t now_ms)
{
    if (!is_so)
        *since_ms = -1;
    else if (*since_ms < 0)
        *since_ms = now_ms;
}

/* A site that was left is well only when one that is used says so: those that were left with it may
 * well find each other in good health. */
static bool is_well(const struct decision *d, unsigned site)
{
    const struct picture *p = &d->picture;
    uint32_t used = sites_where(d->next, is_used), self = bit_of(site);
    bool is_vouched_for = (used & self) != 0 || (p->heard_by[site] & used) != 0;
    return (p->live & ~p->uneasy & self) != 0 && is_vouched_for;
}

static void keep_watch(struct decision *d)
{
    int64_t now_ms = d->judge->time_ms;
    for (unsigned i = 0; i < d->next->site_count; i++) {
        struct router_site_watch *w = &d->judge->watches[i];
        bool is_cut = (d->cut & bit_of(i)) != 0;
        keep_since(&w->well_since_ms, is_well(d, i), now_ms);
        keep_since(&w->whole_since_ms, is_well(d, i) && !is_cut, now_ms);
        keep_since(&w->cut_since_ms, (d->sure_cut & bit_of(i)) != 0, now_ms);
    }
}

/* What the paths between `site` and `others` that are lost say: how far the best came, and is one
 * of them flapping. */
static void explain(const struct decision *d, unsigned site, uint32_t others,
                    struct router_standing *s)
{
    for (uint32_t rest = others; rest != 0; rest &= rest - 1) {
        unsigned other = (unsigned)__builtin_ctz(rest);
        const struct router_path *paths[] = {&d->judge->paths[other][site],
                                             &d->judge->paths[site][other]};
        bool are_lost[] = {(d->picture.lost_by[site] & bit_of(other)) != 0,
                           (d->picture.lost_by[other] & bit_of(site)) != 0 &&
                               s->health == ROUTER_CUT};
        for (unsigned i = 0; i < 2; i++) {
            if (!are_lost[i])
                continue;
            s->stage = paths[i]->stage > s->stage ? paths[i]->stage : s->stage;
            if (paths[i]->is_flapping)
                s->reason = ROUTER_REASON_FLAPPING;
        }
    }
}

/* How often it was left or found cut lately. Who stayed long counts anew; who only goes from bad to
 * worse has been counted. */
static uint8_t count_leave(const struct router_judge *judge, unsigned site)
{
    const struct router_standing *now = &judge->verdict.sites[site];
    bool is_anew = judge_has_lasted(judge, judge->watches[site].left_at_ms,
                                    judge->options.leaves_window_ms);
    if (now->health != ROUTER_WHOLE)
        return now->leave_count;
    return (uint8_t)(is_anew ? 1 : now->leave_count + (now->leave_count < UINT8_MAX ? 1 : 0));
}

/* A site is left, or found cut, by what `others` and it say of each other. */
static void demote(struct decision *d, unsigned site, enum router_health health, uint32_t others)
{
    struct router_standing *s = &d->next->sites[site];
    s->leave_count = count_leave(d->judge, site);
    s->health = health;
    s->reason = health == ROUTER_CUT ? ROUTER_REASON_UNHEARD : ROUTER_REASON_UNREACHED;
    if (s->leave_count >= d->judge->options.leaves_max)
        s->reason = ROUTER_REASON_FLAPPING;
    s->stage = ROUTER_STAGE_NONE;
    explain(d, site, others, s);
}

static void restore(struct router_standing *s, enum router_reason reason)
{
    s->health = ROUTER_WHOLE;
    s->reason = reason;
    s->stage = ROUTER_STAGE_NONE;
}

/* Off the dead sites, wherever there is another one. */
static void leave_dead(struct decision *d)
{
    const struct router_verdict *v = d->next;
    uint32_t dead = 0;
    for (unsigned i = 0; i < v->site_count; i++)
        if (d->picture.evidence[i] == EVIDENCE_DEAD)
            dead |= bit_of(i);
    uint32_t used = sites_where(v, is_used);
    uint32_t rescue = (used & ~dead) != 0 ? 0 : d->picture.live;
    if ((used & ~dead) == 0 && rescue == 0)
        return; /* nothing is better than anything */
    for (uint32_t rest = rescue; rest != 0; rest &= rest - 1)
        restore(&d->next->sites[__builtin_ctz(rest)], ROUTER_REASON_NOTHING_ELSE);
    for (uint32_t rest = used & dead; rest != 0; rest &= rest - 1)
        demote(d, (unsigned)__builtin_ctz(rest), ROUTER_LEFT, ~(uint32_t)0 >> (32 - v->site_count));
}

static void drain_as_asked(struct decision *d)
{
    for (unsigned i = 0; i < d->next->site_count; i++) {
        enum router_drain *drain = &d->next->sites[i].drain;
        if (d->judge->watches[i].is_drain_asked)
            *drain = ROUTER_DRAINED;
        else if (*drain == ROUTER_DRAINED)
            *drain = ROUTER_ENDING;
    }
}

static int64_t quiet_of(const struct router_judge *judge, const struct router_standing *s)
{
    const struct router_judge_options *o = &judge->options;
#ifdef TRILOG_BREAK_POLICY_RETURNS_AT_ONCE
    return 0;
#endif
    return s->leave_count >= o->leaves_max ? o->frozen_ms : o->quiet_ms;
}

/* What may come back to this site, now that a move is due. */
static void take_back(struct decision *d, unsigned site)
{
    const struct router_judge *judge = d->judge;
    const struct router_site_watch *w = &judge->watches[site];
    struct router_standing *s = &d->next->sites[site];
    int64_t quiet_ms = quiet_of(judge, s);
    if (s->health == ROUTER_LEFT && judge_has_lasted(judge, w->well_since_ms, quiet_ms)) {
        restore(s, ROUTER_REASON_WELL);
        if ((d->cut & bit_of(site)) != 0)
            demote(d, site, ROUTER_CUT, d->picture.live);
    } else if (s->health == ROUTER_CUT && judge_has_lasted(judge, w->whole_since_ms, quiet_ms)) {
        restore(s, ROUTER_REASON_WELL);
    }
    bool is_ending = s->drain == ROUTER_ENDING && judge->verdict.sites[site].drain == ROUTER_ENDING;
    if (is_ending && s->health != ROUTER_LEFT &&
        judge_has_lasted(judge, w->well_since_ms, judge->options.quiet_ms) &&
        judge_has_lasted(judge, w->ending_at_ms, judge->options.quiet_ms))
        s->drain = ROUTER_IN;
}

/* Who makes both ends live, and one that is better, has said so since the cut is sure: what was
 * said before may be the last word of a site that died with them. */
static bool is_cut_confirmed(const struct decision *d, unsigned site)
{
    int64_t since_ms = d->judge->watches[site].cut_since_ms;
    bool is_better_told = false, are_ends_told = true;
#ifdef TRILOG_BREAK_POLICY_CUTS_AT_ONCE
    return true;
#endif
    for (uint32_t rest = d->better; rest != 0; rest &= rest - 1)
        is_better_told |= picture_is_told_since(d->judge, &d->picture,
                                                (unsigned)__builtin_ctz(rest), since_ms);
    for (uint32_t rest = cut_ends(d, site); rest != 0; rest &= rest - 1)
        are_ends_told &= picture_is_told_since(d->judge, &d->picture, (unsigned)__builtin_ctz(rest),
                                               since_ms);
    return is_better_told && are_ends_told;
}

static void step_behind(struct decision *d, unsigned site)
{
    const struct router_judge *judge = d->judge;
    bool is_due = judge_has_lasted(judge, judge->watches[site].cut_since_ms, judge->options.cut_ms);
    if (d->next->sites[site].health == ROUTER_WHOLE && is_due && is_cut_confirmed(d, site))
        demote(d, site, ROUTER_CUT, d->picture.live);
}

/* What is worth to be agreed: how sites stand, and that a quiet time is over. */
static int offer(const struct router_judge *judge, bool is_calm, struct router_verdict *next)
{
    const struct router_verdict *now = &judge->verdict;
    bool is_change = judge_is_change(now, next);
    if (!is_change)
        *next = *now;
    next->is_calm = is_change ? now->is_calm && !judge_is_move(now, next) : now->is_calm || is_calm;
    if (!is_change && next->is_calm == now->is_calm)
        return 0;
    next->epoch++;
    return 1;
}

int router_judge_decide(struct router_judge *judge, int64_t now_ms, struct router_verdict *next)
{
    if (judge == NULL || next == NULL || next == &judge->verdict)
        return ERR_INVALID;
    judge_pass_time(judge, now_ms);
    *next = judge->verdict;
    struct decision d = {.judge = judge, .next = next};
    picture_take(judge, &d.picture);
    leave_dead(&d);
    drain_as_asked(&d);
    find_cut(&d);
    keep_watch(&d);
    bool is_calm = judge_has_lasted(judge, judge->moved_at_ms, judge->options.quiet_ms);
#ifdef TRILOG_BREAK_POLICY_NEVER_WAITS
    is_calm = true;
#endif
    for (unsigned i = 0; is_calm && i < next->site_count; i++) {
        step_behind(&d, i);
        take_back(&d, i);
    }
    return offer(judge, is_calm, next);
}

/* A few sites and a judge, on a clock that the test moves: every pair tries its path five times a
 * second, and the judge decides ten times a second. What is decided is agreed at once. */
#ifndef TEST_DC_ROUTER_JUDGE_WORLD_H
#define TEST_DC_ROUTER_JUDGE_WORLD_H

#include <criterion/criterion.h>

#include "dc-router/policy_judge.h"

#define TICK_MS    100
#define REPORT_MS  200
#define WORLD_SITE 'a' /* the first site's name; the others follow */

struct world {
    unsigned count;
    int64_t now_ms;                                              /* true */
    int64_t skew_ms;                                             /* the judge's clock is off by */
    enum router_stage paths[ROUTER_SITES_MAX][ROUTER_SITES_MAX]; /* [from][to]: where they fail */
    bool is_silent[ROUTER_SITES_MAX];                            /* reports nothing */
    unsigned change_count;                                       /* of how sites stand */
    struct router_judge judge;
};

static inline struct router_site world_site(unsigned index, uint32_t weight)
{
    return (struct router_site){.name = {(char)(WORLD_SITE + index), '\0'}, .weight = weight};
}

static inline struct router_verdict world_verdict(unsigned count)
{
    struct router_site sites[ROUTER_SITES_MAX];
    struct router_verdict verdict;
    for (unsigned i = 0; i < count; i++)
        sites[i] = world_site(i, 1);
    cr_assert_eq(router_verdict_init(&verdict, sites, count, NULL), 0);
    return verdict;
}

static inline void world_report_all(struct world *w)
{
    for (unsigned from = 0; from < w->count; from++)
        for (unsigned to = 0; to < w->count; to++) {
            struct router_report report = {.from = from, .to = to, .stage = w->paths[from][to]};
            if (!w->is_silent[from])
                cr_assert_eq(router_judge_report(&w->judge, &report, w->now_ms + w->skew_ms), 0);
        }
}

static inline bool world_stand_alike(const struct router_verdict *a, const struct router_verdict *b)
{
    for (unsigned i = 0; i < a->site_count; i++)
        if (a->sites[i].health != b->sites[i].health || a->sites[i].drain != b->sites[i].drain)
            return false;
    return true;
}

static inline void world_tick(struct world *w)
{
    struct router_verdict next;
    w->now_ms += TICK_MS;
    if (w->now_ms % REPORT_MS == 0)
        world_report_all(w);
    int changed = router_judge_decide(&w->judge, w->now_ms + w->skew_ms, &next);
    cr_assert_geq(changed, 0);
    if (changed == 0)
        return;
    w->change_count += world_stand_alike(&w->judge.verdict, &next) ? 0 : 1;
    cr_assert_eq(router_judge_adopt(&w->judge, &next, w->now_ms + w->skew_ms), 0);
}

static inline void world_run(struct world *w, int64_t ms)
{
    for (int64_t until_ms = w->now_ms + ms; w->now_ms < until_ms;)
        world_tick(w);
}

/* All is well, and was so for longer than a quiet time. */
static inline void world_init(struct world *w, unsigned count)
{
    struct router_judge_options options = router_judge_options_default();
    struct router_verdict verdict = world_verdict(count);
    *w = (struct world){.count = count, .now_ms = 1000000};
    cr_assert_eq(router_judge_init(&w->judge, &options, &verdict, w->now_ms), 0);
    world_run(w, options.quiet_ms + 10000);
    cr_assert_eq(w->change_count, 0, "nothing happened, and the verdict changed");
}

/* The site's brokers are gone, at that stage; it tells nothing more. ROUTER_STAGE_NONE: back. */
static inline void world_break_site(struct world *w, unsigned site, enum router_stage stage)
{
    for (unsigned from = 0; from < w->count; from++)
        w->paths[from][site] = stage;
    w->is_silent[site] = stage != ROUTER_STAGE_NONE;
}

static inline void world_break_pair(struct world *w, unsigned a, unsigned b,
                                    enum router_stage stage)
{
    w->paths[a][b] = stage;
    w->paths[b][a] = stage;
}

/* One letter a site: Whole, Cut, Left; small while it is drained. Valid until the next call. */
static inline const char *world_healths(const struct world *w)
{
    static char text[ROUTER_SITES_MAX + 1];
    for (unsigned i = 0; i < w->count; i++) {
        const struct router_standing *s = &w->judge.verdict.sites[i];
        text[i] = (s->drain == ROUTER_IN ? "WCL" : "wcl")[s->health];
    }
    text[w->count] = '\0';
    return text;
}

/* Runs until the verdict changes, for `most_ms` at most; how long it took. */
static inline int64_t world_run_until_change(struct world *w, int64_t most_ms)
{
    unsigned before = w->change_count;
    int64_t begin_ms = w->now_ms;
    while (w->change_count == before && w->now_ms < begin_ms + most_ms)
        world_tick(w);
    return w->now_ms - begin_ms;
}

/* The first choice of a member in `own_site`. */
static inline unsigned world_first(const struct world *w, unsigned own_site)
{
    struct router_order order;
    cr_assert_eq(
        router_order(&w->judge.verdict, bytes_of_text("orders"), ROUTER_NO_SITE, own_site, &order),
        0);
    return order.sites[0];
}

#endif

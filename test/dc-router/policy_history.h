/* A random history of sites that die, hang, flap, are cut and drained, told of by reports that get
 * lost and late, to judges with clocks that jump and that take over from each other. What is true
 * is known here, so that rules can be said of the truth, not of what a judge believes. */
#ifndef TEST_DC_ROUTER_POLICY_HISTORY_H
#define TEST_DC_ROUTER_POLICY_HISTORY_H

#include <stdio.h>
#include <stdlib.h>

#include "judge_world.h"

#include "base/random.h"

#define SITES_MOST 5
#define QUIET_MS   10000
#define JUDGES     2

static const struct router_judge_options options = {.lost_ms = 1500,
                                                    .heard_ms = 3000,
                                                    .stale_ms = 2500,
                                                    .cut_ms = 500,
                                                    .quiet_ms = QUIET_MS,
                                                    .frozen_ms = 40000,
                                                    .leaves_max = 3,
                                                    .leaves_window_ms = 60000,
                                                    .step_ms_max = 1000};

/* Something that is up or down, by itself or again and again. */
struct state {
    bool is_down;
    int64_t half_ms; /* above 0: it flaps, down for so long and up for so long */
    enum router_stage stage;
    bool is_up_now;
    int64_t changed_at_ms; /* when is_up_now changed last */
    int64_t down_at_ms;    /* when it was down last; far back: never */
    int64_t phase_ms;      /* of its flapping */
    uint64_t tried, went;  /* a link: the last 64 turns, as bits: did one try, did it go well */
};

struct history {
    uint64_t seed;
    struct random random;
    unsigned count;
    bool has_cuts; /* links fail by themselves, too */
    int64_t now_ms;
    struct state sites[SITES_MOST];
    struct state links[SITES_MOST][SITES_MOST]; /* [from][to] */
    int64_t reached_since_ms[SITES_MOST];       /* by another site that is up; -1: it is not */
    bool is_drained[SITES_MOST];
    int64_t drained_at_ms[SITES_MOST]; /* the operator's newest word */
    struct router_judge judges[JUDGES];
    int64_t skews_ms[JUDGES]; /* of each judge's clock */
    unsigned leader;
    int64_t led_since_ms; /* with what it has heard itself */
    struct router_verdict proposed;
    int64_t proposed_until_ms; /* agreed then; 0: nothing is proposed */
    unsigned jumps;            /* of any clock, so far */
    /* what the rules remember */
    struct router_verdict agreed;
    int64_t moved_at_ms;  /* when members last had to move */
    unsigned moved_jumps; /* jumps by then */
    int64_t left_at_ms[SITES_MOST];
    unsigned left_jumps[SITES_MOST];
    unsigned free_moves, forced_moves;
};

#define HOLDS(h, condition, ...)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            broken(h, __VA_ARGS__);                                                                \
    } while (0)

static inline __attribute__((format(printf, 2, 3))) void broken(const struct history *h,
                                                                const char *format, ...)
{
    char text[200], healths[SITES_MOST + 1] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < h->count; i++)
        healths[i] = "WCL"[h->agreed.sites[i].health];
    cr_assert_fail("POLICY_SEED=%lu at %ld ms, %s: %s", (unsigned long)h->seed, (long)h->now_ms,
                   healths, text);
}

/* ---- the truth ---- */

static inline void state_init(struct state *s)
{
    *s = (struct state){.is_up_now = true, .down_at_ms = -1000000};
}

static inline void state_tick(struct state *s, int64_t now_ms)
{
    bool is_up = s->half_ms > 0 ? (now_ms + s->phase_ms) / s->half_ms % 2 == 0 : !s->is_down;
    if (is_up != s->is_up_now)
        s->changed_at_ms = now_ms;
    s->is_up_now = is_up;
    if (!is_up)
        s->down_at_ms = now_ms;
}

/* Where links never fail none may be found cut. What flaps as fast as it is tried may look well to
 * one site and lost to another by chance, which is a cut: it is left out there. */
static inline int64_t random_half_ms(struct history *h)
{
    static const int64_t halves_ms[] = {200, 500, 1000, 1000, 2000, 3500, 6000, 12000};
    size_t count = sizeof halves_ms / sizeof *halves_ms, first = h->has_cuts ? 0 : 2;
    return halves_ms[first + random_below(&h->random, count - first)];
}

static inline void trouble(struct history *h, struct state *s)
{
    bool is_well = !s->is_down && s->half_ms == 0;
    uint64_t kind = random_below(&h->random, is_well ? 2 : 4);
    s->is_down = kind == 0;
    s->half_ms = kind == 1 ? random_half_ms(h) : 0;
    s->phase_ms = (int64_t)random_below(&h->random, 24000);
    s->stage = (enum router_stage)(1 + random_below(&h->random, ROUTER_STAGE_COUNT - 1));
}

static inline void trouble_link(struct history *h)
{
    unsigned from = (unsigned)random_below(&h->random, h->count);
    unsigned to = (unsigned)random_below(&h->random, h->count);
    if (from == to || !h->has_cuts)
        return;
    struct state *there = &h->links[from][to], *back = &h->links[to][from];
    trouble(h, there);
    if (random_chance(&h->random, 0.2))
        return; /* one way; mostly it is both */
    back->is_down = there->is_down;
    back->half_ms = there->half_ms;
    back->phase_ms = there->phase_ms;
    back->stage = there->stage;
}

static inline void heal_all(struct history *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        h->sites[i].is_down = false;
        h->sites[i].half_ms = 0;
        for (unsigned k = 0; k < h->count; k++) {
            h->links[i][k].is_down = false;
            h->links[i][k].half_ms = 0;
        }
    }
}

/* Who is reached by another site that is up, and since when. */
static inline bool is_reached(const struct history *h, unsigned site)
{
    for (unsigned from = 0; from < h->count; from++)
        if (from != site && h->sites[from].is_up_now && h->links[from][site].is_up_now)
            return h->sites[site].is_up_now;
    return h->count == 1 && h->sites[site].is_up_now;
}

static inline void tick_truth(struct history *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        state_tick(&h->sites[i], h->now_ms);
        for (unsigned k = 0; k < h->count; k++)
            state_tick(&h->links[i][k], h->now_ms);
    }
    for (unsigned i = 0; i < h->count; i++) {
        if (!is_reached(h, i))
            h->reached_since_ms[i] = -1;
        else if (h->reached_since_ms[i] < 0)
            h->reached_since_ms[i] = h->now_ms;
    }
}

/* ---- what judges are told ---- */

static inline int64_t clock_of(const struct history *h, unsigned judge)
{
    return h->now_ms + h->skews_ms[judge];
}

static inline void report(struct history *h, unsigned from, unsigned to)
{
    const struct state *site = &h->sites[to], *link = &h->links[from][to];
    struct router_report r = {.from = from,
                              .to = to,
                              .stage = !link->is_up_now   ? link->stage
                                       : !site->is_up_now ? site->stage
                                                          : ROUTER_STAGE_NONE,
                              .age_ms = (int64_t)random_below(&h->random, 100)};
    for (unsigned j = 0; j < JUDGES; j++)
        if (!random_chance(&h->random, 0.03)) /* lost on its way */
            cr_assert_eq(router_judge_report(&h->judges[j], &r, clock_of(h, j)), 0);
}

static inline void note_try(struct history *h, unsigned from, unsigned to, bool is_tried)
{
    struct state *link = &h->links[from][to];
    bool went = is_tried && link->is_up_now && h->sites[to].is_up_now;
    link->tried = link->tried << 1 | (is_tried ? 1U : 0U);
    link->went = link->went << 1 | (went ? 1U : 0U);
}

/* Five times a second, now and then a little less. */
static inline void report_all(struct history *h)
{
    for (unsigned from = 0; from < h->count; from++)
        for (unsigned to = 0; to < h->count; to++) {
            bool is_due = (h->now_ms / TICK_MS + from + to) % (REPORT_MS / TICK_MS) == 0;
            if (!is_due)
                continue;
            bool is_tried = h->sites[from].is_up_now && random_chance(&h->random, 0.95);
            note_try(h, from, to, is_tried);
            if (is_tried)
                report(h, from, to);
        }
}

static inline void change_drain(struct history *h)
{
    unsigned site = (unsigned)random_below(&h->random, h->count);
    h->is_drained[site] = random_chance(&h->random, 0.4);
    h->drained_at_ms[site] = h->now_ms;
    for (unsigned j = 0; j < JUDGES; j++)
        cr_assert_eq(router_judge_drain(&h->judges[j], site, h->is_drained[site], clock_of(h, j)),
                     0);
}

static inline void jump(struct history *h)
{
    static const int64_t sizes_ms[] = {50, 900, 3000, 40000, 86400 * 1000L, 1L << 45};
    int64_t by_ms = sizes_ms[random_below(&h->random, sizeof sizes_ms / sizeof *sizes_ms)];
    h->skews_ms[random_below(&h->random, JUDGES)] += random_chance(&h->random, 0.5) ? by_ms
                                                                                    : -by_ms;
    h->jumps++;
}

/* Another judge leads: the one that followed, or one that begins anew. */
static inline void change_leader(struct history *h)
{
    h->leader = (h->leader + 1) % JUDGES;
    if (random_chance(&h->random, 0.5))
        return;
    struct router_judge *judge = &h->judges[h->leader];
    cr_assert_eq(router_judge_init(judge, &options, &h->agreed, clock_of(h, h->leader)), 0);
    for (unsigned i = 0; i < h->count; i++)
        cr_assert_eq(router_judge_drain(judge, i, h->is_drained[i], clock_of(h, h->leader)), 0);
    h->led_since_ms = h->now_ms;
}

static inline void maybe_something_happens(struct history *h)
{
    uint64_t dice = random_below(&h->random, 1500);
    if (dice < 12)
        trouble(h, &h->sites[random_below(&h->random, h->count)]);
    else if (dice < 24)
        trouble_link(h);
    else if (dice < 28)
        change_drain(h);
    else if (dice < 32)
        jump(h);
    else if (dice < 35)
        change_leader(h);
    else if (dice < 37)
        heal_all(h);
}

#endif

/* Thousands of random histories (policy_history.h); and after each step the rules that hold
 * whatever happens, with the time that it may take to see what happened. A seed that fails is
 * printed: POLICY_SEED=n runs that one, POLICY_SEEDS=n the first so many. */
#include "policy_history.h"

#define TICKS       1200 /* of 100 ms */
#define TICKS_CALM  1500 /* long enough for a frozen site */
#define SEEN_MS     4500 /* a site that died is seen by then, whatever was lost of reports */
#define REACHED_MS  6000 /* and one that came back */
#define RECENTLY_MS 8000 /* trouble that a judge may still act upon */
#define TOPIC_COUNT 2

/* ---- the rules ---- */

static const char *const topics[TOPIC_COUNT] = {"orders", "payments"};

static unsigned first_of(const struct router_verdict *v, unsigned topic, unsigned own_site)
{
    struct router_order order;
    cr_assert_eq(router_order(v, bytes_of_text(topics[topic]), ROUTER_NO_SITE, own_site, &order),
                 0);
    return order.sites[0];
}

/* Dead for so long that it must have been seen. */
static bool is_surely_dead(const struct history *h, unsigned site)
{
    const struct state *s = &h->sites[site];
    int64_t since_ms = s->changed_at_ms > h->led_since_ms ? s->changed_at_ms : h->led_since_ms;
    return !s->is_up_now && h->now_ms - since_ms > SEEN_MS + 1000 * (int64_t)(h->jumps != 0);
}

static bool is_surely_reached(const struct history *h, unsigned site)
{
    int64_t since_ms = h->reached_since_ms[site];
    return since_ms >= 0 && h->now_ms - since_ms > REACHED_MS &&
           h->now_ms - h->led_since_ms > REACHED_MS;
}

/* No dead site while there is one that is reached, for nobody. */
static void check_nobody_uses_a_dead_site(const struct history *h)
{
    bool is_any_reached = false;
    for (unsigned i = 0; i < h->count; i++)
        is_any_reached |= is_surely_reached(h, i);
    for (unsigned own = 0; own <= h->count && is_any_reached; own++) {
        unsigned own_site = own < h->count ? own : ROUTER_NO_SITE;
        unsigned first = first_of(&h->agreed, 0, own_site);
        HOLDS(h, !is_surely_dead(h, first), "members of site %u use site %u, which is dead", own,
              first);
    }
}

/* A drain is at once. */
static void check_drains(const struct history *h)
{
    for (unsigned i = 0; i < h->count; i++) {
        bool is_due = h->now_ms - h->drained_at_ms[i] > 1500 && h->now_ms - h->led_since_ms > 1500;
        HOLDS(h, !h->is_drained[i] || !is_due || h->agreed.sites[i].drain == ROUTER_DRAINED,
              "site %u is not drained", i);
    }
}

/* Something was wrong with the site, or with a link to it, lately. */
static bool had_trouble(const struct history *h, unsigned site)
{
    int64_t since_ms = h->now_ms - RECENTLY_MS;
    bool is_reached_by_one = false;
    for (unsigned from = 0; from < h->count; from++)
        is_reached_by_one |= from != site && h->links[from][site].down_at_ms < since_ms &&
                             h->sites[from].down_at_ms < since_ms;
    return h->sites[site].down_at_ms >= since_ms || !is_reached_by_one ||
           h->drained_at_ms[site] >= since_ms;
}

/* Two that come and go in step hear each other all the while, and nobody else hears them: that is a
 * cut, for all that anyone can tell. */
static unsigned count_troubles(const struct history *h)
{
    unsigned count = 0;
    for (unsigned i = 0; i < h->count; i++)
        count += had_trouble(h, i) ? 1 : 0;
    return count;
}

/* Do members move, and without need? A move is one of a first choice. */
static void classify_move(const struct history *h, const struct router_verdict *next, bool *is_move,
                          bool *is_free)
{
    for (unsigned topic = 0; topic < TOPIC_COUNT; topic++)
        for (unsigned own = 0; own <= h->count; own++) {
            unsigned own_site = own < h->count ? own : ROUTER_NO_SITE;
            unsigned from = first_of(&h->agreed, topic, own_site);
            if (from == first_of(next, topic, own_site))
                continue;
            *is_move = true;
            *is_free |= !had_trouble(h, from);
        }
}

static void check_move(struct history *h, const struct router_verdict *next)
{
    bool is_move = false, is_free = false;
    classify_move(h, next, &is_move, &is_free);
    int64_t slack_ms = 1000 * (int64_t)(h->jumps - h->moved_jumps);
    HOLDS(h, !is_free || h->now_ms - h->moved_at_ms >= QUIET_MS - slack_ms,
          "members move off a site that is well, %ld ms after they last moved",
          (long)(h->now_ms - h->moved_at_ms));
    HOLDS(h, !next->is_calm || is_move || h->now_ms - h->moved_at_ms >= QUIET_MS - slack_ms,
          "it is called calm %ld ms after members last moved", (long)(h->now_ms - h->moved_at_ms));
    HOLDS(h, !next->is_calm || !is_move, "members move, and it is called calm");
    if (!is_move)
        return;
    h->moved_at_ms = h->now_ms;
    h->moved_jumps = h->jumps;
    h->free_moves += is_free ? 1 : 0;
    h->forced_moves += is_free ? 0 : 1;
}

/* One site at least, when it was up itself, got through two times of three. (Sites that flap in
 * step see nothing of each other's flapping.) */
static bool was_well_for_someone(const struct history *h, unsigned site)
{
    for (unsigned from = 0; from < h->count; from++) {
        const struct state *link = &h->links[from][site];
        int tried = __builtin_popcountl(link->tried), went = __builtin_popcountl(link->went);
        if ((from != site || h->count == 1) && tried > 0 && went * 3 >= tried * 2)
            return true;
    }
    return false;
}

/* Who was left stays left for a quiet time, in which it was up, unless nothing else is there. */
static void check_returns(struct history *h, const struct router_verdict *next)
{
    for (unsigned i = 0; i < h->count; i++) {
        bool was_left = h->agreed.sites[i].health == ROUTER_LEFT;
        bool is_left = next->sites[i].health == ROUTER_LEFT;
        int64_t slack_ms = 1000 * (int64_t)(h->jumps - h->left_jumps[i]);
        if (was_left && !is_left && next->sites[i].reason != ROUTER_REASON_NOTHING_ELSE) {
            HOLDS(h, h->now_ms - h->left_at_ms[i] >= QUIET_MS - slack_ms,
                  "site %u is back %ld ms after it was left", i,
                  (long)(h->now_ms - h->left_at_ms[i]));
            HOLDS(h, slack_ms != 0 || was_well_for_someone(h, i),
                  "site %u is back, and whoever tried it often failed", i);
        }
        if (!was_left && is_left) {
            h->left_at_ms[i] = h->now_ms;
            h->left_jumps[i] = h->jumps;
        }
        bool is_new_cut = next->sites[i].health == ROUTER_CUT &&
                          h->agreed.sites[i].health == ROUTER_WHOLE;
        HOLDS(h, !is_new_cut || h->has_cuts || had_trouble(h, i) || count_troubles(h) > 1,
              "site %u is called cut off, is well, and no link ever failed", i);
    }
}

/* All who read it make the same of it, wherever the sites stand in their list. */
static void check_all_agree(const struct history *h)
{
    struct router_verdict read, mixed;
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    int size = router_verdict_encode(&h->agreed, bytes, sizeof bytes);
    HOLDS(h, size > 0, "the verdict is not sound");
    HOLDS(h, router_verdict_decode(bytes_of(bytes, (size_t)size), &read) == 0, "nor are its bytes");
    mixed = read;
    for (unsigned i = 0; i < h->count; i++)
        mixed.sites[i] = read.sites[(i + 1) % h->count];
    for (unsigned own = 0; own < h->count; own++) {
        unsigned own_mixed = (own + h->count - 1) % h->count;
        const char *here = h->agreed.sites[first_of(&h->agreed, 0, own)].site.name;
        const char *there = mixed.sites[first_of(&mixed, 0, own_mixed)].site.name;
        HOLDS(h, strcmp(here, there) == 0, "members of site %u do not agree", own);
    }
}

/* ---- a history ---- */

static void agree(struct history *h)
{
    HOLDS(h, h->proposed.epoch == h->agreed.epoch + 1, "the epoch is not the next");
    check_move(h, &h->proposed);
    check_returns(h, &h->proposed);
    h->agreed = h->proposed;
    for (unsigned j = 0; j < JUDGES; j++)
        cr_assert_eq(router_judge_adopt(&h->judges[j], &h->agreed, clock_of(h, j)), 0);
    check_all_agree(h);
}

/* Group 0's part: what the leader proposes is agreed a little later. */
static void decide(struct history *h)
{
    struct router_verdict next;
    for (unsigned j = 0; j < JUDGES; j++) {
        int changed = router_judge_decide(&h->judges[j], clock_of(h, j), &next);
        cr_assert_geq(changed, 0);
        if (j != h->leader || changed == 0 || h->proposed_until_ms != 0)
            continue;
        h->proposed = next;
        h->proposed_until_ms = h->now_ms + (int64_t)random_below(&h->random, 400);
    }
    if (h->proposed_until_ms != 0 && h->now_ms >= h->proposed_until_ms) {
        h->proposed_until_ms = 0;
        agree(h);
    }
}

static void tick(struct history *h)
{
    h->now_ms += TICK_MS;
    tick_truth(h);
    report_all(h);
    decide(h);
    check_nobody_uses_a_dead_site(h);
    check_drains(h);
}

static void history_init(struct history *h, uint64_t seed)
{
    *h = (struct history){.seed = seed, .now_ms = 1000000, .led_since_ms = 1000000};
    random_init(&h->random, seed);
    h->count = 1 + (unsigned)random_below(&h->random, SITES_MOST);
    if (random_chance(&h->random, 0.5))
        h->count = 3;
    h->has_cuts = random_chance(&h->random, 0.7);
    h->agreed = world_verdict(h->count);
    h->moved_at_ms = h->now_ms - QUIET_MS; /* nobody has yet */
    for (unsigned i = 0; i < h->count; i++) {
        state_init(&h->sites[i]);
        for (unsigned k = 0; k < h->count; k++)
            state_init(&h->links[i][k]);
        h->reached_since_ms[i] = h->now_ms;
    }
    for (unsigned j = 0; j < JUDGES; j++)
        cr_assert_eq(router_judge_init(&h->judges[j], &options, &h->agreed, clock_of(h, j)), 0);
}

/* All is well in the end: so is the verdict. */
static void end_in_peace(struct history *h)
{
    heal_all(h);
    for (unsigned i = 0; i < h->count; i++) {
        h->is_drained[i] = false;
        for (unsigned j = 0; j < JUDGES; j++)
            cr_assert_eq(router_judge_drain(&h->judges[j], i, false, clock_of(h, j)), 0);
    }
    for (int i = 0; i < TICKS_CALM; i++)
        tick(h);
    for (unsigned i = 0; i < h->count; i++)
        HOLDS(h, h->agreed.sites[i].health == ROUTER_WHOLE && h->agreed.sites[i].drain == ROUTER_IN,
              "site %u has not come back", i);
    HOLDS(h, h->agreed.is_calm, "nobody says that all is calm");
}

Test(router_history, keeps_the_rules_whatever_happens)
{
    static struct history h;
    const char *only = getenv("POLICY_SEED"), *many = getenv("POLICY_SEEDS");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : many != NULL ? strtoull(many, NULL, 10) : 2000;
    unsigned free_moves = 0, forced_moves = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        history_init(&h, seed);
        for (int i = 0; i < TICKS; i++) {
            maybe_something_happens(&h);
            tick(&h);
        }
        end_in_peace(&h);
        free_moves += h.free_moves;
        forced_moves += h.forced_moves;
    }
    if (only == NULL) { /* or the rules were never tried */
        cr_assert_gt(free_moves, last);
        cr_assert_gt(forced_moves, last);
    }
}

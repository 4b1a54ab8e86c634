/* The order of sites: a table of situations, and what holds for any topic. */
#include <stdio.h>

#include "judge_world.h"

#include "base/random.h"

static struct bytes topic_of(char text[32], unsigned index)
{
    snprintf(text, 32, "topic-%u", index);
    return bytes_of_text(text);
}

/* "WwC" as in world_healths(). */
static struct router_verdict verdict_of(const char *healths)
{
    struct router_verdict v = world_verdict((unsigned)strlen(healths));
    for (unsigned i = 0; i < v.site_count; i++) {
        struct router_standing *s = &v.sites[i];
        bool is_small = healths[i] >= 'a';
        char letter = is_small ? (char)(healths[i] - 'a' + 'A') : healths[i];
        s->drain = is_small ? ROUTER_DRAINED : ROUTER_IN;
        s->health = letter == 'W' ? ROUTER_WHOLE : letter == 'C' ? ROUTER_CUT : ROUTER_LEFT;
        s->reason = letter == 'W'   ? ROUTER_REASON_WELL
                    : letter == 'C' ? ROUTER_REASON_UNHEARD
                                    : ROUTER_REASON_UNREACHED;
    }
    cr_assert_eq(router_verdict_check(&v), 0);
    return v;
}

static const char *order_text(const struct router_verdict *v, const char *topic, unsigned home,
                              unsigned own)
{
    static char text[ROUTER_SITES_MAX + 1];
    struct router_order order;
    cr_assert_eq(router_order(v, bytes_of_text(topic), home, own, &order), 0);
    cr_assert_eq(order.site_count, v->site_count);
    for (unsigned i = 0; i < order.site_count; i++)
        text[i] = v->sites[order.sites[i]].site.name[0];
    text[order.site_count] = '\0';
    return text;
}

enum { A, B, C, D, NONE = ROUTER_NO_SITE };

/* The draws of these topics never change: members of two releases must agree. */
static const struct {
    const char *what, *healths, *topic;
    unsigned home, own;
    const char *order;
} rows[] = {
    {"a topic of its own draw", "WWWW", "orders", NONE, NONE, "acbd"},
    {"another one", "WWWW", "payments", NONE, NONE, "cdba"},
    {"a third", "WWWW", "a", NONE, NONE, "dbac"},
    {"own site first", "WWWW", "orders", NONE, B, "bacd"},
    {"own site first", "WWWW", "orders", NONE, D, "dacb"},
    {"own site, then home", "WWWW", "orders", C, D, "dcab"},
    {"home first", "WWWW", "orders", D, NONE, "dacb"},
    {"own site is left", "LWWW", "orders", NONE, A, "cbda"},
    {"own site is drained", "wWWW", "orders", NONE, A, "cbda"},
    {"own site is cut off", "CCWW", "orders", NONE, A, "cdab"},
    {"whole, cut, drained, left", "LwCW", "orders", NONE, NONE, "dcba"},
    {"drained and cut behind drained", "cwLW", "orders", NONE, NONE, "dbac"},
    {"home is left", "WWWL", "orders", D, A, "acbd"},
    {"only drained ones", "wwLL", "orders", NONE, B, "bacd"},
};

Test(router_order, is_as_the_table_says)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct router_verdict v = verdict_of(rows[i].healths);
        const char *order = order_text(&v, rows[i].topic, rows[i].home, rows[i].own);
        cr_expect_str_eq(order, rows[i].order, "%s (%s, %s): %s, not %s", rows[i].what,
                         rows[i].healths, rows[i].topic, order, rows[i].order);
    }
}

Test(router_order, counts_the_sites_that_are_used)
{
    struct router_verdict v = verdict_of("LwCWL");
    struct router_order order;
    cr_assert_eq(router_order(&v, bytes_of_text("orders"), NONE, NONE, &order), 0);
    cr_assert_eq(order.usable_count, 3);
    cr_assert_eq(order.site_count, 5);
}

Test(router_order, does_not_depend_on_where_a_site_stands_in_the_verdict)
{
    struct router_verdict v = verdict_of("WWLWCwW"), mixed = v;
    for (unsigned i = 0; i < v.site_count; i++)
        mixed.sites[i] = v.sites[(i * 3 + 2) % v.site_count];
    char topic[32], first[ROUTER_SITES_MAX + 1];
    for (unsigned i = 0; i < 1000; i++) {
        topic_of(topic, i);
        unsigned own = i % v.site_count;
        snprintf(first, sizeof first, "%s", order_text(&v, topic, NONE, own));
        unsigned own_mixed = router_verdict_find(&mixed, v.sites[own].site.name);
        cr_assert_str_eq(first, order_text(&mixed, topic, NONE, own_mixed), "topic %s", topic);
    }
}

Test(router_order, spreads_topics_by_weight)
{
    struct router_site sites[] = {world_site(A, 1), world_site(B, 2), world_site(C, 5)};
    struct router_verdict v;
    struct router_order order;
    unsigned firsts[3] = {0};
    char topic[32];
    cr_assert_eq(router_verdict_init(&v, sites, 3, NULL), 0);
    for (unsigned i = 0; i < 8000; i++) {
        cr_assert_eq(router_order(&v, topic_of(topic, i), NONE, NONE, &order), 0);
        firsts[order.sites[0]]++;
    }
    static const unsigned expected[] = {1000, 2000, 5000};
    for (unsigned i = 0; i < 3; i++) { /* five times the standard deviation, at most 45 */
        cr_expect_gt(firsts[i], expected[i] - 225, "site %u has %u topics", i, firsts[i]);
        cr_expect_lt(firsts[i], expected[i] + 225, "site %u has %u topics", i, firsts[i]);
    }
}

Test(router_order, moves_only_the_topics_of_a_site_that_goes)
{
    struct router_verdict all = verdict_of("WWWWW"), rest = verdict_of("WWLWW");
    struct router_order before, after;
    char topic[32];
    unsigned moved = 0;
    for (unsigned i = 0; i < 5000; i++) {
        struct bytes name = topic_of(topic, i);
        cr_assert_eq(router_order(&all, name, NONE, NONE, &before), 0);
        cr_assert_eq(router_order(&rest, name, NONE, NONE, &after), 0);
        if (before.sites[0] == C) {
            moved++;
            cr_assert_eq(after.sites[0], before.sites[1], "to its second choice");
        } else {
            cr_assert_eq(after.sites[0], before.sites[0], "others stay");
        }
    }
    cr_assert_gt(moved, 800);
}

Test(router_order, refuses_what_is_no_topic_or_site)
{
    struct router_verdict v = verdict_of("WWW");
    struct router_order order = {.site_count = 77};
    struct bytes topic = bytes_of_text("orders");
    cr_expect_eq(router_order(NULL, topic, NONE, NONE, &order), ERR_INVALID);
    cr_expect_eq(router_order(&v, topic, NONE, NONE, NULL), ERR_INVALID);
    cr_expect_eq(router_order(&v, (struct bytes){0}, NONE, NONE, &order), ERR_INVALID);
    cr_expect_eq(router_order(&v, bytes_of("", 0), NONE, NONE, &order), ERR_INVALID);
    cr_expect_eq(router_order(&v, topic, 3, NONE, &order), ERR_INVALID);
    cr_expect_eq(router_order(&v, topic, NONE, 3, &order), ERR_INVALID);
    v.site_count = ROUTER_SITES_MAX + 1;
    cr_expect_eq(router_order(&v, topic, NONE, NONE, &order), ERR_INVALID);
    cr_assert_eq(order.site_count, 77, "a refused question changes nothing");
}

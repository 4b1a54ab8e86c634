/* Which site an application uses, from a verdict and from what answers to it. */
#include <criterion/criterion.h>
#include <string.h>

#include "site_choice.h"

/* Sites a, b, c; a is the own one, and all answer since long ago. */
static struct site_choice three_sites(void)
{
    struct site_choice c = {.used = SITE_NONE};
    strcpy(c.own, "a");
    strcpy(c.topic, "t");
    for (char name[] = "a"; name[0] <= 'c'; name[0]++)
        site_choice_on_up(&c, site_choice_site(&c, name), 0);
    return c;
}

static void judge(struct site_choice *c, uint64_t epoch, const char *site,
                  enum router_health health, enum router_drain drain)
{
    struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    cr_assert_eq(router_verdict_init(&c->verdict, sites, 3, NULL), 0);
    c->verdict.epoch = epoch;
    unsigned i = router_verdict_find(&c->verdict, site);
    c->verdict.sites[i].health = health;
    c->verdict.sites[i].drain = drain;
    c->has_verdict = true;
}

static const char *decide(struct site_choice *c, uint64_t now_ms)
{
    c->used = site_choice_decide(c, now_ms);
    return c->used == SITE_NONE ? "none" : c->sites[c->used].name;
}

Test(client_site_choice, is_the_own_site_first_with_and_without_a_verdict)
{
    struct site_choice c = three_sites();
    cr_assert_str_eq(decide(&c, 0), "a");
    judge(&c, 1, "b", ROUTER_WHOLE, ROUTER_IN);
    cr_assert_str_eq(decide(&c, 0), "a");
    cr_assert_str_eq(site_choice_first(&c), "a");
}

Test(client_site_choice, is_none_where_no_site_answers)
{
    struct site_choice c = {.used = SITE_NONE};
    cr_assert_str_eq(decide(&c, 0), "none");
    site_choice_site(&c, "a");
    cr_assert_str_eq(decide(&c, 0), "none");
}

Test(client_site_choice, leaves_a_drained_site_and_comes_back_with_the_verdict_at_once)
{
    struct site_choice c = three_sites();
    decide(&c, 0);
    judge(&c, 1, "a", ROUTER_WHOLE, ROUTER_DRAINED);
    const char *other = decide(&c, 1);
    cr_assert_str_neq(other, "a");
    cr_assert_str_eq(other, site_choice_first(&c), "all members of a topic agree");
    judge(&c, 2, "a", ROUTER_WHOLE, ROUTER_IN);
    cr_assert_str_eq(decide(&c, 2), "a");
}

Test(client_site_choice, takes_what_it_lost_itself_back_after_a_quiet_time_that_grows)
{
    struct site_choice c = three_sites();
    decide(&c, 0);
    site_choice_on_lost(&c, 0);
    cr_assert_str_eq(decide(&c, 1000), "b");
    site_choice_on_up(&c, 0, 2000);
    cr_assert_str_eq(decide(&c, 2000 + SITE_QUIET_MS - 1), "b");
    cr_assert_str_eq(decide(&c, 2000 + SITE_QUIET_MS), "a");
    site_choice_on_lost(&c, 0);
    cr_assert_str_eq(decide(&c, 19000), "b");
    site_choice_on_up(&c, 0, 20000);
    cr_assert_str_eq(decide(&c, 20000), "b");
    cr_assert_str_eq(decide(&c, 20000 + 2 * SITE_QUIET_MS - 1), "b", "twice as long");
    cr_assert_str_eq(decide(&c, 20000 + 2 * SITE_QUIET_MS), "a");
    for (int i = 0; i < 20; i++) {
        site_choice_on_lost(&c, 0);
        decide(&c, 100000);
        site_choice_on_up(&c, 0, 100000);
    }
    cr_assert_str_eq(decide(&c, 100000 + SITE_QUIET_MS_MAX - 1), "b");
    cr_assert_str_eq(decide(&c, 100000 + SITE_QUIET_MS_MAX), "a", "there is a longest");
    site_choice_on_up(&c, 0, 100000 + SITE_LOSSES_KEPT_MS);
    cr_assert_eq(c.sites[0].loss_count, 0, "forgiven");
}

Test(client_site_choice, takes_a_site_that_was_not_quiet_before_none)
{
    struct site_choice c = three_sites();
    decide(&c, 0);
    for (unsigned i = 0; i < 3; i++)
        site_choice_on_lost(&c, i);
    cr_assert_str_eq(decide(&c, 1000), "none");
    site_choice_on_up(&c, 2, 1500);
    cr_assert_str_eq(decide(&c, 1500), "c");
}

Test(client_site_choice, names_the_verdicts_site_also_where_it_reaches_none_itself)
{
    struct site_choice c = {.used = SITE_NONE};
    strcpy(c.own, "a");
    cr_assert_str_eq(site_choice_first(&c), "a");
    judge(&c, 1, "a", ROUTER_LEFT, ROUTER_IN);
    cr_assert_str_neq(site_choice_first(&c), "a");
}

Test(client_site_choice, keeps_to_as_many_sites_as_a_verdict_may_have)
{
    struct site_choice c = {.used = SITE_NONE};
    char name[8];
    for (unsigned i = 0; i < ROUTER_SITES_MAX; i++) {
        snprintf(name, sizeof name, "s%u", i);
        cr_assert_eq(site_choice_site(&c, name), i);
    }
    cr_assert_eq(site_choice_site(&c, "more"), SITE_NONE);
    cr_assert_eq(site_choice_site(&c, "s3"), 3);
}

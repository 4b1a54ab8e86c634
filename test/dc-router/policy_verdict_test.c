/* The verdict: made of sites, checked, as bytes and back. */
#include <stdio.h>

#include "judge_world.h"

#include "base/random.h"

static struct router_verdict verdict_of_all_kinds(void)
{
    struct router_verdict v = world_verdict(4);
    v.epoch = 0x0102030405060708;
    v.failover_epoch = 9;
    v.sites[1].health = ROUTER_LEFT;
    v.sites[1].reason = ROUTER_REASON_FLAPPING;
    v.sites[1].stage = ROUTER_STAGE_PRODUCE;
    v.sites[1].leave_count = 200;
    v.sites[2].health = ROUTER_CUT;
    v.sites[2].reason = ROUTER_REASON_UNHEARD;
    v.sites[2].drain = ROUTER_ENDING;
    v.sites[3].drain = ROUTER_DRAINED;
    v.sites[3].reason = ROUTER_REASON_NOTHING_ELSE;
    v.sites[3].site.weight = ROUTER_WEIGHT_MAX;
    return v;
}

Test(router_verdict, begins_with_all_sites_whole_and_in_use)
{
    struct router_verdict v = world_verdict(ROUTER_SITES_MAX);
    cr_assert_eq(v.epoch, 1);
    cr_assert_eq(v.site_count, ROUTER_SITES_MAX);
    for (unsigned i = 0; i < v.site_count; i++) {
        cr_assert_eq(v.sites[i].health, ROUTER_WHOLE);
        cr_assert_eq(v.sites[i].drain, ROUTER_IN);
    }
    cr_assert_eq(router_verdict_check(&v), 0);
    cr_assert_eq(router_verdict_find(&v, "c"), 2);
    cr_assert_eq(router_verdict_find(&v, "z"), ROUTER_NO_SITE);
    cr_assert_eq(router_verdict_find(&v, NULL), ROUTER_NO_SITE);
    cr_assert_eq(router_verdict_find(NULL, "c"), ROUTER_NO_SITE);
}

static bool is_news(uint64_t failover_epoch, uint64_t epoch, const char *cluster_id)
{
    struct router_verdict known = {.failover_epoch = 5, .epoch = 20};
    struct router_verdict next = {.failover_epoch = failover_epoch, .epoch = epoch};
    return router_verdict_is_news(&known, "one", &next, cluster_id);
}

Test(router_verdict, is_news_when_it_is_later_or_of_a_cluster_that_was_formed_anew)
{
    struct router_verdict none = {0}, first = {.epoch = 1};
    cr_assert(router_verdict_is_news(&none, "", &first, ""));
    cr_assert(is_news(5, 21, "one"));
    cr_assert_not(is_news(5, 20, "one"), "it is known");
    cr_assert_not(is_news(5, 19, "one"), "a node is behind");
    cr_assert(is_news(6, 1, "one"), "a forced recovery knew of no verdict");
    cr_assert_not(is_news(4, 30, "one"), "nor had the lost side these numbers to give");
    cr_assert(is_news(0, 1, "two"), "the cluster was formed anew");
    cr_assert_not(is_news(5, 19, ""), "whose it is was not told");
}

Test(router_verdict, refuses_sites_that_can_not_be)
{
    struct router_verdict v = {.epoch = 77};
    struct router_site sites[ROUTER_SITES_MAX + 1];
    for (unsigned i = 0; i <= ROUTER_SITES_MAX; i++)
        sites[i] = world_site(i, 1);
    cr_expect_eq(router_verdict_init(&v, sites, 0, NULL), ERR_INVALID, "no site");
    cr_expect_eq(router_verdict_init(&v, sites, ROUTER_SITES_MAX + 1, NULL), ERR_FULL, "too many");
    sites[2].weight = 0;
    cr_expect_eq(router_verdict_init(&v, sites, 3, NULL), ERR_INVALID, "a weight of 0");
    sites[2].weight = ROUTER_WEIGHT_MAX + 1;
    cr_expect_eq(router_verdict_init(&v, sites, 3, NULL), ERR_INVALID, "a huge weight");
    sites[2] = world_site(0, 1);
    cr_expect_eq(router_verdict_init(&v, sites, 3, NULL), ERR_INVALID, "a name twice");
    sites[2].name[0] = '\0';
    cr_expect_eq(router_verdict_init(&v, sites, 3, NULL), ERR_INVALID, "an empty name");
    memset(sites[2].name, 'x', sizeof sites[2].name);
    cr_expect_eq(router_verdict_init(&v, sites, 3, NULL), ERR_INVALID, "a name without an end");
    cr_expect_eq(router_verdict_init(&v, NULL, 3, NULL), ERR_INVALID);
    cr_expect_eq(router_verdict_init(NULL, sites, 2, NULL), ERR_INVALID);
    cr_expect_eq(router_verdict_init(&v, sites, 2, &v), ERR_INVALID);
    cr_assert_eq(v.epoch, 77, "a refused list changes nothing");
}

Test(router_verdict, goes_on_from_the_one_before_when_sites_come_and_go)
{
    struct router_verdict before = verdict_of_all_kinds(), v;
    struct router_site sites[] = {world_site(1, 5), world_site(3, 2), world_site(9, 1)};
    cr_assert_eq(router_verdict_init(&v, sites, 3, &before), 0);
    cr_assert_eq(v.epoch, before.epoch + 1);
    cr_assert_eq(v.failover_epoch, 9);
    cr_assert_eq(v.sites[0].health, ROUTER_LEFT, "as it stood");
    cr_assert_eq(v.sites[0].leave_count, 200);
    cr_assert_eq(v.sites[0].site.weight, 5);
    cr_assert_eq(v.sites[1].drain, ROUTER_DRAINED);
    cr_assert_eq(v.sites[2].health, ROUTER_LEFT, "a new one is not known to work");
    cr_assert_eq(router_verdict_check(&v), 0);
    sites[1] = world_site(8, 1);
    cr_assert_eq(router_verdict_init(&v, sites, 3, &before), 0);
    cr_assert_eq(v.sites[2].health, ROUTER_WHOLE, "none would be left to use");
    cr_assert_eq(router_verdict_check(&v), 0);
}

Test(router_verdict, has_the_bytes_that_its_page_describes)
{
    struct router_verdict v = world_verdict(2);
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    static const uint8_t expected[] = {
        1, 0, 1, 0,                                         /* version, flags: calm */
        2, 0, 0, 0, 0, 0, 0,   0, 3, 0, 0,   0, 0, 0, 0, 0, /* epoch, failover epoch */
        2, 0,                                               /* sites */
        0, 0, 0, 0, 0, 0, 1,   0, 1, 0, 'a',  /* whole, in, well, none, 0, 0, weight 1 */
        2, 1, 1, 2, 4, 0, 100, 0, 1, 0, 'b'}; /* left, drained, unreached, answer, 4 */
    v.epoch = 2;
    v.failover_epoch = 3;
    v.sites[1].health = ROUTER_LEFT;
    v.sites[1].drain = ROUTER_DRAINED;
    v.sites[1].reason = ROUTER_REASON_UNREACHED;
    v.sites[1].stage = ROUTER_STAGE_ANSWER;
    v.sites[1].leave_count = 4;
    v.sites[1].site.weight = 100;
    cr_assert_eq(router_verdict_encode(&v, bytes, sizeof bytes), (int)sizeof expected);
    cr_assert_arr_eq(bytes, expected, sizeof expected);
}

Test(router_verdict, comes_back_from_its_bytes)
{
    struct router_verdict v = verdict_of_all_kinds(), read;
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX], again[ROUTER_VERDICT_SIZE_MAX];
    int size = router_verdict_encode(&v, bytes, sizeof bytes);
    cr_assert_gt(size, 0);
    cr_assert_eq(router_verdict_decode(bytes_of(bytes, (size_t)size), &read), 0);
    cr_assert_eq(router_verdict_encode(&read, again, sizeof again), size);
    cr_assert_arr_eq(bytes, again, (size_t)size);
    cr_assert_eq(read.sites[2].drain, ROUTER_ENDING);
    cr_assert_eq(read.is_calm, v.is_calm);
    cr_assert_eq(read.epoch, v.epoch);
    cr_assert_eq(router_verdict_encode(&v, bytes, (size_t)size - 1), ERR_TOO_LARGE);
    cr_assert_eq(router_verdict_encode(NULL, bytes, sizeof bytes), ERR_INVALID);
    cr_assert_eq(router_verdict_encode(&v, NULL, 0), ERR_INVALID);
}

Test(router_verdict, fits_its_most_bytes_with_the_most_and_longest_names)
{
    struct router_site sites[ROUTER_SITES_MAX];
    struct router_verdict v, read;
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    for (unsigned i = 0; i < ROUTER_SITES_MAX; i++) {
        sites[i] = world_site(i, 1);
        memset(sites[i].name + 1, 'x', ROUTER_SITE_NAME_SIZE - 2);
        sites[i].name[ROUTER_SITE_NAME_SIZE - 1] = '\0';
    }
    cr_assert_eq(router_verdict_init(&v, sites, ROUTER_SITES_MAX, NULL), 0);
    cr_assert_eq(router_verdict_encode(&v, bytes, sizeof bytes), (int)sizeof bytes);
    cr_assert_eq(router_verdict_decode(bytes_of(bytes, sizeof bytes), &read), 0);
}

/* Bytes that are wrong at one place, and what they are answered. */
static int decode_with(size_t at, uint8_t value)
{
    struct router_verdict v = verdict_of_all_kinds(), read = {.epoch = 77};
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    int size = router_verdict_encode(&v, bytes, sizeof bytes);
    bytes[at] = value;
    int err = router_verdict_decode(bytes_of(bytes, (size_t)size), &read);
    cr_assert_eq(read.epoch == 77, err != 0, "refused bytes change nothing");
    return err;
}

Test(router_verdict, refuses_bytes_that_say_what_can_not_be)
{
    cr_expect_eq(decode_with(0, 2), ERR_VERSION, "a later version");
    cr_expect_eq(decode_with(0, 0), ERR_MALFORMED, "no version");
    cr_expect_eq(decode_with(2, 2), ERR_MALFORMED, "flags");
    cr_expect_eq(decode_with(3, 1), ERR_MALFORMED, "flags");
    cr_expect_eq(decode_with(20, 5), ERR_MALFORMED, "more sites than there are");
    cr_expect_eq(decode_with(20, 3), ERR_MALFORMED, "bytes behind the last");
    cr_expect_eq(decode_with(20, 17), ERR_MALFORMED, "more sites than can be");
    cr_expect_eq(decode_with(22, 3), ERR_MALFORMED, "no such health");
    cr_expect_eq(decode_with(23, 3), ERR_MALFORMED, "no such drain");
    cr_expect_eq(decode_with(24, 1), ERR_MALFORMED, "whole, and not reached");
    cr_expect_eq(decode_with(24, 200), ERR_MALFORMED, "no such reason");
    cr_expect_eq(decode_with(25, 1), ERR_MALFORMED, "whole, and a stage failed");
    cr_expect_eq(decode_with(27, 1), ERR_MALFORMED, "not zero");
    cr_expect_eq(decode_with(28, 0), ERR_MALFORMED, "a weight of 0");
    cr_expect_eq(decode_with(28, 101), ERR_MALFORMED, "a huge weight");
    cr_expect_eq(decode_with(30, 0), ERR_MALFORMED, "an empty name");
    cr_expect_eq(decode_with(31, 1), ERR_MALFORMED, "a long name");
    cr_expect_eq(decode_with(32, 0), ERR_MALFORMED, "a 0 in a name");
    cr_expect_eq(decode_with(32, 'b'), ERR_MALFORMED, "a name twice");
}

Test(router_verdict, refuses_every_cut_and_survives_every_flipped_bit)
{
    struct router_verdict v = verdict_of_all_kinds(), read;
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX], again[ROUTER_VERDICT_SIZE_MAX];
    size_t size = (size_t)router_verdict_encode(&v, bytes, sizeof bytes);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(router_verdict_decode(bytes_of(bytes, cut), &read), ERR_MALFORMED);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (router_verdict_decode(bytes_of(bytes, size), &read) == 0) {
            cr_assert_eq(router_verdict_encode(&read, again, sizeof again), (int)size);
            cr_assert_arr_eq(bytes, again, size, "one verdict has one form");
        }
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_eq(router_verdict_decode((struct bytes){0}, &read), ERR_MALFORMED);
    cr_assert_eq(router_verdict_decode(bytes_of(bytes, size), NULL), ERR_INVALID);
}

Test(router_verdict, is_refused_where_no_site_is_used)
{
    struct router_verdict v = world_verdict(1);
    v.sites[0].health = ROUTER_LEFT;
    v.sites[0].reason = ROUTER_REASON_UNREACHED;
    cr_assert_eq(router_verdict_check(&v), ERR_INVALID);
    cr_assert_eq(router_verdict_check(NULL), ERR_INVALID);
    v = world_verdict(1);
    v.site_count = ROUTER_SITES_MAX + 1;
    cr_assert_eq(router_verdict_check(&v), ERR_INVALID);
}

Test(router_verdict, is_said_in_words_also_where_there_is_little_room)
{
    struct router_verdict v = verdict_of_all_kinds();
    char text[ROUTER_STANDING_TEXT_SIZE], small[8];
    router_standing_text(&v.sites[2], text, sizeof text);
    cr_assert_str_eq(text, "c: cut off, it and a site that others hear don't hear each other, "
                           "drained until it was quiet");
    router_standing_text(&v.sites[3], text, sizeof text);
    cr_assert_str_eq(text, "d: whole, there was nothing else, drained");
    router_standing_text(&v.sites[1], small, sizeof small);
    cr_assert_str_eq(small, "b: left");
    router_standing_text(NULL, small, sizeof small);
    cr_assert_str_eq(small, "");
    router_standing_text(&v.sites[1], NULL, 0);
    for (unsigned i = 0; i <= ROUTER_STAGE_COUNT; i++)
        cr_assert_not_null(router_stage_text((enum router_stage)i));
    for (unsigned i = 0; i <= ROUTER_REASON_COUNT; i++)
        cr_assert_not_null(router_reason_text((enum router_reason)i));
    cr_assert_str_eq(router_health_text((enum router_health)9), "?");
    cr_assert_str_eq(router_drain_text((enum router_drain)9), "?");
}

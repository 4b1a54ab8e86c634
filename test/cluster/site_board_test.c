/* What a node knows of how sites reach each other: many reporters, one word, one judge. */
#include "site/board.h"

#include <criterion/criterion.h>
#include <string.h>

#include "conf/conf.h"

#define OTHER(n) (SITE_REPORTER_OTHER | (n))

static struct site_board *board_of_three(void)
{
    static const struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct site_board *board;
    struct router_verdict verdict;
    struct router_judge_options options = router_judge_options_default();
    cr_assert_eq(site_board_create(&options, &board), 0);
    cr_assert_eq(router_verdict_init(&verdict, sites, 3, NULL), 0);
    site_board_follow(board, &verdict, 0);
    return board;
}

static int say(struct site_board *board, const char *from, const char *to, uint64_t reporter,
               enum router_stage stage, uint64_t now_ms)
{
    struct site_report report = {.told = {.stage = stage}, .reporter = reporter};
    strcpy(report.told.from, from);
    strcpy(report.told.to, to);
    return site_board_take(board, &report, true, now_ms);
}

/* Nodes 1, 2, 3 try all sites twice a second; `stage` is what those of a and c find of b. Returns
 * when a change is to be agreed, or 0. */
static uint64_t run(struct site_board *board, uint64_t from_ms, uint64_t to_ms,
                    enum router_stage stage, struct router_verdict *next)
{
    static const char *const names[] = {"a", "b", "c"};
    for (uint64_t now_ms = from_ms; now_ms < to_ms; now_ms += 100) {
        for (unsigned from = 0; from < 3 && now_ms % 500 == 0; from++)
            for (unsigned to = 0; to < 3; to++) {
                bool is_bad = from != 1 && to == 1;
                if (from != 1 || stage == ROUTER_STAGE_NONE)
                    cr_assert_eq(say(board, names[from], names[to], from + 1,
                                     is_bad ? stage : ROUTER_STAGE_NONE, now_ms),
                                 0);
            }
        if (site_board_decide(board, next, now_ms))
            return now_ms;
    }
    return 0;
}

Test(cluster_site_board, a_site_that_nobody_reaches_is_left_within_three_seconds)
{
    struct site_board *board = board_of_three();
    struct router_verdict next;
    cr_assert_eq(run(board, 500, 10000, ROUTER_STAGE_NONE, &next), 0);
    uint64_t at_ms = run(board, 10000, 20000, ROUTER_STAGE_PRODUCE, &next);
    cr_assert(at_ms > 0 && at_ms <= 12000, "%llu", (unsigned long long)at_ms);
    cr_assert_eq(next.epoch, 2);
    cr_assert_eq(next.sites[1].health, ROUTER_LEFT);
    cr_assert_eq(next.sites[1].stage, ROUTER_STAGE_PRODUCE);
    site_board_destroy(board);
}

/* Each node tries each site twice a second. After the cut the tries between a and b end at their
 * time limit, the one from a as late as it can; from then on they are told of as they stand. */
static uint64_t run_until_cut(struct site_board *board, uint64_t cut_at_ms,
                              struct router_verdict *next)
{
    static const char *const names[] = {"a", "b", "c"};
    const uint64_t failed_at_ms[] = {cut_at_ms + 1100, cut_at_ms + 700};
    for (uint64_t now_ms = 500; now_ms < cut_at_ms + 10000; now_ms += 100) {
        for (unsigned from = 0; from < 3; from++)
            for (unsigned to = 0; to < 3; to++) {
                bool is_cut = from != to && from != 2 && to != 2 && now_ms > cut_at_ms;
                bool has_failed = is_cut && now_ms >= failed_at_ms[from];
                if (has_failed || (!is_cut && now_ms % 500 == 0))
                    say(board, names[from], names[to], from + 1,
                        has_failed ? ROUTER_STAGE_ANSWER : ROUTER_STAGE_NONE, now_ms);
            }
        if (site_board_decide(board, next, now_ms))
            return now_ms;
    }
    return 0;
}

Test(cluster_site_board, two_sites_that_do_not_hear_each_other_step_behind_well_within_3_seconds)
{
    struct site_board *board = board_of_three();
    struct router_verdict next;
    uint64_t at_ms = run_until_cut(board, 10000, &next);
    cr_assert(at_ms > 0 && at_ms <= 12500, "%llu", (unsigned long long)at_ms);
    cr_assert_eq(next.sites[0].health, ROUTER_CUT);
    cr_assert_eq(next.sites[1].health, ROUTER_CUT);
    cr_assert_eq(next.sites[2].health, ROUTER_WHOLE);
    site_board_destroy(board);
}

Test(cluster_site_board, who_follows_goes_on_from_what_was_agreed)
{
    struct site_board *leads = board_of_three(), *follows = board_of_three();
    struct router_verdict next, other;
    run(leads, 500, 10000, ROUTER_STAGE_NONE, &next);
    run(follows, 500, 10000, ROUTER_STAGE_NONE, &other);
    uint64_t at_ms = run(leads, 10000, 20000, ROUTER_STAGE_ANSWER, &next);
    cr_assert_eq(run(follows, 10000, 20000, ROUTER_STAGE_ANSWER, &other), at_ms,
                 "it hears the same");
    site_board_follow(leads, &next, at_ms);
    site_board_follow(follows, &next, at_ms);
    cr_assert_eq(run(follows, at_ms + 100, at_ms + 5000, ROUTER_STAGE_ANSWER, &other), 0,
                 "nothing is decided twice");
    at_ms = run(follows, at_ms + 5000, at_ms + 60000, ROUTER_STAGE_NONE, &other);
    cr_assert(at_ms > 0 && other.is_calm && other.epoch == 3, "it says when that was a while ago");
    site_board_follow(follows, &other, at_ms);
    at_ms = run(follows, at_ms + 100, at_ms + 60000, ROUTER_STAGE_NONE, &other);
    cr_assert_gt(at_ms, 0, "the next leader's judge takes it back when it was quiet");
    cr_assert_eq(other.epoch, 4);
    cr_assert(!other.is_calm);
    cr_assert_eq(other.sites[1].health, ROUTER_WHOLE);
    site_board_destroy(leads);
    site_board_destroy(follows);
}

/* What `from` says of `to`, if anything, as often as a canary does, until the judge must have made
 * up its mind. */
struct says {
    uint64_t reporter;
    enum router_stage stage;
};

#define BY_SIGNS(node) ((node) | UINT64_C(1) << 40)

static struct site_path_view told_by(const struct says *says, unsigned count)
{
    struct site_board *board = board_of_three();
    struct router_verdict next;
    struct site_view view;
    for (uint64_t now_ms = 500; now_ms <= 6000; now_ms += 500) {
        for (unsigned i = 0; i < count; i++) {
            struct site_report report = {.told = {.from = "a", .to = "b", .stage = says[i].stage},
                                         .reporter = says[i].reporter & ~BY_SIGNS(0),
                                         .is_by_signs = (says[i].reporter & BY_SIGNS(0)) != 0};
            cr_assert_eq(site_board_take(board, &report, true, now_ms), 0);
        }
        site_board_decide(board, &next, now_ms);
    }
    site_board_look(board, &view, 6000);
    site_board_destroy(board);
    return view.paths[0][1];
}

#define TOLD(...)                                                                                  \
    told_by((struct says[]){__VA_ARGS__}, sizeof(struct says[]){__VA_ARGS__} / sizeof(struct says))
#define WELL      ROUTER_STAGE_NONE
#define FAILS     ROUTER_STAGE_FETCH
#define ROUTER(n) (SITE_REPORTER_ROUTER | (n))

Test(cluster_site_board, however_many_clients_fail_they_outvote_no_node)
{
    struct site_path_view path = TOLD({1, WELL}, {OTHER(1), FAILS}, {OTHER(2), FAILS},
                                      {OTHER(3), FAILS});
    cr_assert_eq(path.state, ROUTER_PATH_HEARD);
    cr_assert_eq(path.reporters, 4);
    cr_assert_eq(path.failing, 3);
    path = TOLD({BY_SIGNS(1), WELL}, {OTHER(1), FAILS}, {OTHER(2), FAILS}, {OTHER(3), FAILS});
    cr_assert_eq(path.state, ROUTER_PATH_HEARD, "nor one that has signs of life only");
    path = TOLD({1, FAILS}, {OTHER(1), WELL}, {OTHER(2), WELL}, {ROUTER(1), WELL});
    cr_assert_eq(path.state, ROUTER_PATH_LOST, "nor do they talk a site well");
    path = TOLD({1, FAILS}, {2, WELL}, {3, WELL}, {OTHER(1), FAILS}, {OTHER(2), FAILS});
    cr_assert_eq(path.state, ROUTER_PATH_HEARD, "most nodes have the word");
}

Test(cluster_site_board, however_many_routers_fail_they_outvote_no_node_that_has_tried_it)
{
    struct site_path_view path = TOLD({1, WELL}, {ROUTER(1), FAILS}, {ROUTER(2), FAILS});
    cr_assert_eq(path.state, ROUTER_PATH_HEARD);
    path = TOLD({BY_SIGNS(1), WELL}, {ROUTER(1), FAILS});
    cr_assert_eq(path.state, ROUTER_PATH_HEARD, "one router's link may be broken");
    path = TOLD({BY_SIGNS(1), WELL}, {ROUTER(1), FAILS}, {ROUTER(2), FAILS});
    cr_assert_eq(path.state, ROUTER_PATH_LOST, "signs of life say less than two who tried");
    cr_assert_eq(path.stage, FAILS);
}

Test(cluster_site_board, where_nodes_say_nothing_or_contradict_each_other_others_have_the_word)
{
    cr_assert_eq(TOLD({ROUTER(1), FAILS}, {OTHER(1), WELL}, {OTHER(2), WELL}).state,
                 ROUTER_PATH_LOST, "routers before clients");
    cr_assert_eq(TOLD({OTHER(1), FAILS}).state, ROUTER_PATH_LOST);
    cr_assert_eq(TOLD({OTHER(1), FAILS}, {OTHER(2), WELL}).state, ROUTER_PATH_HEARD,
                 "even is well");
    cr_assert_eq(TOLD({1, FAILS}, {2, WELL}).state, ROUTER_PATH_HEARD);
    cr_assert_eq(TOLD({1, FAILS}, {2, WELL}, {ROUTER(1), FAILS}).state, ROUTER_PATH_LOST);
    cr_assert_eq(TOLD({1, FAILS}, {2, WELL}, {OTHER(1), FAILS}).state, ROUTER_PATH_LOST);
    cr_assert_eq(TOLD({1, FAILS}, {2, WELL}, {ROUTER(1), WELL}, {OTHER(1), FAILS}).state,
                 ROUTER_PATH_HEARD);
}

Test(cluster_site_board, what_clients_say_makes_no_nodes_word_newer_and_has_none_until_that_is_old)
{
    struct site_board *board = board_of_three();
    struct router_verdict next;
    struct site_view view;
    cr_assert_eq(say(board, "a", "b", 1, WELL, 1000), 0);
    for (uint64_t now_ms = 1000; now_ms <= 1000 + SITE_FRESH_MS - 100; now_ms += 100) {
        cr_assert_eq(say(board, "a", "b", OTHER(1), FAILS, now_ms), 0);
        site_board_decide(board, &next, now_ms);
        site_board_look(board, &view, now_ms);
        cr_assert_eq(view.paths[0][1].state, ROUTER_PATH_HEARD);
        cr_assert_eq(view.paths[0][1].stage, ROUTER_STAGE_NONE, "the judge has heard of none");
    }
    for (uint64_t now_ms = 1000 + SITE_FRESH_MS; now_ms <= 6000; now_ms += 100) {
        cr_assert_eq(say(board, "a", "b", OTHER(1), FAILS, now_ms), 0);
        site_board_decide(board, &next, now_ms);
    }
    site_board_look(board, &view, 6000);
    cr_assert_eq(view.paths[0][1].state, ROUTER_PATH_LOST);
    for (uint64_t now_ms = 6000; now_ms <= 6000 + SITE_FRESH_MS; now_ms += 100)
        site_board_decide(board, &next, now_ms);
    site_board_look(board, &view, 6000 + SITE_FRESH_MS);
    cr_assert_eq(view.paths[0][1].reporters, 0, "all is forgotten");
    site_board_destroy(board);
}

Test(cluster_site_board, clients_push_out_each_other_and_no_router_that_is_fresh)
{
    struct site_board *board = board_of_three();
    struct site_report told[64];
    unsigned routers = 0;
    cr_assert_eq(say(board, "a", "b", ROUTER(1), FAILS, 1000), 0);
    for (uint64_t i = 1; i <= 2 * SITE_REPORTERS_MAX; i++)
        cr_assert_eq(say(board, "a", "b", OTHER(i), WELL, 1001), 0);
    unsigned count = site_board_untold(board, told, 64, 1001);
    cr_assert_eq(count, SITE_REPORTERS_MAX);
    cr_assert_eq(told[0].reporter, ROUTER(1), "it is told first, too");
    for (uint64_t i = 1; i <= 2 * SITE_REPORTERS_MAX; i++)
        cr_assert_eq(say(board, "a", "b", OTHER(i), WELL, 1000 + SITE_FRESH_MS), 0);
    count = site_board_untold(board, told, 64, 1000 + SITE_FRESH_MS);
    for (unsigned i = 0; i < count; i++)
        routers += site_who(told[i].reporter) == SITE_WHO_ROUTER;
    cr_assert_eq(count, SITE_REPORTERS_MAX);
    cr_assert_eq(routers, 0);
    for (uint64_t i = 1; i <= SITE_REPORTERS_MAX; i++)
        cr_assert_eq(say(board, "a", "b", ROUTER(i), WELL, 1000 + SITE_FRESH_MS), 0);
    cr_assert_eq(say(board, "a", "b", OTHER(1), WELL, 1000 + SITE_FRESH_MS), ERR_BUSY);
    cr_assert_eq(say(board, "a", "b", 1, WELL, 1000 + SITE_FRESH_MS), 0, "a node finds its place");
    site_board_destroy(board);
}

/* What a node's file may say at most. */
static uint64_t canary_ms_most(void)
{
#define MOST_OF_CANARY(kind, field, key, unit, initial, least, most, meaning)                      \
    if (strcmp(key, "site_canary_ms") == 0)                                                        \
        return (uint64_t)(most);
    CONF_TABLE(MOST_OF_CANARY)
    return 0;
}

/* Tries that go well end at once, a site that hangs lets each run into its timeout. */
Test(cluster_site_board, the_longest_time_between_tries_keeps_what_was_found_and_finds_who_hangs)
{
    enum { TIMEOUT_MS = 600, HANGS_AT_MS = 10000, END_MS = 20000 };
    struct site_board *board = board_of_three();
    struct router_verdict next;
    struct site_view view;
    uint64_t due_ms = 1000, found_ms = 0;
    for (uint64_t now_ms = 0; now_ms < END_MS && found_ms == 0; now_ms += 100) {
        bool is_hanging = now_ms >= HANGS_AT_MS;
        if (now_ms >= due_ms + (is_hanging ? TIMEOUT_MS : 0)) {
            say(board, "a", "b", 1, is_hanging ? ROUTER_STAGE_ANSWER : ROUTER_STAGE_NONE, now_ms);
            say(board, "c", "b", 3, is_hanging ? ROUTER_STAGE_ANSWER : ROUTER_STAGE_NONE, now_ms);
            say(board, "a", "c", 1, ROUTER_STAGE_NONE, now_ms);
            say(board, "c", "a", 3, ROUTER_STAGE_NONE, now_ms);
            due_ms += canary_ms_most();
        }
        if (site_board_decide(board, &next, now_ms))
            found_ms = now_ms;
        site_board_look(board, &view, now_ms);
        if (now_ms > 1000)
            cr_assert_neq(view.paths[0][1].state, ROUTER_PATH_UNKNOWN);
    }
    cr_assert(found_ms >= HANGS_AT_MS && found_ms < HANGS_AT_MS + 5000);
    cr_assert_eq(next.sites[1].health, ROUTER_LEFT);
    site_board_destroy(board);
}

/* More routers and clients than there are places tell of every pair. */
static void flood(struct site_board *board, uint64_t now_ms)
{
    static const char *const names[] = {"a", "b", "c"};
    for (unsigned from = 0; from < 3; from++)
        for (unsigned to = 0; to < 3; to++)
            for (uint64_t i = 1; i <= SITE_REPORTERS_MAX; i++)
                say(board, names[from], names[to], OTHER(i), ROUTER_STAGE_CONNECT, now_ms);
}

Test(cluster_site_board, whatever_others_say_a_node_tells_its_own_word_at_once_and_theirs_in_turn)
{
    enum { SOME = 8 };
    struct site_board *board = board_of_three();
    struct site_report told[SOME];
    bool has_told[3][3] = {0};
    unsigned pairs = 0;
    for (unsigned round = 0; round < 9; round++) {
        uint64_t now_ms = 1000 + 100 * round;
        flood(board, now_ms);
        cr_assert_eq(say(board, "c", "b", 3, ROUTER_STAGE_FETCH, now_ms), 0);
        cr_assert_eq(site_board_untold(board, told, SOME, now_ms), SOME);
        cr_assert_eq(told[0].reporter, 3);
        cr_assert_eq(told[0].told.stage, ROUTER_STAGE_FETCH);
        for (unsigned i = 1; i < SOME; i++) {
            bool *has = &has_told[told[i].told.from[0] - 'a'][told[i].told.to[0] - 'a'];
            pairs += !*has;
            *has = true;
        }
    }
    cr_assert_eq(pairs, 9, "each pair has its turn");
    site_board_destroy(board);
}

Test(cluster_site_board, what_no_longer_counts_is_not_told_on)
{
    struct site_board *board = board_of_three();
    struct site_report told[2];
    cr_assert_eq(say(board, "a", "b", OTHER(1), ROUTER_STAGE_NONE, 1000), 0);
    cr_assert_eq(site_board_untold(board, told, 2, 1000 + SITE_FRESH_MS), 0);
    site_board_destroy(board);
}

/* Requests come on other threads than that which looks: each reads the clock for itself. */
Test(cluster_site_board, what_came_while_the_clock_was_read_is_new_and_not_older_than_all)
{
    struct site_board *board = board_of_three();
    struct router_verdict next;
    struct site_report told[2];
    struct site_view view;
    for (uint64_t now_ms = 1000; now_ms < 5000; now_ms += 200) {
        cr_assert_eq(say(board, "a", "b", OTHER(1), ROUTER_STAGE_NONE, now_ms + 1), 0);
        cr_assert_eq(site_board_untold(board, told, 2, now_ms), 1);
        cr_assert_eq(told[0].told.age_ms, 0);
        site_board_decide(board, &next, now_ms);
        site_board_look(board, &view, now_ms);
        cr_assert_eq(view.paths[0][1].reporters, 1);
        cr_assert_eq(view.paths[0][1].reported_ago_ms, 0);
    }
    cr_assert_eq(view.paths[0][1].state, ROUTER_PATH_HEARD);
    site_board_destroy(board);
}

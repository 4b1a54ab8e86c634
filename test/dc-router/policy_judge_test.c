/* The judge in single situations: what is decided, how soon, how calmly. */
#include "judge_world.h"

enum { A, B, C };
#define QUIET (30 * 1000)

/* What is broken, for how long, and how the sites stand then. */
struct situation {
    const char *what;
    void (*break_it)(struct world *w);
    int64_t run_ms;
    const char *healths;
};

static void break_nothing(struct world *w)
{
    (void)w;
}
static void stop_a_answering(struct world *w)
{
    world_break_site(w, A, ROUTER_STAGE_ANSWER);
}
static void cut_a_from_b(struct world *w)
{
    world_break_pair(w, A, B, ROUTER_STAGE_CONNECT);
}
static void cut_nothing(struct world *w)
{
    world_break_pair(w, A, B, ROUTER_STAGE_NONE);
}
static void cut_a_to_b_one_way(struct world *w)
{
    w->paths[A][B] = ROUTER_STAGE_ANSWER;
}
static void make_a_blame_all(struct world *w)
{
    for (unsigned to = 0; to < w->count; to++)
        w->paths[A][to] = ROUTER_STAGE_PRODUCE;
}
static void lose_all(struct world *w)
{
    for (unsigned site = 0; site < w->count; site++)
        for (unsigned from = 0; from < w->count; from++)
            w->paths[from][site] = ROUTER_STAGE_CONNECT;
}
static void silence_all(struct world *w)
{
    for (unsigned site = 0; site < w->count; site++)
        w->is_silent[site] = true;
}
static void lose_a_and_b(struct world *w)
{
    world_break_site(w, A, ROUTER_STAGE_CONNECT);
    world_break_site(w, B, ROUTER_STAGE_CONNECT);
}
static void isolate_a_which_praises_itself(struct world *w)
{
    cut_a_from_b(w);
    world_break_pair(w, A, C, ROUTER_STAGE_CONNECT);
}
static void cut_a_from_b_without_c(struct world *w)
{
    cut_a_from_b(w);
    world_break_site(w, C, ROUTER_STAGE_CONNECT);
}
static void stop_a_committing_for_itself(struct world *w)
{
    w->paths[A][A] = ROUTER_STAGE_PRODUCE;
}
static void silence_c(struct world *w)
{
    w->is_silent[C] = true;
}

static const struct situation situations[] = {
    {"all is well", break_nothing, 60000, "WWW"},
    {"a takes connections and answers nothing", stop_a_answering, 3000, "LWW"},
    {"a answers nothing, for a second", stop_a_answering, 1000, "WWW"},
    {"a and b don't hear each other, c hears both", cut_a_from_b, 3000, "CCW"},
    {"a does not reach b, which reaches a", cut_a_to_b_one_way, 3000, "CCW"},
    {"a reaches nobody, and all reach it", make_a_blame_all, 3000, "CWW"},
    {"all is lost: no move helps", lose_all, 60000, "WWW"},
    {"nobody says anything", silence_all, 60000, "WWW"},
    {"only c is there", lose_a_and_b, 3000, "LLW"},
    {"nobody reaches a, which finds itself well", isolate_a_which_praises_itself, 3000, "LWW"},
    {"c is dead, and a and b don't hear each other", cut_a_from_b_without_c, 3000, "WWL"},
    {"a commits for others, not for itself", stop_a_committing_for_itself, 3000, "CWW"},
    {"c tells nothing, and is reached", silence_c, 60000, "WWW"},
};

Test(router_judge, finds_how_each_site_stands_within_three_seconds)
{
    static struct world w;
    for (size_t i = 0; i < sizeof situations / sizeof *situations; i++) {
        const struct situation *s = &situations[i];
        world_init(&w, 3);
        s->break_it(&w);
        world_run(&w, s->run_ms);
        cr_expect_str_eq(world_healths(&w), s->healths, "%s: %s, not %s", s->what,
                         world_healths(&w), s->healths);
        cr_expect_leq(w.change_count, 1, "%s: %u changes", s->what, w.change_count);
    }
}

Test(router_judge, says_why_a_site_is_left_and_how_far_its_path_works)
{
    static struct world w;
    char text[ROUTER_STANDING_TEXT_SIZE];
    world_init(&w, 3);
    world_break_site(&w, A, ROUTER_STAGE_CONNECT);
    w.paths[B][A] = ROUTER_STAGE_ANSWER;
    world_run(&w, 3000);
    router_standing_text(&w.judge.verdict.sites[A], text, sizeof text);
    cr_assert_str_eq(text, "a: left, no site reaches it (takes connections and answers nothing)");
    router_standing_text(&w.judge.verdict.sites[B], text, sizeof text);
    cr_assert_str_eq(text, "b: whole, it is well");
}

Test(router_judge, names_the_stage_and_the_reason_of_a_cut)
{
    static struct world w;
    world_init(&w, 3);
    world_break_pair(&w, A, B, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    cr_assert_eq(w.judge.verdict.sites[A].reason, ROUTER_REASON_UNHEARD);
    cr_assert_eq(w.judge.verdict.sites[A].stage, ROUTER_STAGE_CONNECT);
    cr_assert_eq(w.judge.verdict.sites[C].reason, ROUTER_REASON_WELL);
    for (unsigned own = A; own <= C; own++)
        cr_assert_eq(world_first(&w, own), C, "members of site %u go to the one that hears all",
                     own);
}

/* b dies. a says so; c's words are on their way, and b's own last ones still count. */
Test(router_judge, calls_nobody_cut_off_by_the_last_words_of_a_site_that_died)
{
    static struct world w;
    world_init(&w, 3);
    world_break_site(&w, B, ROUTER_STAGE_CONNECT);
    w.is_silent[C] = true;
    world_run(&w, 2400);
    cr_assert_eq(router_judge_path(&w.judge, A, B), ROUTER_PATH_LOST);
    cr_assert_eq(router_judge_path(&w.judge, C, B), ROUTER_PATH_HEARD);
    cr_assert_str_eq(world_healths(&w), "WWW");
    w.is_silent[C] = false;
    world_run(&w, 3000);
    cr_assert_str_eq(world_healths(&w), "WLW");
    cr_assert_eq(w.change_count, 1);
}

Test(router_judge, prefers_the_larger_side_of_a_cut_between_five)
{
    static struct world w;
    world_init(&w, 5);
    for (unsigned near = 0; near < 3; near++)
        for (unsigned far = 3; far < 5; far++)
            world_break_pair(&w, near, far, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    cr_assert_str_eq(world_healths(&w), "WWWCC");
    cr_assert_leq(world_first(&w, 4), 2, "its members, too, go where more hear each other");
}

Test(router_judge, comes_back_once_after_the_quiet_time)
{
    static struct world w;
    world_init(&w, 3);
    world_break_site(&w, A, ROUTER_STAGE_CONNECT);
    world_run(&w, 10000);
    world_break_site(&w, A, ROUTER_STAGE_NONE);
    int64_t back_ms = world_run_until_change(&w, 2 * QUIET);
    cr_assert_str_eq(world_healths(&w), "WWW");
    cr_assert_geq(back_ms, QUIET);
    cr_assert_leq(back_ms, QUIET + 5000, "it took %ld ms", (long)back_ms);
    cr_assert_eq(w.judge.verdict.epoch, 4, "left, calm, back");
}

Test(router_judge, comes_back_from_a_cut_once_after_the_quiet_time)
{
    static struct world w;
    world_init(&w, 3);
    cut_a_from_b(&w);
    world_run(&w, 40000);
    world_break_pair(&w, A, B, ROUTER_STAGE_NONE);
    int64_t back_ms = world_run_until_change(&w, 2 * QUIET);
    cr_assert_str_eq(world_healths(&w), "WWW");
    cr_assert_geq(back_ms, QUIET);
    cr_assert_leq(back_ms, QUIET + 5000, "it took %ld ms", (long)back_ms);
}

/* Up and down for so long each, for five minutes. */
static void flap_site(struct world *w, unsigned site, int64_t half_ms)
{
    for (int64_t until_ms = w->now_ms + 300 * 1000; w->now_ms < until_ms;) {
        world_break_site(w, site, ROUTER_STAGE_CONNECT);
        world_run(w, half_ms);
        world_break_site(w, site, ROUTER_STAGE_NONE);
        world_run(w, half_ms);
    }
}

Test(router_judge, leaves_a_flapping_site_once_and_stays_away_until_it_was_quiet)
{
    static struct world w;
    static const int64_t halves_ms[] = {400, 1000, 2000, 5000, 20000};
    for (size_t i = 0; i < sizeof halves_ms / sizeof *halves_ms; i++) {
        world_init(&w, 3);
        flap_site(&w, B, halves_ms[i]);
        cr_expect_str_eq(world_healths(&w), "WLW", "flapping each %ld ms: %s", (long)halves_ms[i],
                         world_healths(&w));
        cr_expect_eq(w.change_count, 1, "flapping each %ld ms: %u changes", (long)halves_ms[i],
                     w.change_count);
        int64_t back_ms = world_run_until_change(&w, 2 * QUIET);
        cr_expect_str_eq(world_healths(&w), "WWW");
        cr_expect_geq(back_ms + halves_ms[i], QUIET);
    }
}

Test(router_judge, calls_a_site_flapping_that_was_not_lost_in_one_go)
{
    static struct world w;
    world_init(&w, 3);
    flap_site(&w, B, 1000);
    cr_assert_eq(w.judge.verdict.sites[B].reason, ROUTER_REASON_FLAPPING);
}

Test(router_judge, steps_behind_a_flapping_link_once)
{
    static struct world w;
    world_init(&w, 3);
    for (int i = 0; i < 150; i++) {
        world_break_pair(&w, A, B, ROUTER_STAGE_CONNECT);
        world_run(&w, 1000);
        world_break_pair(&w, A, B, ROUTER_STAGE_NONE);
        world_run(&w, 1000);
    }
    cr_assert_str_eq(world_healths(&w), "CCW");
    cr_assert_eq(w.change_count, 1);
}

Test(router_judge, freezes_a_site_that_was_left_three_times)
{
    static struct world w;
    world_init(&w, 3);
    for (unsigned i = 0; i < 3; i++) {
        world_break_site(&w, B, ROUTER_STAGE_CONNECT);
        world_run(&w, 10000);
        cr_assert_str_eq(world_healths(&w), "WLW");
        world_break_site(&w, B, ROUTER_STAGE_NONE);
        world_run(&w, QUIET + 5000);
    }
    cr_assert_str_eq(world_healths(&w), "WLW", "it comes and goes, and was taken back again");
    cr_assert_eq(w.judge.verdict.sites[B].reason, ROUTER_REASON_FLAPPING);
    world_run(&w, 10 * 60 * 1000);
    cr_assert_str_eq(world_healths(&w), "WWW", "it was quiet for ten minutes");
}

Test(router_judge, forgets_that_a_site_was_left_when_it_stayed_long)
{
    static struct world w;
    world_init(&w, 3);
    for (unsigned i = 0; i < 5; i++) {
        world_break_site(&w, B, ROUTER_STAGE_CONNECT);
        world_run(&w, 10000);
        world_break_site(&w, B, ROUTER_STAGE_NONE);
        world_run(&w, 15 * 60 * 1000);
        cr_assert_str_eq(world_healths(&w), "WWW");
        cr_assert_eq(w.judge.verdict.sites[B].leave_count, 1);
    }
}

Test(router_judge, takes_back_what_is_reached_at_once_when_nothing_else_is)
{
    static struct world w;
    world_init(&w, 3);
    lose_a_and_b(&w);
    world_run(&w, 3000);
    world_break_site(&w, A, ROUTER_STAGE_NONE);
    world_run(&w, 5000);
    cr_assert_str_eq(world_healths(&w), "LLW", "a is reached again, and not quiet");
    world_break_site(&w, C, ROUTER_STAGE_CONNECT);
    cr_assert_leq(world_run_until_change(&w, 10000), 3000);
    cr_assert_str_eq(world_healths(&w), "WLL");
    cr_assert_eq(w.judge.verdict.sites[A].reason, ROUTER_REASON_NOTHING_ELSE);
}

Test(router_judge, goes_to_the_first_that_returns_when_all_were_lost)
{
    static struct world w;
    world_init(&w, 3);
    lose_all(&w);
    silence_all(&w);
    w.is_silent[C] = false;
    world_run(&w, 60000);
    cr_assert_str_eq(world_healths(&w), "WWW");
    w.paths[C][B] = ROUTER_STAGE_NONE;
    world_run(&w, 5000);
    cr_assert_str_eq(world_healths(&w), "LWL");
}

Test(router_judge, drains_at_once_and_takes_a_drain_back_after_the_quiet_time)
{
    static struct world w;
    world_init(&w, 3);
    cr_assert_eq(router_judge_drain(&w.judge, B, true, w.now_ms), 0);
    world_run(&w, TICK_MS);
    cr_assert_str_eq(world_healths(&w), "WwW");
    world_run(&w, 100000);
    cr_assert_eq(w.change_count, 1, "a drain moves everybody once");
    cr_assert_neq(world_first(&w, B), B);

    cr_assert_eq(router_judge_drain(&w.judge, B, false, w.now_ms), 0);
    world_run(&w, QUIET - 1000);
    cr_assert_str_eq(world_healths(&w), "WwW", "it was not quiet yet");
    cr_assert_eq(w.judge.verdict.sites[B].drain, ROUTER_ENDING);
    world_run(&w, 2000);
    cr_assert_str_eq(world_healths(&w), "WWW");
    cr_assert_eq(world_first(&w, B), B);
    cr_assert_eq(w.change_count, 3);
}

Test(router_judge, uses_a_drained_site_only_when_the_others_are_gone)
{
    static struct world w;
    world_init(&w, 3);
    cr_assert_eq(router_judge_drain(&w.judge, B, true, w.now_ms), 0);
    world_break_site(&w, A, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    cr_assert_str_eq(world_healths(&w), "LwW");
    cr_assert_eq(world_first(&w, B), C);
    world_break_site(&w, C, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    cr_assert_str_eq(world_healths(&w), "LwL");
    cr_assert_eq(world_first(&w, A), B);
}

Test(router_judge, takes_no_notice_of_a_clock_that_jumps)
{
    static struct world w;
    static const int64_t jumps_ms[] = {86400 * 1000, -86400 * 1000, 60000, -60000, 3000, -3000};
    world_init(&w, 3);
    world_break_site(&w, A, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    world_break_site(&w, A, ROUTER_STAGE_NONE);
    for (size_t i = 0; i < sizeof jumps_ms / sizeof *jumps_ms; i++) {
        w.skew_ms += jumps_ms[i];
        world_run(&w, 2000);
        cr_assert_str_eq(world_healths(&w), "LWW", "after a jump of %ld ms", (long)jumps_ms[i]);
    }
    w.skew_ms = INT64_MIN + 5 * 1000 * 1000;
    world_run(&w, 1000);
    w.skew_ms = INT64_MAX - 5 * 1000 * 1000;
    world_break_site(&w, B, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    cr_assert_str_eq(world_healths(&w), "LLW", "a dead site is seen with any clock");
}

Test(router_judge, goes_on_calmly_where_another_led_before)
{
    static struct world w;
    static struct router_judge successor;
    struct router_judge_options options = router_judge_options_default();
    world_init(&w, 3);
    world_break_site(&w, A, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    world_break_site(&w, A, ROUTER_STAGE_NONE);
    world_run(&w, QUIET - 1000);
    cr_assert_eq(router_judge_init(&successor, &options, &w.judge.verdict, 0), 0);
    w.judge = successor;
    world_run(&w, QUIET - 1000);
    cr_assert_str_eq(world_healths(&w), "LWW", "the successor knows of no quiet time but its own");
    world_run(&w, 2000);
    cr_assert_str_eq(world_healths(&w), "WWW");
}

/* Another judge begins with what is agreed; two sites then don't hear each other. */
static int64_t until_a_successor_steps_behind(struct world *w)
{
    static struct router_judge successor;
    struct router_judge_options options = router_judge_options_default();
    cr_assert_eq(router_judge_init(&successor, &options, &w->judge.verdict, 0), 0);
    w->judge = successor;
    cut_a_from_b(w);
    return world_run_until_change(w, 2 * QUIET);
}

Test(router_judge, goes_on_at_once_where_another_has_said_that_all_is_calm)
{
    static struct world w;
    world_init(&w, 3);
    world_break_site(&w, A, ROUTER_STAGE_CONNECT);
    world_run(&w, 3000);
    cr_assert(!w.judge.verdict.is_calm, "members have just moved");
    world_break_site(&w, A, ROUTER_STAGE_NONE);
    world_run(&w, QUIET + 5000);
    cr_assert_str_eq(world_healths(&w), "WWW");
    cr_assert(!w.judge.verdict.is_calm, "and back again");
    int64_t early_ms = until_a_successor_steps_behind(&w);
    cr_assert_geq(early_ms, QUIET - 1000, "it waits anew, and waited %ld ms", (long)early_ms);
    cut_nothing(&w);
    world_run(&w, 3 * QUIET);
    cr_assert(w.judge.verdict.is_calm);
    int64_t late_ms = until_a_successor_steps_behind(&w);
    cr_assert_leq(late_ms, 3000, "it waited %ld ms", (long)late_ms);
}

Test(router_judge, begins_calm_with_the_first_verdict_of_all)
{
    static struct world w;
    struct router_judge_options options = router_judge_options_default();
    struct router_verdict verdict = world_verdict(3);
    w = (struct world){.count = 3, .now_ms = 1000000};
    cr_assert_eq(router_judge_init(&w.judge, &options, &verdict, w.now_ms), 0);
    world_run(&w, 5000);
    cut_a_from_b(&w);
    cr_assert_leq(world_run_until_change(&w, 2 * QUIET), 3000);
    cr_assert_str_eq(world_healths(&w), "CCW");
}

/* What another judge says next. */
static struct router_verdict verdict_that_leaves_b(const struct router_judge *judge,
                                                   enum router_reason reason, uint8_t leave_count)
{
    struct router_verdict left = judge->verdict;
    left.epoch++;
    left.is_calm = false;
    left.sites[B].health = ROUTER_LEFT;
    left.sites[B].reason = reason;
    left.sites[B].leave_count = leave_count;
    return left;
}

/* It did not hear of what the other one saw, and may be the one that was cut off itself. */
Test(router_judge, counts_how_long_a_site_is_well_from_when_another_judge_left_it)
{
    static struct world w;
    world_init(&w, 3);
    struct router_verdict left = verdict_that_leaves_b(&w.judge, ROUTER_REASON_FLAPPING, 3);
    left.sites[B].stage = ROUTER_STAGE_CONNECT;
    world_run(&w, 15 * 60 * 1000);
    cr_assert_eq(router_judge_adopt(&w.judge, &left, w.now_ms), 0);
    world_run(&w, 10 * 60 * 1000 - 1000);
    cr_assert_eq(w.judge.verdict.sites[B].health, ROUTER_LEFT, "frozen is ten minutes");
    world_run(&w, 2000);
    cr_assert_eq(w.judge.verdict.sites[B].health, ROUTER_WHOLE);
}

/* Left, come back, and left again: it hears of the end only. */
Test(router_judge, takes_verdicts_that_it_has_missed_for_moves)
{
    static struct world w;
    world_init(&w, 3);
    struct router_verdict left = verdict_that_leaves_b(&w.judge, ROUTER_REASON_UNREACHED, 1);
    cr_assert_eq(router_judge_adopt(&w.judge, &left, w.now_ms), 0);
    world_run(&w, QUIET - 1000);
    left.epoch += 2;
    cr_assert_eq(router_judge_adopt(&w.judge, &left, w.now_ms), 0);
    world_run(&w, QUIET - 1000);
    cr_assert_eq(w.judge.verdict.sites[B].health, ROUTER_LEFT, "it was left a moment ago");
    world_run(&w, 2000);
    cr_assert_eq(w.judge.verdict.sites[B].health, ROUTER_WHOLE);
}

Test(router_judge, offers_a_change_until_it_is_adopted)
{
    static struct world w;
    struct router_verdict first, second;
    world_init(&w, 3);
    cr_assert_eq(router_judge_drain(&w.judge, C, true, w.now_ms), 0);
    cr_assert_eq(router_judge_decide(&w.judge, w.now_ms, &first), 1);
    cr_assert_eq(router_judge_decide(&w.judge, w.now_ms + 100, &second), 1);
    cr_assert_eq(first.epoch, 2);
    cr_assert_eq(second.epoch, 2);
    cr_assert_eq(w.judge.verdict.epoch, 1, "nothing counts before it is agreed");
    cr_assert_eq(router_judge_adopt(&w.judge, &second, w.now_ms + 100), 0);
    cr_assert_eq(router_judge_adopt(&w.judge, &second, w.now_ms + 100), 0, "twice is once");
    cr_assert_eq(router_judge_decide(&w.judge, w.now_ms + 200, &first), 0);
}

Test(router_judge, keeps_an_operators_word_beside_a_verdict_that_did_not_know_it)
{
    static struct world w;
    struct router_verdict other;
    world_init(&w, 3);
    other = w.judge.verdict;
    other.epoch++;
    other.sites[A].drain = ROUTER_DRAINED; /* another judge's */
    cr_assert_eq(router_judge_drain(&w.judge, C, true, w.now_ms), 0);
    cr_assert_eq(router_judge_adopt(&w.judge, &other, w.now_ms), 0);
    world_run(&w, 1000);
    cr_assert_str_eq(world_healths(&w), "wWw");
}

Test(router_judge, takes_a_drain_back_that_was_being_agreed)
{
    static struct world w;
    struct router_verdict proposed;
    world_init(&w, 3);
    cr_assert_eq(router_judge_drain(&w.judge, B, true, w.now_ms), 0);
    cr_assert_eq(router_judge_decide(&w.judge, w.now_ms, &proposed), 1);
    cr_assert_eq(router_judge_drain(&w.judge, B, false, w.now_ms), 0);
    cr_assert_eq(router_judge_adopt(&w.judge, &proposed, w.now_ms), 0);
    world_run(&w, TICK_MS);
    cr_assert_eq(w.judge.verdict.sites[B].drain, ROUTER_ENDING, "the newest word is lost");
    world_run(&w, QUIET + TICK_MS);
    cr_assert_eq(w.judge.verdict.sites[B].drain, ROUTER_IN);
}

Test(router_judge, takes_no_report_that_is_older_than_what_it_knows)
{
    static struct world w;
    world_init(&w, 3);
    struct router_report late = {.from = B, .to = A, .stage = ROUTER_STAGE_CONNECT, .age_ms = 1000};
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(router_judge_report(&w.judge, &late, w.now_ms), 0);
        world_run(&w, TICK_MS);
    }
    cr_assert_eq(router_judge_path(&w.judge, B, A), ROUTER_PATH_HEARD);
    w.is_silent[B] = true;
    world_run(&w, 3000);
    cr_assert_eq(router_judge_path(&w.judge, B, A), ROUTER_PATH_UNKNOWN, "stale");
    late.age_ms = INT64_MAX;
    cr_assert_eq(router_judge_report(&w.judge, &late, w.now_ms), 0, "of no worth, and no error");
}

/* ---- bad input ---- */

Test(router_judge, refuses_reports_that_name_no_site_or_stage)
{
    static struct world w;
    world_init(&w, 3);
    const struct router_report reports[] = {
        {.from = 3},
        {.to = 3},
        {.from = ROUTER_NO_SITE},
        {.stage = (enum router_stage)ROUTER_STAGE_COUNT},
        {.stage = (enum router_stage) - 1},
        {.age_ms = -1},
    };
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        cr_expect_eq(router_judge_report(&w.judge, &reports[i], 0), ERR_INVALID, "report %zu", i);
    cr_assert_eq(router_judge_report(&w.judge, NULL, 0), ERR_INVALID);
    cr_assert_eq(router_judge_report(NULL, &reports[0], 0), ERR_INVALID);
    cr_assert_eq(router_judge_drain(&w.judge, 3, true, 0), ERR_INVALID);
    cr_assert_eq(router_judge_drain(NULL, 0, true, 0), ERR_INVALID);
    cr_assert_eq(router_judge_path(&w.judge, 3, 0), ROUTER_PATH_UNKNOWN);
    cr_assert_eq(router_judge_path(NULL, 0, 0), ROUTER_PATH_UNKNOWN);
}

Test(router_judge, refuses_options_that_contradict_each_other)
{
    static struct router_judge judge;
    const struct router_judge_options sound = router_judge_options_default();
    struct router_verdict verdict = world_verdict(3);
    struct router_judge_options bad[11];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        bad[i] = sound;
    bad[0].lost_ms = 0;
    bad[1].heard_ms = 0;
    bad[2].stale_ms = bad[2].lost_ms - 1;
    bad[3].quiet_ms = bad[3].heard_ms - 1;
    bad[4].frozen_ms = bad[4].quiet_ms - 1;
    bad[5].leaves_max = 0;
    bad[6].leaves_max = ROUTER_LEAVES_MAX + 1;
    bad[7].leaves_window_ms = 0;
    bad[8].step_ms_max = 0;
    bad[9].cut_ms = -1;
    bad[10].frozen_ms = INT64_MAX;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(router_judge_init(&judge, &bad[i], &verdict, 0), ERR_INVALID, "options %zu",
                     i);
    cr_assert_eq(router_judge_init(&judge, &sound, &verdict, 0), 0);
    cr_assert_eq(router_judge_init(NULL, &sound, &verdict, 0), ERR_INVALID);
    cr_assert_eq(router_judge_init(&judge, NULL, &verdict, 0), ERR_INVALID);
    cr_assert_eq(router_judge_init(&judge, &sound, NULL, 0), ERR_INVALID);
    verdict.epoch = 0;
    cr_assert_eq(router_judge_init(&judge, &sound, &verdict, 0), ERR_INVALID);
}

Test(router_judge, another_weight_is_taken_and_nothing_that_is_known_is_forgotten)
{
    static struct world w;
    world_init(&w, 3);
    struct router_verdict next = w.judge.verdict;
    next.epoch++;
    next.sites[1].site.weight = 5;
    w.judge.watches[1].well_since_ms = 77;
    cr_assert_eq(router_judge_adopt(&w.judge, &next, w.now_ms), 0);
    cr_assert_eq(w.judge.verdict.sites[1].site.weight, 5);
    cr_assert_eq(w.judge.watches[1].well_since_ms, 77);
}

Test(router_judge, refuses_a_verdict_that_does_not_follow)
{
    static struct world w;
    world_init(&w, 3);
    struct router_verdict bad[5], *present = &w.judge.verdict;
    present->epoch = 7;
    present->failover_epoch = 3;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i] = *present;
        bad[i].epoch++;
    }
    bad[0].epoch = 6;
    bad[1].failover_epoch = 2;
    bad[2].epoch = 7; /* the same epoch, and another weight */
    bad[2].sites[1].site.weight = 2;
    bad[3].site_count = 2;
    bad[4] = *present; /* the same epoch, and another verdict */
    bad[4].sites[0].drain = ROUTER_DRAINED;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(router_judge_adopt(&w.judge, &bad[i], w.now_ms), ERR_INVALID, "verdict %zu",
                     i);
    cr_assert_eq(router_judge_adopt(&w.judge, NULL, 0), ERR_INVALID);
    cr_assert_eq(router_judge_adopt(NULL, present, 0), ERR_INVALID);
    cr_assert_eq(router_judge_decide(&w.judge, 0, NULL), ERR_INVALID);
    cr_assert_eq(router_judge_decide(NULL, 0, &bad[0]), ERR_INVALID);
    cr_assert_eq(present->epoch, 7);
}

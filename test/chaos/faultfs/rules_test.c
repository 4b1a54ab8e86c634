/* The faults in force: which call meets which, how often, and who waits. */
#include "rules.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

static void rules_with(struct rules *rules, const char *line)
{
    struct command command;
    char why[512];
    cr_assert_eq(command_parse(line, &command, why, sizeof why), 0, "%s", why);
    cr_assert_eq(rules_add(rules, &command), 0);
}

static int meet(struct rules *rules, enum command_call call, const char *path)
{
    return rules_meet(rules, call, path).err;
}

Test(faultfs_rules, a_fault_strikes_its_call_and_its_paths_only)
{
    struct rules rules;
    rules_init(&rules, 1);
    cr_assert_not(rules_are_there(&rules));
    rules_with(&rules, "fail write path=wal/*");
    cr_assert(rules_are_there(&rules));
    cr_assert_eq(meet(&rules, CALL_WRITE, "wal/1"), EIO);
    cr_assert_eq(meet(&rules, CALL_WRITE, "segments/1"), 0);
    cr_assert_eq(meet(&rules, CALL_READ, "wal/1"), 0);
    rules_clear(&rules);
    cr_assert_eq(meet(&rules, CALL_WRITE, "wal/1"), 0);
}

Test(faultfs_rules, some_pass_first_then_so_many_fail_and_it_is_over)
{
    struct rules rules;
    rules_init(&rules, 1);
    rules_with(&rules, "fail fsync after=2 count=3 errno=ENOSPC");
    static const int expected[] = {0, 0, ENOSPC, ENOSPC, ENOSPC, 0};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        cr_assert_eq(meet(&rules, CALL_FSYNC, "x"), expected[i], "call %zu", i);
    cr_assert_not(rules_are_there(&rules));
    cr_assert_eq(rules.struck[COMMAND_FAIL], 3);
}

Test(faultfs_rules, of_fail_lose_and_misdirect_the_oldest_strikes)
{
    struct rules rules;
    rules_init(&rules, 1);
    rules_with(&rules, "lose write count=1");
    rules_with(&rules, "fail write");
    struct verdict verdict = rules_meet(&rules, CALL_WRITE, "x");
    cr_assert(verdict.is_lost && verdict.err == 0);
    verdict = rules_meet(&rules, CALL_WRITE, "x");
    cr_assert(!verdict.is_lost && verdict.err == EIO);
}

Test(faultfs_rules, a_pattern_without_slash_means_the_last_part_too)
{
    cr_assert(rules_path_matches("*", "a/b/c"));
    cr_assert(rules_path_matches("*.log", "a/b.log"));
    cr_assert(rules_path_matches("b.log", "a/b.log"));
    cr_assert(rules_path_matches("a/*", "a/b/c"));
    cr_assert_not(rules_path_matches("b/c.log", "a/b/c.log"));
    cr_assert_not(rules_path_matches("a", "a/b"));
}

Test(faultfs_rules, there_is_a_bound_on_faults_in_force)
{
    struct rules rules;
    rules_init(&rules, 1);
    struct command command;
    char why[512];
    command_parse("fail read", &command, why, sizeof why);
    for (unsigned i = 0; i < RULES_COUNT_MAX; i++)
        cr_assert_eq(rules_add(&rules, &command), 0);
    cr_assert_eq(rules_add(&rules, &command), -1);
}

static void *meet_slowly(void *data)
{
    rules_meet(data, CALL_READ, "slow");
    return NULL;
}

/* The slow call would sleep for ten minutes: the test ends because healing wakes it, and other
 * calls pass meanwhile. */
Test(faultfs_rules, a_slow_call_lets_others_pass_and_healing_wakes_it, .timeout = 60)
{
    struct rules rules;
    pthread_t thread;
    rules_init(&rules, 1);
    rules_with(&rules, "slow read ms=600000 path=slow");
    cr_assert_eq(pthread_create(&thread, NULL, meet_slowly, &rules), 0);
    bool is_asleep = false;
    while (!is_asleep) { /* it counts itself before it sleeps, under the lock it sleeps with */
        pthread_mutex_lock(&rules.lock);
        is_asleep = rules.struck[COMMAND_SLOW] == 1;
        pthread_mutex_unlock(&rules.lock);
    }
    cr_assert_eq(meet(&rules, CALL_READ, "fast"), 0);
    rules_clear(&rules);
    pthread_join(thread, NULL);
}

Test(faultfs_rules, what_is_in_force_can_be_read)
{
    struct rules rules;
    char text[1024];
    rules_init(&rules, 1);
    rules_with(&rules, "fail write errno=ENOSPC path=a* count=4 after=2");
    rules_with(&rules, "slow fsync ms=200 jitter_ms=7");
    rules_describe(&rules, text, sizeof text);
    cr_assert_str_eq(text, " fault=\"fail write errno=ENOSPC path=a* count=4 after=2\""
                           " fault=\"slow fsync ms=200 jitter_ms=7 path=* after=0\"");
    rules_describe(&rules, text, 20);
    cr_assert_lt(strlen(text), 20);
}

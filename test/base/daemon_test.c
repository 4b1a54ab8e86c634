/* What nodes and routers do alike as programs. */
#include "base/daemon.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

static struct daemon_arguments arguments;

/* Each test is a process of its own: getopt reads one command line in it. */
static int read_line(const char *const *words)
{
    char *values[8] = {"program"};
    int count = 1;
    for (; *words != NULL; words++)
        values[count++] = (char *)(uintptr_t)*words;
    return daemon_read_arguments("program", count, values, &arguments);
}

#define READ(...) read_line((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

Test(daemon, serves_by_the_file_that_it_is_given)
{
    cr_assert_eq(READ("--config", "a.yaml"), -1);
    cr_assert_str_eq(arguments.config, "a.yaml");
    cr_assert_not(arguments.should_check || arguments.should_print);
}

Test(daemon, checks_or_prints_when_it_is_asked_to)
{
    cr_assert_eq(READ("--print-config", "--check", "--config=a.yaml"), -1);
    cr_assert(arguments.should_check && arguments.should_print);
}

Test(daemon, ends_without_a_file)
{
    cr_assert_eq(READ("--check"), 2);
}

Test(daemon, ends_with_words_that_it_does_not_know)
{
    cr_assert_eq(READ("--config", "a.yaml", "more"), 2);
}

Test(daemon, ends_with_an_option_that_it_does_not_know)
{
    cr_assert_eq(READ("--config", "a.yaml", "--more"), 2);
}

Test(daemon, ends_well_when_it_is_asked_for_help)
{
    cr_assert_eq(READ("--help"), 0);
}

static void *take_signal(void *signals)
{
    static int number;
    sigwait(signals, &number);
    return &number;
}

Test(daemon, takes_a_signal_where_it_waits_for_it_and_dies_of_none, .timeout = 60)
{
    sigset_t signals = daemon_block_signals((const int[]){SIGTERM, SIGHUP, 0});
    pthread_t waiter;
    void *number;
    cr_assert_eq(pthread_create(&waiter, NULL, take_signal, &signals), 0);
    cr_assert_eq(kill(getpid(), SIGHUP), 0);
    cr_assert_eq(pthread_join(waiter, &number), 0);
    cr_assert_eq(*(int *)number, SIGHUP);
    cr_assert_eq(raise(SIGPIPE), 0);
}

/* Runs registered tests one after another, each in a forked process, so that a crash or a race
 * in one is that one's failure. Takes of Criterion's options --tap=FILE and --timeout SECONDS
 * and passes over the others: tools/run-unit calls both kinds of binaries alike. */
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plain/criterion/criterion.h"

static struct plain_test *first_test;
static struct plain_suite *first_suite;

void plain_register(struct plain_test *test)
{
    test->next = first_test;
    first_test = test;
}

void plain_register_suite(struct plain_suite *suite)
{
    suite->next = first_suite;
    first_suite = suite;
}

/* The test's own options, completed by its suite's. */
static struct plain_options options_of(const struct plain_test *test, double timeout)
{
    struct plain_options o = test->options;
    for (const struct plain_suite *s = first_suite; s != NULL; s = s->next) {
        if (strcmp(s->name, test->suite) != 0)
            continue;
        o.init = o.init != NULL ? o.init : s->options.init;
        o.fini = o.fini != NULL ? o.fini : s->options.fini;
        o.signal = o.signal != 0 ? o.signal : s->options.signal;
        o.exit_code = o.exit_code != 0 ? o.exit_code : s->options.exit_code;
        o.timeout = o.timeout > 0 ? o.timeout : s->options.timeout;
        o.disabled |= s->options.disabled;
    }
    o.timeout = o.timeout > 0 ? o.timeout : timeout;
    return o;
}

_Noreturn void plain_fail(const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: failed: %s", file, line, what);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

/* A sanitizer's report makes the process end with an error: exit() lets it speak. */
_Noreturn static void run_here(const struct plain_test *test, const struct plain_options *o)
{
    alarm((unsigned)o->timeout + 1);
    if (o->init != NULL)
        o->init();
    test->run();
    if (o->fini != NULL)
        o->fini();
    exit(0);
}

static bool run_forked(const struct plain_test *test, const struct plain_options *o)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_here(test, o);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (WIFSIGNALED(status) && WTERMSIG(status) != o->signal)
        fprintf(stderr, "%s::%s: %s\n", test->suite, test->name, strsignal(WTERMSIG(status)));
    if (o->signal != 0)
        return WIFSIGNALED(status) && WTERMSIG(status) == o->signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == o->exit_code;
}

int main(int argument_count, char **arguments)
{
    double timeout_seconds = 60;
    unsigned failed = 0;
    FILE *report = stdout;
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], "--tap=", 6) == 0)
            report = fopen(arguments[i] + 6, "w");
        else if (strcmp(arguments[i], "--timeout") == 0 && i + 1 < argument_count)
            timeout_seconds = strtod(arguments[++i], NULL);
    }
    if (report == NULL)
        return 2;
    for (const struct plain_test *t = first_test; t != NULL; t = t->next) {
        struct plain_options o = options_of(t, timeout_seconds);
        if (o.disabled)
            continue;
        bool is_fine = run_forked(t, &o);
        failed += !is_fine;
        fprintf(report, "%s - %s::%s\n", is_fine ? "ok" : "not ok", t->suite, t->name);
    }
    return fclose(report) == 0 && failed == 0 ? 0 : 1;
}

/* Runs registered tests, each in a forked process, so that a crash or a race in one is that one's
 * failure. Takes of Criterion's options --tap=FILE, --timeout SECONDS, --jobs COUNT and
 * --filter SUITE/NAME (a pattern) and passes over the others: tools/run-unit calls both kinds of
 * binaries alike. */
#include <fnmatch.h>
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

#define JOBS_MAX 64

/* What the command line asks for. */
struct settings {
    double timeout_seconds;
    size_t jobs;        /* tests at once */
    const char *filter; /* which tests, or NULL */
    FILE *report;
};

/* A test under way. */
struct job {
    pid_t child; /* 0: none */
    const struct plain_test *test;
    struct plain_options options;
};

static struct job jobs[JOBS_MAX];

static bool is_fine(const struct job *j, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) != j->options.signal)
        fprintf(stderr, "%s::%s: %s\n", j->test->suite, j->test->name, strsignal(WTERMSIG(status)));
    if (j->options.signal != 0)
        return WIFSIGNALED(status) && WTERMSIG(status) == j->options.signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == j->options.exit_code;
}

/* Says how a test went; how many failed. */
static unsigned told(FILE *report, const struct plain_test *test, bool is_passed)
{
    fprintf(report, "%s - %s::%s\n", is_passed ? "ok" : "not ok", test->suite, test->name);
    return !is_passed;
}

/* Waits for one test under way; how many failed. */
static unsigned reap(const struct settings *s)
{
    int status = 0;
    pid_t child = wait(&status);
    for (size_t i = 0; child > 0 && i < s->jobs; i++) {
        if (jobs[i].child != child)
            continue;
        jobs[i].child = 0;
        return told(s->report, jobs[i].test, is_fine(&jobs[i], status));
    }
    return child < 0;
}

static unsigned start(const struct settings *s, struct job *j, const struct plain_test *test)
{
    *j = (struct job){.test = test, .options = options_of(test, s->timeout_seconds)};
    if (j->options.disabled)
        return 0;
    fflush(NULL);
    j->child = fork();
    if (j->child == 0)
        run_here(test, &j->options);
    if (j->child > 0)
        return 0;
    j->child = 0;
    return told(s->report, test, false);
}

static struct job *free_job(const struct settings *s)
{
    for (size_t i = 0; i < s->jobs; i++)
        if (jobs[i].child == 0)
            return &jobs[i];
    return NULL;
}

static bool is_busy(const struct settings *s)
{
    for (size_t i = 0; i < s->jobs; i++)
        if (jobs[i].child != 0)
            return true;
    return false;
}

static bool is_asked_for(const struct settings *s, const struct plain_test *test)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
    return s->filter == NULL || fnmatch(s->filter, name, 0) == 0;
}

static struct settings settings_of(int argument_count, char **arguments)
{
    struct settings s = {.timeout_seconds = 60, .jobs = 1, .report = stdout};
    for (int i = 1; i < argument_count; i++) {
        bool is_followed = i + 1 < argument_count;
        if (strncmp(arguments[i], "--tap=", 6) == 0)
            s.report = fopen(arguments[i] + 6, "w");
        else if (strcmp(arguments[i], "--timeout") == 0 && is_followed)
            s.timeout_seconds = strtod(arguments[++i], NULL);
        else if (strcmp(arguments[i], "--jobs") == 0 && is_followed)
            s.jobs = strtoul(arguments[++i], NULL, 10);
        else if (strcmp(arguments[i], "--filter") == 0 && is_followed)
            s.filter = arguments[++i];
    }
    s.jobs = s.jobs < 1 ? 1 : s.jobs > JOBS_MAX ? JOBS_MAX : s.jobs;
    return s;
}

int main(int argument_count, char **arguments)
{
    struct settings s = settings_of(argument_count, arguments);
    if (s.report == NULL)
        return 2;
    unsigned failed = 0;
    for (const struct plain_test *t = first_test; t != NULL; t = t->next) {
        if (!is_asked_for(&s, t))
            continue;
        if (free_job(&s) == NULL)
            failed += reap(&s);
        if (free_job(&s) == NULL)
            return 2;
        failed += start(&s, free_job(&s), t);
    }
    while (is_busy(&s))
        failed += reap(&s);
    return fclose(s.report) == 0 && failed == 0 ? 0 : 1;
}

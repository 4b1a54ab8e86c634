/* Runs registered tests one after another, each in a forked process, so that a crash or a race
 * in one is that one's failure. Takes of Criterion's options --tap=FILE and --timeout SECONDS
 * and passes over the others: tools/run-unit calls both kinds of binaries alike. */
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plain/criterion/criterion.h"

static struct plain_test *first_test;

void plain_register(struct plain_test *test)
{
    test->next = first_test;
    first_test = test;
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
static bool run_forked(const struct plain_test *test, unsigned timeout_seconds)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child == 0) {
        alarm(timeout_seconds);
        test->run();
        exit(0);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argument_count, char **arguments)
{
    unsigned timeout_seconds = 60, failed = 0;
    FILE *report = stdout;
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], "--tap=", 6) == 0)
            report = fopen(arguments[i] + 6, "w");
        else if (strcmp(arguments[i], "--timeout") == 0 && i + 1 < argument_count)
            timeout_seconds = (unsigned)strtoul(arguments[++i], NULL, 10);
    }
    if (report == NULL)
        return 2;
    for (const struct plain_test *t = first_test; t != NULL; t = t->next) {
        bool is_fine = run_forked(t, timeout_seconds);
        failed += !is_fine;
        fprintf(report, "%s - %s::%s\n", is_fine ? "ok" : "not ok", t->suite, t->name);
    }
    return fclose(report) == 0 && failed == 0 ? 0 : 1;
}

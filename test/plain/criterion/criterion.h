/* Criterion's macros, as far as our tests use them, on a runner of our own (plain/runner.c).
 *
 * For the thread sanitizer only: Criterion's sandbox wants memory at addresses where that
 * sanitizer allows none. The same test files, each test in a forked process, the same report. */
#ifndef PLAIN_CRITERION_H
#define PLAIN_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a suite or of one test; what the test does not say, its suite does. */
struct plain_options {
    void (*init)(void), (*fini)(void); /* around the test, in its process */
    int signal;                        /* the test must end by it */
    int exit_code;                     /* the test must end with it */
    double timeout;                    /* seconds */
    bool disabled;                     /* not run, not counted */
};

struct plain_suite {
    const char *name;
    struct plain_options options;
    struct plain_suite *next;
};

struct plain_test {
    const char *suite, *name;
    void (*run)(void);
    struct plain_options options;
    struct plain_test *next;
};

void plain_register(struct plain_test *test);
void plain_register_suite(struct plain_suite *suite);

/* Prints where and what, and ends the test's process. */
_Noreturn void plain_fail(const char *file, int line, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define TestSuite(name_, ...)                                                                      \
    static struct plain_suite name_##_suite = {.name = #name_, .options = {__VA_ARGS__}};          \
    __attribute__((constructor)) static void name_##_suite_register(void)                          \
    {                                                                                              \
        plain_register_suite(&name_##_suite);                                                      \
    }                                                                                              \
    struct plain_suite

#define Test(suite_, name_, ...)                                                                   \
    static void suite_##_##name_##_run(void);                                                      \
    static struct plain_test suite_##_##name_##_test = {.suite = #suite_,                          \
                                                        .name = #name_,                            \
                                                        .run = suite_##_##name_##_run,             \
                                                        .options = {__VA_ARGS__}};                 \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                     \
    {                                                                                              \
        plain_register(&suite_##_##name_##_test);                                                  \
    }                                                                                              \
    static void suite_##_##name_##_run(void)

/* The message is optional; the text before it keeps the format from being empty. */
#define PLAIN_CHECK(is_fine, what, ...)                                                            \
    do {                                                                                           \
        if (!(is_fine))                                                                            \
            plain_fail(__FILE__, __LINE__, what, " " __VA_ARGS__);                                 \
    } while (0)

#define cr_assert(condition, ...)     PLAIN_CHECK(condition, #condition, __VA_ARGS__)
#define cr_assert_not(condition, ...) PLAIN_CHECK(!(condition), "not " #condition, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)       PLAIN_CHECK((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)      PLAIN_CHECK((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)       PLAIN_CHECK((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)      PLAIN_CHECK((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)       PLAIN_CHECK((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)      PLAIN_CHECK((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...)        PLAIN_CHECK((a) == NULL, #a " is null", __VA_ARGS__)
#define cr_assert_not_null(a, ...)    PLAIN_CHECK((a) != NULL, #a " is not null", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)                                                                \
    PLAIN_CHECK(strcmp(a, b) == 0, #a " is the text " #b, __VA_ARGS__)
#define cr_assert_str_empty(a, ...) PLAIN_CHECK((a)[0] == '\0', #a " is empty", __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
    PLAIN_CHECK(strcmp(a, b) != 0, #a " is not the text " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...)                                                          \
    PLAIN_CHECK(memcmp(a, b, size) == 0, #a " has the bytes of " #b, __VA_ARGS__)
#define cr_assert_arr_neq(a, b, size, ...)                                                         \
    PLAIN_CHECK(memcmp(a, b, size) != 0, #a " has not the bytes of " #b, __VA_ARGS__)
#define cr_assert_fail(...) PLAIN_CHECK(false, "never here", __VA_ARGS__)
#define cr_fail(...)        PLAIN_CHECK(false, "never here", __VA_ARGS__)

#endif

#include "target.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char trouble[512];

/* The file of this run; unlinked by the caller. */
static const char *file_of(const char *text)
{
    static char path[] = "/tmp/trilog-cli-XXXXXX";
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int file = mkstemp(path);
    cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    return path;
}

static void forget_environment(void)
{
    unsetenv("TRILOG_ADMIN");
    unsetenv("TRILOG_TOKEN_FILE");
    setenv("TRILOG_CONFIG", "/dev/null", 1);
}

Test(cli_target, asks_this_machine_when_nothing_is_said, .init = forget_environment)
{
    struct arguments a = {0};
    struct targets t;
    cr_assert(targets_find(&a, &t, trouble, sizeof trouble), "%s", trouble);
    cr_assert_eq(t.count, 1);
    cr_assert_str_eq(t.urls[0], "http://127.0.0.1:9600");
    cr_assert_str_eq(t.token, "");
}

Test(cli_target, takes_the_command_line_before_the_environment_before_the_file,
     .init = forget_environment)
{
    struct arguments a = {0};
    struct targets t;
    const char *path = file_of("# ours\nadmin file-1:1\n  admin\tfile-2:2  \n\n");
    setenv("TRILOG_CONFIG", path, 1);
    cr_assert(targets_find(&a, &t, trouble, sizeof trouble), "%s", trouble);
    cr_assert_eq(t.count, 2);
    cr_assert_str_eq(t.urls[1], "http://file-2:2");
    setenv("TRILOG_ADMIN", "env-1:1,env-2:2", 1);
    cr_assert(targets_find(&a, &t, trouble, sizeof trouble), "%s", trouble);
    cr_assert_eq(t.count, 2);
    cr_assert_str_eq(t.urls[0], "http://env-1:1");
    a.admins[0] = "line:3";
    a.admin_count = 1;
    cr_assert(targets_find(&a, &t, trouble, sizeof trouble), "%s", trouble);
    cr_assert_eq(t.count, 1);
    cr_assert_str_eq(t.urls[0], "http://line:3");
    unlink(path);
}

Test(cli_target, reads_the_token_from_the_file_that_is_named, .init = forget_environment)
{
    struct arguments a = {0};
    struct targets t;
    const char *path = file_of("correct-horse-battery\n");
    a.values[OPTION_TOKEN_FILE] = path;
    cr_assert(targets_find(&a, &t, trouble, sizeof trouble), "%s", trouble);
    cr_assert_str_eq(t.token, "correct-horse-battery");
    unlink(path);
    cr_assert_not(targets_find(&a, &t, trouble, sizeof trouble), "the file is gone");
}

Test(cli_target, refuses_a_file_that_says_something_else, .init = forget_environment)
{
    struct arguments a = {0};
    struct targets t;
    const char *path = file_of("admins h:1\n");
    setenv("TRILOG_CONFIG", path, 1);
    cr_assert_not(targets_find(&a, &t, trouble, sizeof trouble));
    unlink(path);
    cr_assert_not(targets_find(&a, &t, trouble, sizeof trouble), "one that was named must exist");
}

Test(cli_target, takes_names_and_addresses_with_a_port_only)
{
    char url[TARGET_URL_SIZE];
    cr_assert(target_url("[::1]:9600", url));
    cr_assert_str_eq(url, "http://[::1]:9600");
    cr_assert(target_url("https://log-a.example:443", url));
    cr_assert_str_eq(url, "https://log-a.example:443");
    const char *wrong[] = {"",     "host",      ":9600",      "host:0",        "host:70000",
                           "h:9x", "h/../x:80", "u:p@h:9600", "file:///etc:1", "h :9600"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_not(target_url(wrong[i], url), "%s", wrong[i]);
}

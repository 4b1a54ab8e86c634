/* Who may ask the operator's port. */
#include "base/http_guard.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char token[] = "correct-horse-battery-staple";

static struct http_guard guard_with(const char *text)
{
    struct http_guard guard = {.listen_host = "log-a.example"};
    guard.token_size = strlen(text);
    memcpy(guard.token, text, guard.token_size);
    return guard;
}

/* Reads a token file of this text; the code, and the guard in `*guard`. */
static int read_token(const char *text, size_t size, struct http_guard *guard)
{
    char path[] = "/tmp/trilog-token-XXXXXX";
    int file = mkstemp(path);
    cr_assert_eq(write(file, text, size), (ssize_t)size);
    close(file);
    struct err_note note = {0};
    int err = guard_read_token(guard, path, &note);
    unlink(path);
    return err;
}

Test(admin_guard, takes_the_whole_token_and_nothing_else)
{
    struct http_guard guard = guard_with(token);
    cr_assert(guard_has_token(&guard, "Bearer correct-horse-battery-staple"));
    cr_assert(guard_has_token(&guard, "bearer correct-horse-battery-staple"));
    const char *wrong[] = {NULL,
                           "",
                           "Bearer",
                           "Bearer ",
                           "correct-horse-battery-staple",
                           "Basic correct-horse-battery-staple",
                           "Bearer correct-horse-battery-stapl",
                           "Bearer correct-horse-battery-staplf",
                           "Bearer  correct-horse-battery-staple",
                           "Bearer correct-horse-battery-staple ",
                           "Bearer correct-horse-battery-staplecorrect-horse-battery-staple"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_not(guard_has_token(&guard, wrong[i]), "%s", wrong[i]);
}

Test(admin_guard, wants_no_token_where_none_is_set)
{
    struct http_guard guard = guard_with("");
    cr_assert(guard_has_token(&guard, NULL));
}

Test(admin_guard, reads_a_token_without_its_line_end)
{
    struct http_guard guard = {0};
    cr_assert_eq(read_token("correct-horse-battery-staple\r\n", 30, &guard), 0);
    cr_assert_str_eq(guard.token, token);
}

Test(admin_guard, reads_the_longest_token_with_its_line_end)
{
    struct http_guard guard = {0};
    char text[GUARD_TOKEN_SIZE_MAX + 3];
    memset(text, 'x', sizeof text);
    memcpy(text + GUARD_TOKEN_SIZE_MAX, "\r\n", 2);
    cr_assert_eq(read_token(text, GUARD_TOKEN_SIZE_MAX + 2, &guard), 0);
    cr_assert_eq(guard.token_size, GUARD_TOKEN_SIZE_MAX);
    cr_assert_eq(read_token(text, sizeof text, &guard), ERR_INVALID, "more behind it");
}

Test(admin_guard, takes_no_part_of_a_file_for_the_token)
{
    struct http_guard guard = {0};
    struct err_note note = {0};
    static const char text[] = "correct-horse-battery-staple\0and-more";
    cr_assert_eq(read_token(text, sizeof text, &guard), ERR_INVALID);
    cr_assert_eq(guard_read_token(&guard, "/", &note), UV_EISDIR, "what can't be read is no token");
    cr_assert_not_null(strstr(note.text, "admin_token_file /"));
    cr_assert_eq(guard.token_size, 0);
}

Test(admin_guard, refuses_a_token_that_is_short_long_or_not_one_line)
{
    struct http_guard guard = {0};
    char large[GUARD_TOKEN_SIZE_MAX + 1];
    memset(large, 'x', sizeof large);
    cr_assert_eq(read_token("", 0, &guard), ERR_INVALID);
    cr_assert_eq(read_token("short\n", 6, &guard), ERR_INVALID);
    cr_assert_eq(read_token("two-lines-of-it\ntwo-lines-of-it\n", 32, &guard), ERR_INVALID);
    cr_assert_eq(read_token("nul\0is-not-a-character", 22, &guard), ERR_INVALID);
    cr_assert_eq(read_token(large, sizeof large, &guard), ERR_INVALID);
    cr_assert_eq(read_token(large, sizeof large - 1, &guard), 0);
    struct err_note note = {0};
    cr_assert_eq(guard_read_token(&guard, "/nonexistent/token", &note), UV_ENOENT);
    cr_assert_not_null(strstr(note.text, "/nonexistent/token"));
}

Test(admin_guard, knows_addresses_and_its_own_names_and_no_name_that_could_be_turned)
{
    struct http_guard guard = guard_with("");
    const char *own[] = {"127.0.0.1",  "127.0.0.1:9600", "localhost:9600",     "LOCALHOST",
                         "[::1]:9600", "[fe80::1]",      "log-a.example:9600", "10.1.2.3:80"};
    const char *foreign[] = {NULL,
                             "",
                             "evil.example",
                             "evil.example:9600",
                             "127.0.0.1.evil.example",
                             "localhost.evil.example",
                             "[::1",
                             "[]:80",
                             "127.0.0.1:80:evil",
                             "127.0.0.1:x"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        cr_assert(guard_is_own_host(&guard, own[i]), "%s", own[i]);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        cr_assert_not(guard_is_own_host(&guard, foreign[i]), "%s", foreign[i]);
}

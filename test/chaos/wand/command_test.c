/* Commands: what they change, what they answer, and that a refused one changes nothing. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static struct delay_line b, c;
static struct delay_line *const lines[] = {&b, &c};
static char answer[COMMAND_ANSWER_BYTES];

static void open_lines(void)
{
    cr_assert_eq(delay_line_init(&b, "b", 8, 1), 0);
    cr_assert_eq(delay_line_init(&c, "c", 8, 2), 0);
}

static void close_lines(void)
{
    delay_line_close(&b);
    delay_line_close(&c);
}

static const char *say(const char *line)
{
    command_answer(line, lines, 2, answer, sizeof answer);
    return answer;
}

TestSuite(command, .init = open_lines, .fini = close_lines);

Test(command, sets_the_fields_that_it_names_and_leaves_the_others)
{
    cr_assert_str_eq(say("set b delay_us=25000 jitter_us=500 loss_percent=0.5 reorder=1"), "ok\n");
    cr_assert_eq(b.settings.delay_ns, 25000000);
    cr_assert_eq(b.settings.jitter_ns, 500000);
    cr_assert_eq(b.settings.loss_ppm, 5000);
    cr_assert(b.settings.is_reordering);
    cr_assert_str_eq(say("set b  jitter_us=0 "), "ok\n");
    cr_assert_eq(b.settings.delay_ns, 25000000);
    cr_assert_eq(b.settings.jitter_ns, 0);
    cr_assert_eq(c.settings.delay_ns, 0);
}

Test(command, shows_each_queue_or_the_one_that_is_named)
{
    say("set c delay_us=7 loss_percent=20");
    b.dropped = 3;
    cr_assert_str_eq(say("show"),
                     "b delay_us=0 jitter_us=0 loss_percent=0.0000 reorder=0 held=0 held_max=0 "
                     "passed=0 lost=0 dropped=3\n"
                     "c delay_us=7 jitter_us=0 loss_percent=20.0000 reorder=0 held=0 held_max=0 "
                     "passed=0 lost=0 dropped=0\nok\n");
    cr_assert_eq(strncmp(say("show c"), "c delay_us=7 ", 13), 0);
}

Test(command, reads_percent_to_the_fourth_place)
{
    const struct {
        const char *text;
        uint32_t ppm;
    } good[] = {{"0", 0}, {"1", 10000}, {"0.0001", 1}, {"5.25", 52500}, {"100", 1000000}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char line[64];
        snprintf(line, sizeof line, "set b loss_percent=%s", good[i].text);
        cr_assert_str_eq(say(line), "ok\n", "%s", good[i].text);
        cr_assert_eq(b.settings.loss_ppm, good[i].ppm, "%s", good[i].text);
    }
}

Test(command, refuses_what_it_does_not_understand_and_changes_nothing)
{
    const char *const bad[] = {
        "",
        " ",
        "put b delay_us=1",
        "set",
        "set b",
        "set d delay_us=1",
        "show d",
        "set b delay_us",
        "set b delay_us=",
        "set b delay_us=-1",
        "set b delay_us=1x",
        "set b delay_us=60000001",
        "set b delay_us=99999999999999999999",
        "set b delay_ms=1",
        "set b =1",
        "set b delay_us=1 jitter_us=x",
        "set b reorder=2",
        "set b loss_percent=100.1",
        "set b loss_percent=1.",
        "set b loss_percent=.5",
        "set b loss_percent=0.00001",
        "set b loss_percent=1000",
        "set b loss_percent=1%",
        "set b delay_us=1\tjitter_us=1",
        "show \x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(strncmp(say(bad[i]), "error ", 6), 0, "\"%s\" gave %s", bad[i], answer);
        cr_assert_eq(answer[strlen(answer) - 1], '\n');
        cr_assert_eq(b.settings.delay_ns, 0, "\"%s\" changed something", bad[i]);
    }
}

Test(command, refuses_a_line_beyond_its_bound)
{
    char line[COMMAND_LINE_BYTES + 1];
    memset(line, 'x', sizeof line);
    line[COMMAND_LINE_BYTES] = '\0';
    cr_assert_eq(strncmp(say(line), "error a line has at most ", 25), 0);
}

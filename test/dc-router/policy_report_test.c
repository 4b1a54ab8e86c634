/* What is found of the ways between sites, as text. */
#include "dc-router/policy_report.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *text, struct router_told reports[ROUTER_REPORTS_MAX])
{
    struct err_note note = {0};
    return router_report_read(bytes_of_text(text), reports, &note);
}

Test(router_policy_report, reads_reports_as_clients_write_them)
{
    struct router_told r[ROUTER_REPORTS_MAX];
    cr_assert_eq(parse("from=a to=b stage=produce age_ms=120; from=a to=c-1 stage=none", r), 2);
    cr_assert_str_eq(r[0].from, "a");
    cr_assert_str_eq(r[0].to, "b");
    cr_assert_eq(r[0].stage, ROUTER_STAGE_PRODUCE);
    cr_assert_eq(r[0].age_ms, 120);
    cr_assert_str_eq(r[1].to, "c-1");
    cr_assert_eq(r[1].stage, ROUTER_STAGE_NONE);
    cr_assert_eq(r[1].age_ms, 0);
}

Test(router_policy_report, refuses_what_is_no_report)
{
    static const char *const texts[] = {
        "",
        "from=a to=b",
        "to=b stage=none",
        "from=a to=b stage=bad",
        "from=a from=a to=b stage=none",
        "from=a to=b stage=none age_ms=",
        "from=a to=b stage=none age_ms=-1",
        "from=a to=b stage=none age_ms=99999999999999999999",
        "from=a to=b stage=none and=more",
        "from= to=b stage=none",
        "from=a to=0123456789012345678901234567890123456789 stage=none",
        "from=a to=b stage=none;;",
    };
    struct router_told r[ROUTER_REPORTS_MAX];
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert_eq(parse(texts[i], r), ERR_INVALID, "%s", texts[i]);
    char many[2000] = "";
    for (unsigned i = 0; i <= ROUTER_REPORTS_MAX; i++)
        strcat(many, "from=a to=b stage=none;");
    cr_assert_eq(parse(many, r), ERR_INVALID, "too many");
}

static struct router_told told_of(const char *from, const char *to, enum router_stage stage,
                                  uint64_t age_ms)
{
    struct router_told told = {.stage = stage, .age_ms = age_ms};
    snprintf(told.from, sizeof told.from, "%s", from);
    snprintf(told.to, sizeof told.to, "%s", to);
    return told;
}

Test(router_policy_report, what_is_written_is_read_as_it_was)
{
    struct router_told told[ROUTER_REPORTS_MAX], read[ROUTER_REPORTS_MAX];
    char text[ROUTER_REPORT_SIZE_MAX + 1];
    told[0] = told_of("a", "b", ROUTER_STAGE_ANSWER, 120);
    told[1] = told_of("a", "c-1", ROUTER_STAGE_NONE, 0);
    cr_assert_eq(router_report_write(told, 2, text, sizeof text), (int)strlen(text));
    cr_assert_str_eq(text, "from=a to=b stage=answer age_ms=120; from=a to=c-1 stage=none");
    for (unsigned i = 0; i < ROUTER_REPORTS_MAX; i++)
        told[i] = told_of("0123456789012345678901234567890", "1123456789012345678901234567890",
                          (enum router_stage)(i % ROUTER_STAGE_COUNT), 1000000 - i);
    cr_assert_eq(router_report_write(told, ROUTER_REPORTS_MAX, text, sizeof text),
                 (int)strlen(text), "the longest ones find room");
    cr_assert_eq(parse(text, read), ROUTER_REPORTS_MAX);
    for (unsigned i = 0; i < ROUTER_REPORTS_MAX; i++) {
        cr_assert_str_eq(read[i].from, told[i].from);
        cr_assert_str_eq(read[i].to, told[i].to);
        cr_assert_eq(read[i].stage, told[i].stage);
        cr_assert_eq(read[i].age_ms, told[i].age_ms);
    }
}

Test(router_policy_report, does_not_write_what_nobody_reads)
{
    static const char *const names[] = {"", "a b", "a;b", "a=b"};
    char text[64];
    struct router_told sound = told_of("a", "b", ROUTER_STAGE_NONE, 0), told;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        told = told_of("a", names[i], ROUTER_STAGE_NONE, 0);
        cr_assert_eq(router_report_write(&told, 1, text, sizeof text), ERR_INVALID);
    }
    told = told_of("a", "b", ROUTER_STAGE_COUNT, 0);
    cr_assert_eq(router_report_write(&told, 1, text, sizeof text), ERR_INVALID);
    told = told_of("a", "b", ROUTER_STAGE_NONE, UINT64_MAX);
    cr_assert_eq(router_report_write(&told, 1, text, sizeof text), ERR_INVALID);
    cr_assert_eq(router_report_write(&sound, 0, text, sizeof text), ERR_INVALID);
    int size = router_report_write(&sound, 1, text, sizeof text);
    cr_assert_gt(size, 0);
    for (size_t room = 0; room <= (size_t)size; room++)
        cr_assert_eq(router_report_write(&sound, 1, text, room), ERR_TOO_LARGE);
    cr_assert_eq(router_report_write(&sound, 1, text, (size_t)size + 1), size);
}

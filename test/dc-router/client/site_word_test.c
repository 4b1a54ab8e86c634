/* What an application tells the cluster of sites, and when. */
#include <criterion/criterion.h>
#include <string.h>

#include "site_word.h"

enum { A, B, C };

static struct site_choice choice;
static struct site_word word;
static char text[ROUTER_REPORT_SIZE_MAX + 1];

/* Of site a; the verdict knows a and b, and not yet c. */
static void open_word(void)
{
    struct router_site sites[] = {{"a", 1}, {"b", 1}};
    choice = (struct site_choice){.used = B};
    word = (struct site_word){0};
    strcpy(choice.own, "a");
    for (char name[] = "a"; name[0] <= 'c'; name[0]++)
        site_choice_site(&choice, name);
    cr_assert_eq(router_verdict_init(&choice.verdict, sites, 2, NULL), 0);
    choice.has_verdict = true;
}

TestSuite(client_site_word, .init = open_word);

Test(client_site_word, is_nothing_where_nothing_failed)
{
    cr_assert_not(site_word_due(&word, &choice, 5000, text));
    site_word_well(&word, B);
    cr_assert_not(site_word_due(&word, &choice, 5000, text));
}

Test(client_site_word, is_what_failed_just_now_once_a_second)
{
    site_word_failed(&word, B, ROUTER_STAGE_CONNECT, 4900);
    cr_assert(site_word_due(&word, &choice, 5000, text));
    cr_assert_str_eq(text, "from=a to=b stage=connect age_ms=100");
    site_word_told(&word, true, 5000);
    site_word_failed(&word, B, ROUTER_STAGE_ANSWER, 5400);
    cr_assert_not(site_word_due(&word, &choice, 5500, text));
    cr_assert(site_word_due(&word, &choice, 6000, text));
    cr_assert_str_eq(text, "from=a to=b stage=answer age_ms=600");
}

Test(client_site_word, says_nothing_of_what_nobody_has_tried_any_more)
{
    site_word_failed(&word, B, ROUTER_STAGE_CONNECT, 5000);
    cr_assert(site_word_due(&word, &choice, 6000, text));
    cr_assert_not(site_word_due(&word, &choice, 6001, text));
}

Test(client_site_word, says_once_that_all_is_well_and_only_of_what_was_told)
{
    site_word_failed(&word, A, ROUTER_STAGE_CONNECT, 5000);
    site_word_failed(&word, B, ROUTER_STAGE_CONNECT, 5000);
    site_word_well(&word, A); /* before anybody was told */
    cr_assert(site_word_due(&word, &choice, 5000, text));
    site_word_told(&word, true, 5000);
    site_word_well(&word, B);
    cr_assert(site_word_due(&word, &choice, 60000, text), "however late");
    cr_assert_str_eq(text, "from=a to=b stage=none");
    site_word_told(&word, true, 60000);
    cr_assert_not(site_word_due(&word, &choice, 70000, text));
}

Test(client_site_word, is_kept_from_who_refused_it_for_a_minute)
{
    site_word_failed(&word, B, ROUTER_STAGE_CONNECT, 5000);
    cr_assert(site_word_due(&word, &choice, 5000, text));
    site_word_told(&word, false, 5000);
    site_word_failed(&word, B, ROUTER_STAGE_CONNECT, 64900);
    cr_assert_not(site_word_due(&word, &choice, 64999, text));
    cr_assert(site_word_due(&word, &choice, 65000, text));
}

Test(client_site_word, names_sites_that_the_verdict_knows)
{
    site_word_failed(&word, C, ROUTER_STAGE_CONNECT, 5000);
    cr_assert_not(site_word_due(&word, &choice, 5000, text), "c is not known");
    site_word_failed(&word, B, ROUTER_STAGE_CONNECT, 5000);
    strcpy(choice.own, "c");
    cr_assert_not(site_word_due(&word, &choice, 5000, text), "nor who tells");
    strcpy(choice.own, "a");
    choice.has_verdict = false;
    cr_assert_not(site_word_due(&word, &choice, 5000, text), "nor anyone");
}

#include "table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *printed(struct table *t)
{
    char *text = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&text, &size);
    table_print(t, into);
    fclose(into);
    table_close(t);
    return text;
}

Test(cli_table, makes_columns_as_wide_as_what_stands_in_them)
{
    struct table t;
    table_init(&t, ">NODE|SITE|>FREE");
    table_number(&t, 1);
    table_text(&t, "frankfurt");
    table_bytes(&t, 1536);
    table_number(&t, 12);
    table_text(&t, "a");
    table_bytes(&t, -1);
    char *text = printed(&t);
    cr_assert_str_eq(text, "NODE  SITE          FREE\n"
                           "   1  frankfurt  1.5 KiB\n"
                           "  12  a                -\n");
    free(text);
}

Test(cli_table, counts_characters_not_bytes)
{
    struct table t;
    table_init(&t, "SITE|X");
    table_text(&t, "köln");
    table_text(&t, "1");
    char *text = printed(&t);
    cr_assert_str_eq(text, "SITE  X\nköln  1\n");
    free(text);
}

Test(cli_table, shows_no_control_character_of_what_a_node_says)
{
    struct table t;
    table_init(&t, "SITE");
    table_text(&t, "\033[31mred\n");
    char *text = printed(&t);
    cr_assert_str_eq(text, "SITE\n?[31mred?\n");
    free(text);
}

Test(cli_table, writes_sizes_and_durations_as_people_read_them)
{
    struct table t;
    table_init(&t, "A|B|C|D|E|F");
    table_bytes(&t, 1023);
    table_bytes(&t, 1024);
    table_bytes(&t, INT64_C(1) << 40);
    table_duration(&t, 9999);
    table_duration(&t, 10000);
    table_duration(&t, 3600000);
    char *text = printed(&t);
    cr_assert_not_null(strstr(text, "1023 B  1.0 KiB  1.0 TiB  9999 ms  10 s  60 min"), "%s", text);
    free(text);
}

Test(cli_table, holds_many_rows)
{
    struct table t;
    table_init(&t, ">N");
    for (int i = 0; i < 1000; i++)
        table_number(&t, i);
    char *text = printed(&t);
    cr_assert_not_null(strstr(text, "\n999\n"));
    free(text);
}

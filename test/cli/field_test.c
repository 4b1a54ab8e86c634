#include "field.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json);
    return json;
}

Test(cli_field, tells_what_is_not_known_from_zero)
{
    json_t *json = parsed("{\"lag\": 0, \"end\": null, \"text\": \"7\"}");
    cr_assert_eq(field_number_or(json, "lag", -1), 0);
    cr_assert_eq(field_number_or(json, "end", -1), -1);
    cr_assert_eq(field_number_or(json, "text", -1), -1, "a text is no number");
    cr_assert_eq(field_number_or(json, "gone", 9), 9);
    cr_assert_eq(field_number_or(NULL, "lag", 9), 9, "no answer says nothing");
    json_decref(json);
}

Test(cli_field, cuts_a_list_of_ids_that_is_too_long)
{
    char text[TABLE_CELL_SIZE];
    json_t *json = parsed("{\"few\": [1, 2, 30], \"none\": []}"), *many = json_array();
    cr_assert_str_eq(field_ids(json, "few", text), "1,2,30");
    cr_assert_str_eq(field_ids(json, "none", text), "");
    cr_assert_str_eq(field_ids(json, "gone", text), "");
    for (int i = 0; i < 1000; i++)
        json_array_append_new(many, json_integer(i));
    json_object_set_new(json, "many", many);
    cr_assert_eq(strlen(field_ids(json, "many", text)), TABLE_CELL_SIZE - 1);
    json_decref(json);
}

static void put_n(struct table *t, const json_t *row)
{
    field_put_number(t, row, "n", "?");
}

Test(cli_field, prints_a_row_for_each_of_an_array_and_nothing_for_none)
{
    char *printed = NULL;
    size_t size = 0;
    FILE *into = open_memstream(&printed, &size);
    json_t *json = parsed("{\"rows\": [{\"n\": 22}, {\"n\": null}], \"none\": []}");
    field_print_rows(into, ">N", json_object_get(json, "none"), put_n);
    field_print_rows(into, ">N", json_object_get(json, "gone"), put_n);
    field_print_rows(into, ">N", json_object_get(json, "rows"), put_n);
    fclose(into);
    cr_assert_str_eq(printed, " N\n22\n ?\n");
    free(printed);
    json_decref(json);
}

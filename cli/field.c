/* What a node answers, read by name.
 *
 * A number that is null, or not there, is one that the node does not know: it is shown as such, and
 * never as 0. */
#include "field.h"

int64_t field_number(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

int64_t field_number_or(const json_t *json, const char *name, int64_t absent)
{
    const json_t *value = json_object_get(json, name);
    return json_is_integer(value) ? json_integer_value(value) : absent;
}

const char *field_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "" : text;
}

bool field_flag(const json_t *json, const char *name)
{
    return json_is_true(json_object_get(json, name));
}

const char *field_moment(const json_t *json, const char *name, const char *absent,
                         char text[MOMENT_SIZE])
{
    const json_t *value = json_object_get(json, name);
    return json_is_integer(value) && moment_write(json_integer_value(value), text) ? text : absent;
}

const char *field_ids(const json_t *json, const char *name, char text[TABLE_CELL_SIZE])
{
    size_t position, used = 0;
    json_t *id;
    text[0] = '\0';
    json_array_foreach(json_object_get(json, name), position, id)
    {
        used += (size_t)snprintf(text + used, TABLE_CELL_SIZE - used, "%s%lld", used > 0 ? "," : "",
                                 (long long)json_integer_value(id));
        if (used >= TABLE_CELL_SIZE)
            break;
    }
    return text;
}

/* ---- cells ---- */

void field_put_number(struct table *t, const json_t *json, const char *name, const char *absent)
{
    const json_t *value = json_object_get(json, name);
    if (json_is_integer(value))
        table_number(t, json_integer_value(value));
    else
        table_text(t, absent);
}

void field_put_moment(struct table *t, const json_t *json, const char *name, const char *absent)
{
    char text[MOMENT_SIZE];
    table_text(t, field_moment(json, name, absent, text));
}

void field_put_duration(struct table *t, const json_t *json, const char *name)
{
    table_duration(t, field_number_or(json, name, -1));
}

void field_put_bytes(struct table *t, const json_t *json, const char *name)
{
    table_bytes(t, field_number_or(json, name, -1));
}

void field_put_ids(struct table *t, const json_t *json, const char *name)
{
    char text[TABLE_CELL_SIZE];
    table_text(t, field_ids(json, name, text));
}

/* ---- rows ---- */

void field_put_rows(struct table *t, const json_t *rows, field_row_cb put)
{
    size_t position;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, position, row)
    {
        put(t, row);
    }
}

void field_print_rows(FILE *into, const char *headings, const json_t *rows, field_row_cb put)
{
    struct table t;
    if (json_array_size(rows) == 0)
        return;
    table_init(&t, headings);
    field_put_rows(&t, rows, put);
    table_print(&t, into);
    table_close(&t);
}

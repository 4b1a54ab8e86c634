/* Along the rows of a table: where a setting is, and its default. */
#include "setting.h"

#include <assert.h>
#include <string.h>

#include "list.h"

const struct setting *table_find(const struct setting_table *table, const char *name)
{
    for (size_t i = 0; i < table->row_count; i++)
        if (table->rows[i].kind != KIND_HEADING && strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

const char *table_source(const struct setting_table *table, const void *settings)
{
    return (const char *)settings + table->source_offset;
}

uint32_t *table_lines(const struct setting_table *table, void *settings)
{
    return (void *)((char *)settings + table->lines_offset);
}

uint32_t table_line(const struct setting_table *table, const void *settings, size_t row)
{
    assert(row < table->row_count);
    const void *lines = (const char *)settings + table->lines_offset;
    return ((const uint32_t *)lines)[row];
}

void table_init(const struct setting_table *table, void *settings)
{
    memset(settings, 0, table->size);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct setting *s = &table->rows[i];
        const struct setting_list *list = list_of(s);
        assert(list == NULL || s->most <= list->entries_max);
        if (s->kind == KIND_HEADING || list != NULL || s->initial == NULL || s->initial[0] == '\0')
            continue;
        int err = value_read(s, s->initial, setting_field(settings, s), NULL);
        assert(err == 0); /* a default in the table breaks its own range */
        (void)err;
    }
}

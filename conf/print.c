/* Settings in effect, as a file that explains itself: a program's `--print-config` is the reference
 * of all its settings, so there is no list elsewhere that could fall behind. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "list.h"

#define LINE_WIDTH 100

/* A comment, broken between words. */
static void print_comment(const char *text, FILE *into)
{
    while (*text != '\0') {
        size_t length = strlen(text);
        if (length > LINE_WIDTH - 2) {
            length = LINE_WIDTH - 2;
            while (length > 0 && text[length] != ' ')
                length--;
            assert(length > 0); /* the table has no word of a whole line */
        }
        fprintf(into, "# %.*s\n", (int)length, text);
        text += length;
        text += *text == ' ';
    }
}

static void print_range(const struct setting *s, FILE *into)
{
    char least[32], most[32];
    if (s->kind == KIND_NUMBER) {
        value_write_number(s->unit, s->least, least, sizeof least);
        value_write_number(s->unit, s->most, most, sizeof most);
        fprintf(into, "#   %s%s%s", s->unit, s->unit[0] ? ", " : "", least);
        fprintf(into, s->most == INT64_MAX ? " or more" : " to %s", most);
    } else if (s->kind == KIND_FLAG) {
        fprintf(into, "#   true or false");
    } else if (s->kind == KIND_CHOICE) {
        fprintf(into, "#   %s", s->unit);
    } else if (s->kind == KIND_ADDRESS) {
        fprintf(into, "#   host:port%s%s", s->unit[0] ? " " : "", s->unit);
    } else if (s->kind == KIND_NETWORKS) {
        fprintf(into, "#   addresses and networks, a comma between them, or none");
    } else if (s->kind == KIND_PATTERNS) {
        fprintf(into,
                "#   names, or beginnings of names as orders-*, a comma between them, or none");
    } else {
        fprintf(into, list_of(s) != NULL ? "#   a list" : "#   text");
    }
    if (s->initial == NULL)
        fprintf(into, "; must be set\n");
    else if (s->initial[0] == '\0')
        fprintf(into, "; follows from others\n");
    else
        fprintf(into, "; default %s\n", s->initial);
}

/* "{id: 1, site: a}", or a single value. */
static void print_entry(const struct setting_list *list, const void *entry, FILE *into)
{
    char text[VALUE_SIZE];
    if (list->shape == NULL) {
        value_write(list->keys, entry, text);
        fputs(text, into);
        return;
    }
    for (size_t i = 0; i < list->key_count; i++) {
        value_write(&list->keys[i], setting_value(entry, &list->keys[i]), text);
        fprintf(into, "%s%s: %s", i > 0 ? ", " : "{", list->keys[i].name, text);
    }
    fputc('}', into);
}

static void print_list(const struct setting *s, const void *field, FILE *into)
{
    const struct setting_list *list = list_of(s);
    fprintf(into, "%s:%s\n", s->name, list_size(field) == 0 ? " []" : "");
    for (unsigned i = 0; i < list_size(field); i++) {
        fprintf(into, "  - ");
        print_entry(list, list_value(list, field, i), into);
        fputc('\n', into);
    }
}

/* A setting that must be set or follows from others, and is not there. */
static bool is_missing(const struct setting *s, const void *field)
{
    if (s->initial != NULL && s->initial[0] != '\0')
        return false;
    if (list_of(s) != NULL)
        return list_size(field) == 0;
    switch (s->kind) {
    case KIND_NUMBER:
        return *(const int64_t *)field == 0;
    case KIND_NAME:
    case KIND_PATH:
        return *(const char *)field == '\0';
    case KIND_ADDRESS:
        return ((const struct conf_address *)field)->host[0] == '\0';
    default:
        return false;
    }
}

static void print_setting(const struct setting *s, const void *field, FILE *into)
{
    char text[VALUE_SIZE];
    print_comment(s->meaning, into);
    print_range(s, into);
    if (is_missing(s, field)) {
        fprintf(into, "# %s:\n", s->name);
    } else if (list_of(s) != NULL) {
        print_list(s, field, into);
    } else {
        value_write(s, field, text);
        fprintf(into, "%s: %s\n", s->name, text);
    }
}

int table_print(const struct setting_table *table, const void *settings, FILE *into)
{
    for (size_t i = 0; i < table->row_count; i++) {
        const struct setting *s = &table->rows[i];
        if (s->kind == KIND_HEADING)
            fprintf(into, "%s# ---- %s ----\n", i > 0 ? "\n" : "", s->meaning);
        else
            print_setting(s, setting_value(settings, s), into);
    }
    if (fflush(into) != 0 || ferror(into))
        return uv_translate_sys_error(errno);
    return 0;
}

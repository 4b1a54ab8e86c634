/* Settings in effect, as a file that explains itself: `trilogd --print-config` is the reference
 * of all settings, so there is no list elsewhere that could fall behind. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "setting.h"

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
    } else {
        fprintf(into, s->kind == KIND_NODES ? "#   a list" : "#   text");
    }
    if (s->initial == NULL)
        fprintf(into, "; must be set\n");
    else if (s->initial[0] == '\0')
        fprintf(into, "; follows from others\n");
    else
        fprintf(into, "; default %s\n", s->initial);
}

static void print_nodes(const struct conf_nodes *nodes, FILE *into)
{
    fprintf(into, "nodes:\n");
    for (unsigned i = 0; i < nodes->count; i++) {
        char peer[CONF_ADDRESS_SIZE];
        value_write_address(&nodes->entries[i].peer, peer, sizeof peer);
        fprintf(into, "  - {id: %u, site: %s, peer: \"%s\"}\n", nodes->entries[i].id,
                nodes->entries[i].site, peer);
    }
}

/* A setting that must be set or follows from others, and is not there. */
static bool is_missing(const struct conf_settings *c, const struct setting *s)
{
    const void *field = setting_value(c, s);
    if (s->initial != NULL && s->initial[0] != '\0')
        return false;
    switch (s->kind) {
    case KIND_NUMBER:
        return *(const int64_t *)field == 0;
    case KIND_NAME:
    case KIND_PATH:
        return *(const char *)field == '\0';
    case KIND_ADDRESS:
        return ((const struct conf_address *)field)->host[0] == '\0';
    case KIND_NODES:
        return ((const struct conf_nodes *)field)->count == 0;
    default:
        return false;
    }
}

static void print_setting(const struct conf_settings *c, const struct setting *s, FILE *into)
{
    char text[VALUE_SIZE];
    print_comment(s->meaning, into);
    print_range(s, into);
    if (is_missing(c, s)) {
        fprintf(into, "# %s:\n", s->name);
    } else if (s->kind == KIND_NODES) {
        print_nodes(setting_value(c, s), into);
    } else {
        value_write(s, setting_value(c, s), text);
        fprintf(into, "%s: %s\n", s->name, text);
    }
}

int conf_print(const struct conf_settings *settings, FILE *into)
{
    for (size_t i = 0; i < CONF_ID_COUNT; i++) {
        if (conf_table[i].kind == KIND_HEADING)
            fprintf(into, "%s# ---- %s ----\n", i > 0 ? "\n" : "", conf_table[i].meaning);
        else
            print_setting(settings, &conf_table[i], into);
    }
    if (fflush(into) != 0 || ferror(into))
        return uv_translate_sys_error(errno);
    return 0;
}

/* From a YAML file to settings.
 *
 * libyaml reads the text; what it may mean here is little: one mapping from names of the table
 * to single values, or to lists of single values or mappings. Everything else is refused with its
 * line: a file that says something which nobody heeds is worse than one that is not accepted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "list.h"

struct reading {
    const struct setting_table *table; /* what may stand in the file */
    yaml_document_t document;          /* the tree libyaml made */
    void *settings;                    /* being filled */
    struct err_note *note;             /* may be NULL */
};

static const char *source_of(const struct reading *r)
{
    return table_source(r->table, r->settings);
}

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

/* Puts "file:line" in front of what the note says already. */
static int at_line(struct reading *r, unsigned line, int err)
{
    return err_prefix(r->note, err, "%s:%u", source_of(r), line);
}

#define refuse(r, line, ...) at_line(r, line, err_set((r)->note, ERR_INVALID, __VA_ARGS__))

/* The text of a scalar, borrowed from the document; NULL for other nodes. */
static const char *text_of(const yaml_node_t *node)
{
    if (node == NULL || node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL; /* no NUL inside */
}

static int read_value(struct reading *r, const struct setting *s, const yaml_node_t *value,
                      void *field)
{
    const char *text = text_of(value);
    if (text == NULL)
        return refuse(r, line_of(value), "%s: is not a single value", s->name);
    int err = value_read(s, text, field, r->note);
    return err == 0 ? 0 : at_line(r, line_of(value), err);
}

/* Reads what stands for a key of an entry; `seen` has a bit for each key that it has so far. */
static int read_entry_key(struct reading *r, const struct setting_list *list,
                          const yaml_node_pair_t *pair, void *entry, unsigned *seen)
{
    const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
    const char *name = text_of(key);
    size_t i = 0;
    while (i < list->key_count && (name == NULL || strcmp(list->keys[i].name, name) != 0))
        i++;
    if (i == list->key_count)
        return refuse(r, line_of(key), "'%.40s' is not a setting of a %s (%s)",
                      name != NULL ? name : "", list->entry_name, list->key_names);
    int err = read_value(r, &list->keys[i], value, setting_field(entry, &list->keys[i]));
    if (err == 0 && (*seen & 1U << i))
        return refuse(r, line_of(key), "%s is set twice for the same %s", name, list->entry_name);
    *seen |= 1U << i;
    return err;
}

static int read_single(struct reading *r, const struct setting *s, const struct setting_list *list,
                       const yaml_node_t *node, void *entry)
{
    struct setting single = list->keys[0];
    single.name = s->name;
    return read_value(r, &single, node, entry);
}

static const char *article(const struct setting_list *list)
{
    return strchr("aeio", list->entry_name[0]) != NULL ? "an" : "a";
}

static int check_entry(struct reading *r, const struct setting *s, const struct setting_list *list,
                       const yaml_node_t *node, const void *entry)
{
    const char *why = list->check(entry);
    return why == NULL ? 0
                       : refuse(r, line_of(node), "%s: %s %s %s", s->name, article(list),
                                list->entry_name, why);
}

static int read_entry(struct reading *r, const struct setting *s, const struct setting_list *list,
                      const yaml_node_t *node, void *entry)
{
    unsigned seen = 0;
    if (list->shape == NULL)
        return read_single(r, s, list, node, entry);
    if (node->type != YAML_MAPPING_NODE)
        return refuse(r, line_of(node), "%s: each %s is %s", s->name, list->entry_name,
                      list->shape);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        int err = read_entry_key(r, list, pair, entry, &seen);
        if (err != 0)
            return err;
    }
    for (size_t i = 0; i < list->key_count; i++) {
        const struct setting *key = &list->keys[i];
        if (seen & 1U << i)
            continue;
        if (key->initial == NULL)
            return refuse(r, line_of(node), "%s: %s %s has no %s", s->name, article(list),
                          list->entry_name, key->name);
        value_read(key, key->initial, setting_field(entry, key), NULL); /* sound by its tests */
    }
    return list->check == NULL ? 0 : check_entry(r, s, list, node, entry);
}

static int read_list(struct reading *r, const struct setting *s, const yaml_node_t *node,
                     void *field)
{
    const struct setting_list *list = list_of(s);
    unsigned *count = list_count(field);
    if (node->type != YAML_SEQUENCE_NODE)
        return refuse(r, line_of(node), "%s: is not a list of %s", s->name, list->entries_name);
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *entry = yaml_document_get_node(&r->document, *item);
        if (*count == s->most)
            return refuse(r, line_of(entry), "%s: more than %u %s", s->name, *count,
                          list->entries_name);
        int err = read_entry(r, s, list, entry, list_entry(list, field, *count));
        if (err != 0)
            return err;
        ++*count;
    }
    return *count >= s->least ? 0 : refuse(r, line_of(node), "%s: is empty", s->name);
}

static int read_setting(struct reading *r, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = text_of(key);
    const struct setting *s = name != NULL ? table_find(r->table, name) : NULL;
    if (s == NULL)
        return refuse(r, line_of(key), "'%.60s' is not a setting", name != NULL ? name : "");
    uint32_t *line = &table_lines(r->table, r->settings)[s - r->table->rows];
    if (*line != 0)
        return refuse(r, line_of(key), "%s is set twice, first in line %u", name, *line);
    *line = line_of(key);
    void *field = setting_field(r->settings, s);
    return list_of(s) != NULL ? read_list(r, s, value, field) : read_value(r, s, value, field);
}

static int read_document(struct reading *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    if (root == NULL)
        return refuse(r, 1, "the file is empty");
    if (root->type != YAML_MAPPING_NODE)
        return refuse(r, line_of(root), "the file is not a list of 'setting: value'");
    yaml_node_pair_t *pair = root->data.mapping.pairs.start;
    for (; pair < root->data.mapping.pairs.top; pair++) {
        int err = read_setting(r, yaml_document_get_node(&r->document, pair->key),
                               yaml_document_get_node(&r->document, pair->value));
        if (err != 0)
            return err;
    }
    return 0;
}

static int refuse_syntax(struct reading *r, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(r->note, UV_ENOMEM, "%s: memory is exhausted", source_of(r));
    return refuse(r, (unsigned)parser->problem_mark.line + 1, "not YAML: %s",
                  parser->problem != NULL ? parser->problem : "unreadable");
}

/* A second document would be settings that nobody heeds. */
static int refuse_second_document(struct reading *r, yaml_parser_t *parser)
{
    yaml_document_t second;
    if (!yaml_parser_load(parser, &second))
        return refuse_syntax(r, parser);
    const yaml_node_t *root = yaml_document_get_root_node(&second);
    int err = root == NULL ? 0 : refuse(r, line_of(root), "a second document ('---')");
    yaml_document_delete(&second);
    return err;
}

static int read_text(struct reading *r, struct bytes text)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(r->note, UV_ENOMEM, "%s: memory is exhausted", source_of(r));
    yaml_parser_set_input_string(&parser, text.data, text.size);
    int err;
    if (yaml_parser_load(&parser, &r->document)) {
        err = read_document(r);
        yaml_document_delete(&r->document);
        if (err == 0)
            err = refuse_second_document(r, &parser);
    } else {
        err = refuse_syntax(r, &parser);
    }
    yaml_parser_delete(&parser);
    return err;
}

static int require_all(const struct reading *r)
{
    for (size_t i = 0; i < r->table->row_count; i++) {
        const struct setting *s = &r->table->rows[i];
        if (s->kind != KIND_HEADING && s->initial == NULL &&
            table_line(r->table, r->settings, i) == 0)
            return err_set(r->note, ERR_INVALID, "%s: %s must be set (%s)", source_of(r), s->name,
                           s->meaning);
    }
    return 0;
}

int table_parse(const struct setting_table *table, struct bytes text, const char *source,
                void *settings, struct err_note *note)
{
    table_init(table, settings);
    snprintf((char *)settings + table->source_offset, CONF_SOURCE_SIZE, "%s", source);
    struct reading r = {.table = table, .settings = settings, .note = note};
    if (text.size > CONF_FILE_BYTES_MAX)
        return err_set(note, ERR_TOO_LARGE, "%s: is larger than 1 MiB", source_of(&r));
    int err = read_text(&r, text);
    if (err == 0)
        err = require_all(&r);
    if (err != 0)
        return err;
    table->complete(settings);
    return table->check(settings, note);
}

/* Reads a whole file, at most one byte more than is allowed. Returns the size or an error. */
static int64_t read_file(const char *path, uint8_t *into, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return uv_translate_sys_error(errno);
    size_t got = fread(into, 1, size, file);
    int64_t result = ferror(file) ? uv_translate_sys_error(errno) : (int64_t)got;
    fclose(file);
    return result;
}

int table_load(const struct setting_table *table, const char *path, void *settings,
               struct err_note *note)
{
    uint8_t *text = malloc(CONF_FILE_BYTES_MAX + 1);
    if (text == NULL)
        return err_set(note, UV_ENOMEM, "%s: memory is exhausted", path);
    int64_t size = read_file(path, text, CONF_FILE_BYTES_MAX + 1);
    int err = size < 0 ? err_set(note, (int)size, "%s: %s", path, err_text((int)size))
                       : table_parse(table, bytes_of(text, (size_t)size), path, settings, note);
    free(text);
    return err;
}

/* From a YAML file to settings.
 *
 * libyaml reads the text; what it may mean here is little: one mapping from names of the table
 * to single values, and `nodes`, a list of mappings. Everything else is refused with its line:
 * a file that says something which nobody heeds is worse than one that is not accepted. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "setting.h"

struct reading {
    yaml_document_t document;       /* the tree libyaml made */
    struct conf_settings *settings; /* being filled */
    struct err_note *note;          /* may be NULL */
};

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

/* Puts "file:line" in front of what the note says already. */
static int at_line(struct reading *r, unsigned line, int err)
{
    return err_prefix(r->note, err, "%s:%u", r->settings->source, line);
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

/* The keys of one founding node. Their rules are those of the settings of the same kind. */
static const struct setting node_id_key = {
    .kind = KIND_NUMBER, .name = "id", .unit = "", .least = 1, .most = INT32_MAX};
static const struct setting node_site_key = {
    .kind = KIND_NAME, .name = "site", .unit = "", .least = 1, .most = CONF_NAME_SIZE - 1};
static const struct setting node_peer_key = {.kind = KIND_ADDRESS, .name = "peer", .unit = ""};

static int read_node_key(struct reading *r, const yaml_node_t *key, const yaml_node_t *value,
                         struct conf_node *into)
{
    const char *name = text_of(key);
    int64_t id = 0;
    bool is_repeated;
    int err;
    if (name != NULL && strcmp(name, "id") == 0) {
        is_repeated = into->id != 0;
        err = read_value(r, &node_id_key, value, &id);
        into->id = (uint32_t)id;
    } else if (name != NULL && strcmp(name, "site") == 0) {
        is_repeated = into->site[0] != '\0';
        err = read_value(r, &node_site_key, value, into->site);
    } else if (name != NULL && strcmp(name, "peer") == 0) {
        is_repeated = into->peer.port != 0;
        err = read_value(r, &node_peer_key, value, &into->peer);
    } else {
        return refuse(r, line_of(key), "'%.40s' is not a setting of a node (id, site, peer)",
                      name != NULL ? name : "");
    }
    if (err == 0 && is_repeated)
        return refuse(r, line_of(key), "%s is set twice for the same node", name);
    return err;
}

static int read_node(struct reading *r, const yaml_node_t *node, struct conf_node *into)
{
    if (node->type != YAML_MAPPING_NODE)
        return refuse(r, line_of(node), "nodes: each node is 'id', 'site' and 'peer'");
    yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
        int err = read_node_key(r, key, value, into);
        if (err != 0)
            return err;
    }
    const char *missing = into->id == 0                ? "id"
                          : into->site[0] == '\0'      ? "site"
                          : into->peer.host[0] == '\0' ? "peer"
                                                       : NULL;
    return missing == NULL ? 0 : refuse(r, line_of(node), "nodes: a node has no %s", missing);
}

static int read_nodes(struct reading *r, const yaml_node_t *list, struct conf_nodes *into)
{
    if (list->type != YAML_SEQUENCE_NODE)
        return refuse(r, line_of(list), "nodes: is not a list of nodes");
    yaml_node_item_t *item = list->data.sequence.items.start;
    for (; item < list->data.sequence.items.top; item++) {
        const yaml_node_t *node = yaml_document_get_node(&r->document, *item);
        if (into->count == CONF_NODES_MAX)
            return refuse(r, line_of(node), "nodes: more than %d nodes", CONF_NODES_MAX);
        int err = read_node(r, node, &into->entries[into->count]);
        if (err != 0)
            return err;
        into->count++;
    }
    return into->count > 0 ? 0 : refuse(r, line_of(list), "nodes: is empty");
}

static int read_setting(struct reading *r, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = text_of(key);
    const struct setting *s = name != NULL ? setting_find(name) : NULL;
    if (s == NULL)
        return refuse(r, line_of(key), "'%.60s' is not a setting", name != NULL ? name : "");
    uint32_t *line = &r->settings->lines[s - conf_table];
    if (*line != 0)
        return refuse(r, line_of(key), "%s is set twice, first in line %u", name, *line);
    *line = line_of(key);
    void *field = setting_field(r->settings, s);
    return s->kind == KIND_NODES ? read_nodes(r, value, field) : read_value(r, s, value, field);
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
        return err_set(r->note, UV_ENOMEM, "%s: memory is exhausted", r->settings->source);
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
        return err_set(r->note, UV_ENOMEM, "%s: memory is exhausted", r->settings->source);
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

static int require_all(const struct conf_settings *settings, struct err_note *note)
{
    for (size_t i = 0; i < CONF_ID_COUNT; i++)
        if (conf_table[i].kind != KIND_HEADING && conf_table[i].initial == NULL &&
            settings->lines[i] == 0)
            return err_set(note, ERR_INVALID, "%s: %s must be set (%s)", settings->source,
                           conf_table[i].name, conf_table[i].meaning);
    return 0;
}

static bool is_every_interface(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* On loopback, beside `listen`: nodes that share a machine differ in host or port there already, so
 * they need no setting of their own here. */
static void complete_admin(struct conf_settings *settings)
{
    struct conf_address *admin = &settings->admin_listen;
    const struct conf_address *listen = &settings->listen;
    bool is_above = listen->port <= UINT16_MAX - CONF_ADMIN_PORT_STEP;
    memcpy(admin->host, "127.0.0.1", sizeof "127.0.0.1");
    if (conf_is_loopback(listen->host))
        *admin = *listen;
    admin->port = (uint16_t)(is_above ? listen->port + CONF_ADMIN_PORT_STEP
                                      : listen->port - CONF_ADMIN_PORT_STEP);
}

/* Addresses that follow from others. conf_check() refuses what can't be told. */
static void complete(struct conf_settings *settings)
{
    if (settings->admin_listen.host[0] == '\0')
        complete_admin(settings);
    const struct conf_node *own = conf_own_node(settings);
    if (settings->peer_listen.port == 0 && own != NULL)
        settings->peer_listen = own->peer;
    if (settings->peer_advertised.port == 0 && own != NULL)
        settings->peer_advertised = own->peer;
    else if (settings->peer_advertised.port == 0 && !is_every_interface(settings->peer_listen.host))
        settings->peer_advertised = settings->peer_listen;
    if (settings->advertised.port == 0 && !is_every_interface(settings->listen.host))
        settings->advertised = settings->listen;
}

int conf_parse(struct bytes text, const char *source, struct conf_settings *settings,
               struct err_note *note)
{
    struct conf_settings read;
    conf_init(&read);
    snprintf(read.source, sizeof read.source, "%s", source);
    if (text.size > CONF_FILE_BYTES_MAX)
        return err_set(note, ERR_TOO_LARGE, "%s: is larger than 1 MiB", read.source);
    struct reading r = {.settings = &read, .note = note};
    int err = read_text(&r, text);
    if (err == 0)
        err = require_all(&read, note);
    if (err != 0)
        return err;
    complete(&read);
    err = conf_check(&read, note);
    if (err == 0)
        *settings = read;
    return err;
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

int conf_load(const char *path, struct conf_settings *settings, struct err_note *note)
{
    uint8_t *text = malloc(CONF_FILE_BYTES_MAX + 1);
    if (text == NULL)
        return err_set(note, UV_ENOMEM, "%s: memory is exhausted", path);
    int64_t size = read_file(path, text, CONF_FILE_BYTES_MAX + 1);
    int err = size < 0 ? err_set(note, (int)size, "%s: %s", path, err_text((int)size))
                       : conf_parse(bytes_of(text, (size_t)size), path, settings, note);
    free(text);
    return err;
}

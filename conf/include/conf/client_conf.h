/* Settings of a client: as conf/conf.h has them for a node, from a table of their own. */
#ifndef CONF_CLIENT_CONF_H
#define CONF_CLIENT_CONF_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "conf/client_table.h"
#include "conf/field.h"

enum client_setting_id {
#define CLIENT_SETTING(kind, field, ...) CLIENT_SETTING_##field,
    CLIENT_TABLE(CLIENT_SETTING)
#undef CLIENT_SETTING
        CLIENT_SETTING_COUNT
};

/* One field per row of conf/client_table.h, named and described there. Plain memory. */
struct client_settings {
#define CLIENT_FIELD(kind, field, ...) CONF_FIELD_##kind(field)
    CLIENT_TABLE(CLIENT_FIELD)
#undef CLIENT_FIELD
    char source[CONF_SOURCE_SIZE];        /* file name, for messages */
    uint32_t lines[CLIENT_SETTING_COUNT]; /* line that set it, by client_setting_id; 0: default */
};

/* Sets every default; what must be set stays zero or "". */
void client_conf_init(struct client_settings *settings);

/* Reads and checks a file. On failure `*settings` is as before and the note says
 * "client.yaml:12: …" in words for a person. Errors: libuv's for the file, ERR_INVALID for what is
 * in it, ERR_TOO_LARGE. */
int client_conf_load(const char *path, struct client_settings *settings, struct err_note *note);

/* The same for text in memory; `source` stands for the file name in messages. */
int client_conf_parse(struct bytes text, const char *source, struct client_settings *settings,
                      struct err_note *note);

/* Writes all settings in effect as a YAML file with meaning, unit, range and default as
 * comments. client_conf_parse() of it gives the same settings. Returns 0 or a libuv error. */
int client_conf_print(const struct client_settings *settings, FILE *into);

#endif

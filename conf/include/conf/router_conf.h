/* Settings of a router: as conf/conf.h has them for a node, from a table of their own. */
#ifndef CONF_ROUTER_CONF_H
#define CONF_ROUTER_CONF_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "conf/conf.h"
#include "conf/field.h"
#include "conf/router_table.h"

enum router_setting_id {
#define ROUTER_SETTING(kind, field, ...) ROUTER_SETTING_##field,
    ROUTER_TABLE(ROUTER_SETTING)
#undef ROUTER_SETTING
        ROUTER_SETTING_COUNT
};

/* One field per row of conf/router_table.h, named and described there; `event_level` is enum
 * event_level. Plain memory: copy it freely. */
struct router_settings {
#define ROUTER_FIELD(kind, field, ...) CONF_FIELD_##kind(field)
    ROUTER_TABLE(ROUTER_FIELD)
#undef ROUTER_FIELD
    char source[CONF_SOURCE_SIZE];        /* file name, for messages */
    uint32_t lines[ROUTER_SETTING_COUNT]; /* line that set it, by router_setting_id; 0: default */
};

/* Sets every default; what must be set stays zero or "". */
void router_conf_init(struct router_settings *settings);

/* Reads, completes (addresses that follow from others) and checks a file. On failure
 * `*settings` is as before and the note says "router-a.yaml:12: …" in words for a person.
 * Errors: libuv's for the file, ERR_INVALID for what is in it, ERR_TOO_LARGE. */
int router_conf_load(const char *path, struct router_settings *settings, struct err_note *note);

/* The same for text in memory; `source` stands for the file name in messages. */
int router_conf_parse(struct bytes text, const char *source, struct router_settings *settings,
                      struct err_note *note);

/* Checks what settings mean to each other (each one's own range is checked when it is read).
 * Returns 0 or ERR_INVALID; the note names file and line of the setting at fault. */
int router_conf_check(const struct router_settings *settings, struct err_note *note);

/* Writes all settings in effect as a YAML file with meaning, unit, range and default as
 * comments. router_conf_parse() of it gives the same settings. Returns 0 or a libuv error. */
int router_conf_print(const struct router_settings *settings, FILE *into);

/* As conf_describe(), of a router; `id` is a router_setting_id. */
void router_conf_describe(const struct router_settings *settings, conf_describe_cb cb, void *data);

#endif

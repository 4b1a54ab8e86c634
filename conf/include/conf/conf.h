/* Settings of a node: read from a YAML file into one typed struct, or refused with the file and
 * line of what is wrong. Knows nothing of what the settings do: `trilogd` hands them on as the
 * plain options of each part. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "conf/field.h"
#include "conf/table.h"

/* Values of the CHOICE settings, in the order of the table. `event_level` is enum event_level,
 * `ship_compression` enum repl_ship_compression. */
enum conf_commit_policy { CONF_COMMIT_GUARD, CONF_COMMIT_DENY, CONF_COMMIT_ALLOW };
enum conf_timestamp_type { CONF_TIMESTAMP_CREATE_TIME, CONF_TIMESTAMP_LOG_APPEND_TIME };

enum conf_setting_id {
#define CONF_ID(kind, field, ...) CONF_ID_##field,
    CONF_TABLE(CONF_ID)
#undef CONF_ID
        CONF_ID_COUNT
};

/* One field per row of conf/table.h, named and described there. Plain memory: copy it freely. */
struct conf_settings {
#define CONF_FIELD(kind, field, ...) CONF_FIELD_##kind(field)
    CONF_TABLE(CONF_FIELD)
#undef CONF_FIELD
    char source[CONF_SOURCE_SIZE]; /* file name, for messages */
    uint32_t lines[CONF_ID_COUNT]; /* line that set it, by conf_setting_id; 0: default */
};

/* Sets every default; what must be set stays zero or "". */
void conf_init(struct conf_settings *settings);

/* Reads, completes (addresses that follow from others) and checks a file. On failure
 * `*settings` is as before and the note says "site-a.yaml:12: …" in words for a person.
 * Errors: libuv's for the file, ERR_INVALID for what is in it, ERR_TOO_LARGE. */
int conf_load(const char *path, struct conf_settings *settings, struct err_note *note);

/* The same for text in memory; `source` stands for the file name in messages. */
int conf_parse(struct bytes text, const char *source, struct conf_settings *settings,
               struct err_note *note);

/* Checks what settings mean to each other (each one's own range is checked when it is read).
 * Returns 0 or ERR_INVALID; the note names file and line of the setting at fault. */
int conf_check(const struct conf_settings *settings, struct err_note *note);

/* Writes all settings in effect as a YAML file with meaning, unit, range and default as
 * comments. conf_parse() of it gives the same settings. Returns 0 or a libuv error. */
int conf_print(const struct conf_settings *settings, FILE *into);

enum conf_kind { CONF_KIND_NUMBER, CONF_KIND_FLAG, CONF_KIND_TEXT };

/* One setting in effect; texts are borrowed during the callback. */
struct conf_description {
    enum conf_setting_id id;
    const char *name;  /* as in the file */
    const char *value; /* plain: numbers in their base unit */
    enum conf_kind kind;
    const char *meaning;
    bool is_default; /* the file does not set it */
};
typedef void (*conf_describe_cb)(void *data, const struct conf_description *description);

/* Calls back with every setting but `nodes`, in the order of the table. */
void conf_describe(const struct conf_settings *settings, conf_describe_cb cb, void *data);

/* Files that the node keeps open beside its clients' connections. */
int64_t conf_own_files(const struct conf_settings *settings);

/* This node among the founding ones, or NULL: it joined later. Borrowed from the settings. */
const struct conf_node *conf_own_node(const struct conf_settings *settings);

#endif

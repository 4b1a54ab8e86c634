/* A row of the table as data, and values as text. Private to conf/. */
#ifndef CONF_SETTING_H
#define CONF_SETTING_H

#include "conf/conf.h"

enum setting_kind {
    KIND_HEADING,
    KIND_NUMBER,
    KIND_FLAG,
    KIND_CHOICE,
    KIND_NAME,
    KIND_PATH,
    KIND_ADDRESS,
    KIND_NODES
};

struct setting {
    enum setting_kind kind; /* decides the type of the field */
    const char *name;       /* key in the file; "" for a heading */
    const char *unit;       /* suffix family, or the values of a choice */
    const char *initial;    /* default as text; NULL: must be set; "": follows from others */
    int64_t least, most;    /* range of a number, length of a text, inclusive */
    const char *meaning;    /* for the operator */
    size_t offset;          /* of the field in struct conf_settings */
};

/* All rows, by conf_setting_id. */
extern const struct setting conf_table[CONF_ID_COUNT];

/* The row with this key, or NULL. */
const struct setting *setting_find(const char *name);

static inline void *setting_field(struct conf_settings *settings, const struct setting *s)
{
    return (char *)settings + s->offset;
}

static inline const void *setting_value(const struct conf_settings *settings,
                                        const struct setting *s)
{
    return (const char *)settings + s->offset;
}

/* Reads a scalar into its field. Returns 0 or ERR_INVALID with "name: what is wrong". The
 * field of a failed call is undefined. Not for HEADING and NODES. */
int value_read(const struct setting *s, const char *text, void *field, struct err_note *note);

/* The value as it would stand in the file, into a text of VALUE_SIZE. */
#define VALUE_SIZE (2 * CONF_PATH_SIZE + 3)
void value_write(const struct setting *s, const void *field, char *text);

/* "64 MiB", "7 d", "300": the largest suffix of the unit that leaves a whole number. */
void value_write_number(const char *unit, int64_t value, char *text, size_t size);
void value_write_address(const struct conf_address *address, char *text, size_t size);

#endif

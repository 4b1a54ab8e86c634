/* Tables of settings as data, and values as text. Private to conf/.
 *
 * A table is its rows, the struct that they fill, and what its settings mean to each other. The
 * node's is in node.c, the router's in router.c. Parser, checks and printer know neither: they walk
 * along the one that they are given. */
#ifndef CONF_SETTING_H
#define CONF_SETTING_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "conf/field.h"

enum setting_kind {
    KIND_HEADING,
    KIND_NUMBER,
    KIND_FLAG,
    KIND_CHOICE,
    KIND_NAME,
    KIND_PATH,
    KIND_ADDRESS,
    KIND_NETWORKS,
    KIND_ID, /* a number in 32 bits, of an entry of a list */
    KIND_NODES,
    KIND_ADDRESSES,
    KIND_ROUTERS,
    KIND_PATTERNS,
    KIND_SITE_NETWORKS,
    KIND_ENVIRONMENTS,
    KIND_PERMITS,
    KIND_BACKLOGS
};

struct setting {
    enum setting_kind kind; /* decides the type of the field */
    const char *name;       /* key in the file; "" for a heading */
    const char *unit;       /* suffix family, or the values of a choice */
    const char *initial;    /* default as text; NULL: must be set; "": follows from others (of an
                             * entry's key: must be set where it is NULL) */
    int64_t least, most;    /* of a number, a text's length, a list's entries, inclusive */
    const char *meaning;    /* for the operator */
    size_t offset;          /* of the field in the table's struct, or in the list's entry */
};

struct setting_table {
    const struct setting *rows;
    size_t row_count;
    size_t size;          /* of the struct that the rows fill */
    size_t source_offset; /* in it: char[CONF_SOURCE_SIZE], the file's name for messages */
    size_t lines_offset;  /* in it: uint32_t[row_count], the line that set each; 0: default */
    void (*complete)(void *settings); /* fills in what follows from others */
    int (*check)(const void *settings, struct err_note *note); /* as conf_check() */
};

#define OFFSET_HEADING(type, field)       0
#define OFFSET_NUMBER(type, field)        offsetof(type, field)
#define OFFSET_FLAG(type, field)          offsetof(type, field)
#define OFFSET_CHOICE(type, field)        offsetof(type, field)
#define OFFSET_NAME(type, field)          offsetof(type, field)
#define OFFSET_PATH(type, field)          offsetof(type, field)
#define OFFSET_ADDRESS(type, field)       offsetof(type, field)
#define OFFSET_NETWORKS(type, field)      offsetof(type, field)
#define OFFSET_NODES(type, field)         offsetof(type, field)
#define OFFSET_ADDRESSES(type, field)     offsetof(type, field)
#define OFFSET_ROUTERS(type, field)       offsetof(type, field)
#define OFFSET_PATTERNS(type, field)      offsetof(type, field)
#define OFFSET_SITE_NETWORKS(type, field) offsetof(type, field)
#define OFFSET_ENVIRONMENTS(type, field)  offsetof(type, field)
#define OFFSET_PERMITS(type, field)       offsetof(type, field)
#define OFFSET_BACKLOGS(type, field)      offsetof(type, field)

/* A row X(…) of a table's header, whose fields are those of `type`. */
#define SETTING_ROW(type, kind_, field_, name_, unit_, initial_, least_, most_, meaning_)          \
    {.kind = KIND_##kind_,                                                                         \
     .name = (name_),                                                                              \
     .unit = (unit_),                                                                              \
     .initial = (initial_),                                                                        \
     .least = (least_),                                                                            \
     .most = (most_),                                                                              \
     .meaning = (meaning_),                                                                        \
     .offset = OFFSET_##kind_(type, field_)},

static inline void *setting_field(void *settings, const struct setting *s)
{
    return (char *)settings + s->offset;
}

static inline const void *setting_value(const void *settings, const struct setting *s)
{
    return (const char *)settings + s->offset;
}

/* The row with this key, or NULL. */
const struct setting *table_find(const struct setting_table *table, const char *name);

const char *table_source(const struct setting_table *table, const void *settings);

/* The line that set each row, 0 for a default. */
uint32_t *table_lines(const struct setting_table *table, void *settings);

/* The line that set this row, 0 for a default. */
uint32_t table_line(const struct setting_table *table, const void *settings, size_t row);

/* These do for any table what conf_init(), conf_parse(), conf_load() and conf_print() promise; but
 * the settings of a failed call are undefined. */
void table_init(const struct setting_table *table, void *settings);
int table_parse(const struct setting_table *table, struct bytes text, const char *source,
                void *settings, struct err_note *note);
int table_load(const struct setting_table *table, const char *path, void *settings,
               struct err_note *note);
int table_print(const struct setting_table *table, const void *settings, FILE *into);

/* Reads a scalar into its field. Returns 0 or ERR_INVALID with "name: what is wrong". The
 * field of a failed call is undefined. Not for HEADING and lists. */
int value_read(const struct setting *s, const char *text, void *field, struct err_note *note);

/* The value as it would stand in the file, into a text of VALUE_SIZE. */
#define VALUE_SIZE (2 * CONF_PATH_SIZE + 3)
void value_write(const struct setting *s, const void *field, char *text);

/* "64 MiB", "7 d", "300": the largest suffix of the unit that leaves a whole number. */
void value_write_number(const char *unit, int64_t value, char *text, size_t size);

#endif

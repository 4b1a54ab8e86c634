/* Fields of an answer, as values and as cells of a table. */
#ifndef CLI_FIELD_H
#define CLI_FIELD_H

#include <jansson.h>

#include "moment.h"
#include "table.h"

/* 0, "" or false where there is none. */
int64_t field_number(const json_t *json, const char *name);
const char *field_text(const json_t *json, const char *name);
bool field_flag(const json_t *json, const char *name);
/* `absent` where it is no whole number: null is how a node says that it does not know. */
int64_t field_number_or(const json_t *json, const char *name, int64_t absent);
/* The moment of a number of ms since 1970, written into `text`, which is returned; else `absent`.
 */
const char *field_moment(const json_t *json, const char *name, const char *absent,
                         char text[MOMENT_SIZE]);

/* "1,2,3" of an array of numbers, cut where `text` ends, which is returned. */
const char *field_ids(const json_t *json, const char *name, char text[TABLE_CELL_SIZE]);

/* The next cell of `t`. */
void field_put_number(struct table *t, const json_t *json, const char *name, const char *absent);
void field_put_moment(struct table *t, const json_t *json, const char *name, const char *absent);
/* "-" where there is none. */
void field_put_duration(struct table *t, const json_t *json, const char *name);
void field_put_bytes(struct table *t, const json_t *json, const char *name);
void field_put_ids(struct table *t, const json_t *json, const char *name);

/* The cells of one row. */
typedef void (*field_row_cb)(struct table *t, const json_t *row);
/* The rows of an array, added to `t`. */
void field_put_rows(struct table *t, const json_t *rows, field_row_cb put);
/* A table of them; nothing where there are none. */
void field_print_rows(FILE *into, const char *headings, const json_t *rows, field_row_cb put);

#endif

/* Tables for people: columns as wide as what stands in them. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16
#define TABLE_CELL_SIZE   96

struct table {
    unsigned column_count;
    bool is_right[TABLE_COLUMNS_MAX]; /* numbers stand right */
    unsigned cell_count, cell_space;
    char (*cells)[TABLE_CELL_SIZE]; /* row by row, the headings first */
    bool is_failed;                 /* no memory: what is printed is said to be cut */
};

/* Headings with '|' between them; one that begins with '>' stands right. */
void table_init(struct table *t, const char *headings);
void table_close(struct table *t);

/* The next cell, row after row. Control characters are shown as '?': what a node says must not
 * steer the terminal. */
void table_text(struct table *t, const char *text);
/* The same for text beside a table; returns `cell`. */
const char *table_plain(const char *text, char cell[TABLE_CELL_SIZE]);
void table_number(struct table *t, int64_t number);
/* "1.5 GiB"; "-" below 0. */
void table_bytes(struct table *t, int64_t bytes);
/* "250 ms", "3 s", "5 min"; "-" below 0. */
void table_duration(struct table *t, int64_t ms);

void table_print(const struct table *t, FILE *into);

#endif

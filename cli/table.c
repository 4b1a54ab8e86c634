/* Cells are kept until all are known, for widths come from all rows. */
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, const char *headings)
{
    char heading[TABLE_CELL_SIZE];
    memset(t, 0, sizeof *t);
    for (const char *at = headings; at != NULL; at++) { /* widths first: a cell asks for them */
        t->is_right[t->column_count++] = *at == '>';
        at = strchr(at, '|');
        if (at == NULL || t->column_count == TABLE_COLUMNS_MAX)
            break;
    }
    for (const char *at = headings; at != NULL;) {
        at += *at == '>';
        snprintf(heading, sizeof heading, "%.*s", (int)strcspn(at, "|"), at);
        table_text(t, heading);
        at = strchr(at, '|');
        at = at == NULL ? NULL : at + 1;
    }
}

void table_close(struct table *t)
{
    free(t->cells);
    t->cells = NULL;
}

const char *table_plain(const char *text, char cell[TABLE_CELL_SIZE])
{
    snprintf(cell, TABLE_CELL_SIZE, "%s", text == NULL || text[0] == '\0' ? "-" : text);
    for (char *at = cell; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return cell;
}

void table_text(struct table *t, const char *text)
{
    if (t->cell_count == t->cell_space) {
        unsigned space = t->cell_space == 0 ? 64 : 2 * t->cell_space;
        void *cells = realloc(t->cells, space * sizeof *t->cells);
        t->is_failed |= cells == NULL;
        if (cells == NULL)
            return;
        t->cells = cells;
        t->cell_space = space;
    }
    table_plain(text, t->cells[t->cell_count++]);
}

void table_number(struct table *t, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, number);
    table_text(t, text);
}

void table_bytes(struct table *t, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    char text[32];
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1023.95 && unit < sizeof units / sizeof units[0] - 1) {
        value /= 1024;
        unit++;
    }
    snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    table_text(t, bytes < 0 ? "-" : text);
}

void table_duration(struct table *t, int64_t ms)
{
    char text[32];
    if (ms < 10000)
        snprintf(text, sizeof text, "%" PRId64 " ms", ms);
    else if (ms < 10 * 60000)
        snprintf(text, sizeof text, "%" PRId64 " s", ms / 1000);
    else
        snprintf(text, sizeof text, "%" PRId64 " min", ms / 60000);
    table_text(t, ms < 0 ? "-" : text);
}

/* Characters, not bytes: the rest of a UTF-8 character takes no room. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_print(const struct table *t, FILE *into)
{
    int widths[TABLE_COLUMNS_MAX] = {0};
    for (unsigned i = 0; i < t->cell_count; i++) {
        int width = width_of(t->cells[i]);
        if (width > widths[i % t->column_count])
            widths[i % t->column_count] = width;
    }
    for (unsigned i = 0; i < t->cell_count; i++) {
        unsigned column = i % t->column_count;
        bool is_last = column + 1 == t->column_count;
        int padding = widths[column] - width_of(t->cells[i]);
        if (t->is_right[column])
            fprintf(into, "%*s%s", padding, "", t->cells[i]);
        else
            fprintf(into, "%s%*s", t->cells[i], is_last ? 0 : padding, "");
        fputs(is_last ? "\n" : "  ", into);
    }
    if (t->is_failed)
        fprintf(into, "(there was no memory for the rest)\n");
}

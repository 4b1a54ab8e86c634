/* One line of a history: a flat JSON object, built field by field. */
#ifndef LEDGER_LINE_H
#define LEDGER_LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_BYTES_MAX        4096 /* with its newline */
#define LINE_STRING_BYTES_MAX 255
#define LINE_STRINGS_MAX      12 /* so many strings and as many numbers, all at their longest, fit */

struct line {
    size_t size;
    unsigned string_count, number_count;
    char text[LINE_BYTES_MAX];
};

/* The clock of every history: CLOCK_MONOTONIC in microseconds. */
int64_t now_us(void);

void line_begin(struct line *line, int64_t at_us, const char *type);

/* What a history's strings can't hold (quotes, backslashes, control characters, other bytes than
 * ASCII) becomes a dot; what is longer than LINE_STRING_BYTES_MAX is cut. */
void line_string(struct line *line, const char *name, const char *text);
void line_bytes(struct line *line, const char *name, const void *bytes, size_t size);

void line_number(struct line *line, const char *name, int64_t number);
void line_crc(struct line *line, uint32_t crc);

/* Closes the object and ends the line. */
void line_end(struct line *line);

#endif

/* A text file as a stream of records: line after line, again from the top when it ends. */
#ifndef DEMO_TEXT_H
#define DEMO_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Longest line that is sent: room for the record's frame below Kafka's default of 1 MiB. */
#define TEXT_LINE_BYTES_MAX 1000000

struct line {
    const char *data; /* borrowed from the text, never NULL; without its newline */
    size_t size;      /* 0 for an empty line */
};

struct text {
    const char *path;    /* borrowed */
    const char *data;    /* the whole file, mapped */
    size_t size_bytes;   /* of it, above 0 */
    size_t *line_starts; /* line_count + 1 positions; the last is where one more line would start */
    uint64_t line_count; /* above 0 */
};

/* Opens a file and finds its lines. On failure prints a sentence to stderr and returns -1.
 * The file must not be cut short while it is open. */
int text_open(struct text *text, const char *path);
void text_close(struct text *text);

/* How many records there are when the file is repeated until there are at least so many. */
uint64_t text_record_count(const struct text *text, uint64_t record_count_min);

/* The line of a record; records are numbered from 1, as lines are. */
struct line text_line(const struct text *text, uint64_t record_number);

#endif

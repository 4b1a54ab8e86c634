/* How `trilog consume` writes a record: kcat's format string, its envelope in JSON, or a key and a
 * value. */
#ifndef CLI_RECORD_FORMAT_H
#define CLI_RECORD_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <trilog/trilog.h>

struct record_format {
    bool is_json;      /* a line of JSON; else by `text` */
    bool shows_null;   /* "NULL" where there is no key or value; else nothing */
    char *text;        /* owned: bytes, of which some are letters of conversions */
    char *marks;       /* owned: which those are */
    size_t text_count; /* of both */
};

/* Reads a format string: %s value, %S its size (-1: none), %R the same as four bytes, big endian,
 * %k key, %K its size, %T timestamp in ms, %h headers (name=value,…), %t topic, %p partition, %o
 * offset, %% a percent sign; \n, \r, \t, \0, \\, \xHH. Returns false with a sentence in `trouble`,
 * and nothing to close. */
bool record_format_read(struct record_format *format, const char *text, char *trouble,
                        size_t trouble_size);

/* The one that is meant where none is given: the value and `delimiter`, behind the key and
 * `key_delimiter` where that is not NULL. Both as in a format string, but % is only itself. */
bool record_format_plain(struct record_format *format, const char *key_delimiter,
                         const char *delimiter, char *trouble, size_t trouble_size);

void record_format_close(struct record_format *format);

/* False: it could not be written, or not whole, or there was no memory. */
bool record_format_write(const struct record_format *format, const struct trilog_message *message,
                         FILE *into);

#endif

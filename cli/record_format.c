/* A format string, read once, and records written by it.
 *
 * What can't be meant is refused when it is read: a record is never written otherwise than asked.
 * In JSON, bytes that are no UTF-8 are {"base64":"..."}, so that nothing is lost. Headers of
 * traces, which libtrilog hands out apart, are shown with the others. */
#include "record_format.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CONVERSIONS "sSRkKThtpo"

/* ---- reading ---- */

static bool prepare(struct record_format *f, size_t size)
{
    *f = (struct record_format){.text = malloc(size + 1), .marks = calloc(1, size + 1)};
    return f->text != NULL && f->marks != NULL;
}

static void put(struct record_format *f, char byte, bool is_conversion)
{
    f->text[f->text_count] = byte;
    f->marks[f->text_count++] = is_conversion;
}

static int hex_of(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit != '\0' ? strchr(digits, digit | 0x20) : NULL;
    return found != NULL && (digit >= 'A' || digit <= '9') ? (int)(found - digits) : -1;
}

/* What stands behind a backslash. Returns its length; 0: it is none that is known. */
static size_t read_escape(struct record_format *f, const char *at)
{
    static const char letters[] = "nrt\\0", bytes[] = "\n\r\t\\\0";
    if (at[0] == 'x') {
        int high = hex_of(at[1]), low = high >= 0 ? hex_of(at[2]) : -1;
        if (low < 0)
            return 0;
        put(f, (char)(16 * high + low), false);
        return 3;
    }
    const char *found = at[0] != '\0' ? strchr(letters, at[0]) : NULL;
    if (found == NULL)
        return 0;
    put(f, bytes[found - letters], false);
    return 1;
}

/* What stands behind a percent sign. */
static size_t read_conversion(struct record_format *f, const char *at)
{
    if (at[0] == '\0' || strchr("%" CONVERSIONS, at[0]) == NULL)
        return 0;
    put(f, at[0], at[0] != '%');
    return 1;
}

static bool read_text(struct record_format *f, const char *text, bool has_conversions,
                      char *trouble, size_t trouble_size)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != '\\' && (*at != '%' || !has_conversions)) {
            put(f, *at, false);
            continue;
        }
        size_t taken = *at == '%' ? read_conversion(f, at + 1) : read_escape(f, at + 1);
        if (taken == 0) {
            snprintf(trouble, trouble_size, "%.2s is nothing that a format has; it has %s", at,
                     "%s %S %R %k %K %T %h %t %p %o %% \\n \\r \\t \\0 \\\\ \\xHH");
            return false;
        }
        at += taken;
    }
    return true;
}

bool record_format_read(struct record_format *f, const char *text, char *trouble,
                        size_t trouble_size)
{
    snprintf(trouble, trouble_size, "no memory");
    if (prepare(f, strlen(text)) && read_text(f, text, true, trouble, trouble_size))
        return true;
    record_format_close(f);
    return false;
}

bool record_format_plain(struct record_format *f, const char *key_delimiter, const char *delimiter,
                         char *trouble, size_t trouble_size)
{
    snprintf(trouble, trouble_size, "no memory");
    bool has_key = key_delimiter != NULL, is_read = false;
    if (prepare(f, (has_key ? strlen(key_delimiter) : 0) + strlen(delimiter) + 2)) {
        if (has_key)
            put(f, 'k', true);
        is_read = !has_key || read_text(f, key_delimiter, false, trouble, trouble_size);
        put(f, 's', true);
        is_read = is_read && read_text(f, delimiter, false, trouble, trouble_size);
    }
    if (!is_read)
        record_format_close(f);
    return is_read;
}

void record_format_close(struct record_format *f)
{
    free(f->text);
    free(f->marks);
    *f = (struct record_format){0};
}

/* ---- writing by a format string ---- */

static void write_bytes(const struct record_format *f, const void *bytes, size_t size, FILE *into)
{
    if (bytes != NULL)
        fwrite(bytes, 1, size, into);
    else if (f->shows_null)
        fputs("NULL", into);
}

static int64_t size_of(const void *bytes, size_t size)
{
    return bytes != NULL ? (int64_t)size : -1;
}

static void write_big_endian(uint32_t number, FILE *into)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(number >> shift & 255), into);
}

static void write_header(const char *name, const void *value, size_t size, bool is_first,
                         FILE *into)
{
    fprintf(into, "%s%s=", is_first ? "" : ",", name);
    if (value != NULL)
        fwrite(value, 1, size, into);
    else
        fputs("NULL", into);
}

static void write_headers(const struct trilog_record *r, FILE *into)
{
    bool is_first = true;
    for (size_t i = 0; i < r->header_count; i++, is_first = false)
        write_header(r->headers[i].name, r->headers[i].value, r->headers[i].value_size, is_first,
                     into);
    const char *traces[][2] = {{"traceparent", r->traceparent}, {"tracestate", r->tracestate}};
    for (int i = 0; i < 2; i++)
        if (traces[i][1] != NULL) {
            write_header(traces[i][0], traces[i][1], strlen(traces[i][1]), is_first, into);
            is_first = false;
        }
}

static void write_conversion(const struct record_format *f, char letter,
                             const struct trilog_message *m, FILE *into)
{
    const struct trilog_record *r = &m->record;
    switch (letter) {
    case 's':
        write_bytes(f, r->value, r->value_size, into);
        break;
    case 'S':
        fprintf(into, "%" PRId64, size_of(r->value, r->value_size));
        break;
    case 'R':
        write_big_endian((uint32_t)size_of(r->value, r->value_size), into);
        break;
    case 'k':
        write_bytes(f, r->key, r->key_size, into);
        break;
    case 'K':
        fprintf(into, "%" PRId64, size_of(r->key, r->key_size));
        break;
    case 'T':
        fprintf(into, "%" PRId64, r->timestamp_ms);
        break;
    case 'h':
        write_headers(r, into);
        break;
    case 't':
        fputs(r->topic, into);
        break;
    case 'p':
        fprintf(into, "%" PRId32, m->partition);
        break;
    case 'o':
        fprintf(into, "%" PRId64, m->offset);
        break;
    }
}

/* ---- writing JSON ---- */

static char *base64_of(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((size + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; text != NULL && i < size; i += 3) {
        uint32_t three = 0;
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (i + k < size ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *at++ = i + k <= size ? digits[three >> (18 - 6 * k) & 63] : '=';
    }
    if (text != NULL)
        *at = '\0';
    return text;
}

/* NULL without memory. */
static json_t *json_of(const void *bytes, size_t size)
{
    if (bytes == NULL)
        return json_null();
    json_t *text = json_stringn(bytes, size);
    if (text != NULL)
        return text;
    char *encoded = base64_of(bytes, size);
    json_t *json = encoded != NULL ? json_pack("{s:s}", "base64", encoded) : NULL;
    free(encoded);
    return json;
}

/* Names and values by turns, as kcat has them. */
static json_t *json_of_headers(const struct trilog_record *r)
{
    json_t *list = json_array();
    bool is_whole = list != NULL;
    for (size_t i = 0; is_whole && i < r->header_count; i++) {
        const struct trilog_header *h = &r->headers[i];
        is_whole = json_array_append_new(list, json_of(h->name, strlen(h->name))) == 0 &&
                   json_array_append_new(list, json_of(h->value, h->value_size)) == 0;
    }
    const char *traces[][2] = {{"traceparent", r->traceparent}, {"tracestate", r->tracestate}};
    for (int i = 0; is_whole && i < 2; i++)
        if (traces[i][1] != NULL)
            is_whole = json_array_append_new(list, json_string(traces[i][0])) == 0 &&
                       json_array_append_new(list, json_of(traces[i][1], strlen(traces[i][1]))) ==
                           0;
    if (is_whole)
        return list;
    json_decref(list);
    return NULL;
}

/* A line of its own. False when nothing was written. */
static bool write_json(const struct trilog_message *m, FILE *into)
{
    const struct trilog_record *r = &m->record;
    json_t *json = json_pack("{s:s,s:i,s:I,s:I,s:o,s:o,s:o}", "topic", r->topic, "partition",
                             (int)m->partition, "offset", (json_int_t)m->offset, "ts",
                             (json_int_t)r->timestamp_ms, "headers", json_of_headers(r), "key",
                             json_of(r->key, r->key_size), "payload",
                             json_of(r->value, r->value_size));
    bool is_written = json != NULL && json_dumpf(json, into, JSON_COMPACT) == 0;
    json_decref(json);
    if (is_written)
        fputc('\n', into);
    return is_written;
}

bool record_format_write(const struct record_format *f, const struct trilog_message *m, FILE *into)
{
    if (f->is_json)
        return write_json(m, into);
    for (size_t i = 0; i < f->text_count; i++)
        if (f->marks[i])
            write_conversion(f, f->text[i], m, into);
        else
            fputc(f->text[i], into);
    return !ferror(into);
}

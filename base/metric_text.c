/* See https://prometheus.io/docs/instrumenting/exposition_formats: version 0.0.4 of the format. */
#include "base/metric_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct metric_text *t, const char *text, size_t size)
{
    while (!t->is_failed && t->size + size > t->space) {
        size_t space = t->space == 0 ? 16384 : 2 * t->space;
        char *larger = space > METRIC_TEXT_BYTES_MAX ? NULL : realloc(t->text, space);
        t->is_failed = larger == NULL;
        if (larger == NULL)
            return;
        t->text = larger;
        t->space = space;
    }
    if (t->is_failed)
        return;
    memcpy(t->text + t->size, text, size);
    t->size += size;
}

static void put_text(struct metric_text *t, const char *text)
{
    put(t, text, strlen(text));
}

void metric_family(struct metric_text *t, const char *name, enum metric_type type, const char *help)
{
    static const char *const types[] = {"gauge", "counter", "summary"};
    char line[512];
    t->family = name;
    snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
    put_text(t, line);
}

/* Backslash, quote and line end are escaped. */
static void put_label(struct metric_text *t, const char *name, const char *value, bool is_first)
{
    put_text(t, is_first ? "{" : ",");
    put_text(t, name);
    put_text(t, "=\"");
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\n')
            put_text(t, "\\n");
        else if (*at == '"' || *at == '\\')
            put(t, (char[]){'\\', *at}, 2);
        else
            put(t, at, 1);
    }
    put_text(t, "\"");
}

static void put_name(struct metric_text *t, const char *suffix, unsigned label_count,
                     va_list labels)
{
    put_text(t, t->family);
    put_text(t, suffix);
    for (unsigned i = 0; i < label_count; i++) {
        const char *name = va_arg(labels, const char *);
        put_label(t, name, va_arg(labels, const char *), i == 0);
    }
    put_text(t, label_count > 0 ? "} " : " ");
}

void metric_sample(struct metric_text *t, const char *suffix, double value, unsigned label_count,
                   ...)
{
    char number[48];
    va_list labels;
    va_start(labels, label_count);
    put_name(t, suffix, label_count, labels);
    va_end(labels);
    snprintf(number, sizeof number, "%.9g\n", value);
    put_text(t, number);
}

void metric_whole(struct metric_text *t, const char *suffix, uint64_t value, unsigned label_count,
                  ...)
{
    char number[48];
    va_list labels;
    va_start(labels, label_count);
    put_name(t, suffix, label_count, labels);
    va_end(labels);
    snprintf(number, sizeof number, "%" PRIu64 "\n", value);
    put_text(t, number);
}

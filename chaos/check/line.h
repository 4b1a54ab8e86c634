/* One line of a history (docs/history-format.md): a flat JSON object, its known fields. */
#ifndef CHECK_LINE_H
#define CHECK_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

#define LINE_SIZE_MAX 4096
#define LINE_TEXT_MAX 255

/* name in the line, is it a text? (A number may also stand where a text is wanted: an id.) */
#define LINE_FIELDS(X)                                                                             \
    X(at, false)                                                                                   \
    X(type, true)                                                                                  \
    X(process, true)                                                                               \
    X(site, true)                                                                                  \
    X(id, false)                                                                                   \
    X(topic, true)                                                                                 \
    X(partition, false)                                                                            \
    X(offset, false)                                                                               \
    X(key, true)                                                                                   \
    X(value, true)                                                                                 \
    X(size, false)                                                                                 \
    X(crc, true)                                                                                   \
    X(epoch, false)                                                                                \
    X(outcome, true)                                                                               \
    X(error, true)                                                                                 \
    X(count, false)                                                                                \
    X(group, true)                                                                                 \
    X(which, true)                                                                                 \
    X(action, true)                                                                                \
    X(node, false)                                                                                 \
    X(stage, true)                                                                                 \
    X(leader, false)                                                                               \
    X(version, false)                                                                              \
    X(role, true)                                                                                  \
    X(idempotent, false)                                                                           \
    X(name, true)                                                                                  \
    X(target, true)                                                                                \
    X(faulted_site, true)                                                                          \
    X(faulted_node, true)                                                                          \
    X(since, false)                                                                                \
    X(until, false)                                                                                \
    X(known_lost, false)

enum line_field {
#define X(name, is_text) LINE_##name,
    LINE_FIELDS(X)
#undef X
        LINE_FIELD_COUNT
};

struct line {
    uint32_t has;                        /* a bit per field */
    struct text texts[LINE_FIELD_COUNT]; /* the bytes between the quotes, or of the number */
    int64_t numbers[LINE_FIELD_COUNT];   /* of fields that are numbers */
};

static inline bool line_has(const struct line *line, enum line_field field)
{
    return (line->has >> field & 1) != 0;
}

static inline bool line_is(const struct line *line, enum line_field field, const char *text)
{
    struct text wanted = text_of(text);
    return line_has(line, field) && line->texts[field].size == wanted.size &&
           __builtin_memcmp(line->texts[field].data, wanted.data, wanted.size) == 0;
}

const char *line_field_name(enum line_field field);
bool line_field_is_text(enum line_field field);

/* Reads the `size` bytes of a line, without its \n; what `line` says borrows them.
 * Returns 0, or -1 and in `why` what a person should know. */
int line_parse(struct line *line, const char *bytes, size_t size, const char **why);

#endif

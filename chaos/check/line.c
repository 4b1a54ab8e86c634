/* A scanner for flat JSON objects.
 *
 * It goes over the bytes once and keeps what it knows; fields may come in any order, unknown ones
 * are stepped over. Texts of known fields are plain (no escapes), so they are borrowed as they
 * stand. Nothing is read beyond the end of the line, whatever it holds. */
#include "line.h"

#include <string.h>

struct scanner {
    const char *at, *end;
    const char *why;
};

static const struct {
    struct text name;
    bool is_text;
} fields[LINE_FIELD_COUNT] = {
#define X(name, is_text) {{#name, sizeof #name - 1}, is_text},
    LINE_FIELDS(X)
#undef X
};

const char *line_field_name(enum line_field field)
{
    return fields[field].name.data;
}

bool line_field_is_text(enum line_field field)
{
    return fields[field].is_text;
}

/* Which field a name may be: by its first and last letter and its size. */
#define HASH_COUNT 256
static uint8_t field_by_hash[HASH_COUNT]; /* field + 1; clashes go to the next free one */

static uint8_t hash_of(struct text name)
{
    uint32_t first = (uint8_t)name.data[0], last = (uint8_t)name.data[name.size - 1];
    return (uint8_t)(first * 7 + last * 29 + name.size * 83);
}

__attribute__((constructor)) static void fill_table(void)
{
    for (int i = 0; i < LINE_FIELD_COUNT; i++) {
        uint8_t at = hash_of(fields[i].name);
        while (field_by_hash[at] != 0)
            at++;
        field_by_hash[at] = (uint8_t)(i + 1);
    }
}

/* -1: not a field that matters here */
static int find_field(struct text name)
{
    if (name.size == 0)
        return -1;
    for (uint8_t at = hash_of(name); field_by_hash[at] != 0; at++) {
        int field = field_by_hash[at] - 1;
        if (fields[field].name.size == name.size &&
            memcmp(fields[field].name.data, name.data, name.size) == 0)
            return field;
    }
    return -1;
}

static int fail(struct scanner *s, const char *why)
{
    s->why = why;
    return -1;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

static int expect(struct scanner *s, char byte, const char *why)
{
    skip_space(s);
    if (s->at == s->end || *s->at != byte)
        return fail(s, why);
    s->at++;
    return 0;
}

/* Begins behind the opening quote. */
static int scan_text(struct scanner *s, struct text *text, bool *is_plain)
{
    const char *begin = s->at;
    *is_plain = true;
    while (s->at < s->end && *s->at != '"') {
        if ((uint8_t)*s->at < 0x20)
            return fail(s, "a control character in a text");
        if (*s->at == '\\' && s->at + 1 < s->end) {
            *is_plain = false;
            s->at++;
        }
        s->at++;
    }
    if (s->at >= s->end)
        return fail(s, "a text without its end");
    *text = (struct text){begin, (uint32_t)(s->at - begin)};
    s->at++;
    return 0;
}

static bool is_of_a_literal(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '-' ||
           byte == '+' || byte == '.' || byte == 'E';
}

static int scan_literal(struct scanner *s, struct text *text)
{
    const char *begin = s->at;
    while (s->at < s->end && is_of_a_literal(*s->at))
        s->at++;
    *text = (struct text){begin, (uint32_t)(s->at - begin)};
    if (text->size > 0)
        return 0;
    return fail(s, s->at < s->end && (*s->at == '{' || *s->at == '[')
                       ? "an object or array within the line"
                       : "a field without a value");
}

/* Whole numbers of up to 18 digits: all there are, without a question of overflow. */
static int read_number(struct text text, int64_t *number)
{
    bool is_negative = text.data[0] == '-';
    uint32_t digits = text.size - is_negative;
    int64_t sum = 0;
    if (digits == 0 || digits > 18)
        return -1;
    for (uint32_t i = is_negative; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        sum = sum * 10 + (text.data[i] - '0');
    }
    *number = is_negative ? -sum : sum;
    return 0;
}

static int keep(struct scanner *s, struct line *line, int field, struct text text, bool is_quoted)
{
    if (line_has(line, (enum line_field)field))
        return fail(s, "a field that comes twice");
    bool is_number = !is_quoted && read_number(text, &line->numbers[field]) == 0;
    if (!is_number && field == LINE_id)
        line->numbers[field] = -1; /* a fault may have a text here */
    else if (!is_number && !fields[field].is_text)
        return fail(s, "a field that should be a whole number");
    line->has |= 1u << field;
    line->texts[field] = text;
    return 0;
}

static int scan_field(struct scanner *s, struct line *line)
{
    struct text name, text;
    bool is_plain = true, is_quoted;
    if (expect(s, '"', "no name of a field") != 0 || scan_text(s, &name, &is_plain) != 0 ||
        expect(s, ':', "no colon behind a field's name") != 0)
        return -1;
    skip_space(s);
    is_plain = true;
    is_quoted = s->at < s->end && *s->at == '"';
    s->at += is_quoted;
    if ((is_quoted ? scan_text(s, &text, &is_plain) : scan_literal(s, &text)) != 0)
        return -1;
    int field = find_field(name);
    if (field < 0 || field == LINE_error)
        return 0;
    if (!is_plain || text.size > LINE_TEXT_MAX)
        return fail(s, "a text with an escape, or too long");
    return keep(s, line, field, text, is_quoted);
}

static int scan(struct scanner *s, struct line *line)
{
    if (expect(s, '{', "not a JSON object") != 0)
        return -1;
    for (;;) {
        if (scan_field(s, line) != 0)
            return -1;
        skip_space(s);
        if (s->at < s->end && *s->at == ',') {
            s->at++;
            continue;
        }
        break;
    }
    if (expect(s, '}', "neither a comma nor the end of the object") != 0)
        return -1;
    skip_space(s);
    return s->at == s->end ? 0 : fail(s, "something behind the object");
}

int line_parse(struct line *line, const char *bytes, size_t size, const char **why)
{
    struct scanner s = {.at = bytes, .end = bytes + size};
    line->has = 0;
    if (size > LINE_SIZE_MAX) {
        *why = "a line of more than 4096 bytes";
        return -1;
    }
    int err = scan(&s, line);
    *why = s.why;
    return err;
}

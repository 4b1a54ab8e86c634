/* Lines by hand: a load writes hundreds of thousands of them in a second, and each has the same
 * few kinds of fields. Names of fields are ours and short; only contents come from elsewhere. */
#include "line.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define NAME_BYTES_MAX 20
#define DIGITS_MAX     20 /* of 2^63, with its sign */
/* `,"name":"…"` and `,"name":…` at their longest. */
#define STRING_FIELD_BYTES_MAX (NAME_BYTES_MAX + 6 + LINE_STRING_BYTES_MAX)
#define NUMBER_FIELD_BYTES_MAX (NAME_BYTES_MAX + 4 + DIGITS_MAX)

_Static_assert(LINE_STRINGS_MAX *(STRING_FIELD_BYTES_MAX + NUMBER_FIELD_BYTES_MAX) + 3 <=
                   LINE_BYTES_MAX,
               "every line fits");

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void put(struct line *line, const char *bytes, size_t size)
{
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
}

static void put_name(struct line *line, const char *name)
{
    size_t size = strlen(name);
    assert(size <= NAME_BYTES_MAX);
    put(line, line->size == 0 ? "{\"" : ",\"", 2);
    put(line, name, size);
    put(line, "\":", 2);
}

void line_begin(struct line *line, int64_t at_us, const char *type)
{
    line->size = 0;
    line->string_count = line->number_count = 0;
    line_number(line, "at", at_us);
    line_string(line, "type", type);
}

void line_bytes(struct line *line, const char *name, const void *bytes, size_t size)
{
    const char *text = bytes;
    line->string_count++;
    assert(line->string_count <= LINE_STRINGS_MAX);
    put_name(line, name);
    line->text[line->size++] = '"';
    if (size > LINE_STRING_BYTES_MAX)
        size = LINE_STRING_BYTES_MAX;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        line->text[line->size++] = c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '.';
    }
    line->text[line->size++] = '"';
}

void line_string(struct line *line, const char *name, const char *text)
{
    line_bytes(line, name, text, strlen(text));
}

void line_number(struct line *line, const char *name, int64_t number)
{
    char digits[DIGITS_MAX];
    size_t first = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    line->number_count++;
    assert(line->number_count <= LINE_STRINGS_MAX);
    put_name(line, name);
    do
        digits[--first] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0)
        digits[--first] = '-';
    put(line, digits + first, sizeof digits - first);
}

void line_crc(struct line *line, uint32_t crc)
{
    char digits[8];
    for (int i = 0; i < 8; i++)
        digits[i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 0xf];
    line_bytes(line, "crc", digits, sizeof digits);
}

void line_end(struct line *line)
{
    put(line, "}\n", 2);
}

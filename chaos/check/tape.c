/* Lines of a history in memory, and changes to them. */
#include "tape.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint32_t name_of(struct tape *tape, const struct line *line, enum line_field field)
{
    return line_has(line, field) ? names_add(&tape->names, line->texts[field]) : NAME_NONE;
}

static int64_t number_of(const struct line *line, enum line_field field)
{
    return line_has(line, field) ? line->numbers[field] : -1;
}

static int read_line(struct tape *tape, const char *text, uint32_t file, struct tape_line *into)
{
    struct line line;
    const char *why;
    if (line_parse(&line, text, strlen(text), &why) != 0)
        return -1;
    *into = (struct tape_line){.text = text,
                               .file = file,
                               .type = name_of(tape, &line, LINE_type),
                               .process = name_of(tape, &line, LINE_process),
                               .group = name_of(tape, &line, LINE_group),
                               .topic = name_of(tape, &line, LINE_topic),
                               .value = name_of(tape, &line, LINE_value),
                               .at = number_of(&line, LINE_at),
                               .id = number_of(&line, LINE_id),
                               .partition = number_of(&line, LINE_partition),
                               .offset = number_of(&line, LINE_offset),
                               .node = number_of(&line, LINE_node),
                               .epoch = number_of(&line, LINE_epoch),
                               .is_end = line_has(&line, LINE_outcome),
                               .is_ok = line_is(&line, LINE_outcome, "ok"),
                               .is_fail = line_is(&line, LINE_outcome, "fail"),
                               .is_final = line_is(&line, LINE_stage, "final") &&
                                           line_is(&line, LINE_type, "read")};
    return 0;
}

static char *own(struct tape *tape, const char *text, size_t size)
{
    char *copy = memory_make(size + 1, 1);
    memcpy(copy, text, size);
    *vector_add(&tape->owned) = copy;
    return copy;
}

int tape_take(struct tape *tape, const char *file, const char *bytes, size_t size)
{
    const char *at = bytes, *end = bytes + size, *newline;
    *vector_add(&tape->files) = own(tape, file, strlen(file));
    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        char *text = own(tape, at, (size_t)(newline - at));
        struct tape_line line;
        if (read_line(tape, text, (uint32_t)tape->files.count - 1, &line) != 0)
            return -1;
        *vector_add(&tape->lines) = line;
        at = newline + 1;
    }
    return 0;
}

void tape_copy(struct tape *tape, const struct tape *from)
{
    memset(tape, 0, sizeof *tape);
    for (size_t i = 0; i < from->names.texts.count; i++)
        names_add(&tape->names, text_of(from->names.texts.items[i]));
    for (size_t i = 0; i < from->files.count; i++)
        *vector_add(&tape->files) = from->files.items[i];
    tape->lines.items = memory_grow(NULL, &tape->lines.capacity, from->lines.count,
                                    sizeof *from->lines.items);
    memcpy(tape->lines.items, from->lines.items, from->lines.count * sizeof *from->lines.items);
    tape->lines.count = from->lines.count;
    tape->random = from->random;
}

void tape_close(struct tape *tape)
{
    for (size_t i = 0; i < tape->owned.count; i++)
        free(tape->owned.items[i]);
    free(tape->owned.items);
    free(tape->files.items);
    free(tape->lines.items);
    names_close(&tape->names);
    memset(tape, 0, sizeof *tape);
}

void tape_write(const struct tape *tape, uint32_t file, FILE *into)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (tape->lines.items[i].file == file)
            fprintf(into, "%s\n", tape->lines.items[i].text);
}

bool tape_is(const struct tape *tape, size_t line, const char *type)
{
    return strcmp(names_text(&tape->names, tape->lines.items[line].type), type) == 0;
}

size_t tape_draw(struct tape *tape, size_t count)
{
    uint64_t z = tape->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (size_t)((z ^ z >> 31) % count);
}

static void replace_line(struct tape *tape, size_t number, const char *text)
{
    struct tape_line *line = &tape->lines.items[number];
    if (read_line(tape, text, line->file, line) != 0)
        abort(); /* a field's value can't spoil the form of a line */
}

static void add_field(struct tape *tape, size_t number, enum line_field field, const char *text)
{
    const char *old = tape->lines.items[number].text;
    const char *quote = line_field_is_text(field) ? "\"" : "";
    char changed[2 * LINE_SIZE_MAX];
    int size = snprintf(changed, sizeof changed, "%.*s,\"%s\":%s%s%s}", (int)strlen(old) - 1, old,
                        line_field_name(field), quote, text, quote);
    replace_line(tape, number, own(tape, changed, (size_t)size));
}

void tape_set(struct tape *tape, size_t number, enum line_field field, const char *text)
{
    struct line line;
    const char *why, *old = tape->lines.items[number].text;
    char changed[2 * LINE_SIZE_MAX];
    if (line_parse(&line, old, strlen(old), &why) != 0)
        abort(); /* it was understood before */
    if (!line_has(&line, field)) {
        add_field(tape, number, field, text);
        return;
    }
    const char *from = line.texts[field].data;
    int size = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(from - old), old, text,
                        from + line.texts[field].size);
    replace_line(tape, number, own(tape, changed, (size_t)size));
}

void tape_set_number(struct tape *tape, size_t number, enum line_field field, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    tape_set(tape, number, field, text);
}

char *tape_get(const struct tape *tape, size_t number, enum line_field field,
               char into[LINE_TEXT_MAX + 1])
{
    struct line line;
    const char *why, *text = tape->lines.items[number].text;
    into[0] = '\0';
    if (line_parse(&line, text, strlen(text), &why) == 0 && line_has(&line, field))
        snprintf(into, LINE_TEXT_MAX + 1, "%.*s", (int)line.texts[field].size,
                 line.texts[field].data);
    return into;
}

void tape_insert(struct tape *tape, size_t before, const char *text)
{
    uint32_t file = tape->lines.items[before].file;
    vector_add(&tape->lines);
    memmove(&tape->lines.items[before + 1], &tape->lines.items[before],
            (tape->lines.count - 1 - before) * sizeof *tape->lines.items);
    tape->lines.items[before].file = file;
    replace_line(tape, before, own(tape, text, strlen(text)));
}

void tape_remove(struct tape *tape, size_t line)
{
    tape->lines.count--;
    memmove(&tape->lines.items[line], &tape->lines.items[line + 1],
            (tape->lines.count - line) * sizeof *tape->lines.items);
}

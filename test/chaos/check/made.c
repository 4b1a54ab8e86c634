#include "made.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_memory(struct made *made, unsigned i)
{
    FILE *file = open_memstream(&made->bytes[i], &made->sizes[i]);
    cr_assert_not_null(file);
    return file;
}

struct made made_by(const struct generate_options *options)
{
    struct made made;
    FILE *files[GENERATE_FILES];
    for (unsigned i = 0; i < GENERATE_FILES; i++)
        files[i] = open_memory(&made, i);
    generate(options, files);
    for (unsigned i = 0; i < GENERATE_FILES; i++)
        fclose(files[i]);
    return made;
}

struct made made_of(const struct tape *tape)
{
    struct made made;
    for (unsigned i = 0; i < GENERATE_FILES; i++) {
        FILE *file = open_memory(&made, i);
        tape_write(tape, i, file);
        fclose(file);
    }
    return made;
}

void made_close(struct made *made)
{
    for (unsigned i = 0; i < GENERATE_FILES; i++)
        free(made->bytes[i]);
}

void made_judge(const struct made *made, struct history *h, struct verdict *v)
{
    struct failure failure = {""};
    history_init(h);
    for (unsigned i = 0; i < GENERATE_FILES; i++)
        cr_assert_eq(
            source_take_bytes(h, generate_file_name(i), made->bytes[i], made->sizes[i], &failure),
            0, "%s", failure.text);
    history_settle(h);
    verdict_init(v, h, 5);
    judge(v);
}

void made_judged_close(struct history *h, struct verdict *v)
{
    verdict_close(v);
    history_close(h);
}

static int take(const char *lines, struct history *h, struct failure *failure)
{
    char *text = strdup(lines);
    cr_assert_not_null(text);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    history_init(h);
    int err = source_take_bytes(h, "text", text, strlen(text), failure);
    free(text);
    return err;
}

void text_take(const char *lines, struct history *h)
{
    struct failure failure = {""};
    cr_assert_eq(take(lines, h, &failure), 0, "%s", failure.text);
    history_settle(h);
}

const char *text_refusal(const char *lines)
{
    static struct failure failure;
    struct history h;
    cr_assert_eq(take(lines, &h, &failure), -1, "it was taken");
    history_close(&h);
    return failure.text;
}

void text_judge(const char *lines, struct history *h, struct verdict *v)
{
    text_take(lines, h);
    verdict_init(v, h, 5);
    judge(v);
}

uint64_t violations_of(const char *lines, enum property property)
{
    struct history h;
    struct verdict v;
    text_judge(lines, &h, &v);
    for (int i = 0; i < PROPERTY_COUNT; i++)
        if (i != (int)property && v.counts[i] > 0)
            cr_assert_fail("%s: %s", property_name((enum property)i), v.shown[i].items[0].what);
    uint64_t count = v.counts[property];
    made_judged_close(&h, &v);
    return count;
}

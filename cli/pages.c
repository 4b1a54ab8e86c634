/* trilog pages write FOLDER: what `make` does when it builds, and packages install. */
#include "pages.h"

#include <errno.h>
#include <string.h>

bool page_is_first_of_noun(const struct command *c)
{
    for (const struct command *before = commands; before < c; before++)
        if (strcmp(before->noun, c->noun) == 0)
            return false;
    return true;
}

const char *page_name(const struct command *c, char between, char text[PAGE_NAME_SIZE])
{
    if (c->verb[0] == '\0')
        snprintf(text, PAGE_NAME_SIZE, "%s", c->noun);
    else
        snprintf(text, PAGE_NAME_SIZE, "%s%c%s", c->noun, between, c->verb);
    return text;
}

bool page_has_option(const struct command *c, int option)
{
    return (command_options(c) & OPTION_BIT(option)) != 0;
}

/* Closes the file, too; a disk may be full until then. */
static bool is_written(struct session *s, FILE *file, const char *path)
{
    bool is_failed = file == NULL || ferror(file);
    if (file != NULL && fclose(file) != 0)
        is_failed = true;
    if (is_failed)
        fprintf(s->err, "trilog: %s: %s\n", path, strerror(errno));
    return !is_failed;
}

static bool write_page(struct session *s, const char *name, void (*print)(FILE *into))
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", s->arguments.operands[0], name);
    FILE *file = fopen(path, "w");
    if (file != NULL)
        print(file);
    return is_written(s, file, path);
}

static bool write_command(struct session *s, const struct command *c)
{
    char path[4096], name[PAGE_NAME_SIZE];
    snprintf(path, sizeof path, "%s/trilog-%s.1", s->arguments.operands[0],
             page_name(c, '-', name));
    FILE *file = fopen(path, "w");
    if (file != NULL)
        page_manual_of(c, file);
    return is_written(s, file, path);
}

int pages_write(struct session *s)
{
    bool is_well = write_page(s, "trilog.1", page_manual) &&
                   write_page(s, "trilog.bash", page_bash) && write_page(s, "_trilog", page_zsh);
    for (const struct command *c = commands; c->noun != NULL && is_well; c++)
        is_well = write_command(s, c);
    return is_well ? EXIT_DONE : EXIT_FAILED;
}

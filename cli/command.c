/* From the command line to one row of the table, and help out of the same table. */
#include "command.h"

#include <string.h>

#define NAME_SIZE 48

static void print_options(uint64_t options, FILE *into)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        char left[64];
        if ((options & OPTION_BIT(i)) == 0)
            continue;
        snprintf(left, sizeof left, "%s%c%s--%s %s", row->letter != 0 ? "-" : " ",
                 row->letter != 0 ? row->letter : ' ', row->letter != 0 ? ", " : "  ", row->name,
                 row->value != NULL ? row->value : "");
        fprintf(into, "  %-28s %s\n", left, row->meaning);
    }
}

/* "topic list"; a few commands are one word. */
static const char *name_of(const struct command *c, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", c->noun, c->verb[0] != '\0' ? " " : "", c->verb);
    return text;
}

static void print_command_help(const struct command *c, FILE *into)
{
    char name[NAME_SIZE];
    fprintf(into, "usage: trilog %s%s%s [options]\n\n%s\n", name_of(c, name, sizeof name),
            c->operands[0] != '\0' ? " " : "", c->operands, c->summary);
    if (c->details[0] != '\0')
        fprintf(into, "%s\n", c->details);
    fprintf(into, "\noptions:\n");
    print_options(command_options(c), into);
    fprintf(into, "\nexample:\n  %s\n", c->example);
}

/* All commands, or those of one noun. */
static void print_help(const char *noun, FILE *into)
{
    fprintf(into, "usage: trilog NOUN VERB [options]\n\ncommands:\n");
    for (const struct command *c = commands; c->noun != NULL; c++) {
        char left[128], name[NAME_SIZE];
        if (noun != NULL && strcmp(noun, c->noun) != 0)
            continue;
        snprintf(left, sizeof left, "%s %s", name_of(c, name, sizeof name), c->operands);
        fprintf(into, "  %-28s %s\n", left, c->summary);
    }
    fprintf(into, "\noptions of every command:\n");
    print_options(OPTIONS_COMMON, into);
    fprintf(into,
            "\nexit status: 0 done, 1 failed or refused, 2 usage, 3 partly done or not known, "
            "4 no node answered\n\n`trilog NOUN VERB --help` says more, with an example.\n");
}

static bool has_noun(const char *noun)
{
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (strcmp(c->noun, noun) == 0)
            return true;
    return false;
}

static bool is_one_word(const char *noun)
{
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (strcmp(c->noun, noun) == 0 && c->verb[0] == '\0')
            return true;
    return false;
}

/* What follows a command of one word is its first operand. */
static const struct command *find(struct arguments *a)
{
    if (is_one_word(a->noun))
        arguments_take_verb(a);
    for (const struct command *c = commands; c->noun != NULL && a->verb != NULL; c++)
        if (strcmp(c->noun, a->noun) == 0 && strcmp(c->verb, a->verb) == 0)
            return c;
    return NULL;
}

static int fail_usage(struct session *s, const char *trouble)
{
    fprintf(s->err, "trilog: %s\ntrilog: `trilog --help` lists what there is\n", trouble);
    return EXIT_USAGE;
}

uint64_t command_options(const struct command *c)
{
    bool is_client = (c->options & OPTION_BIT(OPTION_CLIENT_CONFIG)) != 0;
    uint64_t of_ports = OPTION_BIT(OPTION_ADMIN) | OPTION_BIT(OPTION_TOKEN_FILE);
    uint64_t without = is_client ? of_ports : 0;
    if ((c->options & OPTION_BIT(OPTION_START)) != 0)
        without |= OPTION_BIT(OPTION_OUTPUT); /* its letter is kcat's there */
    return (OPTIONS_COMMON & ~without) | c->options;
}

/* Words and options that this command does not take. */
static bool is_sound(const struct command *c, const struct arguments *a, char *trouble, size_t size)
{
    uint64_t strange = a->given & ~command_options(c);
    const char *output = a->values[OPTION_OUTPUT];
    char name[NAME_SIZE];
    name_of(c, name, sizeof name);
    for (int i = 0; i < OPTION_COUNT; i++)
        if ((strange & OPTION_BIT(i)) != 0) {
            snprintf(trouble, size, "trilog %s does not take --%s", name, option_rows[i].name);
            return false;
        }
    if (a->operand_count < c->operands_min || a->operand_count > c->operands_max) {
        snprintf(trouble, size, "trilog %s takes %s", name,
                 c->operands[0] != '\0' ? c->operands : "no other word");
        return false;
    }
    if (output != NULL && strcmp(output, "table") != 0 && strcmp(output, "json") != 0) {
        snprintf(trouble, size, "--output is table or json, not %.40s", output);
        return false;
    }
    return true;
}

static int run(const struct command *c, struct session *s)
{
    char trouble[512];
    if ((c->options & OPTION_BIT(OPTION_START)) != 0 &&
        !arguments_take_letter(&s->arguments, OPTION_OUTPUT, OPTION_START))
        return fail_usage(s, "--start is given twice");
    const char *output = s->arguments.values[OPTION_OUTPUT];
    if (!is_sound(c, &s->arguments, trouble, sizeof trouble) ||
        !targets_find(&s->arguments, &s->targets, trouble, sizeof trouble))
        return fail_usage(s, trouble);
    s->is_json = output != NULL && strcmp(output, "json") == 0;
    if (!http_init()) {
        fprintf(s->err, "trilog: libcurl does not start\n");
        return EXIT_FAILED;
    }
    return c->run(s);
}

static void say_what_kcat_has(const struct arguments *a, char *trouble, size_t size)
{
    size_t length = strlen(trouble);
    if (a->unknown == NULL || a->noun == NULL || strcmp(a->noun, "consume") != 0)
        return;
    const char *why = consume_lacks(a->unknown[1]);
    if (why != NULL)
        snprintf(trouble + length, size - length, ": %s", why);
}

static int find_and_run(int count, char **texts, struct session *s)
{
    char trouble[512];
    struct arguments *a = &s->arguments;
    if (!arguments_read(count, texts, a, trouble, sizeof trouble)) {
        say_what_kcat_has(a, trouble, sizeof trouble);
        return fail_usage(s, trouble);
    }
    bool wants_help = arguments_has(a, OPTION_HELP) ||
                      (a->noun != NULL && a->verb == NULL && strcmp(a->noun, "help") == 0);
    const struct command *c = a->noun != NULL ? find(a) : NULL;
    if (c != NULL && wants_help) {
        print_command_help(c, s->out);
        return EXIT_DONE;
    }
    if (wants_help) {
        print_help(a->noun != NULL && has_noun(a->noun) ? a->noun : NULL, s->out);
        return EXIT_DONE;
    }
    if (c != NULL)
        return run(c, s);
    if (a->noun == NULL || (a->verb == NULL && has_noun(a->noun))) {
        print_help(a->noun, s->err);
        return EXIT_USAGE;
    }
    snprintf(trouble, sizeof trouble, "there is no command %.60s %.60s", a->noun,
             a->verb != NULL ? a->verb : "");
    return fail_usage(s, trouble);
}

int command_run(int count, char **texts, struct session *s)
{
    int status = find_and_run(count, texts, s);
    if (fflush(s->out) == 0 && !ferror(s->out))
        return status;
    fprintf(s->err, "trilog: the output could not be written\n");
    return status == EXIT_DONE ? EXIT_FAILED : status;
}

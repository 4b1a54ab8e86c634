/* Manual pages in roff, with the few requests of man(7) that every reader knows. */
#include <string.h>

#include "pages.h"

/* Text as it stands: a backslash, a hyphen, and a dot or quote where a line begins mean something
 * in roff. */
static void put_text(const char *text, FILE *into)
{
    bool is_line_start = true;
    for (; *text != '\0'; text++) {
        if (is_line_start && (*text == '.' || *text == '\''))
            fputs("\\&", into);
        if (*text == '\\')
            fputs("\\e", into);
        else if (*text == '-')
            fputs("\\-", into);
        else
            fputc(*text, into);
        is_line_start = *text == '\n';
    }
}

static void put_options(uint64_t options, FILE *into)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if ((options & OPTION_BIT(i)) == 0)
            continue;
        fprintf(into, ".TP\n");
        if (row->letter != 0)
            fprintf(into, "\\fB\\-%c\\fR, ", row->letter);
        fprintf(into, "\\fB\\-\\-");
        put_text(row->name, into);
        fprintf(into, "\\fR");
        if (row->value != NULL) {
            fprintf(into, " \\fI");
            put_text(row->value, into);
            fprintf(into, "\\fR");
        }
        fputc('\n', into);
        put_text(row->meaning, into);
        fputc('\n', into);
    }
}

static void put_command(const struct command *c, FILE *into)
{
    char name[PAGE_NAME_SIZE];
    fprintf(into, "\\fBtrilog ");
    put_text(page_name(c, ' ', name), into);
    fprintf(into, "\\fR");
    if (c->operands[0] != '\0') {
        fprintf(into, " \\fI");
        put_text(c->operands, into);
        fprintf(into, "\\fR");
    }
}

static void put_exit_status(FILE *into)
{
    fprintf(into, ".SH EXIT STATUS\n"
                  ".TP\n.B 0\ndone\n"
                  ".TP\n.B 1\nfailed or refused; nothing was changed\n"
                  ".TP\n.B 2\nusage, or nobody was there to confirm\n"
                  ".TP\n.B 3\npartly done, still going on, or not known\n"
                  ".TP\n.B 4\nno node answered\n");
}

static void put_places(FILE *into)
{
    fprintf(into, ".SH ENVIRONMENT\n"
                  ".TP\n.B TRILOG_ADMIN\nhost:port,host:port: nodes' operator's ports\n"
                  ".TP\n.B TRILOG_TOKEN_FILE\nthe token that they want\n"
                  ".TP\n.B TRILOG_CONFIG\na file in the place of those below\n"
                  ".SH FILES\n"
                  ".TP\n.I ~/.config/trilog/cli.conf\n"
                  ".TQ\n.I /etc/trilog/cli.conf\n"
                  "lines \\(lqadmin HOST:PORT\\(rq and \\(lqtoken_file PATH\\(rq\n");
}

void page_manual(FILE *into)
{
    fprintf(into,
            ".TH TRILOG 1 \"\" Trilog \"Trilog\"\n"
            ".SH NAME\ntrilog \\- operates a Trilog cluster\n"
            ".SH SYNOPSIS\n.B trilog\n.I NOUN VERB\n[options]\n"
            ".SH DESCRIPTION\n"
            "Asks nodes at their operator's ports, and has them change what is to be changed. "
            "Any node can be asked;\none that is not reached is passed over. Each command has "
            "a page of its own, trilog\\-NOUN\\-VERB(1).\n"
            ".SH COMMANDS\n");
    for (const struct command *c = commands; c->noun != NULL; c++) {
        fprintf(into, ".TP\n");
        put_command(c, into);
        fputc('\n', into);
        put_text(c->summary, into);
        fputc('\n', into);
    }
    fprintf(into, ".SH OPTIONS OF EVERY COMMAND\n");
    put_options(OPTIONS_COMMON, into);
    put_exit_status(into);
    put_places(into);
}

void page_manual_of(const struct command *c, FILE *into)
{
    char name[PAGE_NAME_SIZE];
    page_name(c, '-', name);
    fprintf(into, ".TH TRILOG\\-");
    put_text(name, into);
    fprintf(into, " 1 \"\" Trilog \"Trilog\"\n.SH NAME\ntrilog\\-");
    put_text(name, into);
    fprintf(into, " \\- ");
    put_text(c->summary, into);
    fprintf(into, "\n.SH SYNOPSIS\n");
    put_command(c, into);
    fprintf(into, "\n[options]\n.SH DESCRIPTION\nIt ");
    put_text(c->summary, into);
    fprintf(into, ".\n");
    if (c->details[0] != '\0') {
        put_text(c->details, into);
        fputc('\n', into);
    }
    fprintf(into, ".SH OPTIONS\n");
    put_options(command_options(c), into);
    fprintf(into, ".SH EXAMPLE\n.EX\n");
    put_text(c->example, into);
    fprintf(into, "\n.EE\n");
    put_exit_status(into);
    fprintf(into, ".SH SEE ALSO\n.BR trilog (1)\n");
}

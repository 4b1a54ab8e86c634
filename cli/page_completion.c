/* Completions for bash and zsh: nouns, then verbs, then options. Their tables stand in the scripts,
 * so that nothing is run while somebody types. */
#include <string.h>

#include "pages.h"

/* In single quotes, as both shells read them. */
static void put_quoted(const char *text, FILE *into)
{
    fputc('\'', into);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", into);
        else
            fputc(*text, into);
    fputc('\'', into);
}

static void put_verbs(const char *noun, FILE *into)
{
    const char *space = "";
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (strcmp(c->noun, noun) == 0 && c->verb[0] != '\0') {
            fprintf(into, "%s%s", space, c->verb);
            space = " ";
        }
}

/* What the first two words are: noun and verb, or a noun that is the command and anything. */
static void put_pattern(const struct command *c, FILE *into)
{
    fprintf(into, "    '%s %s'%s", c->noun, c->verb, c->verb[0] == '\0' ? "*" : "");
}

/* ---- bash ---- */

static void put_bash_options(const struct command *c, FILE *into)
{
    const char *space = "";
    put_pattern(c, into);
    fprintf(into, ") words='");
    for (int i = 0; i < OPTION_COUNT; i++)
        if (page_has_option(c, i)) {
            fprintf(into, "%s--%s", space, option_rows[i].name);
            space = " ";
        }
    fprintf(into, "' ;;\n");
}

/* A value is a file's name, one of a few words, or nothing that a shell knows. */
static void put_bash_values(FILE *into)
{
    fprintf(into, "    case $before in\n    -o | --output) words='table json' ;;\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (option_rows[i].value == NULL || i == OPTION_OUTPUT)
            continue;
        fprintf(into, "    --%s) %s ;;\n", option_rows[i].name,
                strcmp(option_rows[i].value, "FILE") == 0
                    ? "mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return"
                    : "return");
    }
    fprintf(into, "    esac\n    [[ $before == -o && ${COMP_WORDS[1]} == consume ]] && "
                  "words='beginning end stored'\n");
}

void page_bash(FILE *into)
{
    const char *space = "";
    fprintf(into, "# Completion of trilog in bash, made by `trilog pages write` of its commands.\n"
                  "_trilog() {\n"
                  "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
                  "words=\n"
                  "    COMPREPLY=()\n");
    put_bash_values(into);
    fprintf(into, "    if [[ -z $words ]] && ((COMP_CWORD == 1)); then\n        words='");
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (page_is_first_of_noun(c)) {
            fprintf(into, "%s%s", space, c->noun);
            space = " ";
        }
    fprintf(into, " --help'\n    elif [[ -z $words && $word != -* ]] && ((COMP_CWORD == 2)); then\n"
                  "        case ${COMP_WORDS[1]} in\n");
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (page_is_first_of_noun(c)) {
            fprintf(into, "        %s) words='", c->noun);
            put_verbs(c->noun, into);
            fprintf(into, "' ;;\n");
        }
    fprintf(into, "        esac\n    elif [[ -z $words && $word == -* ]]; then\n"
                  "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (const struct command *c = commands; c->noun != NULL; c++)
        put_bash_options(c, into);
    fprintf(into, "    esac\n    fi\n"
                  "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
                  "complete -F _trilog trilog\n");
}

/* ---- zsh ---- */

/* 'name:meaning', as _describe wants it. */
static void put_described(const char *dashes, const char *name, const char *meaning, FILE *into)
{
    char text[256];
    snprintf(text, sizeof text, "%s%s:%s", dashes, name, meaning);
    put_quoted(text, into);
    fputc(' ', into);
}

static void put_zsh_options(const struct command *c, FILE *into)
{
    put_pattern(c, into);
    fprintf(into, ") found=(");
    for (int i = 0; i < OPTION_COUNT; i++)
        if (page_has_option(c, i))
            put_described("--", option_rows[i].name, option_rows[i].meaning, into);
    fprintf(into, ") ;;\n");
}

static void put_zsh_values(FILE *into)
{
    fprintf(into, "    if [[ $words[CURRENT-1] == -o && $words[2] == consume ]]; then\n"
                  "        found=('beginning:of all' 'end:what comes from now on' "
                  "'stored:where the group stands')\n"
                  "        _describe value found; return\n    fi\n"
                  "    case $words[CURRENT-1] in\n"
                  "    -o|--output) found=('table:for people' 'json:what the node said')\n"
                  "        _describe value found; return ;;\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (option_rows[i].value == NULL || i == OPTION_OUTPUT)
            continue;
        fprintf(into, "    --%s) %s ;;\n", option_rows[i].name,
                strcmp(option_rows[i].value, "FILE") == 0 ? "_files; return" : "return");
    }
    fprintf(into, "    esac\n");
}

static void put_zsh_verbs(const char *noun, FILE *into)
{
    fprintf(into, "        %s) found=(", noun);
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (strcmp(c->noun, noun) == 0 && c->verb[0] != '\0')
            put_described("", c->verb, c->summary, into);
    fprintf(into, ") ;;\n");
}

void page_zsh(FILE *into)
{
    fprintf(into, "#compdef trilog\n"
                  "# Completion of trilog in zsh, made by `trilog pages write` of its commands.\n"
                  "_trilog() {\n"
                  "    local -a found\n");
    put_zsh_values(into);
    fprintf(into, "    if (( CURRENT == 2 )); then\n        found=(");
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (page_is_first_of_noun(c))
            fprintf(into, "%s ", c->noun);
    fprintf(into, "--help)\n    elif (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n"
                  "        case $words[2] in\n");
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (page_is_first_of_noun(c))
            put_zsh_verbs(c->noun, into);
    fprintf(into, "        esac\n    else\n    case \"$words[2] $words[3]\" in\n");
    for (const struct command *c = commands; c->noun != NULL; c++)
        put_zsh_options(c, into);
    fprintf(into, "    esac\n    fi\n    _describe trilog found\n}\n_trilog \"$@\"\n");
}

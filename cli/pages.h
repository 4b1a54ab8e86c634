/* Manual pages and completions, all out of the tables of commands and options: what is not there
 * can't be in them, and what is there can't be missing. */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include <stdio.h>

#include "command.h"

/* trilog(1), with all commands. */
void page_manual(FILE *into);
/* trilog-NOUN-VERB(1), or trilog-NOUN(1). */
void page_manual_of(const struct command *c, FILE *into);
/* For /usr/share/bash-completion/completions/trilog. */
void page_bash(FILE *into);
/* For a folder of zsh's fpath, as _trilog. */
void page_zsh(FILE *into);

/* The first row of each noun, for walking over nouns. */
bool page_is_first_of_noun(const struct command *c);
/* Noun and verb with `between` between them, or the noun alone, into `text`, which is returned. */
#define PAGE_NAME_SIZE 64
const char *page_name(const struct command *c, char between, char text[PAGE_NAME_SIZE]);
/* Is it an option of the command? */
bool page_has_option(const struct command *c, int option);

#endif

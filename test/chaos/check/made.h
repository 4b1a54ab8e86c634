/* Histories in memory, and what the checker says of them. */
#ifndef TEST_MADE_H
#define TEST_MADE_H

#include "generate.h"
#include "source.h"
#include "tape.h"
#include "verdict.h"

/* The files of a history. */
struct made {
    char *bytes[GENERATE_FILES];
    size_t sizes[GENERATE_FILES];
};

struct made made_by(const struct generate_options *options);
/* The lines of a tape. */
struct made made_of(const struct tape *tape);
void made_close(struct made *made);

/* Judges the files; the history stays open. Fails the test when a line is malformed. */
void made_judge(const struct made *made, struct history *h, struct verdict *v);
void made_judged_close(struct history *h, struct verdict *v);

/* The same of lines that a test writes down, in one file. Shown: up to 5 of each property. */
void text_judge(const char *lines, struct history *h, struct verdict *v);
/* How many violations of one property the lines show; fails if there are any of another. */
uint64_t violations_of(const char *lines, enum property property);

#endif

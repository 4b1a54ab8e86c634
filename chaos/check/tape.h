/* A history as lines that can be changed: what the mutator works on. */
#ifndef CHECK_TAPE_H
#define CHECK_TAPE_H

#include <stdio.h>

#include "line.h"
#include "memory.h"

#define TAPE_NONE SIZE_MAX

/* A line, and what of it is asked for often. Names are numbers of tape.names, NAME_NONE: absent. */
struct tape_line {
    const char *text; /* without \n */
    uint32_t file;
    uint32_t type, process, group, topic, value;
    int64_t at, id, partition, offset, node, epoch; /* -1: absent */
    bool is_end, is_ok, is_fail;
    bool is_final; /* a final read */
};

struct tape {
    struct names names;
    VECTOR(struct tape_line) lines; /* file by file */
    VECTOR(char *) files;
    VECTOR(char *) owned; /* texts that are freed with the tape */
    uint64_t random;
};

/* Takes in whole lines; what is behind the last \n is left out. Returns 0, or -1: malformed. */
int tape_take(struct tape *tape, const char *file, const char *bytes, size_t size);
/* Borrows the texts of `from`, which must outlive it. */
void tape_copy(struct tape *tape, const struct tape *from);
void tape_close(struct tape *tape);
/* The bytes of one file. */
void tape_write(const struct tape *tape, uint32_t file, FILE *into);

bool tape_is(const struct tape *tape, size_t line, const char *type);
/* 0 … count - 1 */
size_t tape_draw(struct tape *tape, size_t count);

/* Sets a field, there or not; a text without its quotes. */
void tape_set(struct tape *tape, size_t line, enum line_field field, const char *text);
void tape_set_number(struct tape *tape, size_t line, enum line_field field, int64_t number);
/* What a field says, at most LINE_TEXT_MAX bytes; "" if it is not there. Returns `into`. */
char *tape_get(const struct tape *tape, size_t line, enum line_field field,
               char into[LINE_TEXT_MAX + 1]);
/* Puts a line before another one, into its file. */
void tape_insert(struct tape *tape, size_t before, const char *text);
void tape_remove(struct tape *tape, size_t line);

#endif

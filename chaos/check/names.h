/* Texts as small numbers: each different text once, numbered from 0 in the order of first sight. */
#ifndef CHECK_NAMES_H
#define CHECK_NAMES_H

#include <stdint.h>

#include "memory.h"

struct text {
    const char *data;
    uint32_t size;
};

struct names {
    VECTOR(char *) texts; /* ended by a zero byte */
    uint32_t *slots;      /* number + 1, 0: free */
    uint32_t slot_count;  /* a power of two, or 0 */
    uint32_t last;        /* found last; the same name often comes again */
};

#define NAME_NONE UINT32_MAX

uint32_t text_hash(struct text text);
struct text text_of(const char *string);

uint32_t names_add(struct names *names, struct text text);
/* NAME_NONE when it was never added. */
uint32_t names_find(struct names *names, struct text text);
/* "" for NAME_NONE. */
const char *names_text(const struct names *names, uint32_t number);
void names_close(struct names *names);

#endif

/* Interning of texts by open addressing. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

uint32_t text_hash(struct text text)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ text.size;
    uint32_t at = 0;
    for (; at + 8 <= text.size; at += 8) {
        uint64_t word;
        memcpy(&word, text.data + at, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    memcpy(&rest, text.data + at, text.size - at);
    hash = (hash ^ rest) * 0xc4ceb9fe1a85ec53u;
    return (uint32_t)(hash ^ hash >> 29);
}

struct text text_of(const char *string)
{
    return (struct text){string, (uint32_t)strlen(string)};
}

static int is_same(const char *known, struct text text)
{
    return strncmp(known, text.data, text.size) == 0 && known[text.size] == '\0';
}

/* The slot that holds the text, or the free one where it belongs. */
static uint32_t *find_slot(const struct names *names, struct text text)
{
    uint32_t mask = names->slot_count - 1;
    uint32_t at = text_hash(text) & mask;
    while (names->slots[at] != 0 && !is_same(names->texts.items[names->slots[at] - 1], text))
        at = (at + 1) & mask;
    return &names->slots[at];
}

static void widen(struct names *names)
{
    free(names->slots);
    names->slot_count = names->slot_count == 0 ? 64 : names->slot_count * 2;
    names->slots = memory_make(names->slot_count, sizeof *names->slots);
    for (uint32_t i = 0; i < names->texts.count; i++)
        *find_slot(names, text_of(names->texts.items[i])) = i + 1;
}

uint32_t names_find(struct names *names, struct text text)
{
    if (names->last < names->texts.count && is_same(names->texts.items[names->last], text))
        return names->last;
    uint32_t found = names->slot_count == 0 ? 0 : *find_slot(names, text);
    if (found == 0)
        return NAME_NONE;
    return names->last = found - 1;
}

uint32_t names_add(struct names *names, struct text text)
{
    uint32_t known = names_find(names, text);
    if (known != NAME_NONE)
        return known;
    if (names->texts.count * 2 >= names->slot_count)
        widen(names);
    char *copy = memory_make(text.size + 1, 1);
    memcpy(copy, text.data, text.size);
    *vector_add(&names->texts) = copy;
    *find_slot(names, text) = (uint32_t)names->texts.count;
    return names->last = (uint32_t)names->texts.count - 1;
}

const char *names_text(const struct names *names, uint32_t number)
{
    return number < names->texts.count ? names->texts.items[number] : "";
}

void names_close(struct names *names)
{
    for (size_t i = 0; i < names->texts.count; i++)
        free(names->texts.items[i]);
    free(names->texts.items);
    free(names->slots);
    memset(names, 0, sizeof *names);
}

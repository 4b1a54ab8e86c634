/* Bytes that other libraries wrote, kept as text. */
#ifndef TEST_HEX_H
#define TEST_HEX_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* Decodes pairs of digits up to the first other character. */
static inline struct bytes bytes_of_hex(const char *hex, uint8_t *to, size_t size)
{
    size_t count = 0;
    for (; hex[2 * count] != '\0' && strchr("0123456789abcdef", hex[2 * count]); count++) {
        char digits[3] = {hex[2 * count], hex[2 * count + 1], '\0'};
        cr_assert_lt(count, size);
        to[count] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes_of(to, count);
}

/* The batch of that name in golden_batches.txt: "name hex" a line. */
static inline struct bytes golden_batch(const char *name, uint8_t *to, size_t size)
{
    FILE *file = fopen("test/protocol/golden_batches.txt", "r");
    cr_assert(file != NULL, "run from the root of the tree");
    static char line[8192];
    struct bytes found = {0};
    while (found.data == NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ' ')
            found = bytes_of_hex(line + strlen(name) + 1, to, size);
    fclose(file);
    cr_assert(found.data != NULL, "no batch %s", name);
    return found;
}

#endif

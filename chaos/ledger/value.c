/* Values that tell which send made them.
 *
 * The filling is drawn from the name, so two values of one size differ everywhere: a broker that
 * put half of one record behind half of another would be seen by the checksum. */
#include "value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "random.h"

#define STRANGE_BYTES_MAX 64 /* that are shown of a value that is none of ours */

size_t value_name(char name[VALUE_NAME_BYTES], const char *process, uint64_t number)
{
    int size = snprintf(name, VALUE_NAME_BYTES, "%s-%" PRIu64, process, number);
    assert(size > 0 && size < VALUE_NAME_BYTES);
    return (size_t)size;
}

size_t value_make(char *bytes, size_t size, const char *name)
{
    size_t name_size = strlen(name) + 1;
    assert(name_size <= VALUE_NAME_BYTES);
    if (size < name_size)
        size = name_size;
    memcpy(bytes, name, name_size);
    struct random filling = random_of(0, name);
    for (size_t i = name_size; i < size; i += sizeof(uint64_t)) {
        uint64_t word = random_next(&filling);
        size_t left = size - i;
        memcpy(bytes + i, &word, left < sizeof word ? left : sizeof word);
    }
    return size;
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static void name_strange(char name[VALUE_NAME_BYTES], const char *bytes, size_t size)
{
    size_t count = size < STRANGE_BYTES_MAX ? size : STRANGE_BYTES_MAX;
    name[0] = '?';
    for (size_t i = 0; i < count; i++)
        name[i + 1] = '.';
    for (size_t i = 0; i < count; i++)
        if (is_plain(bytes[i]))
            name[i + 1] = bytes[i];
    name[count + 1] = '\0';
}

bool value_recognise(char name[VALUE_NAME_BYTES], const void *bytes, size_t size)
{
    const char *text = bytes;
    size_t length = 0;
    while (length < size && length < VALUE_NAME_BYTES && is_plain(text[length]))
        length++;
    if (length == 0 || length == size || length == VALUE_NAME_BYTES || text[length] != '\0') {
        name_strange(name, text, size);
        return false;
    }
    memcpy(name, text, length + 1);
    return true;
}

/* A growable list of bytes. A failed allocation is remembered instead of returned by each put,
 * so that an encoder reads as the format it writes. */
#include "state/byte_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static bool reserve(struct byte_list *list, size_t more)
{
    if (list->is_failed)
        return false;
    if (more <= list->capacity - list->size)
        return true;
    size_t capacity = list->capacity == 0 ? 256 : list->capacity;
    while (capacity - list->size < more)
        capacity *= 2;
    uint8_t *data = realloc(list->data, capacity);
    if (data == NULL) {
        free(list->data);
        *list = (struct byte_list){.is_failed = true};
        return false;
    }
    list->data = data;
    list->capacity = capacity;
    return true;
}

void byte_list_put(struct byte_list *list, const void *data, size_t size)
{
    if (size == 0 || !reserve(list, size))
        return;
    memcpy(list->data + list->size, data, size);
    list->size += size;
}

void byte_list_put_u8(struct byte_list *list, uint8_t value)
{
    byte_list_put(list, &value, sizeof value);
}

void byte_list_put_u16(struct byte_list *list, uint16_t value)
{
    uint8_t bytes[2];
    bytes_put_le16(bytes, value);
    byte_list_put(list, bytes, sizeof bytes);
}

void byte_list_put_u32(struct byte_list *list, uint32_t value)
{
    uint8_t bytes[4];
    bytes_put_le32(bytes, value);
    byte_list_put(list, bytes, sizeof bytes);
}

void byte_list_put_u64(struct byte_list *list, uint64_t value)
{
    uint8_t bytes[8];
    bytes_put_le64(bytes, value);
    byte_list_put(list, bytes, sizeof bytes);
}

void byte_list_put_text(struct byte_list *list, const char *text)
{
    size_t size = strlen(text);
    assert(size <= UINT16_MAX);
    byte_list_put_u16(list, (uint16_t)size);
    byte_list_put(list, text, size);
}

void byte_list_put_bytes(struct byte_list *list, struct bytes bytes)
{
    assert(bytes.size <= UINT32_MAX);
    byte_list_put_u32(list, (uint32_t)bytes.size);
    byte_list_put(list, bytes.data, bytes.size);
}

int byte_list_take(struct byte_list *list, uint8_t **bytes, size_t *size)
{
    if (list->is_failed)
        return UV_ENOMEM;
    *bytes = list->data;
    *size = list->size;
    *list = (struct byte_list){0};
    return 0;
}

struct bytes byte_list_read_text(struct bytes_reader *r)
{
    return bytes_read(r, bytes_read_le16(r));
}

struct bytes byte_list_read_bytes(struct bytes_reader *r)
{
    return bytes_read(r, bytes_read_le32(r));
}

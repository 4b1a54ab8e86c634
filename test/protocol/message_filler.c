/* Walks over the fields of a struct; arrays and structs lead into each other. */
#include "message_filler.h"

#include <assert.h>
#include <string.h>

#include "protocol/codec.h"

static uint8_t *random_bytes(struct random *r, struct kafka_arena *arena, size_t size)
{
    uint8_t *data = kafka_arena_allocate(arena, size + 1);
    assert(data != NULL);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)random_u64(r);
    return data;
}

static struct kafka_slices random_slices(struct random *r, struct kafka_arena *arena)
{
    struct kafka_slices slices = {.count = (int32_t)random_below(r, 4)};
    struct slice *items = kafka_arena_array(arena, 4, sizeof *items);
    for (int32_t i = 0; i < slices.count; i++) {
        size_t size = random_below(r, 2 * KAFKA_WRITER_COPY_BYTES); /* copied or referenced */
        items[i].bytes = bytes_of(random_bytes(r, arena, size), size);
    }
    slices.items = items;
    return slices;
}

static bool is_text(enum kafka_kind kind)
{
    return kind == KAFKA_KIND_STRING || kind == KAFKA_KIND_BYTES || kind == KAFKA_KIND_RECORDS ||
           kind == KAFKA_KIND_SLICES;
}

static void fill_text(enum kafka_kind kind, bool is_null, struct random *r,
                      struct kafka_arena *arena, void *value)
{
    size_t size = random_below(r, 12);
    if (kind == KAFKA_KIND_SLICES) {
        struct kafka_slices null = {.count = -1};
        *(struct kafka_slices *)value = is_null ? null : random_slices(r, arena);
    } else if (kind == KAFKA_KIND_STRING) {
        struct kafka_string text = {(char *)random_bytes(r, arena, size), (int32_t)size};
        *(struct kafka_string *)value = is_null ? KAFKA_STRING_NULL : text;
    } else {
        struct bytes bytes = bytes_of(random_bytes(r, arena, size), size);
        *(struct bytes *)value = is_null ? (struct bytes){0} : bytes;
    }
}

static void fill_value(const struct kafka_field_description *f, int16_t version, bool is_null,
                       struct random *r, struct kafka_arena *arena, void *value)
{
    uint64_t number = random_u64(r);
    if (f->kind == KAFKA_KIND_STRUCT)
        message_fill(f->type, version, r, arena, value);
    else if (f->kind == KAFKA_KIND_BOOL)
        *(bool *)value = number & 1;
    else if (f->kind == KAFKA_KIND_UUID)
        memcpy(value, random_bytes(r, arena, 16), 16);
    else if (is_text(f->kind))
        fill_text(f->kind, is_null, r, arena, value);
    else
        memcpy(value, &number, f->size); /* an integer; which of its bytes does not matter */
}

static void fill_field(const struct kafka_field_description *f, int16_t version, struct random *r,
                       struct kafka_arena *arena, uint8_t *message)
{
    bool may_be_null = version >= f->null_min && version <= f->null_max;
    bool is_null = may_be_null && random_below(r, 3) == 0;
    if (!f->is_array) {
        fill_value(f, version, is_null, r, arena, message + f->offset);
        return;
    }
    int32_t count = is_null ? -1 : (int32_t)random_below(r, 4);
    memcpy(message + f->count_offset, &count, sizeof count);
    uint8_t *items = kafka_arena_array(arena, 4, f->size);
    memcpy(message + f->offset, &items, sizeof items);
    for (int32_t i = 0; i < count; i++)
        fill_value(f, version, false, r, arena, items + (size_t)i * f->size);
}

void message_fill(const struct kafka_struct_description *type, int16_t version, struct random *r,
                  struct kafka_arena *arena, void *message)
{
    type->init(message);
    for (size_t i = 0; i < type->field_count; i++) {
        const struct kafka_field_description *f = &type->fields[i];
        if (version >= f->version_min && version <= f->version_max)
            fill_field(f, version, r, arena, message);
    }
}

static bool slices_are_equal(const struct kafka_slices *a, const struct kafka_slices *b)
{
    static uint8_t bytes[2][4096];
    size_t sizes[2] = {0, 0};
    const struct kafka_slices *both[2] = {a, b};
    for (int side = 0; side < 2; side++)
        for (int32_t i = 0; i < both[side]->count; i++) {
            struct bytes part = both[side]->items[i].bytes;
            memcpy(bytes[side] + sizes[side], part.data, part.size);
            sizes[side] += part.size;
        }
    return (a->count < 0) == (b->count < 0) &&
           bytes_is_equal(bytes_of(bytes[0], sizes[0]), bytes_of(bytes[1], sizes[1]));
}

static bool value_is_equal(const struct kafka_field_description *f, const void *a, const void *b)
{
    const struct bytes *x = a;
    const struct bytes *y = b;
    switch (f->kind) {
    case KAFKA_KIND_STRUCT:
        return message_is_equal(f->type, a, b);
    case KAFKA_KIND_STRING:
        return kafka_string_is_equal(*(const struct kafka_string *)a,
                                     *(const struct kafka_string *)b);
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS:
        return bytes_is_equal(*x, *y) && (x->data == NULL) == (y->data == NULL);
    case KAFKA_KIND_SLICES:
        return slices_are_equal(a, b);
    default:
        return memcmp(a, b, f->size) == 0;
    }
}

static bool array_is_equal(const struct kafka_field_description *f, const uint8_t *a,
                           const uint8_t *b)
{
    int32_t counts[2];
    const uint8_t *items[2];
    memcpy(&counts[0], a + f->count_offset, sizeof counts[0]);
    memcpy(&counts[1], b + f->count_offset, sizeof counts[1]);
    memcpy(&items[0], a + f->offset, sizeof items[0]);
    memcpy(&items[1], b + f->offset, sizeof items[1]);
    for (int32_t i = 0; counts[0] == counts[1] && i < counts[0]; i++)
        if (!value_is_equal(f, items[0] + (size_t)i * f->size, items[1] + (size_t)i * f->size))
            return false;
    return counts[0] == counts[1];
}

bool message_is_equal(const struct kafka_struct_description *type, const void *a, const void *b)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct kafka_field_description *f = &type->fields[i];
        bool is_equal = f->is_array ? array_is_equal(f, x, y)
                                    : value_is_equal(f, x + f->offset, y + f->offset);
        if (!is_equal)
            return false;
    }
    return true;
}

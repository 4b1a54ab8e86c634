/* Null where a version allows it, and where it does not: in what is read and what is written. */
#include "protocol/messages.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "hex.h"
#include "message_filler.h"
#include "protocol/api_key.h"

static int decoded(int16_t key, int16_t version, const char *hex)
{
    static _Alignas(16) uint8_t message[4096];
    uint8_t bytes[256];
    struct kafka_arena arena;
    kafka_arena_init(&arena, 4096);
    struct kafka_reader r = kafka_reader_of(bytes_of_hex(hex, bytes, sizeof bytes));
    int err = kafka_api_find(key)->request.decode(&r, version, &arena, message);
    kafka_arena_close(&arena);
    return err;
}

Test(null, is_read_only_at_versions_that_allow_it)
{
    const char *topics_null = "ffffffff";
    cr_assert_eq(decoded(KAFKA_API_METADATA, 0, topics_null), ERR_MALFORMED);
    cr_assert_eq(decoded(KAFKA_API_METADATA, 1, topics_null), 0);
    cr_assert_eq(decoded(KAFKA_API_METADATA, 9,
                         "020000"
                         "01"
                         "00"
                         "00"
                         "00"),
                 ERR_MALFORMED);
    cr_assert_eq(decoded(KAFKA_API_METADATA, 10,
                         "02"
                         "00000000000000000000000000000000"
                         "00"
                         "00"
                         "01"
                         "00"
                         "00"
                         "00"),
                 0);
    cr_assert_eq(decoded(KAFKA_API_OFFSET_FETCH, 1, "000167ffffffff"), ERR_MALFORMED);
    cr_assert_eq(decoded(KAFKA_API_OFFSET_FETCH, 2, "000167ffffffff"), 0);
    cr_assert_eq(decoded(KAFKA_API_HEARTBEAT, 3, "ffff00000001000000ffff"), ERR_MALFORMED);
    cr_assert_eq(decoded(KAFKA_API_HEARTBEAT, 3,
                         "00000000000100"
                         "00"
                         "ffff"),
                 0);
    cr_assert_eq(decoded(KAFKA_API_PRODUCE, 3, "ffff0001000000ffffffffff"), ERR_MALFORMED);
}

/* Sets a field of the outermost struct to null: false when it is of a type without one. */
static bool set_null(const struct kafka_field_description *f, uint8_t *message)
{
    static const int32_t minus_one = -1;
    if (f->is_array)
        memcpy(message + f->count_offset, &minus_one, sizeof minus_one);
    else if (f->kind == KAFKA_KIND_STRING)
        *(struct kafka_string *)(void *)(message + f->offset) = KAFKA_STRING_NULL;
    else
        return false;
    return true;
}

static void check_field(const struct kafka_message_type *type,
                        const struct kafka_struct_description *description,
                        const struct kafka_field_description *f, int16_t version)
{
    static _Alignas(16) uint8_t message[4096];
    if (f->is_tagged || version < f->version_min || version > f->version_max)
        return;
    description->init(message);
    if (!set_null(f, message))
        return;
    bool is_allowed = version >= f->null_min && version <= f->null_max;
    struct kafka_writer w;
    kafka_writer_init(&w, 10000);
    cr_assert_eq(type->encode(&w, version, message), is_allowed ? 0 : ERR_INVALID, "%s.%s v%d",
                 type->name, f->name, version);
    kafka_writer_close(&w);
}

static void check_type(const struct kafka_api *api, const struct kafka_message_type *type)
{
    const struct kafka_struct_description *description = kafka_describe(type->name);
    for (int16_t version = api->version_min; version <= api->version_max; version++)
        for (size_t i = 0; i < description->field_count; i++)
            check_field(type, description, &description->fields[i], version);
}

Test(null, is_not_written_where_the_version_has_none)
{
    for (size_t i = 0; i < kafka_api_count; i++) {
        check_type(&kafka_apis[i], &kafka_apis[i].request);
        check_type(&kafka_apis[i], &kafka_apis[i].response);
    }
}

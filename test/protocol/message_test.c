/* Every message at every version: there and back with random contents, cut and damaged. */
#include "protocol/api_key.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "message_filler.h"

#define ROUNDS         40
#define WIRE_BYTES_MAX (256 * 1024)

static uint8_t wire[WIRE_BYTES_MAX];

struct subject {
    const struct kafka_message_type *type;
    const struct kafka_struct_description *description;
    int16_t version;
    struct random random;
};

typedef void check_subject(struct subject *s);

static void check_type(const struct kafka_api *api, const struct kafka_message_type *type,
                       check_subject *check)
{
    struct subject s = {.type = type, .description = kafka_describe(type->name)};
    cr_assert(s.description != NULL && s.description->size == type->size);
    for (s.version = api->version_min; s.version <= api->version_max; s.version++) {
        random_init(&s.random, (uint64_t)(api->key * 100 + s.version));
        for (int round = 0; round < ROUNDS; round++)
            check(&s);
    }
}

static void for_every_message(check_subject *check)
{
    for (size_t i = 0; i < kafka_api_count; i++) {
        check_type(&kafka_apis[i], &kafka_apis[i].request, check);
        check_type(&kafka_apis[i], &kafka_apis[i].response, check);
    }
}

static void *random_message(struct subject *s, struct kafka_arena *arena)
{
    void *message = kafka_arena_allocate(arena, s->type->size);
    message_fill(s->description, s->version, &s->random, arena, message);
    return message;
}

static struct bytes encoded(struct subject *s, const void *message)
{
    struct kafka_writer w;
    kafka_writer_init(&w, WIRE_BYTES_MAX);
    cr_assert_eq(s->type->encode(&w, s->version, message), 0, "%s v%d", s->type->name, s->version);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    struct bytes bytes = bytes_of(wire, kafka_writer_copy(&w, wire, sizeof wire));
    kafka_writer_close(&w);
    return bytes;
}

/* Decodes within the arena that a broker would give to a message of that size. */
static int decode(struct subject *s, struct bytes bytes, struct kafka_arena *arena, void *message)
{
    kafka_arena_init(arena, kafka_arena_limit_for(bytes.size));
    struct kafka_reader r = kafka_reader_of(bytes);
    int err = s->type->decode(&r, s->version, arena, message);
    cr_assert_leq(arena->used_bytes, KAFKA_ARENA_FACTOR * bytes.size);
    cr_assert_leq(kafka_arena_held_bytes(arena), 2 * arena->limit_bytes + 8192);
    return err;
}

static void survives_a_round_trip(struct subject *s)
{
    struct kafka_arena sent, received;
    kafka_arena_init(&sent, 1 << 20);
    void *message = random_message(s, &sent);
    void *back = kafka_arena_allocate(&sent, s->type->size);
    int err = decode(s, encoded(s, message), &received, back);
    cr_assert_eq(err, 0, "%s v%d: %s", s->type->name, s->version, err_name(err));
    cr_assert(message_is_equal(s->description, message, back), "%s v%d", s->type->name, s->version);
    kafka_arena_close(&received);
    kafka_arena_close(&sent);
}

Test(kafka_message, survives_a_round_trip_with_everything_in_it)
{
    for_every_message(survives_a_round_trip);
}

static void is_refused_when_damaged(struct subject *s)
{
    struct kafka_arena sent, received;
    kafka_arena_init(&sent, 1 << 20);
    struct bytes bytes = encoded(s, random_message(s, &sent));
    void *back = kafka_arena_allocate(&sent, s->type->size);
    if (bytes.size > 0) {
        wire[random_below(&s->random, bytes.size)] = (uint8_t)random_u64(&s->random);
        wire[random_below(&s->random, bytes.size)] = 0xff;
        int err = decode(s, bytes, &received, back);
        cr_assert(err == 0 || err == ERR_MALFORMED || err == ERR_TOO_LARGE);
        kafka_arena_close(&received);
    }
    kafka_arena_close(&sent);
}

Test(kafka_message, never_takes_more_memory_than_its_bytes_allow_when_damaged)
{
    for_every_message(is_refused_when_damaged);
}

static void is_refused_at_other_versions(struct subject *s)
{
    const struct kafka_api *api = NULL;
    for (size_t i = 0; i < kafka_api_count; i++)
        if (s->type == &kafka_apis[i].request || s->type == &kafka_apis[i].response)
            api = &kafka_apis[i];
    struct kafka_arena arena;
    kafka_arena_init(&arena, 1 << 20);
    void *message = random_message(s, &arena);
    int16_t others[] = {(int16_t)(api->version_min - 1), (int16_t)(api->version_max + 1), -1,
                        INT16_MAX};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct kafka_reader r = kafka_reader_of(bytes_of(wire, 100));
        struct kafka_writer w;
        kafka_writer_init(&w, 1000);
        cr_assert_eq(s->type->decode(&r, others[i], &arena, message), ERR_VERSION);
        cr_assert_eq(s->type->encode(&w, others[i], message), ERR_VERSION);
        kafka_writer_close(&w);
    }
    kafka_arena_close(&arena);
}

Test(kafka_message, is_refused_at_versions_that_are_not_known)
{
    for_every_message(is_refused_at_other_versions);
}

/* Messages written by Kafka's own Java library (random contents, every version, four of each)
 * must be read here and written again byte for byte. A line is: name, kind, version, hex. */
#include "protocol/api_key.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hex.h"

#define LINE_BYTES_MAX 4096

struct golden {
    const struct kafka_message_type *type;
    int16_t version;
    uint8_t data[LINE_BYTES_MAX];
    size_t size;
    char label[64];
};

static const struct kafka_api *api_of(const char *name)
{
    for (size_t i = 0; i < kafka_api_count; i++)
        if (strcmp(kafka_apis[i].name, name) == 0)
            return &kafka_apis[i];
    cr_assert(false, "no such request: %s", name);
    return NULL;
}

static void parse(char *line, struct golden *g)
{
    char name[32], kind[16], hex[2 * LINE_BYTES_MAX];
    int version;
    cr_assert_eq(sscanf(line, "%31s %15s %d %8191s", name, kind, &version, hex), 4);
    snprintf(g->label, sizeof g->label, "%s %s v%d", name, kind, version);
    const struct kafka_api *api = api_of(name);
    g->type = strcmp(kind, "request") == 0 ? &api->request : &api->response;
    g->version = (int16_t)version;
    g->size = bytes_of_hex(hex, g->data, sizeof g->data - 1).size; /* "-" is none */
}

typedef void check_golden(const struct golden *g);

static void for_every_golden(check_golden *check)
{
    FILE *file = fopen("test/protocol/golden_messages.txt", "r");
    cr_assert(file != NULL, "run from the root of the tree");
    static char line[2 * LINE_BYTES_MAX];
    static struct golden g;
    int count = 0;
    for (; fgets(line, sizeof line, file) != NULL; count++) {
        parse(line, &g);
        check(&g);
    }
    fclose(file);
    cr_assert_geq(count, 1000);
}

static int decode(const struct golden *g, size_t size, struct kafka_arena *arena, void *message)
{
    struct kafka_reader r = kafka_reader_of(bytes_of(g->data, size));
    kafka_arena_init(arena, kafka_arena_limit_for(size));
    return g->type->decode(&r, g->version, arena, message);
}

static void is_written_as_it_was(const struct golden *g)
{
    static _Alignas(16) uint8_t message[4096];
    static uint8_t back[LINE_BYTES_MAX];
    struct kafka_arena arena;
    int err = decode(g, g->size, &arena, message);
    cr_assert_eq(err, 0, "%s: %s", g->label, err_name(err));
    struct kafka_writer w;
    kafka_writer_init(&w, sizeof back);
    cr_assert_eq(g->type->encode(&w, g->version, message), 0);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    size_t size = kafka_writer_copy(&w, back, sizeof back);
    cr_assert(bytes_is_equal(bytes_of(back, size), bytes_of(g->data, g->size)), "%s", g->label);
    kafka_writer_close(&w);
    kafka_arena_close(&arena);
}

Test(golden_messages, are_read_and_written_again_byte_for_byte)
{
    for_every_golden(is_written_as_it_was);
}

/* In memory of just that size, so that the address sanitizer sees a read beyond it. */
static void is_refused_when_cut(const struct golden *g)
{
    static _Alignas(16) uint8_t message[4096];
    for (size_t size = 0; size < g->size; size++) {
        uint8_t *exact = malloc(size);
        if (size > 0)
            memcpy(exact, g->data, size);
        struct kafka_reader r = kafka_reader_of(bytes_of(exact, size));
        struct kafka_arena arena;
        kafka_arena_init(&arena, kafka_arena_limit_for(size));
        int err = g->type->decode(&r, g->version, &arena, message);
        cr_assert(err == ERR_MALFORMED || err == ERR_TOO_LARGE, "%s cut to %zu", g->label, size);
        kafka_arena_close(&arena);
        free(exact);
    }
}

Test(golden_messages, are_refused_when_cut_at_any_byte)
{
    for_every_golden(is_refused_when_cut);
}

static void is_read_with_a_byte_behind(const struct golden *g)
{
    static _Alignas(16) uint8_t message[4096];
    static struct golden longer;
    longer = *g;
    longer.data[longer.size] = 0;
    struct kafka_arena arena;
    cr_assert_eq(decode(&longer, g->size + 1, &arena, message), 0, "%s", g->label);
    kafka_arena_close(&arena);
}

Test(golden_messages, are_read_also_with_a_byte_behind_them)
{
    for_every_golden(is_read_with_a_byte_behind);
}

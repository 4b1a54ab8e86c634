/* Compressed pieces (log/ship_pack.c), as they come from an honest peer and from others. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../log/ship_pack.h"
#include "base/err.h"
#include "base/random.h"

#define PIECE_SIZE (1u << 20)

/* `share` of its bytes, in percent, are random. */
static struct slice piece_of(size_t size, unsigned share, struct random *random)
{
    struct buffer *b = buffer_create(size);
    for (size_t i = 0; i < size; i++)
        b->data[i] = i % 100 < share ? (uint8_t)random_u64(random) : (uint8_t)(i % 7);
    return (struct slice){.owner = b, .bytes = bytes_of(b->data, size)};
}

Test(log_ship_pack, gives_back_the_same_bytes)
{
    static const size_t sizes[] = {1024, 4096, 65537, PIECE_SIZE - 1, PIECE_SIZE};
    struct random random;
    random_init(&random, 1);
    for (unsigned n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        struct slice piece = piece_of(sizes[n], 20, &random), plain = slice_ref(piece), back;
        cr_assert(ship_pack(&piece));
        cr_assert_leq(piece.bytes.size, sizes[n] - sizes[n] / 10);
        cr_assert_eq(ship_unpack(piece.bytes, sizes[n], &back), 0);
        cr_assert_eq(back.bytes.size, sizes[n]);
        cr_assert_arr_eq(back.bytes.data, plain.bytes.data, sizes[n]);
        slice_unref(&piece), slice_unref(&plain), slice_unref(&back);
    }
    cr_assert_eq(buffer_total_bytes(), 0);
}

Test(log_ship_pack, leaves_a_piece_alone_that_does_not_get_a_tenth_smaller)
{
    struct random random;
    random_init(&random, 2);
    for (unsigned size = 0; size < 20; size++) {
        struct slice small = piece_of(size, 100, &random);
        cr_assert_not(ship_pack(&small));
        slice_unref(&small);
    }
    for (unsigned share = 95; share <= 100; share++) {
        struct slice piece = piece_of(PIECE_SIZE, share, &random);
        const uint8_t *data = piece.bytes.data;
        cr_assert_not(ship_pack(&piece));
        cr_assert_eq(piece.bytes.data, data);
        cr_assert_eq(piece.bytes.size, PIECE_SIZE);
        slice_unref(&piece);
    }
    cr_assert_eq(buffer_total_bytes(), 0);
}

/* Bytes in a place of their own size, so that a sanitizer sees one read too far. */
static int unpack_copy(const uint8_t *bytes, size_t size, size_t plain_size)
{
    struct slice piece = {0};
    uint8_t *copy = malloc(size + (size == 0));
    if (size > 0)
        memcpy(copy, bytes, size);
    int err = ship_unpack(bytes_of(copy, size), plain_size, &piece);
    cr_assert(err == ERR_CORRUPT || (err == 0 && piece.bytes.size == plain_size));
    slice_unref(&piece);
    free(copy);
    return err;
}

Test(log_ship_pack, refuses_what_is_not_exactly_the_piece)
{
    struct random random;
    random_init(&random, 3);
    struct slice piece = piece_of(PIECE_SIZE, 20, &random);
    cr_assert(ship_pack(&piece));
    const uint8_t *data = piece.bytes.data;
    size_t size = piece.bytes.size;
    cr_assert_eq(unpack_copy(data, size, PIECE_SIZE), 0);
    cr_assert_eq(unpack_copy(data, size, PIECE_SIZE - 1), ERR_CORRUPT, "more than was asked for");
    cr_assert_eq(unpack_copy(data, size, PIECE_SIZE + 1), ERR_CORRUPT, "less");
    cr_assert_eq(unpack_copy(data, 0, PIECE_SIZE), ERR_CORRUPT);
    cr_assert_eq(unpack_copy(data, size, size), ERR_CORRUPT, "not smaller than it was");
    for (unsigned n = 0; n < 200; n++)
        cr_assert_eq(unpack_copy(data, random_u64(&random) % size, PIECE_SIZE), ERR_CORRUPT);
    slice_unref(&piece);
    cr_assert_eq(buffer_total_bytes(), 0);
}

Test(log_ship_pack, stays_within_its_bounds_whatever_comes)
{
    struct random random;
    random_init(&random, 4);
    unsigned refused = 0;
    for (unsigned n = 0; n < 2000; n++) {
        struct slice piece = piece_of(1024 + n, 10, &random);
        cr_assert(ship_pack(&piece));
        uint8_t bytes[4096];
        size_t size = piece.bytes.size;
        cr_assert_leq(size, sizeof bytes);
        memcpy(bytes, piece.bytes.data, size);
        for (unsigned flips = 1 + n % 5; flips > 0; flips--)
            bytes[random_u64(&random) % size] = (uint8_t)random_u64(&random);
        refused += unpack_copy(bytes, size, 1024 + n) != 0;
        for (size_t i = 0; i < size; i++)
            bytes[i] = n % 3 == 0 ? 0xff : (uint8_t)random_u64(&random);
        refused += unpack_copy(bytes, size, 1024 + n) != 0;
        slice_unref(&piece);
    }
    cr_assert_gt(refused, 2000);
    cr_assert_eq(buffer_total_bytes(), 0);
}

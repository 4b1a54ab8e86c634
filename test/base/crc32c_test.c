#include "base/crc32c.h"

#include <criterion/criterion.h>

#include "base/random.h"

Test(crc32c, gives_the_check_value_of_the_standard)
{
    cr_assert_eq(crc32c(0, bytes_of_text("123456789")), 0xe3069283u);
}

Test(crc32c, is_the_same_by_instruction_and_by_table_at_every_length_and_alignment)
{
    static uint8_t data[8192];
    struct random r;
    random_init(&r, 7);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)random_u64(&r);
    for (int round = 0; round < 2000; round++) {
        size_t start = random_below(&r, 64);
        struct bytes bytes = bytes_of(data + start, random_below(&r, sizeof data - start));
        uint32_t seed = (uint32_t)random_u64(&r);
        cr_assert_eq(crc32c(seed, bytes), crc32c_by_table(seed, bytes));
    }
}

Test(crc32c, continues_over_bytes_of_known_checksum_at_every_length)
{
    static uint8_t data[100000];
    struct random r;
    random_init(&r, 11);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)random_u64(&r);
    for (int round = 0; round < 500; round++) {
        size_t start = random_below(&r, 64);
        struct bytes bytes = bytes_of(data + start, random_below(&r, sizeof data - start));
        uint32_t before = (uint32_t)random_u64(&r);
        cr_assert_eq(crc32c_known(before, bytes, crc32c(0, bytes)), crc32c(before, bytes));
    }
}

Test(crc32c, believes_the_known_checksum_of_many_bytes)
{
    static uint8_t data[100000];
    struct bytes bytes = bytes_of(data, sizeof data);
    cr_assert_neq(crc32c_known(1, bytes, crc32c(0, bytes) ^ 1), crc32c(1, bytes));
}

Test(crc32c, continues_over_pieces)
{
    static uint8_t data[5000];
    memset(data, 0x5a, sizeof data);
    uint32_t whole = crc32c(0, bytes_of(data, sizeof data));
    uint32_t pieces = crc32c(crc32c(0, bytes_of(data, 3333)), bytes_of(data + 3333, 1667));
    cr_assert_eq(whole, pieces);
}

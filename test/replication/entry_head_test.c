#include "replication/entry_head.h"

#include <criterion/criterion.h>

#include "base/err.h"

Test(repl_entry_head, gives_back_its_fields_and_refuses_what_it_does_not_know)
{
    struct repl_entry_head sent = {.kind = 9, .partition_number = 0xfffffffe, .wall_ms = -5}, got;
    uint8_t bytes[LOG_ENTRY_HEAD_SIZE];
    repl_entry_head_encode(&sent, bytes);
    cr_assert_eq(repl_entry_head_decode(bytes_of(bytes, sizeof bytes), &got), 0);
    cr_assert_eq(got.kind, 9);
    cr_assert_eq(got.partition_number, 0xfffffffe);
    cr_assert_eq(got.wall_ms, -5);
    cr_assert_eq(repl_entry_head_decode(bytes_of(bytes, 31), &got), ERR_MALFORMED);
    const uint8_t later[] = {0, 2, 16, 24}; /* version, flags, delay, expiry */
    for (unsigned i = 0; i < sizeof later; i++) {
        uint8_t changed[LOG_ENTRY_HEAD_SIZE];
        memcpy(changed, bytes, sizeof changed);
        changed[later[i]] ^= 0x80;
        cr_assert_eq(repl_entry_head_decode(bytes_of(changed, sizeof changed), &got), ERR_VERSION,
                     "byte %u", later[i]);
    }
}

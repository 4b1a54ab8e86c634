/* CRC-32C, by the processor's own instruction where it has one, else a byte at a time by table.
 *
 * Every value is summed when it is sent and when it comes back, so the sum must cost less than
 * the client around it: the instruction takes eight bytes at once. */
#include "crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++)
            sum = (sum & 1) != 0 ? (sum >> 1) ^ POLYNOMIAL : sum >> 1;
        table[byte] = sum;
    }
}

uint32_t crc32c_portable(const void *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *bytes = data;
    uint32_t sum = UINT32_MAX;
    pthread_once(&once, make_table);
    for (size_t i = 0; i < size; i++)
        sum = table[(sum ^ bytes[i]) & 0xff] ^ (sum >> 8);
    return ~sum;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t sum = UINT32_MAX;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    uint32_t rest = (uint32_t)sum;
    for (; size > 0; size--, bytes++)
        rest = __builtin_ia32_crc32qi(rest, *bytes);
    return ~rest;
}

uint32_t crc32c(const void *data, size_t size)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(data, size)
                                            : crc32c_portable(data, size);
}
#else
uint32_t crc32c(const void *data, size_t size)
{
    return crc32c_portable(data, size);
}
#endif

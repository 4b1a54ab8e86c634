/* CRC-32C. The instruction has a latency of three cycles and a throughput of one, so three
 * streams side by side keep it busy; their results are joined by shifting a CRC over a fixed
 * number of zero bytes, which is a matrix kept as four tables (Gopal et al., "Fast CRC
 * Computation Using PCLMULQDQ / CRC32 Instruction", Intel 2011; Adler's crc32c.c does the
 * same). One stream takes 0.12 s/GB here, three 0.04.
 *
 * Where the checksum of the bytes to come is known, they need not be read: a CRC followed by n
 * bytes is the CRC times x^(8n) modulo the polynomial, plus the CRC of those bytes (zlib's
 * crc32_combine does the same). */
#include "base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>

#define POLYNOMIAL  0x82f63b78u /* Castagnoli, bit-reversed */
#define STREAM_SIZE 1024u       /* bytes a stream: three fit the first-level cache */
#define JOIN_SIZE   16384u      /* bytes from which joining is cheaper than reading */
#define ONE         0x80000000u /* as a polynomial; the bits stand in reverse */

static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
static uint32_t byte_table[8][256];
static uint32_t shift_table[4][256]; /* a CRC moved over STREAM_SIZE zero bytes, by its bytes */
static uint32_t power_table[32];     /* x to the power of 2^index */
static bool has_instruction;

static uint32_t shift_one_zero_byte(uint32_t crc)
{
    return byte_table[0][crc & 0xff] ^ (crc >> 8);
}

static void make_shift_table(void)
{
    uint32_t basis[32]; /* image of each single bit: the map is linear */
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = (uint32_t)1 << bit;
        for (unsigned i = 0; i < STREAM_SIZE; i++)
            crc = shift_one_zero_byte(crc);
        basis[bit] = crc;
    }
    for (int lane = 0; lane < 4; lane++)
        for (unsigned value = 0; value < 256; value++) {
            uint32_t crc = 0;
            for (int bit = 0; bit < 8; bit++)
                if (value & (1u << bit))
                    crc ^= basis[lane * 8 + bit];
            shift_table[lane][value] = crc;
        }
}

/* The product of two polynomials of degree 31 at most, modulo ours. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; bit--) {
        product ^= b & (0u - (a >> bit & 1));
        b = (b >> 1) ^ (POLYNOMIAL & (0u - (b & 1)));
    }
    return product;
}

static void make_power_table(void)
{
    power_table[0] = ONE >> 1;
    for (int i = 1; i < 32; i++)
        power_table[i] = multiply(power_table[i - 1], power_table[i - 1]);
}

static void make_tables(void)
{
    for (unsigned value = 0; value < 256; value++) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        byte_table[0][value] = crc;
    }
    for (unsigned value = 0; value < 256; value++)
        for (int slice = 1; slice < 8; slice++)
            byte_table[slice][value] = shift_one_zero_byte(byte_table[slice - 1][value]);
    make_shift_table();
    make_power_table();
#ifdef __x86_64__
    has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t crc32c_by_table(uint32_t crc, struct bytes bytes)
{
    pthread_once(&tables_once, make_tables);
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    crc = ~crc;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = bytes_get_le64(at) ^ crc;
        crc = 0;
        for (int i = 0; i < 8; i++)
            crc ^= byte_table[7 - i][(word >> (8 * i)) & 0xff];
    }
    for (; left > 0; at++, left--)
        crc = byte_table[0][(crc ^ *at) & 0xff] ^ (crc >> 8);
    return ~crc;
}

#ifdef __x86_64__
static uint32_t shift_stream(uint32_t crc)
{
    return shift_table[0][crc & 0xff] ^ shift_table[1][(crc >> 8) & 0xff] ^
           shift_table[2][(crc >> 16) & 0xff] ^ shift_table[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_by_instruction(uint32_t crc,
                                                                        struct bytes bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    uint64_t first = ~crc;
    for (; left >= 3 * STREAM_SIZE; at += 3 * STREAM_SIZE, left -= 3 * STREAM_SIZE) {
        uint64_t second = 0, third = 0;
        for (unsigned i = 0; i < STREAM_SIZE; i += 8) {
            first = __builtin_ia32_crc32di(first, bytes_get_le64(at + i));
            second = __builtin_ia32_crc32di(second, bytes_get_le64(at + STREAM_SIZE + i));
            third = __builtin_ia32_crc32di(third, bytes_get_le64(at + 2 * STREAM_SIZE + i));
        }
        first = shift_stream((uint32_t)first) ^ second;
        first = shift_stream((uint32_t)first) ^ third;
    }
    for (; left >= 8; at += 8, left -= 8)
        first = __builtin_ia32_crc32di(first, bytes_get_le64(at));
    uint32_t last = (uint32_t)first;
    for (; left > 0; at++, left--)
        last = __builtin_ia32_crc32qi(last, *at);
    return ~last;
}
#endif

uint32_t crc32c(uint32_t crc, struct bytes bytes)
{
    pthread_once(&tables_once, make_tables);
#ifdef __x86_64__
    if (has_instruction)
        return crc32c_by_instruction(crc, bytes);
#endif
    return crc32c_by_table(crc, bytes);
}

/* x^(8 * count): a power of x repeats after 2^31 - 1, so the table's end follows its begin. */
static uint32_t power_of_bytes(size_t count)
{
    uint32_t power = ONE;
    for (unsigned i = 3; count > 0; count >>= 1, i++)
        if (count & 1)
            power = multiply(power_table[i % 31], power);
    return power;
}

uint32_t crc32c_known(uint32_t crc, struct bytes bytes, uint32_t bytes_crc)
{
    if (bytes.size < JOIN_SIZE)
        return crc32c(crc, bytes);
    pthread_once(&tables_once, make_tables);
    return multiply(power_of_bytes(bytes.size), crc) ^ bytes_crc;
}

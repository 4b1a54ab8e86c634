/* CRC-32C (Castagnoli, RFC 3720 B.4), by the SSE4.2 instruction in three interleaved streams
 * where the processor has it, by table elsewhere. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stdint.h>

#include "base/bytes.h"

/* Continues `crc` (0 to start) over the bytes. crc32c(crc32c(0, a), b) == crc32c(0, a + b). */
uint32_t crc32c(uint32_t crc, struct bytes bytes);

/* The same as crc32c(crc, bytes) where `bytes_crc`, the checksum of these bytes alone, is known:
 * from some 16 KiB on nothing is read. A wrong `bytes_crc` makes a wrong result. */
uint32_t crc32c_known(uint32_t crc, struct bytes bytes, uint32_t bytes_crc);

/* The table version, for machines without the instruction and to test the fast one against. */
uint32_t crc32c_by_table(uint32_t crc, struct bytes bytes);

#endif

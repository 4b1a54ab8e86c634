/* CRC-32C (Castagnoli), as Kafka's record batches and the history's `crc` have it. */
#ifndef LEDGER_CRC32C_H
#define LEDGER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t size);

/* The same without the processor's instruction, for machines that lack it. */
uint32_t crc32c_portable(const void *data, size_t size);

#endif

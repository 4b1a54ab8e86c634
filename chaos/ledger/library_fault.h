/* Assertions of librdkafka that fail in its own threads. */
#ifndef LEDGER_LIBRARY_FAULT_H
#define LEDGER_LIBRARY_FAULT_H

/* From here on they stop their thread, and with it their client, not the ledger. */
void library_fault_survive(void);

/* How many there were. */
unsigned library_fault_count(void);

#endif

/* The bytes of a record: its name, a zero byte, filling. The name is unique in the run, so whoever
 * reads the record knows which send made it. */
#ifndef LEDGER_VALUE_H
#define LEDGER_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_NAME_BYTES 256 /* with its zero byte */

/* Writes "<process>-<number>"; returns its length, without the zero byte. */
size_t value_name(char name[VALUE_NAME_BYTES], const char *process, uint64_t number);

/* Makes a value of `size` bytes at `bytes`, which has room for the larger of `size` and
 * VALUE_NAME_BYTES. Returns its size: `size`, or more when the name needs more. */
size_t value_make(char *bytes, size_t size, const char *name);

/* Takes the name out of what came back. Bytes that are no value of ours get a name that no send
 * has: a '?' and what can be printed of them; then the answer is false. */
bool value_recognise(char name[VALUE_NAME_BYTES], const void *bytes, size_t size);

#endif

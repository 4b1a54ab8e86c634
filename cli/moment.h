/* A moment as people write it: 2026-03-01T12:30, with seconds and milliseconds where they matter.
 */
#ifndef CLI_MOMENT_H
#define CLI_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* YYYY-MM-DDTHH:MM[:SS[.mmm]][Z], of UTC, as ms since 1970. False when it is none, or before 1970.
 */
bool moment_read(const char *text, int64_t *ms);

#define MOMENT_SIZE 40
/* The same in full, to the millisecond. False when it is before 1970, or no year of four digits. */
bool moment_write(int64_t ms, char text[MOMENT_SIZE]);

#endif

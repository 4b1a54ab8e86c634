/* What can be said to wand, a line at a time; no I/O. */
#ifndef WAND_COMMAND_H
#define WAND_COMMAND_H

#include <stddef.h>

#include "delay_line.h"

#define COMMAND_LINE_BYTES   256  /* the longest line, its end included */
#define COMMAND_ANSWER_BYTES 8192 /* holds `show` of every queue that wand may have */

/* Runs one line (without its end) on the lines it names and writes the whole answer, which ends
 * in "ok\n" or is "error WHY\n". A line that is refused has changed nothing. */
void command_answer(const char *line, struct delay_line *const *lines, size_t line_count,
                    char *answer, size_t answer_bytes);

#endif

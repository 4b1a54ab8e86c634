/* The commands of the control socket, one a line: `VERB [CALL] [OPTION=VALUE]…`. README.md says
 * what each does. */
#ifndef FAULTFS_COMMAND_H
#define FAULTFS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "undo.h"

#define COMMAND_PATH_BYTES 512
#define COMMAND_COUNT_ALL  INT64_MAX
#define COMMAND_MS_MAX     600000u

enum command_verb {
    COMMAND_FAIL,
    COMMAND_SLOW,
    COMMAND_LOSE,
    COMMAND_MISDIRECT,
    COMMAND_FULL,
    COMMAND_POWER_CUT,
    COMMAND_POWER_ON,
    COMMAND_FLIP,
    COMMAND_STALE,
    COMMAND_HEAL,
    COMMAND_STATUS,
};

enum command_call { CALL_READ, CALL_WRITE, CALL_FSYNC };
#define CALL_COUNT 3

struct command {
    enum command_verb verb;
    enum command_call call; /* of fail, slow, lose, misdirect */
    int err;                /* errno= */
    int64_t count;          /* count=, COMMAND_COUNT_ALL when not given; flip and stale: 1 */
    int64_t after;          /* so many matching calls are left alone first */
    int64_t ms;
    int64_t jitter_ms;
    int64_t free_bytes;
    int64_t offset; /* -1: not given */
    int64_t seed;   /* -1: not given */
    enum undo_keep keep;
    int64_t torn; /* 0 or 1 */
    char path[COMMAND_PATH_BYTES];
};

/* Returns 0, or -1 with a sentence in `why`. */
int command_parse(const char *line, struct command *command, char *why, size_t why_size);

const char *command_call_name(enum command_call call);
const char *command_verb_name(enum command_verb verb);

#endif

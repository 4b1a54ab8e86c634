/* The fixed head of every COMMAND entry: what apply may know besides the body.
 *
 * Little-endian, LOG_ENTRY_HEAD_SIZE bytes:
 *   0  u8   version (1)          1  u8  kind (the state machine's)
 *   2  u16  flags                4  u32 partition number within the group, 0 if none
 *   8  i64  wall clock of the leader at submit, ms since 1970 (never below the previous entry's)
 *  16  i64  delay until, ms since 1970; 0 (delayed records)
 *  24  i64  expire at, ms since 1970; 0 */
#ifndef REPLICATION_ENTRY_HEAD_H
#define REPLICATION_ENTRY_HEAD_H

#include <stdint.h>

#include "base/bytes.h"
#include "log/entry.h"

#define REPL_ENTRY_VERSION 1

struct repl_entry_head {
    uint8_t kind;              /* of the state machine */
    uint16_t flags;            /* none known to version 1: must be 0 */
    uint32_t partition_number; /* within the group */
    int64_t wall_ms;           /* set by repl_group_submit */
};

void repl_entry_head_encode(const struct repl_entry_head *head, uint8_t into[LOG_ENTRY_HEAD_SIZE]);
/* 0, ERR_VERSION (a newer release wrote it), or ERR_MALFORMED. */
int repl_entry_head_decode(struct bytes from, struct repl_entry_head *head);

#endif

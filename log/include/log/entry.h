/* A raft entry as it is stored and sent.
 *
 * An entry is a head of fixed size and a body, two pieces so that a producer's batch can stay in
 * the buffer it was received in: nothing is copied between socket, WAL, peers and tail. Its
 * checksum is computed once, by whoever first has the bytes (the leader at submit, a follower
 * when it checks what it received), and kept by WAL and peer frames. */
#ifndef LOG_ENTRY_H
#define LOG_ENTRY_H

#include <stdint.h>

#include "base/buffer.h"

/* Raft's own entry types; values are libraft's and are stored. */
enum log_entry_type {
    LOG_ENTRY_COMMAND = 1, /* for the state machine */
    LOG_ENTRY_BARRIER = 2, /* a new leader's first entry, nothing to apply */
    LOG_ENTRY_CHANGE = 3   /* a raft configuration */
};

#define LOG_ENTRY_HEAD_SIZE 32         /* bytes of `head` of a COMMAND; other types have no head */
#define LOG_ENTRY_SIZE_MAX  (33 << 20) /* head and body: the largest batch and some room */

struct log_entry {
    uint64_t term;            /* of the leader that made it */
    uint64_t index;           /* in the group's raft log, from 1 */
    enum log_entry_type type; /* what raft does with it */
    uint32_t crc;             /* CRC-32C over head and body */
    struct slice head;        /* LOG_ENTRY_HEAD_SIZE bytes (COMMAND) or none */
    struct slice body;        /* the rest */
};

static inline uint32_t log_entry_size(const struct log_entry *e)
{
    return (uint32_t)(e->head.bytes.size + e->body.bytes.size);
}

#endif

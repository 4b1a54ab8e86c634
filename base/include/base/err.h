/* Error codes of the whole project.
 *
 * A function that can fail returns 0 or a count when fine, a negative code when not. libuv's
 * codes pass through untouched; ours start below its lowest. One table makes the enum and the
 * text, so a code without a sentence can't exist. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define ERR_TABLE(X)                                                                               \
    X(ERR_NOT_LEADER, -5001, "this replica does not lead the raft group")                          \
    X(ERR_CORRUPT, -5002, "stored bytes fail their checksum")                                      \
    X(ERR_SEGMENT_FULL, -5003, "the segment has no room for the batch")                            \
    X(ERR_BUSY, -5004, "a bounded queue or pool is exhausted")                                     \
    X(ERR_MALFORMED, -5005, "the bytes are not a well-formed message")                             \
    X(ERR_NEED_MORE, -5006, "the message is not complete yet")                                     \
    X(ERR_TOO_LARGE, -5007, "the message is larger than its limit")                                \
    X(ERR_VERSION, -5008, "the version is not known here")                                         \
    X(ERR_NOT_FOUND, -5009, "no such object")                                                      \
    X(ERR_EXISTS, -5010, "the object exists already")                                              \
    X(ERR_TIMEOUT, -5011, "the deadline has passed")                                               \
    X(ERR_CLOSED, -5012, "the object is closed")                                                   \
    X(ERR_OUT_OF_RANGE, -5013, "the offset lies outside the log")                                  \
    X(ERR_INVALID, -5014, "the value is not allowed")                                              \
    X(ERR_OTHER_CLUSTER, -5015, "the peer or the data folder belongs to another cluster")          \
    X(ERR_OTHER_NODE, -5016, "the data folder belongs to another node id")                         \
    X(ERR_OTHER_GENERATION, -5017, "the message belongs to another generation of the raft group")  \
    X(ERR_LEADERSHIP_LOST, -5018, "leadership was lost before the entry was committed")            \
    X(ERR_CANT_CHANGE, -5019, "the configuration change is not allowed now")                       \
    X(ERR_COMPACTED, -5020, "the entries are no longer in the kept log")                           \
    X(ERR_NO_SPACE, -5021, "the disk has no room beyond its reserve")                              \
    X(ERR_RAFT, -5022, "libraft refused the event")                                                \
    X(ERR_GROUP_GENERATION, -5023, "the consumer group is not in this generation")                 \
    X(ERR_GROUP_MEMBER, -5024, "no such member in the consumer group")                             \
    X(ERR_GROUP_NOT_EMPTY, -5025, "the consumer group has members or offsets")                     \
    X(ERR_FULL, -5026, "a table is at its limit")                                                  \
    X(ERR_MOVED, -5027, "the partition has moved to another raft group")

enum err {
#define ERR_ENUM(name, code, text) name = code,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

_Static_assert(-5001 < UV_ERRNO_MAX, "our codes stay below libuv's");

#define ERR_NOTE_SIZE 256

/* What happened where, in words for a person: "00000000000000000042.log: checksum differs at
 * byte 8192". Cold paths (open, recover, configure) take one; it may be NULL. */
struct err_note {
    char text[ERR_NOTE_SIZE];
};

/* The sentence for a code, ours or libuv's. Static memory, never NULL. Any thread. */
const char *err_text(int code);

/* The code's name ("ERR_CORRUPT", "ENOENT"). Static memory, never NULL. Any thread. */
const char *err_name(int code);

/* The disk, or the owner's share of it, is full: unlike other errors of a disk it may pass by
 * itself, and what was not written can be written later, all of it anew. Any thread. */
bool err_is_no_room(int code);

/* Sets the note and returns `code`, so that a failure is one line: return err_set(note, …). */
int err_set(struct err_note *note, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts the caller's own context in front of the note: "open wal: " + text. Returns `code`. */
int err_prefix(struct err_note *note, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

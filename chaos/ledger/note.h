/* The lines of a history, one function each; what they mean is in docs/history-format.md.
 *
 * `at_us` is when it happened. An operation is noted twice under one id: invoked before the client
 * is asked, completed with its outcome. */
#ifndef LEDGER_NOTE_H
#define LEDGER_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "process.h"

#define NOTE_NONE (-1) /* a node, epoch or partition that is not known or not meant */

enum note_outcome { NOTE_OK, NOTE_FAIL, NOTE_UNKNOWN };

struct note_place {
    const char *topic;
    int32_t partition;
};

/* How an operation ended. */
struct note_end {
    enum note_outcome outcome;
    const char *error; /* the client's name for it, when not ok */
    int64_t offset;    /* when ok */
    int32_t epoch;     /* when ok; or NOTE_NONE */
};

struct note_send {
    struct note_place place;
    const void *key; /* NULL: without a key */
    size_t key_size;
    const char *value; /* its name */
    size_t size;
    uint32_t crc;
};

struct note_read {
    struct note_place place;
    int64_t offset;
    const void *key; /* NULL: without a key */
    size_t key_size;
    const void *value; /* its bytes */
    size_t size;
    const char *group; /* NULL: no member */
    const char *stage; /* NULL: none */
    int32_t epoch, node;
};

uint64_t note_send(struct process *process, int64_t at_us, const struct note_send *send);
void note_send_end(struct process *process, int64_t at_us, uint64_t id, struct note_place place,
                   const struct note_end *end);

uint64_t note_poll(struct process *process, int64_t at_us);
void note_poll_end(struct process *process, int64_t at_us, uint64_t id, int64_t count);
void note_read(struct process *process, int64_t at_us, uint64_t id, const struct note_read *read);
/* In stage `final`: the partition was read up to `offset`. */
void note_read_end(struct process *process, int64_t at_us, struct note_place place, int64_t offset,
                   int32_t node);

uint64_t note_commit(struct process *process, int64_t at_us, const char *group,
                     struct note_place place, int64_t offset);
void note_commit_end(struct process *process, int64_t at_us, uint64_t id, const char *group,
                     struct note_place place, const struct note_end *end);

/* `node`: whom the auditor asked for the coordinator. */
uint64_t note_offset_fetch(struct process *process, int64_t at_us, const char *group,
                           struct note_place place, int32_t node);
void note_offset_fetch_end(struct process *process, int64_t at_us, uint64_t id, const char *group,
                           struct note_place place, int32_t node, const struct note_end *end);

/* `which`: "earliest" or "latest". */
uint64_t note_list_offsets(struct process *process, int64_t at_us, struct note_place place,
                           const char *which);
void note_list_offsets_end(struct process *process, int64_t at_us, uint64_t id,
                           struct note_place place, const char *which, const struct note_end *end);

/* `topic` or `group` is NULL. */
struct note_admin {
    const char *action, *topic, *group;
};
uint64_t note_admin(struct process *process, int64_t at_us, const struct note_admin *admin);
void note_admin_end(struct process *process, int64_t at_us, uint64_t id,
                    const struct note_admin *admin, const struct note_end *end);

/* `group` NULL: a consumer by assignment. */
void note_assign(struct process *process, int64_t at_us, const char *group, struct note_place place,
                 int64_t offset);
void note_revoke(struct process *process, int64_t at_us, const char *group,
                 struct note_place place);

void note_metadata(struct process *process, int64_t at_us, int32_t node, struct note_place place,
                   int32_t leader, int32_t epoch);
/* `topic` may be NULL; `text` says more, for people. */
void note_error(struct process *process, int64_t at_us, const char *error, struct note_place place,
                const char *text);
void note_topic(struct process *process, int64_t at_us, const char *topic, int32_t partition_count);
void note_stage(struct process *process, int64_t at_us, const char *name);

#endif

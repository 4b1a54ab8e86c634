/* A member's commits: where it stands in each partition, and what was asked and not yet answered.
 */
#ifndef LEDGER_COMMIT_H
#define LEDGER_COMMIT_H

#include <stdbool.h>

#include "client.h"
#include "random.h"

#define COMMITS_OPEN_MAX 8 /* unanswered at once; at the bound a commit is left out */

struct commit_place {
    bool is_assigned;
    int64_t first;     /* the first record read; -1: none since the assignment */
    int64_t next;      /* after the newest one; -1 */
    int64_t committed; /* asked to be stored last; -1: none since the assignment */
};

struct commits {
    struct process *process;
    rd_kafka_t *client;
    rd_kafka_queue_t *answers;
    const char *group, *topic;
    struct commit_place *places; /* by partition */
    int32_t partition_count;
    unsigned open_count;
    struct random chance;
    int64_t rewind_percent; /* of what is committed */
};

/* Returns -1 without memory. All else is borrowed. */
int commits_open(struct commits *commits, rd_kafka_t *client, struct process *process,
                 const char *group, const char *topic, int32_t partition_count);

/* Those unanswered by then stay so in the history. The client must be gone. */
void commits_close(struct commits *commits);

void commits_on_assigned(struct commits *commits, int32_t partition, bool is_assigned);
void commits_on_record(struct commits *commits, int32_t partition, int64_t offset);

/* Asks for all progress to be stored; the answers come in commits_serve(). Now and then, as
 * `rewind_percent` says, the first record read since the assignment is asked to be stored instead,
 * where something higher has been asked before: as an application does that wants to have all of it
 * again. The next time the progress is. */
void commits_send(struct commits *commits);

/* Takes the answers that have come, within `timeout_ms` (0: no wait). */
void commits_serve(struct commits *commits, int timeout_ms);

/* The same as a synchronous commit: waits until nothing is unanswered, at most `timeout_ms`. */
void commits_send_and_wait(struct commits *commits, int timeout_ms);

#endif

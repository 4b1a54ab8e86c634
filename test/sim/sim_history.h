/* What the clients of a simulation did and were told, as docs/history-format.md has it, so that
 * chaos/check judges it beside the model.
 *
 * A record is told by its client, batch and place in the batch. A raft group is a topic (g1, g2),
 * its partitions are those that have records. Readers choose a replica, so each of their lines
 * names the node. All calls do nothing in a run without a history. */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "base/bytes.h"
#include "sim/sim.h"

#define SIM_BATCH_RECORDS_MAX 4

/* Where things are. */
struct sim_place {
    uint32_t group_id, partition;
};

enum sim_history_outcome { SIM_HISTORY_OK, SIM_HISTORY_FAIL, SIM_HISTORY_UNKNOWN };

/* From here on the simulation writes into this file, which is made anew. Ends the process when it
 * can't be made. */
void sim_history_start(struct sim *s, const char *path);
/* The last line. Ends the process when not all could be written. */
void sim_history_end(struct sim *s);

/* A batch is invoked: one send for each of its records. */
void sim_history_sent(struct sim *s, uint32_t client, uint64_t number, bool is_idempotent,
                      struct sim_place place, struct bytes batch);
/* It is answered. base_offset: -1 where it is not known */
void sim_history_answered(struct sim *s, uint32_t client, uint64_t number, struct sim_place place,
                          struct bytes batch, enum sim_history_outcome outcome,
                          int64_t base_offset);

/* A reader moves to an offset of one node's replica, and gets whole batches; it takes no record
 * before that offset. In the end it reads everything: `is_final`. */
void sim_history_moved(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                       int64_t offset, bool is_final);
void sim_history_read(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                      int64_t offset, bool is_final, struct bytes batches);
/* A final read has come to the end of the replica. */
void sim_history_read_end(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                          int64_t offset);

/* A log start is moved; returns the id for its end. */
uint64_t sim_history_delete(struct sim *s, struct sim_place place, int64_t offset);
void sim_history_deleted(struct sim *s, uint64_t id, struct sim_place place, int64_t offset,
                         enum sim_history_outcome outcome);

/* What a client asks of a consumer group's offsets, and what it is told. */
struct sim_history_group {
    const char *type;  /* commit, offset-fetch */
    const char *group; /* its name */
    uint32_t client;
    uint64_t id; /* unique in the run */
    struct sim_place place;
    int64_t offset; /* committed, or as fetched: -1 none; not said when a fetch begins */
};
void sim_history_group_begun(struct sim *s, const struct sim_history_group *line);
void sim_history_group_ended(struct sim *s, const struct sim_history_group *line,
                             enum sim_history_outcome outcome);

/* A node says that it leads the group. */
void sim_history_leads(struct sim *s, uint32_t node, uint32_t group_id, uint64_t term);

#endif

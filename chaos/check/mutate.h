/* Puts violations into good histories: the test of the checker. */
#ifndef CHECK_MUTATE_H
#define CHECK_MUTATE_H

#include "tape.h"
#include "verdict.h"

/* A way to spoil a history. */
struct mutation {
    const char *name;
    enum property expected; /* must be found */
    uint32_t also;          /* may be found too: a bit per property */
    /* Spoils it at a random place. Returns false, and changes nothing, if there is no fit one. */
    bool (*apply)(struct tape *tape);
};

extern const struct mutation mutations[];
extern const size_t mutation_count;

/* NULL when there is none of that name. */
const struct mutation *mutation_find(const char *name);

/* ---- for the files that spoil ---- */

bool mutate_is_read(const struct tape *tape, size_t line, bool is_final);
bool mutate_is_same_place(const struct tape *tape, size_t one, size_t other);
/* The next line from `from` on that is about the same place as `like`, of that type; TAPE_NONE. */
size_t mutate_next(const struct tape *tape, size_t from, const char *type, size_t like);
/* The invocation of a completed operation. */
size_t mutate_invocation(const struct tape *tape, size_t end);
/* The invocation of the send of a value, and its completion; TAPE_NONE. */
size_t mutate_send(const struct tape *tape, uint32_t value);
size_t mutate_completion(const struct tape *tape, size_t invocation);
/* What of the partition was deleted, or perhaps: there some lies would be none. */
int64_t mutate_deleted_before(const struct tape *tape, size_t like);
/* A final read of that offset of like's partition. */
size_t mutate_final(const struct tape *tape, size_t like, int64_t offset);
/* Removes the lines that are marked. */
void mutate_remove_marked(struct tape *tape, const bool *is_marked);

/* Each tries lines from a random one on until `spoil` says it has spoilt the history at one. */
bool mutate_somewhere(struct tape *tape, bool (*spoil)(struct tape *tape, size_t line));

#define SPOIL(name) bool mutate_##name(struct tape *tape)
SPOIL(lost);
SPOIL(lost_at_the_end);
SPOIL(lost_at_one_site);
SPOIL(two_records);
SPOIL(two_acknowledgements);
SPOIL(at_two_offsets);
SPOIL(never_sent);
SPOIL(other_bytes);
SPOIL(other_key);
SPOIL(failed);
SPOIL(gone);
SPOIL(order_idempotent);
SPOIL(order_plain);
SPOIL(order_real_time);
SPOIL(gap);
SPOIL(step_back);
SPOIL(thrown_to_beginning);
SPOIL(thrown_to_end);
SPOIL(resume_behind);
SPOIL(resume_before);
SPOIL(resume_at_beginning);
SPOIL(commit_older);
SPOIL(commit_none);
SPOIL(commit_nobodys);
SPOIL(commit_beyond);
SPOIL(replica_bytes);
SPOIL(replica_epoch);
SPOIL(replica_hole);
SPOIL(replica_short);
SPOIL(leaders);
SPOIL(epochs);
SPOIL(latest);
SPOIL(earliest);
SPOIL(completed_twice);

#endif

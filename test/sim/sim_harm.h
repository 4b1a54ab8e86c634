/* What disks did to files: which kind of harm, to which kind of file, how often. Shown at the end
 * of a run, so that no kind is thought to be covered that never happens. */
#ifndef SIM_HARM_H
#define SIM_HARM_H

#include <stdbool.h>
#include <stdint.h>

enum sim_harm {
    SIM_HARM_UNSYNCED, /* not synced at a power cut: torn, or gone, or there */
    SIM_HARM_LIED_OF,  /* synced, and gone at a power cut: see sim_lie.h */
    SIM_HARM_FLIPPED,
    SIM_HARM_CUT_OFF, /* the file ends earlier */
    SIM_HARM_GONE,
    SIM_HARM_STALE,       /* a block has what stood there before, or zeros */
    SIM_HARM_MISDIRECTED, /* a block has what belongs elsewhere */
    SIM_HARM_COUNT
};

enum sim_harmed {
    SIM_HARMED_WAL,
    SIM_HARMED_VOTE, /* a record of term and vote in the WAL; counts as WAL, too */
    SIM_HARMED_SEGMENT,
    SIM_HARMED_INDEX, /* .index and .timeindex */
    SIM_HARMED_MANIFEST,
    SIM_HARMED_IDENTITY, /* one of its two files */
    SIM_HARMED_COUNT
};

struct sim_harms {
    uint64_t counts[SIM_HARM_COUNT][SIM_HARMED_COUNT];
};

struct sim_node;

/* Bytes [from, to) of the file are harmed: called before they change. Other files than those above
 * are not counted. */
void sim_harm_note(struct sim_node *n, enum sim_harm harm, const char *path, uint64_t from,
                   uint64_t to);

/* The power goes: what of its disk is not synced. `harm` is one of the first two. */
void sim_harm_note_cut(struct sim_node *n, enum sim_harm harm);

/* Where a record of term and vote lies in this file of the WAL: one of them, drawn. False: none. */
bool sim_harm_draw_vote(struct sim_node *n, const char *path, uint64_t *position);

void sim_harms_add(struct sim_harms *to, const struct sim_harms *more);
/* Prints the table; returns how many kinds of damage to files at rest never happened, and says so
 * when they must have. */
unsigned sim_harms_print(const struct sim_harms *harms, bool must_be_full);

#endif

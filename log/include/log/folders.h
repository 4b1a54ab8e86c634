/* Who has which partition folder of a disk, across the stores of its raft groups.
 *
 * A partition that moves to another group keeps its folder, so two stores may name it for a while:
 * the old one, closed at an offset, and the new one, which writes segments from there on. The rules
 * that keep both safe need to know of each other:
 *
 *   - the last one out removes the folder, and no one removes a segment while another has a claim;
 *   - the new one takes files over only when the old one's durable checkpoint covers its closing:
 *     from then on the old one writes to, cuts and removes nothing in the folder, restarts
 * included.
 *
 * Memory only: made anew from the manifests at each start, before any store works. Any thread. */
#ifndef LOG_FOLDERS_H
#define LOG_FOLDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "log/partition.h"

struct log_folders;

/* Returns owned (log_folders_destroy, after all stores), or NULL without memory. */
struct log_folders *log_folders_create(void);
void log_folders_destroy(struct log_folders *f);

/* The group's store has the folder; one claim for each of its partitions with this id. 0 or
 * UV_ENOMEM. */
int log_folders_claim(struct log_folders *f, const struct log_partition_id *id, uint32_t group_id);
void log_folders_release(struct log_folders *f, const struct log_partition_id *id,
                         uint32_t group_id);
/* Does a store of another group have it, too? */
bool log_folders_is_shared(struct log_folders *f, const struct log_partition_id *id,
                           uint32_t group_id);

/* Does the group's store write there? Not while it waits for the files of a partition that moved to
 * it, nor for one that moved away or was closed. A new claim does not write. */
void log_folders_set_writing(struct log_folders *f, const struct log_partition_id *id,
                             uint32_t group_id, bool is_writing);
/* Does a store of another group write there? */
bool log_folders_has_writer(struct log_folders *f, const struct log_partition_id *id,
                            uint32_t group_id);

/* Files in the folder may be damaged: said by a store that gives the partition away, asked once by
 * the one that takes it over. It is forgotten with the last claim. */
void log_folders_doubt(struct log_folders *f, const struct log_partition_id *id);
bool log_folders_take_doubt(struct log_folders *f, const struct log_partition_id *id);

/* The folder is about to be removed: false when another group's store has it. Otherwise nobody
 * takes it over until the end of the removal. */
bool log_folders_begin_removal(struct log_folders *f, const struct log_partition_id *id,
                               uint32_t group_id);
void log_folders_end_removal(struct log_folders *f, const struct log_partition_id *id);
bool log_folders_is_being_removed(struct log_folders *f, const struct log_partition_id *id);

/* How far the group's durable checkpoint is on this disk. */
void log_folders_set_index(struct log_folders *f, uint32_t group_id, uint64_t index);
/* UINT64_MAX for a group that has no store here. */
uint64_t log_folders_index(struct log_folders *f, uint32_t group_id);

#endif

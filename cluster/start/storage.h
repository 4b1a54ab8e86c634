/* What a node keeps on its disk, opened whatever of it is damaged.
 *
 *   WAL damaged       any term, vote or acknowledgement of any group may have stood there:
 *                     a new incarnation; the WAL is set aside, a new one begins
 *   a group's         what it acknowledged is gone, its votes are not:
 *   manifest damaged  a new incarnation; the manifest is set aside, the WAL forgets the group;
 *                     all other groups keep what they have
 *
 * Under a new incarnation the node is another server to Raft (design, section 5): it is in no
 * configuration, so it votes for nobody and counts for nothing until each group's leader has taken
 * it in: learner, level, voter (member.h). What is sound on its disk it need not fetch: a
 * checkpoint holds committed entries only, and a follower's log is checked by its leader.
 *
 * The new incarnation is durable before anything is put out of the way: a power cut in between
 * leaves damage that is found again, or nothing that was promised by the incarnation that is gone.
 */
#ifndef CLUSTER_START_STORAGE_H
#define CLUSTER_START_STORAGE_H

#include "base/random.h"
#include "identity.h"
#include "log/store.h"
#include "log/wal.h"
#include "replication/group.h"

/* What was found damaged at this start, for events and whoever asks for it later. */
enum storage_part { STORAGE_WAL, STORAGE_GROUP };
struct storage_damage {
    enum storage_part part;
    uint32_t group_id; /* of STORAGE_GROUP */
    char text[256];    /* file, position and what */
};
#define STORAGE_DAMAGES_MAX 16 /* beyond it they are counted only */

struct storage_report {
    unsigned damage_count; /* may be more than `damages` has */
    struct storage_damage damages[STORAGE_DAMAGES_MAX];
    uint64_t lost_incarnation; /* what it was before; 0 when nothing was damaged */
};

struct storage_options {
    const struct disk *disk;
    const struct disk *wal_disk;
    struct log_wal_options wal; /* is_expected is set here */
    const struct work *writer, *readers;
    const struct work *(*home)(void *data, uint32_t group_id); /* a group's shard */
    void *data;                                                /* of `home` */
    struct log_folders *folders; /* told of all stores; outlives them; NULL: of one store only */
    uint32_t first_group_id;
    unsigned group_count;               /* consecutive ids */
    uint32_t metadata_group_id;         /* the one that carries the cluster's metadata: 0, where ids
                                           begin with that */
    const struct repl_member *founders; /* as of struct repl_group_options */
    unsigned founder_count;
    uint32_t first_later_group_id; /* from here on groups came after the founding, and have their
                                      first configuration as a checkpoint; 0: there are none */
    struct random *random;         /* of incarnations */
};

/* Opens WAL and stores; `identity` is changed and written as the damage asks for. *wal and
 * `stores`, group_count of them, are returned owned. Blocking, before shards run. What is no damage
 * (a disk error, another cluster's files, another release's) is returned, with a note. */
int storage_open(const struct storage_options *options, struct identity *identity,
                 struct log_wal **wal, struct log_store **stores, struct storage_report *report,
                 struct err_note *note);

#endif

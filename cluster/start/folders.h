/* The folders of a node: where it keeps everything, and where its WAL is, which may be a disk of
 * its own (`wal_directory`). There, no reader, checkpoint or compaction is in the way of what every
 * producer waits for. */
#ifndef CLUSTER_START_FOLDERS_H
#define CLUSTER_START_FOLDERS_H

#include "base/disk.h"
#include "base/err.h"
#include "conf/conf.h"

#define FOLDERS_WAL_NAME "wal" /* the WAL's folder, in either of them */

struct folders {
    struct disk data;
    struct disk wal;     /* `data` again where the WAL has no disk of its own */
    int lock_descriptor; /* of the data folder's lock, held until the process ends */
};

/* Opens and locks what the settings name. Refused with a sentence: a folder that another process
 * uses, a WAL folder of another node, and one without a WAL while the data folder has it (an
 * operator is to move it: begun anew, it would cost the node its replicas). Blocking, at start. */
int folders_open(const struct conf_settings *conf, struct folders *folders, struct err_note *note);

#endif

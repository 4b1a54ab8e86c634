/* A file that is there to be removed: when other programs have filled the disk to its last byte,
 * its room lets checkpoints, retention and deletion go on, which make room of their own. */
#ifndef CLUSTER_UPKEEP_BALLAST_H
#define CLUSTER_UPKEEP_BALLAST_H

#include "base/disk.h"

#define BALLAST_NAME      "ballast"
#define BALLAST_BYTES_MAX (UINT64_C(64) << 20)

/* Bytes of it, of a reserve of this size: an eighth, at most BALLAST_BYTES_MAX. */
uint64_t ballast_size_bytes(uint64_t reserve_bytes);

/* Makes the file, or makes it as large as that; not one that is already. Blocking. 0 or an error:
 * then it is as it was, or gone. */
int ballast_make(const struct disk *disk, uint64_t size_bytes);

/* Is there one, of whatever size? Blocking. */
bool ballast_is_there(const struct disk *disk);

/* 0, or UV_ENOENT when there is none to give. Blocking. */
int ballast_give(const struct disk *disk);

#endif

/* A small file of the data folder that is replaced as a whole, or not at all. */
#ifndef CLUSTER_START_SMALL_FILE_H
#define CLUSTER_START_SMALL_FILE_H

#include "base/bytes.h"
#include "base/disk.h"

/* The file of this name has these contents, durably, when it returns 0; else it is what it was, or
 * what it was to be. Blocking. */
int small_file_write(const struct disk *disk, const char *name, struct bytes contents);

#endif

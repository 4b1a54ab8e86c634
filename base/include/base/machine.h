/* What the machine, or the part of it that this process may use, is like. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include <stdint.h>

/* Bytes of memory for this process and the page cache of its files: the machine's, or the least
 * limit of the control groups (version 1 or 2) around it. Reads some small files; at start. */
uint64_t machine_memory_bytes(void);

/* The same, of other files: `groups` has the form of /proc/self/cgroup, `mount` is where control
 * groups are mounted, `machine_bytes` what there is without any limit. For tests. */
uint64_t machine_memory_limit(const char *groups, const char *mount, uint64_t machine_bytes);

/* What this process has of it now, by the system's word; 0 where that is not known. */
uint64_t machine_resident_bytes(void);

#endif

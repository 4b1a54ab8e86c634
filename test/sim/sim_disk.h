/* The nodes' eyes on their disks, as in the daemon (cluster/upkeep/disk_watch.c), and what breaks
 * disks without damaging them: no room, a pace, a stand-still. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sim/sim_node.h"

#define SIM_RESERVE_BYTES (UINT64_C(1) << 20)

void sim_disk_open(struct sim_life *life);
/* With each tick of the node. */
void sim_disk_tick(struct sim_life *life);

/* For so long: so many bytes are free; each write takes up to `delay_ns` more; no write ends. The
 * last two are over when the process is. */
void sim_disk_fill(struct sim_node *n, uint64_t free_bytes, uint64_t duration_ns);
void sim_disk_slow(struct sim_node *n, uint64_t delay_ns, uint64_t duration_ns);
void sim_disk_hang(struct sim_node *n, uint64_t duration_ns);

/* Faults for the table of faults. */
void sim_fault_slow_disk(struct sim *s);
void sim_fault_hung_disk(struct sim *s);
void sim_fault_full_disk(struct sim *s);
void sim_fault_all_disks_full(struct sim *s);

#endif

/* The stories themselves: cases_*.c. */
#ifndef SIM_CASES_H
#define SIM_CASES_H

#include "sim/sim_seed.h"

#define CASE_PACE_NS (20 * WORLD_MS)

void case_figure_8(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_leftover_tail(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_slow_link_stream(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_leader_write_fails(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_change_in_mid_message(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_late_snapshot(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_paused_leader(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_all_power_cut_in_mid_write(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_site_lost_while_shipping(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_segments_rot_on_one_node(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_power_cut_while_mending(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_same_batch_rots_everywhere(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_disk_full(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_all_disks_full(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_disk_slow(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_disk_hangs(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_disk_lies(uint64_t seed, struct sim_counters *counters, bool is_verbose);
void case_majority_damaged(uint64_t seed, struct sim_counters *counters, bool is_verbose);

/* Waits for a leader of the group, at most 30 s (a majority may have to be shipped first); a broken
 * progress ends the run. */
struct sim_node *case_leader(struct sim *s, uint32_t group_id);

/* Lets the time pass. */
static inline void case_wait(struct sim *s, uint64_t duration_ns)
{
    sim_run_until(s, world_now_ns(s->world) + duration_ns);
}

/* The story must have had what it is about. */
void case_must_have(struct sim *s, enum sim_counter counter, uint64_t at_least);

/* Faults end, all is compared. */
void case_end(struct sim *s);

#endif

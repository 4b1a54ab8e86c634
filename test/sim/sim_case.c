/* The table of named stories. */
#include "sim/sim_case.h"

#include <stddef.h>

#include "sim/cases.h"

const struct sim_case sim_cases[] = {
    {"figure_8", case_figure_8},
    {"leftover_tail", case_leftover_tail},
    {"slow_link_stream", case_slow_link_stream},
    {"leader_write_fails", case_leader_write_fails},
    {"change_in_mid_message", case_change_in_mid_message},
    {"late_snapshot", case_late_snapshot},
    {"paused_leader", case_paused_leader},
    {"all_power_cut_in_mid_write", case_all_power_cut_in_mid_write},
    {"site_lost_while_shipping", case_site_lost_while_shipping},
    {"segments_rot_on_one_node", case_segments_rot_on_one_node},
    {"power_cut_while_mending", case_power_cut_while_mending},
    {"same_batch_rots_everywhere", case_same_batch_rots_everywhere},
    {"disk_full", case_disk_full},
    {"all_disks_full", case_all_disks_full},
    {"disk_slow", case_disk_slow},
    {"disk_hangs", case_disk_hangs},
    {"disk_lies", case_disk_lies},
    {"majority_damaged", case_majority_damaged},
    {NULL, NULL},
};

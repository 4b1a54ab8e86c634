/* One simulation: the world, the nodes, who uses them, what breaks them, what is checked.
 *
 * A run is one process (sim_main.c forks one per seed), so nothing needs to be freed: the memory of
 * a node's ended life stays as it was, untouched, as that of a crashed process would be gone. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/sim_harm.h"
#include "sim/sim_net.h"
#include "sim/world.h"

#define SIM_GROUPS              2                /* raft groups with partitions, numbered from 1 */
#define SIM_METADATA_GROUP      (SIM_GROUPS + 1) /* the cluster's own, elsewhere group 0 */
#define SIM_RAFT_GROUPS_MAX     (SIM_GROUPS + 1)
#define SIM_COMPACTED_PARTITION 4   /* of each group: its records have keys; in no history */
#define SIM_HOME_NUMBERS        40  /* numbers below are opened by the groups' keepers */
#define SIM_PARTITION_NUMBERS   140 /* partition numbers of a group are below */

/* What a run counts: name, and whether it must be above 0 over a whole run of many seeds. */
#define SIM_COUNTERS(X)                                                                            \
    X(virtual_seconds, true)                                                                       \
    X(operations, true)                                                                            \
    X(faults, true)                                                                                \
    X(elections, true)                                                                             \
    X(terms_led, true)                                                                             \
    X(truncations, true)                                                                           \
    X(transfers, true)                                                                             \
    X(snapshots_sent, true)                                                                        \
    X(snapshots_installed, true)                                                                   \
    X(shipped_bytes, true)                                                                         \
    X(shipped_bytes_saved, true)                                                                   \
    X(entries_applied, true)                                                                       \
    X(entries_from_cache, true)                                                                    \
    X(entries_from_wal, true)                                                                      \
    X(checkpoints, true)                                                                           \
    X(torn_tails_cut, true)                                                                        \
    X(wal_files_recycled, true)                                                                    \
    X(configuration_changes, true)                                                                 \
    X(groups_moved, false)                                                                         \
    X(groups_freed, false)                                                                         \
    X(moves_started, false)                                                                        \
    X(partitions_moved, false)                                                                     \
    X(replicas_rebuilt, true)                                                                      \
    X(batches_acknowledged, true)                                                                  \
    X(repeated_batches, true)                                                                      \
    X(out_of_order_batches, true)                                                                  \
    X(unknown_fates, true)                                                                         \
    X(answers_lost, true)                                                                          \
    X(reads, true)                                                                                 \
    X(cold_reads, true)                                                                            \
    X(follower_reads, true)                                                                        \
    X(fresh_reads, true)                                                                           \
    X(compaction_steps, true)                                                                      \
    X(records_compacted, true)                                                                     \
    X(log_start_moves, true)                                                                       \
    X(partitions_opened, true)                                                                     \
    X(partitions_closed, true)                                                                     \
    X(switches_begun, true)                                                                        \
    X(switches_done, true)                                                                         \
    X(switches_taken_back, true)                                                                   \
    X(metadata_changes, true)                                                                      \
    X(group_generations, true)                                                                     \
    X(commits_acknowledged, true)                                                                  \
    X(commits_refused, true)                                                                       \
    X(late_commits, true)                                                                          \
    X(overtaken_commits, true)                                                                     \
    X(offsets_fetched, true)                                                                       \
    X(offsets_expired, true)                                                                       \
    X(offsets_expired_unread, true)                                                                \
    X(commits_lost, true)                                                                          \
    X(offsets_lowered, true)                                                                       \
    X(offsets_reset, true)                                                                         \
    X(commits_kept, true)                                                                          \
    X(commits_rewound, true)                                                                       \
    X(commits_denied, true)                                                                        \
    X(policies_set, true)                                                                          \
    X(groups_deleted, true)                                                                        \
    X(coordinators_changed, true)                                                                  \
    X(members_lost, true)                                                                          \
    X(members_frozen, true)                                                                        \
    X(members_sought_back, true)                                                                   \
    X(offset_tables_read, true)                                                                    \
    X(power_cuts, true)                                                                            \
    X(cuts_in_mid_write, true)                                                                     \
    X(kills, true)                                                                                 \
    X(pauses, true)                                                                                \
    X(network_cuts, true)                                                                          \
    X(one_way_cuts, true)                                                                          \
    X(connections_reset, true)                                                                     \
    X(frames, true)                                                                                \
    X(frames_lost, true)                                                                           \
    X(slow_links, true)                                                                            \
    X(stalled_channels, true)                                                                      \
    X(slow_disks, true)                                                                            \
    X(disk_errors, true)                                                                           \
    X(hung_disks, true)                                                                            \
    X(disks_seen_full, true)                                                                       \
    X(disks_seen_slow, true)                                                                       \
    X(disks_seen_stuck, true)                                                                      \
    X(refused_for_room, true)                                                                      \
    X(full_disks, true)                                                                            \
    X(bits_flipped, true)                                                                          \
    X(files_damaged, true)                                                                         \
    X(rebuilt_by_itself, true)                                                                     \
    X(identities_lost, true)                                                                       \
    X(damage_found, true)                                                                          \
    X(disks_lied, true)                                                                            \
    X(lies_noticed, true)                                                                          \
    X(lies_levelled, true)                                                                         \
    X(segment_files_damaged, true)                                                                 \
    X(files_found_damaged, true)                                                                   \
    X(segments_repaired, true)                                                                     \
    X(segments_scrubbed, true)                                                                     \
    X(recoveries, true)                                                                            \
    X(recoveries_in_doubt, false)                                                                  \
    X(records_known_lost, true)                                                                    \
    X(records_lost, true)                                                                          \
    X(acknowledged_lost, true)                                                                     \
    X(tails_kept, true)                                                                            \
    X(tails_left_out, true)                                                                        \
    X(nodes_returned, true)                                                                        \
    X(site_faults, true)                                                                           \
    X(verdicts, true)                                                                              \
    X(verdicts_compared, true)                                                                     \
    X(looks_at_dead_sites, true)                                                                   \
    X(sites_left, true)                                                                            \
    X(sites_frozen, false)                                                                         \
    X(sites_cut, false)                                                                            \
    X(sites_returned, true)                                                                        \
    X(sites_rescued, false)                                                                        \
    X(sites_drained, true)                                                                         \
    X(drains_ended, true)                                                                          \
    X(words_acknowledged, true)                                                                    \
    X(epochs_begun, false)                                                                         \
    X(reads_in_gaps, true)                                                                         \
    X(wall_clock_jumps, true)                                                                      \
    X(replicas_compared, true)                                                                     \
    X(files_compared, true)                                                                        \
    X(entries_replayed, true)

enum sim_counter {
#define SIM_COUNTER_ENUM(name, must) SIM_##name,
    SIM_COUNTERS(SIM_COUNTER_ENUM)
#undef SIM_COUNTER_ENUM
        SIM_COUNTER_COUNT
};

struct sim_counters {
    uint64_t values[SIM_COUNTER_COUNT];
    struct sim_harms harms;
    uint64_t hash; /* of the run: see world_hash */
};

struct sim_node;
struct sim_check;
struct sim_clients;

struct sim {
    struct world *world;
    struct sim_net *net;
    unsigned node_count;    /* of `nodes` */
    unsigned group_count;   /* raft groups of each node */
    unsigned founder_count; /* the first of them are voters from the start */
    struct sim_node *nodes[SIM_NODES_MAX];
    struct sim_check *check;
    struct sim_clients *clients;
    struct sim_counters *counters;
    bool is_verbose;         /* print every event of the nodes */
    bool is_blind;           /* the model sees and says nothing: for who judges the history alone */
    bool is_restarting;      /* a node that went down comes back after a random time */
    bool do_nodes_move;      /* the operator moves groups from node to node (sim_places.h) */
    bool has_fixed_starts;   /* no log start moves on: a case looks at a segment that must stay */
    bool has_consumers;      /* consumer groups (sim_consumer.h) */
    bool do_partitions_move; /* from group to group (sim_moves.h) */
    bool does_recover;       /* sites are lost, and forced recoveries made (sim_recovery.h) */
    bool has_verdict;        /* sites are judged (sim_sites.h) */
    bool has_asynchronous;   /* a group votes at home alone (sim_home.h) */
    unsigned home_number;    /* where that is: a place in `nodes` */
    unsigned first_home_number; /* where it was when the group was founded */
    bool does_repair;           /* the operator replaces wiped nodes and adds spare ones */
    double lost_answer_chance;
    FILE *history; /* of its clients (sim_history.h), NULL: none is written */
    jmp_buf loop;  /* where a process that ends in mid-code returns to */
};

static inline void sim_count(struct sim *s, enum sim_counter counter, uint64_t by)
{
    s->counters->values[counter] += by;
}

/* Makes world, network and nodes (not started). Ends the process without memory. */
struct sim *sim_create(uint64_t seed, unsigned node_count, unsigned founder_count,
                       struct sim_counters *counters, bool is_verbose);

/* Runs until the virtual instant. */
void sim_run_until(struct sim *s, uint64_t until_ns);
/* Runs until `is_done`; false when that is not so within `bound_ns`. */
typedef bool (*sim_condition)(struct sim *s, void *data);
bool sim_run_while_not(struct sim *s, uint64_t bound_ns, sim_condition is_done, void *data);

/* A line of the story, with the virtual time, when the run is verbose. */
void sim_tell(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct sim_seed_options {
    bool is_verbose, is_blind; /* as in struct sim */
    const char *history_path;  /* where the history of its clients goes, NULL: nowhere */
};

/* Each million of seeds is of a kind; the first are ordinary ones. */
#define SIM_SEEDS_OF_A_KIND UINT64_C(1000000)
#define SIM_MOVING_SEEDS    1 /* clusters of six whose nodes come and go */
#define SIM_PARTITION_SEEDS 2 /* partitions move from group to group */
#define SIM_CONSUMER_SEEDS  3 /* with consumer groups */
#define SIM_RECOVERY_SEEDS  4 /* all sites but one are lost, and come back */
#define SIM_HOME_SEEDS      5 /* the home of an asynchronous group is lost, and comes back */
#define SIM_SITE_SEEDS      6 /* sites die, hang, flap, are cut and drained, and are judged */

/* A whole seed: load, faults, quiet, comparison. Returns when all invariants held. */
void sim_seed_run(uint64_t seed, struct sim_counters *counters,
                  const struct sim_seed_options *options);

#endif

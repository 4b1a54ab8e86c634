/* A simulated node: a disk that outlives crashes, and the process of the moment on it.
 *
 * The process is the real WAL, stores, machines and raft groups on one shard. After each item of
 * the shard comes a turn of its groups, every 10 virtual ms a tick, as in the daemon. */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "cluster/machine.h"
#include "fake/fake_disk.h"
#include "log/scrub.h"
#include "log/wal.h"
#include "replication/node.h"
#include "sim/sim.h"
#include "sim/sim_work.h"
#include "site/part.h"
#include "start/storage.h"

struct sim_call;
struct broker_group;

/* A replica of a raft group within a process. */
struct sim_group {
    struct sim_life *life;
    uint32_t group_id;
    struct log_store *store;
    struct machine *machine;
    struct repl_group *raft;
    struct repl_machine inner; /* the machine's own callbacks: ours stand in front */
    struct random random;
    uint64_t applying_index;   /* of the entry that is being applied, for who waits for it */
    uint32_t generation;       /* constant for the process */
    uint64_t recovery_id;      /* the same */
    uint64_t led_term_min;     /* first term that this process led in, 0: none */
    uint64_t applied_index;    /* last command applied, or the restored state's index */
    uint64_t checkpoint_index; /* as last seen */
    bool is_compacting;        /* a step of it is planned or proposed */
    bool has_left;             /* as last seen: it gave up all that it had */
    bool *is_moving;           /* by partition, see sim_moves.c: a task of its move is under way */
};

/* A process: from start to crash. */
struct sim_life {
    struct world_life span;
    struct sim_node *node;
    struct sim_work writer, readers, shard;
    struct clock clock;
    struct random random;
    struct log_wal *wal;
    struct log_store *stores[SIM_RAFT_GROUPS_MAX]; /* the groups' own */
    struct log_scrubber *scrubber;
    struct log_folders *folders;
    struct repl_node *repl;
    struct metadata *metadata; /* as this process has applied it; NULL: there is no such group */
    struct sim_group groups[SIM_RAFT_GROUPS_MAX];
    struct repl_member founders[REPL_MEMBERS_MAX]; /* borrowed by the groups */
    struct work_item tick_item;
    bool is_tick_queued;
    struct sim_call *calls;      /* arrived and not answered */
    struct broker_group *beside; /* by group: its coordinator's surroundings; NULL: none */
    struct site_board *board;    /* what it knows of sites (sim_sites.h); NULL: no verdict here */
    struct site_part site_part;
    struct repl_disk_judge judge;
    uint64_t looked_ns;     /* at its disk */
    uint64_t told_ns;       /* its generations (sim_recovery.h) */
    bool is_beginning_anew; /* an order is written: the process ends in a moment */
};

/* What its operator has set on this node alone; nothing of it may show in what is applied. */
struct sim_settings {
    uint64_t wal_file_bytes, wal_kept_bytes;
    unsigned in_flight_entries;
    size_t cache_bytes;
    uint64_t trailing_entries;
    size_t broken_batch_size_max; /* read by apply in the build that is broken so */
};

struct sim_node {
    struct sim *sim;
    unsigned number; /* its node id is number + 1 */
    char site[32];
    uint64_t incarnation;     /* rises when its disk is replaced, and is drawn after damage */
    struct identity identity; /* as on its disk */
    struct fake_disk *disk;
    struct sim_settings settings;
    int64_t wall_offset_ms;    /* how wrong its wall clock is */
    struct sim_life *life;     /* NULL: down */
    bool is_damaged;           /* its disk was damaged, and it has not started on that */
    bool has_tail_damage;      /* perhaps in the WAL's last write: see sim_node_end */
    bool has_damaged_segments; /* its partitions' files were damaged, and not all is mended yet */
    uint64_t damaged_ns;       /* when */
    bool is_lying;             /* its disk: see sim_lie.h */
    bool has_lost_writes;      /* by that; it is neither another one nor level since */
    uint64_t full_until_ns;    /* its disk */
    bool is_restart_queued;
    bool is_lost;      /* it does not come back until an operator says so (sim_recovery.h) */
    bool is_surviving; /* it has an order to go on alone, not carried out yet */
    bool is_examined;  /* an operator looks at it before that order */
    uint64_t
        durable_index[SIM_RAFT_GROUPS_MAX]; /* while down: how far its WAL or checkpoint had come */
    uint64_t wiped_index[SIM_RAFT_GROUPS_MAX]; /* as far as its earlier disks had come */
};

struct sim_node *sim_node_create(struct sim *s, unsigned number);

static inline uint32_t sim_node_id(const struct sim_node *n)
{
    return n->number + 1;
}
uint64_t sim_node_raft_id(const struct sim_node *n);

/* Starts the process; it may fail to (disk errors, damage), and then tries again later. */
void sim_node_start(struct sim_node *n);

enum sim_end {
    SIM_END_KILL, /* the process alone: what it wrote stays */
    SIM_END_POWER /* any subset of what was not synced is lost */
};
/* Ends the process. It comes back after a random time when the simulation is restarting nodes. */
void sim_node_end(struct sim_node *n, enum sim_end how);
void sim_node_restart_in(struct sim_node *n, uint64_t delay_ns);
/* What it has counts as its own for ever, whatever its disk says from now on. */
void sim_node_keep_durable(struct sim_node *n);
/* Replaces the disk by an empty one; the node is down. It comes back as another raft id. */
void sim_node_wipe(struct sim_node *n);

/* The process stands still for so long. */
void sim_node_pause(struct sim_node *n, uint64_t duration_ns);

/* The group's replica in the running process, or NULL. */
struct sim_group *sim_node_group(struct sim_node *n, uint32_t group_id);
/* The replica that says it leads and is ready: of several the one of the highest term; or NULL. */
struct sim_group *sim_leader(struct sim *s, uint32_t group_id);

/* The highest index of the group that is durable on this node (also while it is down). */
uint64_t sim_node_durable_index(struct sim_node *n, uint32_t group_id);

/* Whose code runs now, by id; 0: nobody's. For the story. */
unsigned sim_node_running(void);

/* Adds what the process has counted to the run's counters: at its end. */
void sim_node_collect(struct sim_life *life);

#endif

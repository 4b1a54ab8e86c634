/* A few replicas of one raft group in one thread: each a node of its own with a disk, queues of
 * work and a toy machine; between them a small network with delay, cuts and loss; one clock.
 *
 * Every replica's machine tells the fixture what it applies and when it leads, and the fixture
 * checks always: an index holds one value for everyone, a term has one leader, a value is applied
 * in order, a request is answered once. */
#ifndef REPLICATION_GROUP_FIXTURE_H
#define REPLICATION_GROUP_FIXTURE_H

#include <criterion/criterion.h>

#include "../../replication/message.h"
#include "fake/fake_clock.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "replication/group.h"
#include "replication/node.h"

#define REPLICAS_MAX      5
#define GROUP_ID          7u
#define HISTORY_MAX       20000
#define TERMS_MAX         200
#define ELECTION_MS       1000u
#define GONE_MS           300u
#define COMMAND_KIND      9
#define RECORDS_A_VALUE   3  /* as the machine counts them */
#define PARTITION_RECORDS 1u /* number of the partition that every value goes to */

struct cluster;

/* A value on its way; owned by the cluster. */
struct proposal {
    struct repl_submit submit;
    uint64_t value;
    unsigned answers; /* how often it was applied here or failed: at most once */
    bool is_applied;
    int status; /* of a failure */
};

struct read_request {
    struct repl_read read;
    unsigned answers;
    int status;
};

struct replica {
    struct cluster *cluster;
    unsigned number;
    uint32_t node_id;
    uint64_t incarnation;
    char site[8];
    struct fake_disk *disk;
    struct fake_work writer, worker, home;
    struct random random;
    struct log_wal *wal;
    struct log_store *store;
    struct repl_node *node;
    struct repl_group *group; /* NULL: the process is not running */
    struct net net;
    struct net_handler handler;
    bool is_paused;        /* the process stands still; frames wait */
    bool is_writer_paused; /* its disk takes its time */
    bool is_worker_paused; /* when it reads, too */
    bool is_unsettled;     /* what its owner says */
    uint32_t generation;
    uint64_t recovery_id;
    bool is_founder;
    int fatal_status; /* what on_fatal said, or 0 */
    unsigned fatal_count;

    uint64_t *applied; /* values, in order */
    size_t applied_count, applied_capacity;
    uint64_t applied_index;
    enum repl_role role;
    uint64_t role_term;
    unsigned restores, role_changes, node_changes;
};

struct flying; /* a frame under way */

/* What a test may do to a frame before it flies; false: it is lost. */
typedef bool (*frame_filter)(struct cluster *c, unsigned from, unsigned to,
                             const struct repl_message *m);

struct cluster {
    struct fake_clock clock;
    struct random random;
    unsigned count;
    unsigned founder_count;
    struct repl_member founders[REPLICAS_MAX]; /* borrowed by the groups */
    bool is_founded_later;      /* by a checkpoint, as a group that comes after the founding */
    unsigned founding_learners; /* then: bits of replicas that have no vote */
    struct replica replicas[REPLICAS_MAX];
    struct flying *first, *last;
    uint64_t delay_ms[REPLICAS_MAX][REPLICAS_MAX];
    uint64_t bytes_per_ms[REPLICAS_MAX][REPLICAS_MAX]; /* 0: no limit */
    uint64_t busy_until_ns[REPLICAS_MAX][REPLICAS_MAX];
    bool is_cut[REPLICAS_MAX][REPLICAS_MAX];
    double loss;
    frame_filter filter;
    void *filter_data;
    unsigned frame_count;
    bool has_partition;     /* values also go to a partition of the store */
    size_t value_size;      /* bytes of a body */
    size_t record_size;     /* ... of its record in the partition; 0: the same */
    uint32_t segment_bytes; /* of the partition */
    size_t cache_bytes_max, in_flight_bytes_max, append_bytes_max, peer_window_bytes;
    uint64_t ship_bytes_per_second;
    enum repl_ship_compression ship_compression; /* of who is started from now on */
    unsigned in_flight_entries_max;
    uint64_t trailing_entries, wal_kept_bytes;
    uint32_t preferred_node_id;
    unsigned return_every_ms, freeze_ms_max; /* as struct repl_node_options has them */

    struct proposal *proposals[HISTORY_MAX];
    unsigned proposal_count;
    uint64_t next_value;
    struct {
        uint64_t value, term;
    } history[HISTORY_MAX];      /* by index, as first applied by anyone */
    uint32_t leaders[TERMS_MAX]; /* node id by term */
    int speaking;                /* replica whose code runs, -1: none */
    char *trace;                 /* golden trace, or NULL */
    size_t trace_size, trace_capacity;
    uint64_t trace_since_ns;
};

/* `count` nodes at sites a, b, c, …, the first `founder_count` of which are founding voters; 3 ms
 * one way. The caller may change the settings before cluster_start(). */
void cluster_init(struct cluster *c, unsigned count, unsigned founder_count, uint64_t seed);
void cluster_start(struct cluster *c);
/* Stops and frees everything; nothing may stay open. */
void cluster_close(struct cluster *c);

/* ---- processes ---- */
int replica_try_start(struct replica *r, struct err_note *note);
void replica_start(struct replica *r);
/* The power is cut: unsynced bytes stay or not; peers are refused from now on. */
void replica_kill(struct replica *r);
/* A new, empty disk and a new incarnation. Only while it is not running. */
void replica_wipe(struct replica *r);
uint64_t replica_raft_id(const struct replica *r);
struct repl_member replica_member(const struct replica *r);
struct repl_group_status replica_status(const struct replica *r);
struct repl_counters replica_counters(const struct replica *r);

/* ---- time ---- */
void cluster_run_ms(struct cluster *c, unsigned ms);
/* Runs until `is_so`, at most `ms_max`; then fails the test naming `what`. */
typedef bool (*condition)(struct cluster *c);
void cluster_run_until(struct cluster *c, condition is_so, unsigned ms_max, const char *what);
/* Runs until one replica leads and is ready, and gives it. */
struct replica *cluster_leader(struct cluster *c, unsigned ms_max);
/* The one that is ready to serve in the highest term, or NULL. */
struct replica *cluster_leader_now(struct cluster *c);
/* Of the replicas other than this one, the one of that number in order. */
struct replica *cluster_other(struct cluster *c, const struct replica *one, unsigned number);
/* Until all running replicas have applied all that is committed and their peers have it. */
void cluster_settle(struct cluster *c, unsigned ms_max);

/* ---- the network ---- */
void cluster_cut(struct cluster *c, unsigned a, unsigned b); /* both ways */
void cluster_isolate(struct cluster *c, unsigned a);
void cluster_heal(struct cluster *c);
void cluster_delay(struct cluster *c, uint64_t one_way_ms);
/* A frame made by the test arrives at `to` as if from node `from`. */
void cluster_inject(struct cluster *c, unsigned from, unsigned to, const struct repl_message *m,
                    const struct slice *payload, unsigned payload_count);
void cluster_inject_bytes(struct cluster *c, unsigned from, unsigned to, struct bytes frame);

/* ---- clients ---- */
struct proposal *cluster_propose(struct cluster *c, struct replica *r, int *err);
/* Proposes `count` values on the leader and runs until they are applied there. */
void cluster_append(struct cluster *c, unsigned count);
int cluster_read(struct replica *r, struct read_request *read);
void cluster_checkpoint(struct cluster *c, struct replica *r);
bool replica_has(const struct replica *r, uint64_t value);
/* All running replicas have the same values. */
void cluster_check_same(struct cluster *c);

/* ---- between the fixture's own files ---- */
struct net net_of(struct replica *r);
/* Delivers frames whose time has come; those for a paused process wait. */
void net_land_all(struct cluster *c);
/* Forgets what is under way from and to a node. */
void net_drop(struct cluster *c, unsigned number);
struct repl_machine machine_of(struct replica *r);
void proposal_answer(struct proposal *p, bool is_applied, int status);
/* Stops the group, waits until it rests, frees. */
void replica_end(struct replica *r);

#endif

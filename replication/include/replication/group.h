/* A replica of one raft group: libraft driven as a pure function.
 *
 * An event goes into raft_step(), an update comes out; this module stores, sends, applies and
 * waits. It keeps libraft's preconditions (design, section 5, table), orders what leaves the
 * node after what it depends on (Raft, Figure 2), and adds what libraft has not: read index
 * (Raft dissertation, 6.4), generation, lag, segment shipping, a transfer that recovers.
 *
 * All functions on the group's shard. Entries are applied in order, each exactly once since the
 * state that `restore` gave; never from inside repl_group_submit(). */
#ifndef REPLICATION_GROUP_H
#define REPLICATION_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/random.h"
#include "base/work.h"
#include "log/store.h"
#include "log/wal.h"
#include "replication/entry_head.h"

struct repl_group;
struct repl_node;

/* A replica's raft id is (node id, incarnation): a wiped node is another server. */
static inline uint64_t repl_raft_id(uint32_t node_id, uint64_t incarnation)
{
    return (uint64_t)node_id << 48 | (incarnation & 0xffffffffffffu);
}
static inline uint32_t repl_raft_id_node(uint64_t raft_id)
{
    return (uint32_t)(raft_id >> 48);
}

enum repl_role { REPL_FOLLOWER, REPL_CANDIDATE, REPL_LEADER };

struct repl_member {
    uint64_t raft_id;
    char site[32]; /* in the raft configuration as the address "<raft id>@<site>" */
    bool is_voter; /* else a learner */
};
#define REPL_MEMBERS_MAX 20 /* the nodes of a cluster, and some that are being replaced */

struct repl_submit;
/* `status` is negative and final: ERR_LEADERSHIP_LOST (unknown fate: it may still be committed),
 * ERR_NOT_LEADER (it never entered the log), ERR_CLOSED.
 * On success there is no callback: the machine's apply gets the request. */
typedef void (*repl_submit_cb)(struct repl_submit *req, int status);

/* An entry to replicate; embed it in your own. Borrowed until applied or failed. */
struct repl_submit {
    void *data;                  /* the caller's own */
    struct repl_entry_head head; /* kind, flags, partition number; the clock is stamped */
    struct slice body;           /* a reference is taken */
    size_t summed_size;       /* so many last bytes of the body have a known checksum (0: none), */
    uint32_t summed_crc;      /* which is this CRC-32C; it saves reading them once more */
    repl_submit_cb on_failed; /* set by repl_group_submit */
    uint64_t index, term;     /* set when it entered the log */
    struct repl_submit *next; /* private */
};

/* What a group's log has carried since it began, up to some index: the same on every replica. */
struct repl_totals {
    uint64_t records; /* as the machine counts them */
    uint64_t bytes;   /* of the bodies of entries with records */
};

/* The state machine of a group (cluster/). All callbacks on the group's shard. */
struct repl_machine {
    void *data;
    /* How many records a COMMAND carries: a function of the entry alone. NULL: none has any. */
    uint32_t (*count)(void *data, const struct repl_entry_head *head, struct bytes body);
    /* Of all entries up to the last applied one: the sum of `count`, which goes with the machine's
     * state. NULL: not known. */
    void (*totals)(void *data, struct repl_totals *totals);
    /* A committed COMMAND. `own` is the request of this node that made the entry, or NULL: apply
     * completes it. Must not fail: what can't be applied has a verdict, the same everywhere. */
    void (*apply)(void *data, const struct log_entry *entry, const struct repl_entry_head *head,
                  struct repl_submit *own);
    /* LEADER: all entries of earlier terms are applied (its own barrier is): it may serve.
     * FOLLOWER: no longer so; pending submits were failed before. */
    void (*on_role)(void *data, enum repl_role role, uint64_t term);
    /* The commit index moved or entries were applied: wake what waits for that. Once a turn. */
    void (*on_progress)(void *data);
    /* The machine's own state as of the last applied entry; returns owned bytes (free). */
    int (*encode_state)(void *data, uint8_t **bytes, size_t *size, uint32_t *feature_level);
    /* Replace everything by this state (start, or a shipped snapshot was installed): the store's
     * partitions are those of the state. */
    int (*restore)(void *data, struct log_store *store, const struct log_store_state *state);
};

struct repl_group_options {
    struct log_wal_group identity;      /* group id, generation, recovery id */
    uint64_t raft_id;                   /* this replica */
    const struct repl_member *founders; /* the first configuration, only for a group that has
                                           nothing on disk and is being founded; else NULL.
                                           Borrowed as long as the group lives */
    unsigned founder_count;
    const struct clock *clock;
    struct random *random;
    const struct work *home; /* the group's shard */
    struct log_wal *wal;
    struct log_store *store; /* opened by the caller, owned by it */
    struct repl_node *node;  /* liveness, frames, heartbeats */
    struct repl_machine machine;
    unsigned election_timeout_ms;   /* libraft's own; the failure detector is faster */
    unsigned in_flight_entries_max; /* per peer */
    size_t in_flight_bytes_max;     /* submitted and not applied */
    size_t append_bytes_max;        /* entries of one append to the WAL and of one frame, beyond
                                       the first; 0: 4 MiB. Must fit into a WAL file */
    size_t cache_bytes_max;         /* recent entries kept in memory for peers */
    uint64_t trailing_entries;      /* kept in the WAL's index beyond the checkpoint */
    unsigned shard;                 /* of `home`, as the node numbers them */
    bool is_small; /* what it carries is little, and every node needs it: a replica whose disk is
                      full gets it all the same */
    /* The disk failed, or this replica can't go on: nothing is acknowledged from here on, the
     * process must end. */
    void (*on_fatal)(void *data, int status);
    void *fatal_data;
    /* Would the next leader have to find out anew what is just becoming clear on this one? Then it
     * goes home a little later. Asked ten times a second, while it could go. NULL: never. */
    bool (*is_unsettled)(void *data);
    void *unsettled_data;
};

/* Do WAL and store go together? ERR_CORRUPT with a sentence where they do not: entries between the
 * checkpoint and the WAL's are missing, or a configuration is not one. Such a replica would have
 * forgotten what it acknowledged: it can't start. Looks at identity, founders, wal and store of the
 * options only. Blocking. */
int repl_group_check(const struct repl_group_options *options, struct err_note *note);

/* Founds a replica of a group that comes when the cluster is there already: its store begins with a
 * checkpoint of nothing, at index 1, with this configuration, and with the state of an empty
 * machine. The same on every founder, whenever it comes to it; only on a store that has nothing,
 * under a raft id that is one of the founders. Durable when it returns 0. Blocking. */
int repl_group_found(struct log_store *store, const struct repl_member *founders,
                     unsigned founder_count, struct bytes machine, uint32_t feature_level);

/* Starts the replica from WAL and store (RAFT_START), or founds it. Blocking reads happen here:
 * before shards run, or on the group's shard while it has next to nothing. Returned owned
 * (repl_group_destroy). */
int repl_group_create(const struct repl_group_options *options, struct repl_group **group,
                      struct err_note *note);
/* Pending submits and reads fail with ERR_CLOSED. WAL requests under way must have ended:
 * repl_group_is_idle(). */
void repl_group_stop(struct repl_group *g);
bool repl_group_is_idle(const struct repl_group *g);
void repl_group_destroy(struct repl_group *g);

/* Queues an entry; all that are queued in one turn enter the log together. Returns 0, or
 * ERR_NOT_LEADER, ERR_BUSY (in-flight bytes), ERR_TOO_LARGE: `on_failed` is then not called. */
int repl_group_submit(struct repl_group *g, struct repl_submit *req, repl_submit_cb on_failed);
/* The same, also for who has won its election and may not serve yet: what depends on nothing that
 * is still to be applied need not wait for the term's first entry, only come behind it. */
int repl_group_submit_ahead(struct repl_group *g, struct repl_submit *req,
                            repl_submit_cb on_failed);
bool repl_group_may_submit_ahead(const struct repl_group *g);

struct repl_read;
typedef void (*repl_read_cb)(struct repl_read *req, int status);
/* A fresh read (invariant 15). Status 0: everything acknowledged anywhere before the call has been
 * applied here. ERR_LEADERSHIP_LOST, ERR_CLOSED, ERR_TIMEOUT. */
struct repl_read {
    void *data;
    repl_read_cb cb;        /* set by repl_group_read */
    uint64_t index;         /* private: what must be applied */
    uint64_t round;         /* private: heartbeat round that must be answered */
    uint64_t at_ms;         /* private: when it was asked for */
    struct repl_read *next; /* private */
};
/* At most so many wait; more than one request for every partition of a group can ask for. */
#define REPL_READS_MAX 65536
/* 0 (cb later, once), ERR_NOT_LEADER, or ERR_BUSY. One round serves all that wait. */
int repl_group_read(struct repl_group *g, struct repl_read *req, repl_read_cb cb);

/* Called by the owner: at the end of each loop turn (submits what was queued, sends, applies), and
 * about every 10 ms (timeouts). */
void repl_group_turn(struct repl_group *g);
void repl_group_tick(struct repl_group *g);

/* May this leader take new data, as far as disks are concerned? False: where it leads, there is
 * room for metadata and offsets only (group_room.c says when). */
bool repl_group_has_room(const struct repl_group *g);

struct repl_replica_status {
    struct repl_member member;
    uint64_t match_index; /* known durable there; 0: it was not heard by this leader */
    uint64_t lag_entries; /* entries that it lacks */
    uint64_t lag_records; /* in them: exact of the newest 8,192 entries, else between marks */
    uint64_t lag_bytes;   /* of their bodies */
    uint64_t lag_ms;      /* since the oldest entry that it lacks was submitted */
    bool is_lag_known;    /* else nothing is known (match_index is 0), or it lacks more than this
                             leader counted, at least so much */
    bool is_level;        /* near enough to take over (lag_ms small, and heard of lately) */
    bool is_heard; /* its node has just said something: neither vote nor lead goes to others */
    bool is_gone;  /* its node is lost: it was silent for gone_ms, or refuses */
};

/* What a replica knows of its leader. A leader's position is the last entry that it has applied:
 * nothing behind it was acknowledged when it said so. */
struct repl_heard {
    uint64_t leader_raft_id; /* 0: nothing was heard */
    uint64_t term;
    uint64_t commit_index;
    int64_t wall_ms; /* this node's clock, when it was heard */

    /* In what version 2 keeps, else zero. */
    uint64_t position;         /* of the leader: its last applied index */
    uint64_t position_term;    /* the term it led in then, which has an entry up to there; `term` is
                                  newer while a new leader has not said how far it is */
    struct repl_totals totals; /* up to there */
    int64_t leader_wall_ms;    /* the leader's clock, when it was there */
    int64_t level_wall_ms; /* the newest such clock of a position that this replica has on its disk:
                              what was acknowledged before is here. 0: none */
};

struct repl_group_status {
    uint32_t group_id;
    uint32_t generation;
    enum repl_role role;
    bool is_ready;     /* leader that may serve */
    bool is_set_aside; /* a higher generation was heard: it serves nothing any more */
    uint64_t term;
    uint32_t leader_node_id; /* 0 when none is known */
    uint64_t first_index, last_index, commit_index, applied_index, checkpoint_index;
    bool is_changing;       /* leader: the newest configuration is not committed yet */
    bool can_take_back;     /* ... and what it has changed may be changed back all the same */
    unsigned replica_count; /* of `replicas`: filled on the leader */
    struct repl_replica_status replicas[REPL_MEMBERS_MAX];
    uint64_t heard_commit_index; /* follower: the leader's, as last heard */
    uint64_t heard_ns;           /* follower: when the leader was last heard (clock) */
    struct repl_heard heard;     /* the same and more, since this process started */
    uint64_t led_term;           /* the last one that it led in, since its start, and in which a
                                    majority said that it followed; 0: none */
    uint64_t led_until_ms;     /* clock: when it last asked and was told so, at most about a second
                                  old while it leads: nobody else had acknowledged anything then */
    struct repl_totals totals; /* up to the applied index */
    bool is_tail_counted;      /* false just after a start, until all of then is applied: */
    struct repl_totals tail;   /* what lies between the applied and the kept index */
    uint64_t kept_index;       /* repl_group_kept_index */
    uint64_t kept_term;        /* of the entry there; 0: not known */
};
/* The newest configuration that this replica knows; returns how many, 0 when nobody has taken it in
 * yet. Group's shard. */
unsigned repl_group_members(const struct repl_group *g,
                            struct repl_member members[REPL_MEMBERS_MAX]);
/* What lies behind an index, in any role: as growth is known here (group_lag.c). False where it
 * reaches back further: then it is at least so much. */
struct repl_lag {
    uint64_t entries, records, bytes, ms;
};
bool repl_group_lag_after(const struct repl_group *g, uint64_t index, struct repl_lag *lag);
/* The same by partition, sorted, at most REPL_SHARES_MAX. Returns how many; together they are the
 * whole, but where entries of very many partitions lie behind the index: then the oldest are left
 * out. */
#define REPL_SHARES_MAX 8192
struct repl_lag_share {
    uint32_t partition_number;
    uint64_t records, bytes;
};
unsigned repl_group_lag_shares(const struct repl_group *g, uint64_t index,
                               struct repl_lag_share shares[REPL_SHARES_MAX]);
/* It has won its election and is not set aside; whether it may serve yet is told by on_role. */
bool repl_group_is_elected(const struct repl_group *g);
void repl_group_status(const struct repl_group *g, struct repl_group_status *status);

/* Entries of what its leader had at the position heard that the replica does not keep. Where those
 * behind what is committed here are of an older term than that leader's, one of them at least is
 * another than the leader's: all of them are counted, and is_other is set. Pure. */
uint64_t repl_heard_lacking(const struct repl_group_status *status, const struct repl_heard *heard,
                            bool *is_other);

/* The last entry that a forced recovery of this replica keeps: what is behind it, if anything, this
 * replica proposed itself since its start, and knows of no majority that has it. Group's shard. */
uint64_t repl_group_kept_index(const struct repl_group *g);

/* What this node's WAL kept of the leader, at most a second old when it was last heard, as far as a
 * sync has covered it. 0, ERR_NOT_FOUND when nothing was heard, ERR_VERSION or ERR_MALFORMED. Any
 * shard. */
int repl_heard_read(struct log_wal *wal, uint32_t group_id, struct repl_heard *heard);

/* Hands leadership to a level voter on that node. 0, ERR_NOT_LEADER, ERR_NOT_FOUND, ERR_BUSY (not
 * level, not heard just now, or a transfer is under way). No new leader in 200 ms: it goes on as
 * leader. */
int repl_group_transfer(struct repl_group *g, uint32_t node_id);

/* An operator wants its leader where it belongs: for two seconds it goes there without the quiet
 * time, as soon as that replica is level. Nothing happens on one that does not lead. */
void repl_group_ask_home(struct repl_group *g);
/* Recent entries kept in memory for peers from now on: groups may become more, and share. */
void repl_group_set_cache(struct repl_group *g, size_t bytes_max);
/* Where leadership belongs when all is well; 0: anywhere. */
void repl_group_set_preferred(struct repl_group *g, uint32_t node_id);
/* Nobody should lead in that site, unless nobody else can: a leader there goes to the preferred
 * node at once, without a quiet time. "": every site will do. */
void repl_group_set_avoided(struct repl_group *g, const char *site);

/* Its voters belong to one site, whichever that is: the site rule is not for it (asynchronous
 * replication). As the owner last said; a group keeps the rule until it does. */
void repl_group_set_within_site(struct repl_group *g, bool is_within_site);

/* While it is held a replica that was elected serves nothing yet: who was away does not know
 * whether the others went on without it (forced recovery), and a sole voter asks nobody before it
 * leads. Not of one that serves already. */
void repl_group_hold(struct repl_group *g, bool is_held);
bool repl_group_is_held(const struct repl_group *g);

/* There is a higher generation of this group: it serves, sends and takes nothing any more. */
void repl_group_set_aside(struct repl_group *g, uint32_t generation);
/* The same without having heard of one: there may be. Before the first turn, or on the shard. */
void repl_group_sit_out(struct repl_group *g);

/* A configuration as checkpoints have it; *bytes is owned (free). 0 or UV_ENOMEM. Pure. */
int repl_configuration_encode(const struct repl_member *members, unsigned count, uint8_t **bytes,
                              size_t *size);

/* One change of the configuration (libraft checks nothing: the site rule and one voter at a time
 * are checked here). While one is under way there is no other, but this: a sole voter that gave
 * another a vote takes it back (group_change.c). 0: proposed. ERR_CANT_CHANGE says why not in the
 * note. */
enum repl_change { REPL_ADD_LEARNER, REPL_PROMOTE, REPL_DEMOTE, REPL_REMOVE };
int repl_group_change(struct repl_group *g, enum repl_change change,
                      const struct repl_member *member, struct err_note *note);

/* This replica's node has no part in the group any more, says group 0: asks the leader whether that
 * is committed. If so, what the replica has is removed from the disk (event group_data_freed);
 * term and vote stay. Nothing happens where there is nothing, and on a leader. Called now and
 * then, as long as it is so. */
void repl_group_leave(struct repl_group *g, uint64_t leader_raft_id);
/* It has left and has nothing on disk. */
bool repl_group_has_left(const struct repl_group *g);

/* Asks for a checkpoint soon (WAL pressure, interval). Does nothing while one is under way. */
void repl_group_checkpoint(struct repl_group *g);

struct repl_counters {
    uint64_t elections_started, terms_led, truncations, snapshots_sent, snapshots_installed,
        transfers_done, transfers_failed, reads_served, entries_applied, entries_from_cache,
        entries_from_wal, generation_refused;
    uint64_t shipped_bytes;      /* of files, sent to replicas far behind */
    uint64_t shipped_wire_bytes; /* the same as they went over the network */
};
void repl_group_counters(const struct repl_group *g, struct repl_counters *counters);

#endif

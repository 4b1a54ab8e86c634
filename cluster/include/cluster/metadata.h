/* Group 0's state: the cluster itself. Nodes, raft groups, topics, where each partition lives,
 * producer id blocks, the failover epoch. Every node applies it and serves from it.
 *
 * Changes are entries; apply decides (a topic that exists gets its verdict here, the same on
 * every node). Placement and partition numbers are given at apply: a number is never used again,
 * so "below the next number and in no topic" means deleted, also for a node that was away.
 *
 * Threads: written by group 0's shard inside apply; read from any shard between
 * metadata_read_lock() and metadata_read_unlock(), kept short. */
#ifndef CLUSTER_METADATA_H
#define CLUSTER_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cluster/sites.h"
#include "cluster/switch.h"

#define METADATA_NODES_MAX          64 /* ids are below; those GONE included */
#define METADATA_LIVE_NODES_MAX     16 /* all others */
#define METADATA_VOTERS_MAX         16 /* nodes of one group */
#define METADATA_GROUPS_MAX         256
#define METADATA_TOPIC_NAME_MAX     249
#define METADATA_PARTITIONS_MAX     100000               /* of the whole cluster */
#define METADATA_CONFIGS_MAX        64                   /* overrides of one topic */
#define METADATA_CONFIG_REPLICATION "trilog.replication" /* "sync" or "async" */
#define METADATA_CONFIG_HOME_SITE   "trilog.home.site"   /* a site's name, or "" */
#define METADATA_PRODUCER_ID_BLOCK  1000

struct metadata;

/* JOINING --heard--> ACTIVE <--heard / silent too long--> DEAD
 *                      '--removed by command--> LEAVING --carries nothing--> GONE */
enum metadata_node_state {
    METADATA_NODE_ACTIVE = 0,  /* carries replicas */
    METADATA_NODE_JOINING = 1, /* added by command, not heard yet */
    METADATA_NODE_LEAVING = 2, /* its replicas move away */
    METADATA_NODE_DEAD = 3,    /* silent too long: its replicas are built elsewhere in its site */
    METADATA_NODE_GONE = 4     /* removed: refused when it comes back */
};

struct metadata_node {
    uint32_t node_id;
    uint64_t incarnation; /* 0: not heard yet */
    char site[32];
    char host[256]; /* advertised to clients; "" while it was not heard */
    uint16_t port;
    enum metadata_node_state state;
    uint32_t successor_id; /* LEAVING: takes its place; 0: whoever has room */
    char peer_host[256];   /* where the other nodes reach it; "": not known */
    uint16_t peer_port;
};

/* How a group's records reach other sites. */
enum metadata_mode {
    METADATA_SYNC = 0, /* voters in every site: what is acknowledged is in two of them */
    METADATA_ASYNC = 1 /* voters in the home site, learners elsewhere: what is acknowledged is in
                          that site; the others have it a little later, or never if it is lost */
};

struct metadata_group {
    uint32_t group_id;              /* 0 is the metadata group itself */
    uint32_t preferred_node_id;     /* where its leader belongs */
    uint32_t partition_count;       /* live ones */
    uint32_t next_partition_number; /* never used again below this; starts at 1 */
    unsigned node_count;            /* of `node_ids`: where it is to have replicas; where it does,
                                       its leader tells (level.h) */
    uint32_t node_ids[METADATA_VOTERS_MAX];
    unsigned learner_count; /* the last so many of them have no vote: of ASYNC groups only */
    enum metadata_mode mode;
    char home_site[32]; /* where its leader belongs, and an ASYNC group's voters; "": anywhere */
};

/* The first configuration of a group that came after the founding (METADATA_GROUP_ADD): never
 * changed, so that each of its members begins with the same, whenever it comes to it. */
struct metadata_founder {
    uint32_t node_id;
    uint64_t incarnation;
    char site[32];
    bool is_voter;
};
struct metadata_founding {
    unsigned founder_count; /* 0: one of the groups that the cluster was founded with */
    struct metadata_founder founders[METADATA_VOTERS_MAX];
};

struct metadata_partition {
    uint32_t group_id;
    uint32_t number;    /* within the group */
    int32_t epoch_base; /* leader epoch = this + the group's term; rises when it moves */
};

/* CLOSING --closed in the old group--> OPENING --every replica of the new group has its files-->
 * SETTLING --settled in the new group, gone from the old one--> over
 * From OPENING on the partition's place is the new one. Nodes that are dead, or to go, are not
 * waited for. A deleted topic's moves are gone with it. */
enum metadata_move_phase {
    METADATA_MOVE_CLOSING = 1,
    METADATA_MOVE_OPENING = 2,
    METADATA_MOVE_SETTLING = 3
};

/* A partition on its way from one raft group to another (state/metadata_moves.c). */
struct metadata_move {
    uint8_t topic_id[16];
    int32_t partition; /* Kafka's index within the topic */
    enum metadata_move_phase phase;
    struct metadata_partition from, to; /* to.epoch_base: from OPENING on */
    int64_t offset;                     /* where the old log ends; from OPENING on, as `index` */
    uint64_t index;       /* raft index in the old group's log of the entry that says so; 0 in
                             OPENING: a recovered group is to say it again */
    unsigned taken_count; /* of `taken_by`: nodes whose replica of the new group has
                             the files, durably */
    uint32_t taken_by[METADATA_VOTERS_MAX];
    bool is_settled; /* the new group has said that it is over */
    bool is_retired; /* the old one has forgotten the partition */
};
#define METADATA_MOVES_MAX 1024 /* under way at once */
#define METADATA_MOVE_EPOCH_STRIDE                                                                 \
    4096 /* terms that the old group may have run ahead meanwhile                                  \
          */

/* The newest forced recovery of a group that group 0 has ordered: the replica on `node_id` goes on,
 * alone, in a generation of its own (metadata_recovery.c). Those of group 0 itself, which nobody
 * could order, are not here. */
struct metadata_recovered {
    uint32_t generation; /* of the group from then on; 0: there was none */
    uint32_t node_id;
    uint64_t recovery_id;
    int64_t producer_id_end; /* ids below are of before */
    uint64_t epoch;          /* the failover epoch that it raised */
};

struct metadata_config {
    char *name; /* Kafka's config name, checked before it was proposed */
    char *value;
};

struct metadata_topic {
    uint8_t id[16];
    char name[METADATA_TOPIC_NAME_MAX + 1];
    bool is_internal;
    int16_t replication_factor; /* as asked for and shown; replicas are the group's voters */
    int32_t partition_count;
    struct metadata_partition *partitions; /* by Kafka's partition index */
    unsigned config_count;
    struct metadata_config *configs; /* overrides, sorted by name */
};

int metadata_create(struct metadata **m);
void metadata_destroy(struct metadata *m);

void metadata_read_lock(struct metadata *m);
void metadata_read_unlock(struct metadata *m);

/* The rest of the queries want the read lock (or group 0's shard). Pointers are valid under it. */
bool metadata_cluster_id(const struct metadata *m, uint8_t id[16]); /* false: none applied yet */
uint64_t metadata_version(const struct metadata *m); /* raft index of the last applied change */
uint64_t metadata_failover_epoch(const struct metadata *m);
/* Raft index of the last change of what a plan of the groups' places goes by. */
uint64_t metadata_placement_version(const struct metadata *m);
const struct metadata_topic *metadata_topic_by_name(const struct metadata *m, const char *name,
                                                    size_t name_size);
const struct metadata_topic *metadata_topic_by_id(const struct metadata *m, const uint8_t id[16]);
/* Owner of a partition number, or NULL: deleted if number < the group's next number. */
const struct metadata_topic *metadata_topic_of(const struct metadata *m, uint32_t group_id,
                                               uint32_t number, int32_t *partition);
typedef void (*metadata_topic_cb)(void *data, const struct metadata_topic *topic);
void metadata_each_topic(const struct metadata *m, metadata_topic_cb cb, void *data);
unsigned metadata_topic_count(const struct metadata *m);
unsigned metadata_node_count(const struct metadata *m);
const struct metadata_node *metadata_node_at(const struct metadata *m, unsigned position);
const struct metadata_node *metadata_node_by_id(const struct metadata *m, uint32_t node_id);
unsigned metadata_group_count(const struct metadata *m); /* group 0 included */
const struct metadata_group *metadata_group_at(const struct metadata *m, unsigned position);
const struct metadata_group *metadata_group_by_id(const struct metadata *m, uint32_t group_id);
/* Is the node one of those where the group is to have a replica? */
bool metadata_group_has(const struct metadata_group *group, uint32_t node_id);
/* ... one with a vote? */
bool metadata_group_votes(const struct metadata_group *group, uint32_t node_id);
/* Are they to be on the same nodes, in whatever order? Whether they vote there is not asked: a
 * partition may move between such groups, for its files are on the same disks. */
bool metadata_groups_match(const struct metadata_group *a, const struct metadata_group *b);
/* ... and to vote on the same of them? */
bool metadata_groups_vote_alike(const struct metadata_group *a, const struct metadata_group *b);
/* Are they for the same topics: of one mode and home site? */
bool metadata_groups_serve_alike(const struct metadata_group *a, const struct metadata_group *b);
/* NULL when group 0 has ordered no recovery of that group. */
const struct metadata_recovered *metadata_recovered_of(const struct metadata *m, uint32_t group_id);
/* How the group's first configuration was made; never NULL for a group that there is. */
const struct metadata_founding *metadata_group_founding(const struct metadata *m,
                                                        uint32_t group_id);
/* The site where the group's leader, and an ASYNC group's voters, belong as things are; "":
 * anywhere. */
const char *metadata_home_now(const struct metadata *m, const struct metadata_group *group);
/* Where that would be with site `from` switched away; `to` "": to the first of its other sites. */
const char *metadata_home_if(const struct metadata *m, const struct metadata_group *group,
                             const char *from, const char *to);
/* What the topic's configs ask of the groups of its partitions, checked when they were set. While
 * it is changed, and until a group for it is there, partitions are in other groups: what holds for
 * a partition is its group's mode. */
struct metadata_wish {
    enum metadata_mode mode;
    char home_site[32];
};
void metadata_topic_wish(const struct metadata_topic *t, struct metadata_wish *wish);
bool metadata_group_serves(const struct metadata_group *group, const struct metadata_wish *wish);
const char *metadata_topic_config(const struct metadata_topic *t, const char *name); /* or NULL */
unsigned metadata_move_count(const struct metadata *m);
const struct metadata_move *metadata_move_at(const struct metadata *m, unsigned position);
/* NULL when that partition does not move. */
const struct metadata_move *metadata_move_of(const struct metadata *m, const uint8_t topic_id[16],
                                             int32_t partition);
/* Gives the group a partition to another, or takes one? Its nodes stay then, for files change hands
 * on each of them. */
bool metadata_has_move(const struct metadata *m, uint32_t group_id);
/* May the partition move there? 0 or what METADATA_MOVE's start would answer; pure. */
int metadata_move_check(const struct metadata *m, const struct metadata_topic *topic,
                        int32_t partition, uint32_t group_id);

/* ---- changes ---- */

enum metadata_change_kind {
    METADATA_CLUSTER = 1, /* founding: cluster id and raft groups */
    METADATA_NODE = 2,    /* a node's incarnation, site or address */
    METADATA_TOPIC_CREATE = 3,
    METADATA_TOPIC_DELETE = 4,
    METADATA_TOPIC_PARTITIONS = 5, /* more partitions */
    METADATA_PRODUCER_IDS = 7,     /* a block of METADATA_PRODUCER_ID_BLOCK ids */
    METADATA_FAILOVER_EPOCH = 8,   /* raised, with its cause */
    METADATA_PREFERRED = 9,        /* a group's preferred leader */
    METADATA_TOPIC_CONFIG = 10,    /* overrides of a topic that are set, others that are removed */
    METADATA_NODE_STATE = 11,      /* nodes that are added, leave, are dead, are gone, are back */
    METADATA_PLACEMENT = 12,       /* where groups are to vote and to be led */
    METADATA_MOVE = 13,            /* a step of a partition's move to another group */
    METADATA_SWITCH = 14,    /* a step of a planned switch, or a site that is lost (switch.h) */
    METADATA_RECOVERY = 15,  /* a forced recovery of groups that have lost their majority */
    METADATA_GROUP_ADD = 16, /* one more raft group, with a mode and a home site */
    METADATA_SITES = 17      /* the verdict on sites, or an operator's word on one (sites.h) */
};

enum metadata_move_step {
    METADATA_MOVE_START = 1,   /* group_id: to which */
    METADATA_MOVE_CLOSED = 2,  /* the old group's leader: number, epoch, offset, index */
    METADATA_MOVE_TAKEN = 3,   /* a replica of the new group: number, node_id */
    METADATA_MOVE_SETTLED = 4, /* the new group's leader: number */
    METADATA_MOVE_RETIRED = 5  /* the old group's leader: number */
};

/* Only the fields of its step are used, the others are 0. */
struct metadata_move_change {
    enum metadata_move_step step;
    int32_t partition; /* of the topic `id` of the change */
    uint32_t group_id, number, node_id;
    int32_t epoch;  /* the leader epoch of the closing entry */
    int64_t offset; /* where the log was closed */
    uint64_t index; /* of the closing entry in its group's log */
};

/* Of groups other than 0, with what the operator was told and has said back. */
struct metadata_recovery_change {
    uint64_t recovery_id; /* drawn by the proposer, not 0 */
    uint32_t node_id;     /* whose replicas go on */
    int64_t known_until_ms;
    uint64_t lost_records, lost_bytes;
    int64_t forecast_pause_ms; /* from now until these groups serve; -1: not known */
    unsigned group_count;
    struct metadata_recovery_row {
        uint32_t group_id;
        uint32_t generation;       /* the new one */
    } groups[METADATA_GROUPS_MAX]; /* by rising id */
};

/* One change, in the form that is proposed. Only the fields of its kind are used. */
struct metadata_change {
    enum metadata_change_kind kind;
    uint8_t id[16];             /* CLUSTER: cluster id; TOPIC_*: topic id (drawn by the proposer) */
    const char *name;           /* TOPIC_CREATE: borrowed text; FAILOVER_EPOCH: the cause */
    bool is_internal;           /* TOPIC_CREATE */
    int16_t replication_factor; /* TOPIC_CREATE */
    int32_t partition_count;    /* TOPIC_CREATE, TOPIC_PARTITIONS: the new total */
    const struct metadata_config *configs; /* TOPIC_CREATE, TOPIC_CONFIG: sorted, each name once */
    unsigned config_count;
    const char *const *removed;          /* TOPIC_CONFIG: names of overrides, set or not */
    unsigned removed_count;              /* at most METADATA_CONFIGS_MAX */
    struct metadata_node node;           /* NODE */
    const struct metadata_node *nodes;   /* NODE_STATE: id, state; JOINING: site and peer address,
                                            if known; LEAVING: successor */
    unsigned node_count;                 /* 1 or 2: both are taken or none */
    const struct metadata_group *groups; /* CLUSTER; PREFERRED: one; PLACEMENT: ids and nodes;
                                            GROUP_ADD: one, with the next id */
    unsigned group_count;
    struct metadata_move_change move;                /* MOVE */
    const struct metadata_switch_change *planned;    /* SWITCH */
    const struct metadata_recovery_change *recovery; /* RECOVERY */
    const struct metadata_site_change *sites;        /* SITES */
    uint64_t placement_version; /* PLACEMENT, GROUP_ADD: what it was planned from; another:
                                   refused */
};

/* Returns owned bytes (free), or UV_ENOMEM, ERR_INVALID (beyond a limit). */
int metadata_change_encode(const struct metadata_change *change, uint8_t **bytes, size_t *size);

/* What apply answered: `error` is ERR_EXISTS, ERR_NOT_FOUND, ERR_INVALID, ERR_CANT_CHANGE (the last
 * node of its site, a node that still carries something, a plan or a verdict that came too late,
 * the last site that is in use), ERR_TIMEOUT
 * (a switch that is past its deadline) or 0. */
struct metadata_result {
    int error;
    int64_t first_producer_id; /* PRODUCER_IDS */
    uint64_t index;            /* raft index of the change */
};

/* Applies one METADATA entry's body; `wall_ms` is the entry's clock. Pure. Malformed bytes get
 * ERR_MALFORMED as the verdict and change nothing; UV_ENOMEM is returned (and ends the process),
 * all else is in `result`. */
int metadata_apply(struct metadata *m, uint64_t index, int64_t wall_ms, struct bytes body,
                   struct metadata_result *result);

/* A forced recovery of these groups: leader epochs, partition numbers, producer ids and the
 * failover epoch move on. Pure. 0 or UV_ENOMEM. */
struct recovery_entry;
int metadata_apply_recovery(struct metadata *m, uint64_t index, int64_t wall_ms,
                            const struct recovery_entry *recovery, struct metadata_result *result);

/* Where a partition begins that its group has not opened yet: 0, or behind the strides of the
 * recoveries that it has been through, for the lost side may have opened and used it. */
int64_t metadata_first_offset(const struct metadata *m, const struct metadata_partition *p);

/* The next id that a PRODUCER_IDS would give. */
int64_t metadata_next_producer_id(const struct metadata *m);

/* The whole state, deterministic; returns owned bytes (free). */
int metadata_encode(const struct metadata *m, uint8_t **bytes, size_t *size);
/* Replaces everything; empty bytes give an empty state. */
int metadata_decode(struct metadata *m, struct bytes from);

#endif

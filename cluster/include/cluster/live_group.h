/* The consumer groups that a coordinator leads: Kafka's classic group protocol (KIP-62, KIP-394,
 * KIP-345), without I/O.
 *
 * What must survive is proposed as entries and counts once applied; the rest (who waits, whose
 * session ends when) is here, in memory, and a new leader begins it afresh from the table. Time
 * and proposals come through the host, so that tests can play both. One thread. */
#ifndef CLUSTER_LIVE_GROUP_H
#define CLUSTER_LIVE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/consumer_table.h"
#include "protocol/arena.h"

struct group_set;

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

/* Kafka's name of a state. */
const char *group_state_name(enum group_state state);

typedef void (*group_proposal_cb)(void *done_data, int status);

/* Why a group gathers anew, for people. */
struct group_cause {
    const char
        *act; /* "joined", "left", "session_ended", "not_synced", "not_stored", "reassigned" */
    struct kafka_string member_id; /* the first, where there are several; cut where long */
    struct kafka_string reason;    /* the client's own words (KIP-800); nullable */
};

struct group_host {
    void *data;
    uint64_t (*now_ms)(void *data);
    /* The table of a partition; NULL while it is not open here. */
    const struct consumer_table *(*table)(void *data, uint32_t partition_number);
    /* Proposes a copy of the body. 0: `done` runs exactly once, later, with the table's verdict or
     * why there is none. Or an error, then `done` never runs. */
    int (*propose)(void *data, uint32_t partition_number, struct bytes body, group_proposal_cb done,
                   void *done_data);
    /* A group that was at rest begins to rebalance. NULL: nobody wants to know. */
    void (*on_rebalance)(void *data, struct kafka_string group_id, int32_t generation,
                         const struct group_cause *cause);
};

struct group_limits {
    int32_t session_timeout_ms_min, session_timeout_ms_max;
    uint64_t initial_rebalance_delay_ms; /* an empty group waits so long for more members */
    uint32_t member_count_max;
};

/* `seed` is of the member ids. */
int group_set_create(const struct group_host *host, const struct group_limits *limits,
                     uint64_t seed, struct group_set **set);
void group_set_destroy(struct group_set *s); /* nothing waits any more: group_set_clear() */

/* The groups of a partition that have members, as stable; everyone's session begins anew. */
int group_set_restore(struct group_set *s, uint32_t partition_number);
/* Answers all that wait with the code, and forgets everything. */
void group_set_clear(struct group_set *s, int16_t error_code);
/* Sessions, rebalance timeouts, proposals to try again. Cheap when nothing is due. To be called
 * many times a second: time that passes without it counts for no session and no timeout. */
void group_set_tick(struct group_set *s);
/* A group gathers, or a member has been silent for half of its session: who restored the groups now
 * would give each of those who are gone another session. */
bool group_set_is_unsettled(const struct group_set *s);

/* A member committed an offset that was not stored, for a higher one stays: it is told its own one
 * when it asks, until it commits one that is stored or its generation ends (live_belief.c). */
void group_believe(struct group_set *s, struct kafka_string group_id, struct kafka_string member_id,
                   const struct group_offset *asked);
void group_believe_stored(struct group_set *s, struct kafka_string group_id,
                          struct kafka_string member_id, struct kafka_string topic,
                          int32_t partition);
/* By which way a client speaks to this node: on a connection of its own, or on one to a router,
 * which passes its requests on among those of others. */
struct group_way {
    uint64_t router; /* who gave `number`: 0 for this node, or the router's id */
    uint64_t number; /* of the client's connection there; rises at each router, and no further */
    uint64_t
        since; /* number of this node's before which the client's connection was not there: … */
};             /* … its own connection's, or what the router had heard when it took it */

/* What the member that speaks this way believes of a partition; false: what is stored. */
bool group_belief(const struct group_set *s, struct kafka_string group_id,
                  const struct group_way *way, struct kafka_string topic, int32_t partition,
                  int64_t *offset, int32_t *leader_epoch);

/* Connections are numbered as they are made; those below this one are older than our leadership. */
void group_set_begin(struct group_set *s, uint64_t connection);

/* The member (or no member: "") speaks in this way. False when it has spoken in a newer one, or
 * this one is older than our leadership: what comes now may have been overtaken. */
bool group_hear(struct group_set *s, struct kafka_string group_id, struct kafka_string member_id,
                const struct group_way *way);

struct group_answer_member {
    struct kafka_string member_id;
    struct kafka_string instance_id;
    struct bytes metadata;
};

/* A JoinGroup. `done` runs exactly once, perhaps from inside the call; the answer's texts are in
 * `arena`, which the caller inits and closes. */
struct group_join {
    void *data;
    void (*done)(struct group_join *join);
    uint32_t partition_number;       /* where the group lives */
    struct kafka_string group_id;    /* this and all that follows: borrowed until done */
    struct kafka_string member_id;   /* "" for a new member */
    struct kafka_string instance_id; /* nullable */
    struct kafka_string client_id, client_host;
    struct kafka_string protocol_type;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* negative: as the session */
    bool needs_member_id;         /* JoinGroup 4+: a new member must come again with its id */
    bool may_skip_assignment;     /* JoinGroup 9+: see skip_assignment */
    struct kafka_string reason;   /* nullable */
    const struct group_protocol *protocols;
    uint32_t protocol_count;
    struct kafka_arena arena;
    int16_t error_code; /* from here on: the answer */
    int32_t generation;
    struct kafka_string answer_member_id, answer_protocol_type, protocol_name, leader;
    struct group_answer_member *members; /* for the leader */
    uint32_t member_count;
    bool skip_assignment; /* it leads, and the assignment stays as it is (KIP-814) */
};
void group_join_begin(struct group_set *s, struct group_join *join);

struct group_assignment {
    struct kafka_string member_id;
    struct bytes assignment;
};

/* A SyncGroup; as above. */
struct group_sync {
    void *data;
    void (*done)(struct group_sync *sync);
    struct kafka_string group_id;
    int32_t generation;
    struct kafka_string member_id;
    struct kafka_string instance_id;            /* nullable */
    struct kafka_string protocol_type;          /* nullable: not said */
    struct kafka_string protocol_name;          /* nullable: not said */
    const struct group_assignment *assignments; /* of the leader */
    uint32_t assignment_count;
    struct kafka_arena arena;
    int16_t error_code;                                             /* from here on: the answer */
    struct kafka_string answer_protocol_type, answer_protocol_name; /* nullable */
    struct bytes assignment;
};
void group_sync_begin(struct group_set *s, struct group_sync *sync);

/* Kafka's error codes. */
int16_t group_heartbeat(struct group_set *s, struct kafka_string group_id, int32_t generation,
                        struct kafka_string member_id, struct kafka_string instance_id);
int16_t group_leave(struct group_set *s, struct kafka_string group_id,
                    struct kafka_string member_id, struct kafka_string instance_id,
                    struct kafka_string reason);
/* May this member (or no member: generation -1) commit now? A commit is a sign of life too. */
int16_t group_check_commit(struct group_set *s, uint32_t partition_number,
                           struct kafka_string group_id, int32_t generation,
                           struct kafka_string member_id, struct kafka_string instance_id);

/* False when the group has no members and none is joining: the table tells the rest. */
struct live_group;
const struct live_group *group_set_find(const struct group_set *s, struct kafka_string group_id);

struct group_description {
    enum group_state state;
    int32_t generation;
    struct kafka_string protocol_type, protocol_name; /* nullable */
    uint32_t member_count;
};
void live_group_describe(const struct live_group *g, struct group_description *description);

struct group_member_description {
    struct kafka_string member_id, instance_id, client_id, client_host;
    struct bytes metadata;   /* of the chosen protocol, when stable */
    struct bytes assignment; /* when stable */
};
typedef void (*group_member_cb)(void *data, const struct group_member_description *member);
void live_group_each_member(const struct live_group *g, group_member_cb cb, void *data);

#endif

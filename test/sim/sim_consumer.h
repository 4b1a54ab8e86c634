/* Consumer groups and who uses them: members that join, consume, commit, seek back, die and come
 * back stale; programs that commit without being members; tools that reset and delete; and who asks
 * what is committed, of anyone.
 *
 * Each group consumes the first partitions of all raft groups. What it has committed lies in the
 * offsets partition of one of them. */
#ifndef SIM_CONSUMER_H
#define SIM_CONSUMER_H

#include "sim/sim_actor.h"
#include "sim/sim_coordinator.h"
#include "sim/sim_history.h"

#define SIM_CONSUMER_GROUPS     5
#define SIM_CONSUMED            (SIM_GROUPS * SIM_FIRST_PARTITIONS) /* partitions of each group */
#define SIM_GROUP_MEMBERS       3                                   /* processes */
#define SIM_MEMBERS_MAX         8 /* that an answer names: some of them died a moment ago */
#define SIM_MEMBER_ID_SIZE      64
#define SIM_CONSUMER_TOPIC_SIZE 16

enum sim_consumer_kind {
    SIM_GROUP_FORWARD, /* its members only ever go on from what they are told */
    SIM_GROUP_STATIC,  /* the same, with static members */
    SIM_GROUP_SEEKING, /* they seek back, begin at stale positions, and tools reset it */
    SIM_GROUP_OUTSIDE, /* programs that assign partitions to themselves, and tools */
    SIM_GROUP_FLEETING /* a member that is often away, and reads the first topic alone; a program
                          that commits of the others meanwhile; both say how long that is to be kept
                        */
};

struct sim_consumer_group {
    unsigned number;
    const char *name;
    enum sim_consumer_kind kind;
    uint32_t group_id; /* raft group that carries it */
};

extern const struct sim_consumer_group sim_consumer_groups[SIM_CONSUMER_GROUPS];

/* May what it has committed become less? */
static inline bool sim_consumer_may_lower(const struct sim_consumer_group *g)
{
    return g->kind == SIM_GROUP_SEEKING || g->kind == SIM_GROUP_OUTSIDE ||
           g->kind == SIM_GROUP_FLEETING;
}

/* Consumed partitions of the topic that members of a fleeting group read. */
#define SIM_FLEETING_MASK ((1u << SIM_FIRST_PARTITIONS) - 1)
#define SIM_ALL_CONSUMED  ((1u << SIM_CONSUMED) - 1)
/* How long what is committed to it is to be kept; 0: as the cluster is set. */
int32_t sim_consumer_keep_ms(struct world *w, const struct sim_consumer_group *g);

/* The place of a group's partition among those it consumes, and back. */
struct sim_place sim_consumed_place(unsigned place);
/* SIM_CONSUMED for one that nobody consumes. */
unsigned sim_consumed_of(struct kafka_string topic, int32_t partition);

/* ---- a request to a coordinator ---- */

struct sim_group_call;
typedef void (*sim_group_work)(struct sim_group_call *call);

struct sim_group_call {
    struct sim_call call; /* first: it is cast */
    const struct sim_consumer_group *group;
    struct sim_connection *connection;
    unsigned client;                    /* number of who asks */
    uint64_t life;                      /* of the client: what an earlier one asked is not heard */
    char member_id[SIM_MEMBER_ID_SIZE]; /* "": none */
    char instance_id[SIM_MEMBER_ID_SIZE]; /* "": none */
    int32_t generation;                   /* -1: of no member */
    uint32_t mask;                        /* partitions that it is about, or that are assigned */
    int64_t offsets[SIM_CONSUMED];        /* to commit, or as fetched; -1: none */
    int32_t session_timeout_ms, rebalance_timeout_ms;
    int32_t keep_ms;          /* of a commit, as old clients say it; 0: as the cluster is set */
    enum group_policy policy; /* to set */
    uint32_t denied;          /* partitions of a commit that the group's policy refused */
    bool is_of_commit;        /* else of a deletion, or a policy */
    bool is_late;             /* its client had given up when it came */
    uint64_t index;           /* of the entry that a commit has become */
    int16_t error_code;       /* Kafka's, when the call's status is 0 */
    /* of a join's answer, and of a leader's sync */
    char leader[SIM_MEMBER_ID_SIZE];
    unsigned member_count;
    char members[SIM_MEMBERS_MAX][SIM_MEMBER_ID_SIZE];
    uint8_t masks[SIM_MEMBERS_MAX];
    uint64_t acknowledged[SIM_CONSUMED]; /* what a fetch must include: index by partition */
    sim_call_cb then;                    /* private from here on */
    uint64_t id;
    const char *told_as; /* in the history; NULL: not */
    sim_group_work work;
    bool is_fresh;
    struct group_protocol protocol;
    struct group_assignment assignments[SIM_MEMBERS_MAX];
    struct group_join join;
    struct group_sync sync;
};

/* A call of this client on that connection; what is asked is set by the caller, then one of the
 * next. `cb` is with the client: call.status is 0 where there is an answer (error_code), else it
 * tells what became of the way there or back. */
struct sim_group_call *sim_group_call_create(struct sim_actor *a,
                                             const struct sim_consumer_group *group,
                                             struct sim_connection *connection, sim_call_cb cb);
void sim_group_join(struct sim_group_call *c);
void sim_group_sync(struct sim_group_call *c);
void sim_group_beat(struct sim_group_call *c);
void sim_group_leave(struct sim_group_call *c);
void sim_group_commit(struct sim_group_call *c);
void sim_group_fetch(struct sim_group_call *c);
void sim_group_delete_offsets(struct sim_group_call *c);
void sim_group_delete(struct sim_group_call *c);
void sim_group_set_policy(struct sim_group_call *c);

/* A new connection to the node. Never freed. */
struct sim_connection *sim_group_connect(struct sim *s, unsigned node);

/* ---- a consumed partition's end ---- */

/* Asks who leads it; `cb` as above, with the end in call.offset and the start in call.number; who
 * is in a gap that a forced recovery has left is behind it in call.position. */
void sim_consumed_ask(struct sim_actor *a, unsigned place, int64_t position, sim_call_cb cb);
/* Any offset below, half the time a near one: a forced recovery's gap is wide. */
int64_t sim_consumed_before(struct world *w, int64_t position);

/* ---- who uses them ---- */

/* Before the clients start. */
void sim_consumers_found(struct sim *s);
/* With the clients. */
void sim_consumers_start(struct sim *s);
/* Nobody dies, leaves, seeks or resets from here on. */
void sim_consumers_settle(struct sim *s);
bool sim_consumers_are_settled(void);

void sim_member_make(struct sim_actor *a, const struct sim_consumer_group *group, unsigned number);
void sim_outside_make(struct sim_actor *a, const struct sim_consumer_group *group, uint32_t mask);
/* The same, which commits only while there are no members. */
void sim_passing_make(struct sim_actor *a, const struct sim_consumer_group *group, uint32_t mask);
void sim_reset_make(struct sim_actor *a, const struct sim_consumer_group *group);
void sim_asker_make(struct sim_actor *a);

/* ---- the model (sim_check_consumer.c) ---- */

struct check_consumers;
struct check_consumers *sim_check_consumers_create(void);
/* An entry of an offsets partition was applied for the first time. */
void sim_check_consumer_entry(struct sim_check *c, struct sim_group *g,
                              const struct sim_applied *applied);
/* A coordinator answers. */
void sim_check_joined(struct sim_check *c, const struct sim_group_call *call);
void sim_check_synced(struct sim_check *c, const struct sim_group_call *call);
void sim_check_committed(struct sim_check *c, struct sim_group_call *call);
void sim_check_fetching(struct sim_check *c, struct sim_group_call *call);
void sim_check_fetched(struct sim_check *c, const struct sim_group_call *call);
/* In the end: nothing is committed that is over. */
void sim_check_expired(struct sim_check *c);
/* A node that is asked where a consumed partition ends, and what it says. */
void sim_check_end_asked(struct sim_check *c, struct sim_call *call);
void sim_check_end_told(struct sim_check *c, const struct sim_call *call);
/* In the end: the records of each replica's offsets partition make the table that it has. Read from
 * its start on, a piece at a time; returns the next offset. */
void sim_check_offsets_read_begin(struct sim_check *c);
int64_t sim_check_offsets_read(struct sim_check *c, int64_t offset, struct bytes batches);
void sim_check_offsets_read_end(struct sim_check *c, const struct sim_group *g);

#endif

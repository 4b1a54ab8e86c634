/* The inside of the live groups; shared by their files only. */
#ifndef CLUSTER_CONSUMER_LIVE_PARTS_H
#define CLUSTER_CONSUMER_LIVE_PARTS_H

#include <uthash.h>

#include "base/random.h"
#include "cluster/live_group.h"
#include "protocol/error.h"

#define GROUP_MEMBERS_BYTES_MAX (8u << 20)   /* of one group's members, subscriptions included */
#define GROUP_SET_BYTES_MAX     (256u << 20) /* of all groups of a coordinator */
#define GROUP_PROTOCOLS_MAX     64           /* of one member */
#define NEW_MEMBER_TIMEOUT_MS   (5u * 60 * 1000) /* it has no session yet: it can't heartbeat */
#define RETRY_MS                50               /* between two attempts to propose */

/* An offset that a member committed and that is not stored. */
struct live_belief {
    struct kafka_string topic; /* behind the struct */
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    struct live_belief *next; /* of the member */
};

struct live_member {
    struct live_group *group;
    struct kafka_string id, instance_id, client_id, client_host; /* in `identity` */
    char *identity;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct group_protocol *protocols; /* one allocation */
    uint32_t protocol_count;
    uint8_t *assignment;
    size_t assignment_size;
    size_t bytes;                /* what it counts for */
    struct group_way way;        /* newest in which it spoke; all zero: none yet */
    struct live_belief *beliefs; /* newest first */
    uint32_t belief_count;
    bool is_new;             /* has not been part of a generation */
    bool has_synced;         /* in this generation */
    uint64_t expires_at_ms;  /* its session */
    struct group_join *join; /* waits, or NULL */
    struct group_sync *sync; /* waits, or NULL */
    UT_hash_handle hh;       /* by id, in the order of coming */
    UT_hash_handle by_instance;
};

/* A member id that was given out and not yet used (KIP-394). */
struct pending_member {
    uint64_t expires_at_ms;
    UT_hash_handle hh;
    int32_t size;
    char id[];
};

enum live_proposal_kind {
    PROPOSAL_GENERATION,
    PROPOSAL_ASSIGNMENT,
    PROPOSAL_REPLACEMENT,
    PROPOSAL_EMPTY
};

/* An entry under way. Its group may be gone when it ends. */
struct live_proposal {
    enum live_proposal_kind kind;
    struct live_group *group; /* NULL: gone */
    uint64_t number;          /* ASSIGNMENT: still wanted if it is the group's */
    int32_t generation;
    char *member_id, *leader; /* REPLACEMENT: who waits, and whom it is told as leader */
    int32_t member_id_size, leader_size;
    struct live_proposal *next, **previous; /* of the group */
};

struct live_group {
    struct group_set *set;
    uint32_t partition_number;
    enum group_state state;
    int32_t generation;       /* that members know */
    int32_t generation_taken; /* the highest that entries say */
    int32_t generation_next;  /* taken here for the next round; 0: none */
    bool is_taking;           /* its entry is under way */
    bool has_to_store_empty;  /* the table does not know yet that the members are gone */
    struct kafka_string protocol_type, protocol_name; /* owned; nullable */
    struct live_member *leader;
    struct live_member *members;        /* by id */
    struct live_member *static_members; /* by instance id */
    struct pending_member *pending;
    uint32_t belief_count;    /* of all members */
    size_t bytes;             /* of members and pending ones */
    uint64_t wake_at_ms;      /* nothing is due before */
    uint64_t join_until_ms;   /* PREPARING */
    bool is_initial;          /* PREPARING: waits for more members, however many there are */
    bool has_new_member;      /* since the wait was last prolonged */
    uint64_t initial_left_ms; /* by how much it may still be prolonged */
    uint64_t sync_until_ms;   /* COMPLETING, STABLE: who has not synced then is out */
    uint64_t storing_number;  /* of the assignment under way; 0: none */
    struct live_proposal *proposals;
    UT_hash_handle hh; /* by id */
    int32_t id_size;
    char id[];
};

struct group_set {
    struct group_host host;
    struct group_limits limits;
    struct random random;
    struct live_group *groups;
    size_t bytes;
    uint64_t wake_at_ms;       /* nothing is due before */
    uint64_t ticked_at_ms;     /* last time that it was looked */
    uint64_t next_number;      /* of proposals */
    uint64_t since_connection; /* older ones were made before this node led */
};

enum group_event {
    GROUP_REBALANCE, /* someone came, left, or changed what it can do */
    GROUP_JOINED,    /* a generation's members are known */
    GROUP_DESERTED,  /* the join phase ended with nobody */
    GROUP_ASSIGNED,  /* the assignment is applied */
    GROUP_UNSTORED   /* it could not be stored */
};

/* live_group.c */
struct live_group *live_group_find(const struct group_set *s, struct kafka_string id);
struct live_group *live_group_create(struct group_set *s, uint32_t partition_number,
                                     struct kafka_string id);
/* Destroys a group that has nothing left which the table does not say. */
void live_group_release(struct live_group *g);
struct kafka_string live_group_id(const struct live_group *g);
void live_group_on_event(struct live_group *g, enum group_event event, int16_t error_code);
/* A rebalance, unless one has begun already; the host is told why. */
void live_group_rebalance(struct live_group *g, const struct group_cause *cause);
void live_group_wake_by(struct live_group *g, uint64_t at_ms);
uint64_t live_now(const struct live_group *g);
uint64_t live_rebalance_timeout_ms(const struct live_group *g);
int live_text_set(struct kafka_string *text,
                  struct kafka_string from); /* owned copy; may be null */
/* Member or pending one: the code of who may not speak for it, or 0. */
int16_t live_check_member(const struct live_group *g, struct kafka_string member_id,
                          struct kafka_string instance_id);

/* live_member.c */
struct live_member *live_member_find(const struct live_group *g, struct kafka_string id);
struct live_member *live_member_find_static(const struct live_group *g, struct kafka_string id);
/* NULL without memory. In the group, without protocols. */
struct live_member *live_member_create(struct live_group *g, const struct group_member *identity);
/* What waits is answered with the code. The group's next step is the caller's. */
void live_member_remove(struct live_member *m, int16_t error_code);
int live_member_rename(struct live_member *m, struct kafka_string id);
int live_member_set_protocols(struct live_member *m, const struct group_protocol *protocols,
                              uint32_t count);
int live_member_set_assignment(struct live_member *m, struct bytes assignment);
void live_member_touch(struct live_member *m); /* its session begins anew */
bool live_member_has_same_protocols(const struct live_member *m, const struct group_protocol *p,
                                    uint32_t count);
struct bytes live_member_metadata(const struct live_member *m, struct kafka_string protocol);
bool live_group_supports(const struct live_group *g, struct kafka_string type,
                         const struct group_protocol *protocols, uint32_t count);
struct kafka_string live_group_vote(const struct live_group *g);

void live_member_count(struct live_member *m, size_t more, size_t less); /* of its bytes */

/* live_belief.c */
void live_forget_beliefs(struct live_member *m);

/* live_gather.c */
void live_begin_join_phase(struct live_group *g);
void live_answer_joins(struct live_group *g);
void live_try_complete_joins(struct live_group *g);
void live_on_join_deadline(struct live_group *g);
void live_give_up_joins(struct live_group *g, int16_t error_code);

/* live_join.c */
void live_join_refuse(struct group_join *join, int16_t error_code);
void live_answer_join(struct live_member *m, struct kafka_string leader, bool with_members);
/* Member ids that were given out and not used. True: it was one. */
bool live_forget_pending(struct live_group *g, struct kafka_string id);
void live_expire_pending(struct live_group *g, uint64_t now_ms);
void live_put_off_pending(struct live_group *g, uint64_t by_ms);

/* live_sync.c */
void live_answer_syncs(struct live_group *g, int16_t error_code);
void live_sync_refuse(struct group_sync *sync, int16_t error_code);

/* live_store.c */
void live_take_generation(struct live_group *g);
int live_store_assignment(struct live_group *g);
int live_store_replacement(struct live_group *g, const struct live_member *m,
                           struct kafka_string leader);
void live_store_empty(struct live_group *g);
void live_forget_proposals(struct live_group *g);

#endif

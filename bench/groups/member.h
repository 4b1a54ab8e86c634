/* A member of a consumer group: joins, syncs, beats, and does what its owner wants beside that. */
#ifndef BENCH_GROUPS_MEMBER_H
#define BENCH_GROUPS_MEMBER_H

#include "wire.h"

#define MEMBER_TEXT_SIZE 128

enum member_state { MEMBER_AWAY, MEMBER_JOINING, MEMBER_SYNCING, MEMBER_STABLE };

struct member;

/* What differs between the modes; one for all members of a group. */
struct membership {
    const char *protocol;
    int32_t session_ms, rebalance_ms;
    void *owner;
    /* What the member brings when it joins. */
    void (*put_subscription)(struct member *m, struct frame *into);
    /* The leader's part: all members and what each brought, behind their count; puts the
     * assignments (count, then pairs of id and bytes). */
    void (*assign)(struct member *m, struct answer members, struct frame *into);
    void (*on_joined)(struct member *m);
    void (*on_stable)(struct member *m, struct answer assignment);
    /* The answer to a request that the owner made. */
    void (*on_answer)(struct member *m, struct answer answer);
};

struct member {
    const struct membership *membership;
    struct connection connection;
    char group[MEMBER_TEXT_SIZE], id[MEMBER_TEXT_SIZE];
    int32_t generation;
    enum member_state state;
    bool is_beating; /* the request under way is a heartbeat */
    bool is_busy;    /* a request is under way */
    int index;       /* the owner's */
    void *data;      /* the owner's */
};

struct place {
    char host[MEMBER_TEXT_SIZE];
    int port;
};

/* Asks one of the brokers (host:port,…), until there is a coordinator and it serves. */
struct place member_find_coordinator(const char *brokers, const char *group);

/* Connects and joins; the loop does the rest. */
void member_start(struct member *m, const struct place *place);
void member_beat(struct member *m);
/* Leaves and waits for the answer. */
void member_leave(struct member *m);
/* Sends a request of the owner's; none may be under way. */
void member_send(struct member *m, const struct frame *request);

#endif

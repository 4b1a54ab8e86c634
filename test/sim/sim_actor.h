/* What one client is; shared by sim_client.c, sim_producer.c, sim_reader.c and sim_keeper.c. */
#ifndef SIM_ACTOR_H
#define SIM_ACTOR_H

#include "sim/sim_call.h"
#include "sim/sim_check.h"
#include "sim/sim_client.h"

#define SIM_FIRST_PARTITIONS 3 /* of each group: opened at the start, never closed */
#define SIM_OPEN_PARTITIONS  (SIM_FIRST_PARTITIONS + 1) /* with the compacted one */
#define SIM_WINDOW           5  /* batches in flight of an idempotent producer */
#define SIM_BACKLOG_MAX      16 /* batches made and not acknowledged */

/* A batch that is not acknowledged yet. */
struct sim_batch {
    uint64_t number;
    int32_t base_sequence;
    struct slice bytes;
    bool is_in_flight;
};

struct sim_actor {
    struct sim *sim;
    unsigned number;              /* of the client */
    uint32_t group_id, partition; /* their home: see sim_moves.h */
    unsigned node;                /* where it last heard that the leader is */
    uint64_t pace_ns;             /* between acts, about */
    struct sim_wire wire;
    void (*act)(struct sim_actor *a);
    bool is_act_queued;
    unsigned open_count; /* calls not ended */
    bool is_producer;    /* or commits: must be acknowledged again once all is mended */
    bool has_backlog;    /* something that must still be acknowledged */
    uint64_t done_count; /* acknowledged since last asked */
    /* producers */
    bool is_idempotent;
    bool is_draining; /* after a failure: nothing is sent until nothing is in flight */
    uint64_t next_number;
    int32_t next_sequence;
    int16_t producer_epoch;
    bool needs_epoch; /* what it sent before its oldest batch is lost */
    unsigned in_flight_count;
    struct sim_batch backlog[SIM_BACKLOG_MAX]; /* oldest first */
    unsigned backlog_count;
    /* members of consumer groups, and who else uses these: sim_consumer.h */
    void *consumer;
    /* keepers */
    unsigned step;
    uint32_t next_partition;
    bool is_open[SIM_PARTITION_NUMBERS];
};

struct sim_clients {
    struct sim_actor actors[SIM_CLIENTS_MAX];
    unsigned count;
    bool is_stopping;
};

/* One more, which acts after a moment; its kind's make comes next. */
struct sim_actor *sim_client_add(struct sim *s);

/* Where the client believes the group's leader is; asks any living node. */
unsigned sim_actor_node(struct sim_actor *a, uint32_t group_id);
/* To where the client believes its partition to be. */
struct sim_call *sim_actor_call(struct sim_actor *a, sim_call_cb run, sim_call_cb cb);
void sim_actor_send(struct sim_actor *a, struct sim_call *call);
void sim_actor_act_in(struct sim_actor *a, uint64_t delay_ns);
uint64_t sim_actor_pace(struct sim_actor *a);

void sim_idempotent_make(struct sim_actor *a);
void sim_plain_make(struct sim_actor *a);
void sim_reader_make(struct sim_actor *a);
void sim_fresh_make(struct sim_actor *a);
void sim_keeper_make(struct sim_actor *a);

#endif

/* A request on its way through the broker.
 *
 * A connection reads frames, makes a request of each and dispatches it on its own shard; the
 * handler answers exactly once, at once or later, always on that shard (request_post_back gets
 * there). Answers leave in the order of the requests. Everything a request needs comes from its
 * arena and goes with it. If the client is gone meanwhile, the answer is dropped.
 *
 * A router passes its clients' requests on in envelopes (KIP-590). One that came so is a request as
 * any other: only its context says where it is from, and its answer goes back in an envelope. */
#ifndef CLUSTER_REQUEST_H
#define CLUSTER_REQUEST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/shard.h"
#include "broker.h"
#include "protocol/arena.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "protocol/writer.h"

struct connection;
struct client_shard;

/* Who asks, by which way (design, section 6). The router passes these on. */
struct request_context {
    const char *listener;          /* "client", or "router" */
    const char *principal;         /* "User:ANONYMOUS" until there is authentication */
    struct kafka_string client_id; /* borrowed from the request */
    const char *address;           /* of the client, as text */
    uint64_t connection;           /* it came on; rises as the node takes connections */
    uint64_t router_id;            /* 0: the client's own connection, else a router's … */
    uint64_t client_number;        /* … and the client's there; else as `connection` */
    uint64_t client_since;         /* a number of this node's before which that was not there */
    bool may_pass_on;              /* whoever is at the connection may send envelopes */
};

/* What an Envelope says of the client whose request is in it (server/envelope.c). */
struct request_envelope {
    bool is_there;
    int16_t error_code;     /* not KAFKA_ERROR_NONE: it is refused */
    const char *why;        /* then */
    int32_t correlation_id; /* of the router's own request */
    uint64_t router_id, client_number, client_since;
    char address[INET6_ADDRSTRLEN];
};

enum request_state { REQUEST_WORKING, REQUEST_ANSWERED, REQUEST_SILENT, REQUEST_CLOSING };

struct request {
    struct broker *broker;
    struct connection *connection;
    struct client_shard *clients; /* the connection's shard, as server/ keeps it */
    struct shard *shard;          /* the same as a shard */
    struct kafka_request_header header;
    struct request_context context;
    struct request_envelope envelope; /* it came in */
    struct slice frame;               /* the client's request's bytes; keeps their buffer */
    struct kafka_arena arena;         /* decoded message and whatever the handler needs */
    void *message;                    /* decoded: struct kafka_…_request of the API */
    struct kafka_writer writer;       /* the answer */
    uint64_t received_ms;             /* clock */
    enum request_state state;
    bool is_held;                            /* until an earlier one is answered, or settled */
    bool is_unsettled;                       /* a commit that others are not to overtake yet */
    struct request *next;                    /* in the connection's queue, oldest first */
    void (*on_abandoned)(struct request *r); /* of a handler that parks, or NULL */
    void *parked;                            /* that handler's own */
    size_t counted_bytes;                    /* in broker.request_bytes */
    size_t fetched_bytes;                    /* of its answer, in broker.fetched_bytes */
    size_t answer_bytes;  /* of its answer and what it was made in, in broker.answer_bytes */
    size_t untaken_bytes; /* the same and the fetched ones, in the connection's */
};

/* Handlers: on the connection's shard, message decoded. */
typedef void (*request_handler)(struct request *r);

/* Answers with a response message of the request's API and version (struct
 * kafka_…_response); it is encoded at once, slices are referenced, the rest is copied. */
void request_answer(struct request *r, const void *response);

/* Nothing is answered (acks=0). */
void request_answer_nothing(struct request *r);

/* The client broke the protocol: the connection closes once earlier answers are out. A router's
 * stays, as others use it too: the router is told to close its client's. */
void request_close_connection(struct request *r, const char *why);

/* A handler that parks the request holds so much beside the arena: counted until it is answered. */
void request_count_bytes(struct request *r, size_t size);

/* Zeroed memory of the request's arena; NULL beyond its limit, then answer an error or call
 * request_close_connection. */
void *request_allocate(struct request *r, size_t size);
void *request_array(struct request *r, size_t count, size_t element_size);

/* A commit that has yet to ask elsewhere before it can take its place among the changes of its
 * connection: what must not come before it waits until it is settled (server/request_order.c). Once
 * each at most, on the connection's shard. */
void request_unsettle(struct request *r);
void request_settle(struct request *r);

/* Runs `item` on the connection's shard. From any shard. */
void request_post_back(struct request *r, struct work_item *item, work_cb run);

/* True once the client is gone: long work may be cut short (it must still answer). Whoever parks a
 * request sets `on_abandoned`: it runs at most once, on the shard, before the answer. */
bool request_is_abandoned(const struct request *r);

/* A deadline on the connection's shard, for parked requests. Embed it; zeroed before start. */
struct request_deadline {
    void *data;
    uint64_t at_ms; /* clock */
    void (*on_timeout)(struct request_deadline *deadline);
    struct request_deadline *next, **previous; /* private; previous is NULL when not running */
};
/* on_timeout runs once, on the shard, within about 10 ms after at_ms, unless stopped. */
void request_deadline_start(struct request *r, struct request_deadline *deadline, uint64_t at_ms,
                            void (*on_timeout)(struct request_deadline *deadline));
/* Also when not running. */
void request_deadline_stop(struct request_deadline *deadline);

/* The handlers, one file each in request/. */
void request_handle_produce(struct request *r);
void request_handle_fetch(struct request *r);
void request_handle_list_offsets(struct request *r);
void request_handle_metadata(struct request *r);
void request_handle_offset_commit(struct request *r);
void request_handle_offset_fetch(struct request *r);
void request_handle_find_coordinator(struct request *r);
void request_handle_join_group(struct request *r);
void request_handle_heartbeat(struct request *r);
void request_handle_leave_group(struct request *r);
void request_handle_sync_group(struct request *r);
void request_handle_describe_groups(struct request *r);
void request_handle_list_groups(struct request *r);
void request_handle_sasl_handshake(struct request *r);
void request_handle_api_versions(struct request *r);
void request_handle_create_topics(struct request *r);
void request_handle_delete_topics(struct request *r);
void request_handle_delete_records(struct request *r);
void request_handle_init_producer_id(struct request *r);
void request_handle_offset_for_leader_epoch(struct request *r);
void request_handle_describe_configs(struct request *r);
void request_handle_describe_log_dirs(struct request *r);
void request_handle_alter_configs(struct request *r);
void request_handle_create_partitions(struct request *r);
void request_handle_elect_leaders(struct request *r);
void request_handle_delete_groups(struct request *r);
void request_handle_incremental_alter_configs(struct request *r);
void request_handle_list_partition_reassignments(struct request *r);
void request_handle_offset_delete(struct request *r);
void request_handle_describe_cluster(struct request *r);

#endif

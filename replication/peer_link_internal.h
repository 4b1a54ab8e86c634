/* What the files of the peer links share. Everything of a peer_shard is touched on its shard only;
 * peer_links is read everywhere, and what changes in it is atomic or under its lock. */
#ifndef REPLICATION_PEER_LINK_INTERNAL_H
#define REPLICATION_PEER_LINK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "peer_link_hello.h"
#include "peer_link_queue.h"
#include "peer_link_receive.h"
#include "replication/peer_link.h"

struct peer_connection;
struct peer_guest;
struct peer_lane;
struct peer_shard;

enum { PEER_CONFIGURED, PEER_SET, PEER_HEARD, PEER_PLACES };

/* Another node, and the places where it may be. */
struct peer_remote {
    uint32_t node_id;                        /* constant */
    char site[32];                           /* constant */
    unsigned index;                          /* constant: in peer_links.peers */
    struct peer_address places[PEER_PLACES]; /* port 0: none; under links->lock */
    unsigned place;                          /* the one to try next; under links->lock */
    atomic_bool is_removed;                  /* it is refused */
    bool is_called_by_us;                    /* our id is the smaller one: we connect, it knocks */
    atomic_size_t data_bytes;                /* unsent of ENTRIES and SHIPPING, all shards */
    atomic_size_t control_bytes;             /* unsent of CONTROL */
    unsigned refusal;                        /* last one told of its hellos, told once; shard 0 */
};

/* One connection's place: (peer, channel, number), on the shard that has it. */
struct peer_lane {
    struct peer_shard *home;
    struct peer_remote *peer;
    enum net_channel channel;
    uint16_t number;                    /* 0; of ENTRIES: the sending shard's, on both sides */
    struct peer_connection *connection; /* past the handshake, or NULL */
    struct peer_connection *attempt;    /* being made or knocking, or NULL */
    uv_timer_t timer;                   /* the next attempt, or the deadline of this one */
    unsigned failures;                  /* attempts in a row */
    unsigned short_lives;               /* connections in a row that ended soon */
    unsigned refusal;                   /* the last one told, so that it is told once */
    uint64_t up_at_ms;                  /* loop time at which `connection` came */
    struct peer_lane *next;             /* of the same peer and shard */
};

/* What a shard has of a peer. */
struct peer_shard_remote {
    struct peer_lane *lanes;                  /* all */
    struct peer_lane *own[NET_CHANNEL_COUNT]; /* those that this shard sends on, or NULL */
    uint16_t shard_count;                     /* of the peer, as last heard; 0 */
    struct peer_shard *home;
    struct peer_remote *peer;
    struct work_item hurry;    /* crosses to the shard: attempt all lanes now */
    atomic_bool is_hurry_sent; /* `hurry` is queued */
    struct work_item match;    /* crosses to the shard: lanes as the peer is here or removed */
    atomic_bool is_match_sent; /* `match` is queued */
};

struct peer_shard {
    struct peer_links *links;
    struct shard *shard;
    unsigned index;
    struct net net;             /* the seam of this shard */
    struct net_handler handler; /* who hears */
    struct peer_shard_remote *remotes;
    uv_prepare_t prepare;          /* writes, once a turn, before the loop waits */
    struct peer_connection *dirty; /* those with something to write */
    unsigned open_count;           /* handles and requests not ended */
    bool is_stopping;              /* no callbacks, no attempts any more */
    bool is_closed;                /* stopping, nothing open; under links->lock */
};

struct peer_links {
    atomic_uint references; /* the owner's, and one per open handle or request */
    struct peer_links_options options;
    char listen_host[256];
    struct peer_remote *peers; /* room for PEER_NODES_MAX; they never move */
    atomic_uint peer_count;    /* rises only; written on shard 0 or before the shards start */
    struct peer_shard *shards;
    unsigned shard_count;
    struct sockaddr_storage source; /* ours for outgoing connections; family 0: any */
    uv_tcp_t listener;              /* on shard 0 */
    bool is_listening;              /* `listener` is open */
    struct peer_guest *guests;      /* accepted, hello not read yet; shard 0 */
    unsigned guest_count;
    bool takes_strangers; /* shard 0 */
    pthread_mutex_t lock; /* guards `self` and the shards' is_closed */
    pthread_cond_t closed;
    struct peer_identity self;
};

enum peer_connection_state {
    PEER_RESOLVING,  /* the address is being looked up */
    PEER_CONNECTING, /* TCP is under way */
    PEER_GREETING,   /* our hello is sent, the other's not read */
    PEER_UP,         /* frames flow */
    PEER_CLOSING     /* ends in its close callback */
};

struct peer_connection {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    uv_write_t write; /* under way when is_writing */
    struct peer_shard *home;
    struct peer_lane *lane; /* NULL once closing */
    enum peer_connection_state state;
    bool is_knock;        /* says CALL and hears no more than a refusal */
    bool is_dirty;        /* in home->dirty */
    bool is_writing;      /* the kernel was full: waits for room */
    size_t writing_bytes; /* given to `write` */
    unsigned open_count;  /* handle and lookup; the last end frees */
    struct peer_queue out;
    struct peer_receive in;
    struct peer_identity peer; /* valid when up */
    struct peer_connection *dirty_next;
};

/* peer_link.c */
struct peer_remote *peer_links_find(struct peer_links *l, uint32_t node_id);
struct peer_identity peer_links_self(struct peer_links *l);
/* A handle or request of the shard begins, has ended. */
void peer_shard_opened(struct peer_shard *s);
void peer_shard_closed(struct peer_shard *s);
/* Lets every shard attempt its lanes to the peer at once. Any shard. */
void peer_links_hurry(struct peer_links *l, struct peer_remote *peer);

/* peer_link_place.c: where peers are */
struct peer_remote *peer_links_add(struct peer_links *l, const struct peer_address *address,
                                   unsigned place);
/* Where to try now; false when nobody has said. Any shard. */
bool peer_remote_place(struct peer_links *l, struct peer_remote *peer, struct peer_address *place);
/* Who is to answer: what never changes of it. */
struct peer_address peer_remote_expected(const struct peer_remote *peer);
/* Nobody, or another, answered there: the next place. Any shard. */
void peer_remote_try_elsewhere(struct peer_links *l, struct peer_remote *peer);
/* What it says of itself in a handshake. Any shard. */
void peer_remote_heard(struct peer_links *l, struct peer_remote *peer,
                       const struct peer_identity *identity);
/* Makes the lanes of a shard, or closes them, as the peer is. On the shard, or before it runs. */
int peer_remote_match(struct peer_shard *s, unsigned index);

/* peer_link_lane.c: when to connect, and what the owner hears */
/* Finds or makes; NULL without memory. */
struct peer_lane *peer_lane_get(struct peer_shard *s, struct peer_remote *peer,
                                enum net_channel channel, uint16_t number);
void peer_lane_close(struct peer_lane *lane);
void peer_lane_hurry(struct peer_lane *lane);
/* The connection's handshake is done; an older one of the lane is replaced. */
void peer_lane_on_up(struct peer_lane *lane, struct peer_connection *c,
                     const struct peer_hello *hello);
/* A new hello on a connection that is up. */
void peer_lane_on_hello(struct peer_lane *lane, const struct peer_hello *hello);
/* `node_id` of who refused, when that is the peer. */
void peer_lane_on_refused(struct peer_lane *lane, struct peer_connection *c, unsigned refusal,
                          uint32_t node_id);
/* The peer is removed: what there is ends, and the owner hears it. */
void peer_lane_on_removed(struct peer_lane *lane);
/* The connection failed (or a knock was delivered: status 0): it is closed here. */
void peer_lane_on_end(struct peer_lane *lane, struct peer_connection *c, int status);

/* peer_link_connection.c: one TCP connection */
/* Begins to connect. 0, or an error and nothing remains. */
int peer_connection_call(struct peer_lane *lane, bool is_knock, struct peer_connection **made);
/* Takes the descriptor of an accepted connection whose hello was read; answers with ours. `rest` is
 * what was read behind it. */
void peer_connection_adopt(struct peer_shard *s, int descriptor, const struct peer_hello *hello,
                           struct bytes rest);
/* Queues a frame. 0 or UV_ENOMEM. */
int peer_connection_push(struct peer_connection *c, enum peer_frame_kind kind,
                         const struct net_frame *frame);
void peer_connection_push_hello(struct peer_connection *c, enum peer_frame_kind kind);
/* Says why and closes. */
void peer_connection_refuse(struct peer_connection *c, unsigned refusal);
void peer_connection_close(struct peer_connection *c);
/* Writes what is queued, as far as the kernel takes it. */
void peer_connection_flush(struct peer_connection *c);
/* Bytes pushed and not yet given to the kernel, by peer and kind of channel. */
atomic_size_t *peer_remote_unsent(struct peer_remote *peer, enum net_channel channel);

/* peer_link_accept.c: who knocks */
int peer_accept_listen(struct peer_links *l, struct err_note *note);
void peer_accept_close(struct peer_links *l);

const char *peer_channel_name(enum net_channel channel);

#endif

/* Which addresses librdkafka may connect to. Private to libtrilog; any thread.
 *
 * A handle knows all addresses, and can't forget one; which of them it tries next is chance. So
 * whatever router's address it connects to, it is led to a router of the site in use, each of which
 * leads everything; what is connected to another site is cut. Nodes are never led elsewhere:
 * leaders are where they are.
 *
 * While no router to lead to is known the address is refused, which is not said but done: the
 * socket is led to a port of this machine where nobody listens.
 * Told an errno, librdkafka (2.0.2) asks for the address's name to put it into a log line, and
 * where a site's name servers died with it that takes its thread ten seconds and more. */
#ifndef CLIENT_SITE_GATE_H
#define CLIENT_SITE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conf/field.h"

#define SITE_GATE_ADDRESSES_MAX 256

struct site_gate_address {
    struct conf_address address;
    char site[CONF_NAME_SIZE]; /* "": not known yet */
    bool is_router;
};

/* Where a router of the site in use listens. */
struct site_gate_door {
    struct sockaddr_storage at;
    socklen_t size; /* 0: not known */
};

struct site_gate_socket {
    int socket;
    char address[CONF_ADDRESS_SIZE]; /* as librdkafka names it */
    char led_to[CONF_NAME_SIZE];     /* the site that it was led to; "": to that address */
};

struct site_gate {
    int closed_doors[2];  /* bound on loopback, IPv4 and IPv6, and not listening; -1: none */
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t decided;
    uint64_t wait_until_ms;    /* connecting waits until then for a decision */
    bool is_decided;           /* which site to use first */
    char used[CONF_NAME_SIZE]; /* the site whose routers are used; "": all addresses */
    struct site_gate_door door;
    unsigned address_count;
    struct site_gate_address addresses[SITE_GATE_ADDRESSES_MAX];
    struct site_gate_socket *sockets; /* open ones */
    size_t socket_count, socket_capacity;
};

/* Connections wait for at most wait_ms for the first site_gate_use(). 0 or TRILOG_ERR_SYSTEM. */
int site_gate_init(struct site_gate *gate, int wait_ms);
void site_gate_close(struct site_gate *gate);

/* Whose address it is. An address that nobody learned of may be used; one without a site is
 * refused while routers of one site are used. */
void site_gate_learn(struct site_gate *gate, const struct conf_address *address, const char *site,
                     bool is_router);

/* From now on routers of this site ("": all addresses are used), of which one listens where `peer`
 * is connected to (-1: nobody knows). What is connected to others is cut. */
void site_gate_use(struct site_gate *gate, const char *site, int peer);

/* Cuts what is connected to this site; it may connect anew. */
void site_gate_cut(struct site_gate *gate, const char *site);

/* Cuts what is connected to the site in use and has said the same several times in vain: what it
 * waits for next is a second off or more, and comes through at once on a new connection where the
 * way is there again. For who knows that it is. */
void site_gate_cut_stuck(struct site_gate *gate);

/* What librdkafka calls: `id` is "host:port". 0 or an errno. */
int site_gate_connect(struct site_gate *gate, int socket, const struct sockaddr *address, int size,
                      const char *id);
int site_gate_close_socket(struct site_gate *gate, int socket);

#endif

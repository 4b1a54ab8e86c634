/* A queue of the kernel's packet filter (NFQUEUE) in front of a delay line. */
#ifndef WAND_QUEUE_H
#define WAND_QUEUE_H

#include "delay_line.h"

struct mnl_socket;

struct queue {
    struct delay_line line;
    struct mnl_socket *netlink; /* its own: one queue's flood fills no other's buffer */
    uint16_t number;            /* as in --queue-num of the rule that fills it */
    uint32_t last_id;           /* of the newest packet heard of */
    bool is_bound;              /* the kernel has confirmed the configuration */
    int refusal;                /* errno with which it refused, or 0 */
};

/* Binds queue `number` of this network namespace. Returns 0, or -1 after a line on stderr: no
 * rights, or another program has the queue. */
int queue_open(struct queue *q, uint16_t number, const char *name, uint32_t packets_max,
               uint64_t seed);

/* Ends the binding. What the kernel still holds for it, it drops: release first. */
void queue_close(struct queue *q);

/* For epoll: readable when packets have come. */
int queue_descriptor(const struct queue *q);

/* Puts packets that have come on the line, a bounded number a call. */
void queue_read(struct queue *q);

/* Sends what is due on its way. */
void queue_release_due(struct queue *q, int64_t now_ns);

/* Sends everything on its way, also what has come and was not read yet. */
void queue_release_all(struct queue *q);

/* CLOCK_MONOTONIC. */
int64_t now_ns(void);

#endif

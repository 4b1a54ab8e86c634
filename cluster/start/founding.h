/* First start: a cluster is founded only when all founding nodes answer and all are empty.
 *
 *   NEW --hears every founder, none has data--> READY(S), durable --hears all READY(S)--> FOUNDED
 *                                               READY(S) --hears a founder of S's cluster-->
 * FOUNDED
 *
 * S is the set of (node id, incarnation) that a node has seen. A node that is READY told the
 * others that it would found with S, so one that is founded already may be followed by it; a node
 * that finds itself NEW while a founder has data never founds: it asks to be rebuilt. Whoever
 * hears all of S and finds none founded may begin again with another set: nobody was.
 *
 * A founded node that hears an empty one invites it: it then belongs to the cluster with its new
 * incarnation and no replica, and the group leaders put it in the old one's place (member.h).
 *
 * A node that is not among its configured founders joins a cluster that is there: it never founds,
 * and is invited once it was added to the metadata. It belongs to it as a rebuilt one does.
 *
 * Pure: told what was heard, it answers what to do. */
#ifndef CLUSTER_START_FOUNDING_H
#define CLUSTER_START_FOUNDING_H

#include "base/bytes.h"
#include "identity.h"

enum founding_step {
    FOUNDING_WAIT,    /* nothing to do but to tell the others */
    FOUNDING_PERSIST, /* the identity has changed: make it durable before anything is sent */
    FOUNDING_REBUILD  /* others have data and we are not of their founders; or we have, and don't
                         know of which cluster (IDENTITY_LOST) */
};

struct founding_heard {
    bool is_heard;
    bool is_ready;   /* told that it is READY, or was, with `ready_set_crc` */
    bool is_founded; /* told that it is FOUNDED */
    bool is_lost;    /* told that it is LOST: never READY, so nothing is founded with it */
    uint32_t ready_set_crc;
    uint64_t incarnation;
    uint64_t cluster_id[2]; /* zeros while it is not founded */
};

/* What a founder's settings say: all must say the same. */
struct founding_settings {
    uint32_t groups_per_node;                                /* 0: not heard */
    unsigned founder_count;                                  /* 0: not heard */
    struct identity_founder founders[IDENTITY_FOUNDERS_MAX]; /* incarnations are not looked at */
};

/* Settings of a peer that are not ours, as text: numbers, or "1@a,2@b". */
#define FOUNDING_TEXT_SIZE 256
struct founding_difference {
    uint32_t node_id;
    const char *setting; /* its name in the configuration */
    char ours[FOUNDING_TEXT_SIZE], theirs[FOUNDING_TEXT_SIZE];
};

struct founding {
    struct identity *identity;                               /* changed in place */
    uint32_t groups_per_node;                                /* of our configuration */
    unsigned founder_count;                                  /* configured, this node included */
    struct identity_founder founders[IDENTITY_FOUNDERS_MAX]; /* by node id; incarnation unknown */
    struct founding_heard heard[IDENTITY_FOUNDERS_MAX];
    struct founding_settings settings[IDENTITY_FOUNDERS_MAX]; /* last heard, also of who is gone */
    uint32_t
        told_differences[IDENTITY_FOUNDERS_MAX]; /* bits of a peer's, told since they changed */
    bool is_invited;                             /* a founded node has told us how to join */
    struct identity invited;                     /* what we would be */
};

/* `founders` as configured, sorted by node id, incarnations ignored. */
void founding_init(struct founding *f, struct identity *identity, uint32_t groups_per_node,
                   const struct identity_founder *founders, unsigned founder_count);

/* A peer's handshake: who it is and whether its cluster is founded. */
void founding_on_hello(struct founding *f, uint32_t node_id, uint64_t incarnation,
                       const uint64_t cluster_id[2]);
/* A peer's founding message. Malformed ones and those of strangers are ignored. */
void founding_on_message(struct founding *f, uint32_t node_id, struct bytes message);
/* The peer is gone: what it said counts no more. */
void founding_on_down(struct founding *f, uint32_t node_id);

/* What follows from all that was heard. */
enum founding_step founding_advance(struct founding *f);

/* An invitation, from a founded node to an empty one; returned owned bytes (free). */
int founding_invite_encode(const struct identity *identity, uint8_t **bytes, size_t *size);

/* What to tell every peer, also repeatedly. */
#define FOUNDING_MESSAGE_SIZE_MAX (34 + IDENTITY_FOUNDERS_MAX * (4 + 2 + 32))
size_t founding_message(const struct founding *f, uint8_t into[FOUNDING_MESSAGE_SIZE_MAX]);

/* FOUNDED, and so is every other that is still here: nobody waits for what this node says. */
bool founding_is_over(const struct founding *f);

/* A difference that was not told yet; each is given once until that peer's setting changes. */
bool founding_next_difference(struct founding *f, struct founding_difference *d);
/* The founders that have data and lost their identity, as text; false when there are none. */
bool founding_has_lost(const struct founding *f, char text[FOUNDING_TEXT_SIZE]);
/* The founders that are not heard, as text; false when all are. */
bool founding_missing(const struct founding *f, char text[FOUNDING_TEXT_SIZE]);

#endif

/* A router or node as a client's watch sees it: it says who is there, and the verdict. A thread
 * with a port of its own on 127.0.0.1. */
#ifndef TEST_CLIENT_FAKE_FACE_H
#define TEST_CLIENT_FAKE_FACE_H

#include <pthread.h>
#include <stdatomic.h>

#include "conf/field.h"
#include "dc-router/policy.h"

enum fake_face_state { FACE_WELL, FACE_HUNG, FACE_AWAY };

struct fake_face {
    pthread_t thread;
    int listener;
    struct conf_address address;
    const char *site;
    int32_t id;
    _Atomic(const struct fake_face *) shown_first; /* before itself; NULL: nobody */
    atomic_int state;
    atomic_int delay_ms; /* before each answer */
    atomic_int asked;    /* so often who is there */
    atomic_bool is_ending;
    pthread_mutex_t lock; /* of the verdict */
    bool has_verdict;
    struct router_verdict verdict;
    const char *cluster_id; /* whose it is */
    char report[256];       /* the last one that it was told; "": none */
};

/* Ids from CONF_ROUTER_ID_LEAST on are routers. */
void fake_face_start(struct fake_face *f, const char *site, int32_t id);
void fake_face_judge(struct fake_face *f, const struct router_verdict *verdict);
/* The same as another cluster's. */
void fake_face_form_anew(struct fake_face *f, const char *cluster_id,
                         const struct router_verdict *verdict);
void fake_face_report(struct fake_face *f, char into[256]);
void fake_face_stop(struct fake_face *f);

#endif

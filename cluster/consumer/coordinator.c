/* The coordinator beside each raft group that carries partitions of __consumer_offsets. */
#include "coordinator.h"

#include <stdlib.h>

#include "base/err.h"
#include "consumer/group_place.h"

struct coordinator {
    struct broker_group *group;
};

int coordinator_create(struct broker_group *g, struct coordinator **coordinator)
{
    struct coordinator *c = calloc(1, sizeof *c);
    if (c == NULL)
        return UV_ENOMEM;
    c->group = g;
    *coordinator = c;
    return 0;
}

void coordinator_destroy(struct coordinator *c)
{
    free(c);
}

void coordinator_on_role(struct coordinator *c, enum repl_role role, uint64_t term)
{
    (void)c;
    (void)role;
    (void)term;
}

void coordinator_tick(struct coordinator *c)
{
    (void)c;
}

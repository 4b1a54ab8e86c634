/* What the daemon puts around a coordinator, as far as it goes without connections.
 *
 * Sessions are short and rebalances wait a little for more, so that a
 * minute has many of both. */
#include "sim/sim_coordinator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/coordinator_parts.h"
#include "protocol/error.h"
#include "sim/sim_actor.h"
#include "sim/sim_metadata.h"

#define REBALANCE_DELAY_MS_MAX 300
#define HISTORY_MS             5000
#define RETENTION_MINUTES      50000000 /* wall clocks jump by a day, and nothing expires by itself */

void sim_coordinators_found(struct sim *s)
{
    static const struct sim_topic topics[SIM_GROUPS] = {{"g1", 1, SIM_OPEN_PARTITIONS},
                                                        {"g2", 2, SIM_OPEN_PARTITIONS}};
    sim_metadata_found(s, topics, SIM_GROUPS);
    s->has_consumers = true;
}

static void draw_settings(struct conf_settings *conf, struct world *w)
{
    conf->group_min_session_timeout_ms = 100;
    conf->group_max_session_timeout_ms = 60000;
    conf->group_initial_rebalance_delay_ms = (int64_t)world_between(w, 0, REBALANCE_DELAY_MS_MAX);
    conf->group_max_size = 100;
    conf->offsets_retention_minutes = RETENTION_MINUTES;
    conf->commit_history_ms = HISTORY_MS;
}

int sim_coordinator_open(struct sim_life *life)
{
    struct world *w = life->node->sim->world;
    int err = 0;
    if (!life->node->sim->has_consumers)
        return 0;
    struct broker *b = calloc(1, sizeof *b);
    life->beside = calloc(SIM_GROUPS, sizeof *life->beside);
    if (b == NULL || life->beside == NULL)
        return UV_ENOMEM;
    b->clock = life->clock;
    b->metadata = life->metadata;
    draw_settings(&b->conf, w);
    for (unsigned i = 0; i < SIM_GROUPS && err == 0; i++) {
        struct broker_group *beside = &life->beside[i];
        beside->broker = b;
        beside->group_id = life->groups[i].group_id;
        beside->machine = life->groups[i].machine;
        beside->raft = life->groups[i].raft;
        random_init(&beside->random, random_u64(world_random(w)));
        err = coordinator_create(beside, &beside->coordinator);
    }
    return err;
}

static struct coordinator *coordinator_of(const struct sim_group *g)
{
    return g->life->beside[g->group_id - 1].coordinator;
}

void sim_coordinator_on_role(struct sim_group *g, enum repl_role role, uint64_t term)
{
    if (g->group_id <= SIM_GROUPS && g->life->beside != NULL && coordinator_of(g) != NULL)
        coordinator_on_role(coordinator_of(g), role, term);
}

void sim_coordinator_tick(struct sim_group *g)
{
    if (g->group_id <= SIM_GROUPS && g->life->beside != NULL)
        coordinator_tick(coordinator_of(g));
}

uint64_t sim_coordinator_accept(struct sim_life *life)
{
    return atomic_fetch_add(&life->beside[0].broker->connection_number, 1) + 1;
}

uint64_t sim_coordinator_now(const struct sim_life *life)
{
    return atomic_load(&life->beside[0].broker->connection_number);
}

int16_t sim_coordinator_check(struct sim_group *g)
{
    if (!machine_is_ready(g->machine))
        return repl_group_is_elected(g->raft) ? KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS
                                              : KAFKA_ERROR_NOT_COORDINATOR;
    return sim_coordinator_table(g) == NULL ? KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS
                                            : KAFKA_ERROR_NONE;
}

struct group_set *sim_coordinator_groups(struct sim_group *g)
{
    return coordinator_of(g)->groups;
}

const struct consumer_table *sim_coordinator_table(struct sim_group *g)
{
    const struct partition *p = machine_partition(g->machine, SIM_OFFSETS_PARTITION);
    return p == NULL ? NULL : p->consumers;
}

uint64_t sim_coordinator_metadata_version(const struct sim_group *g)
{
    return metadata_version(g->life->beside[g->group_id - 1].broker->metadata);
}

/* The daemon around a node's part in the verdict (part.h): its clock, its peers, its group 0. */
#include "site/drive.h"

#include "site/canary.h"
#include "upkeep/maintain.h"

_Static_assert(BROKER_MESSAGE_SITES == SITE_MESSAGE_TYPE, "both name one type of message");

static bool is_alive(void *data, uint32_t node_id)
{
    const struct broker_group *g = data;
    return repl_node_is_alive(g->broker->node, node_id);
}

static void tell(void *data, struct bytes message)
{
    struct broker *b = ((struct broker_group *)data)->broker;
    uint32_t node_ids[METADATA_NODES_MAX];
    unsigned count = broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < count; i++)
        repl_node_send(b->node, node_ids[i], message);
}

static void propose(void *data, const struct metadata_change *change)
{
    maintain_propose_metadata(data, change);
}

void site_on_message(struct broker *b, uint32_t from_node_id, struct bytes message)
{
    const struct site_around around = {.board = b->sites};
    site_part_take(&around, from_node_id, message, clock_now_ms(&b->clock));
}

void site_drive(struct broker_group *g)
{
    struct broker *b = g->broker;
    const struct site_around around = {.data = g,
                                       .metadata = b->metadata,
                                       .board = b->sites,
                                       .node_id = (uint32_t)b->conf.node_id,
                                       .site = b->conf.site,
                                       .is_ready = machine_is_ready(g->machine),
                                       .has_no_path = b->conf.site_canary_ms == 0,
                                       .is_alive = is_alive,
                                       .tell = tell,
                                       .propose = propose};
    if (site_part_run(&b->site_part, &around, clock_now_ms(&b->clock)) && around.is_ready)
        site_canary_maintain(g);
}

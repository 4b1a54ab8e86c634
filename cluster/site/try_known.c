/* What a try's own node knows of the canary's topic and groups: from its metadata, and from who
 * leads their raft groups as its replicas have it. */
#include <string.h>

#include "broker.h"
#include "consumer/coordinator.h"
#include "site/try.h"

static bool find(struct broker *b, int32_t partition, struct broker_place *place)
{
    return broker_find_partition(b, SITE_CANARY_TOPIC, strlen(SITE_CANARY_TOPIC), partition,
                                 place) == 0;
}

static bool has_topic(struct broker *b)
{
    struct broker_place place;
    return find(b, 0, &place);
}

static bool is_led(struct broker *b, int32_t partition)
{
    struct broker_place place;
    struct repl_leader leader;
    return find(b, partition, &place) && repl_node_leader(b->node, place.group_id, &leader);
}

static uint32_t coordinator(struct broker *b, const char *group, size_t size)
{
    struct broker_place place;
    struct repl_leader leader;
    bool is_led = coordinator_place(b, group, size, &place) == 0 &&
                  repl_node_leader(b->node, place.group_id, &leader);
    return is_led ? leader.node_id : 0;
}

const struct site_try_known site_try_known_here = {
    .has_topic = has_topic, .is_led = is_led, .coordinator = coordinator};

/* Changes on their way to the group's leader, and the truth that comes of them.
 *
 * A proposal is lost with its leader, refused by one that has lost its office, or applied after the
 * proposer has given up: as the daemon's controller knows it. Nobody is told here; who wants
 * something looks whether it is so and proposes again. */
#include "sim/sim_metadata.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/recovery_entry.h"
#include "sim/sim_actor.h"
#include "sim/sim_check_sites.h"
#include "sim/sim_moves.h"
#include "sim/sim_switch.h"

#define FOUND_NS     (200 * WORLD_MS)
#define TOPICS_MAX   4
#define REPLICATION  3
#define PEER_PORT    9000
#define WAY_NS_MAX   (20 * WORLD_MS)
#define CLUSTER_NAME "a simulated one"

/* Of the run; NULL: none has metadata. */
static struct metadata *truth;
static uint64_t highest_epoch; /* of failover that anybody has applied */
static const struct sim_topic *wanted;
static unsigned wanted_count;

struct proposal {
    struct work_item item;
    struct sim *sim;
    struct sim_life *life; /* who is believed to lead */
    struct machine_request request;
    struct slice body;
    struct metadata_site_change word; /* an operator's, where it is one */
};

/* ---- proposing ---- */

/* The answer leaves when the entry is applied, a moment after. */
static void on_told(void *data)
{
    struct proposal *p = data;
    sim_check_sites_acknowledged(p->sim, &p->word, p->request.result.metadata.index);
    free(p);
}

static void on_applied(struct machine_request *req, int status)
{
    struct proposal *p = req->data;
    bool is_done = status == 0 && req->result.error == 0;
    sim_count(p->sim, SIM_metadata_changes, is_done);
    if (is_done && p->word.site[0] != '\0')
        world_in(p->sim->world, 0, NULL, on_told, p);
    else
        free(p);
}

static void run_proposal(struct work_item *item)
{
    struct proposal *p = item->data;
    struct sim_group *g = &p->life->groups[SIM_METADATA_GROUP - 1];
    p->request.data = p;
    p->request.submit.head.kind = ENTRY_METADATA;
    p->request.submit.body = p->body;
    int err = machine_submit(g->machine, &p->request, on_applied);
    buffer_unref(p->body.owner);
    if (err != 0)
        free(p);
}

static void on_arrival(void *data)
{
    struct proposal *p = data;
    struct sim_group *g = sim_leader(p->sim, SIM_METADATA_GROUP);
    if (g == NULL) {
        buffer_unref(p->body.owner);
        free(p);
        return;
    }
    p->life = g->life;
    work_submit(&g->life->shard.seam, &p->item, run_proposal);
}

static struct proposal *make_proposal(struct sim *s, const struct metadata_change *change)
{
    struct proposal *p = calloc(1, sizeof *p);
    uint8_t *body;
    size_t size;
    if (p == NULL || metadata_change_encode(change, &body, &size) != 0)
        abort();
    struct buffer *buffer = buffer_create(size);
    if (buffer == NULL)
        abort();
    memcpy(buffer->data, body, size);
    free(body);
    p->sim = s;
    p->body = (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, size)};
    p->item.data = p;
    if (change->kind == METADATA_SITES)
        p->word = *change->sites;
    return p;
}

void sim_metadata_propose(struct sim *s, const struct metadata_change *change)
{
    struct proposal *p = make_proposal(s, change);
    world_in(s->world, world_between(s->world, WORLD_MS, WAY_NS_MAX), NULL, on_arrival, p);
}

void sim_metadata_submit(struct sim_group *g, const struct metadata_change *change)
{
    struct proposal *p = make_proposal(g->life->node->sim, change);
    p->life = g->life;
    run_proposal(&p->item);
}

/* ---- founding ---- */

static void propose_cluster(struct sim *s)
{
    struct metadata_group groups[1 + SIM_GROUPS];
    for (unsigned g = 0; g <= SIM_GROUPS; g++) {
        groups[g] = (struct metadata_group){.group_id = g,
                                            .preferred_node_id = 1 + g % s->founder_count,
                                            .next_partition_number = 1,
                                            .node_count = s->node_count};
        for (unsigned i = 0; i < s->node_count; i++)
            groups[g].node_ids[i] = i + 1;
    }
    struct metadata_change cluster = {.kind = METADATA_CLUSTER,
                                      .id = CLUSTER_NAME,
                                      .groups = groups,
                                      .group_count = 1 + SIM_GROUPS};
    sim_metadata_propose(s, &cluster);
}

static void propose_node(struct sim *s, const struct sim_node *n)
{
    struct metadata_change change = {.kind = METADATA_NODE};
    change.node = (struct metadata_node){.node_id = sim_node_id(n),
                                         .incarnation = n->incarnation,
                                         .host = "sim",
                                         .port = PEER_PORT,
                                         .peer_host = "sim",
                                         .peer_port = PEER_PORT};
    snprintf(change.node.site, sizeof change.node.site, "%s", n->site);
    sim_metadata_propose(s, &change);
}

static void propose_topic(struct sim *s, const struct sim_topic *topic)
{
    struct metadata_change create = {.kind = METADATA_TOPIC_CREATE,
                                     .id = {topic->mark},
                                     .name = topic->name,
                                     .partition_count = topic->partition_count,
                                     .replication_factor = REPLICATION};
    sim_metadata_propose(s, &create);
}

static const struct sim_topic *missing_topic(void)
{
    for (unsigned i = 0; i < wanted_count; i++)
        if (metadata_topic_by_name(truth, wanted[i].name, strlen(wanted[i].name)) == NULL)
            return &wanted[i];
    return NULL;
}

bool sim_metadata_is_founded(void)
{
    uint8_t id[16];
    return truth == NULL || (metadata_cluster_id(truth, id) && missing_topic() == NULL);
}

/* One step at a time, and the nodes as they are: they are others when they were rebuilt. */
static void on_time(void *data)
{
    struct sim *s = data;
    uint8_t id[16];
    if (!metadata_cluster_id(truth, id))
        propose_cluster(s);
    else if (missing_topic() != NULL)
        propose_topic(s, missing_topic());
    for (unsigned i = 0; i < s->node_count && metadata_cluster_id(truth, id); i++) {
        const struct metadata_node *known = metadata_node_by_id(truth, i + 1);
        if (known == NULL || known->incarnation != s->nodes[i]->incarnation)
            propose_node(s, s->nodes[i]);
    }
    if (s->clients == NULL || !s->clients->is_stopping)
        world_in(s->world, FOUND_NS, NULL, on_time, s);
}

void sim_metadata_found(struct sim *s, const struct sim_topic *topics, unsigned count)
{
    if (metadata_create(&truth) != 0)
        abort();
    wanted = topics;
    wanted_count = count;
    s->group_count = SIM_RAFT_GROUPS_MAX;
    world_in(s->world, FOUND_NS, NULL, on_time, s);
}

/* ---- what is known ---- */

struct metadata *sim_metadata_create(uint32_t group_id)
{
    struct metadata *m = NULL;
    if (group_id == SIM_METADATA_GROUP && metadata_create(&m) != 0)
        abort();
    return m;
}

int sim_metadata_open(struct sim_life *life)
{
    return truth == NULL ? 0 : metadata_create(&life->metadata);
}

const struct metadata *sim_metadata_truth(void)
{
    return truth;
}

const struct metadata *sim_metadata_of(const struct sim_node *n)
{
    return n->life == NULL ? NULL : n->life->metadata;
}

void sim_metadata_entry(struct sim *s, const struct sim_applied *applied)
{
    struct metadata_result result;
    uint64_t epoch = metadata_failover_epoch(truth);
    enum metadata_switch_phase phase = metadata_switch_of(truth)->phase;
    if (metadata_apply(truth, applied->entry->index, applied->head->wall_ms,
                       applied->entry->body.bytes, &result) != 0)
        abort();
    if (metadata_failover_epoch(truth) < epoch)
        world_violation(s->world, "13 no number twice",
                        "the failover epoch goes down from %" PRIu64, epoch);
    highest_epoch = metadata_failover_epoch(truth);
    sim_check_sites_entry(s, truth, applied, result.error, true);
    sim_switch_note(s, phase);
    if (s->do_partitions_move)
        sim_moves_note();
}

/* ---- over a forced recovery ---- */

void sim_metadata_forget(void)
{
    metadata_destroy(truth);
    if (metadata_create(&truth) != 0)
        abort();
    sim_check_sites_forget();
}

void sim_metadata_again(struct sim *s, const struct sim_applied *applied)
{
    struct metadata_result result = {0};
    struct recovery_entry recovery;
    struct bytes body = applied->entry->body.bytes;
    uint64_t index = applied->entry->index;
    int64_t wall_ms = applied->head->wall_ms;
    int err = 0;
    if (applied->head->kind == ENTRY_METADATA)
        err = metadata_apply(truth, index, wall_ms, body, &result);
    else if (applied->head->kind == ENTRY_RECOVERY && recovery_entry_decode(body, &recovery) == 0)
        err = metadata_apply_recovery(truth, index, wall_ms, &recovery, &result);
    if (err != 0)
        abort();
    sim_check_sites_entry(s, truth, applied, result.error, false);
}

/* What anybody was told of the failover epoch may be of a history that is lost. */
void sim_metadata_recovered(struct sim *s, const struct sim_applied *applied)
{
    sim_metadata_again(s, applied);
    sim_check_sites_recovered(s);
    if (metadata_failover_epoch(truth) <= highest_epoch)
        world_violation(s->world, "13 no number twice",
                        "the failover epoch is %" PRIu64 " after a recovery, and was %" PRIu64,
                        metadata_failover_epoch(truth), highest_epoch);
}

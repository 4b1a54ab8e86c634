/* What groups do by themselves.
 *
 * Partitions: the metadata says what a group should carry; its leader proposes the difference to
 * what its log has said. A partition is closed only when it is known to be deleted: its number is
 * below the group's next one and no topic has it. A node whose metadata is behind sees a higher
 * number and leaves it alone.
 *
 * Retention: the leader looks, an entry says it, every replica does the same. A topic that is only
 * compacted has none. */
#include "upkeep/maintain.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "cluster/move_step.h"
#include "upkeep/compaction.h"
#include "controller.h"
#include "replication/disk_state.h"
#include "log/compact.h"
#include "topic_config.h"

#define PROPOSALS_A_TIME            1000 /* partitions opened or closed in one go */
#define PRODUCER_IDLE_MS            (7LL * 24 * 60 * 60 * 1000)
#define PRODUCER_EXPIRY_INTERVAL_MS (60LL * 60 * 1000)
#define FIRST_RETENTION_MS          (30ULL * 1000)

/* ---- small proposals that nobody waits for ---- */

struct proposal {
    struct machine_request machine;
    uint32_t group_id;
};

static void on_applied(struct machine_request *req, int status)
{
    struct proposal *p = req->data;
    if (status == 0 && req->result.error != 0 && req->result.error != ERR_EXISTS)
        event_warn("proposal_refused", "group=%u kind=%u error=%s", p->group_id,
                   req->submit.head.kind, err_name(req->result.error));
    free(p); /* lost ones are proposed again when they are seen to be missing */
}

static int propose(struct broker_group *g, enum entry_kind kind, uint32_t number, struct bytes body)
{
    struct proposal *p = calloc(1, sizeof *p);
    struct buffer *owner = buffer_create(body.size);
    int err = p == NULL || owner == NULL ? UV_ENOMEM : 0;
    if (err == 0) {
        memcpy(owner->data, body.data, body.size);
        p->group_id = g->group_id;
        p->machine.data = p;
        p->machine.submit.head.kind = (uint8_t)kind;
        p->machine.submit.head.partition_number = number;
        p->machine.submit.body = (struct slice){.owner = owner,
                                                .bytes = bytes_of(owner->data, body.size)};
        err = machine_submit(g->machine, &p->machine, on_applied);
    }
    buffer_unref(owner);
    if (err != 0)
        free(p);
    return err;
}

static int propose_state(struct broker_group *g, uint32_t number,
                         const struct partition_state *state)
{
    uint8_t body[PARTITION_STATE_SIZE];
    return propose(g, ENTRY_PARTITION_STATE, number,
                   bytes_of(body, partition_state_encode(state, body)));
}

/* ---- partitions ---- */

struct difference {
    struct broker_group *group;
    unsigned budget; /* proposals left */
};

static bool are_settings_equal(const struct log_partition_settings *a,
                               const struct log_partition_settings *b)
{
    return a->segment_bytes == b->segment_bytes && a->segment_ms == b->segment_ms &&
           a->index_interval_bytes == b->index_interval_bytes &&
           a->producer_count_max == b->producer_count_max;
}

static void want_partition(struct difference *d, const struct metadata_topic *t, int32_t index,
                           const struct log_partition_settings *settings)
{
    uint32_t number = t->partitions[index].number;
    const struct partition *p = machine_partition(d->group->machine, number);
    struct partition_state state = {
        .action = p == NULL ? PARTITION_OPEN : PARTITION_SETTINGS,
        .flags = t->is_internal ? PARTITION_IS_OFFSETS : 0,
        .settings = *settings,
        .metadata_version = metadata_version(d->group->broker->metadata),
    };
    if (p != NULL && are_settings_equal(&p->settings, settings))
        return;
    const struct metadata_move *move = metadata_move_of(d->group->broker->metadata, t->id, index);
    if (move != NULL && (p != NULL || move->phase != METADATA_MOVE_CLOSING))
        return; /* it is opened from what the old group had; settings follow */
    memcpy(state.id.topic_id, t->id, sizeof state.id.topic_id);
    state.id.partition = index;
    if (p == NULL) {
        state.epoch_base = t->partitions[index].epoch_base;
        state.start_offset = metadata_first_offset(d->group->broker->metadata,
                                                   &t->partitions[index]);
    }
    d->budget--;
    propose_state(d->group, number, &state);
}

/* A forced recovery has left the old group of a move without the partition: it is opened behind the
 * strides, to be closed again, for that is what the new group waits for. */
static void want_closed_again(struct difference *d, const struct metadata_move *move)
{
    const struct broker *b = d->group->broker;
    const struct metadata_topic *t = metadata_topic_by_id(b->metadata, move->topic_id);
    struct topic_settings settings;
    if (t == NULL || !move_closes_again(move, d->group->group_id) ||
        machine_partition(d->group->machine, move->from.number) != NULL)
        return;
    topic_settings_of(t, &b->conf, &settings);
    struct partition_state state = {
        .action = PARTITION_OPEN,
        .flags = t->is_internal ? PARTITION_IS_OFFSETS : 0,
        .start_offset = metadata_first_offset(b->metadata, &move->from),
        .epoch_base = move->from.epoch_base,
        .id.partition = move->partition,
        .settings = topic_log_settings(&settings, &b->conf),
        .metadata_version = metadata_version(b->metadata),
    };
    memcpy(state.id.topic_id, t->id, sizeof state.id.topic_id);
    d->budget--;
    propose_state(d->group, move->from.number, &state);
}

static void want_topic(void *data, const struct metadata_topic *t)
{
    struct difference *d = data;
    const struct conf_settings *conf = &d->group->broker->conf;
    struct topic_settings settings;
    topic_settings_of(t, conf, &settings);
    struct log_partition_settings log_settings = topic_log_settings(&settings, conf);
    for (int32_t i = 0; i < t->partition_count && d->budget > 0; i++)
        if (t->partitions[i].group_id == d->group->group_id)
            want_partition(d, t, i, &log_settings);
}

static bool is_deleted(const struct difference *d, uint32_t number)
{
    const struct metadata *m = d->group->broker->metadata;
    const struct metadata_group *group = metadata_group_by_id(m, d->group->group_id);
    int32_t index;
    return group != NULL && number < group->next_partition_number &&
           metadata_topic_of(m, d->group->group_id, number, &index) == NULL;
}

static void propose_close(struct difference *d, uint32_t number, const struct log_partition_id *id,
                          const struct log_partition_settings *settings)
{
    struct partition_state state = {
        .action = PARTITION_CLOSE,
        .id = *id,
        .settings = *settings,
        .metadata_version = metadata_version(d->group->broker->metadata)};
    d->budget--;
    propose_state(d->group, number, &state);
}

static void close_if_deleted(void *data, struct partition *p)
{
    struct difference *d = data;
    if (d->budget > 0 && is_deleted(d, p->number))
        propose_close(d, p->number, &p->id, &p->settings);
}

/* Of a topic that was deleted while a partition's state came from another group. */
static void drop_incoming(void *data, uint32_t number)
{
    static const struct log_partition_id nobody;
    static const struct log_partition_settings none = {
        .segment_bytes = 1, .segment_ms = 1, .index_interval_bytes = 1, .producer_count_max = 1};
    struct difference *d = data;
    if (d->budget > 0 && is_deleted(d, number))
        propose_close(d, number, &nobody, &none);
}

void maintain_partitions(struct broker_group *g)
{
    if (g->group_id == 0 || !machine_is_ready(g->machine))
        return;
    struct difference d = {.group = g, .budget = PROPOSALS_A_TIME};
    metadata_read_lock(g->broker->metadata);
    metadata_each_topic(g->broker->metadata, want_topic, &d);
    for (unsigned i = 0; i < metadata_move_count(g->broker->metadata) && d.budget > 0; i++)
        want_closed_again(&d, metadata_move_at(g->broker->metadata, i));
    machine_each_partition(g->machine, close_if_deleted, &d);
    machine_each_incoming(g->machine, drop_incoming, &d);
    metadata_read_unlock(g->broker->metadata);
}

/* ---- retention and expiry ---- */

struct upkeep {
    struct broker_group *group;
    int64_t now_ms;          /* wall clock: retention goes by record timestamps */
    bool should_retain_open; /* else sealed segments only */
    bool should_expire_producers;
    bool is_compaction_due; /* of any partition: its segments come with a checkpoint */
    size_t tail_bytes;      /* of all partitions */
    size_t unflushed_bytes; /* of them, not in segments yet */
};

bool maintain_settings_of(struct broker_group *g, const struct partition *p,
                          struct topic_settings *settings)
{
    struct metadata *m = g->broker->metadata;
    int32_t index;
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_of(m, g->group_id, p->number, &index);
    if (t != NULL)
        topic_settings_of(t, &g->broker->conf, settings);
    metadata_read_unlock(m);
    return t != NULL;
}

static void propose_log_start(struct broker_group *g, const struct partition *p, int64_t offset)
{
    uint8_t body[LOG_START_ADVANCE_SIZE];
    struct log_start_advance advance = {.reason = LOG_START_RETENTION, .start_offset = offset};
    propose(g, ENTRY_LOG_START, p->number,
            bytes_of(body, log_start_advance_encode(&advance, body)));
}

static void apply_retention(struct upkeep *u, const struct partition *p)
{
    struct topic_settings settings;
    if (!maintain_settings_of(u->group, p, &settings) || !settings.is_deleted)
        return;
    int64_t offset = log_partition_retention_offset(
        p->log, u->now_ms, settings.retention_ms, settings.retention_bytes, u->should_retain_open);
    if (offset > log_partition_start_offset(p->log))
        propose_log_start(u->group, p, offset);
}

static void expire_producers(struct upkeep *u, const struct partition *p)
{
    uint8_t body[10];
    bytes_put_le64(bytes_put_le16(body, 1), (uint64_t)(u->now_ms - PRODUCER_IDLE_MS));
    if (log_producer_count(log_partition_producers(p->log)) > 0)
        propose(u->group, ENTRY_PRODUCER_STATE, p->number, bytes_of(body, sizeof body));
}

static void keep_up(void *data, struct partition *p)
{
    struct upkeep *u = data;
    u->is_compaction_due |= log_partition_is_compaction_due(p->log);
    if (!machine_is_ready(u->group->machine))
        return;
    apply_retention(u, p);
    if (u->should_expire_producers)
        expire_producers(u, p);
}

/* The group's part of the tail memory. */
static size_t tail_share(const struct broker_group *g)
{
    return (size_t)g->broker->conf.tail_memory_bytes / g->broker->group_count;
}

static void count_tail(void *data, struct partition *p)
{
    struct upkeep *u = data;
    u->tail_bytes += log_partition_tail_bytes(p->log);
    u->unflushed_bytes += log_partition_unflushed_bytes(p->log);
}

static void trim_tail(void *data, struct partition *p)
{
    (void)data;
    log_partition_trim_tail(p->log, 0);
}

/* Above half of its share, what is in segments leaves memory and a checkpoint brings there what
 * is not. Above twice its share the leader takes no more batches until that is done: producers
 * wait, memory does not grow. */
void maintain_tails(struct broker_group *g)
{
    struct upkeep u = {.group = g};
    size_t share = tail_share(g);
    machine_each_partition(g->machine, count_tail, &u);
    if (u.tail_bytes > share / 2) {
        machine_each_partition(g->machine, trim_tail, NULL);
        repl_group_checkpoint(g->raft);
    }
    g->is_tail_full = u.unflushed_bytes > 2 * share;
}

static void relieve_wal(struct broker_group *g)
{
    uint32_t pinning;
    uint64_t pinned_bytes;
    log_wal_pressure(g->broker->wal, &pinning, &pinned_bytes);
    if (pinning == g->group_id && pinned_bytes > (uint64_t)g->broker->conf.wal_kept_bytes / 2)
        repl_group_checkpoint(g->raft);
}

/* Sealed segments go as soon as they may. The open one seldom, as Kafka looks: what was just
 * written with timestamps of long ago can be read for a while. Half a minute after the start for
 * the first time, and at once where space is short. */
static bool is_open_retention_due(struct broker_group *g, uint64_t now_ms)
{
    struct repl_disk_report disk = {0};
    const struct broker *b = g->broker;
    uint64_t interval_ms = (uint64_t)b->conf.log_retention_check_interval_ms;
    uint64_t first_ms = interval_ms < FIRST_RETENTION_MS ? interval_ms : FIRST_RETENTION_MS;
    if (g->retain_at_ms == 0)
        g->retain_at_ms = now_ms + first_ms;
    bool is_full = repl_node_disk(b->node, (uint32_t)b->conf.node_id, &disk) && disk.is_full;
    if (!is_full && now_ms < g->retain_at_ms)
        return false;
    g->retain_at_ms = now_ms + interval_ms;
    return true;
}

void maintain_group(struct broker_group *g)
{
    uint64_t now_ms = clock_now_ms(&g->broker->clock);
    struct upkeep u = {.group = g, .now_ms = clock_wall_ms(&g->broker->clock)};
    u.should_expire_producers = now_ms - g->expired_at_ms > PRODUCER_EXPIRY_INTERVAL_MS &&
                                g->expired_at_ms != 0;
    if (u.should_expire_producers || g->expired_at_ms == 0)
        g->expired_at_ms = now_ms;
    u.should_retain_open = is_open_retention_due(g, now_ms);
    machine_each_partition(g->machine, keep_up, &u);
    relieve_wal(g);
    compaction_tick(g->compaction);
    if (u.is_compaction_due)
        repl_group_checkpoint(g->raft);
    if (now_ms - g->checkpointed_at_ms >= (uint64_t)g->broker->conf.checkpoint_interval_ms) {
        g->checkpointed_at_ms = now_ms;
        repl_group_checkpoint(g->raft);
    }
}

/* ---- the cluster itself ---- */

void maintain_propose_metadata(struct broker_group *g, const struct metadata_change *change)
{
    uint8_t *body;
    size_t size;
    if (metadata_change_encode(change, &body, &size) != 0)
        return;
    propose(g, ENTRY_METADATA, 0, bytes_of(body, size));
    free(body);
}

static void propose_cluster(struct broker_group *g)
{
    struct broker *b = g->broker;
    struct repl_group_status status;
    repl_group_status(g->raft, &status);
    if (status.replica_count == 0)
        return; /* it leads no more, and only a leader knows who the replicas are */
    unsigned count = b->group_count;
    struct metadata_group *groups = calloc(count, sizeof *groups);
    if (groups == NULL)
        return;
    for (unsigned i = 0; i < count; i++) {
        groups[i].group_id = i;
        groups[i].next_partition_number = 1;
        groups[i].node_count = status.replica_count;
        for (unsigned r = 0; r < status.replica_count; r++)
            groups[i].node_ids[r] = repl_raft_id_node(status.replicas[r].member.raft_id);
        groups[i].preferred_node_id = groups[i].node_ids[i % status.replica_count];
    }
    struct metadata_change change = {
        .kind = METADATA_CLUSTER, .groups = groups, .group_count = count};
    memcpy(change.id, b->cluster_id, sizeof change.id);
    maintain_propose_metadata(g, &change);
    free(groups);
}

/* Its last word is older than its removal. */
static bool is_gone(const struct metadata *m, const struct metadata_node *node)
{
    const struct metadata_node *known = metadata_node_by_id(m, node->node_id);
    return known != NULL && known->state == METADATA_NODE_GONE;
}

static bool is_registered(const struct metadata *m, const struct metadata_node *node)
{
    const struct metadata_node *known = metadata_node_by_id(m, node->node_id);
    return known != NULL && known->incarnation == node->incarnation && known->port == node->port &&
           known->peer_port == node->peer_port && strcmp(known->host, node->host) == 0 &&
           strcmp(known->site, node->site) == 0 && strcmp(known->peer_host, node->peer_host) == 0;
}

void maintain_cluster(struct broker_group *g)
{
    struct broker *b = g->broker;
    struct metadata_node nodes[METADATA_NODES_MAX];
    uint8_t cluster_id[16];
    if (!machine_is_ready(g->machine))
        return;
    if (!metadata_cluster_id(b->metadata, cluster_id))
        propose_cluster(g);
    unsigned count = controller_known_nodes(b->controller, nodes, METADATA_NODES_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct metadata_change change = {.kind = METADATA_NODE, .node = nodes[i]};
        if (!is_registered(b->metadata, &nodes[i]) && !is_gone(b->metadata, &nodes[i]))
            maintain_propose_metadata(g, &change);
    }
}

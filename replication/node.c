/* The groups of a node and its peers: frames to the right shard, and the map of leaders.
 *
 * Liveness, heartbeats and the map belong to shard 0. What other shards need of them is in atomics
 * and under one small lock, never held over a call out. A frame for a group of another shard is
 * posted there with its buffer; a frame from another shard on CONTROL or SHIPPING likewise. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node_state.h"

#define RETURN_EVERY_MS 100
#define FLAP_FREE       3 /* losses soon after another that cost nothing */
#define FLAP_DOUBLES    16

int repl_node_create(const struct repl_node_options *options, struct repl_node **node)
{
    struct repl_node *n = calloc(1, sizeof *n);
    if (n == NULL)
        return UV_ENOMEM;
    n->options = *options;
    n->started_at_ms = clock_now_ms(options->clock);
    pthread_mutex_init(&n->lock, NULL);
    *node = n;
    return 0;
}

void repl_node_destroy(struct repl_node *n)
{
    if (n == NULL)
        return;
    pthread_mutex_destroy(&n->lock);
    free(n);
}

void repl_node_set_shard(struct repl_node *n, unsigned index, const struct net *net,
                         const struct work *home)
{
    assert(index < REPL_SHARDS_MAX);
    n->shards[index] = (struct node_shard){.node = n, .index = index, .net = net, .home = home};
    if (index >= n->shard_count)
        n->shard_count = index + 1;
}

int repl_node_add_group(struct repl_node *n, struct repl_group *g, uint32_t group_id,
                        unsigned shard)
{
    if (group_id >= GROUPS_MAX || n->groups[group_id].group != NULL)
        return ERR_INVALID;
    n->groups[group_id].shard = shard;
    n->groups[group_id].group = g; /* from here on its frames come: it may be later than others */
    return 0;
}

void repl_node_remove_group(struct repl_node *n, uint32_t group_id)
{
    n->groups[group_id].group = NULL;
}

/* ---- peers ---- */

struct node_peer *node_find_peer(struct repl_node *n, uint32_t node_id)
{
    for (unsigned i = 0; i < REPL_NODES_MAX; i++)
        if (n->peers[i].node_id == node_id)
            return &n->peers[i];
    return NULL;
}

/* Peers are added on shard 0 only (the CONTROL connection comes first). */
static struct node_peer *add_peer(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (p == NULL && node_id != 0 && (p = node_find_peer(n, 0)) != NULL)
        p->node_id = node_id;
    return p;
}

bool node_is_alive(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return node_id == n->options.node_id || (p != NULL && atomic_load(&p->is_alive));
}

uint64_t node_last_sign_ns(struct repl_node *n, uint32_t node_id, uint64_t word_ns)
{
    struct node_peer *p = node_find_peer(n, node_id);
    uint64_t next_word_ns = word_ns + n->options.heartbeat_ms * 1000000ull;
    uint64_t alive_ns = p == NULL ? 0 : atomic_load(&p->alive_ns);
    if (alive_ns < word_ns)
        return word_ns;
    return alive_ns < next_word_ns ? alive_ns : next_word_ns;
}

bool node_is_heard(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (p == NULL || !node_is_alive(n, node_id))
        return node_id == n->options.node_id;
    uint64_t now_ns = clock_now_ns(n->options.clock), alive_ns = atomic_load(&p->alive_ns);
    return alive_ns >= now_ns || now_ns - alive_ns <= 2 * n->options.heartbeat_ms * 1000000ull;
}

bool node_has_said(struct repl_node *n, uint32_t node_id, uint64_t heard_ns)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return node_is_alive(n, node_id) && (p == NULL || heard_ns >= atomic_load(&p->back_ns));
}

bool repl_node_is_alive(struct repl_node *n, uint32_t node_id)
{
    return node_is_alive(n, node_id);
}

uint32_t node_own_id(const struct repl_node *n)
{
    return n->options.node_id;
}

bool node_is_known(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return node_id == n->options.node_id || (p != NULL && atomic_load(&p->was_known));
}

bool node_is_awaited(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return p != NULL && !atomic_load(&p->was_known) && !atomic_load(&p->is_lost);
}

uint64_t node_age_ms(const struct repl_node *n)
{
    return clock_now_ms(n->options.clock) - n->started_at_ms;
}

/* ---- who may lead ---- */

bool node_is_leaving(const struct repl_node *n)
{
    return atomic_load(&n->is_leaving);
}

bool node_may_lead(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (node_id == n->options.node_id)
        return !node_is_leaving(n);
    return p != NULL && atomic_load(&p->is_alive) && atomic_load(&p->has_beaten) &&
           !atomic_load(&p->is_leaving);
}

uint64_t node_settle_ms(const struct repl_node *n)
{
    return n->options.settle_ms;
}

/* Leaders that go to and fro with a link, or a node, that comes and goes cost more than they gain:
 * from its fourth loss in a row on, it is to be well twice as long each time. */
static uint64_t quiet_ms_of(const struct repl_node *n, const struct node_peer *p)
{
    unsigned flaps = p == NULL ? 0 : atomic_load(&p->flaps);
    unsigned doubles = flaps > FLAP_FREE ? flaps - FLAP_FREE : 0;
    uint64_t quiet_ms = (uint64_t)n->options.settle_ms
                        << (doubles < FLAP_DOUBLES ? doubles : FLAP_DOUBLES);
    if (doubles == 0 || n->options.freeze_ms_max == 0)
        return n->options.settle_ms;
    return quiet_ms < n->options.freeze_ms_max ? quiet_ms : n->options.freeze_ms_max;
}

bool node_is_settled(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    uint64_t since_ms = p == NULL ? 0 : atomic_load(&p->since_ms);
    if (since_ms < n->started_at_ms)
        since_ms = n->started_at_ms;
    return node_id == n->options.node_id ||
           clock_now_ms(n->options.clock) - since_ms >= quiet_ms_of(n, p);
}

static bool has_successor(struct repl_node *n)
{
    for (unsigned i = 0; i < REPL_NODES_MAX; i++) {
        uint32_t node_id = n->peers[i].node_id;
        if (node_id != 0 && node_may_lead(n, node_id))
            return true;
    }
    return false;
}

unsigned repl_node_leave(struct repl_node *n)
{
    unsigned led_count = 0;
    atomic_store(&n->should_leave, true);
    if (!has_successor(n))
        return 0;
    pthread_mutex_lock(&n->lock);
    for (uint32_t id = 0; id < GROUPS_MAX; id++)
        led_count += n->groups[id].group != NULL && !n->groups[id].is_alone &&
                     (n->groups[id].is_handing_over ||
                      repl_raft_id_node(n->groups[id].leader) == n->options.node_id);
    pthread_mutex_unlock(&n->lock);
    return led_count;
}

enum repl_ship_compression node_ship_compression(const struct repl_node *n)
{
    return n->options.ship_compression;
}

bool node_may_return_leader(struct repl_node *n)
{
    uint64_t now_ms = clock_now_ms(n->options.clock);
    uint64_t last = atomic_load(&n->returned_at_ms);
    unsigned every_ms = n->options.return_every_ms == 0 ? RETURN_EVERY_MS
                                                        : n->options.return_every_ms;
    return now_ms - last >= every_ms &&
           atomic_compare_exchange_strong(&n->returned_at_ms, &last, now_ms);
}

/* ---- the map ---- */

void node_publish_deaf(struct repl_node *n, uint32_t group_id, bool is_deaf)
{
    struct node_group *g = &n->groups[group_id];
    pthread_mutex_lock(&n->lock);
    g->is_deaf = is_deaf;
    pthread_mutex_unlock(&n->lock);
}

void node_publish_handover(struct repl_node *n, uint32_t group_id, bool is_under_way)
{
    pthread_mutex_lock(&n->lock);
    n->groups[group_id].is_handing_over = is_under_way;
    pthread_mutex_unlock(&n->lock);
}

void node_publish_alone(struct repl_node *n, uint32_t group_id, bool is_alone)
{
    pthread_mutex_lock(&n->lock);
    n->groups[group_id].is_alone = is_alone;
    pthread_mutex_unlock(&n->lock);
}

void node_publish(struct repl_node *n, uint32_t group_id, uint64_t leader, uint64_t term,
                  uint64_t commit, const struct repl_place *place)
{
    struct node_group *g = &n->groups[group_id];
    pthread_mutex_lock(&n->lock);
    bool is_newer = term > g->term || (term == g->term && (leader != 0 || g->leader == 0));
    /* "No leader" of the same term also counts when it was us. */
    bool is_own_loss = leader == 0 && repl_raft_id_node(g->leader) == n->options.node_id;
    if (is_newer || is_own_loss) {
        if (g->leader != leader && repl_raft_id_node(leader) == n->options.node_id)
            atomic_store(&n->is_lead_news, true);
        g->leader = leader;
        g->term = term > g->term ? term : g->term;
        g->commit = commit > g->commit ? commit : g->commit;
        if (place != NULL)
            g->place = *place;
        if (leader != 0)
            g->heard_ns = clock_now_ns(n->options.clock);
    }
    pthread_mutex_unlock(&n->lock);
}

bool repl_node_leader(struct repl_node *n, uint32_t group_id, struct repl_leader *leader)
{
    if (group_id >= GROUPS_MAX)
        return false;
    struct node_group *g = &n->groups[group_id];
    pthread_mutex_lock(&n->lock);
    *leader = (struct repl_leader){.node_id = repl_raft_id_node(g->leader),
                                   .term = g->term,
                                   .commit_index = g->commit,
                                   .heard_ns = g->heard_ns};
    pthread_mutex_unlock(&n->lock);
    struct node_peer *p = node_find_peer(n, leader->node_id);
    if (leader->node_id != 0 && p != NULL && atomic_load(&p->is_doubtful))
        leader->node_id = 0;
    return leader->node_id != 0;
}

/* ---- sending ---- */

struct posted_frame {
    struct work_item item;
    struct repl_node *node;
    uint32_t node_id;
    enum net_channel channel;
    size_t head_size;
    unsigned payload_count;
    struct slice payload[2];
    uint8_t head[];
};

static void on_posted_frame(struct work_item *item)
{
    struct posted_frame *p = item->data;
    struct net_frame frame = {.head = bytes_of(p->head, p->head_size),
                              .payload = p->payload,
                              .payload_count = p->payload_count};
    net_send(p->node->shards[0].net, p->node_id, p->channel, &frame);
    for (unsigned i = 0; i < p->payload_count; i++)
        slice_unref(&p->payload[i]);
    free(p);
}

static int post_frame(struct repl_node *n, uint32_t node_id, enum net_channel channel,
                      const struct net_frame *frame)
{
    assert(frame->payload_count <= 2);
    struct posted_frame *p = malloc(sizeof *p + frame->head.size);
    if (p == NULL)
        return UV_ENOMEM;
    *p = (struct posted_frame){.node = n,
                               .node_id = node_id,
                               .channel = channel,
                               .head_size = frame->head.size,
                               .payload_count = frame->payload_count};
    p->item.data = p;
    memcpy(p->head, frame->head.data, frame->head.size);
    for (unsigned i = 0; i < frame->payload_count; i++)
        p->payload[i] = slice_ref(frame->payload[i]);
    work_submit(n->shards[0].home, &p->item, on_posted_frame);
    return 0;
}

int node_send(struct repl_node *n, uint32_t group_id, uint32_t node_id, enum net_channel channel,
              const struct net_frame *frame)
{
    unsigned shard = n->groups[group_id].shard;
    if (channel != NET_ENTRIES && shard != 0)
        return post_frame(n, node_id, channel, frame);
    return net_send(n->shards[shard].net, node_id, channel, frame);
}

int node_send_between(struct repl_node *n, uint32_t node_id, enum repl_message_type type,
                      struct bytes rest)
{
    struct repl_message m = {.type = type,
                             .group = {.group_id = REPL_NO_GROUP},
                             .from = n->options.node_id,
                             .to = node_id,
                             .rest = rest};
    uint8_t *head = malloc(REPL_MESSAGE_ENCODED_MAX(0, rest.size));
    if (head == NULL)
        return UV_ENOMEM;
    struct net_frame frame = {.head = bytes_of(head, repl_message_encode(&m, head))};
    int err = net_send(n->shards[0].net, node_id, NET_CONTROL, &frame);
    free(head);
    return err;
}

int repl_node_send(struct repl_node *n, uint32_t node_id, struct bytes message)
{
    return node_send_between(n, node_id, REPL_APPLICATION, message);
}

/* ---- receiving ---- */

struct posted_arrival {
    struct work_item item;
    struct repl_group *group;
    struct bytes frame;
    struct buffer *owner;
};

static void on_posted_arrival(struct work_item *item)
{
    struct posted_arrival *p = item->data;
    group_on_frame(p->group, p->frame, p->owner);
    buffer_unref(p->owner);
    free(p);
}

static void on_frame_between_nodes(struct repl_node *n, uint32_t node_id, struct bytes frame,
                                   struct buffer *owner)
{
    struct repl_message m;
    if (repl_message_decode(frame, owner, NULL, &m) != 0)
        return;
    if (m.type == REPL_HEARTBEAT)
        node_on_beats(n, node_id, m.rest);
    else if (m.type == REPL_APPLICATION && n->options.on_application != NULL)
        n->options.on_application(n->options.application_data, node_id, m.rest, owner);
}

static void on_frame(void *data, uint32_t node_id, enum net_channel channel, struct bytes frame,
                     struct buffer *owner)
{
    struct node_shard *s = data;
    struct repl_node *n = s->node;
    uint32_t group_id = repl_message_group_id(frame);
    (void)channel;
    if (group_id == REPL_NO_GROUP) {
        if (s->index == 0)
            on_frame_between_nodes(n, node_id, frame, owner);
        return;
    }
    if (group_id >= GROUPS_MAX || n->groups[group_id].group == NULL ||
        repl_raft_id_node(repl_message_from(frame)) != node_id)
        return; /* not ours, or in another's name: the handshake knows who speaks */
    struct node_group *g = &n->groups[group_id];
    if (g->shard == s->index) {
        group_on_frame(g->group, frame, owner);
        return;
    }
    struct posted_arrival *p = malloc(sizeof *p);
    if (p == NULL)
        return; /* as a lost frame */
    *p = (struct posted_arrival){.group = g->group, .frame = frame, .owner = buffer_ref(owner)};
    p->item.data = p;
    work_submit(n->shards[g->shard].home, &p->item, on_posted_arrival);
}

static void on_alive(void *data, uint32_t node_id)
{
    struct node_shard *s = data;
    struct node_peer *p = s->index == 0 ? add_peer(s->node, node_id)
                                        : node_find_peer(s->node, node_id);
    if (p == NULL)
        return;
    atomic_store(&p->alive_ns, clock_now_ns(s->node->options.clock));
    atomic_store(&p->is_lost, false);
    atomic_store(&p->is_doubtful, false);
}

static void on_up(void *data, uint32_t node_id)
{
    struct node_shard *s = data;
    if (s->index != 0)
        return;
    on_alive(data, node_id);
    struct node_peer *p = node_find_peer(s->node, node_id);
    if (p != NULL)
        atomic_store(&p->back_ns, clock_now_ns(s->node->options.clock));
    if (p != NULL)
        p->is_ignored = false; /* it may have been put away, and be another one */
}

/* Refused: nobody listens there. Reset: the links reconnect at once; a process that died refuses
 * then, one that lives sends bytes. Until one of both nobody is told that it leads: who asks now
 * has probably lost it too, and would be sent back there. */
static void on_down(void *data, uint32_t node_id, int is_refused)
{
    struct node_shard *s = data;
    if (s->index != 0)
        return;
    struct node_peer *p = add_peer(s->node, node_id);
    if (p == NULL)
        return;
    atomic_store(&p->is_doubtful, true);
    if (is_refused)
        atomic_store(&p->is_lost, true);
}

struct net_handler repl_node_handler(struct repl_node *n, unsigned shard)
{
    assert(shard < REPL_SHARDS_MAX);
    n->shards[shard].node = n;
    n->shards[shard].index = shard;
    return (struct net_handler){.data = &n->shards[shard],
                                .on_frame = on_frame,
                                .on_alive = on_alive,
                                .on_up = on_up,
                                .on_down = on_down};
}

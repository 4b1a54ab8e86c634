/* Who lives and who leads: heartbeats between nodes, and what follows from silence.
 *
 * One frame for all groups that this node leads, to every peer; any byte of a peer is a sign of its
 * life. A peer that is silent for gone_ms, or whose host refuses to connect, is gone: the groups
 * are told, each on its shard, and judge for themselves. */
#include <stdlib.h>

#include "base/err.h"
#include "base/event.h"
#include "node_state.h"

#define PUBLISHED_MS_MAX 1000 /* a leader's own word, without which it is not told on */

/* ---- heartbeats: u16 groups, per group u32 id, u64 leader, u64 term, u64 commit ----
 * "I am about to stop" is a row of its own, of no group: a release that does not know it passes
 * over it. */

#define BEAT_SIZE 28

static uint64_t own_raft_id(const struct repl_node *n)
{
    return repl_raft_id(n->options.node_id, n->options.incarnation);
}

static uint8_t *encode_beat(uint8_t *at, uint32_t group_id, uint64_t leader, uint64_t term,
                            uint64_t commit)
{
    at = bytes_put_le32(at, group_id);
    at = bytes_put_le64(at, leader);
    at = bytes_put_le64(at, term);
    return bytes_put_le64(at, commit);
}

static size_t encode_beats(struct repl_node *n, uint8_t *into)
{
    uint16_t count = 0;
    uint64_t now_ns = clock_now_ns(n->options.clock);
    uint8_t *at = into + 2;
    if (node_is_leaving(n)) {
        at = encode_beat(at, REPL_NO_GROUP, own_raft_id(n), 0, 0);
        count++;
    }
    pthread_mutex_lock(&n->lock);
    for (uint32_t id = 0; id < GROUPS_MAX; id++) {
        const struct node_group *g = &n->groups[id];
        if (g->group == NULL || repl_raft_id_node(g->leader) != n->options.node_id ||
            now_ns - g->heard_ns > PUBLISHED_MS_MAX * 1000000ull)
            continue;
        at = encode_beat(at, id, g->leader, g->term, g->commit);
        count++;
    }
    pthread_mutex_unlock(&n->lock);
    bytes_put_le16(into, count);
    return (size_t)(at - into);
}

static void beat(struct repl_node *n)
{
    static _Thread_local uint8_t beats[2 + (1 + GROUPS_MAX) * BEAT_SIZE];
    struct bytes rest = bytes_of(beats, encode_beats(n, beats));
    for (unsigned i = 0; i < REPL_NODES_MAX; i++)
        if (n->peers[i].node_id != 0)
            node_send_between(n, n->peers[i].node_id, REPL_HEARTBEAT, rest);
}

struct posted_beat {
    struct work_item item;
    struct repl_group *group;
    uint64_t leader, term, commit;
    uint32_t gone_node_id; /* instead: this node is gone */
};

static void on_posted_beat(struct work_item *item)
{
    struct posted_beat *p = item->data;
    if (p->gone_node_id != 0)
        group_on_node_gone(p->group, p->gone_node_id);
    else
        group_on_heartbeat(p->group, p->leader, p->term, p->commit);
    free(p);
}

static void post_to_group(struct repl_node *n, uint32_t group_id, const struct posted_beat *beat)
{
    struct posted_beat *p = malloc(sizeof *p);
    if (p == NULL)
        return; /* as a lost heartbeat: the next comes */
    *p = *beat;
    p->group = n->groups[group_id].group;
    p->item.data = p;
    work_submit(n->shards[n->groups[group_id].shard].home, &p->item, on_posted_beat);
}

static void hear_beat(struct repl_node *n, uint32_t group_id, const struct posted_beat *beat)
{
    if (group_id >= GROUPS_MAX)
        return;
    struct node_group *g = &n->groups[group_id];
    pthread_mutex_lock(&n->lock);
    bool is_current = beat->term > g->term ||
                      (beat->term == g->term && (g->leader == 0 || g->leader == beat->leader));
    if (is_current) {
        n->has_changed |= g->leader != beat->leader;
        g->leader = beat->leader;
        g->term = beat->term;
        g->commit = beat->commit > g->commit ? beat->commit : g->commit;
        g->heard_ns = clock_now_ns(n->options.clock);
    }
    pthread_mutex_unlock(&n->lock);
    if (is_current && g->group != NULL && g->shard == 0)
        group_on_heartbeat(g->group, beat->leader, beat->term, beat->commit);
    else if (is_current && g->group != NULL)
        post_to_group(n, group_id, beat);
}

/* Who is alive and says nothing of groups is founding, or still reading its disk. */
static void note_beat(struct repl_node *n, uint32_t node_id, bool is_leaving)
{
    for (unsigned i = 0; i < REPL_NODES_MAX; i++) {
        struct node_peer *p = &n->peers[i];
        if (p->node_id != node_id)
            continue;
        atomic_store(&p->was_known, true);
        bool is_first = !atomic_exchange(&p->has_beaten, true);
        bool is_news = atomic_exchange(&p->is_leaving, is_leaving) != is_leaving;
        if (is_first || is_news)
            atomic_store(&p->since_ms, clock_now_ms(n->options.clock));
        if (is_news)
            event_info(is_leaving ? "peer_leaving" : "peer_stays", "peer=%u", node_id);
    }
}

void node_on_beats(struct repl_node *n, uint32_t node_id, struct bytes beats)
{
    bool is_leaving = false;
    struct bytes_reader r = bytes_reader_of(beats);
    unsigned count = bytes_read_le16(&r);
    if (bytes_reader_left(&r) != count * (size_t)BEAT_SIZE)
        return;
    for (unsigned i = 0; i < count; i++) {
        struct posted_beat beat = {0};
        uint32_t group_id = bytes_read_le32(&r);
        beat.leader = bytes_read_le64(&r);
        beat.term = bytes_read_le64(&r);
        beat.commit = bytes_read_le64(&r);
        if (repl_raft_id_node(beat.leader) != node_id)
            continue; /* each leader tells of itself */
        if (group_id == REPL_NO_GROUP)
            is_leaving = true;
        else
            hear_beat(n, group_id, &beat);
    }
    note_beat(n, node_id, is_leaving);
}

/* ---- liveness ---- */

static void tell_gone(struct repl_node *n, uint32_t node_id)
{
    struct posted_beat beat = {.gone_node_id = node_id};
    event_info("peer_gone", "peer=%u", node_id);
    pthread_mutex_lock(&n->lock);
    for (uint32_t id = 0; id < GROUPS_MAX; id++)
        if (repl_raft_id_node(n->groups[id].leader) == node_id && n->groups[id].leader != 0)
            n->groups[id].leader = 0;
    pthread_mutex_unlock(&n->lock);
    for (uint32_t id = 0; id < GROUPS_MAX; id++) {
        if (n->groups[id].group == NULL)
            continue;
        if (n->groups[id].shard == 0)
            group_on_node_gone(n->groups[id].group, node_id);
        else
            post_to_group(n, id, &beat);
    }
    n->has_changed = true;
}

static void watch_peer(struct repl_node *n, struct node_peer *p)
{
    uint64_t now_ns = clock_now_ns(n->options.clock);
    uint64_t alive_ns = atomic_load(&p->alive_ns);
    bool is_silent = now_ns > alive_ns && now_ns - alive_ns > n->options.gone_ms * 1000000ull;
    bool is_alive = alive_ns != 0 && !is_silent && !atomic_load(&p->is_lost);
    if (is_alive == atomic_load(&p->is_alive))
        return;
    atomic_store(&p->since_ms, now_ns / 1000000);
    atomic_store(&p->is_alive, is_alive);
    n->has_changed = true;
    if (is_alive) {
        event_info("peer_alive", "peer=%u", p->node_id);
        n->is_beat_due = true; /* it wants to know who leads, and that we may */
    } else {
        atomic_store(&p->has_beaten, false);
        tell_gone(n, p->node_id);
    }
}

void repl_node_tick(struct repl_node *n)
{
    uint64_t now_ms = clock_now_ms(n->options.clock);
    for (unsigned i = 0; i < REPL_NODES_MAX; i++)
        if (n->peers[i].node_id != 0)
            watch_peer(n, &n->peers[i]);
    /* Peers hear that this node leaves before its groups hand leadership over. */
    bool is_due = n->is_beat_due || (atomic_load(&n->should_leave) && !node_is_leaving(n));
    if (is_due || now_ms - n->beaten_at_ms >= n->options.heartbeat_ms) {
        n->beaten_at_ms = now_ms;
        n->is_beat_due = false;
        atomic_store(&n->is_leaving, atomic_load(&n->should_leave));
        beat(n);
    }
    if (n->has_changed) {
        n->has_changed = false;
        if (n->options.on_change != NULL)
            n->options.on_change(n->options.change_data);
    }
}

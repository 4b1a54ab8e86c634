/* Who lives and who leads: heartbeats between nodes, and what follows from silence.
 *
 * One frame for all groups that this node leads, to every peer; any byte of a peer is a sign of its
 * life. A peer that is silent for gone_ms, or whose host refuses to connect, is gone: the groups
 * are told, each on its shard, and judge for themselves. While this process stood still, nobody was
 * silent: what they sent waits to be read. Only a word of its own makes a peer that is gone alive.
 *
 * A leader that hears no majority says so, for as long as it is heard itself: its followers need
 * not wait until raft makes it step down. */
#include <stdlib.h>

#include "base/err.h"
#include "base/event.h"
#include "node_state.h"

#define PUBLISHED_MS_MAX 1000 /* a leader's own word, without which it is not told on */

#define ROUND_TRIP_NS_MAX UINT64_C(60000000000)

#define FLAP_MS  60000 /* lost again within: it comes and goes */
#define AWAKE_MS 100   /* ticks further apart: this process stood still */

/* ---- heartbeats ---- */

/* Rows behind the place of the head; what the head says of this node is filled in. */
static size_t encode_rows(struct repl_node *n, struct repl_beat *head, uint8_t *into)
{
    uint64_t now_ns = clock_now_ns(n->options.clock);
    uint8_t *at = into + REPL_BEAT_HEAD_SIZE;
    pthread_mutex_lock(&n->lock);
    head->disk = n->disk;
    election_report(&n->elections, &head->elections);
    election_report(&n->transfers, &head->transfers);
    for (uint32_t id = 0; id < GROUPS_MAX; id++) {
        const struct node_group *g = &n->groups[id];
        if (g->group == NULL || repl_raft_id_node(g->leader) != n->options.node_id ||
            now_ns - g->heard_ns > PUBLISHED_MS_MAX * 1000000ull)
            continue;
        struct repl_beat_row row = {.group_id = id,
                                    .leader = g->leader,
                                    .term = g->term,
                                    .commit = g->commit,
                                    .is_deaf = g->is_deaf,
                                    .position = g->place.position,
                                    .totals = g->place.totals,
                                    .wall_ms = g->place.wall_ms};
        at = repl_beat_row_encode(&row, at);
        head->row_count++;
    }
    pthread_mutex_unlock(&n->lock);
    return (size_t)(at - into);
}

/* Each peer gets back the clock that it sent last, with how long that was here: so it knows how
 * long a message takes to and fro. */
static void encode_times(struct repl_node *n, const struct node_peer *p, struct repl_beat *head)
{
    uint64_t now_ns = clock_now_ns(n->options.clock);
    uint64_t held_us = (now_ns - p->echo_at_ns) / 1000;
    head->sent_ns = now_ns;
    head->echo_ns = held_us <= UINT32_MAX ? p->echo_ns : 0;
    head->held_us = held_us <= UINT32_MAX ? (uint32_t)held_us : 0;
}

static void hear_times(struct repl_node *n, struct node_peer *p, const struct repl_beat *beat)
{
    uint64_t now_ns = clock_now_ns(n->options.clock);
    uint64_t held_ns = beat->held_us * UINT64_C(1000);
    p->echo_ns = beat->sent_ns;
    p->echo_at_ns = now_ns;
    if (beat->echo_ns == 0 || beat->echo_ns + held_ns > now_ns ||
        now_ns - beat->echo_ns - held_ns > ROUND_TRIP_NS_MAX)
        return; /* of a life before, or nonsense */
    uint32_t us = (uint32_t)((now_ns - beat->echo_ns - held_ns) / 1000);
    uint32_t mean = atomic_load(&p->round_trip_us);
    atomic_store(&p->round_trip_us, mean == 0 ? us + 1 : (uint32_t)((mean * 7ull + us) / 8) + 1);
}

static void beat(struct repl_node *n)
{
    static _Thread_local uint8_t beats[REPL_BEAT_HEAD_SIZE + GROUPS_MAX * REPL_BEAT_ROW_SIZE];
    struct repl_beat head = {.is_leaving = node_is_leaving(n)};
    struct bytes rest = bytes_of(beats, encode_rows(n, &head, beats));
    for (unsigned i = 0; i < REPL_NODES_MAX; i++) {
        if (n->peers[i].node_id == 0)
            continue;
        encode_times(n, &n->peers[i], &head);
        repl_beat_encode(&head, beats);
        node_send_between(n, n->peers[i].node_id, REPL_HEARTBEAT, rest);
    }
}

struct posted_beat {
    struct work_item item;
    struct repl_group *group;
    struct repl_beat_row row;
    uint32_t gone_node_id; /* instead: this node is gone */
};

static void on_posted_beat(struct work_item *item)
{
    struct posted_beat *p = item->data;
    if (p->gone_node_id != 0)
        group_on_node_gone(p->group, p->gone_node_id);
    else
        group_on_heartbeat(p->group, &p->row);
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

/* A leader that hears nobody is none: nothing that it is asked for can be done. */
static void hear_beat(struct repl_node *n, const struct repl_beat_row *row)
{
    if (row->group_id >= GROUPS_MAX)
        return;
    struct node_group *g = &n->groups[row->group_id];
    uint64_t leader = row->is_deaf ? 0 : row->leader;
    pthread_mutex_lock(&n->lock);
    bool is_current = row->term > g->term ||
                      (row->term == g->term && (g->leader == 0 || g->leader == row->leader));
    if (is_current) {
        n->has_changed |= g->leader != leader;
        g->leader = leader;
        g->term = row->term;
        g->commit = row->commit > g->commit ? row->commit : g->commit;
        if (!row->is_deaf)
            g->heard_ns = clock_now_ns(n->options.clock);
    }
    pthread_mutex_unlock(&n->lock);
    if (is_current && g->group != NULL && g->shard == 0)
        group_on_heartbeat(g->group, row);
    else if (is_current && g->group != NULL)
        post_to_group(n, row->group_id, &(struct posted_beat){.row = *row});
}

/* Who is alive and says nothing of groups is founding, or still reading its disk. */
static void note_beat(struct repl_node *n, uint32_t node_id, const struct repl_beat *beat)
{
    bool is_leaving = beat->is_leaving;
    for (unsigned i = 0; i < REPL_NODES_MAX; i++) {
        struct node_peer *p = &n->peers[i];
        if (p->node_id != node_id)
            continue;
        atomic_store(&p->was_known, true);
        hear_times(n, p, beat);
        node_hear_elections(n, p, beat);
        bool is_first = !atomic_exchange(&p->has_beaten, true);
        bool is_news = atomic_exchange(&p->is_leaving, is_leaving) != is_leaving;
        bool is_disk_news = node_hear_disk(n, p, &beat->disk);
        if (is_disk_news)
            event_info("peer_disk", "peer=%u state=%s", node_id,
                       repl_disk_state_name(beat->disk.state));
        if (is_first || is_news || is_disk_news)
            atomic_store(&p->since_ms, clock_now_ms(n->options.clock));
        if (is_news)
            event_info(is_leaving ? "peer_leaving" : "peer_stays", "peer=%u", node_id);
    }
}

void node_on_beats(struct repl_node *n, uint32_t node_id, struct bytes beats)
{
    struct repl_beat beat;
    struct repl_beat_row row;
    struct bytes rows;
    if (repl_beat_decode(beats, &beat, &rows) != 0)
        return;
    note_beat(n, node_id, &beat);
    const struct node_peer *peer = node_find_peer(n, node_id);
    if (peer != NULL && peer->is_ignored)
        return;
    for (unsigned i = 0; i < beat.row_count; i++) {
        repl_beat_row_decode(&beat, rows, i, &row);
        if (repl_raft_id_node(row.leader) == node_id) /* each leader tells of itself */
            hear_beat(n, &row);
    }
}

/* Rows carry no generation. The term goes as well: it may be above that of our own leaders, who
 * would never be taken for newer. */
void repl_node_ignore_leaders(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (p == NULL || p->is_ignored)
        return;
    p->is_ignored = true;
    pthread_mutex_lock(&n->lock);
    for (uint32_t id = 0; id < GROUPS_MAX; id++)
        if (repl_raft_id_node(n->groups[id].leader) == node_id) {
            n->has_changed |= n->groups[id].leader != 0;
            n->groups[id].leader = n->groups[id].term = n->groups[id].commit = 0;
        }
    pthread_mutex_unlock(&n->lock);
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

static void note_loss(struct node_peer *p, uint64_t now_ms)
{
    bool is_again = atomic_load(&p->flaps) > 0 && now_ms - atomic_load(&p->lost_ms) < FLAP_MS;
    atomic_store(&p->flaps, is_again ? atomic_load(&p->flaps) + 1 : 1);
    atomic_store(&p->lost_ms, now_ms);
}

static void watch_peer(struct repl_node *n, struct node_peer *p)
{
    uint64_t now_ns = clock_now_ns(n->options.clock);
    uint64_t alive_ns = atomic_load(&p->alive_ns), since_ns = alive_ns;
    /* Who was gone already is so until it says something. */
    if (atomic_load(&p->is_alive) && n->awake_since_ns > since_ns)
        since_ns = n->awake_since_ns;
    bool is_silent = now_ns > since_ns && now_ns - since_ns > n->options.gone_ms * 1000000ull;
    bool is_alive = alive_ns != 0 && !is_silent && !atomic_load(&p->is_lost);
    if (is_alive == atomic_load(&p->is_alive))
        return;
    atomic_store(&p->since_ms, now_ns / 1000000);
    atomic_store(&p->is_alive, is_alive);
    n->has_changed = true;
    if (is_alive) {
        atomic_store(&p->back_ns, now_ns);
        event_info("peer_alive", "peer=%u", p->node_id);
        n->is_beat_due = true; /* it wants to know who leads, and that we may */
    } else {
        atomic_store(&p->has_beaten, false);
        note_loss(p, now_ns / 1000000);
        tell_gone(n, p->node_id);
    }
}

void repl_node_tick(struct repl_node *n)
{
    uint64_t now_ms = clock_now_ms(n->options.clock);
    if (n->ticked_at_ms != 0 && now_ms - n->ticked_at_ms > AWAKE_MS)
        n->awake_since_ns = clock_now_ns(n->options.clock);
    n->ticked_at_ms = now_ms;
    for (unsigned i = 0; i < REPL_NODES_MAX; i++)
        if (n->peers[i].node_id != 0)
            watch_peer(n, &n->peers[i]);
    /* Peers hear that this node leaves before its groups hand leadership over. */
    bool is_due = n->is_beat_due || (atomic_load(&n->should_leave) && !node_is_leaving(n));
    is_due |= atomic_exchange(&n->is_disk_news, false);
    is_due |= atomic_exchange(&n->is_lead_news, false);
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

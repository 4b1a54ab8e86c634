/* A node that runs, and how it stops.
 *
 * Each shard's loop turn does, in this order: its groups (submit, send, apply), what waits for
 * them, and the answers to clients. Ticks see to time; what is rare goes by larger steps of them.
 */
#include "node.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/event.h"
#include "controller.h"
#include "consumer/coordinator.h"
#include "upkeep/disk_watch.h"
#include "start/founding.h"
#include "membership/forecast.h"
#include "membership/lag.h"
#include "membership/level.h"
#include "server/listener.h"
#include "upkeep/maintain.h"
#include "membership/member.h"
#include "membership/node_drive.h"
#include "node_parts.h"
#include "membership/node_peers.h"
#include "produce_path.h"
#include "membership/topic_drive.h"
#include "membership/topic_move.h"
#include "membership/rebuild.h"
#include "membership/recovered.h"
#include "membership/recovery_outcome.h"
#include "membership/switch_drive.h"
#include "site/canary.h"
#include "site/drive.h"

#define TICK_MS          10
#define MAINTAIN_MS      1000
#define TRIM_MS          100
#define LEVEL_TICKS      20
#define PLACE_MS         250 /* between two steps of a group's members */
#define HAND_OVER_MS_MAX 2000

/* ---- turns and ticks ---- */

static void on_turn(void *data)
{
    struct node_shard *s = data;
    struct broker *b = &s->node->broker;
    for (unsigned i = 0; i < b->group_count; i++)
        if (b->groups[i]->shard == s->shard) {
            repl_group_turn(b->groups[i]->raft);
            produce_group_turn(b->groups[i]);
        }
    client_shard_turn(&s->node->client_shards[shard_index(s->shard)]);
}

static void tick_group(struct broker_group *g, uint64_t now_ms)
{
    recovered_group_tick(g);
    repl_group_tick(g->raft);
    disk_watch_group(g);
    level_watch(g);
    coordinator_tick(g->coordinator);
    topic_move_tick(g);
    if (g->group_id == 0) {
        controller_tick(g->broker->controller);
        site_drive(g);
    }
    if (now_ms - g->trimmed_at_ms >= TRIM_MS) {
        g->trimmed_at_ms = now_ms;
        maintain_tails(g);
    }
    if (now_ms - g->placed_at_ms >= PLACE_MS) {
        g->placed_at_ms = now_ms;
        repl_group_set_cache(g->raft, node_cache_share(g->broker));
        member_maintain(g);
        if (g->group_id == 0) {
            node_drive(g);
            topic_drive(g);
            switch_drive(g);
        }
    }
    if (now_ms - g->maintained_at_ms < MAINTAIN_MS)
        return;
    g->maintained_at_ms = now_ms;
    maintain_group(g);
    rebuild_note_group(g->broker->rebuild, g);
    if (g->group_id == 0) {
        maintain_cluster(g);
        rebuild_watch(g->broker->rebuild);
    } else {
        maintain_partitions(g);
    }
}

/* Empty nodes of ours are told how to join; repeated until they have a cluster. */
static void invite_empty(struct node *n)
{
    struct broker *b = &n->broker;
    uint8_t *bytes;
    size_t size;
    uint32_t node_ids[METADATA_NODES_MAX];
    unsigned count = broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < count; i++) {
        if (!controller_is_empty(b->controller, node_ids[i]) ||
            founding_invite_encode(&n->identity, &bytes, &size) != 0)
            continue;
        struct net_frame frame = {.head = bytes_of(bytes, size)};
        net_send(peer_links_net(b->links, 0), node_ids[i], NET_CONTROL, &frame);
        free(bytes);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct node_shard *s = timer->data;
    struct broker *b = &s->node->broker;
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (shard_index(s->shard) == 0) {
        disk_watch_tick(b->disk_watch);
        repl_node_tick(b->node);
        node_peers_tick(b);
        recovered_tick(b);
        site_canary_tick(b->canary);
        if (s->tick_count++ % LEVEL_TICKS == 0) {
            level_tell(b);
            lag_tell(b);
            forecast_tick(b);
            recovered_tell(b, 0);
            recovery_outcome_tick(b);
            invite_empty(s->node);
            node_groups_look(s->node);
        }
    }
    for (unsigned i = 0; i < b->group_count; i++)
        if (b->groups[i]->shard == s->shard)
            tick_group(b->groups[i], now_ms);
    client_shard_tick(&s->node->client_shards[shard_index(s->shard)]);
}

int node_run(struct node *n)
{
    struct broker *b = &n->broker;
    for (unsigned i = 0; i < b->shard_count; i++) {
        struct node_shard *s = &n->shards[i];
        uv_timer_init(shard_loop(s->shard), &s->timer);
        s->timer.data = s;
        uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
        shard_on_turn(s->shard, on_turn, s);
    }
    for (unsigned i = 0; i < b->shard_count; i++) {
        int err = shard_start(b->shards[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

/* ---- stopping ---- */

static void on_stop(struct work_item *item)
{
    struct node_shard *s = item->data;
    struct broker *b = &s->node->broker;
    if (shard_index(s->shard) == 0) {
        listener_close(s->node->listener);
        site_canary_stop(b->canary);
    }
    client_shard_close_all(&s->node->client_shards[shard_index(s->shard)]);
    for (unsigned i = 0; i < b->group_count; i++)
        if (b->groups[i]->shard == s->shard)
            repl_group_stop(b->groups[i]->raft);
    uv_close((uv_handle_t *)&s->timer, NULL);
}

/* Clients then see a gap of some milliseconds, not an election. Bounded: a peer that is not level
 * may not become so. */
static void hand_over(struct node *n)
{
    struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
    uint64_t since_ms = clock_now_ms(&n->broker.clock), took_ms = 0;
    unsigned led_count = repl_node_leave(n->broker.node), left_count = led_count;
    while (left_count > 0 && took_ms < HAND_OVER_MS_MAX) {
        nanosleep(&pause, NULL);
        left_count = repl_node_leave(n->broker.node);
        took_ms = clock_now_ms(&n->broker.clock) - since_ms;
    }
    event_info("leadership_handed_over", "groups=%u left=%u ms=%llu", led_count, left_count,
               (unsigned long long)took_ms);
}

/* The process ends right after this, and whatever was acknowledged is durable already: so what
 * is under way is not waited for, only told to clients and peers by closed connections. */
void node_stop(struct node *n)
{
    struct broker *b = &n->broker;
    if (!atomic_load(&b->should_restart)) /* what it leads then is of a generation that is over */
        hand_over(n);
    atomic_store(&b->is_stopping, true);
    for (unsigned i = 0; i < b->shard_count; i++) {
        n->shards[i].stop_item.data = &n->shards[i];
        shard_post(b->shards[i], &n->shards[i].stop_item, on_stop);
    }
    peer_links_stop(b->links);
    for (unsigned i = 0; i < b->shard_count; i++)
        shard_stop(b->shards[i]);
    close(n->lock_descriptor);
}

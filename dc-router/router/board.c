#include "router/board.h"

#include <stdio.h>
#include <string.h>

#include "router/router.h"

#define WRITE_EVERY_MS 200

const char *trouble_name(enum trouble trouble)
{
    static const char *const names[TROUBLE_COUNT] = {
        [TROUBLE_CLIENT_ENDED] = "client_ended",   [TROUBLE_CLIENT_LIMIT] = "client_limit",
        [TROUBLE_HELD_TOO_LONG] = "held_too_long", [TROUBLE_UNKNOWN_FATE] = "unknown_fate",
        [TROUBLE_NOT_ALLOWED] = "not_allowed",     [TROUBLE_BACKLOG] = "backlog",
    };
    return names[trouble];
}

void board_init(struct board *b)
{
    pthread_mutex_init(&b->lock, NULL);
}

static void note_node(struct board_node *into, const struct router_node *n)
{
    *into = (struct board_node){.id = n->id, .port = n->port, .is_up = router_node_is_up(n)};
    snprintf(into->host, sizeof into->host, "%s", n->host);
    snprintf(into->site, sizeof into->site, "%s", n->site);
    into->connections = n->lanes[LANE_OTHERS].count + n->lanes[LANE_GROUPS].count;
    for (unsigned kind = 0; kind < NODE_PIPE_KINDS; kind++) {
        for (unsigned i = 0; i < NODE_PIPES_MAX; i++) {
            const struct upstream *pipe = n->pipes[kind][i];
            into->connections += pipe != NULL;
            into->calls += pipe == NULL ? 0 : upstream_call_count(pipe);
        }
    }
    for (unsigned kind = 0; kind < LANE_KINDS; kind++)
        for (const struct lane *lane = n->lanes[kind].first; lane != NULL; lane = lane->next)
            into->calls += lane->is_busy;
}

static void write_notes(struct router_shard *s, struct board_notes *into, uint64_t now_ms)
{
    into->written_ms = now_ms;
    into->settings_number = s->settings_number;
    into->counts = s->counts;
    into->clients = s->client_count;
    into->is_drained = s->is_draining && s->client_count == 0;
    into->held_bytes = s->held_bytes;
    into->topics = HASH_COUNT(s->map.topics);
    into->groups = HASH_COUNT(s->map.groups);
    into->view = s->view;
    into->node_count = 0;
    for (const struct router_node *n = s->pool.nodes; n != NULL; n = n->next)
        note_node(&into->nodes[into->node_count++], n);
}

void board_tick(struct router_shard *s, uint64_t now_ms)
{
    struct board *b = &s->board;
    bool is_waited_for = s->is_draining; /* for its end */
    if (b->written_ms != 0 && !is_waited_for && now_ms - b->written_ms < WRITE_EVERY_MS)
        return;
    b->written_ms = now_ms;
    pthread_mutex_lock(&b->lock);
    write_notes(s, &b->notes, now_ms);
    pthread_mutex_unlock(&b->lock);
}

void board_read(struct router_shard *s, struct board_notes *into)
{
    pthread_mutex_lock(&s->board.lock);
    *into = s->board.notes;
    pthread_mutex_unlock(&s->board.lock);
}

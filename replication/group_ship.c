/* Shipping, the source: a pinned checkpoint, piece by piece, to a replica that is behind what the
 * leader keeps. The pin stays while the peer asks; what it asks for and when is its own affair
 * (group_install.c). Between sites a piece goes compressed where that is faster (ship_gain.c). */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define PIN_IDLE_MS   30000
#define PIN_READS_MAX REPL_SHIP_ASKS_MAX

void group_ship_unpin(struct repl_group *g, struct peer *p)
{
    if (p->pin == NULL || p->pin_reads > 0)
        return;
    log_store_unpin(g->options.store, p->pin);
    p->pin = NULL;
}

bool group_ship_is_asked(const struct repl_group *g, const struct peer *p, uint64_t within_ms)
{
    raft_index match = 0;
    return p->pin != NULL && p->pin_asked_ms != 0 && !p->is_pin_damaged &&
           group_now_ms(g) - p->pin_asked_ms < within_ms &&
           raft_match_index(&g->raft, p->raft_id, &match) == 0 && match < p->pin_index;
}

void group_ship_pin(struct repl_group *g, struct peer *p)
{
    if (group_ship_is_asked(g, p, PIN_IDLE_MS))
        return; /* a newer one would make the peer begin again */
    group_ship_unpin(g, p);
    if (p->pin != NULL || log_store_pin(g->options.store, &p->pin) != 0)
        return;
    p->pin_index = log_pin_state(p->pin)->index;
    p->pin_used_ms = group_now_ms(g);
    p->pin_asked_ms = 0;
    p->is_pin_damaged = false;
}

struct piece_read {
    struct log_pin_read read; /* first */
    struct repl_group *group;
    struct peer *peer;
    struct repl_message ask;
};

static void send_piece(struct repl_group *g, const struct repl_message *ask, struct slice *piece,
                       bool is_compressed, bool is_refused)
{
    struct repl_message m;
    group_fill_message(g, REPL_SHIP_PIECE, ask->from, &m);
    m.round = ask->round;
    m.last_index = ask->last_index;
    m.file = ask->file;
    m.position = ask->position;
    m.is_refused = is_refused;
    m.may_compress = ask->may_compress;
    m.is_compressed = is_compressed;
    group_send_message(g, NET_SHIPPING, &m, piece, piece == NULL ? 0 : 1);
}

static void count_piece(struct piece_read *pr)
{
    struct log_pin_read *read = &pr->read;
    size_t wire_bytes = read->piece.bytes.size;
    pr->group->counters.shipped_bytes += read->size;
    pr->group->counters.shipped_wire_bytes += wire_bytes;
    if (read->compress_clock != NULL)
        ship_gain_tried(&pr->peer->ship_gain, read->size, wire_bytes, read->compress_ns);
}

static void on_piece_read(struct log_pin_read *read, int status)
{
    struct piece_read *pr = (struct piece_read *)read;
    pr->peer->pin_reads--;
    pr->peer->pin_read_bytes -= pr->ask.size;
    pr->peer->is_pin_damaged |= status != 0;
    if (!group_is_leader(pr->group))
        group_ship_unpin(pr->group, pr->peer); /* the leadership ended with it being read */
    if (status == 0)
        count_piece(pr);
    if (!group_is_over(pr->group))
        send_piece(pr->group, &pr->ask, status == 0 ? &read->piece : NULL, read->is_compressed,
                   status != 0);
    if (status == 0)
        slice_unref(&read->piece);
    free(pr);
}

/* In pages as large as the peer wants them; it has seen the end when one is shorter. A peer of the
 * release before names no size and gets all at once. */
static void send_contents(struct repl_group *g, struct peer *p, const struct repl_message *ask)
{
    struct bytes contents = log_pin_contents(p->pin);
    if (ask->position > contents.size) {
        send_piece(g, ask, NULL, false, true);
        return;
    }
    contents = bytes_of(contents.data + ask->position, contents.size - (size_t)ask->position);
    if (ask->size > 0 && contents.size > ask->size)
        contents.size = ask->size;
    struct buffer *copy = buffer_create(contents.size);
    if (copy == NULL)
        return;
    if (contents.size > 0)
        memcpy(copy->data, contents.data, contents.size);
    struct slice piece = {.owner = copy, .bytes = bytes_of(copy->data, contents.size)};
    send_piece(g, ask, &piece, false, false);
    buffer_unref(copy);
}

/* Within a site links are wide, and processors are what producers need. */
static bool should_compress(struct repl_group *g, struct peer *p, const struct repl_message *ask)
{
    return ask->may_compress &&
           !configuration_is_same_site(&g->raft.configuration, g->options.raft_id, p->raft_id) &&
           ship_gain_should_try(&p->ship_gain, node_ship_compression(g->options.node),
                                (uint64_t)ask->link_kib_per_second << 10, ask->size);
}

void group_ship_on_ask(struct repl_group *g, const struct repl_message *m)
{
    struct peer *p = group_find_peer(g, m->from);
    if (p == NULL || !group_is_leader(g) || p->pin == NULL || p->pin_index != m->last_index) {
        send_piece(g, m, NULL, false, true);
        return;
    }
    p->pin_used_ms = p->pin_asked_ms = group_now_ms(g);
    p->heard_ns = clock_now_ns(g->options.clock);
    if (m->file == REPL_SHIP_CONTENTS) {
        send_contents(g, p, m);
        return;
    }
    struct piece_read *pr = p->pin_reads < PIN_READS_MAX ? calloc(1, sizeof *pr) : NULL;
    if (pr == NULL)
        return; /* it asks again */
    pr->group = g;
    pr->peer = p;
    pr->ask = *m;
    pr->read.pin = p->pin;
    pr->read.file = m->file;
    pr->read.position = m->position;
    pr->read.size_max = m->size;
    ship_gain_on_ask(&p->ship_gain, p->pin_read_bytes);
    pr->read.compress_clock = should_compress(g, p, m) ? g->options.clock : NULL;
    p->pin_reads++;
    p->pin_read_bytes += m->size;
    log_pin_read(g->options.store, &pr->read, on_piece_read);
}

void group_ship_tick(struct repl_group *g)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        if (g->peers[i].pin != NULL && group_now_ms(g) - g->peers[i].pin_used_ms > PIN_IDLE_MS)
            group_ship_unpin(g, &g->peers[i]);
}

/* What leaves a replica.
 *
 * libraft says which entries a peer is to get and takes them as sent. We send them as the peer's
 * window allows: a range of indexes is kept per peer, and each turn takes from its front what fits.
 * A frame that is lost shows as a gap at the follower, whose refusal brings libraft back to what
 * it knows. A configuration entry is always first in its message (libraft reads its index wrongly
 * otherwise). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "group_internal.h"

#define READ_BYTES (4u << 20)
#define RETRY_MS   5  /* after the network took nothing: about a tick */
#define SPARE_MS   50 /* between looks at a peer whose disk has no room */

static void drop_read(struct peer *p)
{
    p->is_read_stale = p->is_reading;
    if (p->read == NULL || p->is_reading)
        return; /* the callback frees it */
    for (unsigned i = 0; i < p->read->entry_count; i++) {
        slice_unref(&p->read->entries[i].head);
        slice_unref(&p->read->entries[i].body);
    }
    free(p->read);
    p->read = NULL;
}

/* ---- the window ---- */

static void take_window(struct repl_group *g, struct peer *p, size_t bytes)
{
    if (p->window_bytes == 0)
        p->acked = p->from - 1;
    p->window_bytes += node_window_take(g->options.node, p->node_id, bytes);
}

static void give_window(struct repl_group *g, struct peer *p, size_t bytes)
{
    p->window_bytes -= bytes;
    node_window_give(g->options.node, p->node_id, bytes);
}

/* By the share of entries, not by their sizes, which are not remembered: it is exact whenever all
 * that was sent is acknowledged. */
void group_window_acknowledge(struct repl_group *g, struct peer *p, uint64_t index)
{
    if (p->window_bytes == 0 || index <= p->acked)
        return;
    uint64_t sent_count = p->from - 1 - p->acked, count = index - p->acked;
    p->acked = index;
    p->retry_ms = 0; /* there may be room now */
    give_window(g, p,
                count >= sent_count
                    ? p->window_bytes
                    : (size_t)((double)p->window_bytes * (double)count / (double)sent_count));
}

/* What was sent of the range is given up: lost, or another term's. */
static void forget_window(struct repl_group *g, struct peer *p)
{
    give_window(g, p, p->window_bytes);
}

static void forget_range(struct repl_group *g, struct peer *p)
{
    forget_window(g, p);
    p->base = p->to = 0;
    p->from = 1;
}

struct peer *group_find_peer(struct repl_group *g, uint64_t raft_id)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        if (g->peers[i].raft_id == raft_id)
            return &g->peers[i];
    return NULL;
}

static bool is_member(const struct repl_group *g, uint64_t raft_id)
{
    for (unsigned i = 0; i < g->raft.configuration.n; i++)
        if (g->raft.configuration.servers[i].id == raft_id)
            return true;
    return false;
}

/* A place that is unused, or whose replica has left the group. */
static struct peer *free_place(struct repl_group *g)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++) {
        struct peer *p = &g->peers[i];
        if (p->raft_id == 0)
            return p;
        if (is_member(g, p->raft_id) || p->is_reading || p->pin_reads > 0)
            continue;
        drop_read(p);
        forget_window(g, p);
        group_ship_unpin(g, p);
        return p;
    }
    return NULL;
}

struct peer *group_peer(struct repl_group *g, uint64_t raft_id)
{
    struct peer *p = group_find_peer(g, raft_id);
    if (p != NULL || !is_member(g, raft_id) || (p = free_place(g)) == NULL)
        return p;
    *p = (struct peer){
        .raft_id = raft_id, .node_id = repl_raft_id_node(raft_id), .group = g, .from = 1};
    return p;
}

void group_forget_peers(struct repl_group *g)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++) {
        struct peer *p = &g->peers[i];
        forget_range(g, p);
        p->beaten_ms = 0;
        p->told_commit = 0;
        p->acked_round = 0;
        p->is_install_due = false;
        p->install_index_min = 0;
        drop_read(p);
        group_ship_unpin(g, p);
    }
}

int group_send_message(struct repl_group *g, enum net_channel channel, const struct repl_message *m,
                       const struct slice *payload, unsigned payload_count)
{
    bool is_leaders = m->type == REPL_APPEND || m->type == REPL_INSTALL;
    if (g->is_set_aside || (g->is_deaf && is_leaders))
        return ERR_CLOSED;
    size_t room = REPL_MESSAGE_ENCODED_MAX(m->entry_count, m->configuration.size + m->rest.size);
    uint8_t small[2048];
    uint8_t *head = room <= sizeof small ? small : malloc(room);
    if (head == NULL)
        return UV_ENOMEM;
    struct net_frame frame = {.head = bytes_of(head, repl_message_encode(m, head)),
                              .payload = payload,
                              .payload_count = payload_count};
    int err = node_send(g->options.node, g->options.identity.group_id, repl_raft_id_node(m->to),
                        channel, &frame);
    if (head != small)
        free(head);
    return err;
}

/* ---- entries ---- */

static const struct log_entry *entry_for(struct repl_group *g, struct peer *p, uint64_t index)
{
    const struct log_entry *e = cache_get(&g->cache, index);
    if (e != NULL || p->read == NULL || p->is_reading)
        return e;
    if (index < p->read->index || index >= p->read->index + p->read->entry_count)
        return NULL;
    return &p->read->entries[index - p->read->index];
}

static void on_read(struct log_wal_read *read, int status)
{
    struct peer *p = read->data;
    struct repl_group *g = p->group;
    p->is_reading = false;
    if (status != 0)
        read->entry_count = 0;
    if (p->is_read_stale) {
        drop_read(p); /* the range is another term's: it is read anew */
        return;
    }
    if (status == ERR_COMPACTED)
        group_tell_compacted(g); /* then libraft ships */
    if (status != 0 || !group_is_leader(g) || p->from > p->to) {
        drop_read(p);
        forget_range(g, p);
        return;
    }
    g->counters.entries_from_wal += read->entry_count;
    group_pump(g);
}

static void begin_read(struct repl_group *g, struct peer *p)
{
    if (p->is_reading)
        return;
    drop_read(p);
    p->read = calloc(1, sizeof *p->read);
    if (p->read == NULL)
        return; /* the next tick tries again */
    p->read->data = p;
    p->read->group_id = g->options.identity.group_id;
    p->read->index = p->from;
    p->read->size_bytes_max = READ_BYTES;
    p->read->home = g->options.home;
    p->is_reading = true;
    log_wal_read(g->options.wal, p->read, on_read);
}

/* The next message of the range: how many entries, and their payloads. */
static unsigned gather(struct repl_group *g, struct peer *p, struct log_entry *entries,
                       struct slice *payload, unsigned *payload_count, size_t *size)
{
    unsigned count = 0;
    size_t bytes = 0;
    *payload_count = 0;
    for (uint64_t index = p->from; index <= p->to && count < REPL_APPEND_ENTRIES_MAX; index++) {
        const struct log_entry *e = entry_for(g, p, index);
        if (e == NULL || (count > 0 && e->type == LOG_ENTRY_CHANGE) ||
            (count > 0 && bytes + group_append_size(e) > g->options.append_bytes_max))
            break;
        entries[count++] = *e;
        bytes += group_append_size(e);
        if (e->head.bytes.size > 0)
            payload[(*payload_count)++] = e->head;
        if (e->body.bytes.size > 0)
            payload[(*payload_count)++] = e->body;
    }
    *size = bytes;
    return count;
}

/* False when no more can be sent now. */
static bool send_front(struct repl_group *g, struct peer *p)
{
    static _Thread_local struct log_entry entries[REPL_APPEND_ENTRIES_MAX];
    static _Thread_local struct slice payload[2 * REPL_APPEND_ENTRIES_MAX];
    struct repl_message m;
    unsigned payload_count;
    size_t size;
    if (group_spares_peer(g, p->node_id)) {
        p->retry_ms = group_now_ms(g) + SPARE_MS;
        return false;
    }
    group_fill_message(g, REPL_APPEND, p->raft_id, &m);
    m.raft_version = 0;
    m.previous_index = p->from - 1;
    if (m.previous_index > 0 && !group_term_of(g, m.previous_index, &m.previous_term)) {
        forget_range(g, p);
        group_tell_compacted(g); /* then libraft ships */
        return false;
    }
    m.entry_count = gather(g, p, entries, payload, &payload_count, &size);
    if (m.entry_count == 0) {
        begin_read(g, p);
        return false;
    }
    if (p->window_bytes > 0 && !node_has_window(g->options.node, p->node_id, size)) {
        p->retry_ms = group_now_ms(g) + RETRY_MS;
        return false; /* each group keeps one frame under way, so none starves */
    }
    m.entries = entries;
    m.commit_index = g->raft.commit_index;
    int err = group_send_message(g, NET_ENTRIES, &m, payload, payload_count);
    if (err != 0) { /* the window is full, or there is no connection: what was lost with the last
                       one shows as a gap before this */
        p->retry_ms = group_now_ms(g) + RETRY_MS;
        return false;
    }
    p->sent_ms = group_now_ms(g);
    g->counters.entries_from_cache += m.entry_count;
    take_window(g, p, size);
    p->from += m.entry_count;
    p->told_commit = m.commit_index;
    return p->from <= p->to;
}

void group_pump(struct repl_group *g)
{
    if (!group_is_leader(g))
        return;
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++) {
        struct peer *p = &g->peers[i];
        while (p->raft_id != 0 && p->from <= p->to && !p->is_reading &&
               group_now_ms(g) >= p->retry_ms && send_front(g, p)) {
        }
    }
}

/* libraft probes by asking for the same entries again and again, at each submit. They are sent anew
 * when a refusal shows that they did not arrive, or no sign of them comes for long. */
static void ask_for(struct repl_group *g, struct peer *p, uint64_t first, uint64_t last)
{
    bool is_known = p->base != 0 && first >= p->base && first <= p->to + 1 && !p->is_refused;
    bool is_again = first <= p->to;
    bool is_late = group_now_ms(g) - p->sent_ms >= g->options.election_timeout_ms / 4;
    if (!is_known || (is_again && is_late)) {
        forget_window(g, p);
        p->base = p->from = first;
        p->to = last;
        return;
    }
    if (last > p->to)
        p->to = last;
    if (is_again && first > p->from)
        p->from = first; /* asked for anew, from what the peer is known to have */
}

/* A sign of life, or a probe. libraft makes one for each submit while the peer's window is full. It
 * goes behind the entries that it may come after, or it would look like a gap. */
static void send_empty(struct repl_group *g, struct peer *p,
                       const struct raft_append_entries *append)
{
    struct repl_message m;
    uint64_t now_ms = group_now_ms(g);
    bool is_early = p->beaten_ms != 0 && !p->is_refused &&
                    now_ms - p->beaten_ms < g->options.election_timeout_ms / 20;
    if (is_early || (p->from <= p->to && append->prev_log_index >= p->from))
        return;
    group_fill_message(g, REPL_APPEND, p->raft_id, &m);
    m.term = append->term;
    m.raft_version = append->version;
    m.previous_index = append->prev_log_index;
    m.previous_term = append->prev_log_term;
    m.commit_index = append->leader_commit;
    p->beaten_ms = now_ms;
    group_send_message(g, NET_ENTRIES, &m, NULL, 0);
}

void group_send_append(struct repl_group *g, const struct raft_message *message)
{
    const struct raft_append_entries *append = &message->append_entries;
    struct peer *p = group_peer(g, message->server_id);
    if (p == NULL)
        return;
    if (append->n_entries > 0) {
        ask_for(g, p, append->prev_log_index + 1, append->prev_log_index + append->n_entries);
        return; /* the turn pumps */
    }
    send_empty(g, p, append);
    /* A new member has nothing, and there is nothing at index 1: it needs a snapshot, but libraft
     * takes the founding configuration for one, which no message carries. */
    if (append->prev_log_index == 0 && g->raft.trail.offset > 0)
        group_checkpoint_begin(g);
}

/* libraft begins a term by asking each peer for a sign, at the end of its log, and would send no
 * entry before that is answered, its own barrier neither, unless the log is shorter than what may
 * be in flight: a round trip more until a leader serves. Its first entries follow just what the
 * question is about. Who can answer can also take them, and libraft counts what a peer says it has,
 * also what it has not asked for yet. When it does ask, nothing is sent again. */
void group_send_ahead(struct repl_group *g, uint64_t first, unsigned count)
{
    const struct raft_configuration *c = &g->raft.configuration;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES};
    message.append_entries.prev_log_index = first - 1;
    message.append_entries.n_entries = count;
    for (unsigned i = 0; i < c->n; i++) {
        struct peer *p = group_find_peer(g, c->servers[i].id);
        if (p == NULL || c->servers[i].role != RAFT_VOTER)
            continue;
        /* Who has been found to lack more gets that first. */
        if (p->base == 0 ? first != g->ready_index : first != p->to + 1)
            continue;
        message.server_id = c->servers[i].id;
        group_send_when_durable(g, &message);
    }
}

static int send_at_match(struct repl_group *g, struct peer *p, uint64_t match,
                         enum net_channel channel)
{
    struct repl_message m;
    group_fill_message(g, REPL_APPEND, p->raft_id, &m);
    m.previous_index = match;
    m.commit_index = g->raft.commit_index;
    if (!group_term_of(g, match, &m.previous_term))
        return ERR_NOT_FOUND;
    return group_send_message(g, channel, &m, NULL, 0);
}

/* Followers learn of a commit by the next entries; when there are none, by an empty message at
 * what they are known to have. */
void group_tell_commit(struct repl_group *g)
{
    if (!group_is_leader(g))
        return;
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++) {
        struct peer *p = &g->peers[i];
        raft_index match = 0;
        if (p->raft_id == 0 || p->told_commit >= g->raft.commit_index || p->from <= p->to ||
            raft_match_index(&g->raft, p->raft_id, &match) != 0 || match < g->raft.commit_index)
            continue;
        if (send_at_match(g, p, match, NET_ENTRIES) == 0)
            p->told_commit = g->raft.commit_index;
    }
}

/* A large entry may take a slow link for seconds. Meanwhile the peer hears of its leader, and
 * answers, beside it: at what it is known to have, order does not matter. */
void group_beat_blocked(struct repl_group *g)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX && group_is_leader(g); i++) {
        struct peer *p = &g->peers[i];
        raft_index match = 0;
        if (p->raft_id != 0 && p->from <= p->to &&
            raft_match_index(&g->raft, p->raft_id, &match) == 0 && match > 0)
            send_at_match(g, p, match, NET_CONTROL);
    }
}

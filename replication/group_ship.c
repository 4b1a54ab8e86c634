/* Shipping: a replica that is behind what the leader keeps gets files, then goes on from there.
 *
 * The leader pins its checkpoint when libraft names it, and answers asks for pieces. The follower
 * asks for the contents, then for one piece after the other, writes them beside its live data, and
 * swaps at the end; only then is libraft told. When the leader is lost meanwhile, or refuses, the
 * replica begins again from what is on its own disk: nothing live was changed. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define ASK_REPEAT_MS 500
#define ASKS_MAX      20 /* without an answer: the source is lost */
#define PIN_IDLE_MS   30000
#define PIN_READS_MAX 4
#define REPAIRS_MAX   3
#define CONTENTS      UINT32_MAX

/* ---- the source ---- */

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
    return p->pin != NULL && p->pin_asked_ms != 0 &&
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
}

struct piece_read {
    struct log_pin_read read; /* first */
    struct repl_group *group;
    struct peer *peer;
    struct repl_message ask;
};

static void send_piece(struct repl_group *g, const struct repl_message *ask, struct slice *piece,
                       bool is_refused)
{
    struct repl_message m;
    group_fill_message(g, REPL_SHIP_PIECE, ask->from, &m);
    m.round = ask->round;
    m.last_index = ask->last_index;
    m.file = ask->file;
    m.position = ask->position;
    m.is_refused = is_refused;
    group_send_message(g, NET_SHIPPING, &m, piece, piece == NULL ? 0 : 1);
}

static void on_piece_read(struct log_pin_read *read, int status)
{
    struct piece_read *pr = (struct piece_read *)read;
    pr->peer->pin_reads--;
    if (!group_is_over(pr->group))
        send_piece(pr->group, &pr->ask, status == 0 ? &read->piece : NULL, status != 0);
    if (status == 0)
        slice_unref(&read->piece);
    free(pr);
}

static void send_contents(struct repl_group *g, struct peer *p, const struct repl_message *ask)
{
    struct bytes contents = log_pin_contents(p->pin);
    struct buffer *copy = buffer_create(contents.size);
    if (copy == NULL)
        return;
    memcpy(copy->data, contents.data, contents.size);
    struct slice piece = {.owner = copy, .bytes = bytes_of(copy->data, contents.size)};
    send_piece(g, ask, &piece, false);
    buffer_unref(copy);
}

void group_ship_on_ask(struct repl_group *g, const struct repl_message *m)
{
    struct peer *p = group_find_peer(g, m->from);
    if (p == NULL || !group_is_leader(g) || p->pin == NULL || p->pin_index != m->last_index) {
        send_piece(g, m, NULL, true);
        return;
    }
    p->pin_used_ms = p->pin_asked_ms = group_now_ms(g);
    p->heard_ns = clock_now_ns(g->options.clock);
    if (m->file == CONTENTS) {
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
    p->pin_reads++;
    log_pin_read(g->options.store, &pr->read, on_piece_read);
}

static void drop_idle_pins(struct repl_group *g)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        if (g->peers[i].pin != NULL && group_now_ms(g) - g->peers[i].pin_used_ms > PIN_IDLE_MS)
            group_ship_unpin(g, &g->peers[i]);
}

/* ---- the receiver ---- */

struct installation {
    struct repl_group *group;
    struct raft_snapshot_metadata metadata; /* ours until libraft gets it back */
    uint64_t source;                        /* raft id of the leader it comes from */
    uint64_t number;                        /* of this attempt: answers to others are ignored */
    struct log_install *install;            /* NULL until the contents are here */
    uint32_t file;                          /* being asked for; CONTENTS at first */
    uint64_t position;
    uint32_t size;
    uint64_t asked_ms;
    unsigned asks; /* of the same piece */
    bool is_writing;
    bool is_committing;
    bool is_lost;     /* end it when the disk is done */
    unsigned repairs; /* times that staged files were found damaged */
    struct log_install_write write;
    struct log_install_commit commit;
};

static void ask(struct installation *i)
{
    struct repl_message m;
    group_fill_message(i->group, REPL_SHIP_ASK, i->source, &m);
    m.round = i->number;
    m.last_index = i->metadata.index;
    m.file = i->file;
    m.position = i->position;
    m.size = i->size;
    i->asked_ms = group_now_ms(i->group);
    i->asks++;
    group_send_message(i->group, NET_SHIPPING, &m, NULL, 0);
}

void group_install_begin(struct repl_group *g, const struct raft_snapshot_metadata *metadata)
{
    struct installation *i = calloc(1, sizeof *i);
    if (i == NULL) {
        group_fatal(g, UV_ENOMEM, "begin a snapshot");
        return;
    }
    i->group = g;
    i->metadata = *metadata;
    i->source = g->raft.follower_state.current_leader.id;
    i->number = random_u64(g->options.random);
    i->file = CONTENTS;
    g->installation = i;
    event_info("snapshot_begun", "group=%u index=%llu from=%u", g->options.identity.group_id,
               (unsigned long long)metadata->index, repl_raft_id_node(i->source));
}

void group_install_drop(struct repl_group *g)
{
    struct installation *i = g->installation;
    g->installation = NULL;
    if (i == NULL)
        return;
    raft_configuration_close(&i->metadata.configuration);
    log_install_abort(i->install);
    free(i);
}

/* Begins again from this replica's own disk; the leader will name a snapshot anew. Not before the
 * WAL has what was under way when the installation began: it would come behind the log that is
 * read here. The tick goes on. */
static void give_up(struct installation *i, const char *why)
{
    struct repl_group *g = i->group;
    struct err_note note = {0};
    if (!i->is_lost)
        event_warn("snapshot_given_up", "group=%u reason=\"%s\"", g->options.identity.group_id,
                   why);
    i->is_lost = true;
    if (i->is_writing || i->is_committing || g->persists != NULL || group_is_over(g))
        return;
    group_install_drop(g);
    int err = group_restart(g, &note);
    if (err != 0)
        group_fatal(g, err, note.text);
}

void group_install_stop(struct repl_group *g)
{
    struct installation *i = g->installation;
    if (i != NULL && !i->is_writing && !i->is_committing)
        group_install_drop(g);
}

/* What is already here is finished without the source. */
static bool needs_source(const struct installation *i)
{
    return !i->is_committing && (i->install == NULL || !log_install_is_complete(i->install));
}

/* An installing replica neither votes nor takes entries: it must not wait for who is gone. */
void group_install_on_node_gone(struct repl_group *g, uint32_t node_id)
{
    struct installation *i = g->installation;
    if (i != NULL && repl_raft_id_node(i->source) == node_id && needs_source(i))
        give_up(i, "the source is gone");
}

static void finish(struct installation *i)
{
    struct repl_group *g = i->group;
    const struct log_store_state *state = log_store_state(g->options.store);
    if (state->index != i->metadata.index || state->term != i->metadata.term) {
        group_install_drop(g);
        group_fatal(g, ERR_CORRUPT, "the shipped snapshot is another one than named");
        return;
    }
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    event.persisted_snapshot.metadata = i->metadata;
    event.persisted_snapshot.last = true;
    g->installation = NULL;
    free(i);
    persist_snapshot(g, state->index, state->term);
    cache_drop_before(&g->cache, UINT64_MAX);
    group_apply_forget(g);
    g->applied_index = g->checkpoint_index = state->index;
    g->applied_term = state->term;
    g->counters.snapshots_installed++;
    g->has_progress = true;
    int err = g->options.machine.restore(g->options.machine.data, g->options.store, state);
    if (err == 0)
        err = group_step(g, &event, NULL, 0);
    if (err < 0)
        group_fatal(g, err, "install a snapshot");
    event_info("snapshot_installed", "group=%u index=%llu", g->options.identity.group_id,
               (unsigned long long)g->applied_index);
}

static void next_piece(struct installation *i);

static void on_commit(struct log_install_commit *commit, int status)
{
    struct installation *i = commit->data;
    i->is_committing = false;
    if (status == 0)
        i->install = NULL; /* freed by the commit */
    if (group_is_over(i->group)) {
        group_install_stop(i->group);
    } else if (status == 0) {
        finish(i);
    } else if (status == ERR_BUSY) {
        i->asked_ms = group_now_ms(i->group); /* a reader is still there: the tick tries again */
    } else if (status == ERR_CORRUPT && i->repairs++ < REPAIRS_MAX) {
        next_piece(i); /* what an earlier attempt left half written was dropped: ask again */
    } else if (status == ERR_CORRUPT || status == ERR_INVALID) {
        give_up(i, err_text(status));
    } else {
        group_fatal(i->group, status, "commit a snapshot");
    }
}

static void commit(struct installation *i)
{
    i->is_committing = true;
    i->commit = (struct log_install_commit){.data = i, .install = i->install};
    log_install_commit(&i->commit, on_commit);
}

static void on_write(struct log_install_write *write, int status)
{
    struct installation *i = write->data;
    i->is_writing = false;
    if (status != 0)
        group_fatal(i->group, status, "write a snapshot");
    if (i->group->is_stopped)
        group_install_stop(i->group);
    else if (i->is_lost)
        give_up(i, "the source was lost");
    else if (status == 0)
        next_piece(i);
}

static void next_piece(struct installation *i)
{
    i->asks = 0;
    if (log_install_next(i->install, &i->file, &i->position, &i->size))
        ask(i);
    else
        commit(i);
}

static void take_contents(struct installation *i, struct bytes contents)
{
    int err = log_store_install_begin(i->group->options.store, contents, &i->install);
    if (err == ERR_BUSY)
        return; /* the tick asks again */
    if (err != 0)
        give_up(i, err_text(err));
    else
        next_piece(i);
}

void group_install_on_piece(struct repl_group *g, const struct repl_message *m,
                            struct buffer *owner)
{
    struct installation *i = g->installation;
    if (i == NULL || i->is_writing || i->is_committing || i->is_lost || m->round != i->number ||
        m->file != i->file || (m->file != CONTENTS && m->position != i->position))
        return;
    if (m->is_refused) {
        give_up(i, "the source no longer has it");
        return;
    }
    if (i->install == NULL) {
        take_contents(i, m->piece);
        return;
    }
    if (m->piece.size == 0 || m->piece.size > i->size)
        return;
    i->is_writing = true;
    i->write = (struct log_install_write){
        .data = i, .install = i->install, .file = i->file, .position = i->position};
    i->write.piece = (struct slice){.owner = owner, .bytes = m->piece};
    log_install_write(&i->write, on_write);
}

void group_install_tick(struct repl_group *g)
{
    struct installation *i = g->installation;
    drop_idle_pins(g);
    if (i == NULL || i->is_writing || i->is_committing)
        return;
    uint64_t leader = g->raft.follower_state.current_leader.id; /* who installs is a follower */
    if (i->is_lost || (leader != 0 && leader != i->source && needs_source(i))) {
        give_up(i, "another replica leads");
        return;
    }
    uint64_t silent_ms = group_now_ms(g) - i->asked_ms;
    if (i->asked_ms != 0 && silent_ms < (i->asks == 0 ? 10 : ASK_REPEAT_MS))
        return;
    if (g->is_checkpointing)
        return; /* the store does one thing at a time */
    if (i->install != NULL && log_install_is_complete(i->install))
        commit(i);
    else if (i->asks >= ASKS_MAX)
        give_up(i, "the source does not answer");
    else
        ask(i);
}

/* Shipping, the receiver: a replica that is behind what the leader keeps gets files, then goes on.
 *
 * It asks for the snapshot's contents, then for pieces, several at a time (a group of thousands of
 * partitions has as many small files, and a round trip each would take minutes), writes them beside
 * its live data, and swaps at the end; only then is libraft told. A window per group
 * and one for the node, and its rate, bound what it asks for: its return hurts nobody. It offers to
 * take pieces compressed, and says what the link takes (ship_gain.c). When the leader is lost
 * meanwhile, or refuses, the replica begins again from what is on its own disk: nothing live was
 * changed, and pieces that are there are not asked for again. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"
#include "ship_window.h"

#define ASK_REPEAT_MS       500        /* without any piece */
#define ASKS_MAX            20         /* of one piece without an answer: the source is lost */
#define IN_FLIGHT_BYTES_MAX (4u << 20) /* asked for */
#define RETRY_COMMIT_MS     10
#define AWAIT_MS            2000 /* ... until folders that another group has are not waited for */
#define RETRY_ROOM_MS       500  /* ... on a full disk */
#define OFFERS_MAX          2    /* of a piece, to a source that has never understood one */
#define REPAIRS_MAX         3

/* Does the source know that pieces may be compressed? One of an earlier release refuses to read an
 * ask that says so. */
enum offer { OFFER_UNKNOWN, OFFER_KNOWN, OFFER_IGNORED };

struct installation {
    struct repl_group *group;
    struct raft_snapshot_metadata metadata; /* ours until libraft gets it back */
    uint64_t source;                        /* raft id of the leader it comes from */
    uint64_t number;                        /* of this attempt: answers to others are ignored */
    uint8_t *contents;                      /* pages of them so far, owned */
    size_t contents_size;
    struct log_install *install; /* NULL until the contents are here */
    struct ship_window window;   /* pieces under way */
    struct ship_link link;       /* what they come over */
    enum offer offer;
    uint64_t heard_ms; /* last piece that came */
    uint64_t tried_ms; /* last attempt to commit */
    uint64_t busy_ms;  /* since when these found something under way; 0: none did */
    bool has_written;  /* a piece */
    bool is_committing;
    bool waits_for_room; /* the last attempt to commit found the disk full, too late to give up */
    bool is_lost;        /* end it when the disk is done */
    unsigned repairs;    /* times that staged files were found damaged */
    struct log_install_commit commit;
};

/* ---- asking ---- */

static bool should_offer(const struct installation *i, const struct ship_piece *p)
{
    return p->file != REPL_SHIP_CONTENTS && i->offer != OFFER_IGNORED &&
           node_ship_compression(i->group->options.node) != REPL_SHIP_COMPRESSION_NEVER &&
           (i->offer == OFFER_KNOWN || p->asks < OFFERS_MAX);
}

/* Rounded up: 0 says that the link is not the limit. */
static uint32_t link_kib_per_second(const struct installation *i)
{
    uint64_t kib = (i->link.bytes_per_second + 1023) >> 10;
    return kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
}

static void ask(struct installation *i, struct ship_piece *p)
{
    struct repl_message m;
    group_fill_message(i->group, REPL_SHIP_ASK, i->source, &m);
    m.round = i->number;
    m.last_index = i->metadata.index;
    m.file = p->file;
    m.position = p->position;
    m.size = p->size;
    m.may_compress = should_offer(i, p);
    m.link_kib_per_second = m.may_compress ? link_kib_per_second(i) : 0;
    p->was_offered |= m.may_compress;
    p->asked_ms = group_now_ms(i->group);
    p->asks++;
    group_send_message(i->group, NET_SHIPPING, &m, NULL, 0);
}

/* ---- beginning and ending ---- */

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
    g->installation = i;
    event_info("snapshot_begun", "group=%u index=%llu from=%u", g->options.identity.group_id,
               (unsigned long long)metadata->index, repl_raft_id_node(i->source));
}

static bool is_on_disk(const struct installation *i)
{
    return i->window.write_count > 0 || i->is_committing;
}

static void drop(struct repl_group *g)
{
    struct installation *i = g->installation;
    g->installation = NULL;
    if (i == NULL)
        return;
    raft_configuration_close(&i->metadata.configuration);
    node_fetched(g->options.node, ship_window_asked_bytes(&i->window));
    ship_window_close(&i->window);
    log_install_abort(i->install);
    free(i->contents);
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
    if (is_on_disk(i) || g->persists != NULL || group_is_over(g))
        return;
    drop(g);
    int err = group_restart(g, &note);
    if (err != 0)
        group_fatal(g, err, note.text);
}

void group_install_stop(struct repl_group *g)
{
    if (g->installation != NULL && !is_on_disk(g->installation))
        drop(g);
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

/* ---- the swap ---- */

static void finish(struct installation *i)
{
    struct repl_group *g = i->group;
    const struct log_store_state *state = log_store_state(g->options.store);
    if (state->index != i->metadata.index || state->term != i->metadata.term) {
        drop(g);
        group_fatal(g, ERR_CORRUPT, "the shipped snapshot is another one than named");
        return;
    }
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    event.persisted_snapshot.metadata = i->metadata;
    event.persisted_snapshot.last = true;
    g->installation = NULL;
    free(i->contents);
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

static void go_on(struct installation *i);

/* What was sent is given up, as long as nothing live has changed; the leader names one again when
 * there is room. Else the tick tries again. */
static void on_no_room(struct installation *i, int status)
{
    if (!log_install_is_decided(i->install)) {
        give_up(i, err_text(status));
        return;
    }
    if (!i->waits_for_room)
        event_error("snapshot_waits_for_room", "group=%u index=%llu error=%s",
                    i->group->options.identity.group_id, (unsigned long long)i->metadata.index,
                    err_name(status));
    i->waits_for_room = true;
}

static void on_commit(struct log_install_commit *commit, int status)
{
    struct installation *i = commit->data;
    i->is_committing = false;
    if (status == 0)
        i->install = NULL; /* freed by the commit */
    if (group_is_over(i->group))
        group_install_stop(i->group);
    else if (status == 0)
        finish(i);
    else if (status == ERR_CORRUPT && i->repairs++ < REPAIRS_MAX)
        go_on(i); /* what an earlier attempt left half written was dropped: ask again */
    else if (status == ERR_CORRUPT || status == ERR_INVALID)
        give_up(i, err_text(status));
    else if (err_is_no_room(status))
        on_no_room(i, status);
    else if (status != ERR_BUSY)
        group_fatal(i->group, status, "commit a snapshot");
    else if (i->busy_ms == 0) /* a reader is still there, say: the tick tries again */
        i->busy_ms = i->tried_ms;
}

static void commit(struct installation *i)
{
    i->is_committing = true;
    i->tried_ms = group_now_ms(i->group);
    bool may_await = i->busy_ms != 0 && i->tried_ms - i->busy_ms >= AWAIT_MS;
    i->commit = (struct log_install_commit){
        .data = i, .install = i->install, .may_await = may_await};
    log_install_commit(&i->commit, on_commit);
}

/* ---- pieces ---- */

static void on_write(struct log_install_write *write, int status);

static void write_piece(struct installation *i, struct ship_piece *p)
{
    struct buffer *owner = p->write.piece.owner;
    p->state = SHIP_PIECE_WRITING;
    i->window.write_count++;
    log_install_write(&p->write, on_write);
    buffer_unref(owner); /* the write has a reference of its own */
}

/* What is in p->write goes to the disk when what is before it in its file is there. */
static void write_in_turn(struct installation *i, struct ship_piece *p)
{
    node_fetched(i->group->options.node, p->size);
    p->state = SHIP_PIECE_WAITING;
    if (ship_window_is_turn(&i->window, p))
        write_piece(i, p);
}

/* False when all have been asked for. Copying what is here takes its part of the rate, too. */
static bool ask_next(struct installation *i)
{
    uint32_t file, size;
    uint64_t position;
    if (!log_install_next(i->install, &file, &position, &size))
        return false;
    node_fetches(i->group->options.node, size);
    struct ship_piece *p = ship_window_begin(&i->window, file, position, size);
    if (!log_install_is_own(i->install, file, position)) {
        ask(i, p);
        return true;
    }
    p->write = (struct log_install_write){
        .data = i, .install = i->install, .file = file, .position = position, .is_own = true};
    write_in_turn(i, p);
    return true;
}

/* Asks for what is missing as window and rate allow (else the tick goes on); the last one written
 * leads to the swap. The first piece goes alone: its write prepares the folder for the others,
 * which workers write at once. */
static void go_on(struct installation *i)
{
    struct ship_window *w = &i->window;
    unsigned count_max = i->has_written ? REPL_SHIP_ASKS_MAX : 1;
    bool has_more = true, may_fetch = true;
    while (has_more && may_fetch && w->count < count_max &&
           w->in_flight_bytes < IN_FLIGHT_BYTES_MAX &&
           (w->count == 0 || !node_fetches_enough(i->group->options.node))) {
        may_fetch = node_may_fetch(i->group->options.node);
        has_more = !may_fetch || ask_next(i);
    }
    if (!may_fetch)
        ship_link_hold(&i->link, clock_now_ns(i->group->options.clock));
    uint64_t retry_ms = i->waits_for_room ? RETRY_ROOM_MS : RETRY_COMMIT_MS;
    if (!has_more && w->count == 0 && group_now_ms(i->group) - i->tried_ms >= retry_ms)
        commit(i);
}

static void end_write(struct installation *i, struct ship_piece *p, int status)
{
    i->window.write_count--;
    i->has_written = true;
    uint32_t file = p->file;
    ship_window_end(&i->window, p);
    struct ship_piece *next = ship_window_next(&i->window, file);
    if (next != NULL && status == 0 && !i->is_lost && !group_is_over(i->group))
        write_piece(i, next);
}

static void on_write(struct log_install_write *write, int status)
{
    struct installation *i = write->data;
    end_write(i, ship_window_written(&i->window, write), status);
    bool is_wrong = status == ERR_CORRUPT || status == ERR_INVALID; /* what came is no such piece */
    if (err_is_no_room(status))
        i->is_lost = true; /* the leader names one again; what is here is not fetched anew */
    else if (status != 0 && !is_wrong)
        group_fatal(i->group, status, "write a snapshot");
    if (i->group->is_stopped)
        group_install_stop(i->group);
    else if (i->is_lost || is_wrong)
        give_up(i, status != 0 ? err_text(status) : "the source was lost");
    else if (status == 0)
        go_on(i);
}

static void take_contents(struct installation *i, struct ship_piece *p, struct bytes contents)
{
    int err = log_store_install_begin(i->group->options.store, contents, &i->install);
    if (err == ERR_BUSY)
        return; /* the tick asks again for the last page */
    ship_window_end(&i->window, p);
    free(i->contents);
    i->contents = NULL;
    i->contents_size = 0;
    if (err != 0)
        give_up(i, err_text(err));
    else
        go_on(i);
}

static uint32_t page_size(const struct installation *i)
{
    return (uint32_t)i->group->options.append_bytes_max;
}

static void ask_for_page(struct installation *i, uint64_t position)
{
    ask(i, ship_window_begin(&i->window, REPL_SHIP_CONTENTS, position, page_size(i)));
}

static int add_page(struct installation *i, struct bytes page)
{
    if (page.size > REPL_SHIP_CONTENTS_MAX - i->contents_size)
        return ERR_TOO_LARGE;
    uint8_t *contents = realloc(i->contents, i->contents_size + page.size + 1);
    if (contents == NULL)
        return UV_ENOMEM;
    if (page.size > 0)
        memcpy(contents + i->contents_size, page.data, page.size);
    i->contents = contents;
    i->contents_size += page.size;
    return 0;
}

/* The contents of thousands of partitions are more than a frame may be. A page shorter than asked
 * for is the last; one that is longer is all that there is, from a source of the release before. */
static void take_page(struct installation *i, struct ship_piece *p, struct bytes page)
{
    if (p->position == 0 && page.size != page_size(i)) {
        take_contents(i, p, page);
        return;
    }
    bool is_here = i->contents_size != p->position; /* already, and was asked for again */
    int err = is_here ? 0 : add_page(i, page);
    if (err != 0) {
        give_up(i, err_text(err));
    } else if (page.size < page_size(i)) {
        take_contents(i, p, bytes_of(i->contents, i->contents_size));
    } else {
        ship_window_end(&i->window, p);
        ask_for_page(i, i->contents_size);
    }
}

/* A piece of a file: what its coming says of source and link, then to the disk in its turn. */
static void note_piece(struct installation *i, const struct ship_piece *p,
                       const struct repl_message *m)
{
    bool is_busy = ship_window_is_busy(&i->window, IN_FLIGHT_BYTES_MAX) ||
                   node_fetches_much(i->group->options.node);
    if (m->may_compress)
        i->offer = OFFER_KNOWN;
    else if (p->was_offered && i->offer == OFFER_UNKNOWN)
        i->offer = OFFER_IGNORED; /* only the plain ask was answered */
    ship_link_on_piece(&i->link, clock_now_ns(i->group->options.clock), m->piece.size,
                       m->is_compressed, is_busy);
}

static void take_piece(struct installation *i, struct ship_piece *p, const struct repl_message *m,
                       struct buffer *owner)
{
    if (m->piece.size == 0 || m->piece.size > p->size || (m->is_compressed && !p->was_offered))
        return;
    note_piece(i, p, m);
    p->write = (struct log_install_write){.data = i,
                                          .install = i->install,
                                          .file = p->file,
                                          .position = p->position,
                                          .is_compressed = m->is_compressed};
    p->write.piece = slice_ref((struct slice){.owner = owner, .bytes = m->piece});
    write_in_turn(i, p);
}

void group_install_on_piece(struct repl_group *g, const struct repl_message *m,
                            struct buffer *owner)
{
    struct installation *i = g->installation;
    if (i == NULL || i->is_committing || i->is_lost || m->round != i->number)
        return;
    struct ship_piece *p = ship_window_find(&i->window, m->file, m->position);
    if (p == NULL)
        return;
    if (m->is_refused) {
        give_up(i, "the source no longer has it");
        return;
    }
    i->heard_ms = group_now_ms(g);
    if (p->file == REPL_SHIP_CONTENTS)
        take_page(i, p, m->piece);
    else
        take_piece(i, p, m, owner);
}

/* ---- time ---- */

/* Pieces come in the order of asks, or the connection was lost with all of them. */
static void ask_again(struct installation *i)
{
    uint64_t now_ms = group_now_ms(i->group);
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct ship_piece *p = &i->window.pieces[n];
        if (p->state != SHIP_PIECE_ASKED || now_ms - p->asked_ms < ASK_REPEAT_MS ||
            now_ms - i->heard_ms < ASK_REPEAT_MS)
            continue;
        if (p->asks >= ASKS_MAX) {
            give_up(i, "the source does not answer");
            return;
        }
        ask(i, p);
    }
}

/* What is written is asked for by on_write; the tick sees to what was lost, and to what had to wait
 * for the rate. */
static void tick_pieces(struct installation *i)
{
    struct repl_group *g = i->group;
    if (i->window.count > 0)
        ask_again(i);
    if (g->installation == i && !i->is_lost && i->install != NULL)
        go_on(i);
}

void group_install_tick(struct repl_group *g)
{
    struct installation *i = g->installation;
    if (i == NULL || i->is_committing)
        return;
    uint64_t leader = g->raft.follower_state.current_leader.id; /* who installs is a follower */
    if (i->is_lost || (leader != 0 && leader != i->source && needs_source(i))) {
        give_up(i, "another replica leads");
        return;
    }
    if (g->is_checkpointing)
        return; /* the store does one thing at a time */
    if (i->install == NULL && i->window.count == 0)
        ask_for_page(i, 0);
    else
        tick_pieces(i);
}

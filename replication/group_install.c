/* Shipping, the receiver: a replica that is behind what the leader keeps gets files, then goes on.
 *
 * It asks for the snapshot's contents, then for pieces, several at a time (a group of thousands of
 * partitions has as many small files, and a round trip each would take minutes), writes them beside
 * its live data, and swaps at the end; only then is libraft told. A window per group
 * and a rate for the node bound what it asks for: its return hurts nobody. When the leader is lost
 * meanwhile, or refuses, the replica begins again from what is on its own disk: nothing live was
 * changed, and pieces that are there are not asked for again. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define ASK_REPEAT_MS       500        /* without any piece */
#define ASKS_MAX            20         /* of one piece without an answer: the source is lost */
#define IN_FLIGHT_BYTES_MAX (4u << 20) /* asked for */
#define RETRY_COMMIT_MS     10
#define RETRY_ROOM_MS       500 /* ... on a full disk */
#define REPAIRS_MAX         3

struct installation;

/* A piece that is being asked for or written. */
struct piece {
    struct installation *installation; /* NULL: unused */
    uint32_t file;                     /* REPL_SHIP_CONTENTS at first */
    uint64_t position;
    uint32_t size;
    uint64_t asked_ms;
    unsigned asks;
    bool is_writing;
    struct log_install_write write;
};

struct installation {
    struct repl_group *group;
    struct raft_snapshot_metadata metadata; /* ours until libraft gets it back */
    uint64_t source;                        /* raft id of the leader it comes from */
    uint64_t number;                        /* of this attempt: answers to others are ignored */
    uint8_t *contents;                      /* pages of them so far, owned */
    size_t contents_size;
    struct log_install *install; /* NULL until the contents are here */
    struct piece pieces[REPL_SHIP_ASKS_MAX];
    unsigned piece_count;   /* used */
    unsigned write_count;   /* under way */
    size_t in_flight_bytes; /* asked for */
    uint64_t heard_ms;      /* last piece that came */
    uint64_t tried_ms;      /* last attempt to commit */
    bool has_written;       /* a piece */
    bool is_committing;
    bool waits_for_room; /* the last attempt to commit found the disk full, too late to give up */
    bool is_lost;        /* end it when the disk is done */
    unsigned repairs;    /* times that staged files were found damaged */
    struct log_install_commit commit;
};

/* ---- asking ---- */

static void ask(struct piece *p)
{
    struct installation *i = p->installation;
    struct repl_message m;
    group_fill_message(i->group, REPL_SHIP_ASK, i->source, &m);
    m.round = i->number;
    m.last_index = i->metadata.index;
    m.file = p->file;
    m.position = p->position;
    m.size = p->size;
    p->asked_ms = group_now_ms(i->group);
    p->asks++;
    group_send_message(i->group, NET_SHIPPING, &m, NULL, 0);
}

static struct piece *begin_piece(struct installation *i, uint32_t file, uint64_t position,
                                 uint32_t size)
{
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct piece *p = &i->pieces[n];
        if (p->installation != NULL)
            continue;
        *p = (struct piece){.installation = i, .file = file, .position = position, .size = size};
        i->piece_count++;
        i->in_flight_bytes += size;
        return p;
    }
    return NULL;
}

static void end_piece(struct piece *p)
{
    struct installation *i = p->installation;
    i->piece_count--;
    i->in_flight_bytes -= p->size;
    p->installation = NULL;
}

static struct piece *find_piece(struct installation *i, const struct repl_message *m)
{
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct piece *p = &i->pieces[n];
        if (p->installation != NULL && !p->is_writing && p->file == m->file &&
            p->position == m->position)
            return p;
    }
    return NULL;
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
    return i->write_count > 0 || i->is_committing;
}

void group_install_drop(struct repl_group *g)
{
    struct installation *i = g->installation;
    g->installation = NULL;
    if (i == NULL)
        return;
    raft_configuration_close(&i->metadata.configuration);
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
    group_install_drop(g);
    int err = group_restart(g, &note);
    if (err != 0)
        group_fatal(g, err, note.text);
}

void group_install_stop(struct repl_group *g)
{
    if (g->installation != NULL && !is_on_disk(g->installation))
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

/* ---- the swap ---- */

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
    else if (status != ERR_BUSY) /* busy: a reader is still there, the tick tries again */
        group_fatal(i->group, status, "commit a snapshot");
}

static void commit(struct installation *i)
{
    i->is_committing = true;
    i->tried_ms = group_now_ms(i->group);
    i->commit = (struct log_install_commit){.data = i, .install = i->install};
    log_install_commit(&i->commit, on_commit);
}

/* ---- pieces ---- */

/* False when all have been asked for. */
static bool ask_next(struct installation *i)
{
    uint32_t file, size;
    uint64_t position;
    if (!log_install_next(i->install, &file, &position, &size))
        return false;
    node_fetches(i->group->options.node, size);
    ask(begin_piece(i, file, position, size));
    return true;
}

/* Asks for what is missing as window and rate allow (else the tick goes on); the last one written
 * leads to the swap. The first piece goes alone: its write prepares the folder for the others,
 * which workers write at once. */
static void go_on(struct installation *i)
{
    unsigned count_max = i->has_written ? REPL_SHIP_ASKS_MAX : 1;
    bool has_more = true;
    while (has_more && i->piece_count < count_max && i->in_flight_bytes < IN_FLIGHT_BYTES_MAX &&
           node_may_fetch(i->group->options.node))
        has_more = ask_next(i);
    uint64_t retry_ms = i->waits_for_room ? RETRY_ROOM_MS : RETRY_COMMIT_MS;
    if (!has_more && i->piece_count == 0 && group_now_ms(i->group) - i->tried_ms >= retry_ms)
        commit(i);
}

static void on_write(struct log_install_write *write, int status)
{
    struct piece *p = write->data;
    struct installation *i = p->installation;
    i->write_count--;
    i->has_written = true;
    end_piece(p);
    if (err_is_no_room(status))
        i->is_lost = true; /* the leader names one again; what is here is not fetched anew */
    else if (status != 0)
        group_fatal(i->group, status, "write a snapshot");
    if (i->group->is_stopped)
        group_install_stop(i->group);
    else if (i->is_lost)
        give_up(i, err_is_no_room(status) ? err_text(status) : "the source was lost");
    else if (status == 0)
        go_on(i);
}

static void take_contents(struct installation *i, struct piece *p, struct bytes contents)
{
    int err = log_store_install_begin(i->group->options.store, contents, &i->install);
    if (err == ERR_BUSY)
        return; /* the tick asks again for the last page */
    end_piece(p);
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
    ask(begin_piece(i, REPL_SHIP_CONTENTS, position, page_size(i)));
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
static void take_page(struct installation *i, struct piece *p, struct bytes page)
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
        end_piece(p);
        ask_for_page(i, i->contents_size);
    }
}

void group_install_on_piece(struct repl_group *g, const struct repl_message *m,
                            struct buffer *owner)
{
    struct installation *i = g->installation;
    if (i == NULL || i->is_committing || i->is_lost || m->round != i->number)
        return;
    struct piece *p = find_piece(i, m);
    if (p == NULL)
        return;
    if (m->is_refused) {
        give_up(i, "the source no longer has it");
        return;
    }
    i->heard_ms = group_now_ms(g);
    if (p->file == REPL_SHIP_CONTENTS) {
        take_page(i, p, m->piece);
        return;
    }
    if (m->piece.size == 0 || m->piece.size > p->size)
        return;
    p->is_writing = true;
    i->write_count++;
    p->write = (struct log_install_write){
        .data = p, .install = i->install, .file = p->file, .position = p->position};
    p->write.piece = (struct slice){.owner = owner, .bytes = m->piece};
    log_install_write(&p->write, on_write);
}

/* ---- time ---- */

/* Pieces come in the order of asks, or the connection was lost with all of them. */
static void ask_again(struct installation *i)
{
    uint64_t now_ms = group_now_ms(i->group);
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct piece *p = &i->pieces[n];
        if (p->installation == NULL || p->is_writing || now_ms - p->asked_ms < ASK_REPEAT_MS ||
            now_ms - i->heard_ms < ASK_REPEAT_MS)
            continue;
        if (p->asks >= ASKS_MAX) {
            give_up(i, "the source does not answer");
            return;
        }
        ask(p);
    }
}

/* What is written is asked for by on_write; the tick sees to what was lost, and to what had to wait
 * for the rate. */
static void tick_pieces(struct installation *i)
{
    struct repl_group *g = i->group;
    if (i->piece_count > 0)
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
    if (i->install == NULL && i->piece_count == 0)
        ask_for_page(i, 0);
    else
        tick_pieces(i);
}

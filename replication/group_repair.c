/* Damaged segments of this replica, mended one at a time with the help of its peers.
 *
 *   IDLE ──a flaw──▶ WORKING ──done──▶ IDLE
 *                    │ ▲ └──busy──▶ RESTING ──a while──▶ WORKING
 *        needs a piece ▼ │ the piece
 *                    ASKING ──nobody has it──▶ IDLE, and later again
 *
 * Replicas that have applied the same entries have the same bytes, so any of them helps: the leader
 * is asked first, then the others that live. What comes is checked batch by batch and, in the end,
 * as a whole against the manifest. Meanwhile the replica leads, votes and serves as before: only
 * reads of the damaged batches fail. What no replica has is said once, as an error, and tried
 * again: peers come back, and damaged ones are mended in other places. */
#include <stdlib.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define LOOK_MS       20  /* for the next flaw */
#define REST_MS       20  /* while the partition is being flushed */
#define ASK_REPEAT_MS 500 /* without an answer */
#define ASKS_MAX      3   /* of one peer */
#define NOT_YET_MS    300 /* then its checkpoint may have come */
#define NOT_YET_MAX   20  /* times; then another peer is asked */

enum repair_state { REPAIR_WORKING, REPAIR_ASKING, REPAIR_RESTING, REPAIR_ENDING };

struct repair {
    struct repl_group *group;
    struct log_repair *repair;
    enum repair_state state;
    uint64_t number;                    /* of this repair: answers to others are ignored */
    uint64_t source;                    /* raft id of the peer that is asked, or 0 */
    uint64_t asked_ms;                  /* last time; or since when it rests */
    uint64_t rest_ms;                   /* for so long */
    unsigned asks;                      /* of this piece, of this peer */
    unsigned not_yet_count;             /* answers in a row */
    uint64_t refused[REPL_MEMBERS_MAX]; /* raft ids of peers that could not help */
    unsigned refused_count;
    bool was_silent;    /* one of them did not say so */
    bool has_restarted; /* it takes nothing of its own any more */
    struct log_repair_need need;
};

static void on_progress(void *data, int status);

/* ---- ending ---- */

static void on_ended(void *data, int status)
{
    struct repair *r = data;
    (void)status;
    r->group->repair = NULL;
    free(r);
}

static void end(struct repair *r)
{
    r->state = REPAIR_ENDING;
    log_repair_end(r->repair, on_ended);
}

/* Also by a raft id of an earlier incarnation. */
static bool is_own_node(const struct repair *r, uint64_t raft_id)
{
    return repl_raft_id_node(raft_id) == repl_raft_id_node(r->group->options.raft_id);
}

static bool has_refused(const struct repair *r, uint64_t raft_id)
{
    for (unsigned i = 0; i < r->refused_count; i++)
        if (r->refused[i] == raft_id)
            return true;
    return false;
}

/* Nobody can help now. That is final when every other member was asked and said so. */
static void give_up(struct repair *r)
{
    const struct raft_configuration *c = &r->group->raft.configuration;
    bool is_final = !r->was_silent;
    for (unsigned i = 0; i < c->n; i++)
        is_final &= is_own_node(r, c->servers[i].id) || has_refused(r, c->servers[i].id);
    log_repair_defer(r->repair, group_now_ms(r->group), is_final, "no replica has these batches");
    end(r);
}

/* ---- asking ---- */

static bool can_help(const struct repair *r, uint64_t raft_id)
{
    return raft_id != 0 && !is_own_node(r, raft_id) && !has_refused(r, raft_id) &&
           node_is_alive(r->group->options.node, repl_raft_id_node(raft_id));
}

/* The leader, or another member that lives and has not said that it can't; 0: there is none. */
static uint64_t choose_source(const struct repair *r)
{
    const struct raft *raft = &r->group->raft;
    if (raft->state == RAFT_FOLLOWER && can_help(r, raft->follower_state.current_leader.id))
        return raft->follower_state.current_leader.id;
    for (unsigned i = 0; i < raft->configuration.n; i++)
        if (can_help(r, raft->configuration.servers[i].id))
            return raft->configuration.servers[i].id;
    return 0;
}

static void send_ask(struct repair *r)
{
    struct repl_group *g = r->group;
    struct repl_message m;
    group_fill_message(g, REPL_REPAIR_ASK, r->source, &m);
    m.round = r->number;
    m.partition_number = r->need.partition_number;
    m.segment_version = r->need.version;
    m.base_offset = r->need.base_offset;
    m.offset = r->need.offset;
    m.position = r->need.position;
    m.size = r->need.size_max;
    m.segment_size = r->need.size_bytes;
    m.segment_crc = r->need.crc;
    m.is_sealed = r->need.is_sealed;
    r->asked_ms = group_now_ms(g);
    r->asks++;
    node_fetches(g->options.node, r->need.size_max);
    group_send_message(g, NET_SHIPPING, &m, NULL, 0);
}

/* From the peer that helped so far, or the next one. The rate is shared with snapshots. */
static void ask(struct repair *r)
{
    r->state = REPAIR_ASKING;
    if (!can_help(r, r->source)) {
        r->source = choose_source(r);
        r->asks = r->not_yet_count = 0;
    }
    if (r->source == 0)
        give_up(r);
    else if (node_may_fetch(r->group->options.node))
        send_ask(r);
    else
        r->asked_ms = 0; /* the tick goes on */
}

static void refuse_source(struct repair *r, bool is_silent)
{
    r->was_silent |= is_silent;
    if (r->refused_count < REPL_MEMBERS_MAX)
        r->refused[r->refused_count++] = r->source;
    r->source = 0;
}

static void rest(struct repair *r, uint64_t rest_ms)
{
    r->state = REPAIR_RESTING;
    r->asked_ms = group_now_ms(r->group);
    r->rest_ms = rest_ms;
}

/* ---- working ---- */

static void work(struct repair *r)
{
    r->state = REPAIR_WORKING;
    log_repair_run(r->repair, on_progress);
}

/* All was there and the whole is wrong, or a piece was. What is our own is not trusted any more;
 * what came from a peer is asked of another one. */
static void begin_again(struct repair *r)
{
    if (r->has_restarted && r->source != 0)
        refuse_source(r, false);
    r->has_restarted = true;
    log_repair_restart(r->repair);
    work(r);
}

static bool is_for_later(int status)
{
    return err_is_no_room(status) || status == UV_ENOMEM || status == UV_EMFILE;
}

static void on_progress(void *data, int status)
{
    struct repair *r = data;
    struct repl_group *g = r->group;
    if (group_is_over(g) || g->installation != NULL) {
        end(r);
        return;
    }
    if (is_for_later(status)) {
        log_repair_defer(r->repair, group_now_ms(g), false, err_text(status));
        end(r);
        return;
    }
    switch (status) {
    case 0:
    case ERR_NOT_FOUND:
        end(r);
        break;
    case ERR_NEED_MORE:
        log_repair_need(r->repair, &r->need);
        r->asks = 0;
        ask(r);
        break;
    case ERR_BUSY:
        rest(r, REST_MS);
        break;
    case ERR_CORRUPT:
        begin_again(r);
        break;
    default:
        end(r);
        group_fatal(g, status, "mend a segment");
    }
}

static void on_not_yet(struct repair *r)
{
    if (++r->not_yet_count > NOT_YET_MAX) {
        refuse_source(r, true);
        ask(r);
    } else {
        r->asks = 0;
        r->asked_ms = group_now_ms(r->group) + NOT_YET_MS - ASK_REPEAT_MS; /* the tick asks */
    }
}

void group_repair_on_piece(struct repl_group *g, const struct repl_message *m, struct buffer *owner)
{
    struct repair *r = g->repair;
    if (r == NULL || r->state != REPAIR_ASKING || m->round != r->number || m->from != r->source ||
        m->position != r->need.position)
        return;
    if (m->answer == REPL_REPAIR_HERE) {
        struct slice piece = {.owner = owner, .bytes = m->piece};
        r->not_yet_count = 0;
        r->state = REPAIR_WORKING;
        log_repair_add(r->repair, &piece, on_progress);
    } else if (m->answer == REPL_REPAIR_NOT_YET) {
        on_not_yet(r);
    } else {
        refuse_source(r, false);
        ask(r);
    }
}

/* ---- time ---- */

static void begin(struct repl_group *g)
{
    struct log_flaw flaw;
    uint64_t now_ms = group_now_ms(g);
    if (g->installation != NULL || now_ms - g->repair_looked_ms < LOOK_MS)
        return;
    g->repair_looked_ms = now_ms;
    if (!log_store_next_flaw(g->options.store, now_ms, &flaw))
        return;
    struct repair *r = calloc(1, sizeof *r);
    if (r == NULL || log_repair_begin(g->options.store, &flaw, r, &r->repair) != 0) {
        free(r); /* the next tick tries again */
        return;
    }
    r->group = g;
    r->number = random_u64(g->options.random);
    g->repair = r;
    work(r);
}

static void tick_asking(struct repair *r)
{
    struct repl_group *g = r->group;
    if (group_now_ms(g) - r->asked_ms < ASK_REPEAT_MS && r->asked_ms != 0)
        return;
    if (r->asks >= ASKS_MAX)
        refuse_source(r, true); /* it lives, and does not answer */
    ask(r);
}

void group_repair_tick(struct repl_group *g)
{
    struct repair *r = g->repair;
    log_store_scrub(g->options.store);
    if (r == NULL)
        begin(g);
    else if ((r->state == REPAIR_ASKING || r->state == REPAIR_RESTING) &&
             (g->installation != NULL || log_repair_is_over(r->repair)))
        end(r); /* with an installation all of the group's segments are about to be others */
    else if (r->state == REPAIR_ASKING)
        tick_asking(r);
    else if (r->state == REPAIR_RESTING && group_now_ms(g) - r->asked_ms >= r->rest_ms)
        work(r);
}

void group_repair_stop(struct repl_group *g)
{
    struct repair *r = g->repair;
    if (r != NULL && (r->state == REPAIR_ASKING || r->state == REPAIR_RESTING))
        end(r);
}

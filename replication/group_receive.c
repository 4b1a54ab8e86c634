/* What arrives at a replica.
 *
 * Frames of another generation or for another raft id never reach libraft. Entries are handed
 * over as indexes and terms; their bytes stay in the received buffer and go from there to cache
 * and WAL. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"
#include "raft_err.h"

#define INSTALL_QUIET_MS 2000 /* a peer that installs asks more often */

static char no_address[] = "";

/* libraft frees an AppendEntries' batch when it keeps none of its entries, and only then. */
static int receive_append_part(struct repl_group *g, const struct repl_message *m, unsigned first,
                               unsigned count)
{
    struct raft_entry raft_entries[REPL_APPEND_ENTRIES_MAX];
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES, .server_id = m->from, .server_address = no_address};
    struct raft_append_entries *append = &message.append_entries;
    void *batch = count > 0 ? raft_malloc(1) : NULL;
    if (count > 0 && batch == NULL)
        return UV_ENOMEM;
    append->version = m->raft_version;
    append->term = m->term;
    append->prev_log_index = m->previous_index + first;
    append->prev_log_term = first > 0 ? m->entries[first - 1].term : m->previous_term;
    /* libraft takes the lesser of this and the message's last index as it stands: a short or late
     * message would bring its commit index down. */
    uint64_t last = append->prev_log_index + count;
    append->leader_commit = m->commit_index < last ? m->commit_index : last;
    append->entries = raft_entries;
    append->n_entries = count;
    for (unsigned i = 0; i < count; i++) {
        const struct log_entry *e = &m->entries[first + i];
        raft_entries[i] = (struct raft_entry){.term = e->term, .batch = batch};
        raft_entries[i].type = (enum raft_entry_type)e->type;
        raft_entries[i].buf = (struct raft_buffer){.base = (void *)(uintptr_t)e->body.bytes.data,
                                                   .len = e->body.bytes.size};
    }
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = &message}};
    int err = group_step(g, &event, m->entries, m->previous_index + 1);
    if (err == 1)
        raft_free(batch); /* entries were taken: the batch is ours */
    return err < 0 ? err : 0;
}

/* In parts, so that a configuration entry is always first. */
static int receive_append_parts(struct repl_group *g, const struct repl_message *m)
{
    unsigned first = 0;
    do {
        unsigned count = 0;
        while (first + count < m->entry_count &&
               (count == 0 || m->entries[first + count].type != LOG_ENTRY_CHANGE))
            count++;
        int err = receive_append_part(g, m, first, count);
        if (err != 0)
            return err;
        first += count;
    } while (first < m->entry_count);
    return 0;
}

/* Entries up to our own snapshot are committed, so a leader has the same: they are stepped over.
 * libraft no longer knows their terms and would refuse them, also to a leader that can't know
 * better, because it never heard how much this replica has. Returns how many are left out. */
static unsigned step_over_snapshot(struct repl_group *g, struct repl_message *m)
{
    uint64_t snapshot = g->raft.trail.snapshot.index;
    if (g->raft.snapshot.installing || m->previous_index >= snapshot ||
        m->previous_index > g->raft.trail.offset)
        return 0;
    uint64_t over = snapshot - m->previous_index;
    if (over >= m->entry_count) {
        over = m->entry_count;
        m->previous_index = snapshot - over;
    }
    m->previous_term = g->raft.trail.snapshot.term;
    return (unsigned)over;
}

static bool is_other_than_committed(struct repl_group *g, uint64_t index, uint64_t term)
{
    uint64_t own_term;
    return index > 0 && index <= g->raft.commit_index && group_term_of(g, index, &own_term) &&
           own_term != term;
}

/* What is committed here is in every later leader's log (Raft, leader completeness). Who names
 * another entry there is no leader of this log, or one of the two has lost what it promised to
 * keep. libraft ends at that; here the message is refused, and what the other groups do goes on. */
static bool does_contradict(struct repl_group *g, const struct repl_message *m)
{
    uint64_t index = m->previous_index;
    bool is_other = is_other_than_committed(g, index, m->previous_term);
    for (unsigned i = 0; i < m->entry_count && ++index <= g->raft.commit_index && !is_other; i++)
        is_other = is_other_than_committed(g, index, m->entries[i].term);
    if (is_other && m->term > g->contradicting_term) {
        g->contradicting_term = m->term;
        event_error("leader_contradicts", "group=%u leader=%u term=%llu commit_index=%llu",
                    g->options.identity.group_id, repl_raft_id_node(m->from),
                    (unsigned long long)m->term, (unsigned long long)g->raft.commit_index);
    }
    return is_other;
}

static int receive_append(struct repl_group *g, const struct repl_message *m)
{
    struct repl_message stepped = *m;
    unsigned over = step_over_snapshot(g, &stepped);
    stepped.previous_index += over;
    stepped.entries += over;
    stepped.entry_count -= over;
    return does_contradict(g, &stepped) ? 0 : receive_append_parts(g, &stepped);
}

static int receive(struct repl_group *g, struct raft_message *message)
{
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = message}};
    int err = group_step(g, &event, NULL, 0);
    return err < 0 ? err : 0;
}

static struct raft_server *own_server(struct repl_group *g)
{
    for (unsigned i = 0; i < g->raft.configuration.n; i++)
        if (g->raft.configuration.servers[i].id == g->options.raft_id)
            return &g->raft.configuration.servers[i];
    return NULL;
}

int group_receive_vote(struct repl_group *g, const struct repl_message *m)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE, .server_id = m->from, .server_address = no_address};
    message.request_vote = (struct raft_request_vote){.version = m->raft_version,
                                                      .term = m->term,
                                                      .candidate_id = m->from,
                                                      .last_log_index = m->last_index,
                                                      .last_log_term = m->last_term,
                                                      .disrupt_leader = m->does_disrupt,
                                                      .pre_vote = m->is_pre_vote};
    /* Who is asked may be a voter already and not know: the change that says so was lost with its
     * leader, and the quorum that it made needs this vote (Raft dissertation, 4.1: a server votes
     * whatever its own configuration says). libraft would refuse. */
    struct raft_server *self = own_server(g);
    int role = self == NULL ? RAFT_VOTER : self->role;
    if (self != NULL)
        self->role = RAFT_VOTER;
    group_role_before_vote(g, m);
    int err = receive(g, &message);
    self = own_server(g);
    if (self != NULL)
        self->role = role;
    if (err == 0)
        group_role_on_candidate(g, m);
    return err;
}

/* Only the vote that is being held counts. libraft looks for its phase also when it is no
 * candidate, where another union's bytes are, and would take the term of a late pre-vote, which
 * nobody is in yet, for a real one: a leader would step down. */
static bool is_vote_awaited(const struct repl_group *g, const struct repl_message *m)
{
    bool is_granted_ahead = m->is_granted && m->term > g->raft.current_term + 1;
    return g->raft.state == RAFT_CANDIDATE && !is_granted_ahead &&
           m->is_pre_vote == g->raft.candidate_state.in_pre_vote;
}

int group_receive_vote_result(struct repl_group *g, const struct repl_message *m)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT, .server_id = m->from, .server_address = no_address};
    message.request_vote_result = (struct raft_request_vote_result){.version = m->raft_version,
                                                                    .term = m->term,
                                                                    .vote_granted = m->is_granted,
                                                                    .pre_vote = m->is_pre_vote,
                                                                    .features = m->features,
                                                                    .capacity = m->capacity};
    if (!is_vote_awaited(g, m) || group_handover_keep_vote(g, m))
        return 0;
    int err = receive(g, &message);
#ifdef TRILOG_BREAK_COUNT_VOTE_TWICE
    /* On purpose wrong, for the simulation to find: a vote counts for all who have not answered. */
    for (unsigned i = 0; i < g->raft.configuration.n && err == 0 && m->is_granted; i++)
        if (g->raft.configuration.servers[i].id != m->from && is_vote_awaited(g, m) &&
            g->raft.configuration.servers[i].role == RAFT_VOTER &&
            g->raft.configuration.servers[i].id != g->options.raft_id) {
            message.server_id = g->raft.configuration.servers[i].id;
            err = receive(g, &message);
        }
#endif
    return err;
}

/* What the peer is known to have stays known: a refusal of it is late, and only a sign of life, and
 * a hint to go back beyond it (late, or a whole term's) goes back to it. Taken as they stand they
 * would bring libraft's next index down to its match index. */
static void bound_refusal(struct repl_group *g, struct raft_append_entries_result *result,
                          uint64_t from)
{
    raft_index match = 0;
    if (result->rejected == 0 || result->term != g->raft.current_term ||
        raft_match_index(&g->raft, from, &match) != 0)
        return;
    if (result->rejected <= match)
        result->rejected = 0;
    if (result->rejected == 0 || result->last_log_index < match)
        result->last_log_index = match;
}

/* While it waits for a snapshot to be installed, libraft takes only a refusal at that very index
 * for a sign that it was lost; after another checkpoint it asks at the newer one, and would wait
 * for its long timeout. So a peer that is not fetching refuses what libraft has in mind. */
static void notice_lost_install(struct repl_group *g, const struct peer *p,
                                struct raft_append_entries_result *result)
{
    if (result->rejected == 0 || result->rejected != g->raft.trail.snapshot.index ||
        p->install_index_min <= result->last_log_index ||
        group_ship_is_asked(g, p, INSTALL_QUIET_MS))
        return;
    result->rejected = p->install_index_min;
}

static int receive_append_result(struct repl_group *g, const struct repl_message *m)
{
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES_RESULT, .server_id = m->from, .server_address = no_address};
    message.append_entries_result = (struct raft_append_entries_result){
        .version = m->raft_version,
        .term = m->term,
        .rejected = m->rejected,
        .last_log_index = m->last_index,
        .features = m->features,
        .capacity = m->capacity};
    struct peer *p = group_find_peer(g, m->from);
    if (p != NULL)
        p->heard_ns = clock_now_ns(g->options.clock);
    if (p != NULL && m->rejected == 0 && m->term == g->raft.current_term)
        group_window_acknowledge(g, p, m->last_index);
    if (p != NULL && m->rejected > 0)
        p->told_commit = 0; /* the frame that told it was perhaps refused */
    if (p != NULL)
        group_promise_remind(g, p, m);
    bound_refusal(g, &message.append_entries_result, m->from);
    if (p != NULL)
        notice_lost_install(g, p, &message.append_entries_result);
    return receive(g, &message);
}

static int receive_timeout_now(struct repl_group *g, const struct repl_message *m)
{
    struct raft_message message = {
        .type = RAFT_TIMEOUT_NOW, .server_id = m->from, .server_address = no_address};
    message.timeout_now = (struct raft_timeout_now){.version = m->raft_version,
                                                    .term = m->term,
                                                    .last_log_index = m->last_index,
                                                    .last_log_term = m->last_term};
    return receive(g, &message);
}

/* What is applied here is committed: no leader has another entry there. */
static bool is_install_possible(struct repl_group *g, const struct repl_message *m)
{
    uint64_t term;
    bool is_whole = m->last_index > 0 && m->last_term > 0 && m->last_term <= m->term &&
                    m->configuration_index > 0 && m->configuration_index <= m->last_index;
    if (m->last_index < log_store_state(g->options.store)->left_index) {
        group_leave_ask_newer(g, m->from);
        return false; /* of a time when this replica had promised what it has forgotten */
    }
    return is_whole && (m->last_index > g->applied_index ||
                        !group_term_of(g, m->last_index, &term) || term == m->last_term);
}

/* libraft frees the configuration when it does not begin to install. */
static int receive_install(struct repl_group *g, const struct repl_message *m)
{
    struct raft_message message = {
        .type = RAFT_INSTALL_SNAPSHOT, .server_id = m->from, .server_address = no_address};
    struct raft_install_snapshot *install = &message.install_snapshot;
    if (g->raft.snapshot.installing || !is_install_possible(g, m))
        return 0;
    install->version = m->raft_version;
    install->term = m->term;
    install->last_index = m->last_index;
    install->last_term = m->last_term;
    install->conf_index = m->configuration_index;
    install->data = (struct raft_buffer){.base = NULL, .len = 0}; /* it is shipped */
    int err = configuration_decode(m->configuration, &install->conf);
    if (err != 0)
        return err == ERR_MALFORMED ? 0 : err;
    return receive(g, &message);
}

static bool is_for_us(struct repl_group *g, const struct repl_message *m)
{
    const struct log_wal_group *own = &g->options.identity;
#ifdef TRILOG_BREAK_HEAR_OLD_GENERATIONS
    /* On purpose wrong, for the simulation to find: who is of which generation does not matter. */
    return m->to == g->options.raft_id && m->from != 0 && m->from != g->options.raft_id &&
           own != NULL;
#endif
    if (m->group.generation > own->generation)
        repl_group_set_aside(g, m->group.generation);
    if (m->group.generation != own->generation || m->group.recovery_id != own->recovery_id) {
        g->counters.generation_refused++;
        return false;
    }
    return m->to == g->options.raft_id && m->from != 0 && m->from != g->options.raft_id;
}

/* What no replica sends. libraft asserts it, and reads on without its asserts; peers may lie.
 * A leader can have no leader's message of its own term; configurations must end where they say;
 * a log begins with a checkpoint, never with an entry at index 1. */
static bool is_append_possible(const struct repl_group *g, const struct repl_message *m)
{
    for (unsigned i = 0; i < m->entry_count; i++)
        if (m->entries[i].type == LOG_ENTRY_CHANGE &&
            !configuration_is_sound(m->entries[i].body.bytes))
            return false;
    return m->entry_count == 0 || m->previous_index > 0 || g->raft.trail.snapshot.index > 0;
}

static bool is_possible(const struct repl_group *g, const struct repl_message *m)
{
    bool is_of_leader = m->type == REPL_APPEND || m->type == REPL_INSTALL;
    if (m->term == 0 ||
        (is_of_leader && g->raft.state == RAFT_LEADER && m->term == g->raft.current_term))
        return false;
    return m->type != REPL_APPEND || is_append_possible(g, m);
}

static bool is_of_earlier_leader(const struct repl_group *g, const struct repl_message *m)
{
    return (m->type == REPL_APPEND || m->type == REPL_INSTALL) && m->term < g->raft.current_term;
}

/* Who led in an earlier term learns ours. libraft would answer, too, but leaves to chance the index
 * that it names, and answers a snapshot with a success: a sender that leads again by now, in our
 * term, would count as stored here whatever that says. This is true whenever it arrives. */
static void answer_earlier_leader(struct repl_group *g, const struct repl_message *m)
{
    uint64_t last = raft_last_index(&g->raft);
    struct raft_message answer = {
        .type = RAFT_APPEND_ENTRIES_RESULT, .server_id = m->from, .server_address = no_address};
    answer.append_entries_result = (struct raft_append_entries_result){
        .term = g->raft.current_term, .rejected = last + 1, .last_log_index = last};
    group_send_when_durable(g, &answer);
}

static int dispatch(struct repl_group *g, const struct repl_message *m, struct buffer *owner)
{
    if (is_of_earlier_leader(g, m)) {
        answer_earlier_leader(g, m);
        return 0;
    }
    if (m->type == REPL_APPEND || m->type == REPL_INSTALL)
        g->leave_round = 0; /* a leader has it in its configuration: an answer is out of date */
    switch (m->type) {
    case REPL_REQUEST_VOTE:
        return group_receive_vote(g, m);
    case REPL_REQUEST_VOTE_RESULT:
        return group_receive_vote_result(g, m);
    case REPL_APPEND:
        return receive_append(g, m);
    case REPL_APPEND_RESULT:
        return receive_append_result(g, m);
    case REPL_INSTALL:
        return receive_install(g, m);
    case REPL_TIMEOUT_NOW:
        return receive_timeout_now(g, m);
    case REPL_READ_ROUND:
        group_on_read_round(g, m);
        return 0;
    case REPL_READ_ROUND_ACK:
        group_on_read_ack(g, m);
        return 0;
    case REPL_SHIP_ASK:
        group_ship_on_ask(g, m);
        return 0;
    case REPL_SHIP_PIECE:
        group_install_on_piece(g, m, owner);
        return 0;
    case REPL_REPAIR_ASK:
        group_help_on_ask(g, m);
        return 0;
    case REPL_REPAIR_PIECE:
        group_repair_on_piece(g, m, owner);
        return 0;
    case REPL_PROMISE:
        group_promise_on_reminder(g, m);
        return 0;
    case REPL_LEAVE_ASK:
        group_leave_on_ask(g, m);
        return 0;
    case REPL_LEFT:
        group_leave_on_left(g, m);
        return 0;
    case REPL_HEARTBEAT:
    case REPL_APPLICATION:
        return 0;
    }
    return 0;
}

void group_on_frame(struct repl_group *g, struct bytes frame, struct buffer *owner)
{
    struct repl_message m;
    int err = repl_message_decode(frame, owner, g->received, &m);
    if (err != 0) {
        event_warn("peer_message_refused", "group=%u error=%s", g->options.identity.group_id,
                   err_name(err));
        return;
    }
    if (group_is_over(g) || g->is_set_aside || g->leave != NULL || !is_for_us(g, &m) ||
        (m.type < REPL_SHIP_ASK && !is_possible(g, &m)))
        return;
    err = dispatch(g, &m, owner);
    if (err != 0) /* term or vote may have changed in memory and not on disk */
        group_fatal(g, err, "a peer's message");
}

/* The inside of a raft group's replica; shared by group*.c only, which alone include raft.h.
 *
 * libraft keeps indexes and terms; entries' bytes are ours: in the cache, newest last, and in the
 * WAL behind it. */
#ifndef REPLICATION_GROUP_INTERNAL_H
#define REPLICATION_GROUP_INTERNAL_H

#include <raft.h>

#include "growth.h"
#include "log/repair.h"
#include "log/scrub.h"
#include "message.h"
#include "node_internal.h"
#include "replication/group.h"
#include "ship_gain.h"

_Static_assert(RAFT_VERSION_NUMBER >= 2201,
               "libraft 0.22.1 or newer is needed: 0.15 acknowledges nothing under a steady stream "
               "and loses committed entries (Raft, figure 8)");
_Static_assert((int)LOG_ENTRY_COMMAND == (int)RAFT_COMMAND &&
                   (int)LOG_ENTRY_BARRIER == (int)RAFT_BARRIER &&
                   (int)LOG_ENTRY_CHANGE == (int)RAFT_CHANGE,
               "entry types are libraft's");

/* Entries kept in memory: [first, first + count), consecutive. */
struct entry_cache {
    struct log_entry *ring; /* owned slices */
    uint64_t first;         /* index of the oldest */
    size_t count;
    size_t capacity; /* a power of two */
    size_t bytes;    /* of the payloads */
};

/* A message that waits for term and vote to be durable. */
struct held_message {
    struct held_message *next;
    struct raft_message message;
};

/* One request to the WAL. In order; entries that a later one truncates are cut from `last`. */
struct persist {
    struct log_wal_append append; /* first */
    struct repl_group *group;
    struct persist *next; /* oldest first */
    bool is_appended;     /* the WAL has it */
    uint64_t first, last; /* indexes; last < first: none */
    struct held_message *held, *held_last;
    struct log_entry entries[]; /* referenced slices */
};

/* What libraft wants a peer to get: [base, to], of which [from, to] is still to be sent. */
struct peer {
    uint64_t raft_id; /* 0: unused */
    uint32_t node_id;
    struct repl_group *group;
    uint64_t base, from, to;   /* base 0: nothing was asked for yet */
    uint64_t acked;            /* last index that the peer is known to have of what was sent */
    size_t window_bytes;       /* sent behind it: this group's part of the peer's window */
    uint64_t sent_ms;          /* last frame with entries */
    uint64_t beaten_ms;        /* last frame without, or 0 */
    uint64_t retry_ms;         /* the network took nothing: not before then */
    bool is_refused;           /* its refusal is being handled: what follows is sent anew */
    struct log_wal_read *read; /* entries that are no longer in memory, or NULL */
    bool is_reading;           /* `read` is with the WAL */
    bool is_read_stale;        /* ... for an earlier term of ours as leader */
    uint64_t told_commit;      /* highest commit index sent */
    uint64_t heard_ns;         /* last result */
    uint64_t acked_round;      /* of the read index */
    struct log_pin *pin;       /* snapshot being shipped to it */
    uint64_t pin_index;
    uint64_t pin_used_ms;
    uint64_t pin_asked_ms;         /* last ask for a piece of it, or 0 */
    unsigned pin_reads;            /* under way */
    uint64_t pin_read_bytes;       /* ... asked for by them */
    bool is_pin_damaged;           /* a file of it can't be read: another one is pinned next */
    struct ship_gain ship_gain;    /* of compressing it */
    bool is_install_due;           /* it was to get a snapshot and there was none to pin */
    unsigned char install_version; /* libraft's, of the message that was due */
    uint64_t install_index_min;    /* of the snapshot that libraft has in mind, or 0 */
    uint64_t reminded_ms;          /* when it was last told what it had acknowledged */
};

#define HEARD_SIZE 88

/* Rounds of which is known when they began: with one every 50 ms, those under way over any link. */
#define REPL_ROUNDS 32

/* Where a leader was and when, by its clock: of what was heard lately. */
#define HEARD_PLACES 64
struct heard_place {
    uint64_t position;
    uint64_t term;
    int64_t leader_wall_ms; /* 0: unused */
};

/* Leadership that this replica gave away by its own vote; `to` 0: none under way. */
struct handover {
    uint64_t to;                          /* raft id */
    uint64_t term, last_index, last_term; /* of our lead, and the end of its log */
    uint64_t since_ms, sent_ms;
};

struct installation;
struct repair;
struct leave;

struct repl_group {
    struct repl_group_options options;
    struct raft raft;
    struct entry_cache cache;
    struct peer peers[REPL_MEMBERS_MAX];
    bool is_stopped;
    bool is_failed;    /* on_fatal was told: nothing is answered any more */
    bool is_held;      /* elected, it serves only when it is held no more */
    bool is_set_aside; /* of a past generation: it says nothing and takes nothing, but keeps its
                          disk in order */
    bool is_deaf;      /* it leads and hears no majority: it says so, and sends no entries */
    uint64_t contradicting_term; /* of the last leader that named another entry than is committed */

    /* WAL */
    struct persist *persists, *persists_last;
    uint64_t appended_index; /* last index given to a persist */
    uint64_t own_from; /* the log from here to its end is what this replica proposed itself, since
                          its start; 0: its last entry is another's, or of before */
    unsigned vote_persists; /* with term or vote, not durable */
    bool is_wal_full;       /* it took no more: nothing is submitted meanwhile, for what waits here
                               is not counted anywhere */

    /* submit */
    struct repl_submit *queued, *queued_last;   /* not in the log yet */
    struct repl_submit *pending, *pending_last; /* in the log, not applied; by index */
    size_t pending_bytes;                       /* of both */
    int64_t wall_ms;                            /* highest clock of an entry seen */

    /* apply */
    uint64_t applied_index;
    uint64_t applied_term;
    struct log_wal_read *apply_read; /* or NULL */
    bool is_apply_reading;
    bool is_apply_read_stale; /* ... of a log that was replaced meanwhile */
    bool has_progress;        /* to tell the machine at the turn's end */

    /* role */
    enum repl_role role;  /* as told to the machine, LEADER once ready */
    uint64_t ready_index; /* first entry of our own term, or 0 */
    bool needs_barrier;
    uint64_t role_term;
    uint64_t leaderless_since_ms; /* follower or candidate without a leader, or 0 */
    uint64_t electable_since_ms;  /* ... and a majority is heard, or 0 */
    uint64_t quiet_until_ms;      /* somebody told of a leader: don't stand before */
    uint32_t lesser_node_id;      /* who asked for our vote last and lacks entries that we have */
    uint64_t lesser_asked_ms;
    uint32_t able_node_id; /* who asked last and has all that we have */
    uint64_t able_asked_ms;
    uint64_t answered_to, answered_term, answered_index; /* last answer, when it was a success */
    uint64_t answered_ms;
    uint64_t candidate_since_ms;
    uint64_t candidate_spread_ms; /* longer than others, by chance, until it stands again */
    uint64_t heard_majority_ms;   /* leader: a majority was last alive; others: now */
    uint64_t led_term;            /* the last one that this replica led in, since its start, or 0 */
    uint64_t led_until_ms;        /* ... when a round began that a majority answered */
    uint64_t beaten_ms;           /* leader: libraft's last timeout */
    uint32_t preferred_node_id;
    bool is_within_site;          /* the site rule is not for it */
    bool is_alone;                /* it is the only voter, as the node was told */
    uint64_t published_leader;    /* as the node was told last ... */
    uint64_t published_term;      /* ... with this term */
    uint64_t transfer_since_ms;   /* or 0 */
    uint64_t home_asked_until_ms; /* an operator wants it there: no quiet time before this */
    uint64_t tried_home_ms;       /* last attempt to go where leadership belongs */
    uint64_t looked_settled_ms;   /* when its owner was last asked whether it may go */
    uint64_t unsettled_since_ms;  /* and since when it says no; 0: it may */
    unsigned hand_over_count;     /* attempts, since this node is leaving or its disk in trouble */
    uint64_t handed_over_ms;      /* last attempt because of the disk */
    struct handover handover;
    uint64_t asked_target_ms;       /* when the target of a transfer was last told to stand */
    struct repl_message early_vote; /* came before our own was durable; `from` 0: none */
    char avoided_site[32];          /* nobody should lead there; "": none */
    uint64_t uneven_ms;             /* `home_id` was last seen not level, or first looked at */
    uint64_t looked_home_ms;
    uint32_t home_id;

    /* heard of the leader */
    struct repl_heard heard;
    uint64_t heard_ns;
    struct heard_place heard_places[HEARD_PLACES];
    unsigned heard_next;   /* the oldest of them */
    bool is_heard_new;     /* since it was last kept */
    bool is_keeping_heard; /* heard_append is with the WAL */
    uint64_t heard_kept_ms;
    int64_t heard_kept_level_ms; /* level_wall_ms of what was kept */
    uint8_t heard_bytes[HEARD_SIZE];
    struct log_wal_append heard_append;

    /* reads */
    struct repl_read *reads, *reads_last;
    unsigned read_count;
    uint64_t round;                        /* last begun */
    uint64_t round_at_ms;                  /* last sent */
    uint64_t round_term;                   /* ours as leader, when it was begun */
    uint64_t rounds_begun_ms[REPL_ROUNDS]; /* by number: the newest of them */

    /* checkpoint */
    struct log_checkpoint checkpoint;
    struct raft_buffer checkpoint_configuration;
    bool is_checkpointing;
    bool is_checkpoint_wanted; /* as soon as what is applied is on our own disk, too */
    uint64_t checkpoint_index;
    bool waits_for_room; /* the last one found the disk full ... */
    uint64_t no_room_ms; /* ... at this time */

    /* install */
    struct installation *installation; /* or NULL */

    /* damaged segments */
    struct repair *repair;     /* of the one being mended, or NULL */
    uint64_t repair_looked_ms; /* for the next one */
    unsigned help_count;       /* reads for peers under way */

    /* leaving the group */
    uint64_t leave_round; /* number of the question that is not answered yet, or 0 */
    uint64_t leave_asked_ms;
    uint64_t left_ids[REPL_MEMBERS_MAX]; /* leader: who was told in `left_term` that it has left */
    uint64_t left_term;
    struct leave *leave; /* what it has is being removed: it hears and says nothing */

    struct growth growth; /* of the log: what came, and when */
    struct repl_counters counters;
    struct log_entry received[REPL_APPEND_ENTRIES_MAX]; /* of the frame being handled */
};

/* group_cache.c */
void cache_close(struct entry_cache *c);
int cache_push(struct entry_cache *c, const struct log_entry *entry); /* takes references */
const struct log_entry *cache_get(const struct entry_cache *c, uint64_t index);
void cache_truncate(struct entry_cache *c, uint64_t from_index);
void cache_drop_before(struct entry_cache *c, uint64_t index);

/* group_configuration.c */
int configuration_add(struct raft_configuration *c, const struct repl_member *member);
void configuration_member(const struct raft_server *server, struct repl_member *member);
/* Would libraft read these bytes and nothing behind them? */
bool configuration_is_sound(struct bytes encoded);
/* Do both members stand in the same site? False where one is no member. */
bool configuration_is_same_site(const struct raft_configuration *c, uint64_t one, uint64_t other);
/* 0 (*c is owned: raft_configuration_close), ERR_MALFORMED or UV_ENOMEM. */
int configuration_decode(struct bytes encoded, struct raft_configuration *c);
bool configuration_is_voter(const struct raft_configuration *c, uint64_t raft_id);
bool configuration_has_sole_voter(const struct raft_configuration *c, uint64_t raft_id);

/* group_step.c */
int group_step(struct repl_group *g, struct raft_event *event, const struct log_entry *source,
               uint64_t source_first);
/* Not before a term and vote on their way to the WAL. */
void group_send_when_durable(struct repl_group *g, const struct raft_message *message);
/* group_promise.c: the leader tells a peer that has less than it acknowledged; the peer looks. */
void group_promise_remind(struct repl_group *g, struct peer *p, const struct repl_message *result);
void group_promise_on_reminder(struct repl_group *g, const struct repl_message *m);
void group_fatal(struct repl_group *g, int status, const char *what);
/* Stopped or failed: nothing is begun, sent, applied or answered. */
bool group_is_over(const struct repl_group *g);
bool group_is_leader(const struct repl_group *g);
uint64_t group_now_ms(const struct repl_group *g);
bool group_term_of(struct repl_group *g, uint64_t index, uint64_t *term);
void group_fill_message(const struct repl_group *g, enum repl_message_type type, uint64_t to,
                        struct repl_message *m);

/* group_persist.c */
int persist_add(struct repl_group *g, bool has_vote, const struct log_entry *entries,
                unsigned count, uint64_t truncate_from);
void persist_snapshot(struct repl_group *g, uint64_t index, uint64_t term);
void persist_forget(struct repl_group *g);
void persist_flush(struct repl_group *g);
void persist_hold(struct repl_group *g, const struct raft_message *message);
bool persist_is_idle(const struct repl_group *g);
void persist_drop_all(struct repl_group *g); /* none may be with the WAL */

/* What an entry takes in the WAL and about in a frame. */
static inline size_t group_append_size(const struct log_entry *e)
{
    return log_entry_size(e) + LOG_WAL_RECORD_OVERHEAD;
}

/* group_message.c */
void group_send(struct repl_group *g, const struct raft_message *message);
void group_send_due_installs(struct repl_group *g); /* there is a new checkpoint */

/* group_send.c */
void group_send_append(struct repl_group *g, const struct raft_message *message);
/* A new leader's first entries go to all voters, as if libraft had asked for them already. */
void group_send_ahead(struct repl_group *g, uint64_t first, unsigned count);
void group_pump(struct repl_group *g);
void group_tell_commit(struct repl_group *g);
void group_beat_blocked(struct repl_group *g);
/* A member's; NULL when it is none. */
struct peer *group_peer(struct repl_group *g, uint64_t raft_id);
struct peer *group_find_peer(struct repl_group *g, uint64_t raft_id); /* never made for it */
void group_forget_peers(struct repl_group *g);
/* The peer has all up to `index`: its window is freed by so much. */
void group_window_acknowledge(struct repl_group *g, struct peer *p, uint64_t index);
int group_send_message(struct repl_group *g, enum net_channel channel, const struct repl_message *m,
                       const struct slice *payload, unsigned payload_count);

/* group_handover.c */
void group_handover_turn(struct repl_group *g);
void group_handover_tick(struct repl_group *g, uint64_t now_ms);
/* True when it is kept, to be counted once our own vote is durable. */
bool group_handover_keep_vote(struct repl_group *g, const struct repl_message *m);

/* group_receive.c */
#define REPL_VOTE_VERSION 2 /* of libraft's vote messages, with pre-votes */
int group_receive_vote(struct repl_group *g, const struct repl_message *m);
int group_receive_vote_result(struct repl_group *g, const struct repl_message *m);

/* group_change.c: the vote that the change under way gives away may be taken back. */
bool group_can_take_back(const struct repl_group *g);
void group_on_frame(struct repl_group *g, struct bytes frame, struct buffer *owner);

/* group_apply.c */
void group_apply(struct repl_group *g);
void group_apply_forget(struct repl_group *g); /* the log was cut or replaced */
void group_fail_pending(struct repl_group *g, int status);

/* group_read.c */
void group_reads_advance(struct repl_group *g);
void group_reads_fail(struct repl_group *g, int status);
/* Leader: until when is it known that nobody else led? Asks once a second. */
void group_lead_tick(struct repl_group *g, uint64_t now_ms);
void group_on_read_round(struct repl_group *g, const struct repl_message *m);
void group_on_read_ack(struct repl_group *g, const struct repl_message *m);

/* group_checkpoint.c */
void group_checkpoint_begin(struct repl_group *g);
void group_tell_compacted(struct repl_group *g);

/* group_ship.c */
void group_ship_pin(struct repl_group *g, struct peer *p);
/* The peer is fetching the pinned snapshot, and has not installed it yet. */
bool group_ship_is_asked(const struct repl_group *g, const struct peer *p, uint64_t within_ms);
void group_ship_unpin(struct repl_group *g, struct peer *p);
void group_ship_on_ask(struct repl_group *g, const struct repl_message *m);
void group_ship_tick(struct repl_group *g);

/* group_install.c */
void group_install_begin(struct repl_group *g, const struct raft_snapshot_metadata *metadata);
void group_install_on_piece(struct repl_group *g, const struct repl_message *m,
                            struct buffer *owner);
void group_install_tick(struct repl_group *g);
/* The group stops: what the disk is not busy with goes now, the rest when it is done. */
void group_install_stop(struct repl_group *g);
void group_install_on_node_gone(struct repl_group *g, uint32_t node_id);

/* group_repair.c */
void group_repair_tick(struct repl_group *g);
void group_repair_on_piece(struct repl_group *g, const struct repl_message *m,
                           struct buffer *owner);
/* As group_install_stop. */
void group_repair_stop(struct repl_group *g);

/* group_leave.c */
void group_leave_on_ask(struct repl_group *g, const struct repl_message *m);
void group_leave_on_left(struct repl_group *g, const struct repl_message *m);
void group_leave_tick(struct repl_group *g);
/* The snapshot that a leader offers is from before this replica left. */
void group_leave_ask_newer(struct repl_group *g, uint64_t leader_raft_id);
/* Did the leader tell this replica, in this very term, that it has left? Then another is to lead
 * before it is taken in again, and leadership is on its way where there is one. */
bool group_leave_hands_over(struct repl_group *g, uint64_t raft_id);
/* As group_install_stop. */
void group_leave_stop(struct repl_group *g);

/* group_help.c */
void group_help_on_ask(struct repl_group *g, const struct repl_message *m);

/* group_role.c */
void group_role_on_candidate(struct repl_group *g, const struct repl_message *vote);
/* Before libraft hears of it: who asks for a vote leads no more. */
void group_role_before_vote(struct repl_group *g, const struct repl_message *vote);
void group_role_term_rose(struct repl_group *g, const struct raft_event *event);
void group_role_changed(struct repl_group *g);
/* It leads no more, whatever libraft thinks. */
void group_role_give_up(struct repl_group *g);
void group_role_tick(struct repl_group *g);
/* libraft's timeout, and an election when it is due. */
bool group_role_is_timeout_due(const struct repl_group *g);
void group_role_timeout(struct repl_group *g);
int group_begin_sole_term(struct repl_group *g, uint64_t term);
void group_role_ready(struct repl_group *g);
/* The node hears at once of another leader. */
void group_role_tell(struct repl_group *g);
void group_on_node_gone(struct repl_group *g, uint32_t node_id);
struct repl_beat_row;
void group_on_heartbeat(struct repl_group *g, const struct repl_beat_row *row);

/* group_transfer.c */
void group_transfer_tick(struct repl_group *g, uint64_t now_ms);
/* The voters' node ids, where leadership belongs first; returns how many. */
unsigned group_leader_order(const struct repl_group *g, uint32_t order[REPL_MEMBERS_MAX]);

/* group_room.c */
/* The peer gets no entries now: its disk has no room for them, and the others need it not. */
bool group_spares_peer(const struct repl_group *g, uint32_t node_id);

/* group_lag.c */
void group_lag_begin(struct repl_group *g); /* the log is another, or was just opened */
void group_lag_add(struct repl_group *g, const struct log_entry *entries, unsigned count);
void group_lag_of(const struct repl_group *g, uint64_t match, struct repl_replica_status *r);
void group_lag_fill(const struct repl_group *g, struct repl_group_status *status);
/* What is told of this replica's place: to peers where it leads. */
struct repl_place group_lag_place(const struct repl_group *g);

/* group_heard.c */
void group_heard_begin(struct repl_group *g); /* with what the WAL has */
void group_heard_note(struct repl_group *g, const struct repl_beat_row *row);
void group_heard_tick(struct repl_group *g, uint64_t now_ms);
/* As of now, with what this replica has got since. */
struct repl_heard group_heard_now(const struct repl_group *g);

/* group_start.c */
int group_restart(struct repl_group *g, struct err_note *note);
/* group_restart, and also what was applied is only what the store has. */
int group_begin_anew(struct repl_group *g, struct err_note *note);

#endif

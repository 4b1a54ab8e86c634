/* What a peer may say that no replica would: nothing of it may end a process, read foreign memory,
 * or change what is committed. libraft's own asserts are off in the package; this file also runs
 * against a build of it with asserts. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 20);
    cluster_settle(&c, 1000);
    return leader;
}

static struct replica *follower_of(const struct replica *leader)
{
    return cluster_other(&c, leader, 0);
}

/* As the leader would send it to the follower, or the follower to the leader. */
static struct repl_message message(enum repl_message_type type, const struct replica *from,
                                   const struct replica *to)
{
    return (struct repl_message){.type = type,
                                 .group.group_id = GROUP_ID,
                                 .from = replica_raft_id(from),
                                 .to = replica_raft_id(to),
                                 .term = replica_status(to).term,
                                 .raft_version = 2};
}

static void inject(const struct replica *from, const struct replica *to,
                   const struct repl_message *m)
{
    cluster_inject(&c, from->number, to->number, m, NULL, 0);
}

/* All goes on as if nothing had been said. */
static void check_unharmed(void)
{
    cluster_append(&c, 5);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    for (unsigned i = 0; i < c.count; i++)
        cr_assert_eq(c.replicas[i].fatal_count, 0);
    cluster_close(&c);
}

static void append_configuration(const struct replica *from, const struct replica *to,
                                 struct bytes configuration)
{
    struct repl_message m = message(REPL_APPEND, from, to);
    struct repl_group_status s = replica_status(to);
    struct log_entry entry = {.term = s.term, .type = LOG_ENTRY_CHANGE};
    struct slice payload = {.bytes = configuration};
    entry.body = payload;
    entry.crc = crc32c(0, configuration);
    m.previous_index = s.last_index;
    m.previous_term = s.term;
    m.entries = &entry;
    m.entry_count = 1;
    cluster_inject(&c, from->number, to->number, &m, &payload, 1);
}

static void install_with(const struct replica *from, const struct replica *to,
                         struct bytes configuration, uint64_t index, uint64_t configuration_index)
{
    struct repl_message m = message(REPL_INSTALL, from, to);
    m.last_index = index;
    m.last_term = m.term;
    m.configuration = configuration;
    m.configuration_index = configuration_index;
    inject(from, to, &m);
}

Test(repl_group_hostile, configurations_that_do_not_end_are_not_read)
{
    struct replica *leader = started(90), *follower = follower_of(leader);
    uint8_t bytes[64] = {1, 200}; /* two hundred servers */
    uint64_t last = replica_status(follower).last_index;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint8_t *exact = malloc(size + 1); /* where a sanitizer sees a byte too far */
        memcpy(exact, bytes, size);
        append_configuration(leader, follower, bytes_of(exact, size));
        install_with(leader, follower, bytes_of(exact, size), last + 100, 1);
        free(exact);
    }
    for (uint8_t count = 1; count < 8; count++) { /* servers, but too few bytes */
        bytes[1] = count;
        bytes[9] = 1;
        append_configuration(leader, follower, bytes_of(bytes, 9 + count));
        install_with(leader, follower, bytes_of(bytes, 9 + count), last + 100, 1);
    }
    cr_assert_eq(replica_status(follower).last_index, last);
    check_unharmed();
}

Test(repl_group_hostile, snapshots_that_can_not_be_are_refused)
{
    struct replica *leader = started(91), *follower = follower_of(leader);
    static const uint8_t one[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 1};
    struct bytes sound = bytes_of(one, sizeof one);
    uint64_t last = replica_status(follower).last_index;
    install_with(leader, follower, sound, 0, 1);
    install_with(leader, follower, sound, last + 10, last + 11); /* a later configuration */
    install_with(leader, follower, sound, last + 10, 0);
    struct repl_message m = message(REPL_INSTALL, leader, follower);
    m.last_index = 3; /* applied here with another term */
    m.last_term = m.term - 1;
    m.configuration = sound;
    m.configuration_index = 1;
    inject(leader, follower, &m);
    m.last_index = last + 10;
    m.last_term = m.term + 1; /* of a later term than its leader's */
    inject(leader, follower, &m);
    cr_assert_eq(replica_status(follower).last_index, last);
    check_unharmed();
}

Test(repl_group_hostile, entries_from_index_1_on_are_no_log)
{
    started(92);
    struct replica *follower = &c.replicas[2];
    struct replica *leader = cluster_leader_now(&c);
    if (leader == follower)
        follower = &c.replicas[0];
    struct log_entry entry = {.term = 1, .type = LOG_ENTRY_BARRIER};
    struct repl_message m = message(REPL_APPEND, leader, follower);
    m.entries = &entry;
    m.entry_count = 1;
    inject(leader, follower, &m);
    replica_kill(follower); /* a replica with nothing at all: a learner to be */
    replica_wipe(follower);
    replica_start(follower);
    m.to = replica_raft_id(follower);
    inject(leader, follower, &m);
    cluster_run_ms(&c, 20);
    cr_assert_eq(replica_status(follower).last_index, 0);
    replica_kill(follower);
    replica_start(follower); /* libraft would assert a configuration at index 1 */
    cluster_append(&c, 3);
    cluster_close(&c);
}

Test(repl_group_hostile, an_early_commit_index_never_lowers_it)
{
    struct replica *leader = started(93), *follower = follower_of(leader);
    struct repl_group_status before = replica_status(follower);
    struct repl_message m = message(REPL_APPEND, leader, follower);
    m.previous_index = 1;
    m.previous_term = 1;
    m.commit_index = before.commit_index + 100;
    inject(leader, follower, &m);
    cr_assert_geq(replica_status(follower).commit_index, before.commit_index);
    check_unharmed();
}

Test(repl_group_hostile, results_of_anything_change_no_match)
{
    struct replica *leader = started(94), *follower = follower_of(leader);
    struct random r;
    random_init(&r, 9);
    for (unsigned i = 0; i < 500; i++) {
        struct repl_message m = message(REPL_APPEND_RESULT, follower, leader);
        uint64_t last = replica_status(leader).last_index;
        m.rejected = random_below(&r, 3) == 0 ? random_u64(&r) : random_below(&r, last + 3);
        /* A success is believed, so it must not lie; any refusal may. */
        m.last_index = m.rejected == 0 ? 0 : random_u64(&r) >> random_below(&r, 64);
        m.features = (uint16_t)random_u64(&r);
        m.raft_version = (uint8_t)random_u64(&r);
        if (i % 3 == 0) /* nobody's */
            m.from = repl_raft_id(follower->node_id, 1000 + i);
        inject(follower, leader, &m);
        if (i % 20 == 0)
            cluster_run_ms(&c, 1);
    }
    check_unharmed();
}

static struct repl_message last_result;
static unsigned result_count;

static bool note_result(struct cluster *cluster, unsigned from, unsigned to,
                        const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    if (m->type == REPL_APPEND_RESULT) {
        last_result = *m;
        result_count++;
    }
    return true;
}

/* A leader of term 2, elected again in term 3, must take nothing for stored because of an answer to
 * what it sent in term 2. */
Test(repl_group_hostile, messages_of_an_earlier_leader_are_never_acknowledged)
{
    struct replica *leader = started(100), *follower = follower_of(leader);
    static const uint8_t one[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 1};
    struct repl_group_status s = replica_status(follower);
    cr_assert_gt(s.term, 1);
    for (unsigned i = 0; i < 4; i++) {
        struct repl_message m = message(i < 2 ? REPL_INSTALL : REPL_APPEND, leader, follower);
        m.term -= 1;
        m.last_index = i % 2 == 0 ? 3 : s.last_index + 100;
        m.last_term = m.previous_term = m.term;
        m.previous_index = i % 2 == 0 ? 1 : s.last_index;
        m.configuration = bytes_of(one, i < 2 ? sizeof one : 0);
        m.configuration_index = 1;
        c.filter = note_result;
        result_count = 0;
        inject(leader, follower, &m);
        c.filter = NULL;
        cr_assert_eq(result_count, 1, "who leads no longer must learn it");
        cr_assert_eq(last_result.term, s.term);
        cr_assert_eq(last_result.last_index, s.last_index);
        cr_assert_eq(last_result.rejected, s.last_index + 1);
    }
    check_unharmed();
}

Test(repl_group_hostile, strangers_take_no_places)
{
    struct replica *leader = started(95), *follower = follower_of(leader);
    for (unsigned i = 0; i < 100; i++) {
        static const enum repl_message_type kinds[] = {REPL_APPEND_RESULT, REPL_READ_ROUND_ACK,
                                                       REPL_SHIP_ASK};
        struct repl_message m = message(kinds[i % 3], follower, leader);
        m.from = repl_raft_id(follower->node_id, 5000 + i);
        if (m.type == REPL_SHIP_ASK)
            m.term = 0;
        inject(follower, leader, &m);
    }
    replica_kill(leader); /* the next one needs a place for each member, too */
    cluster_leader(&c, 2000);
    replica_start(leader);
    check_unharmed();
}

Test(repl_group_hostile, votes_of_any_term_make_nobody_leader)
{
    started(96);
    struct replica *asker = &c.replicas[0], *liar = &c.replicas[1];
    for (unsigned i = 0; i < 3; i++)
        c.replicas[i].is_paused = true;
    cluster_isolate(&c, 0);
    asker->is_paused = false;
    cluster_run_ms(&c, 4000); /* it stands, or asks whether it may */
    memset(c.is_cut, 0, sizeof c.is_cut);
    for (uint64_t ahead = 2; ahead < 6; ahead++)
        for (unsigned kind = 0; kind < 4; kind++) {
            struct repl_message m = message(REPL_REQUEST_VOTE_RESULT, liar, asker);
            m.term += ahead;
            m.is_granted = kind & 1;
            m.is_pre_vote = kind & 2;
            inject(liar, asker, &m);
            m.raft_version = 0;
            inject(liar, asker, &m);
        }
    cr_assert_neq(replica_status(asker).role, REPL_LEADER);
    for (unsigned i = 0; i < 3; i++)
        c.replicas[i].is_paused = false;
    cluster_run_ms(&c, 2000);
    check_unharmed();
}

Test(repl_group_hostile, late_votes_do_not_disturb_a_leader)
{
    struct replica *leader = started(97), *follower = follower_of(leader);
    uint64_t term = leader->role_term;
    for (unsigned kind = 0; kind < 4; kind++)
        for (unsigned i = 0; i < 3; i++) {
            struct repl_message m = message(REPL_REQUEST_VOTE_RESULT, follower, &c.replicas[i]);
            m.term += 1;
            m.is_granted = kind & 1;
            m.is_pre_vote = kind & 2;
            if (&c.replicas[i] != follower)
                inject(follower, &c.replicas[i], &m);
        }
    cluster_run_ms(&c, 500);
    cr_assert_eq(cluster_leader_now(&c), leader);
    cr_assert_eq(leader->role_term, term);
    check_unharmed();
}

Test(repl_group_hostile, nobody_speaks_in_anothers_name)
{
    struct replica *leader = started(98), *follower = follower_of(leader);
    struct replica *third = &c.replicas[3 - leader->number - follower->number];
    struct repl_message m = message(REPL_REQUEST_VOTE, third, leader);
    m.term += 10;
    m.does_disrupt = true;
    m.last_index = 1000;
    m.last_term = m.term - 1;
    uint64_t term = leader->role_term;
    cluster_inject(&c, follower->number, leader->number, &m, NULL, 0);
    cluster_run_ms(&c, 100);
    cr_assert_eq(replica_status(leader).term, term);
    check_unharmed();
}

Test(repl_group_hostile, bytes_of_any_kind_between_nodes_end_no_process)
{
    struct replica *leader = started(99), *follower = follower_of(leader);
    struct random r;
    random_init(&r, 11);
    for (unsigned i = 0; i < 30000; i++) {
        uint8_t bytes[200];
        size_t size = random_below(&r, sizeof bytes);
        for (size_t b = 0; b < size; b++)
            bytes[b] = (uint8_t)(random_below(&r, 3) == 0 ? random_u64(&r) : 0);
        if (size >= REPL_MESSAGE_HEAD_SIZE && i % 4 != 0) {
            bytes_put_le16(bytes, REPL_MESSAGE_VERSION);
            bytes[2] = (uint8_t)random_below(&r, 23);
            bytes_put_le32(bytes + 4, i % 4 == 1 ? REPL_NO_GROUP : GROUP_ID);
            bytes_put_le32(bytes + 8, 0);
            bytes_put_le64(bytes + 12, 0);
            bytes_put_le64(bytes + 20, replica_raft_id(leader));
            bytes_put_le64(bytes + 28, replica_raft_id(follower));
        }
        /* Terms are believed: they stay near, or nobody could follow any more. */
        if (size >= REPL_MESSAGE_HEAD_SIZE + 8)
            bytes_put_le64(bytes + REPL_MESSAGE_HEAD_SIZE, random_below(&r, 3));
        cluster_inject_bytes(&c, leader->number, follower->number, bytes_of(bytes, size));
        if (i % 1000 == 0)
            cluster_run_ms(&c, 10);
    }
    cluster_run_ms(&c, 2000);
    check_unharmed();
}

/* Of the leader's own term, on the leader's connection. */
Test(repl_group_hostile, a_leader_that_contradicts_what_is_committed_is_refused_with_an_event)
{
    static char trace[4096];
    struct replica *leader = started(99), *follower = follower_of(leader);
    struct repl_group_status s = replica_status(follower);
    uint8_t body[LOG_ENTRY_HEAD_SIZE] = {REPL_ENTRY_VERSION, COMMAND_KIND};
    struct slice payload = {.bytes = bytes_of(body, sizeof body)};
    struct log_entry entry = {.term = s.term + 1, .type = LOG_ENTRY_COMMAND, .head = payload};
    struct repl_message m = message(REPL_APPEND, leader, follower);
    entry.crc = crc32c(0, payload.bytes);
    c.trace = trace;
    c.trace_capacity = sizeof trace;
    for (unsigned i = 0; i < 3; i++) {
        m.term = s.term;
        m.previous_index = s.commit_index; /* another entry before */
        m.previous_term = s.term - 1;
        m.entry_count = 0;
        inject(leader, follower, &m);
        m.term = s.term + 1;
        m.previous_index = s.commit_index - 2; /* another entry in what is sent */
        m.previous_term = s.term;
        m.entry_count = 1;
        m.entries = &entry;
        cluster_inject(&c, leader->number, follower->number, &m, &payload, 1);
    }
    const char *told = strstr(trace, "leader_contradicts group=7");
    cr_assert_not_null(told, "%s", trace);
    told = strstr(told + 1, "leader_contradicts");
    cr_assert_not_null(told, "%s", trace);
    cr_assert_null(strstr(told + 1, "leader_contradicts"), "once a term");
    c.trace = NULL;
    cr_assert_eq(replica_status(follower).last_index, s.last_index);
    check_unharmed();
}

/* Fresh reads: everything acknowledged before the call, or no answer. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(unsigned count, uint64_t seed)
{
    cluster_init(&c, count, count, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    return leader;
}

static unsigned rounds_sent;

static bool count_rounds(struct cluster *cluster, unsigned from, unsigned to,
                         const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    rounds_sent += m->type == REPL_READ_ROUND;
    return true;
}

Test(repl_group_read, sees_all_that_was_acknowledged_before_it)
{
    struct replica *leader = started(3, 70);
    for (unsigned i = 0; i < 20; i++) {
        struct read_request read;
        struct proposal *p = cluster_propose(&c, leader, NULL);
        while (p->answers == 0)
            cluster_run_ms(&c, 1);
        cr_assert_eq(cluster_read(leader, &read), 0);
        cr_assert_eq(read.answers, 0, "never from inside the call");
        cluster_run_ms(&c, 20);
        cr_assert_eq(read.answers, 1);
        cr_assert_eq(read.status, 0);
        cr_assert(replica_has(leader, p->value));
    }
    cluster_close(&c);
}

Test(repl_group_read, is_refused_by_a_leader_that_was_paused_and_replaced)
{
    struct replica *old = started(3, 71);
    cluster_append(&c, 3);
    old->is_paused = true;
    cluster_run_ms(&c, 2000);
    struct replica *leader = cluster_leader(&c, 2000);
    cr_assert_neq(leader, old);
    cluster_append(&c, 3);
    uint64_t acknowledged = c.proposals[c.proposal_count - 1]->value;
    /* It wakes up and does not know yet. */
    struct read_request stale, fresh;
    cr_assert_eq(old->role, REPL_LEADER);
    cr_assert_eq(cluster_read(old, &stale), 0);
    old->is_paused = false;
    cr_assert_eq(cluster_read(leader, &fresh), 0);
    cluster_run_ms(&c, 3000);
    cr_assert_eq(stale.answers, 1);
    cr_assert_neq(stale.status, 0, "it answered without what others had acknowledged");
    cr_assert_eq(fresh.answers, 1);
    cr_assert_eq(fresh.status, 0);
    cr_assert(replica_has(leader, acknowledged));
    cluster_close(&c);
}

Test(repl_group_read, is_not_served_to_a_leader_in_a_minority)
{
    struct replica *leader = started(3, 72);
    cluster_isolate(&c, leader->number);
    struct read_request read;
    cr_assert_eq(cluster_read(leader, &read), 0);
    cluster_run_ms(&c, 500);
    cr_assert_eq(read.answers, 0);
    cluster_run_ms(&c, 3000);
    cr_assert_eq(read.answers, 1);
    cr_assert(read.status == ERR_LEADERSHIP_LOST || read.status == ERR_TIMEOUT);
    cr_assert_eq(cluster_read(leader, &read), ERR_NOT_LEADER);
    cluster_close(&c);
}

Test(repl_group_read, shares_its_round_with_others)
{
    struct replica *leader = started(3, 73);
    struct read_request reads[100];
    c.filter = count_rounds;
    rounds_sent = 0;
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(cluster_read(leader, &reads[i]), 0);
    cluster_run_ms(&c, 30);
    for (unsigned i = 0; i < 100; i++)
        cr_assert(reads[i].answers == 1 && reads[i].status == 0);
    cr_assert_eq(rounds_sent, 2, "one message a follower, not %u", rounds_sent);
    cluster_close(&c);
}

Test(repl_group_read, waits_for_a_round_that_began_after_it)
{
    struct replica *leader = started(3, 74);
    cluster_delay(&c, 30);
    struct read_request first, second;
    cr_assert_eq(cluster_read(leader, &first), 0);
    cluster_run_ms(&c, 40); /* the first round is on its way back */
    cr_assert_eq(cluster_read(leader, &second), 0);
    cluster_run_ms(&c, 35);
    cr_assert_eq(first.answers, 1);
    cr_assert_eq(second.answers, 0, "a round from before says nothing of now");
    cluster_run_ms(&c, 80);
    cr_assert_eq(second.answers, 1);
    cluster_close(&c);
}

Test(repl_group_read, is_answered_although_frames_are_lost)
{
    struct replica *leader = started(3, 75);
    struct read_request read;
    c.loss = 1;
    cr_assert_eq(cluster_read(leader, &read), 0);
    cluster_run_ms(&c, 30);
    c.loss = 0;
    cluster_run_ms(&c, 120);
    cr_assert(read.answers == 1 && read.status == 0);
    cluster_close(&c);
}

Test(repl_group_read, needs_nobody_when_there_is_one_voter_only)
{
    struct replica *leader = started(1, 76);
    struct read_request read;
    cr_assert_eq(cluster_read(leader, &read), 0);
    cluster_run_ms(&c, 2);
    cr_assert(read.answers == 1 && read.status == 0);
    cluster_close(&c);
}

Test(repl_group_read, ends_with_the_group)
{
    struct replica *leader = started(3, 77);
    struct read_request read;
    cr_assert_eq(cluster_read(leader, &read), 0);
    replica_kill(leader);
    cr_assert_eq(read.answers, 1);
    cr_assert_eq(read.status, ERR_CLOSED);
    cluster_close(&c);
}

Test(repl_group_read, is_refused_when_too_many_wait)
{
    static struct read_request reads[REPL_READS_MAX + 1];
    struct replica *leader = started(3, 76);
    cluster_isolate(&c, leader->number);
    for (unsigned i = 0; i < REPL_READS_MAX; i++)
        cr_assert_eq(cluster_read(leader, &reads[i]), 0);
    cr_assert_eq(cluster_read(leader, &reads[REPL_READS_MAX]), ERR_BUSY);
    cluster_heal(&c);
    cluster_run_ms(&c, 50);
    for (unsigned i = 0; i < REPL_READS_MAX; i++)
        cr_assert_eq(reads[i].answers, 1);
    cr_assert_eq(reads[REPL_READS_MAX].answers, 0, "who was refused hears nothing more");
    cr_assert_eq(cluster_read(leader, &reads[0]), 0, "there is room again");
    cluster_run_ms(&c, 50);
    cr_assert_eq(reads[0].status, 0);
    cluster_close(&c);
}

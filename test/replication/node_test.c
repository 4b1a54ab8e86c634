/* What a node knows of its peers and of who leads. */
#include "../../replication/beat.h"
#include "../../replication/node_internal.h"
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 3);
    cluster_run_ms(&c, 200);
    return leader;
}

static struct replica *other_than(const struct replica *r)
{
    return r == &c.replicas[0] ? &c.replicas[1] : &c.replicas[0];
}

Test(repl_node, knows_of_each_group_who_leads_it_in_which_term_and_up_to_where)
{
    struct replica *leader = started(120);
    struct repl_group_status s = replica_status(leader);
    for (unsigned i = 0; i < 3; i++) {
        struct repl_leader known;
        cr_assert(repl_node_leader(c.replicas[i].node, GROUP_ID, &known));
        cr_assert_eq(known.node_id, leader->node_id);
        cr_assert_eq(known.term, s.term);
        cr_assert_eq(known.commit_index, s.commit_index);
        cr_assert_lt(c.clock.now_ns - known.heard_ns, 200000000);
        cr_assert_not(repl_node_leader(c.replicas[i].node, GROUP_ID + 1, &known));
        cr_assert_not(repl_node_leader(c.replicas[i].node, UINT32_MAX, &known));
    }
    cluster_close(&c);
}

Test(repl_node, without_a_replica_of_a_group_also_knows_who_leads_it)
{
    cluster_init(&c, 4, 3, 121);
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_run_ms(&c, 200);
    struct repl_leader known;
    cr_assert(repl_node_leader(c.replicas[3].node, GROUP_ID, &known));
    cr_assert_eq(known.node_id, leader->node_id);
    cluster_close(&c);
}

/* Who asks at that moment has probably lost it too, and would be sent back there. */
Test(repl_node, names_no_leader_while_its_connection_is_broken_and_nothing_was_heard_since)
{
    struct replica *leader = started(126), *other = other_than(leader);
    struct repl_leader known;
    other->handler.on_down(other->handler.data, leader->node_id, 0);
    cr_assert_not(repl_node_leader(other->node, GROUP_ID, &known));
    cr_assert_lt(c.clock.now_ns - known.heard_ns, 200000000, "but when it was last heard");
    cr_assert(repl_node_is_alive(other->node, leader->node_id), "nor does it stand for that");
    other->handler.on_alive(other->handler.data, leader->node_id);
    cr_assert(repl_node_leader(other->node, GROUP_ID, &known));
    cr_assert_eq(known.node_id, leader->node_id);
    cluster_close(&c);
}

Test(repl_node, forgets_a_leader_whose_node_is_gone)
{
    struct replica *leader = started(122), *other = other_than(leader);
    struct repl_leader known;
    cr_assert(repl_node_is_alive(other->node, leader->node_id));
    replica_kill(leader);
    cluster_run_ms(&c, 11);
    cr_assert_not(repl_node_is_alive(other->node, leader->node_id));
    cr_assert_not(repl_node_leader(other->node, GROUP_ID, &known));
    cluster_close(&c);
}

Test(repl_node, takes_silence_for_gone_and_any_frame_for_alive)
{
    struct replica *leader = started(123), *other = other_than(leader);
    cluster_cut(&c, leader->number, other->number);
    cluster_run_ms(&c, GONE_MS - 100);
    cr_assert(repl_node_is_alive(other->node, leader->node_id));
    cluster_run_ms(&c, 120);
    cr_assert_not(repl_node_is_alive(other->node, leader->node_id));
    unsigned changes = other->node_changes;
    cluster_heal(&c);
    cluster_run_ms(&c, 100);
    cr_assert(repl_node_is_alive(other->node, leader->node_id));
    cr_assert_gt(other->node_changes, changes, "the owner is told");
    cluster_close(&c);
}

/* While it did not run itself, nobody was silent: but who was gone before has not come back. */
Test(repl_node, that_stood_still_misses_nobody_and_takes_nobody_for_returned)
{
    struct replica *leader = started(127), *other = other_than(leader);
    struct replica *third = &c.replicas[3 - leader->number - other->number];
    cluster_cut(&c, leader->number, other->number);
    cluster_run_ms(&c, GONE_MS + 100);
    cr_assert_not(repl_node_is_alive(other->node, leader->node_id));
    for (unsigned i = 0; i < 5; i++) {
        c.clock.now_ns += 3 * GONE_MS * UINT64_C(1000000); /* all stand still */
        for (unsigned ms = 0; ms < GONE_MS / 2; ms += 10) {
            cluster_run_ms(&c, 10);
            cr_assert_not(repl_node_is_alive(other->node, leader->node_id));
            cr_assert(repl_node_is_alive(other->node, third->node_id));
        }
    }
    cluster_heal(&c);
    cluster_run_ms(&c, 100);
    cr_assert(repl_node_is_alive(other->node, leader->node_id));
    cluster_close(&c);
}

static void beat(const struct replica *from, const struct replica *to, uint64_t leader,
                 uint64_t term)
{
    uint8_t rest[REPL_BEAT_HEAD_SIZE + REPL_BEAT_ROW_SIZE];
    struct repl_beat_row row = {.group_id = GROUP_ID, .leader = leader, .term = term, .commit = 1};
    repl_beat_row_encode(&row, repl_beat_encode(&(struct repl_beat){.row_count = 1}, rest));
    struct repl_message m = {.type = REPL_HEARTBEAT,
                             .group.group_id = REPL_NO_GROUP,
                             .from = from->node_id,
                             .to = to->node_id,
                             .rest = bytes_of(rest, sizeof rest)};
    cluster_inject(&c, from->number, to->number, &m, NULL, 0);
}

Test(repl_node, believes_of_leadership_only_the_leader_itself_and_no_older_term)
{
    struct replica *leader = started(124), *other = other_than(leader);
    struct replica *third = &c.replicas[3 - leader->number - other->number];
    struct repl_leader known;
    beat(third, other, replica_raft_id(leader), leader->role_term + 5); /* hearsay */
    cr_assert(repl_node_leader(other->node, GROUP_ID, &known));
    cr_assert_eq(known.term, leader->role_term);
    beat(third, other, replica_raft_id(third), leader->role_term - 1); /* past */
    cr_assert(repl_node_leader(other->node, GROUP_ID, &known));
    cr_assert_eq(known.node_id, leader->node_id);
    beat(third, other, replica_raft_id(third), leader->role_term + 1);
    cr_assert(repl_node_leader(other->node, GROUP_ID, &known));
    cr_assert_eq(known.node_id, third->node_id);
    cluster_close(&c);
}

static unsigned heard_from;
static struct bytes heard;

static bool hear(struct cluster *cluster, unsigned from, unsigned to, const struct repl_message *m)
{
    (void)cluster;
    if (m->type == REPL_APPLICATION) {
        heard_from = from * 10 + to;
        heard = m->rest;
        cr_assert(bytes_is_equal(heard, bytes_of_text("hello")));
    }
    return true;
}

Test(repl_node, carries_the_messages_of_the_layer_above)
{
    started(125);
    c.filter = hear;
    cr_assert_eq(repl_node_send(c.replicas[0].node, 3, bytes_of_text("hello")), 0);
    cr_assert_eq(heard_from, 2);
    cluster_isolate(&c, 0);
    cr_assert_eq(repl_node_send(c.replicas[0].node, 3, bytes_of_text("hello")), ERR_CLOSED);
    cluster_close(&c);
}

/* Each return costs its group a pause: a site that is back does not get all of its leaders at once.
 */
Test(repl_node, lets_one_leader_return_in_its_interval)
{
    cluster_init(&c, 3, 3, 127);
    c.return_every_ms = 200;
    cluster_start(&c);
    cluster_run_ms(&c, 1000);
    struct repl_node *node = c.replicas[0].node;
    unsigned returned = 0;
    for (unsigned ms = 0; ms < 1000; ms++) {
        returned += node_may_return_leader(node);
        cr_assert_not(node_may_return_leader(node), "the next one waits");
        cluster_run_ms(&c, 1);
    }
    cr_assert_eq(returned, 5);
    cluster_close(&c);
}

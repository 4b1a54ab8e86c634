/* One failover from beginning to end, step by step, as an operator would read it. When a line
 * moves, look whether it should have: then write down the new story. */
#include "group_fixture.h"

static struct cluster c;
static char trace[8192];

static void begin_trace(void)
{
    c.trace = trace;
    c.trace_capacity = sizeof trace;
    c.trace_size = 0;
    c.trace_since_ns = c.clock.now_ns;
}

/* Node 1 leads; the next in order is node 3. Its machine falls silent at 0 ms, and is back after a
 * second and a half. */
static const char *const story =
    "  306 ms node 3: peer_gone peer=1\n"
    "  306 ms node 3: leader_gone group=7 leader=1 term=2\n"
    "  307 ms node 2: peer_gone peer=1\n"
    "  307 ms node 2: leader_gone group=7 leader=1 term=2\n"
    "  308 ms node 1: peer_gone peer=2\n"
    "  308 ms node 1: peer_gone peer=3\n"
    "  346 ms node 3: replica_stands group=7 term=2 last_index=7\n"
    "  348 ms node 1: leader_hears_no_majority group=7 term=2\n"
    "  360 ms node 3: replica_elected group=7 term=3 last_index=7\n"
    " 1238 ms node 1: replica_steps_down group=7 term=2 last_index=7\n"
    " 1518 ms node 1: peer_alive peer=3\n"
    " 1526 ms node 3: peer_alive peer=1\n"
    " 1527 ms node 2: peer_alive peer=1\n"
    " 1528 ms node 1: peer_alive peer=2\n"
    " 3526 ms node 3: leader_returns group=7 to=1\n"
    " 3526 ms node 3: replica_steps_down group=7 term=4 last_index=13\n"
    " 3529 ms node 1: replica_stands group=7 term=4 last_index=13\n"
    " 3530 ms node 1: replica_elected group=7 term=4 last_index=13\n";

Test(repl_group_trace, of_a_leader_that_falls_silent_and_comes_back)
{
    cluster_init(&c, 3, 3, 77);
    c.preferred_node_id = 1;
    cluster_start(&c);
    cluster_leader(&c, 2000);
    cluster_run_ms(&c, 8000); /* home, if it was elsewhere */
    cr_assert_eq(cluster_leader_now(&c), &c.replicas[0]);
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    begin_trace();
    cluster_isolate(&c, 0);
    cluster_run_ms(&c, 1500);
    cluster_append(&c, 5);
    cluster_heal(&c);
    cluster_run_ms(&c, 8000);
    cr_assert_str_eq(trace, story, "this is what happened:\n%s", trace);
    cluster_check_same(&c);
    cluster_close(&c);
}

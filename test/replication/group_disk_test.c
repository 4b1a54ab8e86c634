/* Leadership and entries, as the disks of the replicas do; and leaders that hear nobody. */
#include "base/err.h"
#include "group_fixture.h"

static struct cluster c;

static struct replica *started(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    c.preferred_node_id = 1;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 2000);
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_run_ms(&c, 3500); /* leadership has settled */
    return leader;
}

static void tell(struct replica *r, enum repl_disk_state state, bool is_low)
{
    struct repl_disk_report report = {.state = state,
                                      .is_full = is_low || state == REPL_DISK_FULL,
                                      .is_low = is_low,
                                      .free_bytes = 1,
                                      .total_bytes = 100};
    repl_node_set_disk(r->node, &report);
}

Test(repl_group_disk, in_trouble_hands_leadership_over_and_gets_it_back_when_well_for_a_while)
{
    for (int state = REPL_DISK_FULL; state <= REPL_DISK_STUCK; state++) {
        struct replica *leader = started(900 + (uint64_t)state);
        cr_assert_eq(leader->node_id, 1);
        tell(leader, (enum repl_disk_state)state, false);
        cluster_run_ms(&c, 300);
        struct replica *next = cluster_leader_now(&c);
        cr_assert_not_null(next);
        cr_assert_neq(next, leader);
        cluster_append(&c, 3);
        cluster_run_ms(&c, 10000);
        cr_assert_eq(cluster_leader_now(&c), next, "it does not go back to a bad disk");
        tell(leader, REPL_DISK_OK, false);
        cluster_run_ms(&c, 1500);
        cr_assert_eq(cluster_leader_now(&c), next, "nor at once to one that is well");
        cluster_run_ms(&c, 2000);
        cr_assert_eq(cluster_leader_now(&c), leader);
        cluster_check_same(&c);
        cluster_close(&c);
    }
}

Test(repl_group_disk, that_writes_nothing_any_more_does_not_keep_its_node_from_handing_over)
{
    struct replica *leader = started(904);
    leader->is_writer_paused = true;
    struct proposal *p = cluster_propose(&c, leader, NULL);
    cluster_run_ms(&c, 100);
    cr_assert(p->is_applied, "the two others are a majority");
    tell(leader, REPL_DISK_STUCK, false);
    cluster_run_ms(&c, 300);
    cr_assert_neq(cluster_leader_now(&c), leader);
    cluster_append(&c, 3);
    leader->is_writer_paused = false;
    tell(leader, REPL_DISK_OK, false);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_disk, in_trouble_everywhere_leaves_leadership_where_it_is)
{
    struct replica *leader = started(905);
    tell(cluster_other(&c, leader, 0), REPL_DISK_FULL, false);
    tell(cluster_other(&c, leader, 1), REPL_DISK_FULL, false);
    cluster_run_ms(&c, 200);
    tell(leader, REPL_DISK_FULL, false);
    cluster_run_ms(&c, 5000);
    cr_assert_eq(cluster_leader_now(&c), leader);
    cr_assert_not(repl_group_has_room(leader->group));
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_close(&c);
}

Test(repl_group_disk, in_trouble_is_elected_last_but_elected_where_there_is_no_other)
{
    struct replica *leader = started(906), *full = cluster_other(&c, leader, 0),
                   *well = cluster_other(&c, leader, 1);
    for (int round = 0; round < 2; round++) { /* whoever of the two comes first in the order */
        tell(full, REPL_DISK_SLOW, false);
        tell(well, REPL_DISK_OK, false);
        cluster_run_ms(&c, 200);
        replica_kill(leader);
        cr_assert_eq(cluster_leader(&c, 2000), well);
        replica_start(leader);
        cluster_run_ms(&c, 8000);
        cr_assert_eq(cluster_leader_now(&c), leader);
        struct replica *other = full;
        full = well;
        well = other;
    }
    tell(full, REPL_DISK_STUCK, false);
    replica_kill(leader);
    tell(well, REPL_DISK_SLOW, false);
    cr_assert_eq(cluster_leader(&c, 2000), well);
    cluster_close(&c);
}

static struct repl_group_status status_of(struct replica *r)
{
    return replica_status(r);
}

Test(repl_group_disk, with_half_of_its_reserve_gone_gets_no_entries_while_others_have_room)
{
    struct replica *leader = started(907), *full = cluster_other(&c, leader, 0),
                   *well = cluster_other(&c, leader, 1);
    tell(full, REPL_DISK_FULL, false);
    cluster_run_ms(&c, 200);
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    cr_assert_eq(status_of(full).last_index, status_of(leader).last_index, "FULL alone gets them");
    tell(full, REPL_DISK_FULL, true);
    cluster_run_ms(&c, 200);
    uint64_t before = status_of(full).last_index;
    cluster_append(&c, 50);
    cluster_run_ms(&c, 2000);
    cr_assert_leq(status_of(full).last_index, before + 1);
    cr_assert_eq(status_of(well).last_index, status_of(leader).last_index);
    cr_assert(repl_group_has_room(leader->group));
    cr_assert_eq(status_of(full).leader_node_id, leader->node_id, "it follows all the same");

    tell(well, REPL_DISK_FULL, false);
    cluster_run_ms(&c, 500);
    cr_assert_not(repl_group_has_room(leader->group), "one of three is no majority");
    cluster_settle(&c, 2000); /* what is needed for one goes to all */

    tell(full, REPL_DISK_OK, false);
    tell(well, REPL_DISK_OK, false);
    cluster_run_ms(&c, 500);
    cr_assert(repl_group_has_room(leader->group));
    cluster_append(&c, 5);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_disk, that_is_full_still_votes)
{
    struct replica *leader = started(908), *full = cluster_other(&c, leader, 0),
                   *well = cluster_other(&c, leader, 1);
    tell(full, REPL_DISK_FULL, true);
    cluster_run_ms(&c, 200);
    cluster_append(&c, 20);
    cluster_run_ms(&c, 500);
    replica_kill(leader);
    cr_assert_eq(cluster_leader(&c, 2000), well);
    cr_assert(repl_group_has_room(well->group) == false, "with one room of three");
    cluster_append(&c, 3); /* from the reserve */
    cluster_close(&c);
}

Test(repl_group_disk, of_a_dead_voter_is_no_reason_to_refuse_data)
{
    struct replica *leader = started(909);
    replica_kill(cluster_other(&c, leader, 0));
    replica_kill(cluster_other(&c, leader, 1));
    cluster_run_ms(&c, 500);
    cr_assert(repl_group_has_room(leader->group), "it is the dead that are waited for");
    cluster_close(&c);
}

/* ---- a leader that hears nobody ---- */

static bool only_from_leader(struct cluster *cluster, unsigned from, unsigned to,
                             const struct repl_message *m)
{
    (void)to, (void)m;
    return from == *(unsigned *)cluster->filter_data;
}

Test(repl_group_disk, apart_a_leader_that_is_heard_but_hears_nobody_is_followed_no_more)
{
    struct replica *leader = started(910);
    unsigned number = leader->number;
    uint64_t term = status_of(leader).term;
    c.filter_data = &number;
    c.filter = only_from_leader;
    cluster_run_ms(&c, GONE_MS + 200);
    struct replica *other = cluster_other(&c, leader, 0);
    struct repl_leader known;
    cr_assert_not(repl_node_leader(other->node, GROUP_ID, &known), "clients are not sent there");
    c.filter = NULL;
    struct replica *next = cluster_leader(&c, 500);
    cr_assert_geq(status_of(next).term, term);
    cluster_append(&c, 3);
    cluster_settle(&c, 1000);
    cluster_check_same(&c);
    cluster_close(&c);
}

static bool not_to_leader(struct cluster *cluster, unsigned from, unsigned to,
                          const struct repl_message *m)
{
    (void)from, (void)m;
    return to != *(unsigned *)cluster->filter_data;
}

Test(repl_group_disk, apart_a_one_way_cut_costs_no_more_than_a_dead_leader)
{
    struct replica *leader = started(911);
    unsigned number = leader->number;
    c.filter_data = &number;
    c.filter = not_to_leader;
    cluster_run_ms(&c, GONE_MS + 400);
    struct replica *next = cluster_leader_now(&c);
    cr_assert_not_null(next);
    cr_assert_neq(next, leader, "two heartbeats and an election after the silence");
    c.filter = NULL;
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

Test(repl_group_disk, apart_a_process_that_stood_still_takes_nobody_for_silent)
{
    struct replica *leader = started(912);
    unsigned elections = 0;
    for (unsigned i = 0; i < 3; i++)
        elections += (unsigned)replica_counters(&c.replicas[i]).elections_started;
    leader->is_paused = true;
    cluster_run_ms(&c, GONE_MS - 100);
    leader->is_paused = false;
    cluster_run_ms(&c, 1000);
    struct replica *follower = cluster_other(&c, leader, 0);
    follower->is_paused = true;
    cluster_run_ms(&c, 5 * GONE_MS);
    follower->is_paused = false;
    cluster_run_ms(&c, 1000);
    cr_assert_eq(cluster_leader_now(&c), leader);
    for (unsigned i = 0; i < 3; i++)
        elections -= (unsigned)replica_counters(&c.replicas[i]).elections_started;
    cr_assert_eq(elections, 0);
    cluster_close(&c);
}

/* The lie, the cut, the way back; as a story and as a fault among others. */
#include "sim/sim_lie.h"

#include "sim/sim_check.h"
#include "sim/sim_damage.h"
#include "sim/sim_fault.h"
#include "sim/sim_operator.h"

#define LOOK_NS   (100 * WORLD_MS)
#define BOOT_NS   (2 * WORLD_S) /* a machine takes longer than an election */
#define RETURN_NS (60 * WORLD_S)

/* ---- one disk ---- */

void sim_lie_begin(struct sim_node *n)
{
    sim_tell(n->sim, "the disk of node %u begins to lie", sim_node_id(n));
    fake_disk_lie(n->disk, "");
    n->is_lying = true;
}

void sim_lie_cut(struct sim_node *n)
{
    struct sim *s = n->sim;
    bool was_restarting = s->is_restarting;
    n->has_lost_writes = true;
    s->is_restarting = false;
    sim_node_end(n, SIM_END_POWER);
    s->is_restarting = was_restarting;
    n->is_lying = false;
    fake_disk_lie(n->disk, NULL);
    sim_node_keep_durable(n); /* it counted, and the check of who has what is not to blame */
    sim_check_forget_votes(s->check, n);
    sim_count(s, SIM_disks_lied, 1);
}

static bool has_all(struct sim_node *n)
{
    for (uint32_t group_id = 1; group_id <= n->sim->group_count; group_id++) {
        struct sim_group *g = sim_node_group(n, group_id);
        struct repl_group_status status;
        if (g == NULL || sim_leader(n->sim, group_id) == NULL)
            return false;
        repl_group_status(g->raft, &status);
        if (status.applied_index < n->wiped_index[group_id - 1])
            return false;
    }
    return true;
}

bool sim_lie_is_over(struct sim *s, void *node)
{
    struct sim_node *n = node;
    if (!n->has_lost_writes)
        return true; /* it is another one from here on */
    if (!has_all(n))
        return false;
    sim_tell(s, "node %u has all that its disk had lost", sim_node_id(n));
    sim_count(s, SIM_lies_levelled, 1);
    n->has_lost_writes = false;
    return true;
}

/* ---- among other faults ---- */

static struct sim_node *liar; /* NULL: none; one simulation a process */
static uint64_t return_by_ns;

static void rest(struct sim *s)
{
    liar = NULL;
    sim_faults_hold(s, false);
}

bool sim_lie_is_at_rest(struct sim *s, void *data)
{
    (void)s, (void)data;
    return liar == NULL;
}

static void on_back(void *data)
{
    struct sim *s = data;
    if (sim_lie_is_over(s, liar))
        rest(s);
    else if (world_now_ns(s->world) > return_by_ns)
        world_violation(s->world, "19 known damage only",
                        "node %u goes on as if it had what it acknowledged", sim_node_id(liar));
    else
        world_in(s->world, LOOK_NS, NULL, on_back, s);
}

static void on_boot(void *data)
{
    struct sim *s = data;
    for (uint32_t group_id = 1; group_id <= s->group_count; group_id++)
        if (sim_leader(s, group_id) == NULL) {
            world_in(s->world, LOOK_NS, NULL, on_boot, s);
            return;
        }
    return_by_ns = world_now_ns(s->world) + RETURN_NS;
    sim_node_start(liar);
    on_back(s);
}

static bool is_whole(struct sim *s)
{
    uint64_t now_ns = world_now_ns(s->world);
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->life == NULL || s->nodes[i]->life->shard.paused_until_ns > now_ns)
            return false;
    return sim_operator_is_done(s);
}

static void on_whole(void *data)
{
    struct sim *s = data;
    if (!liar->is_lying) {
        rest(s); /* a power cut before its time found it honest */
    } else if (!is_whole(s)) {
        world_in(s->world, LOOK_NS, NULL, on_whole, s);
    } else {
        sim_lie_cut(liar);
        world_in(s->world, world_between(s->world, BOOT_NS, 3 * BOOT_NS), NULL, on_boot, s);
    }
}

static void on_lied(void *data)
{
    struct sim *s = data;
    sim_faults_hold(s, true);
    on_whole(s);
}

void sim_fault_lie(struct sim *s)
{
    struct sim_node *n = s->nodes[world_between(s->world, 0, s->node_count - 1)];
    if (liar != NULL || s->do_nodes_move || n->life == NULL || !sim_damage_is_allowed(s))
        return;
    liar = n;
    sim_lie_begin(n);
    world_in(s->world, world_between(s->world, WORLD_S / 10, 4 * WORLD_S), NULL, on_lied, s);
}

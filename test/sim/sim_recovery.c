/* Disaster by disaster:
 *
 *   WHOLE     for a while
 *   CUT_OFF   the survivor-to-be hears nobody, the others go on without it (often this is left out)
 *   LOST      the others are gone; it stands alone, up or down
 *   ORDERED   the plan is looked at and the order is written; the node begins again
 *   ALONE     it serves in the new generation
 *   RETURNING the lost nodes are back with all that they had, one after the other or together */
#include "sim/sim_recovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "membership/recovered_message.h"
#include "membership/recovery_loss.h"
#include "sim/sim_check_recovery.h"
#include "sim/sim_actor.h"
#include "sim/sim_fault.h"
#include "sim/sim_home.h"
#include "sim/sim_operator.h"
#include "sim/sim_places.h"
#include "start/recovery.h"

#define LOOK_NS       (100 * WORLD_MS)
#define FIRST_NS_MAX  (12 * WORLD_S)
#define FLUSH_NS      (1500 * WORLD_MS) /* what the survivor has heard is on its disk */
#define FAREWELL_NS   (300 * WORLD_MS)
#define TELL_EVERY_NS (500 * WORLD_MS)
#define BEGIN_NS_MAX  (40 * WORLD_S)

enum phase { WHOLE, CUT_OFF, LOST, ORDERED, ALONE, RETURNING };

static struct story { /* one simulation a process */
    enum phase phase;
    struct sim_node *survivor;
    unsigned home_number; /* with an asynchronous group: of the node that is lost */
    uint64_t next_ns;     /* the phase goes on */
    uint64_t begun_ns;    /* the phase */
    uint32_t generation;  /* the newest */
    bool do_return_alone; /* one after the other, without an operator's word */
    bool is_settled;
} story;

static void go_to(struct sim *s, enum phase phase, uint64_t from_ns, uint64_t to_ns)
{
    static const char *const names[] = {"whole",   "cut off", "lost",
                                        "ordered", "alone",   "returning"};
    story.phase = phase;
    story.begun_ns = world_now_ns(s->world);
    story.next_ns = story.begun_ns + world_between(s->world, from_ns, to_ns);
    sim_tell(s, "recovery: %s", names[phase]);
}

/* Those that are lost, or to be. */
static struct sim_node *other(const struct sim *s, unsigned place)
{
    if (s->has_asynchronous)
        return s->nodes[story.home_number];
    return s->nodes[(story.survivor->number + 1 + place) % s->node_count];
}

static unsigned other_count(const struct sim *s)
{
    return s->has_asynchronous ? 1 : s->node_count - 1;
}

/* ---- losing ---- */

static void cut_off(struct sim *s)
{
    for (unsigned i = 0; i < other_count(s); i++) {
        sim_net_cut(s->net, story.survivor->number, other(s, i)->number, true);
        sim_net_cut(s->net, other(s, i)->number, story.survivor->number, true);
    }
    go_to(s, CUT_OFF, WORLD_S / 20, 5 * WORLD_S);
}

static void lose_others(struct sim *s)
{
    for (unsigned i = 0; i < other_count(s); i++) {
        other(s, i)->is_lost = true;
        sim_node_end(other(s, i),
                     random_chance(world_random(s->world), 0.7) ? SIM_END_KILL : SIM_END_POWER);
    }
    go_to(s, LOST, WORLD_S / 2, 2 * WORLD_S);
}

static void begin_disaster(struct sim *s)
{
    struct sim_node *survivor = s->nodes[world_between(s->world, 0, s->node_count - 1)];
    bool is_home = s->has_asynchronous && survivor->number == s->home_number;
    if (is_home || !sim_operator_is_done(s) || !sim_places_has_all(survivor))
        return; /* another one, perhaps, at the next look */
    story.survivor = survivor;
    story.home_number = s->home_number;
    if (random_chance(world_random(s->world), 0.6))
        cut_off(s);
    else
        lose_others(s);
}

/* ---- the order ---- */

static struct recover_loss loss_of(struct sim_group *g)
{
    struct repl_group_status status;
    repl_group_status(g->raft, &status);
    struct recovery_view view = {.status = &status,
                                 .applied_wall_ms = machine_wall_ms(g->machine),
                                 .now_ms = clock_now_ms(&g->life->clock),
                                 .wall_ms = clock_wall_ms(&g->life->clock)};
    if (repl_heard_read(g->life->wal, g->group_id, &view.kept) != 0)
        view.kept = (struct repl_heard){0};
    return recovery_loss_of(&view);
}

static void add_row(struct recovery_order *order, const struct sim_group *g,
                    const struct recover_loss *loss)
{
    struct recovery_entry *entry = &order->entry;
    struct repl_group_status status;
    repl_group_status(g->raft, &status);
    order->rows[order->row_count++] = (struct recovery_row){.group_id = g->group_id,
                                                            .action = RECOVERY_SURVIVE,
                                                            .generation = g->generation + 1,
                                                            .recovery_id = entry->recovery_id,
                                                            .kept_index = status.kept_index};
    entry->generation = g->generation + 1;
    entry->lost_records += loss->records;
    entry->lost_bytes += loss->bytes;
}

/* As the daemon counts them: the metadata's is group 0. */
static void name_groups(const struct sim *s, struct recovery_entry *entry)
{
    for (uint32_t i = s->group_count == SIM_RAFT_GROUPS_MAX ? 0 : 1; i <= SIM_GROUPS; i++)
        if (sim_home_is_lost_with(s, i))
            entry->group_ids[entry->group_count++] = i;
}

static void on_farewell(void *data)
{
    struct sim_node *n = ((struct sim_life *)data)->node;
    struct world *world = n->sim->world;
    sim_node_end(n, SIM_END_KILL);
    if (random_chance(world_random(world), 0.3)) /* the power goes while it is carried out */
        fake_disk_halt_at(n->disk, world_between(world, 1, 80));
    sim_node_restart_in(n, world_between(world, WORLD_MS, WORLD_S));
}

static void on_power_cut(void *data)
{
    sim_node_end(((struct sim_life *)data)->node, SIM_END_POWER);
}

/* The order is written on the shard: a power cut in the middle of that is seen here. */
static int begin_anew(struct sim_life *life, const struct recovery_order *order)
{
    int err = recovery_order_write(fake_disk_seam(life->node->disk), order);
    if (err != 0 && fake_disk_is_halted(life->node->disk))
        world_in(life->node->sim->world, 0, &life->span, on_power_cut, life);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < order->row_count; i++)
        repl_group_set_aside(life->groups[order->rows[i].group_id - 1].raft,
                             order->rows[i].generation);
    life->is_beginning_anew = true;
    world_in(life->node->sim->world, FAREWELL_NS, &life->span, on_farewell, life);
    return 0;
}

/* The others are off for good, but its log may name what they had replaced, and it can't know. */
static void give_up(struct sim *s)
{
    sim_count(s, SIM_recoveries_in_doubt, 1);
    sim_faults_hold(s, false);
    for (unsigned i = 0; i < other_count(s); i++) {
        other(s, i)->is_lost = false;
        sim_node_restart_in(other(s, i), WORLD_S / 5);
    }
    go_to(s, WHOLE, 5 * WORLD_S, FIRST_NS_MAX);
}

/* One that was to join, and has nothing yet, knows of no configuration: nobody can go on with it.
 */
static bool has_replica(const struct sim_group *g)
{
    struct repl_member members[REPL_MEMBERS_MAX];
    unsigned count = repl_group_members(g->raft, members);
    for (unsigned i = 0; i < count; i++)
        if (members[i].raft_id == sim_node_raft_id(g->life->node))
            return true;
    return false;
}

/* As group 0's order does: whoever it does not name serves the group no more. */
static void home_moves(struct sim *s)
{
    s->home_number = story.survivor->number;
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->life != NULL)
            repl_group_set_aside(s->nodes[i]->life->groups[SIM_ASYNCHRONOUS_GROUP - 1].raft,
                                 story.generation);
}

static void order(struct sim *s)
{
    static struct recovery_order order;
    struct sim_node *n = story.survivor;
    bool is_known = true;
    order = (struct recovery_order){.stage = RECOVERY_REPLAY};
    order.entry.recovery_id = random_u64(world_random(s->world)) | 1;
    order.entry.producer_id_end = recovery_producer_id_end(1000 + SIM_CLIENTS_MAX);
    order.entry.forecast_pause_ms = -1;
    memcpy(order.entry.site, n->site, sizeof order.entry.site);
    for (unsigned i = 0; i < s->group_count; i++) {
        if (!sim_home_is_lost_with(s, i + 1))
            continue;
        if (!has_replica(&n->life->groups[i])) {
            give_up(s);
            return;
        }
        struct recover_loss loss = loss_of(&n->life->groups[i]);
        is_known &= sim_check_recovery_plan(s->check, &n->life->groups[i], &loss);
        add_row(&order, &n->life->groups[i], &loss);
    }
    name_groups(s, &order.entry);
    if (!is_known) {
        give_up(s);
        return;
    }
    if (begin_anew(n->life, &order) != 0)
        return; /* at the next look */
    story.generation = order.entry.generation;
    if (s->has_asynchronous)
        home_moves(s);
    n->is_surviving = true;
    sim_count(s, SIM_recoveries, 1);
    go_to(s, ORDERED, 0, 0);
}

/* Its disk has all that it knows: a process that is asked to end writes it before it does. */
static bool is_flushed(struct sim_node *n)
{
    struct repl_group_status status;
    for (unsigned i = 0; i < n->sim->group_count; i++) {
        repl_group_status(n->life->groups[i].raft, &status);
        if (sim_home_is_lost_with(n->sim, i + 1) &&
            sim_node_durable_index(n, n->life->groups[i].group_id) < status.last_index)
            return false;
    }
    return true;
}

/* An operator who takes time: nothing is broken meanwhile, and nothing is under way any more. */
static void prepare_order(struct sim *s)
{
    struct sim_node *n = story.survivor;
    if (n->life == NULL)
        return;
    if (!n->is_examined) {
        n->is_examined = true;
        sim_faults_hold(s, true);
        story.next_ns = world_now_ns(s->world) + FLUSH_NS;
        return;
    }
    if (!is_flushed(n))
        return;
    n->is_examined = false;
    order(s);
}

static bool is_of_newest(const struct sim_node *n)
{
    for (unsigned i = 0; i < n->sim->group_count; i++)
        if (sim_home_is_lost_with(n->sim, i + 1) &&
            (n->life == NULL || n->life->groups[i].generation != story.generation))
            return false;
    return true;
}

static void await_order(struct sim *s)
{
    if (is_of_newest(story.survivor)) {
        story.survivor->is_surviving = false;
        sim_faults_hold(s, false);
        story.do_return_alone = random_chance(world_random(s->world), 0.5);
        go_to(s, ALONE, WORLD_S, 5 * WORLD_S);
    } else if (world_now_ns(s->world) - story.begun_ns > BEGIN_NS_MAX) {
        world_violation(s->world, "18 progress", "node %u does not carry out its order",
                        sim_node_id(story.survivor));
    }
}

/* ---- coming back ---- */

static void put_word(struct sim_node *n)
{
    const struct disk *disk = fake_disk_seam(n->disk);
    struct disk_file *file;
    if (disk_open(disk, RECOVERY_RETURNING_FILE, DISK_CREATE, &file) == 0)
        disk_close(disk, file);
    disk_sync_directory(disk, "");
}

static void bring_back(struct sim *s, struct sim_node *n, bool with_word)
{
    sim_count(s, SIM_nodes_returned, 1);
    if (with_word)
        put_word(n);
    n->is_lost = false;
    sim_node_restart_in(n, world_between(s->world, 1, WORLD_S));
}

/* Alone it finds no majority. Two of them might, so the second one waits for the first to hear. */
static void bring_back_next(struct sim *s)
{
    for (unsigned i = 0; i < other_count(s); i++) {
        if (other(s, i)->is_lost) {
            bring_back(s, other(s, i), !story.do_return_alone);
            if (story.do_return_alone)
                return;
        } else if (story.do_return_alone && !is_of_newest(other(s, i))) {
            return;
        }
    }
}

static bool are_all_of_newest(const struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->is_lost || !is_of_newest(s->nodes[i]))
            return false;
    return true;
}

static void await_return(struct sim *s)
{
    bring_back_next(s);
    if (are_all_of_newest(s))
        go_to(s, WHOLE, 5 * WORLD_S, FIRST_NS_MAX);
}

/* ---- the story ---- */

static void go_on(struct sim *s)
{
    switch (story.phase) {
    case WHOLE:
        if (!story.is_settled)
            begin_disaster(s);
        break;
    case CUT_OFF:
        lose_others(s);
        break;
    case LOST:
        prepare_order(s);
        break;
    case ORDERED:
        await_order(s);
        break;
    case ALONE:
        go_to(s, RETURNING, 0, 0);
        break;
    case RETURNING:
        await_return(s);
        break;
    }
}

static void on_look(void *data)
{
    struct sim *s = data;
    if (world_now_ns(s->world) >= story.next_ns)
        go_on(s);
    if (!s->clients->is_stopping)
        world_in(s->world, LOOK_NS, NULL, on_look, s);
}

void sim_recovery_start(struct sim *s)
{
    if (!s->does_recover)
        return;
    story = (struct story){0};
    go_to(s, WHOLE, 2 * WORLD_S, FIRST_NS_MAX);
    on_look(s);
}

void sim_recovery_settle(struct sim *s)
{
    (void)s;
    story.is_settled = true;
}

bool sim_recovery_is_over(struct sim *s, void *unused)
{
    (void)unused;
    return !s->does_recover || story.phase == WHOLE;
}

uint32_t sim_recovery_generation(void)
{
    return story.generation;
}

/* ---- a node's part ---- */

int sim_recovery_run(struct sim_life *life, const struct storage_options *options,
                     struct err_note *note)
{
    static struct recovery_order order;
    struct sim_node *n = life->node;
    struct replay_watch watch = sim_check_recovery_watch(n);
    struct recovery_report report;
    bool has_order = n->sim->does_recover && recovery_order_read(options->disk, &order) == 0;
    if (!has_order)
        return 0;
    int err = recovery_run(options, &n->identity, &life->clock, &watch, &report, note);
    if (err == 0)
        sim_check_forget_votes(n->sim->check, n);
    return err;
}

void sim_recovery_opened(struct sim_life *life)
{
    const struct disk *disk = fake_disk_seam(life->node->disk);
    struct disk_file *file;
    if (!life->node->sim->does_recover ||
        disk_open(disk, RECOVERY_RETURNING_FILE, DISK_READ, &file) != 0)
        return;
    disk_close(disk, file);
    for (unsigned i = 0; i < life->node->sim->group_count; i++)
        repl_group_sit_out(life->groups[i].raft);
}

void sim_recovery_tick(struct sim_life *life)
{
    const struct sim *s = life->node->sim;
    struct recovery_row rows[SIM_RAFT_GROUPS_MAX];
    struct byte_list list = {0};
    uint64_t now_ns = world_now_ns(s->world);
    if (!s->does_recover || now_ns - life->told_ns < TELL_EVERY_NS)
        return;
    life->told_ns = now_ns;
    for (unsigned i = 0; i < s->group_count; i++)
        rows[i] = (struct recovery_row){.group_id = life->groups[i].group_id,
                                        .generation = life->groups[i].generation,
                                        .recovery_id = life->groups[i].recovery_id};
    unsigned said = recovered_message_put(&list, rows, s->group_count);
    for (unsigned i = 0; i < s->node_count && said > 0 && !list.is_failed; i++)
        if (s->nodes[i] != life->node)
            repl_node_send(life->repl, sim_node_id(s->nodes[i]), bytes_of(list.data, list.size));
    free(list.data);
}

void sim_recovery_on_message(void *data, uint32_t from_node_id, struct bytes message,
                             struct buffer *owner)
{
    static struct recovery_order order;
    struct sim_life *life = data;
    unsigned kept = 0;
    (void)from_node_id, (void)owner;
    if (life->is_beginning_anew || !recovered_message_read(message, &order))
        return;
    for (unsigned i = 0; i < order.row_count; i++)
        if (life->groups[order.rows[i].group_id - 1].generation < order.rows[i].generation)
            order.rows[kept++] = order.rows[i];
    order.row_count = kept;
    if (kept > 0)
        begin_anew(life, &order);
}

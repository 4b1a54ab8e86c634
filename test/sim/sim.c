/* The loop of a simulation, and the story it tells when it is asked to. */
#include "sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/event.h"
#include "sim/sim_check.h"
#include "sim/sim_node.h"

static struct sim *told; /* whose events the sink gets: one simulation a process */

static void on_event(void *data, enum event_level level, const char *line)
{
    (void)level;
    sim_tell(data, "%s", line);
}

void sim_tell(struct sim *s, const char *format, ...)
{
    if (!s->is_verbose)
        return;
    va_list arguments;
    printf("%10.6f n%u ", (double)world_now_ns(s->world) / 1e9, sim_node_running());
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

static void set_delays(struct sim *s)
{
    for (unsigned a = 0; a < s->node_count; a++)
        for (unsigned b = a + 1; b < s->node_count; b++) {
            uint64_t delay_ns = world_between(s->world, WORLD_MS / 5, 20 * WORLD_MS);
            sim_net_set_delay(s->net, a, b, delay_ns, delay_ns / 4);
        }
}

struct sim *sim_create(uint64_t seed, unsigned node_count, unsigned founder_count,
                       struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    s->world = world_create(seed);
    s->net = sim_net_create(s->world, node_count);
    s->node_count = node_count;
    s->founder_count = founder_count;
    s->group_count = SIM_GROUPS;
    s->counters = counters;
    s->is_verbose = is_verbose;
    s->is_restarting = true;
    s->does_repair = true;
    s->check = sim_check_create(s);
    for (unsigned i = 0; i < node_count; i++)
        s->nodes[i] = sim_node_create(s, i);
    set_delays(s);
    told = s;
    event_init("sim", 0, is_verbose ? EVENT_DEBUG : EVENT_ERROR);
    event_set_sink(on_event, told);
    return s;
}

void sim_run_until(struct sim *s, uint64_t until_ns)
{
    setjmp(s->loop); /* a node's process that ends in mid-code comes back here */
    while (world_step(s->world, until_ns))
        ;
}

bool sim_run_while_not(struct sim *s, uint64_t bound_ns, sim_condition is_done, void *data)
{
    uint64_t end_ns = world_now_ns(s->world) + bound_ns;
    while (world_now_ns(s->world) < end_ns) {
        if (is_done(s, data))
            return true;
        sim_run_until(s, world_now_ns(s->world) + 20 * WORLD_MS);
    }
    return is_done(s, data);
}

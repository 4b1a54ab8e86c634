/* One direction of a link as a waiting line of packets.
 *
 * A packet that comes gets the time at which it is to go: now + delay, varied by jitter. What is
 * held is a heap by (time, id), so the next to go is always on top.
 *
 * A link is no shuffle: without `is_reordering` no packet goes before one that came earlier. Its
 * time is raised to the latest one given so far, also when the delay has just been made shorter:
 * those that are held keep the time they were promised, and the new ones queue behind them.
 * (A protocol that sees reordering takes it for loss; that would be another fault.)
 *
 * The line has a bound. A packet beyond it is dropped and counted, as a router's full buffer
 * drops: everything before it has its place, so the newest one goes. */
#include "delay_line.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLION 1000000

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t next_random(struct delay_line *l)
{
    uint64_t z = l->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Even in [0, bound); the bias of the remainder is beyond notice with bounds of seconds in ns. */
static int64_t random_below(struct delay_line *l, int64_t bound)
{
    assert(bound > 0);
    return (int64_t)(next_random(l) % (uint64_t)bound);
}

int delay_line_init(struct delay_line *l, const char *name, uint32_t packets_max, uint64_t seed)
{
    assert(packets_max > 0);
    memset(l, 0, sizeof *l);
    snprintf(l->name, sizeof l->name, "%s", name);
    l->packets_max = packets_max;
    l->random = seed;
    l->held = calloc(packets_max, sizeof *l->held);
    return l->held != NULL ? 0 : -1;
}

void delay_line_close(struct delay_line *l)
{
    free(l->held);
    memset(l, 0, sizeof *l);
}

/* Ids wrap, so they are compared by their distance: what is held spans far less than half. */
static bool is_before(struct held_packet a, struct held_packet b)
{
    if (a.release_at_ns != b.release_at_ns)
        return a.release_at_ns < b.release_at_ns;
    return (int32_t)(a.id - b.id) < 0;
}

/* In order, the newest packet is the latest to go and stays where it is put: one comparison. */
static void heap_add(struct delay_line *l, struct held_packet packet)
{
    assert(l->held_count < l->packets_max);
    uint32_t hole = l->held_count++;
    while (hole > 0 && is_before(packet, l->held[(hole - 1) / 2])) {
        l->held[hole] = l->held[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    l->held[hole] = packet;
    if (l->held_count > l->held_max)
        l->held_max = l->held_count;
}

static struct held_packet heap_take(struct delay_line *l)
{
    assert(l->held_count > 0);
    struct held_packet top = l->held[0];
    struct held_packet last = l->held[--l->held_count];
    uint32_t hole = 0;
    for (uint32_t child = 1; child < l->held_count; child = 2 * hole + 1) {
        if (child + 1 < l->held_count && is_before(l->held[child + 1], l->held[child]))
            child++;
        if (!is_before(l->held[child], last))
            break;
        l->held[hole] = l->held[child];
        hole = child;
    }
    l->held[hole] = last;
    return top;
}

static int64_t wait_ns(struct delay_line *l)
{
    const struct delay_line_settings *s = &l->settings;
    if (s->jitter_ns == 0)
        return s->delay_ns;
    int64_t wait = s->delay_ns - s->jitter_ns + random_below(l, 2 * s->jitter_ns + 1);
    return wait > 0 ? wait : 0;
}

static bool is_chosen_to_be_lost(struct delay_line *l)
{
    uint32_t ppm = l->settings.loss_ppm;
    return ppm > 0 && random_below(l, MILLION) < ppm;
}

enum delay_line_fate delay_line_push(struct delay_line *l, uint32_t id, int64_t now_ns)
{
    if (is_chosen_to_be_lost(l)) {
        l->lost++;
        return DELAY_LINE_LOST;
    }
    if (l->held_count == l->packets_max) {
        l->dropped++;
        return DELAY_LINE_LOST;
    }
    if (l->held_count == 0) {
        l->is_shuffled = false;
        l->latest_at_ns = INT64_MIN;
    }
    struct held_packet packet = {.release_at_ns = now_ns + wait_ns(l), .id = id};
    if (packet.release_at_ns >= l->latest_at_ns)
        l->latest_at_ns = packet.release_at_ns;
    else if (l->settings.is_reordering)
        l->is_shuffled = true;
    else
        packet.release_at_ns = l->latest_at_ns;
    heap_add(l, packet);
    return DELAY_LINE_HELD;
}

int64_t delay_line_next_at(const struct delay_line *l)
{
    return l->held_count > 0 ? l->held[0].release_at_ns : INT64_MAX;
}

size_t delay_line_pop_due(struct delay_line *l, int64_t now_ns, uint32_t *ids, size_t ids_max)
{
    size_t count = 0;
    while (count < ids_max && l->held_count > 0 && l->held[0].release_at_ns <= now_ns)
        ids[count++] = heap_take(l).id;
    l->passed += count;
    return count;
}

bool delay_line_is_in_order(const struct delay_line *l)
{
    return !l->is_shuffled;
}

/* The newest few elections' times, and what peers say of theirs: what a loss of leaders will cost
 * is judged by what it did cost. */
#include "election_time.h"

#include <stdlib.h>
#include <string.h>

#include "node_state.h"

static void note(struct election_time *e, uint64_t took_ms)
{
    e->took_ms[e->next] = took_ms < UINT32_MAX ? (uint32_t)took_ms : UINT32_MAX;
    e->next = (e->next + 1) % ELECTION_TIMES;
    e->count += e->count < ELECTION_TIMES;
}

static int by_size(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

void election_report(const struct election_time *e, struct repl_election_report *report)
{
    uint32_t sorted[ELECTION_TIMES];
    *report = (struct repl_election_report){.count = e->count};
    if (e->count == 0)
        return;
    memcpy(sorted, e->took_ms, e->count * sizeof sorted[0]);
    qsort(sorted, e->count, sizeof sorted[0], by_size);
    report->median_ms = sorted[e->count / 2];
    report->longest_ms = sorted[e->count - 1];
}

void node_note_election(struct repl_node *n, bool is_handed_over, uint64_t took_ms)
{
    pthread_mutex_lock(&n->lock);
    note(is_handed_over ? &n->transfers : &n->elections, took_ms);
    pthread_mutex_unlock(&n->lock);
}

void node_hear_elections(struct repl_node *n, struct node_peer *p, const struct repl_beat *beat)
{
    pthread_mutex_lock(&n->lock);
    p->elections = beat->elections;
    p->transfers = beat->transfers;
    pthread_mutex_unlock(&n->lock);
}

bool repl_node_elections(struct repl_node *n, uint32_t node_id, struct repl_election_report *lost,
                         struct repl_election_report *handed_over)
{
    struct node_peer *p = node_find_peer(n, node_id);
    *lost = *handed_over = (struct repl_election_report){0};
    pthread_mutex_lock(&n->lock);
    if (node_id == n->options.node_id) {
        election_report(&n->elections, lost);
        election_report(&n->transfers, handed_over);
    } else if (p != NULL) {
        *lost = p->elections;
        *handed_over = p->transfers;
    }
    pthread_mutex_unlock(&n->lock);
    return lost->count > 0 || handed_over->count > 0;
}

bool repl_node_round_trip(struct repl_node *n, uint32_t node_id, uint32_t *us)
{
    const struct node_peer *p = node_find_peer(n, node_id);
    *us = p == NULL ? 0 : atomic_load(&p->round_trip_us);
    return *us != 0;
}

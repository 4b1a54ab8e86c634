/* What the shards have written on their boards, as one. */
#include <stdlib.h>
#include <string.h>

#include "router/admin_parts.h"

static void add_counts(struct counts *into, const struct counts *from)
{
    into->connections += from->connections;
    into->request_bytes += from->request_bytes;
    into->answer_bytes += from->answer_bytes;
    into->held += from->held;
    into->resent += from->resent;
    into->held_now += from->held_now;
    for (unsigned i = 0; i < COUNTS_APIS_MAX; i++)
        into->requests[i] += from->requests[i];
    for (unsigned i = 0; i < TROUBLE_COUNT; i++)
        into->troubles[i] += from->troubles[i];
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++)
        into->reports[i] += from->reports[i];
}

static void add_node(struct router_survey *all, const struct board_node *from)
{
    unsigned i = 0;
    while (i < all->node_count &&
           (all->nodes[i].port != from->port || strcmp(all->nodes[i].host, from->host) != 0))
        i++;
    if (i == NODES_MAX)
        return;
    if (i == all->node_count) {
        all->nodes[all->node_count++] = *from;
        return;
    }
    struct board_node *into = &all->nodes[i];
    if (into->id < 0) {
        into->id = from->id;
        memcpy(into->site, from->site, sizeof into->site);
    }
    into->is_up = into->is_up && from->is_up;
    into->connections += from->connections;
    into->calls += from->calls;
}

static void add_notes(struct router_survey *all, const struct board_notes *notes, uint64_t now_ms)
{
    bool is_silent = notes->written_ms != 0 && now_ms > notes->written_ms + BOARD_SILENT_MS;
    if (all->shard_count == 0)
        all->view = notes->view;
    all->is_up[all->shard_count++] = notes->written_ms != 0 && !is_silent;
    all->silent_count += is_silent;
    all->is_written = all->is_written && notes->written_ms != 0;
    all->clients += notes->clients;
    all->held_bytes += notes->held_bytes;
    all->topics = notes->topics > all->topics ? notes->topics : all->topics;
    if (notes->settings_number < all->settings_number)
        all->settings_number = notes->settings_number;
    add_counts(&all->counts, &notes->counts);
    for (unsigned i = 0; i < notes->node_count; i++)
        add_node(all, &notes->nodes[i]);
}

struct router_survey *router_survey_take(struct router_admin *a)
{
    struct router_survey *all = calloc(1, sizeof *all);
    struct board_notes *notes = malloc(sizeof *notes);
    uint64_t now_ms = clock_now_ms(&a->clock);
    if (all != NULL) {
        all->is_written = true;
        all->settings_number = UINT64_MAX;
    }
    for (unsigned i = 0; all != NULL && notes != NULL && i < router_process_shard_count(a->process);
         i++) {
        board_read(router_process_shard(a->process, i), notes);
        add_notes(all, notes, now_ms);
    }
    if (notes == NULL) {
        free(all);
        all = NULL;
    }
    free(notes);
    return all;
}

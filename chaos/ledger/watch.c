/* Those who look at one node each: the auditor at committed offsets, the observer at leaders.
 *
 * A thread per node, so that a node that is paused or cut off delays nobody's look at another. */
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"
#include "load.h"
#include "note.h"
#include "wire_metadata.h"

#define TIMEOUT_MS       3000
#define GROUP_NAME_BYTES 128

static struct options_node node_of(const struct load_worker *worker)
{
    struct options_node nodes[OPTIONS_NODES_MAX];
    options_nodes(worker->load->options, nodes);
    return nodes[worker->index];
}

static bool is_over(const struct load_worker *worker)
{
    return atomic_load(&worker->load->is_over);
}

/* ---- committed offsets ---- */

static void audit_all(const struct load_worker *worker, struct audit *audit)
{
    const struct options *o = worker->load->options;
    for (int64_t i = 0; i < o->groups && !is_over(worker); i++) {
        char group[GROUP_NAME_BYTES];
        snprintf(group, sizeof group, "%s%d", o->group_prefix, (int)i);
        audit_group(audit, group, TIMEOUT_MS);
    }
}

void *auditor_run(void *data)
{
    struct load_worker *worker = data;
    const struct options *o = worker->load->options;
    struct options_node node = node_of(worker);
    struct process process;
    struct process_kind kind = {
        .role = "observer", .client = PROCESS_WIRE_CLIENT, .idempotent = PROCESS_NO_PRODUCER};
    load_process_begin(worker, &process, "auditor", &kind);
    struct audit *audit = audit_create(&process, &node, o->topic, worker->load->partition_count);
    while (audit != NULL && !is_over(worker)) {
        int64_t next_at_us = now_us() + o->fetch_offsets_ms * 1000;
        audit_all(worker, audit);
        load_sleep_until(worker->load, next_at_us);
    }
    if (audit != NULL)
        audit_destroy(audit);
    atomic_store(&worker->is_done, true);
    return NULL;
}

/* ---- leaders ---- */

struct seen {
    bool is_seen;
    int32_t leader, epoch;
};

struct observer {
    struct process process;
    struct wire_connection connection;
    struct leaders *leaders;
    const char *topic;
    int32_t node, partition_count;
    struct seen *seen; /* by partition */
};

static void on_partition(void *data, int32_t partition, int32_t leader, int32_t epoch)
{
    struct observer *o = data;
    leaders_hear(o->leaders, partition, leader, epoch);
    if (partition < 0 || partition >= o->partition_count)
        return;
    struct seen *seen = &o->seen[partition];
    if (seen->is_seen && seen->leader == leader && seen->epoch == epoch)
        return;
    *seen = (struct seen){true, leader, epoch};
    note_metadata(&o->process, now_us(), o->node, (struct note_place){o->topic, partition}, leader,
                  epoch);
}

static void observe(const struct load_worker *worker, struct observer *o)
{
    const struct wire_metadata ask = {.topic = o->topic, .on_partition = on_partition, .data = o};
    while (!is_over(worker)) {
        const char *error; /* silence of a node is no finding: others have noted the fault */
        int64_t next_at_us = now_us() + worker->load->options->metadata_ms * 1000;
        wire_metadata(&o->connection, &ask, TIMEOUT_MS, &error);
        load_sleep_until(worker->load, next_at_us);
    }
}

void *observer_run(void *data)
{
    struct load_worker *worker = data;
    struct options_node node = node_of(worker);
    struct observer *o = calloc(1, sizeof *o);
    struct seen *seen = calloc((size_t)worker->load->partition_count, sizeof *seen);
    struct process_kind kind = {
        .role = "observer", .client = PROCESS_WIRE_CLIENT, .idempotent = PROCESS_NO_PRODUCER};
    if (o != NULL && seen != NULL) {
        load_process_begin(worker, &o->process, "observer", &kind);
        wire_init(&o->connection, node.address);
        o->topic = worker->load->options->topic;
        o->leaders = &worker->load->leaders;
        o->node = node.id;
        o->partition_count = worker->load->partition_count;
        o->seen = seen;
        observe(worker, o);
        wire_close(&o->connection);
    }
    free(seen);
    free(o);
    atomic_store(&worker->is_done, true);
    return NULL;
}

/* The probe: when does the broker take records, whatever a client's patience is?
 *
 * A stock client that is cut off from a leader waits for its own time limits, up to a minute; what
 * it measures is itself. The probe sends a record to each partition's leader again and again, on
 * connections of its own. For each node it has a few lanes, and each lane asks, waits for the
 * answer at most PROBE_TIMEOUT_MS, and asks again; a node that hangs holds up its own lanes only.
 * Who leads is what the observers last heard from any node.
 *
 *   lane 0  |--ask--answer-----|--ask--answer-----|
 *   lane 1      |--ask--answer-----|--ask--answer-----|     a start every --probe-ms
 *
 * Nothing is sent twice: a record without an answer is of unknown fate, and the next is another. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "load.h"
#include "note.h"
#include "value.h"
#include "wire_produce.h"

#define PROBE_TIMEOUT_MS 1000
#define PROBED_MAX       240 /* partitions; of more, evenly chosen ones */
#define VALUE_BYTES      VALUE_NAME_BYTES

struct sent {
    int32_t partition;
    uint64_t id; /* 0: its end is noted */
    char value[VALUE_BYTES];
};

struct probe {
    struct process process;
    struct load *load;
    struct wire_connection connection;
    int32_t node, stride;
    uint64_t number; /* of the newest value */
    int32_t count;
    struct sent sent[PROBED_MAX];
    struct wire_produce_record records[PROBED_MAX];
};

static void note_end(struct probe *p, struct sent *sent, const struct note_end *end)
{
    struct note_place place = {p->load->options->topic, sent->partition};
    note_send_end(&p->process, now_us(), sent->id, place, end);
    sent->id = 0;
}

/* A refusal may come after the record was handed on: only an offset is certain. */
static void on_produced(void *data, int32_t partition, int16_t code, int64_t offset)
{
    struct probe *p = data;
    struct note_end end = {.outcome = NOTE_OK, .offset = offset, .epoch = NOTE_NONE};
    if (code != 0)
        end = (struct note_end){.outcome = NOTE_UNKNOWN, .error = wire_error_name(code)};
    for (int32_t i = 0; i < p->count; i++)
        if (p->sent[i].partition == partition && p->sent[i].id != 0)
            note_end(p, &p->sent[i], &end);
}

static void prepare(struct probe *p, int32_t i, int32_t partition)
{
    struct sent *sent = &p->sent[i];
    char name[VALUE_NAME_BYTES];
    value_name(name, p->process.name, ++p->number);
    size_t size = value_make(sent->value, 1, name);
    struct note_send send = {.place = {p->load->options->topic, partition},
                             .value = name,
                             .size = size,
                             .crc = crc32c(sent->value, size)};
    sent->partition = partition;
    sent->id = note_send(&p->process, now_us(), &send);
    p->records[i] = (struct wire_produce_record){.partition = partition,
                                                 .value = {(const uint8_t *)sent->value, size}};
}

static void ask(struct probe *p)
{
    int32_t partitions[PROBED_MAX];
    const char *error = "no_answer";
    p->count = leaders_of(&p->load->leaders, p->node, p->stride, partitions, PROBED_MAX);
    if (p->count == 0)
        return;
    for (int32_t i = 0; i < p->count; i++)
        prepare(p, i, partitions[i]);
    if (wire_produce(&p->connection, p->load->options->topic, p->records, p->count,
                     PROBE_TIMEOUT_MS, on_produced, p, &error) == 0)
        error = "not_answered_for";
    const struct note_end end = {.outcome = NOTE_UNKNOWN, .error = error};
    for (int32_t i = 0; i < p->count; i++)
        if (p->sent[i].id != 0)
            note_end(p, &p->sent[i], &end);
}

static void live(struct probe *p, int lane)
{
    const struct options *o = p->load->options;
    int64_t period_us = o->probe_ms * 1000 * o->probe_lanes;
    int64_t next_at_us = now_us() + lane * o->probe_ms * 1000;
    while (!atomic_load(&p->load->is_sending_over)) {
        load_sleep_until(p->load, next_at_us);
        if (atomic_load(&p->load->is_sending_over))
            return;
        ask(p);
        /* What was missed is not made up for; the lanes stay apart. */
        for (next_at_us += period_us; next_at_us < now_us();)
            next_at_us += period_us;
    }
}

/* Those that are probed; returns how many. */
static int probed_nodes(const struct options *o, struct options_node nodes[OPTIONS_NODES_MAX])
{
    int count = 0;
    for (int i = 0; i < o->node_count; i++)
        if (o->probe_node == 0 || o->nodes[i].id == o->probe_node)
            nodes[count++] = o->nodes[i];
    return count;
}

int64_t probe_worker_count(const struct options *options)
{
    struct options_node nodes[OPTIONS_NODES_MAX];
    return options->probe_ms > 0 ? probed_nodes(options, nodes) * options->probe_lanes : 0;
}

void *probe_run(void *data)
{
    struct load_worker *worker = data;
    struct options_node nodes[OPTIONS_NODES_MAX];
    struct probe *p = calloc(1, sizeof *p);
    int lanes = (int)worker->load->options->probe_lanes;
    probed_nodes(worker->load->options, nodes);
    const struct options_node *node = &nodes[worker->index / lanes];
    struct process_kind kind = {
        .role = "probe", .client = PROCESS_WIRE_CLIENT, .idempotent = 0, .node = node->id};
    if (p != NULL) {
        load_process_begin(worker, &p->process, "probe", &kind);
        wire_init(&p->connection, node->address);
        p->load = worker->load;
        p->node = node->id;
        p->stride = (worker->load->partition_count + PROBED_MAX - 1) / PROBED_MAX;
        live(p, worker->index % lanes);
        wire_close(&p->connection);
        free(p);
    }
    atomic_store(&worker->is_done, true);
    return NULL;
}

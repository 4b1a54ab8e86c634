/* Small administration beside the load: a scratch topic is made, described beside, widened,
 * configured and deleted again, one act at a time, each noted. */
#include <stdio.h>
#include <stdlib.h>

#include "load.h"
#include "topic.h"
#include "wire_metadata.h"

#define TIMEOUT_MS       10000
#define NAME_BYTES       256
#define GROUP_NAME_BYTES 128
#define SCRATCH_WIDTH    2 /* partitions at first */
#define ACTS             5

struct administrator {
    struct process process; /* first: what the client's callbacks are given */
    struct load *load;
    rd_kafka_t *client;
    unsigned act_count;
    char scratch[NAME_BYTES];
    struct wire_connection connection;
};

/* librdkafka 2.0 has only the old AlterConfigs, which resets whatever it does not name. */
static void alter_config(struct administrator *a)
{
    struct options_node nodes[OPTIONS_NODES_MAX];
    int node_count = options_nodes(a->load->options, nodes);
    struct note_admin admin = {"alter-config", a->scratch, NULL};
    struct note_end end = {.outcome = NOTE_UNKNOWN};
    if (node_count == 0)
        return;
    wire_init(&a->connection, nodes[a->act_count / ACTS % (unsigned)node_count].address);
    uint64_t id = note_admin(&a->process, now_us(), &admin);
    if (wire_alter_topic(&a->connection, a->scratch, "retention.ms", "3600000", TIMEOUT_MS,
                         &end.error) == 0)
        end.outcome = NOTE_OK;
    note_admin_end(&a->process, now_us(), id, &admin, &end);
    wire_close(&a->connection);
}

static void describe_group(struct administrator *a)
{
    const struct options *o = a->load->options;
    char group[GROUP_NAME_BYTES];
    if (o->groups == 0)
        return;
    snprintf(group, sizeof group, "%s%d", o->group_prefix,
             (int)(a->act_count / ACTS % (unsigned)o->groups));
    topic_describe_group(a->client, &a->process, group, TIMEOUT_MS);
}

static void act(struct administrator *a)
{
    unsigned round = a->act_count / ACTS;
    switch (a->act_count % ACTS) {
    case 0:
        snprintf(a->scratch, sizeof a->scratch, "%s-%s-%u", a->load->options->topic,
                 a->process.name, round);
        topic_create(a->client, &a->process, a->scratch, SCRATCH_WIDTH,
                     (int)a->load->options->replication, TIMEOUT_MS);
        break;
    case 1:
        describe_group(a);
        break;
    case 2:
        topic_widen(a->client, &a->process, a->scratch, SCRATCH_WIDTH + 1, TIMEOUT_MS);
        break;
    case 3:
        alter_config(a);
        break;
    case 4:
        topic_delete(a->client, &a->process, a->scratch, TIMEOUT_MS);
        break;
    }
    a->act_count++;
}

static void live(struct administrator *a)
{
    while (!atomic_load(&a->load->is_over)) {
        int64_t next_at_us = now_us() + a->load->options->admin_ms * 1000;
        act(a);
        load_sleep_until(a->load, next_at_us);
    }
    if (a->act_count % ACTS != 0) /* what is left of a round */
        topic_delete(a->client, &a->process, a->scratch, TIMEOUT_MS);
    rd_kafka_destroy(a->client);
}

void *administrator_run(void *data)
{
    struct load_worker *worker = data;
    struct administrator *a = calloc(1, sizeof *a);
    struct process_kind kind = {.role = "admin", .idempotent = PROCESS_NO_PRODUCER};
    if (a != NULL) {
        const struct client_setting settings[] = {
            {"bootstrap.servers", worker->load->options->bootstrap}, {NULL, NULL}};
        a->load = worker->load;
        load_process_begin(worker, &a->process, "admin", &kind);
        a->client = client_create(RD_KAFKA_PRODUCER, NULL, &a->process, settings);
        if (a->client != NULL)
            live(a);
        free(a);
    }
    atomic_store(&worker->is_done, true);
    return NULL;
}

/* A member of a consumer group on librdkafka, as an application has one: subscribes, reads, commits
 * by hand.
 *
 * It never seeks: where it goes on after an assignment is what the group's stored offset says, so
 * a wrong resume shows. Nothing stored means the beginning (auto.offset.reset=earliest). With
 * `error` a client that is thrown back would stop instead of reading again; users have the other,
 * and reading again is what the checker looks for.
 *
 * Of two commits one is waited for. When a partition is taken away its progress is committed
 * first, unless the assignment was lost, for then the coordinator would refuse it. */
#include <stdlib.h>

#include "commit.h"
#include "consume.h"
#include "member.h"

#define POLL_MS 100

struct member {
    struct process process; /* first: what the client's callbacks are given */
    struct load *load;
    rd_kafka_t *client;
    const char *group;
    struct commits commits;
    unsigned commit_count;
};

static void note_each(struct member *m, const rd_kafka_topic_partition_list_t *list, bool is_assign)
{
    int64_t at_us = now_us();
    for (int i = 0; i < list->cnt; i++) {
        struct note_place place = {list->elems[i].topic, list->elems[i].partition};
        if (is_assign)
            note_assign(&m->process, at_us, m->group, place, -1);
        else
            note_revoke(&m->process, at_us, m->group, place);
        commits_on_assigned(&m->commits, place.partition, is_assign);
    }
}

static void assign(struct member *m, rd_kafka_topic_partition_list_t *list)
{
    note_each(m, list, true);
    rd_kafka_assign(m->client, list);
}

static void give_up(struct member *m, rd_kafka_topic_partition_list_t *list)
{
    if (!rd_kafka_assignment_lost(m->client))
        commits_send_and_wait(&m->commits, MEMBER_COMMIT_WAIT_MS);
    note_each(m, list, false);
    rd_kafka_assign(m->client, NULL);
}

static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct member *m = opaque;
    (void)client;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        assign(m, list);
    else
        give_up(m, list);
}

static void on_record(void *data, const rd_kafka_message_t *message)
{
    struct member *m = data;
    commits_on_record(&m->commits, message->partition, message->offset);
    atomic_fetch_add_explicit(&m->load->read_count, 1, memory_order_relaxed);
}

static bool open_client(struct member *m)
{
    const struct options *o = m->load->options;
    const struct client_setting settings[] = {
        {"bootstrap.servers", o->bootstrap},
        {"group.id", m->group},
        {"client.rack", o->site},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "earliest"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    m->client = client_create(RD_KAFKA_CONSUMER, conf, &m->process, settings);
    if (m->client == NULL)
        return false;
    rd_kafka_poll_set_consumer(m->client);
    if (commits_open(&m->commits, m->client, &m->process, m->group, o->topic,
                     m->load->partition_count) != 0)
        return false;
    m->commits.chance = random_of((uint64_t)o->seed, m->process.name);
    m->commits.rewind_percent = o->rewind_percent;
    return true;
}

static bool subscribe(struct member *m)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, m->load->options->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(m->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void commit(struct member *m)
{
    if (m->commit_count++ % 2 == 0)
        commits_send(&m->commits);
    else
        commits_send_and_wait(&m->commits, MEMBER_COMMIT_WAIT_MS);
}

static void read_until_told(struct member *m, struct load_worker *worker)
{
    const struct consume consume = {.client = m->client,
                                    .process = &m->process,
                                    .group = m->group,
                                    .on_record = on_record,
                                    .data = m};
    int64_t commit_every_us = m->load->options->commit_ms * 1000;
    int64_t commit_at_us = now_us() + commit_every_us;
    while (member_is_wanted(worker)) {
        consume_poll(&consume, POLL_MS);
        commits_serve(&m->commits, 0);
        if (now_us() < commit_at_us)
            continue;
        commit(m);
        commit_at_us = now_us() + commit_every_us;
    }
}

/* Closing takes the partitions away, which commits a last time. */
static void close_client(struct member *m)
{
    rd_kafka_consumer_close(m->client);
    commits_serve(&m->commits, 0);
    rd_kafka_queue_destroy(m->commits.answers);
    client_end(m->client, atomic_load(&m->load->is_over));
    commits_close(&m->commits);
}

static bool live(struct member *m, struct load_worker *worker)
{
    struct process_kind kind = {
        .role = "consumer", .group = m->group, .idempotent = PROCESS_NO_PRODUCER};
    load_process_begin(worker, &m->process, "member", &kind);
    if (!open_client(m))
        return false;
    bool is_subscribed = subscribe(m);
    if (is_subscribed)
        read_until_told(m, worker);
    close_client(m);
    return is_subscribed;
}

bool member_kafka_live(struct load_worker *worker, const char *group)
{
    struct member *m = calloc(1, sizeof *m);
    if (m == NULL)
        return false;
    m->load = worker->load;
    m->group = group;
    bool has_lived = live(m, worker);
    free(m);
    return has_lived;
}

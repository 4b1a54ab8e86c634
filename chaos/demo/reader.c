/* The consumer.
 *
 * A stock librdkafka consumer with all partitions assigned from their beginning, checksums
 * checked. It bootstraps from one site only and names that site as its rack, so where the
 * broker lets followers answer (KIP-392), this site's replicas do. It stops at the log ends
 * that the broker named before: a partition's end-of-partition event alone could come from a
 * follower that has not heard of the newest records yet. */
#include "reader.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sender.h"

#define STALL_MS    30000
#define PROGRESS_MS 250
#define BATCH       2000

struct reader {
    struct ledger *ledger;
    const char *topic;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    int64_t next[LEDGER_PARTITIONS_MAX]; /* offset after the newest read */
    int64_t end[LEDGER_PARTITIONS_MAX];  /* where its log ended at the start */
};

static rd_kafka_conf_t *configure(const struct site *site)
{
    const char *const settings[][2] = {
        {"bootstrap.servers", site->address},
        {"client.rack", site->name},
        {"group.id", "demo-reader"},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "error"}, /* being thrown back must not pass for reading */
        {"check.crcs", "true"},
        {"log_level", "3"},
    };
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error) != 0) {
            fprintf(stderr, "demo: %s\n", error);
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    }
    return conf;
}

static int connect_to(struct reader *r, const struct site *site)
{
    char error[256];
    rd_kafka_conf_t *conf = configure(site);
    if (conf == NULL)
        return -1;
    r->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (r->client == NULL) {
        fprintf(stderr, "demo: no consumer: %s\n", error);
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    rd_kafka_poll_set_consumer(r->client);
    r->queue = rd_kafka_queue_get_consumer(r->client);
    return 0;
}

/* A partition may just be changing its leader: the client then says so, and is asked again. */
static int find_end(struct reader *r, int32_t partition)
{
    int64_t since_ms = now_ms();
    rd_kafka_resp_err_t err;
    do {
        err = rd_kafka_query_watermark_offsets(r->client, r->topic, partition, &r->next[partition],
                                               &r->end[partition], 5000);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    } while (now_ms() - since_ms < STALL_MS);
    fprintf(stderr, "demo: partition %d: where it ends is unknown: %s\n", (int)partition,
            rd_kafka_err2str(err));
    return -1;
}

static int find_ends(struct reader *r)
{
    int err = 0;
    for (int32_t p = 0; p < r->ledger->partition_count && err == 0; p++)
        err = find_end(r, p);
    return err;
}

static int assign_all(struct reader *r)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
        r->ledger->partition_count);
    for (int32_t p = 0; p < r->ledger->partition_count; p++)
        rd_kafka_topic_partition_list_add(list, r->topic, p)->offset = r->next[p];
    rd_kafka_resp_err_t err = rd_kafka_assign(r->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        fprintf(stderr, "demo: the partitions can't be read: %s\n", rd_kafka_err2str(err));
    return err == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

static bool is_at_end(const struct reader *r)
{
    for (int32_t p = 0; p < r->ledger->partition_count; p++)
        if (r->next[p] < r->end[p])
            return false;
    return true;
}

static void take(struct reader *r, const rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "demo: partition %d: %s\n", (int)message->partition,
                rd_kafka_message_errstr(message));
        return;
    }
    struct ledger_read read = {
        .partition = message->partition,
        .offset = message->offset,
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
    };
    ledger_on_read(r->ledger, &read);
    if (message->partition >= 0 && message->partition < r->ledger->partition_count &&
        message->offset >= r->next[message->partition])
        r->next[message->partition] = message->offset + 1;
}

static int read_all(struct reader *r, reader_progress_cb on_progress, void *data)
{
    rd_kafka_message_t *batch[BATCH];
    int64_t last_read_at_ms = now_ms(), last_shown_at_ms = 0;
    while (!is_at_end(r)) {
        ssize_t count = rd_kafka_consume_batch_queue(r->queue, 20, batch, BATCH);
        int64_t now = now_ms();
        for (ssize_t i = 0; i < count; i++) {
            take(r, batch[i]);
            rd_kafka_message_destroy(batch[i]);
            last_read_at_ms = now;
        }
        if (now - last_read_at_ms > STALL_MS) {
            fprintf(stderr, "demo: nothing more was read for %d s\n", STALL_MS / 1000);
            return -1;
        }
        if (now - last_shown_at_ms >= PROGRESS_MS) {
            last_shown_at_ms = now;
            if (!on_progress(data))
                return -1;
        }
    }
    return 0;
}

int reader_run(struct ledger *ledger, const struct site *site, const char *topic,
               reader_progress_cb on_progress, void *data)
{
    struct reader r = {.ledger = ledger, .topic = topic};
    if (connect_to(&r, site) < 0)
        return -1;
    int err = find_ends(&r);
    if (err == 0)
        err = assign_all(&r);
    if (err == 0)
        err = read_all(&r, on_progress, data);
    rd_kafka_queue_destroy(r.queue);
    rd_kafka_consumer_close(r.client);
    rd_kafka_destroy(r.client);
    return err;
}

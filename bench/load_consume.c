/* Reads a topic from its start to its end. What was written just before is read, so the pages
 * are in memory: this measures the way from there to the client, not the disk. */
#include <inttypes.h>
#include <stdio.h>

#include "load.h"

#define BATCH    5000
#define STALL_US 30000000

struct reading {
    int64_t next[LOAD_PARTITIONS_MAX], end[LOAD_PARTITIONS_MAX];
    long left; /* partitions not at their end */
    uint64_t count, bytes;
};

static void assign(rd_kafka_t *client, const struct options *o, struct reading *r)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)o->partitions);
    for (int32_t p = 0; p < o->partitions; p++) {
        if (rd_kafka_query_watermark_offsets(client, o->topic, p, &r->next[p], &r->end[p], 10000))
            load_fail("where partition %d ends is unknown", (int)p);
        rd_kafka_topic_partition_list_add(list, o->topic, p)->offset = r->next[p];
        r->left += r->next[p] < r->end[p];
    }
    if (rd_kafka_assign(client, list))
        load_fail("the partitions can't be read");
    rd_kafka_topic_partition_list_destroy(list);
}

static void take(struct reading *r, const rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        load_fail("%s", rd_kafka_message_errstr(message));
    int32_t p = message->partition;
    r->count++;
    r->bytes += message->len;
    bool was_left = r->next[p] < r->end[p];
    r->next[p] = message->offset + 1;
    r->left -= was_left && r->next[p] >= r->end[p];
}

static void read_all(rd_kafka_t *client, struct reading *r)
{
    rd_kafka_message_t *batch[BATCH];
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    int64_t last_us = now_us();
    while (r->left > 0) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 10, batch, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            take(r, batch[i]);
            rd_kafka_message_destroy(batch[i]);
        }
        if (count > 0)
            last_us = now_us();
        else if (now_us() - last_us > STALL_US)
            load_fail("nothing more was read");
    }
    rd_kafka_queue_destroy(queue);
}

void load_consume(const struct options *o)
{
    static struct reading r;
    const char *const pairs[][2] = {
        {"group.id", "bench"}, {"enable.auto.commit", "false"}, {"auto.offset.reset", "error"}};
    rd_kafka_t *client = load_client(RD_KAFKA_CONSUMER, load_conf(o, pairs, 3));
    rd_kafka_poll_set_consumer(client);
    assign(client, o, &r);
    int64_t since_us = now_us();
    read_all(client, &r);
    double seconds = (double)(now_us() - since_us) / 1e6;
    printf("records_per_s=%.0f mb_per_s=%.2f records=%" PRIu64 "\n", (double)r.count / seconds,
           (double)r.bytes / 1e6 / seconds, r.count);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
}

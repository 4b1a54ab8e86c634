/* A producer on stock librdkafka, with acks=all, idempotent or not. A delivery report's message
 * status decides: only what never can have reached a broker has failed. */
#include "producer.h"

#define SETTLE_POLL_MS 50
#define FULL_WAIT_MS   100
#define PURGE_WAIT_US  5000000

static struct note_end end_of(const rd_kafka_message_t *message)
{
    struct note_end end = client_change_end(message->err, message->offset);
    if (end.outcome == NOTE_UNKNOWN &&
        rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        end.outcome = NOTE_FAIL;
    return end;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct note_end end = end_of(message);
    (void)client;
    producer_note_end(opaque, (uint64_t)(uintptr_t)message->_private, message->partition, &end);
}

static int send_record(struct producer *p, uint64_t id, const struct note_send *send,
                       const char **error)
{
    if (rd_kafka_produce(p->topic, send->place.partition, RD_KAFKA_MSG_F_COPY, p->value, send->size,
                         send->key, send->key_size, (void *)(uintptr_t)id) == 0)
        return 0;
    rd_kafka_resp_err_t err = rd_kafka_last_error();
    *error = client_error_name(err);
    if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return -1;
    rd_kafka_poll(p->client, FULL_WAIT_MS);
    return 1;
}

static void wait_for_reports(struct producer *p, int wait_ms)
{
    rd_kafka_poll(p->client, wait_ms);
}

static bool is_fatal(struct producer *p)
{
    char why[8];
    return rd_kafka_fatal_error(p->client, why, sizeof why) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Every send gets its outcome: by answers while there is time, by giving up then. */
static void settle(struct producer *p)
{
    while (rd_kafka_outq_len(p->client) > 0 && producer_is_sending_over(p) && !is_fatal(p) &&
           now_us() < atomic_load(&p->load->settle_until_us))
        rd_kafka_poll(p->client, SETTLE_POLL_MS);
    if (rd_kafka_outq_len(p->client) > 0)
        rd_kafka_purge(p->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    int64_t until_us = now_us() + PURGE_WAIT_US;
    while (rd_kafka_outq_len(p->client) > 0 && now_us() < until_us)
        rd_kafka_poll(p->client, SETTLE_POLL_MS);
}

static bool open_client(struct producer *p)
{
    const struct client_setting settings[] = {
        {"bootstrap.servers", p->load->options->bootstrap},
        {"acks", "all"},
        {"enable.idempotence", p->is_idempotent ? "true" : "false"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    p->client = client_create(RD_KAFKA_PRODUCER, conf, &p->process, settings);
    if (p->client != NULL)
        p->topic = rd_kafka_topic_new(p->client, p->load->options->topic, NULL);
    return p->client != NULL && p->topic != NULL;
}

static void close_client(struct producer *p)
{
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->client);
}

const struct producer_library producer_kafka = {
    .open = open_client,
    .send = send_record,
    .wait = wait_for_reports,
    .has_ended = is_fatal,
    .settle = settle,
    .close = close_client,
};

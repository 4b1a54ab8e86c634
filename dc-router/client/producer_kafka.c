/* librdkafka as the producer wants it.
 *
 * It never gives a record up: whoever waited is told in time (producer_spool.c), and the record
 * stays where it is, so that it is in the log once, behind those before it. A librdkafka that gives
 * up what is in flight takes a new epoch and sends again what stood behind it, which may be there.
 * A broker that hangs costs a third of send_timeout_ms, so that there is time left for a second
 * and a third one. */
#include "producer_parts.h"

#define PURGE_MS_MAX 5000
#define POLL_MS      20

static int set_numbers(rd_kafka_conf_t *conf, const struct trilog_producer *p, char *why)
{
    const struct client_settings *c = &p->settings;
    int64_t slice_ms = c->send_timeout_ms / 3;
    slice_ms = slice_ms < 1000 ? 1000 : slice_ms > 60000 ? 60000 : slice_ms;
    const struct handle_number numbers[] = {
        {"message.timeout.ms", 0},
        {"message.max.bytes", c->record_bytes_max + 65536},
        {"queue.buffering.max.messages", c->queue_records_max},
        {"queue.buffering.max.kbytes", c->queue_bytes_max / 1024},
        {"socket.timeout.ms", slice_ms},
        {"request.timeout.ms", slice_ms},
        {"socket.connection.setup.timeout.ms", slice_ms},
        {"reconnect.backoff.max.ms", 1000},
    };
    return handle_set_numbers(conf, numbers, sizeof numbers / sizeof numbers[0], why);
}

int producer_kafka_open(struct trilog_producer *p, char *why)
{
    const struct handle_text texts[] = {{"client.rack", p->settings.site},
                                        {"enable.idempotence", "true"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int err = handle_set_addresses(conf, &p->settings.bootstrap, why);
    if (err == 0)
        err = handle_set_identity(conf, &p->settings, why);
    if (err == 0)
        err = set_numbers(conf, p, why);
    if (err == 0)
        err = handle_set_texts(conf, texts, sizeof texts / sizeof texts[0], why);
    if (err != 0) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    handle_set_newer(conf, false);
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, producer_on_delivery);
    handle_set_silent(conf);
    producer_site_hook(conf);
    p->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, TRILOG_TEXT_SIZE);
    if (p->kafka == NULL) {
        rd_kafka_conf_destroy(conf);
        return TRILOG_ERR_SYSTEM;
    }
    bytes_copy_text(p->environment, sizeof p->environment, p->settings.environment);
    return 0;
}

void producer_kafka_purge(struct trilog_producer *p)
{
    rd_kafka_purge(p->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    uint64_t end_ms = producer_now_ms() + PURGE_MS_MAX;
    while (rd_kafka_outq_len(p->kafka) > 0 && producer_now_ms() < end_ms)
        rd_kafka_poll(p->kafka, POLL_MS);
}

static rd_kafka_headers_t *headers_of(const struct trilog_record *r, const struct record_id *id)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(r->header_count + 1);
    if (headers == NULL)
        return NULL;
    for (size_t i = 0; i < r->header_count; i++)
        rd_kafka_header_add(headers, r->headers[i].name, -1, r->headers[i].value,
                            (ssize_t)r->headers[i].value_size);
    if (id != NULL)
        rd_kafka_header_add(headers, RECORD_ID_NAME, -1, id->bytes, RECORD_ID_SIZE);
    return headers;
}

int producer_kafka_send(struct trilog_producer *p, const struct trilog_record *r,
                        const struct record_id *id, struct send *send)
{
    if (producer_is_renewing(p))
        return TRILOG_ERR_QUEUE_FULL;
    rd_kafka_headers_t *headers = headers_of(r, id);
    if (headers == NULL)
        return TRILOG_ERR_MEMORY;
    rd_kafka_resp_err_t err = rd_kafka_producev(
        p->kafka, RD_KAFKA_V_TOPIC(r->topic), RD_KAFKA_V_KEY(r->key, r->key_size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)r->value, r->value_size), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_TIMESTAMP(r->timestamp_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(send), RD_KAFKA_V_END);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0; /* and the headers are its own */
    rd_kafka_headers_destroy(headers);
    return producer_result_of(err);
}

bool producer_is_refusal(int result)
{
    return result == TRILOG_ERR_TOO_LARGE || result == TRILOG_ERR_UNKNOWN_TOPIC ||
           result == TRILOG_ERR_REFUSED;
}

int producer_result_of(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return TRILOG_OK;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return TRILOG_ERR_QUEUE_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return TRILOG_ERR_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return TRILOG_ERR_UNKNOWN_TOPIC;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return TRILOG_ERR_TIMED_OUT;
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__DESTROY:
        return TRILOG_ERR_CLOSED;
    case RD_KAFKA_RESP_ERR__FATAL:
        return TRILOG_ERR_FATAL;
    default:
        return TRILOG_ERR_REFUSED;
    }
}

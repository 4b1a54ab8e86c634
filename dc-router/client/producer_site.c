/* The producer at its site: which connections librdkafka may have, and what the application is told
 * when that changes. */
#include "producer_parts.h"

static int on_connect(int socket, const struct sockaddr *address, int size, const char *id,
                      void *producer)
{
    struct trilog_producer *p = producer;
    return site_gate_connect(&p->at->gate, socket, address, size, id);
}

static int on_close(int socket, void *producer)
{
    struct trilog_producer *p = producer;
    return site_gate_close_socket(&p->at->gate, socket);
}

void producer_site_hook(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_connect_cb(conf, on_connect);
    rd_kafka_conf_set_closesocket_cb(conf, on_close);
}

void producer_site_note(struct trilog_producer *p)
{
    char text[TRILOG_TEXT_SIZE];
    if (handle_site_note(p->at, text))
        producer_event(p, TRILOG_EVENT_SITE_CHANGED, "%s", text);
}

int trilog_site_state(struct trilog_producer *p, struct trilog_site_state *state)
{
    if (p == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    pthread_mutex_lock(&p->lock);
    int result = handle_site_state(p->at, p->is_closing, state);
    pthread_mutex_unlock(&p->lock);
    return result;
}

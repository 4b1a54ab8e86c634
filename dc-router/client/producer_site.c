/* The producer at its site: which connections librdkafka may have, and what the application is told
 * when that changes. */
#include "producer_parts.h"

#define DECIDE_MS_MAX 1000

int producer_site_open(struct trilog_producer *p)
{
    int result = site_gate_init(&p->gate, DECIDE_MS_MAX);
    if (result != 0)
        return result;
    result = site_watch_open(&p->watch, &p->settings, &p->gate);
    if (result != 0)
        site_gate_close(&p->gate);
    return result;
}

void producer_site_close(struct trilog_producer *p)
{
    site_gate_close(&p->gate);
}

static int on_connect(int socket, const struct sockaddr *address, int size, const char *id,
                      void *producer)
{
    struct trilog_producer *p = producer;
    return site_gate_connect(&p->gate, socket, address, size, id);
}

static int on_close(int socket, void *producer)
{
    struct trilog_producer *p = producer;
    return site_gate_close_socket(&p->gate, socket);
}

void producer_site_hook(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_connect_cb(conf, on_connect);
    rd_kafka_conf_set_closesocket_cb(conf, on_close);
}

void producer_site_note(struct trilog_producer *p)
{
    struct site_change change;
    if (site_watch_take(p->watch, &change))
        producer_event(p, TRILOG_EVENT_SITE_CHANGED, "site=%s from=%s failover_epoch=%llu cause=%s",
                       change.site, change.from, (unsigned long long)change.failover_epoch,
                       change.cause);
}

int trilog_site_state(struct trilog_producer *p, struct trilog_site_state *state)
{
    if (p == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    *state = (struct trilog_site_state){0};
    pthread_mutex_lock(&p->lock);
    int result = p->is_closing ? TRILOG_ERR_CLOSED : TRILOG_OK;
    if (result == TRILOG_OK)
        site_watch_state(p->watch, state);
    pthread_mutex_unlock(&p->lock);
    return result;
}

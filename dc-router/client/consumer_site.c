/* The consumer at its site: which connections librdkafka may have, and what the application is told
 * when that changes.
 *
 * Where addresses are routers it goes and comes as the producer does, by the same watch and gate,
 * with one handle: any router leads to the group's coordinator, so the member stays who it is, and
 * nothing is rebalanced. */
#include "consumer_parts.h"

#define DECIDE_MS_MAX 1000

int consumer_site_open(struct trilog_consumer *c)
{
    int result = site_gate_init(&c->gate, DECIDE_MS_MAX);
    if (result != 0)
        return result;
    result = site_watch_open(&c->watch, &c->settings, &c->gate);
    if (result != 0)
        site_gate_close(&c->gate);
    else
        site_watch_topic(c->watch, c->topics[0]);
    return result;
}

void consumer_site_stop(struct trilog_consumer *c)
{
    site_watch_close(c->watch);
    c->watch = NULL;
}

void consumer_site_close(struct trilog_consumer *c)
{
    site_gate_close(&c->gate);
}

static int on_connect(int socket, const struct sockaddr *address, int size, const char *id,
                      void *consumer)
{
    struct trilog_consumer *c = consumer;
    return site_gate_connect(&c->gate, socket, address, size, id);
}

static int on_close(int socket, void *consumer)
{
    struct trilog_consumer *c = consumer;
    return site_gate_close_socket(&c->gate, socket);
}

void consumer_site_hook(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_connect_cb(conf, on_connect);
    rd_kafka_conf_set_closesocket_cb(conf, on_close);
}

void consumer_site_note(struct trilog_consumer *c)
{
    struct site_change change;
    if (site_watch_take(c->watch, &change))
        consumer_event(c, TRILOG_CONSUMER_EVENT_SITE_CHANGED,
                       "site=%s from=%s failover_epoch=%llu cause=%s", change.site, change.from,
                       (unsigned long long)change.failover_epoch, change.cause);
}

bool consumer_has_routers(struct trilog_consumer *c)
{
    struct trilog_site_state state;
    site_watch_state(c->watch, &state);
    return state.has_routers;
}

bool consumer_is_own_site_first(struct trilog_consumer *c)
{
    struct trilog_site_state state;
    site_watch_state(c->watch, &state);
    return strcmp(state.site, c->settings.site) == 0;
}

int trilog_consumer_site_state(struct trilog_consumer *c, struct trilog_site_state *state)
{
    if (c == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    *state = (struct trilog_site_state){0};
    pthread_mutex_lock(&c->lock);
    int result = c->is_closing ? TRILOG_ERR_CLOSED : TRILOG_OK;
    if (result == TRILOG_OK)
        site_watch_state(c->watch, state);
    pthread_mutex_unlock(&c->lock);
    return result;
}

/* The consumer at its site: which connections librdkafka may have, and what the application is told
 * when that changes.
 *
 * Where addresses are routers it goes and comes as the producer does, by the same watch and gate,
 * with one handle: any router leads to the group's coordinator, so the member stays who it is, and
 * nothing is rebalanced. */
#include "consumer_parts.h"

int consumer_site_open(struct trilog_consumer *c)
{
    struct handle_site *at;
    int result = handle_site_open(&at, &c->settings);
    if (result != 0)
        return result;
    site_watch_topic(at->watch, c->topics[0]);
    pthread_mutex_lock(&c->lock);
    c->at = at;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static int on_connect(int socket, const struct sockaddr *address, int size, const char *id,
                      void *consumer)
{
    struct trilog_consumer *c = consumer;
    return site_gate_connect(&c->at->gate, socket, address, size, id);
}

static int on_close(int socket, void *consumer)
{
    struct trilog_consumer *c = consumer;
    return site_gate_close_socket(&c->at->gate, socket);
}

void consumer_site_hook(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_connect_cb(conf, on_connect);
    rd_kafka_conf_set_closesocket_cb(conf, on_close);
}

void consumer_site_note(struct trilog_consumer *c)
{
    char text[TRILOG_TEXT_SIZE];
    if (handle_site_note(c->at, text))
        consumer_event(c, TRILOG_CONSUMER_EVENT_SITE_CHANGED, "%s", text);
}

bool consumer_has_routers(struct trilog_consumer *c)
{
    struct trilog_site_state state;
    site_watch_state(c->at->watch, &state);
    return state.has_routers;
}

bool consumer_is_own_site_first(struct trilog_consumer *c)
{
    struct trilog_site_state state;
    site_watch_state(c->at->watch, &state);
    return strcmp(state.site, c->settings.site) == 0;
}

int trilog_consumer_site_state(struct trilog_consumer *c, struct trilog_site_state *state)
{
    if (c == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    pthread_mutex_lock(&c->lock);
    int result = handle_site_state(c->at, c->is_closing, state);
    pthread_mutex_unlock(&c->lock);
    return result;
}

/* One setting after the other, until librdkafka refuses one and says why.
 *
 * The library is built on 2.0.2 and runs on what the machine has. What only a later librdkafka
 * knows is set where it does: its own default would be worse here, or might become another one. */
#include "handle_kafka.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dc-router/environment.h"
#include "trilog/trilog.h"

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why)
{
    return rd_kafka_conf_set(conf, name, value, why, TRILOG_TEXT_SIZE) == RD_KAFKA_CONF_OK
               ? 0
               : TRILOG_ERR_SETTINGS;
}

int handle_set_numbers(rd_kafka_conf_t *conf, const struct handle_number *numbers, size_t count,
                       char *why)
{
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        char value[24];
        snprintf(value, sizeof value, "%" PRId64, numbers[i].value);
        err = set(conf, numbers[i].name, value, why);
    }
    return err;
}

int handle_set_texts(rd_kafka_conf_t *conf, const struct handle_text *texts, size_t count,
                     char *why)
{
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++)
        if (texts[i].value != NULL)
            err = set(conf, texts[i].name, texts[i].value, why);
    return err;
}

int handle_set_identity(rd_kafka_conf_t *conf, const struct client_settings *settings, char *why)
{
    char id[sizeof settings->client_id + sizeof ROUTER_ENVIRONMENT_MARK + CONF_NAME_SIZE];
    bool is_said = strcmp(settings->environment, ROUTER_ENVIRONMENT_DEFAULT) != 0;
    snprintf(id, sizeof id, "%s%s%s", settings->client_id, is_said ? ROUTER_ENVIRONMENT_MARK : "",
             is_said ? settings->environment : "");
    return set(conf, "client.id", id, why);
}

static const struct newer {
    const char *name, *value;
    bool is_consumers;
} newer[] = {
    /* Since 2.3 waits for another try double, up to a second: half of what a failover may take. */
    {"retry.backoff.max.ms", "250", false},
    /* Since 2.5 it offers what it measures to a cluster that asks for such: none here does. */
    {"enable.metrics.push", "false", false},
    /* It fetches nothing for a second once what was fetched had reached its bound: where that is
     * small (consumer_records_max), most of the time. Since 2.2 it can look again sooner. */
    {"fetch.queue.backoff.ms", "50", true},
    /* Since 2.4 there are two; the other one (KIP-848) the cluster does not have. */
    {"group.protocol", "classic", true},
};

void handle_set_newer(rd_kafka_conf_t *conf, bool is_consumer)
{
    char unheard[TRILOG_TEXT_SIZE];
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++)
        if (is_consumer || !newer[i].is_consumers)
            set(conf, newer[i].name, newer[i].value, unheard); /* refused: as it is, then */
}

int handle_set_addresses(rd_kafka_conf_t *conf, const struct conf_addresses *addresses, char *why)
{
    char *list = handle_address_list(addresses);
    if (list == NULL)
        return TRILOG_ERR_MEMORY;
    int err = set(conf, "bootstrap.servers", list, why);
    free(list);
    return err;
}

char *handle_address_list(const struct conf_addresses *addresses)
{
    static const size_t size = CONF_ADDRESSES_MAX * CONF_ADDRESS_SIZE;
    char *list = calloc(1, size);
    size_t length = 0;
    for (unsigned i = 0; list != NULL && i < addresses->count; i++) {
        const struct conf_address *a = &addresses->entries[i];
        const char *format = strchr(a->host, ':') != NULL ? "%s[%s]:%u" : "%s%s:%u";
        length += (size_t)snprintf(list + length, size - length, format, i > 0 ? "," : "", a->host,
                                   a->port);
    }
    return list;
}

static void drop_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
    (void)kafka, (void)level, (void)facility, (void)text;
}

void handle_set_silent(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_log_cb(conf, drop_log);
}

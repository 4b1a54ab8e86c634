/* What a producer and a consumer set alike in librdkafka. Private to libtrilog. */
#ifndef CLIENT_HANDLE_KAFKA_H
#define CLIENT_HANDLE_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "conf/client_conf.h"

struct handle_number {
    const char *name;
    int64_t value;
};

struct handle_text {
    const char *name, *value; /* NULL: stays as it is */
};

/* 0 or TRILOG_ERR_SETTINGS; `why` has room for TRILOG_TEXT_SIZE. */
int handle_set_numbers(rd_kafka_conf_t *conf, const struct handle_number *numbers, size_t count,
                       char *why);
int handle_set_texts(rd_kafka_conf_t *conf, const struct handle_text *texts, size_t count,
                     char *why);
int handle_set_addresses(rd_kafka_conf_t *conf, const struct conf_addresses *addresses, char *why);

/* Who it is, and of which environment, where that is not the one that goes without saying
 * (dc-router/environment.h). */
int handle_set_identity(rd_kafka_conf_t *conf, const struct client_settings *settings, char *why);

/* What the librdkafka that runs knows of properties that 2.0.2 has not. */
void handle_set_newer(rd_kafka_conf_t *conf, bool is_consumer);

/* As librdkafka takes them, with commas. Returned owned (free); NULL without memory. */
char *handle_address_list(const struct conf_addresses *addresses);

/* librdkafka's own lines go nowhere: what matters is an event or a result. */
void handle_set_silent(rd_kafka_conf_t *conf);

#endif

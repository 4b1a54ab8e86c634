/* Administration through librdkafka, each act noted. */
#ifndef LEDGER_TOPIC_H
#define LEDGER_TOPIC_H

#include "client.h"

/* Each asks for one act and waits up to `timeout_ms`. They return librdkafka's error. */
rd_kafka_resp_err_t topic_create(rd_kafka_t *client, struct process *process, const char *topic,
                                 int partition_count, int replication, int timeout_ms);
rd_kafka_resp_err_t topic_widen(rd_kafka_t *client, struct process *process, const char *topic,
                                int partition_count, int timeout_ms);
rd_kafka_resp_err_t topic_delete(rd_kafka_t *client, struct process *process, const char *topic,
                                 int timeout_ms);
rd_kafka_resp_err_t topic_describe_group(rd_kafka_t *client, struct process *process,
                                         const char *group, int timeout_ms);

/* How many partitions the topic has, all of them with a leader; 0: not so; -1: nobody answers. */
int topic_partition_count(rd_kafka_t *client, const char *topic, int timeout_ms);

#endif

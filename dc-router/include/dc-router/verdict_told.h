/* The verdict as any node tells it to routers and libtrilog, asked for with what Kafka's clients
 * have: DescribeConfigs of a broker. The question made, the answer read; no I/O, no allocation. */
#ifndef DC_ROUTER_VERDICT_TOLD_H
#define DC_ROUTER_VERDICT_TOLD_H

#include "dc-router/policy.h"
#include "protocol/messages.h"

#define ROUTER_VERDICT_VERSION 1 /* of DescribeConfigs */

/* Points into itself: not to be moved. */
struct router_verdict_question {
    struct kafka_describe_configs_request message;
    struct kafka_describe_configs_request_resource resources[2];
    struct kafka_string names[2];
    char broker[16];
};

/* Of any broker's id, whoever is asked: a node tells it of all. */
void router_verdict_ask(struct router_verdict_question *question, int32_t broker_id);

/* 0, and whose verdict it is ("": not told); ERR_NOT_FOUND: there is none; ERR_MALFORMED;
 * ERR_VERSION: a later release's. */
int router_verdict_read(const struct kafka_describe_configs_response *answer,
                        struct router_verdict *verdict, char cluster_id[ROUTER_CLUSTER_ID_SIZE]);

#endif

/* DescribeCluster: brokers and controller, for administration clients (KIP-700). */
#include "error_code.h"
#include "request/operations.h"
#include "request/text.h"

#define ENDPOINT_BROKERS     1
#define ENDPOINT_CONTROLLERS 2

static void fill_brokers(struct request *r, struct kafka_describe_cluster_response *response)
{
    const struct metadata *m = r->broker->metadata;
    unsigned count = metadata_node_count(m);
    response->brokers = request_array(r, count, sizeof *response->brokers);
    for (unsigned i = 0; i < count && response->brokers != NULL; i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        if (node->node_id != (uint32_t)r->broker->conf.node_id &&
            !repl_node_is_alive(r->broker->node, node->node_id))
            continue;
        struct kafka_describe_cluster_response_broker *broker =
            &response->brokers[response->brokers_count++];
        kafka_describe_cluster_response_broker_init(broker);
        broker->broker_id = (int32_t)node->node_id;
        broker->host = text_copy(r, node->host);
        broker->port = node->port;
        broker->rack = text_copy(r, node->site);
    }
}

void request_handle_describe_cluster(struct request *r)
{
    const struct kafka_describe_cluster_request *message = r->message;
    struct kafka_describe_cluster_response response;
    kafka_describe_cluster_response_init(&response);
    response.cluster_id = text_cluster_id(r);
    response.cluster_authorized_operations = message->include_cluster_authorized_operations
                                                 ? OPERATIONS_ON_CLUSTER
                                                 : OPERATIONS_NOT_ASKED;
    response.controller_id = -1;
    if (r->header.api_version >= 1 && message->endpoint_type != ENDPOINT_BROKERS) {
        response.error_code = message->endpoint_type == ENDPOINT_CONTROLLERS
                                  ? KAFKA_ERROR_MISMATCHED_ENDPOINT_TYPE
                                  : KAFKA_ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = text_copy(r, "there are no separate controllers");
        request_answer(r, &response);
        return;
    }
    metadata_read_lock(r->broker->metadata);
    fill_brokers(r, &response);
    metadata_read_unlock(r->broker->metadata);
    uint32_t controller = broker_group_leader(r->broker, 0, NULL);
    if (controller != 0)
        response.controller_id = (int32_t)controller;
    request_answer(r, &response);
}

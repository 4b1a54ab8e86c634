/* From a frame to a handler. What is not known here closes the connection, as a node would; only
 * ApiVersions of a too new version is answered, for that is how a client finds out (KIP-511). */
#include "base/err.h"
#include "router/handlers.h"
#include "router/permit.h"
#include "router/router.h"

static const struct {
    int16_t key;
    client_request_handler handle;
} handlers[] = {
    {KAFKA_API_PRODUCE, handle_produce},
    {KAFKA_API_FETCH, handle_fetch},
    {KAFKA_API_LIST_OFFSETS, handle_by_leader},
    {KAFKA_API_METADATA, handle_metadata},
    {KAFKA_API_OFFSET_COMMIT, handle_group},
    {KAFKA_API_OFFSET_FETCH, handle_groups},
    {KAFKA_API_FIND_COORDINATOR, handle_find_coordinator},
    {KAFKA_API_JOIN_GROUP, handle_group},
    {KAFKA_API_HEARTBEAT, handle_group},
    {KAFKA_API_LEAVE_GROUP, handle_group},
    {KAFKA_API_SYNC_GROUP, handle_group},
    {KAFKA_API_DESCRIBE_GROUPS, handle_groups},
    {KAFKA_API_LIST_GROUPS, handle_list_groups},
    {KAFKA_API_API_VERSIONS, handle_api_versions},
    {KAFKA_API_CREATE_TOPICS, handle_anywhere},
    {KAFKA_API_DELETE_TOPICS, handle_anywhere},
    {KAFKA_API_DELETE_RECORDS, handle_by_leader},
    {KAFKA_API_INIT_PRODUCER_ID, handle_anywhere},
    {KAFKA_API_OFFSET_FOR_LEADER_EPOCH, handle_by_leader},
    {KAFKA_API_DESCRIBE_CONFIGS, handle_describe_configs},
    {KAFKA_API_ALTER_CONFIGS, handle_anywhere},
    {KAFKA_API_DESCRIBE_LOG_DIRS, handle_describe_log_dirs},
    {KAFKA_API_CREATE_PARTITIONS, handle_anywhere},
    {KAFKA_API_DELETE_GROUPS, handle_groups},
    {KAFKA_API_ELECT_LEADERS, handle_anywhere},
    {KAFKA_API_INCREMENTAL_ALTER_CONFIGS, handle_anywhere},
    {KAFKA_API_LIST_PARTITION_REASSIGNMENTS, handle_anywhere},
    {KAFKA_API_OFFSET_DELETE, handle_group},
    {KAFKA_API_DESCRIBE_CLUSTER, handle_describe_cluster},
};

client_request_handler router_handler_of(int16_t key)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].key == key)
            return handlers[i].handle;
    return NULL;
}

static int decode(struct client_request *r, struct kafka_reader *reader)
{
    const struct kafka_message_type *type = &r->header.api->request;
    r->message = client_request_allocate(r, type->size);
    if (r->message == NULL)
        return UV_ENOMEM;
    return type->decode(reader, r->header.api_version, &r->arena, r->message);
}

void client_request_dispatch(struct client_request *r)
{
    struct kafka_reader reader = kafka_reader_of(r->frame.bytes);
    int err = kafka_request_header_decode(&reader, &r->header);
    const struct kafka_api *api = r->header.api;
    client_request_handler handle = err != 0 || api == NULL ? NULL : router_handler_of(api->key);
    if (handle == NULL) {
        client_request_end_client(r, err != 0 ? err_text(err) : "the API is not known");
        return;
    }
    bool is_known = kafka_api_has_version(api, r->header.api_version);
    if (!is_known && api->key != KAFKA_API_API_VERSIONS) {
        client_request_end_client(r, "the version of the request is not known");
        return;
    }
    if (is_known && (err = decode(r, &reader)) != 0) {
        client_request_end_client(r, err_text(err));
        return;
    }
    if (api->key < COUNTS_APIS_MAX)
        r->shard->counts.requests[api->key]++;
    permit_look(r);
    handle(r);
}

/* Metadata and DescribeCluster, with routers in place of nodes.
 *
 * A node answers; what it says of topics is learned on the way. Replicas keep the ids of their
 * nodes: how many there are and who is in sync is the truth about the topic; whom to ask is a
 * router. */
#include "router/away.h"
#include "router/face.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/router.h"

#define METADATA_MS_MAX 5000

/* ---- whom clients see ---- */

static void put_leaders(const struct face *face, struct kafka_metadata_response *m)
{
    for (int32_t t = 0; t < m->topics_count; t++)
        for (int32_t i = 0; i < m->topics[t].partitions_count; i++) {
            struct kafka_metadata_response_partition *p = &m->topics[t].partitions[i];
            if (p->leader_id >= 0)
                p->leader_id = face_choose(face, m->topics[t].name, p->partition_index)->id;
        }
}

static bool put_brokers(struct client_request *r, struct kafka_metadata_response *m)
{
    struct face face;
    face_look(r->shard, &face);
    m->brokers = client_request_allocate(r, face.count * sizeof *m->brokers);
    if (m->brokers == NULL)
        return false;
    m->brokers_count = (int32_t)face.count;
    for (unsigned i = 0; i < face.count; i++)
        m->brokers[i] = (struct kafka_metadata_response_broker){.node_id = face.brokers[i].id,
                                                                .host = face.brokers[i].host,
                                                                .port = face.brokers[i].port,
                                                                .rack = face.brokers[i].site};
    m->controller_id = face.brokers[0].id;
    put_leaders(&face, m);
    return true;
}

static bool put_cluster(struct client_request *r, struct kafka_describe_cluster_response *m)
{
    struct face face;
    face_look(r->shard, &face);
    m->brokers = client_request_allocate(r, face.count * sizeof *m->brokers);
    if (m->brokers == NULL)
        return false;
    m->brokers_count = (int32_t)face.count;
    for (unsigned i = 0; i < face.count; i++) {
        kafka_describe_cluster_response_broker_init(&m->brokers[i]);
        m->brokers[i].broker_id = face.brokers[i].id;
        m->brokers[i].host = face.brokers[i].host;
        m->brokers[i].port = face.brokers[i].port;
        m->brokers[i].rack = face.brokers[i].site;
    }
    m->controller_id = face.brokers[0].id;
    return true;
}

/* ---- the way ---- */

static bool rewrite(struct client_request *r, void *message)
{
    if (r->header.api->key == KAFKA_API_DESCRIBE_CLUSTER)
        return put_cluster(r, message);
    struct kafka_metadata_response *m = message;
    cluster_map_learn(r->shard, m);
    return put_brokers(r, m);
}

static bool on_answer(struct away *a, struct slice answer)
{
    struct client_request *r = a->request;
    struct own_answer own;
    int err = own_answer_read(&own, (enum kafka_api_key)r->header.api->key, r->header.api_version,
                              answer);
    if (err != 0) {
        client_request_end_client(r, "a node's answer is malformed");
        return false;
    }
    if (rewrite(r, own.message))
        client_request_answer(r, own.message);
    else
        client_request_end_client(r, "its answer needs too much memory");
    own_answer_close(&own);
    return false;
}

static void try_node(struct away *a);

/* It only reads, or makes a topic by its name: it may be asked twice. */
static void on_failed(struct away *a, int status)
{
    struct client_request *r = a->request;
    (void)status;
    if (client_request_is_abandoned(r) ||
        router_now_ms(r->shard) - r->received_ms > METADATA_MS_MAX)
        client_request_end_client(r, "no node answers");
    else
        away_wait(a, try_node);
}

static void try_node(struct away *a)
{
    struct router_node *n = node_pool_any(a->request->shard, a->request->client->identity.turn);
    if (n == NULL)
        on_failed(a, UV_ENOTCONN);
    else
        away_send(a, n);
}

void handle_metadata(struct client_request *r)
{
    struct away *a = away_create(r, 0, on_answer, on_failed);
    if (a != NULL)
        try_node(a);
}

void handle_describe_cluster(struct client_request *r)
{
    handle_metadata(r);
}

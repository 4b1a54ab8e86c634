/* Metadata and DescribeCluster, with routers in place of nodes.
 *
 * A node answers; what it says of topics is learned on the way. Replicas keep the ids of their
 * nodes: how many there are and who is in sync is the truth about the topic; whom to ask is a
 * router. */
#include "protocol/error.h"
#include "router/away.h"
#include "router/face.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/permit.h"
#include "router/router.h"

#define METADATA_MS_MAX 5000

/* ---- whom clients see ---- */

static void put_leaders(const struct face *face, struct kafka_metadata_response *m)
{
    for (int32_t t = 0; t < m->topics_count; t++) {
        struct kafka_string name = m->topics[t].name, site = face_site(face, name);
        for (int32_t i = 0; i < m->topics[t].partitions_count; i++) {
            struct kafka_metadata_response_partition *p = &m->topics[t].partitions[i];
            if (p->leader_id >= 0)
                p->leader_id = face_choose(face, site, name, p->partition_index)->id;
        }
    }
}

static bool put_brokers(struct client_request *r, struct kafka_metadata_response *m)
{
    struct face face;
    face_look(r->shard, r->client, &face);
    unsigned count = face.count + face.beyond_count;
    m->brokers = client_request_allocate(r, count * sizeof *m->brokers);
    if (m->brokers == NULL)
        return false;
    m->brokers_count = (int32_t)count;
    for (unsigned i = 0; i < count; i++)
        m->brokers[i] = (struct kafka_metadata_response_broker){.node_id = face.brokers[i].id,
                                                                .host = face.brokers[i].host,
                                                                .port = face.brokers[i].port,
                                                                .rack = face.brokers[i].site};
    m->controller_id = face.controller_id;
    put_leaders(&face, m);
    return true;
}

static bool put_cluster(struct client_request *r, struct kafka_describe_cluster_response *m)
{
    struct face face;
    face_look(r->shard, r->client, &face);
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

/* ---- what clients may see ---- */

/* The question without topics that the client may not use: a node would make them by their name.
 * False: the request was ended. Topics by id are looked at when their names are known. */
static bool leave_out_refused(struct client_request *r)
{
    const struct kafka_metadata_request *asked = r->message;
    struct kafka_metadata_request less = *asked;
    size_t count = asked->topics_count > 0 ? (size_t)asked->topics_count : 0;
    less.topics = client_request_allocate(r, (count + 1) * sizeof *less.topics);
    less.topics_count = 0;
    for (size_t i = 0; less.topics != NULL && i < count; i++)
        if (kafka_string_is_null(asked->topics[i].name) || permit_topic(r, asked->topics[i].name))
            less.topics[less.topics_count++] = asked->topics[i];
    if (less.topics != NULL && (size_t)less.topics_count == count)
        return true;
    if (less.topics != NULL && client_request_ask_instead(r, &less) == 0)
        return true;
    client_request_end_client(r, "its answer needs too much memory");
    return false;
}

static void put_refused(struct kafka_metadata_response_topic *into, struct kafka_string name)
{
    kafka_metadata_response_topic_init(into);
    into->name = name;
    into->error_code = KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

/* What the node tells of, without what the client may not see, and with an error for each such
 * topic that it has asked for. */
static bool show_permitted(struct client_request *r, struct kafka_metadata_response *m)
{
    const struct kafka_metadata_request *asked = r->message;
    size_t count = asked->topics_count > 0 ? (size_t)asked->topics_count : 0;
    struct kafka_metadata_response_topic *shown = client_request_allocate(
        r, ((size_t)m->topics_count + count + 1) * sizeof *shown);
    int32_t shown_count = 0;
    if (shown == NULL)
        return false;
    for (int32_t t = 0; t < m->topics_count; t++)
        if (permit_shows_topic(r, m->topics[t].name))
            shown[shown_count++] = m->topics[t];
    for (size_t i = 0; i < count; i++)
        if (!kafka_string_is_null(asked->topics[i].name) &&
            !permit_shows_topic(r, asked->topics[i].name))
            put_refused(&shown[shown_count++], asked->topics[i].name);
    m->topics = shown;
    m->topics_count = shown_count;
    return true;
}

/* ---- the way ---- */

static bool rewrite(struct client_request *r, void *message)
{
    if (r->header.api->key == KAFKA_API_DESCRIBE_CLUSTER)
        return put_cluster(r, message);
    struct kafka_metadata_response *m = message;
    cluster_map_learn(r->shard, m);
    return show_permitted(r, m) && put_brokers(r, m);
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
    if (r->header.api->key == KAFKA_API_METADATA && !leave_out_refused(r))
        return;
    struct away *a = away_create(r, 0, on_answer, on_failed);
    if (a != NULL)
        try_node(a);
}

void handle_describe_cluster(struct client_request *r)
{
    handle_metadata(r);
}

/* One connection, one question at a time, each with a deadline. */
#include "site_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dc-router/policy_report.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "site_connect.h"

#define ANSWER_BYTES_MAX  (1u << 20)
#define REQUEST_BYTES_MAX (ROUTER_REPORT_SIZE_MAX + 512)
#define METADATA_VERSION  1
#define CONFIGS_VERSION   1
#define RESOURCE_BROKER   4
#define OPERATION_SET     0

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- bytes, until a deadline ---- */

static int wait_for(int socket, short events, int64_t end_ms)
{
    struct pollfd p = {.fd = socket, .events = events};
    for (;;) {
        int64_t left_ms = end_ms - now_ms();
        int ready = left_ms <= 0 ? 0 : poll(&p, 1, (int)left_ms);
        if (ready > 0)
            return 0;
        if (ready == 0)
            return UV_ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int write_all(int socket, const uint8_t *at, size_t size, int64_t end_ms)
{
    while (size > 0) {
        int err = wait_for(socket, POLLOUT, end_ms);
        if (err != 0)
            return err;
        ssize_t written = send(socket, at, size, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        at += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static int read_all(int socket, uint8_t *at, size_t size, int64_t end_ms)
{
    while (size > 0) {
        int err = wait_for(socket, POLLIN, end_ms);
        if (err != 0)
            return err;
        ssize_t got = recv(socket, at, size, 0);
        if (got == 0)
            return UV_EOF;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        at += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* ---- one question ---- */

static int send_request(struct site_link *link, const struct kafka_api *api, int16_t version,
                        const void *message, int64_t end_ms)
{
    struct kafka_request_header header = {.api = api,
                                          .api_key = api->key,
                                          .api_version = version,
                                          .correlation_id = ++link->asked_count,
                                          .client_id = kafka_string_of("libtrilog")};
    struct kafka_writer w;
    kafka_writer_init(&w, REQUEST_BYTES_MAX);
    kafka_request_header_encode(&w, &header);
    int err = api->request.encode(&w, version, message);
    if (err == 0)
        err = kafka_writer_finish(&w);
    uint8_t bytes[REQUEST_BYTES_MAX];
    if (err == 0)
        err = write_all(link->socket, bytes, kafka_writer_copy(&w, bytes, sizeof bytes), end_ms);
    kafka_writer_close(&w);
    return err;
}

/* The frame's content is returned owned (free). */
static int read_answer(struct site_link *link, uint8_t **content, size_t *size, int64_t end_ms)
{
    uint8_t head[KAFKA_FRAME_SIZE_BYTES];
    int err = read_all(link->socket, head, sizeof head, end_ms);
    if (err != 0)
        return err;
    *size = bytes_get_be32(head);
    if (*size == 0 || *size > ANSWER_BYTES_MAX)
        return ERR_MALFORMED;
    *content = malloc(*size);
    if (*content == NULL)
        return UV_ENOMEM;
    err = read_all(link->socket, *content, *size, end_ms);
    if (err != 0)
        free(*content);
    return err;
}

struct answer {
    struct kafka_arena arena;
    uint8_t *content;
    void *message;
};

static void answer_close(struct answer *a)
{
    kafka_arena_close(&a->arena);
    free(a->content);
}

static int decode(struct site_link *link, const struct kafka_api *api, int16_t version,
                  struct bytes from, struct answer *a)
{
    struct kafka_reader r = kafka_reader_of(from);
    int32_t number;
    kafka_arena_init(&a->arena, kafka_arena_limit_for(from.size) + api->response.size + 64);
    a->message = kafka_arena_allocate(&a->arena, api->response.size);
    int err = a->message == NULL ? UV_ENOMEM
                                 : kafka_response_header_decode(&r, api, version, &number);
    if (err == 0 && number != link->asked_count)
        err = ERR_MALFORMED;
    return err != 0 ? err : api->response.decode(&r, version, &a->arena, a->message);
}

/* On 0 the answer is to be closed. */
static int ask(struct site_link *link, enum kafka_api_key key, int16_t version, const void *message,
               int64_t end_ms, struct answer *a)
{
    const struct kafka_api *api = kafka_api_find((int16_t)key);
    size_t size;
    int err = send_request(link, api, version, message, end_ms);
    if (err == 0)
        err = read_answer(link, &a->content, &size, end_ms);
    if (err != 0)
        return err;
    err = decode(link, api, version, bytes_of(a->content, size), a);
    if (err != 0)
        answer_close(a);
    return err;
}

/* ---- connecting ---- */

static int connect_any(const struct conf_address *address, int timeout_ms, int64_t *end_ms,
                       int *connected)
{
    char port[8];
    snprintf(port, sizeof port, "%u", address->port);
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *all;
    if (getaddrinfo(address->host, port, &wanted, &all) != 0)
        return UV_EAI_NONAME;
    *end_ms = now_ms() + timeout_ms;
    int err = site_connect(all, timeout_ms, connected);
    freeaddrinfo(all);
    return err;
}

/* ---- who is there ---- */

static void copy_string(struct kafka_string from, char *into, size_t size)
{
    struct bytes b = kafka_string_bytes(from);
    size_t length = b.size < size ? b.size : size - 1;
    if (length > 0)
        memcpy(into, b.data, length);
    into[length] = '\0';
}

static void read_face(const struct kafka_metadata_response *m, struct site_face *face)
{
    *face = (struct site_face){.are_routers = m->brokers_count > 0};
    for (int32_t i = 0; i < m->brokers_count && face->count < SITE_FACE_ADDRESSES_MAX; i++) {
        const struct kafka_metadata_response_broker *b = &m->brokers[i];
        unsigned at = face->count++;
        copy_string(b->host, face->brokers[at].address.host, CONF_HOST_SIZE);
        face->brokers[at].address.port = (uint16_t)b->port;
        copy_string(b->rack, face->brokers[at].site, CONF_NAME_SIZE);
        if (b->node_id < CONF_ROUTER_ID_LEAST || face->brokers[at].site[0] == '\0')
            face->are_routers = false;
        if (i == 0 || b->node_id == m->controller_id)
            bytes_copy_text(face->site, sizeof face->site, face->brokers[at].site);
    }
}

static int ask_face(struct site_link *link, int64_t end_ms, struct site_face *face)
{
    struct kafka_metadata_request request;
    kafka_metadata_request_init(&request); /* no topics */
    struct answer a;
    int err = ask(link, KAFKA_API_METADATA, METADATA_VERSION, &request, end_ms, &a);
    if (err != 0)
        return err;
    const struct kafka_metadata_response *m = a.message;
    read_face(m, face);
    link->broker_id = m->brokers_count > 0 ? m->brokers[0].node_id : 0;
    answer_close(&a);
    return 0;
}

int site_link_open(struct site_link *link, const struct conf_address *address, int timeout_ms,
                   struct site_face *face)
{
    *link = (struct site_link){.socket = -1};
    int64_t end_ms;
    link->stage = ROUTER_STAGE_CONNECT;
    int err = connect_any(address, timeout_ms, &end_ms, &link->socket);
    if (err == 0) {
        link->stage = ROUTER_STAGE_ANSWER;
        err = ask_face(link, end_ms, face);
    }
    if (err != 0)
        site_link_close(link);
    return err;
}

void site_link_close(struct site_link *link)
{
    if (link->socket >= 0)
        close(link->socket);
    link->socket = -1;
}

/* ---- the verdict ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(struct kafka_string text, uint8_t *into, size_t size)
{
    size_t count = text.size <= 0 ? 0 : (size_t)text.size / 2;
    if (count == 0 || text.size % 2 != 0 || count > size)
        return count == 0 ? ERR_NOT_FOUND : ERR_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_MALFORMED;
        into[i] = (uint8_t)(high * 16 + low);
    }
    return (int)count;
}

/* Null where nobody tells it. */
static struct kafka_string value_of(const struct kafka_describe_configs_response *m,
                                    const char *name)
{
    for (int32_t i = 0; i < m->resources_count; i++)
        for (int32_t k = 0; k < m->resources[i].configs_count; k++)
            if (kafka_string_is_text(m->resources[i].configs[k].name, name))
                return m->resources[i].configs[k].value;
    return KAFKA_STRING_NULL;
}

static int read_verdict(const struct kafka_describe_configs_response *m,
                        struct router_verdict *verdict, char cluster_id[ROUTER_CLUSTER_ID_SIZE])
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    copy_string(value_of(m, ROUTER_CLUSTER_CONFIG), cluster_id, ROUTER_CLUSTER_ID_SIZE);
    int size = from_hex(value_of(m, ROUTER_VERDICT_CONFIG), bytes, sizeof bytes);
    return size < 0 ? size : router_verdict_decode(bytes_of(bytes, (size_t)size), verdict);
}

/* Each by its name alone: so any broker tells it of any other one. In one question, so that one
 * node tells both. */
static void ask_of_broker(struct kafka_describe_configs_request_resource *resource, const char *id,
                          struct kafka_string *name)
{
    kafka_describe_configs_request_resource_init(resource);
    resource->resource_type = RESOURCE_BROKER;
    resource->resource_name = kafka_string_of(id);
    resource->configuration_keys = name;
    resource->configuration_keys_count = 1;
}

int site_link_ask_verdict(struct site_link *link, int timeout_ms, struct router_verdict *verdict,
                          char cluster_id[ROUTER_CLUSTER_ID_SIZE])
{
    char id[16];
    snprintf(id, sizeof id, "%d", link->broker_id);
    struct kafka_string names[] = {kafka_string_of(ROUTER_VERDICT_CONFIG),
                                   kafka_string_of(ROUTER_CLUSTER_CONFIG)};
    struct kafka_describe_configs_request_resource resources[2];
    ask_of_broker(&resources[0], id, &names[0]);
    ask_of_broker(&resources[1], id, &names[1]);
    struct kafka_describe_configs_request request;
    kafka_describe_configs_request_init(&request);
    request.resources = resources;
    request.resources_count = 2;
    struct answer a;
    int err = ask(link, KAFKA_API_DESCRIBE_CONFIGS, CONFIGS_VERSION, &request,
                  now_ms() + timeout_ms, &a);
    if (err != 0)
        return err;
    err = read_verdict(a.message, verdict, cluster_id);
    answer_close(&a);
    return err == ERR_VERSION ? ERR_NOT_FOUND : err; /* a later release's: no order is known */
}

/* ---- a report ---- */

int site_link_tell(struct site_link *link, int timeout_ms, const char *report)
{
    char id[16];
    snprintf(id, sizeof id, "%d", link->broker_id);
    struct kafka_incremental_alter_configs_request_config config;
    kafka_incremental_alter_configs_request_config_init(&config);
    config.name = kafka_string_of(ROUTER_REPORT_CONFIG);
    config.config_operation = OPERATION_SET;
    config.value = kafka_string_of(report);
    struct kafka_incremental_alter_configs_request_resource resource;
    kafka_incremental_alter_configs_request_resource_init(&resource);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = kafka_string_of(id);
    resource.configs = &config;
    resource.configs_count = 1;
    struct kafka_incremental_alter_configs_request request;
    kafka_incremental_alter_configs_request_init(&request);
    request.resources = &resource;
    request.resources_count = 1;
    struct answer a;
    int err = ask(link, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, CONFIGS_VERSION, &request,
                  now_ms() + timeout_ms, &a);
    if (err != 0)
        return err;
    const struct kafka_incremental_alter_configs_response *m = a.message;
    bool is_taken = m->resources_count == 1 && m->resources[0].error_code == 0;
    answer_close(&a);
    return is_taken ? 0 : ERR_INVALID;
}

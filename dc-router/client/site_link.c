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
#include "dc-router/verdict_told.h"
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
        int ready = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
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
static int take_answer(struct site_link *link, const struct kafka_api *api, int16_t version,
                       int64_t end_ms, struct answer *a)
{
    size_t size;
    int err = read_answer(link, &a->content, &size, end_ms);
    if (err != 0)
        return err;
    err = decode(link, api, version, bytes_of(a->content, size), a);
    if (err != 0)
        answer_close(a);
    return err;
}

/* Likewise. */
static int ask(struct site_link *link, enum kafka_api_key key, int16_t version, const void *message,
               int64_t end_ms, struct answer *a)
{
    const struct kafka_api *api = kafka_api_find((int16_t)key);
    int err = send_request(link, api, version, message, end_ms);
    return err != 0 ? err : take_answer(link, api, version, end_ms, a);
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

int site_link_ask_verdict(struct site_link *link, int timeout_ms)
{
    struct router_verdict_question question;
    router_verdict_ask(&question, link->broker_id);
    return send_request(link, kafka_api_find(KAFKA_API_DESCRIBE_CONFIGS), ROUTER_VERDICT_VERSION,
                        &question.message, now_ms() + timeout_ms);
}

bool site_link_is_answered(const struct site_link *link, int wait_ms)
{
    return wait_for(link->socket, POLLIN, now_ms() + wait_ms) == 0;
}

int site_link_take_verdict(struct site_link *link, int timeout_ms, struct router_verdict *verdict,
                           char cluster_id[ROUTER_CLUSTER_ID_SIZE])
{
    struct answer a;
    int err = take_answer(link, kafka_api_find(KAFKA_API_DESCRIBE_CONFIGS), ROUTER_VERDICT_VERSION,
                          now_ms() + timeout_ms, &a);
    if (err != 0)
        return err;
    err = router_verdict_read(a.message, verdict, cluster_id);
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

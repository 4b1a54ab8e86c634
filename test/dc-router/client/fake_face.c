#include "fake_face.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/frame.h"
#include "protocol/messages.h"

#define CONNECTIONS_MAX 32
#define FRAME_SIZE      4096

static void answer(int socket, const struct kafka_request_header *h, const void *message)
{
    struct kafka_writer w;
    uint8_t bytes[FRAME_SIZE];
    kafka_writer_init(&w, sizeof bytes);
    kafka_response_header_encode(&w, h->api, h->api_version, h->correlation_id);
    cr_assert_eq(h->api->response.encode(&w, h->api_version, message), 0);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    size_t size = kafka_writer_copy(&w, bytes, sizeof bytes);
    (void)!send(socket, bytes, size, MSG_NOSIGNAL);
    kafka_writer_close(&w);
}

static struct kafka_metadata_response_broker broker_of(const struct fake_face *f)
{
    return (struct kafka_metadata_response_broker){.node_id = f->id,
                                                   .host = kafka_string_of(f->address.host),
                                                   .port = f->address.port,
                                                   .rack = kafka_string_of(f->site)};
}

static void answer_face(struct fake_face *f, int socket, const struct kafka_request_header *h)
{
    const struct fake_face *first = atomic_load(&f->shown_first);
    struct kafka_metadata_response_broker brokers[2];
    struct kafka_metadata_response m;
    kafka_metadata_response_init(&m);
    m.brokers = brokers;
    if (first != NULL && first != f)
        brokers[m.brokers_count++] = broker_of(first);
    brokers[m.brokers_count++] = broker_of(f);
    m.controller_id = f->id;
    answer(socket, h, &m);
}

static void answer_verdict(struct fake_face *f, int socket, const struct kafka_request_header *h)
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    char text[2 * sizeof bytes + 1] = "";
    pthread_mutex_lock(&f->lock);
    int size = f->has_verdict ? router_verdict_encode(&f->verdict, bytes, sizeof bytes) : 0;
    const char *cluster_id = f->cluster_id;
    pthread_mutex_unlock(&f->lock);
    for (int i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    struct kafka_describe_configs_response_config configs[2];
    struct kafka_describe_configs_response_resource resources[2];
    for (int i = 0; i < 2; i++) {
        kafka_describe_configs_response_config_init(&configs[i]);
        kafka_describe_configs_response_resource_init(&resources[i]);
        resources[i].configs = &configs[i];
        resources[i].configs_count = 1;
    }
    configs[0].name = kafka_string_of("trilog.site.verdict");
    configs[0].value = kafka_string_of(text);
    configs[1].name = kafka_string_of("trilog.cluster.id");
    configs[1].value = kafka_string_of(cluster_id);
    struct kafka_describe_configs_response m;
    kafka_describe_configs_response_init(&m);
    m.resources = resources;
    m.resources_count = 2;
    answer(socket, h, &m);
}

static void take_report(struct fake_face *f, int socket, const struct kafka_request_header *h,
                        struct kafka_reader *r)
{
    struct kafka_incremental_alter_configs_request asked;
    struct kafka_incremental_alter_configs_response m;
    struct kafka_incremental_alter_configs_response_resource resource;
    struct kafka_arena arena;
    kafka_arena_init(&arena, FRAME_SIZE);
    cr_assert_eq(kafka_incremental_alter_configs_request_decode(r, h->api_version, &arena, &asked),
                 0);
    const struct kafka_incremental_alter_configs_request_config *c = asked.resources->configs;
    cr_assert(kafka_string_is_text(c->name, "trilog.site.report"));
    pthread_mutex_lock(&f->lock);
    snprintf(f->report, sizeof f->report, "%.*s", (int)c->value.size, c->value.data);
    pthread_mutex_unlock(&f->lock);
    kafka_incremental_alter_configs_response_init(&m);
    kafka_incremental_alter_configs_response_resource_init(&resource);
    m.resources = &resource;
    m.resources_count = 1;
    answer(socket, h, &m);
    kafka_arena_close(&arena);
}

/* One request, which comes whole here. False when the connection is over. */
static bool serve(struct fake_face *f, int socket)
{
    uint8_t bytes[FRAME_SIZE];
    ssize_t size = recv(socket, bytes, sizeof bytes, 0);
    struct bytes frame;
    if (size <= 0 || kafka_frame_decode(bytes_of(bytes, (size_t)size), FRAME_SIZE, &frame) < 0)
        return false;
    struct kafka_reader r = kafka_reader_of(frame);
    struct kafka_request_header h;
    if (kafka_request_header_decode(&r, &h) != 0 || h.api == NULL)
        return false;
    usleep((useconds_t)atomic_load(&f->delay_ms) * 1000);
    atomic_fetch_add(&f->asked, h.api_key == KAFKA_API_METADATA);
    if (h.api_key == KAFKA_API_METADATA)
        answer_face(f, socket, &h);
    else if (h.api_key == KAFKA_API_DESCRIBE_CONFIGS)
        answer_verdict(f, socket, &h);
    else if (h.api_key == KAFKA_API_INCREMENTAL_ALTER_CONFIGS)
        take_report(f, socket, &h, &r);
    else
        return false;
    return true;
}

/* What hangs takes connections, and what is away lets all go. */
static void *face_thread(void *face)
{
    struct fake_face *f = face;
    struct pollfd p[1 + CONNECTIONS_MAX] = {{.fd = f->listener, .events = POLLIN}};
    unsigned count = 1;
    while (!atomic_load(&f->is_ending)) {
        enum fake_face_state state = (enum fake_face_state)atomic_load(&f->state);
        if (state == FACE_HUNG) {
            usleep(2000);
            continue;
        }
        poll(p, count, 5);
        if ((p[0].revents & POLLIN) != 0 && count <= CONNECTIONS_MAX)
            p[count++] = (struct pollfd){.fd = accept(f->listener, NULL, NULL), .events = POLLIN};
        for (unsigned i = 1; i < count; i++)
            if (state == FACE_AWAY || (p[i].revents != 0 && !serve(f, p[i].fd))) {
                close(p[i].fd);
                p[i--] = p[--count];
            }
    }
    for (unsigned i = 0; i < count; i++)
        close(p[i].fd);
    return NULL;
}

void fake_face_start(struct fake_face *f, const char *site, int32_t id)
{
    *f = (struct fake_face){
        .site = site, .id = id, .cluster_id = "one", .listener = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    cr_assert_eq(bind(f->listener, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(f->listener, 64), 0);
    cr_assert_eq(getsockname(f->listener, (struct sockaddr *)&at, &size), 0);
    strcpy(f->address.host, "127.0.0.1");
    f->address.port = ntohs(at.sin_port);
    cr_assert_eq(pthread_mutex_init(&f->lock, NULL), 0);
    cr_assert_eq(pthread_create(&f->thread, NULL, face_thread, f), 0);
}

void fake_face_form_anew(struct fake_face *f, const char *cluster_id,
                         const struct router_verdict *verdict)
{
    pthread_mutex_lock(&f->lock);
    f->cluster_id = cluster_id;
    f->verdict = *verdict;
    f->has_verdict = true;
    pthread_mutex_unlock(&f->lock);
}

void fake_face_judge(struct fake_face *f, const struct router_verdict *verdict)
{
    fake_face_form_anew(f, "one", verdict);
}

void fake_face_report(struct fake_face *f, char into[256])
{
    pthread_mutex_lock(&f->lock);
    memcpy(into, f->report, sizeof f->report);
    pthread_mutex_unlock(&f->lock);
}

void fake_face_stop(struct fake_face *f)
{
    atomic_store(&f->is_ending, true);
    pthread_join(f->thread, NULL);
    pthread_mutex_destroy(&f->lock);
}

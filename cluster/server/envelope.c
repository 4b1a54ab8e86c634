/* Envelopes, opened and closed.
 *
 * A router asks for many clients on one connection. Each request of theirs comes as they sent it,
 * in an Envelope that says whose it is; it is worked on like any other, and its answer goes back
 * in the answer to the Envelope. No byte of records is copied for that: the client's frame is a
 * part of the router's, in the buffer that the socket filled, and its answer's slices become slices
 * of the router's.
 *
 *   frame   │ header 2: 58 0 id │ size │ the client's header and message │ principal │ address │ …
 *   answer  │ header 1: id      │ size │ the client's header and answer  │ error code │ tags
 *
 * What an envelope says is believed only of those who may (router_addresses). What a direct client
 * would lose its connection for is an error code here, for a router's other clients have done
 * nothing: docs/kafka.md has the codes. Only an envelope that can't be read at all closes it. */
#include "server/envelope.h"

#include <arpa/inet.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/frame.h"
#include "protocol/messages.h"

#define PRINCIPAL "User:ANONYMOUS" /* there is no other yet */

static void refuse(struct request_envelope *e, int16_t error_code, const char *why)
{
    e->error_code = error_code;
    e->why = why;
}

static bool is_envelope(struct bytes frame)
{
    return frame.size >= 2 && bytes_get_be16(frame.data) == KAFKA_API_ENVELOPE;
}

static bool is_known_principal(struct bytes principal)
{
    return principal.size == 0 || (principal.size == sizeof PRINCIPAL - 1 &&
                                   memcmp(principal.data, PRINCIPAL, principal.size) == 0);
}

static bool name_address(struct request_envelope *e, struct bytes address)
{
    int family = address.size == sizeof(struct in_addr)    ? AF_INET
                 : address.size == sizeof(struct in6_addr) ? AF_INET6
                                                           : AF_UNSPEC;
    return family != AF_UNSPEC &&
           inet_ntop(family, address.data, e->address, sizeof e->address) != NULL;
}

/* In the order in which it matters: whoever may not learns nothing else. */
static void judge(struct request_envelope *e, const struct kafka_envelope_request *message,
                  const struct envelope_rules *rules)
{
    if (!rules->may_pass_on)
        refuse(e, KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED,
               "passes requests on, and is not among router_addresses");
    else if (!is_known_principal(message->request_principal))
        refuse(e, KAFKA_ERROR_PRINCIPAL_DESERIALIZATION_FAILURE,
               "passes a principal on, and there are none yet");
    else if (!name_address(e, message->client_host_address))
        refuse(e, KAFKA_ERROR_INVALID_REQUEST, "passes on an address that is none");
    else if (message->router_id == 0 || message->client_number == 0)
        refuse(e, KAFKA_ERROR_INVALID_REQUEST, "does not say whose request it passes on");
    else if (is_envelope(message->request_data))
        refuse(e, KAFKA_ERROR_INVALID_REQUEST, "passes on what another one passes on");
    else if (message->request_data.size > rules->request_bytes_max)
        refuse(e, KAFKA_ERROR_INVALID_REQUEST, "passes on a request that is too large");
}

struct envelope_moment envelope_moment_of(const struct broker *b)
{
    return (struct envelope_moment){.life = b->life, .now = atomic_load(&b->connection_number)};
}

/* 0, which is before all, where it was told by another process. */
static uint64_t since_of(const struct kafka_envelope_request *message,
                         const struct envelope_moment *moment)
{
    uint64_t since = (uint64_t)message->client_since;
    return (uint64_t)message->node_life == moment->life && since <= moment->now ? since : 0;
}

struct bytes envelope_open(struct request_envelope *e, struct bytes frame,
                           const struct envelope_rules *rules)
{
    struct kafka_request_header header;
    struct kafka_envelope_request message;
    struct kafka_reader reader = kafka_reader_of(frame);
    *e = (struct request_envelope){0};
    if (!is_envelope(frame) || kafka_request_header_decode(&reader, &header) != 0 ||
        kafka_envelope_request_decode(&reader, header.api_version, NULL, &message) != 0)
        return frame;
    e->is_there = true;
    e->correlation_id = header.correlation_id;
    e->router_id = (uint64_t)message.router_id;
    e->client_number = (uint64_t)message.client_number;
    e->client_since = since_of(&message, &rules->moment);
    judge(e, &message, rules);
    return e->error_code == KAFKA_ERROR_NONE ? message.request_data : frame;
}

int envelope_answer(const struct request_envelope *e, struct kafka_writer *into,
                    const struct kafka_writer *client_answer, int16_t error_code,
                    const struct envelope_moment *moment)
{
    const struct kafka_api *api = kafka_api_find(KAFKA_API_ENVELOPE);
    struct kafka_envelope_response response;
    kafka_envelope_response_init(&response);
    response.error_code = error_code;
    response.life = (int64_t)moment->life;
    response.now = (int64_t)moment->now;
    response.response_data.count = -1;
    if (client_answer != NULL) {
        size_t count = 0;
        response.response_data.items = kafka_writer_slices(client_answer, &count);
        response.response_data.count = (int32_t)count;
    }
    kafka_response_header_encode(into, api, 0, e->correlation_id);
    kafka_envelope_response_encode(into, 0, &response);
    return kafka_writer_finish(into);
}

/* Nodes that name each other in a circle (leadership moves meanwhile) are asked so many times. */
#include "admin/coordinator_lookup.h"

#include "admin/ask.h"
#include "base/err.h"
#include "broker.h"
#include "protocol/error.h"
#include "protocol/messages.h"

#define FIND_COORDINATOR_VERSION 3 /* the last that asks for one key */
#define NODES_ASKED_MAX          4

static void end(struct coordinator_lookup *lookup, uint32_t node_id)
{
    lookup->cb(lookup, node_id);
}

static void refuse(struct coordinator_lookup *lookup, int err, const char *text)
{
    call_refuse_err(lookup->call, err, text);
    end(lookup, 0);
}

static void on_found(void *data, int status, const void *message);

static void ask(struct coordinator_lookup *lookup, uint32_t node_id)
{
    struct kafka_find_coordinator_request request;
    kafka_find_coordinator_request_init(&request);
    request.key = kafka_string_of(lookup->group_id);
    struct ask_question question = {
        .node_id = node_id,
        .api = KAFKA_API_FIND_COORDINATOR,
        .version = FIND_COORDINATOR_VERSION,
        .message = &request,
        .client_id = "trilog-admin",
        .timeout_ms = ASK_READ_MS_MAX,
        .owner = lookup,
    };
    lookup->asked = node_id;
    lookup->count++;
    int err = ask_send(lookup->call->admin, lookup->call->broker, &question, on_found, lookup);
    if (err != 0)
        refuse(lookup, err, ask_trouble(err));
}

static void on_found(void *data, int status, const void *message)
{
    struct coordinator_lookup *lookup = data;
    const struct kafka_find_coordinator_response *response = message;
    if (status != 0) {
        refuse(lookup, status, ask_trouble(status));
    } else if (response->error_code != KAFKA_ERROR_NONE || response->node_id <= 0) {
        refuse(lookup, ERR_NOT_LEADER, "nobody coordinates the group at present");
    } else if ((uint32_t)response->node_id == lookup->asked) {
        end(lookup, lookup->asked);
    } else if (lookup->count == NODES_ASKED_MAX) {
        refuse(lookup, ERR_NOT_LEADER, "the group's coordinator moves at present; try again");
    } else {
        ask(lookup, (uint32_t)response->node_id);
    }
}

void coordinator_lookup_start(struct coordinator_lookup *lookup, coordinator_lookup_cb cb)
{
    lookup->cb = cb;
    lookup->count = 0;
    ask(lookup, (uint32_t)lookup->call->broker->conf.node_id);
}

void coordinator_lookup_cancel(struct coordinator_lookup *lookup)
{
    ask_cancel(lookup->call->admin, lookup);
}

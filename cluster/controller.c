/* Changes of the metadata, brought to group 0's leader and back.
 *
 *   WAITING --a leader is known--> SENT or PROPOSED --verdict--> APPLYING --applied here--> done
 *      ▲                              │ not the leader
 *      └──────────────────────────────┘
 *
 * A change that was sent is not sent again unless its receiver says that it did nothing: its fate
 * is unknown, the deadline answers for it. All of this lives on shard 0, where group 0 is.
 *
 * Messages, little-endian: u8 type, u8 version, u16 0, u64 number, then
 *   CHANGE  the change's bytes
 *   VERDICT i32 status, i32 error, i64 first producer id, u64 index */
#include "controller.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "broker.h"
#include "state/byte_list.h"

#define MESSAGE_VERSION 1
#define CHANGES_MAX     1000
#define FORWARDED_MAX   1000

struct controller {
    struct broker *broker;
    struct controller_change *waiting;  /* no leader known, or it said that it is none */
    struct controller_change *sent;     /* with another node */
    struct controller_change *applying; /* have a verdict, not yet applied here */
    unsigned change_count;              /* in all three, and proposed here */
    unsigned forwarded_count;           /* of other nodes, proposed here */
    uint64_t next_number;
    unsigned known_count;
    struct metadata_node
        known[METADATA_NODES_MAX]; /* what nodes said of themselves; this one first */
    uint64_t empty_nodes;          /* mask of node ids whose handshake was of no cluster */
};

int controller_create(struct broker *b, struct controller **controller)
{
    struct controller *c = calloc(1, sizeof *c);
    if (c == NULL)
        return UV_ENOMEM;
    struct random random;
    random_init_system(&random);
    c->broker = b;
    c->next_number = random_u64(&random); /* a verdict for the process before is not for this one */
    c->known_count = 1;
    c->known[0].node_id = (uint32_t)b->conf.node_id;
    c->known[0].incarnation = b->incarnation;
    bytes_copy_text(c->known[0].site, sizeof c->known[0].site, b->conf.site);
    bytes_copy_text(c->known[0].host, sizeof c->known[0].host, b->conf.advertised.host);
    c->known[0].port = b->conf.advertised.port;
    bytes_copy_text(c->known[0].peer_host, sizeof c->known[0].peer_host,
                    b->conf.peer_advertised.host);
    c->known[0].peer_port = b->conf.peer_advertised.port;
    *controller = c;
    return 0;
}

/* ---- ending ---- */

static void on_home(struct work_item *item)
{
    struct controller_change *change = item->data;
    change->cb(change, change->status);
}

static void finish(struct controller *c, struct controller_change *change, int status)
{
    c->change_count--;
    free(change->body);
    change->body = NULL;
    change->status = status;
    change->item.data = change;
    shard_post(change->home, &change->item, on_home);
}

static void wait_for_apply(struct controller *c, struct controller_change *change)
{
    if (metadata_version(c->broker->metadata) >= change->result.index) {
        finish(c, change, 0);
        return;
    }
    change->next = c->applying;
    c->applying = change;
}

static void take_back(struct controller *c, struct controller_change *change)
{
    change->next = c->waiting;
    c->waiting = change;
}

/* ---- proposing here ---- */

struct proposal {
    struct machine_request machine;
    struct controller *controller;
    struct controller_change *change; /* ours, or NULL: then a node's that forwarded it */
    uint32_t from_node_id;
    uint64_t number;
};

static struct broker_group *group_zero(struct controller *c)
{
    return c->broker->groups[0];
}

static bool leads_here(struct controller *c)
{
    return group_zero(c) != NULL && machine_is_ready(group_zero(c)->machine);
}

/* Copies the change into a counted buffer and proposes it. */
static int propose(struct controller *c, struct proposal *p, struct bytes body, machine_cb cb)
{
    struct buffer *owner = buffer_create(body.size);
    if (owner == NULL)
        return UV_ENOMEM;
    memcpy(owner->data, body.data, body.size);
    p->controller = c;
    p->machine.data = p;
    p->machine.submit.head.kind = ENTRY_METADATA;
    p->machine.submit.body = (struct slice){.owner = owner,
                                            .bytes = bytes_of(owner->data, body.size)};
    int err = machine_submit(group_zero(c)->machine, &p->machine, cb);
    buffer_unref(owner);
    return err;
}

static void on_own_applied(struct machine_request *req, int status)
{
    struct proposal *p = req->data;
    p->change->result = req->result.metadata;
    if (status == ERR_NOT_LEADER) /* it never entered the log */
        take_back(p->controller, p->change);
    else
        finish(p->controller, p->change, status);
    free(p);
}

static void propose_own(struct controller *c, struct controller_change *change)
{
    struct proposal *p = calloc(1, sizeof *p);
    if (p == NULL) {
        finish(c, change, UV_ENOMEM);
        return;
    }
    p->change = change;
    int err = propose(c, p, bytes_of(change->body, change->body_size), on_own_applied);
    if (err == 0)
        return;
    free(p);
    if (err == ERR_NOT_LEADER || err == ERR_BUSY)
        take_back(c, change);
    else
        finish(c, change, err);
}

/* ---- forwarding ---- */

static void put_head(struct byte_list *list, uint8_t type, uint64_t number)
{
    byte_list_put_u8(list, type);
    byte_list_put_u8(list, MESSAGE_VERSION);
    byte_list_put_u16(list, 0);
    byte_list_put_u64(list, number);
}

static int send_list(struct controller *c, uint32_t node_id, struct byte_list *list)
{
    int err = list->is_failed
                  ? UV_ENOMEM
                  : repl_node_send(c->broker->node, node_id, bytes_of(list->data, list->size));
    free(list->data);
    return err;
}

static void forward(struct controller *c, uint32_t node_id, struct controller_change *change)
{
    struct byte_list list = {0};
    change->number = c->next_number++;
    put_head(&list, BROKER_MESSAGE_CHANGE, change->number);
    byte_list_put(&list, change->body, change->body_size);
    if (send_list(c, node_id, &list) != 0) {
        take_back(c, change);
        return;
    }
    change->next = c->sent;
    c->sent = change;
}

static void bring_to_leader(struct controller *c, struct controller_change *change)
{
    uint32_t leader = broker_group_leader(c->broker, 0, NULL);
    if (leads_here(c))
        propose_own(c, change);
    else if (leader != 0 && leader != (uint32_t)c->broker->conf.node_id)
        forward(c, leader, change);
    else
        take_back(c, change);
}

static void on_shard_zero(struct work_item *item)
{
    struct controller_change *change = item->data;
    struct controller *c = change->controller;
    c->change_count++;
    if (change->body == NULL)
        finish(c, change, UV_ENOMEM);
    else if (c->change_count > CHANGES_MAX)
        finish(c, change, ERR_BUSY);
    else
        bring_to_leader(c, change);
}

void controller_propose(struct controller *c, struct controller_change *change, controller_cb cb)
{
    change->cb = cb;
    change->deadline_ms = clock_now_ms(&c->broker->clock) + change->timeout_ms;
    change->controller = c;
    change->item.data = change;
    shard_post(c->broker->shards[0], &change->item, on_shard_zero);
}

/* ---- messages ---- */

static void send_verdict(struct controller *c, uint32_t node_id, uint64_t number, int status,
                         const struct metadata_result *result)
{
    struct byte_list list = {0};
    put_head(&list, BROKER_MESSAGE_VERDICT, number);
    byte_list_put_u32(&list, (uint32_t)status);
    byte_list_put_u32(&list, (uint32_t)result->error);
    byte_list_put_u64(&list, (uint64_t)result->first_producer_id);
    byte_list_put_u64(&list, result->index);
    send_list(c, node_id, &list); /* if it is lost, the asker's deadline answers */
}

static void on_forwarded_applied(struct machine_request *req, int status)
{
    struct proposal *p = req->data;
    p->controller->forwarded_count--;
    send_verdict(p->controller, p->from_node_id, p->number, status, &req->result.metadata);
    free(p);
}

static void on_change(struct controller *c, uint32_t from_node_id, uint64_t number,
                      struct bytes body)
{
    struct metadata_result none = {0};
    struct proposal *p = leads_here(c) && c->forwarded_count < FORWARDED_MAX ? calloc(1, sizeof *p)
                                                                             : NULL;
    int err = ERR_NOT_LEADER; /* it did nothing: may be sent again */
    if (p != NULL) {
        p->from_node_id = from_node_id;
        p->number = number;
        err = propose(c, p, body, on_forwarded_applied);
    }
    if (err == 0) {
        c->forwarded_count++;
        return;
    }
    free(p);
    send_verdict(c, from_node_id, number, ERR_NOT_LEADER, &none);
}

static void on_verdict(struct controller *c, uint64_t number, struct bytes_reader *r)
{
    struct controller_change **at = &c->sent;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    int status = (int)bytes_read_le32(r);
    int error = (int)bytes_read_le32(r);
    int64_t first_producer_id = (int64_t)bytes_read_le64(r);
    uint64_t index = bytes_read_le64(r);
    struct controller_change *change = *at;
    if (r->is_bad || change == NULL)
        return; /* its deadline has passed */
    *at = change->next;
    change->result = (struct metadata_result){
        .error = error, .first_producer_id = first_producer_id, .index = index};
    if (status == ERR_NOT_LEADER)
        take_back(c, change);
    else if (status != 0)
        finish(c, change, status);
    else
        wait_for_apply(c, change);
}

void controller_on_message(struct controller *c, uint32_t from_node_id, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    uint8_t type = bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    bytes_read_le16(&r);
    uint64_t number = bytes_read_le64(&r);
    if (r.is_bad || version != MESSAGE_VERSION)
        return;
    if (type == BROKER_MESSAGE_CHANGE)
        on_change(c, from_node_id, number, bytes_of(r.at, bytes_reader_left(&r)));
    else if (type == BROKER_MESSAGE_VERDICT)
        on_verdict(c, number, &r);
}

void controller_on_hello(void *controller, const struct peer_identity *peer)
{
    struct controller *c = controller;
    unsigned at = 1;
    uint64_t bit = peer->node_id < 64 ? (uint64_t)1 << peer->node_id : 0;
    bool is_empty = (peer->cluster_id[0] | peer->cluster_id[1]) == 0;
    c->empty_nodes = is_empty ? c->empty_nodes | bit : c->empty_nodes & ~bit;
    if (is_empty)
        return;
    while (at < c->known_count && c->known[at].node_id != peer->node_id)
        at++;
    if (at == METADATA_NODES_MAX || peer->client_host[0] == '\0')
        return;
    if (at == c->known_count)
        c->known_count++;
    struct metadata_node *node = &c->known[at];
    memset(node, 0, sizeof *node);
    node->node_id = peer->node_id;
    node->incarnation = peer->incarnation;
    bytes_copy_text(node->site, sizeof node->site, peer->site);
    bytes_copy_text(node->host, sizeof node->host, peer->client_host);
    node->port = peer->client_port;
    bytes_copy_text(node->peer_host, sizeof node->peer_host, peer->peer_host);
    node->peer_port = peer->peer_port;
}

bool controller_is_empty(struct controller *c, uint32_t node_id)
{
    return node_id < 64 && (c->empty_nodes >> node_id & 1) != 0;
}

unsigned controller_known_nodes(struct controller *c, struct metadata_node *nodes,
                                unsigned count_max)
{
    unsigned count = c->known_count < count_max ? c->known_count : count_max;
    memcpy(nodes, c->known, count * sizeof *nodes);
    return count;
}

/* ---- time ---- */

void controller_on_metadata(struct controller *c)
{
    struct controller_change *applying = c->applying;
    c->applying = NULL;
    while (applying != NULL) {
        struct controller_change *change = applying;
        applying = change->next;
        wait_for_apply(c, change);
    }
}

static void expire(struct controller *c, struct controller_change **list, uint64_t now_ms)
{
    while (*list != NULL) {
        struct controller_change *change = *list;
        if (change->deadline_ms > now_ms) {
            list = &change->next;
            continue;
        }
        *list = change->next;
        finish(c, change, ERR_TIMEOUT);
    }
}

void controller_tick(struct controller *c)
{
    uint64_t now_ms = clock_now_ms(&c->broker->clock);
    expire(c, &c->waiting, now_ms);
    expire(c, &c->sent, now_ms);
    expire(c, &c->applying, now_ms);
    struct controller_change *waiting = c->waiting;
    c->waiting = NULL;
    while (waiting != NULL) {
        struct controller_change *change = waiting;
        waiting = change->next;
        bring_to_leader(c, change);
    }
}

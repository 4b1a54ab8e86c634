/* POST /v1/nodes/add, …/remove, …/replace: planned, or begun.
 *
 * What is answered is what group 0 has taken: the moves follow by themselves, whatever becomes of
 * the node that was asked, and GET /v1/nodes shows how far they are. */
#include <stdlib.h>
#include <string.h>

#include "admin/route.h"
#include "admin/survey.h"
#include "membership/node_operation.h"

#define GROUP_0_MS_MAX 10000 /* for its word */
#define NODE_ID_MAX    63    /* what masks over nodes have room for */

struct node_change {
    struct node_operation_request request;
    struct node_plan plan;
    struct admin_call *call; /* NULL once somebody else answered it */
};

/* ---- the body ---- */

/* "host:port" or "[address]:port". */
static bool split_address(const char *text, char *host, size_t host_size, uint16_t *port)
{
    bool is_bracketed = text[0] == '[';
    const char *start = is_bracketed ? text + 1 : text;
    const char *end = strrchr(text, ':');
    char *rest;
    if (end == NULL)
        return false;
    long number = strtol(end + 1, &rest, 10);
    size_t length = (size_t)(end - text);
    if (is_bracketed) {
        if (length < 3 || text[length - 1] != ']')
            return false;
        length -= 2;
    }
    if (length == 0 || length >= host_size || end[1] < '0' || end[1] > '9' || *rest != '\0' ||
        number < 1 || number > UINT16_MAX || (!is_bracketed && memchr(start, ':', length) != NULL))
        return false;
    memcpy(host, start, length);
    host[length] = '\0';
    *port = (uint16_t)number;
    return true;
}

static bool read_peer(struct admin_call *call, struct node_operation *operation)
{
    const char *peer;
    if (json_object_get(call->json, "peer_address") == NULL)
        return true; /* it will say so itself */
    if (!call_field_text(call, "peer_address", &peer))
        return false;
    if (split_address(peer, operation->peer_host, sizeof operation->peer_host,
                      &operation->peer_port))
        return true;
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                "'peer_address' must be HOST:PORT, of IPv6 [ADDRESS]:PORT");
    return false;
}

static bool read_site(struct admin_call *call, struct node_operation *operation)
{
    const char *site;
    if (!call_field_text(call, "site", &site))
        return false;
    if (strlen(site) >= sizeof operation->site) {
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                    "'site' has at most %zu characters", sizeof operation->site - 1);
        return false;
    }
    bytes_copy_text(operation->site, sizeof operation->site, site);
    return true;
}

static bool read_node_id(struct admin_call *call, const char *name, uint32_t *node_id)
{
    int64_t number = 0;
    bool is_read = call_field_number(call, name, 1, NODE_ID_MAX, &number);
    *node_id = (uint32_t)number;
    return is_read;
}

static bool read_operation(struct admin_call *call, struct node_operation *o)
{
    static const char *const allowed[][4] = {
        [NODE_ADD] = {"plan", "node_id", "site", "peer_address"},
        [NODE_REMOVE] = {"plan", "node_id", "plan", "plan"},
        [NODE_REPLACE] = {"plan", "node_id", "new_node_id", "peer_address"},
    };
    if (!call_allows_fields(call, allowed[o->kind], 4) ||
        !read_node_id(call, "node_id", &o->node_id))
        return false;
    if (o->kind == NODE_REMOVE)
        return true;
    if (o->kind == NODE_ADD ? !read_site(call, o)
                            : !read_node_id(call, "new_node_id", &o->new_node_id))
        return false;
    return read_peer(call, o);
}

/* ---- the answer ---- */

static json_t *id_or_null(uint32_t node_id)
{
    return node_id == 0 ? json_null() : json_integer((json_int_t)node_id);
}

static json_t *plan_json(const struct node_plan *plan, bool is_begun)
{
    json_t *moves = json_array();
    for (unsigned i = 0; i < plan->move_count; i++) {
        const struct placement_move *move = &plan->moves[i];
        json_array_append_new(moves, json_pack("{s:i, s:o, s:o}", "group_id", (int)move->group_id,
                                               "enters_node_id", id_or_null(move->enters),
                                               "leaves_node_id", id_or_null(move->leaves)));
    }
    return json_pack("{s:b, s:i, s:o}", "begun", is_begun ? 1 : 0, "leader_changes",
                     (int)plan->leader_count, "moves", moves);
}

static void on_taken(struct node_operation_request *req, int status)
{
    struct node_change *change = req->data;
    struct admin_call *call = change->call;
    if (call != NULL && status == 0)
        call_answer_json(call, MHD_HTTP_ACCEPTED, plan_json(&change->plan, true));
    else if (call != NULL)
        call_refuse_err(call, status, req->note.text);
    free(change);
}

static void on_abandoned(struct admin_call *call)
{
    struct node_change *change = call->data;
    change->call = NULL;
}

static void begin(struct admin_call *call, struct node_change *change)
{
    struct node_operation_request *req = &change->request;
    req->data = change;
    req->home = call->admin->shard;
    req->timeout_ms = GROUP_0_MS_MAX;
    int err = node_operation_start(call->broker, req, on_taken);
    if (err == 0) {
        call->data = change;
        call->on_abandoned = on_abandoned;
        return;
    }
    call_refuse_err(call, err, req->note.text);
    free(change);
}

static void plan_or_begin(struct admin_call *call, enum node_operation_kind kind)
{
    struct err_note note = {0};
    bool is_plan = false;
    struct node_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    change->call = call;
    change->request.operation.kind = kind;
    if (!read_operation(call, &change->request.operation) ||
        !call_field_flag(call, "plan", &is_plan)) {
        free(change);
        return;
    }
    int err = node_operation_plan(call->broker, &change->request.operation, &change->plan, &note);
    if (err == 0 && !is_plan) {
        begin(call, change);
        return;
    }
    if (err == 0)
        call_answer_json(call, MHD_HTTP_OK, plan_json(&change->plan, false));
    else
        call_refuse_err(call, err, note.text);
    free(change);
}

void resource_node_add(struct admin_call *call)
{
    plan_or_begin(call, NODE_ADD);
}

void resource_node_remove(struct admin_call *call)
{
    plan_or_begin(call, NODE_REMOVE);
}

void resource_node_replace(struct admin_call *call)
{
    plan_or_begin(call, NODE_REPLACE);
}

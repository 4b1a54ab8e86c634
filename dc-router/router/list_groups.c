/* ListGroups: each node tells those that it coordinates; together they are all. */
#include "base/err.h"
#include "protocol/error.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/permit.h"
#include "router/router.h"

struct listing {
    struct client_request *request;
    struct listing_part *parts;
    unsigned count, pending;
    int16_t error_code; /* of a node: then those are not all */
};

struct listing_part {
    struct listing *listing;
    struct upstream_call call;
    struct slice kept;
    struct own_answer own;
    bool has_answer;
};

static void answer(struct listing *l)
{
    struct kafka_list_groups_response all;
    size_t count = 0;
    kafka_list_groups_response_init(&all);
    for (unsigned i = 0; i < l->count; i++)
        if (l->parts[i].has_answer)
            count += (size_t)((struct kafka_list_groups_response *)l->parts[i].own.message)
                         ->groups_count;
    all.groups = client_request_allocate(l->request, (count + 1) * sizeof *all.groups);
    all.error_code = l->error_code;
    for (unsigned i = 0; i < l->count && all.groups != NULL; i++) {
        const struct kafka_list_groups_response *part = l->parts[i].own.message;
        for (int32_t g = 0; l->parts[i].has_answer && g < part->groups_count; g++)
            if (permit_shows_group(l->request, part->groups[g].group_id))
                all.groups[all.groups_count++] = part->groups[g];
    }
    if (all.groups == NULL)
        client_request_end_client(l->request, "its answer needs too much memory");
    else
        client_request_answer(l->request, &all);
}

static void one_less(struct listing *l)
{
    if (--l->pending > 0)
        return;
    answer(l);
    for (unsigned i = 0; i < l->count; i++) {
        if (l->parts[i].has_answer)
            own_answer_close(&l->parts[i].own);
        slice_unref(&l->parts[i].kept);
    }
}

static int16_t error_of(const struct listing_part *part)
{
    const struct kafka_list_groups_response *m = part->has_answer ? part->own.message : NULL;
    return m == NULL ? KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE : m->error_code;
}

static void on_back(struct upstream_call *call, int status, struct slice answer_bytes)
{
    struct listing_part *part = call->data;
    struct listing *l = part->listing;
    struct client_request *r = l->request;
    part->kept = slice_ref(answer_bytes);
    part->has_answer = status == 0 && own_answer_read(&part->own, KAFKA_API_LIST_GROUPS,
                                                      r->header.api_version, part->kept) == 0;
    if (error_of(part) != KAFKA_ERROR_NONE)
        l->error_code = error_of(part);
    one_less(l);
    client_request_release(r);
}

/* A node that is gone coordinates nothing. */
static void ask_all(struct listing *l)
{
    struct client_request *r = l->request;
    struct kafka_slices inner = {.items = &r->frame, .count = 1};
    for (struct router_node *n = r->shard->pool.nodes; n != NULL; n = n->next) {
        struct listing_part *part = &l->parts[l->count];
        part->listing = l;
        part->call.data = part;
        if (n->id < 0 || !router_node_is_up(n))
            continue;
        if (router_node_send(n, &part->call, &r->client->identity, inner, on_back) != 0) {
            l->error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
            continue;
        }
        l->count++;
        l->pending++;
        client_request_claim(r);
    }
    if (l->count == 0)
        l->error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
}

void handle_list_groups(struct client_request *r)
{
    if (refuse_anywhere(r))
        return;
    struct listing *l = client_request_allocate(r, sizeof *l);
    struct listing_part *parts = client_request_allocate(r, NODES_MAX * sizeof *parts);
    if (l == NULL || parts == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    *l = (struct listing){.request = r, .parts = parts, .pending = 1};
    ask_all(l);
    one_less(l);
}

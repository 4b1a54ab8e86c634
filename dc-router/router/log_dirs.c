/* DescribeLogDirs: clients ask every broker for its folders, and see routers only: so each router
 * tells all nodes' folders, with the node's id before the path. A node that does not answer has one
 * too, with an error. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/permit.h"
#include "router/router.h"

#define PATH_SIZE 1100 /* a node's id, and what a setting may be */

typedef struct kafka_describe_log_dirs_response_result folder;

struct survey {
    struct client_request *request;
    struct survey_part *parts;
    unsigned count, pending;
};

struct survey_part {
    struct survey *survey;
    int32_t node_id;
    struct upstream_call call;
    struct slice kept;
    struct own_answer own;
    bool has_answer;
};

static const struct kafka_describe_log_dirs_response *answer_of(const struct survey_part *part)
{
    const struct kafka_describe_log_dirs_response *m = part->has_answer ? part->own.message : NULL;
    return m != NULL && m->error_code == KAFKA_ERROR_NONE ? m : NULL;
}

static void show_permitted(const struct client_request *r, folder *f)
{
    int32_t shown = 0;
    for (int32_t t = 0; t < f->topics_count; t++)
        if (permit_shows_topic(r, f->topics[t].name))
            f->topics[shown++] = f->topics[t];
    f->topics_count = shown;
}

/* False: no memory. `from` is NULL where the node does not answer. */
static bool put_folder(struct survey *s, const struct survey_part *part, const folder *from,
                       folder *into)
{
    char *path = client_request_allocate(s->request, PATH_SIZE);
    if (path == NULL)
        return false;
    kafka_describe_log_dirs_response_result_init(into);
    into->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    if (from != NULL)
        *into = *from;
    bool has_path = from != NULL && from->log_dir.size > 0;
    snprintf(path, PATH_SIZE, "%d:%.*s", part->node_id, has_path ? from->log_dir.size : 0,
             has_path ? from->log_dir.data : "");
    into->log_dir = kafka_string_of(path);
    show_permitted(s->request, into);
    return true;
}

static bool put_all(struct survey *s, struct kafka_describe_log_dirs_response *all)
{
    size_t count = s->count;
    for (unsigned i = 0; i < s->count; i++)
        if (answer_of(&s->parts[i]) != NULL)
            count += (size_t)answer_of(&s->parts[i])->results_count;
    all->results = client_request_allocate(s->request, (count + 1) * sizeof *all->results);
    bool is_whole = all->results != NULL;
    for (unsigned i = 0; i < s->count && is_whole; i++) {
        const struct survey_part *part = &s->parts[i];
        const struct kafka_describe_log_dirs_response *m = answer_of(part);
        if (m == NULL)
            is_whole = put_folder(s, part, NULL, &all->results[all->results_count++]);
        for (int32_t f = 0; m != NULL && f < m->results_count && is_whole; f++)
            is_whole = put_folder(s, part, &m->results[f], &all->results[all->results_count++]);
    }
    return is_whole;
}

static void one_less(struct survey *s)
{
    struct kafka_describe_log_dirs_response all;
    if (--s->pending > 0)
        return;
    kafka_describe_log_dirs_response_init(&all);
    if (put_all(s, &all))
        client_request_answer(s->request, &all);
    else
        client_request_end_client(s->request, "its answer needs too much memory");
    for (unsigned i = 0; i < s->count; i++) {
        if (s->parts[i].has_answer)
            own_answer_close(&s->parts[i].own);
        slice_unref(&s->parts[i].kept);
    }
}

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    struct survey_part *part = call->data;
    struct survey *s = part->survey;
    struct client_request *r = s->request;
    part->kept = slice_ref(answer);
    part->has_answer = status == 0 && own_answer_read(&part->own, KAFKA_API_DESCRIBE_LOG_DIRS,
                                                      r->header.api_version, part->kept) == 0;
    one_less(s);
    client_request_release(r);
}

static void ask(struct survey *s, struct router_node *n)
{
    struct client_request *r = s->request;
    struct kafka_slices inner = {.items = &r->frame, .count = 1};
    struct survey_part *part = &s->parts[s->count++];
    part->survey = s;
    part->node_id = n->id;
    part->call.data = part;
    if (!router_node_is_up(n) ||
        router_node_send(n, &part->call, &r->client->identity, inner, on_back) != 0)
        return;
    s->pending++;
    client_request_claim(r);
}

void handle_describe_log_dirs(struct client_request *r)
{
    if (refuse_anywhere(r))
        return;
    struct survey *s = client_request_allocate(r, sizeof *s);
    struct survey_part *parts = client_request_allocate(r, NODES_MAX * sizeof *parts);
    if (s == NULL || parts == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    *s = (struct survey){.request = r, .parts = parts, .pending = 1};
    for (struct router_node *n = r->shard->pool.nodes; n != NULL; n = n->next)
        if (n->id >= 0) /* else an address of the settings whose node is not known */
            ask(s, n);
    one_less(s);
}

/* Consumer groups: what is about one goes to its coordinator as it came; what is about many, in as
 * many parts. */
#include "base/err.h"
#include "protocol/error.h"
#include "router/group_part.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/permit.h"
#include "router/router.h"

#define OFFSET_FETCH_WITH_GROUPS 8
#define PART_BYTES_MAX           (64u << 20)
#define SYNC_MS_MAX              (10 * 60 * 1000) /* a node ends it at the group's own timeout */
#define JOIN_MS_MORE             30000            /* than the rebalance may take */

/* ---- one ---- */

static struct kafka_string group_of(const struct client_request *r)
{
    const void *m = r->message;
    switch (r->header.api->key) {
    case KAFKA_API_JOIN_GROUP:
        return ((const struct kafka_join_group_request *)m)->group_id;
    case KAFKA_API_SYNC_GROUP:
        return ((const struct kafka_sync_group_request *)m)->group_id;
    case KAFKA_API_HEARTBEAT:
        return ((const struct kafka_heartbeat_request *)m)->group_id;
    case KAFKA_API_LEAVE_GROUP:
        return ((const struct kafka_leave_group_request *)m)->group_id;
    case KAFKA_API_OFFSET_COMMIT:
        return ((const struct kafka_offset_commit_request *)m)->group_id;
    case KAFKA_API_OFFSET_FETCH:
        return ((const struct kafka_offset_fetch_request *)m)->group_id;
    default:
        return ((const struct kafka_offset_delete_request *)m)->group_id;
    }
}

/* Joins and syncs wait for others, a join for as long as its members may take. */
static uint64_t lane_ms_of(const struct client_request *r)
{
    const struct kafka_join_group_request *join = r->message;
    if (r->header.api->key == KAFKA_API_SYNC_GROUP)
        return SYNC_MS_MAX;
    if (r->header.api->key != KAFKA_API_JOIN_GROUP)
        return 0;
    int32_t ms = join->rebalance_timeout_ms > join->session_timeout_ms ? join->rebalance_timeout_ms
                                                                       : join->session_timeout_ms;
    return (uint64_t)(ms > 0 ? ms : 0) + JOIN_MS_MORE;
}

static void on_one(struct group_part *p, int status, struct slice answer)
{
    if (status == 0)
        client_request_answer_bytes(p->request, answer);
    else if (status == ERR_MALFORMED)
        client_request_end_client(p->request, "a node's answer is malformed");
    else
        client_request_end_client(p->request, p->request->client->is_commit_astray
                                                  ? "a commit may still come to its coordinator"
                                                  : "the group has no coordinator");
}

void handle_group(struct client_request *r)
{
    struct group_part *p = client_request_allocate(r, sizeof *p);
    bool is_change = r->header.api->key == KAFKA_API_OFFSET_DELETE;
    if (!permit_group(r, group_of(r)) || (is_change && !permit_admin(r))) {
        refuse_request(r, KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    if (p == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    p->request = r;
    p->group_id = group_of(r);
    p->inner = (struct kafka_slices){.items = &r->frame, .count = 1};
    p->lane_ms = lane_ms_of(r);
    group_part_start(p, on_one);
}

/* ---- many ---- */

struct many {
    struct client_request *request;
    struct one_of_many *parts;
    int32_t count, pending;
    bool has_failed;
};

struct one_of_many {
    struct group_part part; /* first: it is cast */
    struct many *many;
    struct kafka_writer writer;
    struct own_answer own;
    struct slice kept; /* what `own` borrows from */
    bool has_answer, is_refused;
};

static int32_t count_of(const struct client_request *r)
{
    const struct kafka_offset_fetch_request *fetch = r->message;
    const struct kafka_describe_groups_request *describe = r->message;
    const struct kafka_delete_groups_request *delete = r->message;
    if (r->header.api->key == KAFKA_API_OFFSET_FETCH)
        return fetch->groups_count;
    return r->header.api->key == KAFKA_API_DESCRIBE_GROUPS ? describe->groups_count
                                                           : delete->group_names_count;
}

/* The same request for the group in place `i` alone. */
static int encode_part(struct one_of_many *one, int32_t i)
{
    struct client_request *r = one->many->request;
    struct kafka_offset_fetch_request fetch;
    struct kafka_describe_groups_request describe;
    struct kafka_delete_groups_request delete;
    const void *message;
    if (r->header.api->key == KAFKA_API_OFFSET_FETCH) {
        fetch = *(const struct kafka_offset_fetch_request *)r->message;
        fetch.groups += i;
        fetch.groups_count = 1;
        one->part.group_id = fetch.groups->group_id;
        message = &fetch;
    } else if (r->header.api->key == KAFKA_API_DESCRIBE_GROUPS) {
        describe = *(const struct kafka_describe_groups_request *)r->message;
        describe.groups += i;
        describe.groups_count = 1;
        one->part.group_id = *describe.groups;
        message = &describe;
    } else {
        delete = *(const struct kafka_delete_groups_request *)r->message;
        delete.group_names += i;
        delete.group_names_count = 1;
        one->part.group_id = *delete.group_names;
        message = &delete;
    }
    kafka_writer_init(&one->writer, PART_BYTES_MAX);
    kafka_request_header_encode(&one->writer, &r->header);
    int err = r->header.api->request.encode(&one->writer, r->header.api_version, message);
    return err != 0 ? err : kafka_writer_finish(&one->writer);
}

/* An answer without some of the groups would say that there is nothing to tell of them. */
static void answer_if_whole(struct many *m, const void *message, int32_t groups_count)
{
    if (groups_count == m->count)
        client_request_answer(m->request, message);
    else
        client_request_end_client(m->request, "not all groups were answered");
}

static void answer_described(struct many *m)
{
    struct kafka_describe_groups_response all;
    kafka_describe_groups_response_init(&all);
    all.groups = client_request_allocate(m->request, (size_t)m->count * sizeof *all.groups);
    for (int32_t i = 0; i < m->count && all.groups != NULL; i++) {
        const struct kafka_describe_groups_response *part = m->parts[i].own.message;
        if (m->parts[i].is_refused) {
            kafka_describe_groups_response_group_init(&all.groups[all.groups_count]);
            all.groups[all.groups_count].group_id = m->parts[i].part.group_id;
            all.groups[all.groups_count++].error_code = KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED;
        } else if (part->groups_count == 1) {
            all.groups[all.groups_count++] = part->groups[0];
        }
    }
    answer_if_whole(m, &all, all.groups_count);
}

static void answer_deleted(struct many *m)
{
    struct kafka_delete_groups_response all;
    kafka_delete_groups_response_init(&all);
    all.groups = client_request_allocate(m->request, (size_t)m->count * sizeof *all.groups);
    for (int32_t i = 0; i < m->count && all.groups != NULL; i++) {
        const struct kafka_delete_groups_response *part = m->parts[i].own.message;
        if (m->parts[i].is_refused) {
            kafka_delete_groups_response_group_init(&all.groups[all.groups_count]);
            all.groups[all.groups_count].group_id = m->parts[i].part.group_id;
            all.groups[all.groups_count++].error_code = KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED;
        } else if (part->groups_count == 1) {
            all.groups[all.groups_count++] = part->groups[0];
        }
    }
    answer_if_whole(m, &all, all.groups_count);
}

static void answer_fetched(struct many *m)
{
    struct kafka_offset_fetch_response all;
    kafka_offset_fetch_response_init(&all);
    all.groups = client_request_allocate(m->request, (size_t)m->count * sizeof *all.groups);
    for (int32_t i = 0; i < m->count && all.groups != NULL; i++) {
        const struct kafka_offset_fetch_response *part = m->parts[i].own.message;
        if (m->parts[i].is_refused) {
            kafka_offset_fetch_response_group_init(&all.groups[all.groups_count]);
            all.groups[all.groups_count].group_id = m->parts[i].part.group_id;
            all.groups[all.groups_count++].error_code = KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED;
        } else if (part->groups_count == 1) {
            all.groups[all.groups_count++] = part->groups[0];
        }
    }
    answer_if_whole(m, &all, all.groups_count);
}

static void end_many(struct many *m)
{
    int16_t key = m->request->header.api->key;
    if (m->has_failed)
        client_request_end_client(m->request, "a group has no coordinator");
    else if (key == KAFKA_API_OFFSET_FETCH)
        answer_fetched(m);
    else if (key == KAFKA_API_DESCRIBE_GROUPS)
        answer_described(m);
    else
        answer_deleted(m);
    for (int32_t i = 0; i < m->count; i++) {
        struct one_of_many *one = &m->parts[i];
        if (one->has_answer)
            own_answer_close(&one->own);
        slice_unref(&one->kept);
        kafka_writer_close(&one->writer);
    }
}

static void one_less(struct many *m)
{
    if (--m->pending == 0)
        end_many(m);
}

static void on_part(struct group_part *p, int status, struct slice answer)
{
    struct one_of_many *one = (struct one_of_many *)p;
    const struct client_request *r = p->request;
    one->kept = slice_ref(answer);
    one->has_answer = status == 0 &&
                      own_answer_read(&one->own, (enum kafka_api_key)r->header.api->key,
                                      r->header.api_version, one->kept) == 0;
    one->many->has_failed |= !one->has_answer;
    one_less(one->many);
}

void handle_groups(struct client_request *r)
{
    if (r->header.api->key == KAFKA_API_OFFSET_FETCH &&
        r->header.api_version < OFFSET_FETCH_WITH_GROUPS) {
        handle_group(r);
        return;
    }
    int32_t count = count_of(r);
    struct many *m = client_request_allocate(r, sizeof *m);
    struct one_of_many *parts = client_request_allocate(r, ((size_t)count + 1) * sizeof *parts);
    if (m == NULL || parts == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    *m = (struct many){.request = r, .parts = parts, .count = count, .pending = 1};
    for (int32_t i = 0; i < count; i++) {
        struct one_of_many *one = &parts[i];
        one->many = m;
        one->part.request = r;
        if (encode_part(one, i) != 0) {
            m->has_failed = true;
            continue;
        }
        one->is_refused = !permit_group(r, one->part.group_id) ||
                          (r->header.api->key == KAFKA_API_DELETE_GROUPS && !permit_admin(r));
        if (one->is_refused)
            continue;
        one->part.inner = own_request_content(&one->writer);
        m->pending++;
        group_part_start(&one->part, on_part);
    }
    one_less(m);
}

/* The time to wait is the same for all, so those who wait are in the order of their deadlines. An
 * entry may still be applied after its deadline; then nobody waits for it any more. */
#include "consumer/commit_wait.h"

#include <stdlib.h>

#include "base/err.h"
#include "consumer/coordinator_parts.h"
#include "consumer/group_call.h"
#include "protocol/error.h"

#define COMMIT_TIMEOUT_MS 5000 /* Kafka's offsets.commit.timeout.ms */

struct commit_wait {
    struct coordinator *coordinator;
    commit_wait_cb cb; /* NULL once it was called */
    void *data;
    uint64_t deadline_ms;
    struct commit_wait *next, **previous; /* of those who wait; previous is NULL when not listed */
};

static void unlist(struct commit_wait *w)
{
    struct commit_wait_list *list = &w->coordinator->commits;
    if (w->previous == NULL)
        return;
    *w->previous = w->next;
    if (w->next != NULL)
        w->next->previous = w->previous;
    else
        list->last = w->previous;
    w->previous = NULL;
}

static void answer(struct commit_wait *w, int16_t error_code, struct bytes detail)
{
    commit_wait_cb cb = w->cb;
    unlist(w);
    w->cb = NULL;
    if (cb != NULL)
        cb(w->data, error_code, detail);
}

static void on_done(void *data, int status, struct bytes detail)
{
    struct commit_wait *w = data;
    answer(w, group_error_of(status), detail);
    free(w);
}

static void enlist(struct coordinator *c, struct commit_wait *w)
{
    if (c->commits.last == NULL)
        c->commits.last = &c->commits.first;
    w->previous = c->commits.last;
    *c->commits.last = w;
    c->commits.last = &w->next;
}

void commit_wait_begin(struct coordinator *c, uint32_t partition_number, struct bytes body,
                       commit_wait_cb cb, void *data)
{
    struct commit_wait *w = calloc(1, sizeof *w);
    int err = w == NULL ? UV_ENOMEM
                        : coordinator_propose_commit(c, partition_number, body, on_done, w);
    if (err != 0) {
        free(w);
        cb(data, group_error_of(err), bytes_of(NULL, 0));
        return;
    }
    w->coordinator = c;
    w->cb = cb;
    w->data = data;
    w->deadline_ms = clock_now_ms(&c->group->broker->clock) + COMMIT_TIMEOUT_MS;
    enlist(c, w);
}

void commit_wait_tick(struct coordinator *c)
{
    uint64_t now_ms = clock_now_ms(&c->group->broker->clock);
    while (c->commits.first != NULL && c->commits.first->deadline_ms <= now_ms)
        answer(c->commits.first, KAFKA_ERROR_REQUEST_TIMED_OUT, bytes_of(NULL, 0));
}

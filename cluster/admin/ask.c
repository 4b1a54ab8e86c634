/* A question is a wire for itself, and a deadline.
 *
 * It is freed when its timer is closed. */
#include "admin/ask.h"

#include <assert.h>
#include <stdlib.h>

#include "admin/admin_parts.h"
#include "base/err.h"
#include "node_wire.h"

#define QUESTION_BYTES_MAX (4u << 20)

struct ask {
    struct admin *admin;
    const void *owner;
    ask_cb cb; /* NULL once it was called, or is not to be */
    void *data;
    bool is_sent;           /* a part of it may have left */
    struct node_wire *wire; /* NULL: it broke */
    uv_timer_t timer;
    struct ask *next, **previous;
};

/* ---- ending ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void let_go(struct ask *q)
{
    q->cb = NULL;
    *q->previous = q->next;
    if (q->next != NULL)
        q->next->previous = q->previous;
    q->admin->ask_count--;
    if (q->wire != NULL)
        node_wire_close(q->wire);
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void finish(struct ask *q, int status, const void *answer)
{
    ask_cb cb = q->cb;
    void *data = q->data;
    assert(cb != NULL);
    q->cb = NULL; /* what it calls may cancel its owner's other questions, not this one */
    cb(data, status, answer);
    let_go(q);
}

static void fail(struct ask *q)
{
    finish(q, q->is_sent ? ERR_TIMEOUT : ERR_CLOSED, NULL);
}

static void on_timeout(uv_timer_t *timer)
{
    fail(timer->data);
}

/* ---- its wire ---- */

static void on_connected(void *data)
{
    struct ask *q = data;
    q->is_sent = true;
}

static void on_answered(void *data, enum kafka_api_key api, const void *answer)
{
    (void)api;
    finish(data, 0, answer);
}

static void on_broke(void *data)
{
    struct ask *q = data;
    q->wire = NULL;
    fail(q);
}

static const struct node_wire_user wire_user = {.request_bytes_max = QUESTION_BYTES_MAX,
                                                .answer_bytes_max = ASK_ANSWER_BYTES_MAX,
                                                .connected = on_connected,
                                                .answered = on_answered,
                                                .broke = on_broke};

/* ---- asking ---- */

static int open_wire(struct ask *q, struct broker *b, const struct ask_question *question)
{
    struct node_wire *wire;
    int err = node_wire_open(b, question->node_id, shard_loop(q->admin->shard), &wire_user, q,
                             &wire);
    if (err != 0)
        return err;
    err = node_wire_ask(wire, question->client_id, question->api, question->version,
                        question->message);
    if (err == 0)
        q->wire = wire;
    else
        node_wire_close(wire);
    return err;
}

static void enlist(struct admin *a, struct ask *q)
{
    q->next = a->asks;
    q->previous = &a->asks;
    if (q->next != NULL)
        q->next->previous = &q->next;
    a->asks = q;
    a->ask_count++;
}

int ask_send(struct admin *a, struct broker *b, const struct ask_question *question, ask_cb cb,
             void *data)
{
    if (a->ask_count >= ASKS_MAX)
        return ERR_BUSY;
    struct ask *q = calloc(1, sizeof *q);
    if (q == NULL)
        return UV_ENOMEM;
    q->admin = a;
    q->owner = question->owner;
    q->cb = cb;
    q->data = data;
    int err = open_wire(q, b, question);
    if (err != 0) {
        free(q);
        return err;
    }
    enlist(a, q);
    q->timer.data = q;
    uv_timer_init(shard_loop(a->shard), &q->timer);
    uv_timer_start(&q->timer, on_timeout, question->timeout_ms, 0);
    return 0;
}

/* ---- cancelling ---- */

void ask_cancel(struct admin *a, const void *owner)
{
    for (struct ask *q = a->asks, *next; q != NULL; q = next) {
        next = q->next;
        if (q->owner == owner && q->cb != NULL)
            let_go(q);
    }
}

void ask_close(struct admin *a)
{
    while (a->asks != NULL)
        let_go(a->asks);
}

const char *ask_trouble(int status)
{
    switch (status) {
    case ERR_BUSY:
        return "this node asks others too much already; try again";
    case ERR_NOT_FOUND:
        return "nobody is known to lead it now; try again";
    case ERR_CLOSED:
        return "the node that leads it can't be reached at its clients' address";
    case ERR_TIMEOUT:
        return "the node that leads it gave no sound answer in time";
    default:
        return err_text(status);
    }
}

/* Deadlines of parked requests: a wheel of slots by time, one per shard.
 *
 * Starting and stopping are a few pointers, whatever the number of parked requests. A slot also
 * holds what is due a whole turn of the wheel later; a tick leaves that where it is. */
#include "server/client_shard.h"

void request_deadline_start(struct request *r, struct request_deadline *deadline, uint64_t at_ms,
                            void (*on_timeout)(struct request_deadline *deadline))
{
    uint64_t number = at_ms / DEADLINE_SLOT_MS;
    if (number < r->clients->ticked_slot)
        number = r->clients->ticked_slot; /* due already: the next tick looks there */
    struct request_deadline **slot = &r->clients->deadlines[number % DEADLINE_SLOTS];
    deadline->at_ms = at_ms;
    deadline->on_timeout = on_timeout;
    deadline->next = *slot;
    deadline->previous = slot;
    if (*slot != NULL)
        (*slot)->previous = &deadline->next;
    *slot = deadline;
}

void request_deadline_stop(struct request_deadline *deadline)
{
    if (deadline->previous == NULL)
        return;
    *deadline->previous = deadline->next;
    if (deadline->next != NULL)
        deadline->next->previous = deadline->previous;
    deadline->next = NULL;
    deadline->previous = NULL;
}

void client_shard_tick_deadlines(struct client_shard *s, uint64_t now_ms)
{
    uint64_t slot_now = now_ms / DEADLINE_SLOT_MS;
    if (slot_now - s->ticked_slot > DEADLINE_SLOTS)
        s->ticked_slot = slot_now - DEADLINE_SLOTS; /* every slot once is enough */
    for (; s->ticked_slot < slot_now; s->ticked_slot++) {
        struct request_deadline *d = s->deadlines[s->ticked_slot % DEADLINE_SLOTS];
        struct request_deadline *next;
        struct request_deadline *due = NULL; /* collected first: a callback may stop others */
        for (; d != NULL; d = next) {
            next = d->next;
            if (d->at_ms > now_ms)
                continue;
            request_deadline_stop(d);
            d->next = due;
            d->previous = &due;
            if (due != NULL)
                due->previous = &d->next;
            due = d;
        }
        while (due != NULL) {
            d = due;
            request_deadline_stop(d);
            d->on_timeout(d);
        }
    }
}

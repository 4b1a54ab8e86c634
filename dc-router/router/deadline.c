/* A slot holds what is due within its 20 ms, of this turn of the wheel (about ten seconds) or of a
 * later one: what is not due yet when its slot passes stays there for another turn. Setting and
 * dropping cost the same however many there are. */
#include "router/deadline.h"

#include <stddef.h>

static void put(struct deadline **slot, struct deadline *d)
{
    d->next = *slot;
    d->previous = slot;
    if (d->next != NULL)
        d->next->previous = &d->next;
    *slot = d;
}

static struct deadline **slot_of(struct deadline_wheel *wheel, uint64_t at_ms)
{
    return &wheel->slots[at_ms / DEADLINE_SLOT_MS % DEADLINE_SLOTS];
}

void deadline_drop(struct deadline *d)
{
    if (d->previous == NULL)
        return;
    *d->previous = d->next;
    if (d->next != NULL)
        d->next->previous = d->previous;
    d->previous = NULL;
}

void deadline_set(struct deadline_wheel *wheel, struct deadline *d, uint64_t at_ms, deadline_cb cb)
{
    deadline_drop(d);
    d->cb = cb;
    d->at_ms = at_ms;
    put(slot_of(wheel, at_ms > wheel->turned_ms ? at_ms : wheel->turned_ms), d);
}

/* What its callbacks set and drop, also of this slot, is no hindrance: each is taken out first. */
static void tell_slot(struct deadline_wheel *wheel, uint64_t slot_ms, uint64_t now_ms)
{
    struct deadline **slot = slot_of(wheel, slot_ms), *looked_at = *slot;
    *slot = NULL;
    if (looked_at != NULL)
        looked_at->previous = &looked_at;
    while (looked_at != NULL) {
        struct deadline *d = looked_at;
        deadline_drop(d);
        if (d->at_ms <= now_ms)
            d->cb(d);
        else
            put(slot, d);
    }
}

void deadline_wheel_turn(struct deadline_wheel *wheel, uint64_t now_ms)
{
    uint64_t from_ms = wheel->turned_ms / DEADLINE_SLOT_MS * DEADLINE_SLOT_MS;
    uint64_t whole_turn_ms = (uint64_t)DEADLINE_SLOTS * DEADLINE_SLOT_MS;
    if (now_ms < wheel->turned_ms)
        return;
    wheel->turned_ms = now_ms;
    if (now_ms - from_ms >= whole_turn_ms)
        from_ms = now_ms - whole_turn_ms + DEADLINE_SLOT_MS;
    for (uint64_t at_ms = from_ms; at_ms <= now_ms; at_ms += DEADLINE_SLOT_MS)
        tell_slot(wheel, at_ms, now_ms);
}

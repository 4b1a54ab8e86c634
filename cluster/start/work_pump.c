/* One thread only: what a submit of another thread would do here is nobody's to know. */
#include "start/work_pump.h"

#include <stddef.h>

static void submit(void *data, struct work_item *item)
{
    struct work_pump *pump = data;
    item->next = NULL;
    if (pump->last != NULL)
        pump->last->next = item;
    else
        pump->first = item;
    pump->last = item;
}

void work_pump_init(struct work_pump *pump)
{
    *pump = (struct work_pump){.seam = {.data = pump, .submit = submit}};
}

void work_pump_run(struct work_pump *pump)
{
    while (pump->first != NULL) {
        struct work_item *item = pump->first;
        pump->first = item->next;
        if (pump->first == NULL)
            pump->last = NULL;
        item->run(item);
    }
}

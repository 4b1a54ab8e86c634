#include "router/view.h"

#include <stdlib.h>

#include "base/event.h"
#include "router/router.h"

bool view_has_live(const struct view *v, uint32_t router_id)
{
    for (unsigned i = 0; i < v->live_count; i++)
        if (v->live[i] == (int32_t)router_id)
            return true;
    return false;
}

const struct view_backlog *view_open_backlog(const struct view *v, struct kafka_string topic)
{
    for (unsigned i = 0; v->open_count > 0 && i < v->backlog_count; i++)
        if (v->backlogs[i].is_open && kafka_string_is_text(topic, v->backlogs[i].topic))
            return &v->backlogs[i];
    return NULL;
}

struct view_change {
    struct work_item item;
    struct router_shard *shard;
    struct view view;
};

static void on_change(struct work_item *item)
{
    struct view_change *change = item->data;
    change->shard->view = change->view;
    free(change);
}

void view_publish(struct router_shard *s)
{
    for (unsigned i = 0; s->all != NULL && i < s->shard_count; i++) {
        struct view_change *change = s->all[i] == s ? NULL : malloc(sizeof *change);
        if (s->all[i] == s)
            continue;
        if (change == NULL) {
            event_error("view_late", "of_shard=%u reason=\"no memory\"", i);
            continue;
        }
        change->item.data = change;
        change->shard = s->all[i];
        change->view = s->view;
        shard_post(s->all[i]->shard, &change->item, on_change);
    }
}

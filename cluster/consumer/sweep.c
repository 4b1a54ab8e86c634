/* What a coordinator tidies up, as entries, so that every replica does the same.
 *
 * Offsets expire (consumer/expiry.c). Offsets of a topic that was deleted go too: a topic that is
 * made again under its name must not begin where the former one was. That it was deleted is known
 * for sure: this node's metadata is at least as new as any in which a commit saw its topic. A group
 * with neither members nor offsets, nor a policy of its own, disappears. So does the history that
 * is older than the time set for it. */
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "consumer/coordinator_parts.h"
#include "consumer/expiry.h"
#include "state/byte_list.h"

#define SWEEP_INTERVAL_MS 5000
#define REMOVALS_A_TIME   1000 /* offsets in one entry */
#define PROPOSALS_A_TIME  100  /* entries in one sweep */

struct sweep {
    struct coordinator *coordinator;
    const struct consumer_table *table;
    uint32_t partition_number;
    int64_t now_ms; /* wall clock, as retention goes by */
    int64_t retention_ms;
    bool knows_topics;                  /* the metadata is new enough to tell what was deleted */
    unsigned budget;                    /* entries left */
    const struct consumer_group *group; /* being looked at */
    struct expiry expiry;               /* of its offsets */
    struct byte_list expired, gone;     /* removals */
    uint32_t expired_count, gone_count;
};

static void on_done(void *data, int status)
{
    (void)data;
    (void)status; /* what was not done is seen again by the next sweep */
}

static void propose(struct sweep *s, struct byte_list *body)
{
    if (s->budget > 0 && !body->is_failed) {
        s->budget--;
        coordinator_propose(s->coordinator, s->partition_number, bytes_of(body->data, body->size),
                            on_done, NULL);
    }
    free(body->data);
}

/* ---- offsets ---- */

static bool is_topic_gone(const struct sweep *s, const struct group_offset *committed)
{
    static const uint8_t unknown[16];
    struct metadata *m = s->coordinator->group->broker->metadata;
    if (!s->knows_topics)
        return false;
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_name(m, committed->topic.data,
                                                            (size_t)committed->topic.size);
    bool is_gone = t == NULL || (memcmp(committed->topic_id, unknown, sizeof unknown) != 0 &&
                                 memcmp(committed->topic_id, t->id, sizeof t->id) != 0);
    metadata_read_unlock(m);
    return is_gone;
}

static void look_at_offset(void *data, const struct consumer_offset *offset)
{
    struct sweep *s = data;
    struct group_removal removal = {.topic = offset->committed.topic,
                                    .partition = offset->committed.partition,
                                    .committed_at_ms_max = offset->committed_at_ms};
    memcpy(removal.topic_id, offset->committed.topic_id, sizeof removal.topic_id);
    if (s->gone_count < REMOVALS_A_TIME && is_topic_gone(s, &offset->committed)) {
        group_removal_put(&s->gone, &removal);
        s->gone_count++;
    } else if (s->expired_count < REMOVALS_A_TIME && expiry_is_over(&s->expiry, offset)) {
        group_removal_put(&s->expired, &removal);
        s->expired_count++;
    }
}

static void propose_removals(struct sweep *s, enum group_offset_delete_reason reason,
                             struct byte_list *removals, uint32_t *count)
{
    struct group_actor nobody = {kafka_string_of(""), kafka_string_of("")};
    struct byte_list body = {0};
    if (*count > 0 && !removals->is_failed) {
        group_offsets_delete_put(&body, s->group->group_id, reason, &nobody, *count);
        byte_list_put(&body, removals->data, removals->size);
        propose(s, &body);
        event_info("offsets_removed", "group=%u partition_number=%u count=%u reason=%s",
                   s->coordinator->group->group_id, s->partition_number, *count,
                   reason == GROUP_OFFSET_EXPIRED ? "expired" : "topic_gone");
    }
    free(removals->data);
    *removals = (struct byte_list){0};
    *count = 0;
}

/* ---- groups ---- */

static void look_at_group(void *data, const struct consumer_group *group)
{
    struct sweep *s = data;
    if (s->budget < 3)
        return; /* the next sweep goes on */
    s->group = group;
    const struct live_group *live = group_set_find(s->coordinator->groups, group->group_id);
    if (live == NULL && group->membership.member_count == 0 && group->offset_count == 0) {
        struct group_deletion deletion = {.is_only_when_bare = true,
                                          .actor = {kafka_string_of(""), kafka_string_of("")}};
        struct byte_list body = {0};
        if (group->policy != GROUP_POLICY_DEFAULT)
            return; /* what an operator set stays */
        group_delete_put(&body, group->group_id, &deletion);
        propose(s, &body);
        return;
    }
    expiry_begin(&s->expiry, group, live, s->now_ms, s->retention_ms);
    consumer_table_each_offset(s->table, group->group_id, look_at_offset, s);
    expiry_end(&s->expiry);
    propose_removals(s, GROUP_OFFSET_EXPIRED, &s->expired, &s->expired_count);
    propose_removals(s, GROUP_OFFSET_TOPIC_GONE, &s->gone, &s->gone_count);
}

static void forget_history(struct sweep *s)
{
    int64_t before_ms = s->now_ms - s->coordinator->group->broker->conf.commit_history_ms;
    struct byte_list body = {0};
    if (consumer_table_history_oldest_ms(s->table) >= before_ms)
        return;
    group_forget_put(&body, before_ms);
    propose(s, &body);
}

struct choice {
    uint32_t after; /* the partition swept last */
    uint32_t lowest, next;
};

static void consider(void *data, struct partition *p)
{
    struct choice *c = data;
    if (p->consumers == NULL)
        return;
    if (c->lowest == 0 || p->number < c->lowest)
        c->lowest = p->number;
    if (p->number > c->after && (c->next == 0 || p->number < c->next))
        c->next = p->number;
}

static bool knows_topics(const struct broker *b, const struct consumer_table *table)
{
    metadata_read_lock(b->metadata);
    bool is_new = metadata_version(b->metadata) >= consumer_table_metadata_version(table);
    metadata_read_unlock(b->metadata);
    return is_new;
}

void coordinator_sweep(struct coordinator *c)
{
    const struct broker *b = c->group->broker;
    uint64_t now_ms = clock_now_ms(&b->clock);
    struct choice choice = {.after = c->swept_number};
    if (now_ms - c->swept_at_ms < SWEEP_INTERVAL_MS)
        return;
    c->swept_at_ms = now_ms;
    machine_each_partition(c->group->machine, consider, &choice);
    c->swept_number = choice.next != 0 ? choice.next : choice.lowest;
    const struct consumer_table *table = coordinator_table(c, c->swept_number);
    if (table == NULL)
        return;
    struct sweep s = {
        .coordinator = c,
        .table = table,
        .partition_number = c->swept_number,
        .now_ms = clock_wall_ms(&b->clock),
        .retention_ms = b->conf.offsets_retention_minutes * 60 * 1000,
        .knows_topics = knows_topics(b, table),
        .budget = PROPOSALS_A_TIME,
    };
    forget_history(&s);
    consumer_table_each_group(table, look_at_group, &s);
}

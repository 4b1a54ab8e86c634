/* When committed offsets are over, as Kafka has it since KIP-211.
 *
 *   the group has        its offsets are over when the retention time has passed since
 *   no members           they were committed, or its last member left: whichever was later
 *   settled members      they were committed, if no member reads their topic any more
 *   others               never: while a group gathers nobody knows what it will read, and what
 *                        protocols other than "consumer" read is not for us to know
 *
 * An offset whose old client named a time of its own is over at that time instead; but it is
 * kept, too, while members may read it. Both times are clocks of entries. What is found here is
 * only proposed: apply looks once more whether it can be over by its own clock, and whether
 * somebody reads the topic (table_apply.c). */
#include "consumer/expiry.h"

void expiry_begin(struct expiry *e, const struct consumer_group *group,
                  const struct live_group *live, int64_t now_ms, int64_t retention_ms)
{
    struct group_description seen = {.state = GROUP_EMPTY};
    *e = (struct expiry){
        .group = group, .now_ms = now_ms, .retention_ms = retention_ms, .what = EXPIRY_NEVER};
    if (live == NULL && group->membership.member_count == 0)
        e->what = EXPIRY_OF_ALL;
    if (live == NULL)
        return;
    live_group_describe(live, &seen);
    if (seen.state == GROUP_STABLE && seen.generation == group->membership.generation)
        e->what = EXPIRY_OF_UNREAD;
}

void expiry_end(struct expiry *e)
{
    subscription_topics_destroy(e->topics);
    e->topics = NULL;
}

/* Looked up only once there is an offset that is old enough. */
static bool is_read(struct expiry *e, struct kafka_string topic)
{
    if (!e->has_read_topics)
        subscription_topics_create(&e->group->membership, &e->topics);
    e->has_read_topics = true;
    return e->topics == NULL || subscription_topics_has(e->topics, topic);
}

static bool is_old(const struct expiry *e, const struct consumer_offset *offset)
{
    int64_t since_ms = offset->committed_at_ms;
    if (offset->expire_at_ms >= 0)
        return e->now_ms >= offset->expire_at_ms;
    if (e->what == EXPIRY_OF_ALL && e->group->changed_at_ms > since_ms)
        since_ms = e->group->changed_at_ms; /* its last member left later */
    return e->now_ms - since_ms >= e->retention_ms;
}

bool expiry_is_over(struct expiry *e, const struct consumer_offset *offset)
{
    if (e->what == EXPIRY_NEVER || !is_old(e, offset))
        return false;
    return e->what == EXPIRY_OF_ALL || !is_read(e, offset->committed.topic);
}

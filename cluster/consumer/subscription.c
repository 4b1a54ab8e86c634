/* The embedded consumer protocol (Kafka's ConsumerProtocolSubscription): int16 version, array of
 * topic names, then what later versions add. Members bring it as bytes that are theirs alone;
 * only "does anyone read this topic" is asked of it. */
#include "consumer/subscription.h"

#include "protocol/reader.h"

struct search {
    struct kafka_string topic;
    bool is_found;
};

static void look_at_member(void *data, const struct group_member_description *member)
{
    struct search *s = data;
    struct kafka_reader r = kafka_reader_of(member->metadata);
    kafka_read_int16(&r);
    int32_t count = kafka_read_count(&r, false, 2);
    for (int32_t i = 0; i < count && r.err == 0; i++)
        if (kafka_string_is_equal(kafka_read_string(&r, false), s->topic))
            s->is_found = true;
    if (r.err != 0)
        s->is_found = true;
}

bool subscription_has_topic(const struct live_group *g, struct kafka_string topic)
{
    struct search s = {.topic = topic};
    struct group_description group;
    live_group_describe(g, &group);
    if (group.state != GROUP_STABLE)
        return true;
    live_group_each_member(g, look_at_member, &s);
    return s.is_found;
}

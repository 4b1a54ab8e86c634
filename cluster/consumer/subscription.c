/* The embedded consumer protocol (Kafka's ConsumerProtocolSubscription): int16 version, array of
 * topic names, then what later versions add. Members bring it as bytes that are theirs alone;
 * only "does anyone read this topic" and "are these the same topics" is asked of it. */
#include "consumer/subscription.h"

#include "base/crc32c.h"
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

/* Names in any order give the same: sums of checksums and of their squares. */
struct digest {
    int32_t count;
    uint64_t sum, square_sum;
};

static bool digest_of(struct bytes metadata, struct digest *digest)
{
    struct kafka_reader r = kafka_reader_of(metadata);
    *digest = (struct digest){0};
    kafka_read_int16(&r);
    digest->count = kafka_read_count(&r, false, 2);
    for (int32_t i = 0; i < digest->count && r.err == 0; i++) {
        uint64_t sum = crc32c(0, kafka_string_bytes(kafka_read_string(&r, false)));
        digest->sum += sum;
        digest->square_sum += sum * sum;
    }
    return r.err == 0;
}

bool subscription_is_same(struct kafka_string protocol_type, struct bytes a, struct bytes b)
{
    struct digest first, second;
    if (bytes_is_equal(a, b))
        return true;
    return kafka_string_is_text(protocol_type, "consumer") && digest_of(a, &first) &&
           digest_of(b, &second) && first.count == second.count && first.sum == second.sum &&
           first.square_sum == second.square_sum;
}

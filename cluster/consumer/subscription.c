/* The embedded consumer protocol (Kafka's ConsumerProtocolSubscription): int16 version, array of
 * topic names, then what later versions add. Members bring it as bytes that are theirs alone;
 * only "does anyone read this topic", "are these the same topics" and the rack are asked of it. */
#include "consumer/subscription.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/crc32c.h"
#include "base/err.h"
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

/* ---- a whole generation's ---- */

struct subscribed_topic {
    struct kafka_string name; /* in the membership */
    UT_hash_handle hh;
};

struct subscription_topics {
    struct subscribed_topic *by_name;
};

static int add_topic(struct subscription_topics *topics, struct kafka_string name)
{
    struct subscribed_topic *topic;
    if (name.size <= 0 || subscription_topics_has(topics, name))
        return 0;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL)
        return UV_ENOMEM;
    topic->name = name;
    HASH_ADD_KEYPTR(hh, topics->by_name, topic->name.data, (unsigned)name.size, topic);
    return 0;
}

static int add_topics(struct subscription_topics *topics, struct bytes metadata)
{
    struct kafka_reader r = kafka_reader_of(metadata);
    int err = 0;
    kafka_read_int16(&r);
    int32_t count = kafka_read_count(&r, false, 2);
    for (int32_t i = 0; i < count && r.err == 0 && err == 0; i++)
        err = add_topic(topics, kafka_read_string(&r, false));
    return r.err != 0 ? ERR_MALFORMED : err;
}

static bool chosen_metadata(const struct group_member *member, struct kafka_string protocol_name,
                            struct bytes *metadata)
{
    struct bytes_reader r = bytes_reader_of(member->protocols);
    struct group_protocol protocol;
    for (uint32_t i = 0; i < member->protocol_count; i++) {
        group_protocol_read(&r, &protocol);
        *metadata = protocol.metadata;
        if (kafka_string_is_equal(protocol.name, protocol_name))
            return true;
    }
    return false;
}

/* Members of one program bring the same bytes, as a rule: those are read once. */
static int add_members(struct subscription_topics *topics, const struct group_membership *from)
{
    struct bytes_reader r = bytes_reader_of(from->members);
    struct bytes metadata, former = {0};
    struct group_member member;
    int err = 0;
    for (uint32_t i = 0; i < from->member_count && err == 0; i++) {
        group_member_read(&r, &member);
        if (!chosen_metadata(&member, from->protocol_name, &metadata))
            return ERR_MALFORMED;
        if (i == 0 || !bytes_is_equal(metadata, former))
            err = add_topics(topics, metadata);
        former = metadata;
    }
    return err;
}

int subscription_topics_create(const struct group_membership *membership,
                               struct subscription_topics **topics)
{
    *topics = NULL;
    if (!kafka_string_is_text(membership->protocol_type, "consumer"))
        return ERR_MALFORMED;
    struct subscription_topics *made = calloc(1, sizeof *made);
    int err = made == NULL ? UV_ENOMEM : add_members(made, membership);
    if (err == 0)
        *topics = made;
    else
        subscription_topics_destroy(made);
    return err;
}

bool subscription_topics_has(const struct subscription_topics *topics, struct kafka_string topic)
{
    struct subscribed_topic *found = NULL;
    if (topic.size > 0)
        HASH_FIND(hh, topics->by_name, topic.data, (unsigned)topic.size, found);
    return found != NULL;
}

void subscription_topics_destroy(struct subscription_topics *topics)
{
    struct subscribed_topic *topic, *next;
    if (topics == NULL)
        return;
    HASH_ITER(hh, topics->by_name, topic, next)
    {
        HASH_DEL(topics->by_name, topic);
        free(topic);
    }
    free(topics);
}

/* ---- one member's ---- */

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

/* Version 0: topics, user data. 1: + owned partitions, 2: + generation, 3: + rack. */
bool subscription_rack(struct bytes metadata, struct kafka_string *rack)
{
    struct kafka_reader r = kafka_reader_of(metadata);
    if (kafka_read_int16(&r) < 3)
        return false;
    int32_t topic_count = kafka_read_count(&r, false, 2);
    for (int32_t i = 0; i < topic_count && r.err == 0; i++)
        kafka_read_string(&r, false);
    kafka_read_bytes(&r, true);
    int32_t owned_count = kafka_read_count(&r, false, 6);
    for (int32_t i = 0; i < owned_count && r.err == 0; i++) {
        kafka_read_string(&r, false);
        int32_t partition_count = kafka_read_count(&r, false, 4);
        for (int32_t k = 0; k < partition_count && r.err == 0; k++)
            kafka_read_int32(&r);
    }
    kafka_read_int32(&r);
    *rack = kafka_read_string(&r, true);
    return r.err == 0 && rack->size > 0;
}

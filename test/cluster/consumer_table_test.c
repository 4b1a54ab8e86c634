/* The consumer table: what entries do, against a naive model, and its checkpoint. */
#include "consumer_bodies.h"

#include "base/random.h"

static struct consumer_table *table(void)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    return t;
}

#define OVER 61000 /* a commit of 1000 may be over: the least retention is a minute */

static int apply_at(struct consumer_table *t, struct byte_list body, int64_t wall_ms)
{
    return apply_error(t, &body, wall_ms);
}

static int apply(struct consumer_table *t, struct byte_list body)
{
    return apply_error(t, &body, 1000);
}

static int64_t offset_in(struct consumer_table *t, const char *group, const char *topic,
                         int32_t partition)
{
    struct consumer_offset offset;
    bool is_known = consumer_table_offset(t, kafka_string_of(group), kafka_string_of(topic),
                                          partition, &offset);
    return is_known ? offset.committed.offset : -1;
}

Test(cluster_consumer_table, takes_commits_of_nobody_while_a_group_is_empty)
{
    struct consumer_table *t = table();
    cr_assert_eq(apply(t, commit_body("g", -1, "", "orders", 0, 40)), 0);
    cr_assert_eq(offset_in(t, "g", "orders", 0), 40);
    cr_assert_eq(offset_in(t, "g", "orders", 1), -1);
    cr_assert_eq(apply(t, commit_body("g", -1, "", "orders", 0, 30)), 0, "Kafka's own behaviour");
    cr_assert_eq(offset_in(t, "g", "orders", 0), 30);
    consumer_table_destroy(t);
}

Test(cluster_consumer_table, takes_commits_only_of_the_generation_that_is)
{
    struct consumer_table *t = table();
    cr_assert_eq(apply(t, commit_body("g", 1, "m0", "orders", 0, 1)), ERR_GROUP_GENERATION);
    cr_assert_eq(apply(t, generation_body("g", 1)), 0);
    cr_assert_eq(apply(t, membership_body("g", 1, 2)), 0);
    cr_assert_eq(apply(t, commit_body("g", 1, "m1", "orders", 0, 7)), 0);
    cr_assert_eq(apply(t, commit_body("g", 1, "m2", "orders", 0, 8)), ERR_GROUP_MEMBER);
    cr_assert_eq(apply(t, commit_body("g", 2, "m1", "orders", 0, 8)), ERR_GROUP_GENERATION);
    cr_assert_eq(apply(t, commit_body("g", -1, "", "orders", 0, 8)), ERR_GROUP_MEMBER);
    cr_assert_eq(apply(t, generation_body("g", 2)), 0);
    cr_assert_eq(apply(t, commit_body("g", 1, "m1", "orders", 0, 9)), 0,
                 "members of 1 go on until those of 2 are known");
    cr_assert_eq(apply(t, membership_body("g", 2, 1)), 0);
    cr_assert_eq(apply(t, commit_body("g", 1, "m0", "orders", 0, 10)), ERR_GROUP_GENERATION);
    cr_assert_eq(offset_in(t, "g", "orders", 0), 9);
    consumer_table_destroy(t);
}

Test(cluster_consumer_table, never_gives_a_generation_twice)
{
    struct consumer_table *t = table();
    struct consumer_group group;
    cr_assert_eq(apply(t, generation_body("g", 5)), 0);
    cr_assert_eq(apply(t, generation_body("g", 5)), ERR_GROUP_GENERATION);
    cr_assert_eq(apply(t, generation_body("g", 4)), ERR_GROUP_GENERATION);
    cr_assert_eq(apply(t, membership_body("g", 6, 1)), ERR_GROUP_GENERATION, "not taken before");
    cr_assert_eq(apply(t, membership_body("g", 5, 0)), 0);
    cr_assert_eq(apply(t, delete_body("g", false)), 0);
    cr_assert_not(consumer_table_group(t, kafka_string_of("g"), &group));
    cr_assert_eq(consumer_table_generation_floor(t), 5);
    cr_assert_eq(apply(t, generation_body("g", 5)), ERR_GROUP_GENERATION, "also not after its end");
    cr_assert_eq(apply(t, generation_body("other", 5)), ERR_GROUP_GENERATION);
    cr_assert_eq(apply(t, generation_body("g", 6)), 0);
    consumer_table_destroy(t);
}

Test(cluster_consumer_table, deletes_only_groups_without_members)
{
    struct consumer_table *t = table();
    cr_assert_eq(apply(t, delete_body("g", false)), ERR_NOT_FOUND);
    cr_assert_eq(apply(t, commit_body("g", -1, "", "orders", 0, 1)), 0);
    cr_assert_eq(apply(t, delete_body("g", true)), ERR_GROUP_NOT_EMPTY, "it has offsets");
    cr_assert_eq(apply(t, generation_body("g", 1)), 0);
    cr_assert_eq(apply(t, membership_body("g", 1, 1)), 0);
    cr_assert_eq(apply(t, delete_body("g", false)), ERR_GROUP_NOT_EMPTY, "it has members");
    cr_assert_eq(apply(t, membership_body("g", 1, 0)), 0);
    cr_assert_eq(apply(t, delete_body("g", false)), 0);
    cr_assert_eq(offset_in(t, "g", "orders", 0), -1);
    cr_assert_eq(consumer_table_bytes(t), 0, "nothing is held for what is gone");
    consumer_table_destroy(t);
}

Test(cluster_consumer_table, expires_what_was_seen_and_not_what_came_later)
{
    struct consumer_table *t = table();
    cr_assert_eq(apply(t, commit_body("g", -1, "", "orders", 0, 1)), 0); /* at 1000 */
    cr_assert_eq(apply_at(t, removal_body("g", "orders", 0, GROUP_OFFSET_EXPIRED, 999), OVER), 0);
    cr_assert_eq(offset_in(t, "g", "orders", 0), 1, "committed again since it was looked at");
    cr_assert_eq(apply_at(t, removal_body("g", "orders", 0, GROUP_OFFSET_EXPIRED, 1000), OVER - 1),
                 0);
    cr_assert_eq(offset_in(t, "g", "orders", 0), 1,
                 "in the same millisecond: nothing is over so soon");
    cr_assert_eq(apply_at(t, removal_body("g", "orders", 0, GROUP_OFFSET_EXPIRED, 1000), OVER), 0);
    cr_assert_eq(offset_in(t, "g", "orders", 0), -1);
    cr_assert_eq(apply(t, removal_body("h", "orders", 0, GROUP_OFFSET_EXPIRED, 1)), ERR_NOT_FOUND);
    cr_assert_eq(apply(t, generation_body("g", 1)), 0);
    cr_assert_eq(apply(t, membership_body("g", 1, 1)), 0);
    cr_assert_eq(apply(t, removal_body("g", "orders", 0, GROUP_OFFSET_EXPIRED, 1000)),
                 ERR_GROUP_NOT_EMPTY, "someone came back meanwhile");
    consumer_table_destroy(t);
}

Test(cluster_consumer_table, refuses_a_group_beyond_its_share_and_stays_unchanged)
{
    struct consumer_table *t = table();
    char topic[250];
    int error = 0;
    int32_t partition = 0;
    memset(topic, 'x', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    for (; error == 0; partition++)
        error = apply(t, commit_body("g", -1, "", topic, partition, 1));
    size_t bytes = consumer_table_bytes(t);
    cr_assert_eq(error, ERR_FULL);
    cr_assert_leq(bytes, CONSUMER_GROUP_BYTES_MAX + 1024);
    cr_assert_eq(offset_in(t, "g", topic, partition - 1), -1);
    cr_assert_eq(apply(t, commit_body("g", -1, "", topic, partition, 1)), ERR_FULL);
    cr_assert_eq(consumer_table_bytes(t), bytes);
    cr_assert_eq(apply(t, commit_body("other", -1, "", topic, 0, 1)), 0, "others have room");
    consumer_table_destroy(t);
}

/* Else a group would stand still, and after a switch read again all that it did since. */
Test(cluster_consumer_table, lets_a_group_at_its_limit_go_on_with_what_it_has)
{
    struct consumer_table *t = table();
    const char *const member = "m0";
    char topic[250];
    int32_t count = 0;
    memset(topic, 'x', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    while (apply(t, commit_body("g", -1, "", topic, count, 1)) == 0)
        count++;
    for (int32_t partition = 0; partition < count; partition += count / 10)
        cr_assert_eq(apply(t, commit_body("g", -1, "", topic, partition, 7)), 0);
    cr_assert_eq(apply(t, generation_body("g", 1)), 0);
    cr_assert_eq(apply(t, membership_body("g", 1, 1)), 0);
    cr_assert_eq(apply(t, commit_body("g", 1, member, topic, 0, 8)), 0, "of a member from now on");
    cr_assert_eq(offset_in(t, "g", topic, 0), 8);
    cr_assert_eq(apply(t, commit_body("g", 1, member, topic, count, 1)), ERR_FULL);
    consumer_table_destroy(t);
}

/* ---- bytes ---- */

/* By one of a few clients, of topics that are made again under their names, seen or not. */
static struct byte_list any_commit(struct random *r, const char *group, int32_t generation,
                                   const char *member, const char *topic, uint64_t seen)
{
    static const char *const clients[] = {"client", "tool", ""};
    static const char *const notes[] = {"", "note", "a longer note"};
    struct byte_list list = {0};
    struct group_commit commit = {
        .generation = generation,
        .member_id = kafka_string_of(member),
        .instance_id = KAFKA_STRING_NULL,
        .client_id = kafka_string_of(clients[random_chance(r, 0.9) ? 0 : random_below(r, 3)]),
        .client_host = kafka_string_of("/127.0.0.1"),
        .metadata_version = seen,
        .expire_at_ms = (int64_t)random_below(r, 2) - 1,
        .policy = (enum group_policy)(1 + random_below(r, GROUP_POLICY_COUNT - 1)),
        .offset_count = 1 + (uint32_t)random_below(r, 3),
    };
    group_commit_put(&list, kafka_string_of(group), &commit);
    for (uint32_t i = 0; i < commit.offset_count; i++) {
        struct group_offset offset = {
            .topic_id = {(uint8_t)(random_chance(r, 0.9) ? 1 : random_below(r, 3))},
            .topic = kafka_string_of(topic),
            .partition = (int32_t)random_below(r, 3),
            .offset = (int64_t)random_below(r, 1000) - 1,
            .leader_epoch = (int32_t)random_below(r, 3) - 1,
            .metadata = kafka_string_of(notes[random_below(r, 3)]),
        };
        group_offset_put(&list, &offset);
    }
    return list;
}

/* Generations rise slowly: a number is taken, members come and go, and it is taken again. */
static struct byte_list any_body(struct random *r, int at)
{
    static const char *const groups[] = {"a", "b", "group-c", ""};
    static const char *const topics[] = {"t", "orders", "t.longer"};
    const char *group = groups[random_below(r, 4)];
    const char *topic = topics[random_below(r, 3)];
    int32_t partition = (int32_t)random_below(r, 3);
    int32_t generation = at / 20 + (int32_t)random_below(r, 3);
    uint64_t seen = (uint64_t)at / 20 + random_below(r, 3);
    char member[8];
    snprintf(member, sizeof member, "m%u", (unsigned)random_below(r, 3));
    switch (random_below(r, 10)) {
    case 0:
        return generation_body(group, generation);
    case 1:
        return membership_body(group, generation, random_chance(r, 0.3) ? 2 : 0);
    case 2:
        return removal_body(group, topic, partition, GROUP_OFFSET_ASKED, INT64_MAX);
    case 3:
        return delete_body(group, random_chance(r, 0.5));
    case 4:
        return policy_body(group, (enum group_policy)random_below(r, GROUP_POLICY_COUNT));
    case 5:
        return forget_body(400 + at + (int64_t)random_below(r, 600));
    case 6:
    case 7:
        return any_commit(r, group, generation, member, topic, seen);
    default:
        return any_commit(r, group, -1, "", topic, seen);
    }
}

/* A checkpoint of `from`, read by the one that is given back in place of `other`. */
static struct consumer_table *restored_from(struct consumer_table *from,
                                            struct consumer_table *other)
{
    uint8_t *snapshot, *again;
    size_t size, again_size;
    cr_assert_eq(consumer_table_encode(from, &snapshot, &size), 0);
    consumer_table_destroy(other);
    other = table();
    cr_assert_eq(consumer_table_decode(other, bytes_of(snapshot, size)), 0);
    cr_assert_eq(consumer_table_encode(other, &again, &again_size), 0);
    cr_assert(bytes_is_equal(bytes_of(snapshot, size), bytes_of(again, again_size)));
    cr_assert_eq(consumer_table_bytes(from), consumer_table_bytes(other));
    cr_assert_eq(consumer_table_history_bytes(from), consumer_table_history_bytes(other));
    free(snapshot);
    free(again);
    return other;
}

static void check_same_bytes(uint64_t seed)
{
    struct random r;
    random_init(&r, seed);
    struct consumer_table *one = table(), *other = table();
    for (int i = 0; i < 3000; i++) {
        struct byte_list body = any_body(&r, i);
        struct bytes bytes = bytes_of(body.data, body.size);
        struct verdict a = apply_bytes(one, bytes, 1000 + i),
                       b = apply_bytes(other, bytes, 1000 + i);
        cr_assert_eq(a.error, b.error);
        cr_assert(bytes_is_equal(bytes_of(a.batch, a.batch_size), bytes_of(b.batch, b.batch_size)));
        cr_assert(a.error == 0 || a.batch_size == 0, "what is refused leaves no record");
        verdict_free(&a);
        verdict_free(&b);
        free(body.data);
        if (i % 10 == 0)
            other = restored_from(one, other); /* it goes on from there */
    }
    consumer_table_destroy(one);
    consumer_table_destroy(other);
}

Test(cluster_consumer_table, makes_the_same_bytes_on_every_replica)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        check_same_bytes(seed);
}

/* Replays records as any reader of __consumer_offsets would: the last value of a key counts. */
struct model {
    struct {
        char key[64];
        size_t key_size;
        int64_t offset;
    } rows[64];
    unsigned count;
};

static void model_take(struct model *m, const struct kafka_record *record)
{
    if (bytes_get_be16(record->key.data) != 1)
        return; /* of a group, not of an offset */
    unsigned at = 0;
    while (at < m->count &&
           !bytes_is_equal(bytes_of(m->rows[at].key, m->rows[at].key_size), record->key))
        at++;
    cr_assert_lt(at, 64);
    if (at == m->count) {
        m->count++;
        memcpy(m->rows[at].key, record->key.data, record->key.size);
        m->rows[at].key_size = record->key.size;
    }
    m->rows[at].offset = record->value.data == NULL
                             ? -1
                             : (int64_t)bytes_get_be64(record->value.data + 2);
}

static void model_replay(struct model *m, const struct verdict *v)
{
    struct kafka_record_batch batch;
    struct kafka_record_iterator it;
    struct kafka_record record;
    if (v->batch_size == 0)
        return;
    cr_assert_eq(kafka_record_batch_decode(bytes_of(v->batch, v->batch_size), &batch),
                 (int)v->batch_size);
    cr_assert_eq(kafka_record_batch_check_crc(&batch), 0);
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    int more;
    while ((more = kafka_record_next(&it, &record)) == 1)
        model_take(m, &record);
    cr_assert_eq(more, 0);
}

static int64_t model_offset(const struct model *m, const char *group, const char *topic,
                            int32_t partition)
{
    uint8_t key[64], *at = bytes_put_be16(key, 1);
    at = bytes_put_be16(at, (uint16_t)strlen(group));
    at = mempcpy(at, group, strlen(group));
    at = bytes_put_be16(at, (uint16_t)strlen(topic));
    at = mempcpy(at, topic, strlen(topic));
    at = bytes_put_be32(at, (uint32_t)partition);
    struct bytes wanted = bytes_of(key, (size_t)(at - key));
    for (unsigned i = 0; i < m->count; i++)
        if (bytes_is_equal(bytes_of(m->rows[i].key, m->rows[i].key_size), wanted))
            return m->rows[i].offset;
    return -1;
}

Test(cluster_consumer_table, says_in_records_what_it_holds)
{
    static const char *const groups[] = {"a", "b", "group-c", ""};
    static const char *const topics[] = {"t", "orders", "t.longer"};
    struct random r;
    random_init(&r, 5);
    struct consumer_table *t = table();
    struct model m = {0};
    for (int i = 0; i < 3000; i++) {
        struct byte_list body = any_body(&r, i);
        struct verdict v = apply_list(t, &body, 1000 + i);
        model_replay(&m, &v);
        verdict_free(&v);
        for (unsigned g = 0; g < 4; g++)
            for (unsigned n = 0; n < 3; n++)
                for (int32_t p = 0; p < 3; p++)
                    cr_assert_eq(offset_in(t, groups[g], topics[n], p),
                                 model_offset(&m, groups[g], topics[n], p), "after %d", i);
    }
    consumer_table_destroy(t);
}

/* ---- malformed ---- */

Test(cluster_consumer_table, refuses_every_cut_body_and_snapshot)
{
    struct consumer_table *t = table();
    struct byte_list bodies[] = {commit_body("g", -1, "", "orders", 1, 5),
                                 generation_body("g", 1),
                                 membership_body("g", 1, 2),
                                 removal_body("g", "orders", 1, GROUP_OFFSET_ASKED, 3),
                                 delete_body("g", false),
                                 policy_body("g", GROUP_POLICY_DENY),
                                 forget_body(1)};
    for (unsigned i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        for (size_t size = 0; size < bodies[i].size; size++) {
            uint8_t *exact = malloc(size + 1); /* so that a read beyond is seen */
            memcpy(exact, bodies[i].data, size);
            struct verdict v = apply_bytes(t, bytes_of(exact, size), 1);
            cr_assert_eq(v.error, ERR_MALFORMED, "body %u cut to %zu", i, size);
            free(exact);
        }
        free(bodies[i].data);
    }
    cr_assert_eq(apply(t, commit_body("g", -1, "", "orders", 0, 1)), 0);
    cr_assert_eq(apply(t, generation_body("g", 1)), 0);
    cr_assert_eq(apply(t, membership_body("g", 1, 2)), 0);
    uint8_t *snapshot;
    size_t whole;
    cr_assert_eq(consumer_table_encode(t, &snapshot, &whole), 0);
    for (size_t size = 1; size < whole; size++)
        cr_assert_eq(consumer_table_decode(t, bytes_of(snapshot, size)), ERR_MALFORMED);
    free(snapshot);
    consumer_table_destroy(t);
}

Test(cluster_consumer_table, survives_any_flipped_byte)
{
    struct random r;
    random_init(&r, 3);
    struct consumer_table *t = table();
    for (int i = 0; i < 20000; i++) {
        struct byte_list body = any_body(&r, i);
        body.data[random_below(&r, body.size)] ^= (uint8_t)(1 + random_below(&r, 255));
        struct verdict v = apply_list(t, &body, 1000);
        verdict_free(&v);
    }
    uint8_t *snapshot;
    size_t size;
    cr_assert_eq(consumer_table_encode(t, &snapshot, &size), 0);
    struct consumer_table *other = table();
    cr_assert_eq(consumer_table_decode(other, bytes_of(snapshot, size)), 0);
    for (int i = 0; i < 2000; i++) {
        size_t at = random_below(&r, size);
        snapshot[at] ^= 0x41;
        consumer_table_decode(other, bytes_of(snapshot, size));
        snapshot[at] ^= 0x41;
    }
    free(snapshot);
    consumer_table_destroy(t);
    consumer_table_destroy(other);
}

/* The no-rollback rule: what a commit may lower, by policy. */
#include "consumer_bodies.h"

#include "base/random.h"

#define OFFSET_SIZE (16 + 2 + 6 + 4 + 8 + 4 + 2 + 4) /* of the last in a commit_body */

/* A group g in generation 1 with members m0 and m1, and 1001 stored by nobody of it. */
static struct consumer_table *table_at_1001(void)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct byte_list bodies[] = {commit_body("g", -1, "", "orders", 0, 1001),
                                 generation_body("g", 1), membership_body("g", 1, 2)};
    for (unsigned i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        cr_assert_eq(apply_error(t, &bodies[i], 1000), 0);
    return t;
}

static int64_t stored(struct consumer_table *t)
{
    struct consumer_offset offset;
    cr_assert(
        consumer_table_offset(t, kafka_string_of("g"), kafka_string_of("orders"), 0, &offset));
    return offset.committed.offset;
}

/* What became of a commit to g, which must leave a record if and only if it was stored. */
static enum commit_outcome commit(struct consumer_table *t, int32_t generation, const char *member,
                                  int64_t offset)
{
    struct byte_list body = commit_body("g", generation, member, "orders", 0, offset);
    struct verdict v = apply_list(t, &body, 2000);
    struct commit_result result;
    cr_assert_eq(v.error, 0);
    cr_assert(commit_detail_read(bytes_of(v.detail, v.detail_size), 0, &result));
    cr_assert_not(commit_detail_read(bytes_of(v.detail, v.detail_size), 1, &result));
    bool is_stored = result.outcome != COMMIT_KEPT && result.outcome != COMMIT_DENIED;
    cr_assert_eq(v.batch_size > 0, is_stored);
    if (is_stored)
        cr_assert_eq(stored(t), offset);
    verdict_free(&v);
    return result.outcome;
}

static void rebalance(struct consumer_table *t, int32_t generation)
{
    struct byte_list taken = generation_body("g", generation);
    struct byte_list membership = membership_body("g", generation, 2);
    cr_assert_eq(apply_error(t, &taken, 2000), 0);
    cr_assert_eq(apply_error(t, &membership, 2000), 0);
}

static void set_policy(struct consumer_table *t, enum group_policy policy)
{
    struct byte_list body = policy_body("g", policy);
    cr_assert_eq(apply_error(t, &body, 1500), 0);
}

Test(cluster_consumer_rule, keeps_what_others_stored_from_a_stale_start)
{
    struct consumer_table *t = table_at_1001();
    cr_assert_eq(commit(t, 1, "m0", 500), COMMIT_KEPT);
    cr_assert_eq(stored(t), 1001);
    cr_assert_eq(commit(t, 1, "m0", 1001), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m0", 1000), COMMIT_KEPT, "1001 was others' before it was its own");
    cr_assert_eq(stored(t), 1001);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, lets_a_member_take_back_its_own_and_no_more)
{
    struct consumer_table *t = table_at_1001();
    cr_assert_eq(commit(t, 1, "m0", 2000), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m0", 1500), COMMIT_REWIND);
    cr_assert_eq(commit(t, 1, "m0", 1001), COMMIT_REWIND);
    cr_assert_eq(commit(t, 1, "m0", 1000), COMMIT_KEPT);
    cr_assert_eq(stored(t), 1001);
    cr_assert_eq(commit(t, 1, "m0", 1800), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m0", 1001), COMMIT_REWIND, "the floor stays where it was");
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, lets_no_member_take_back_what_another_committed)
{
    struct consumer_table *t = table_at_1001();
    cr_assert_eq(commit(t, 1, "m0", 2000), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m1", 1500), COMMIT_KEPT);
    cr_assert_eq(commit(t, 1, "m1", 2500), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m1", 1999), COMMIT_KEPT);
    cr_assert_eq(commit(t, 1, "m0", 2400), COMMIT_KEPT, "what it had is another's now");
    cr_assert_eq(commit(t, 1, "m1", 2000), COMMIT_REWIND);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, begins_anew_with_each_generation)
{
    struct consumer_table *t = table_at_1001();
    cr_assert_eq(commit(t, 1, "m0", 2000), COMMIT_STORED);
    rebalance(t, 2);
    cr_assert_eq(commit(t, 2, "m0", 1500), COMMIT_KEPT);
    cr_assert_eq(stored(t), 2000);
    struct byte_list late = commit_body("g", 1, "m0", "orders", 0, 3000);
    cr_assert_eq(apply_error(t, &late, 2000), ERR_GROUP_GENERATION);
    cr_assert_eq(stored(t), 2000);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, lets_a_member_take_back_all_of_what_nobody_had_stored)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    rebalance(t, 1);
    cr_assert_eq(commit(t, 1, "m0", 50), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m0", 0), COMMIT_REWIND);
    consumer_table_destroy(t);
}

/* "No progress", as kafkajs commits it. Where it is let, the offset is gone, and a record says so.
 */
static enum commit_outcome commit_none(struct consumer_table *t, int32_t generation,
                                       const char *member)
{
    struct byte_list body = commit_body("g", generation, member, "orders", 0, -1);
    struct verdict v = apply_list(t, &body, 2000);
    struct commit_result result;
    cr_assert_eq(v.error, 0);
    cr_assert(commit_detail_read(bytes_of(v.detail, v.detail_size), 0, &result));
    cr_assert_eq(v.batch_size > 0, result.before >= 0 && result.outcome != COMMIT_KEPT &&
                                       result.outcome != COMMIT_DENIED);
    verdict_free(&v);
    return result.outcome;
}

static bool has_offset(const struct consumer_table *t)
{
    struct consumer_offset offset;
    return consumer_table_offset(t, kafka_string_of("g"), kafka_string_of("orders"), 0, &offset);
}

Test(cluster_consumer_rule, takes_no_progress_for_what_goes_back_furthest)
{
    struct consumer_table *t = table_at_1001();
    cr_assert_eq(commit_none(t, 1, "m0"), COMMIT_KEPT);
    set_policy(t, GROUP_POLICY_DENY);
    cr_assert_eq(commit_none(t, 1, "m0"), COMMIT_DENIED);
    cr_assert_eq(stored(t), 1001);
    set_policy(t, GROUP_POLICY_ALLOW);
    cr_assert_eq(commit_none(t, 1, "m0"), COMMIT_REWIND);
    cr_assert_not(has_offset(t));
    cr_assert_eq(commit_none(t, 1, "m0"), COMMIT_STORED, "nothing is there to go");
    cr_assert_not(has_offset(t));
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, lets_no_progress_take_away_what_nobody_else_had_stored)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    rebalance(t, 1);
    cr_assert_eq(commit(t, 1, "m0", 50), COMMIT_STORED);
    cr_assert_eq(commit_none(t, 1, "m0"), COMMIT_REWIND);
    cr_assert_not(has_offset(t));
    cr_assert_eq(commit(t, 1, "m0", 7), COMMIT_STORED);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, lets_who_is_no_member_say_no_progress)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    cr_assert_eq(commit_none(t, -1, ""), COMMIT_OUTSIDE);
    cr_assert_eq(commit(t, -1, "", 900), COMMIT_OUTSIDE);
    cr_assert_eq(commit_none(t, -1, ""), COMMIT_OUTSIDE);
    cr_assert_not(has_offset(t));
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, follows_kafka_for_who_is_no_member)
{
    struct consumer_table *t;
    struct consumer_offset offset;
    cr_assert_eq(consumer_table_create(&t), 0);
    cr_assert_eq(commit(t, -1, "", 900), COMMIT_OUTSIDE);
    set_policy(t, GROUP_POLICY_DENY);
    cr_assert_eq(commit(t, -1, "", 100), COMMIT_OUTSIDE, "an operator means what it does");
    rebalance(t, 1);
    cr_assert_eq(commit(t, 1, "m0", 150), COMMIT_STORED, "the group goes on from the reset");
    cr_assert(
        consumer_table_offset(t, kafka_string_of("g"), kafka_string_of("orders"), 0, &offset));
    cr_assert_eq(offset.floor, 100);
    cr_assert_eq(offset.generation, 1);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, refuses_what_goes_back_under_deny)
{
    struct consumer_table *t = table_at_1001();
    set_policy(t, GROUP_POLICY_DENY);
    cr_assert_eq(commit(t, 1, "m0", 500), COMMIT_DENIED);
    cr_assert_eq(commit(t, 1, "m0", 1500), COMMIT_STORED);
    cr_assert_eq(commit(t, 1, "m0", 1400), COMMIT_DENIED, "also its own");
    cr_assert_eq(stored(t), 1500);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, does_as_kafka_under_allow)
{
    struct consumer_table *t = table_at_1001();
    set_policy(t, GROUP_POLICY_ALLOW);
    cr_assert_eq(commit(t, 1, "m0", 500), COMMIT_REWIND);
    cr_assert_eq(commit(t, 1, "m1", 400), COMMIT_REWIND);
    set_policy(t, GROUP_POLICY_DEFAULT);
    cr_assert_eq(commit(t, 1, "m1", 399), COMMIT_KEPT, "guard again: 400 is where it was let to");
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, takes_the_default_from_the_entry_and_a_group_s_own_before_it)
{
    static const struct {
        enum group_policy of_group, of_entry;
        enum commit_outcome outcome;
    } cases[] = {
        {GROUP_POLICY_DEFAULT, GROUP_POLICY_GUARD, COMMIT_KEPT},
        {GROUP_POLICY_DEFAULT, GROUP_POLICY_DENY, COMMIT_DENIED},
        {GROUP_POLICY_DEFAULT, GROUP_POLICY_ALLOW, COMMIT_REWIND},
        {GROUP_POLICY_GUARD, GROUP_POLICY_ALLOW, COMMIT_KEPT},
        {GROUP_POLICY_DENY, GROUP_POLICY_ALLOW, COMMIT_DENIED},
        {GROUP_POLICY_ALLOW, GROUP_POLICY_DENY, COMMIT_REWIND},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct consumer_table *t = table_at_1001();
        struct byte_list body = commit_body_under(cases[i].of_entry, "g", 1, "m0", "orders", 0, 5);
        struct commit_result result;
        set_policy(t, cases[i].of_group);
        struct verdict v = apply_list(t, &body, 2000);
        cr_assert(commit_detail_read(bytes_of(v.detail, v.detail_size), 0, &result));
        cr_assert_eq(result.outcome, cases[i].outcome, "case %u", i);
        cr_assert_eq(result.before, 1001);
        verdict_free(&v);
        consumer_table_destroy(t);
    }
}

Test(cluster_consumer_rule, reads_a_commit_of_the_release_before_as_kafka_does)
{
    struct consumer_table *t = table_at_1001();
    struct byte_list body = commit_body("g", 1, "m0", "orders", 0, 5);
    size_t policy_at = body.size - OFFSET_SIZE - 4 - 1;
    cr_assert_eq(body.data[policy_at], GROUP_POLICY_GUARD);
    memmove(body.data + policy_at, body.data + policy_at + 1, body.size - policy_at - 1);
    body.size--;
    body.data[0] = 1;
    cr_assert_eq(apply_error(t, &body, 2000), 0);
    cr_assert_eq(stored(t), 5);
    consumer_table_destroy(t);
}

Test(cluster_consumer_rule, begins_anew_for_a_topic_made_again_under_its_name)
{
    struct consumer_table *t = table_at_1001();
    struct byte_list body = commit_body("g", 1, "m0", "orders", 0, 5);
    body.data[body.size - OFFSET_SIZE] = 2; /* topic id */
    cr_assert_eq(apply_error(t, &body, 2000), 0);
    cr_assert_eq(stored(t), 5);
    consumer_table_destroy(t);
}

/* By a coordinator whose metadata, of version `seen`, has the topic under that id. */
static struct byte_list commit_seen(int32_t generation, const char *member, uint64_t seen,
                                    uint8_t topic_id, int64_t offset)
{
    struct byte_list body = commit_body("g", generation, member, "orders", 0, offset);
    uint8_t *version = body.data + body.size - OFFSET_SIZE - (8 + 8 + 1 + 4);
    cr_assert_eq(bytes_get_le64(version), 7);
    bytes_put_le64(version, seen);
    body.data[body.size - OFFSET_SIZE] = topic_id;
    return body;
}

Test(cluster_consumer_rule, does_not_begin_anew_for_who_has_not_heard_of_the_topic_that_is_there)
{
    struct consumer_table *t = table_at_1001(), *restored;
    struct consumer_offset offset;
    uint8_t *snapshot;
    size_t size;
    struct byte_list newer = commit_seen(1, "m0", 100, 2, 50);
    cr_assert_eq(apply_error(t, &newer, 2000), 0);
    cr_assert_eq(stored(t), 50);
    cr_assert_eq(consumer_table_encode(t, &snapshot, &size), 0);
    cr_assert_eq(consumer_table_create(&restored), 0);
    cr_assert_eq(consumer_table_decode(restored, bytes_of(snapshot, size)), 0);
    struct consumer_table *both[] = {t, restored};
    for (unsigned i = 0; i < 2; i++) {
        struct byte_list lower = commit_seen(1, "m1", 99, 1, 7);
        struct byte_list higher = commit_seen(1, "m1", 99, 1, 60);
        cr_assert_eq(apply_error(both[i], &lower, 2001), 0);
        cr_assert_eq(stored(both[i]), 50, "the other one is above it");
        cr_assert_eq(apply_error(both[i], &higher, 2002), 0);
        cr_assert_eq(stored(both[i]), 60);
        cr_assert(consumer_table_offset(both[i], kafka_string_of("g"), kafka_string_of("orders"), 0,
                                        &offset));
        cr_assert_eq(offset.committed.topic_id[0], 2, "else it would go as a deleted topic's");
        cr_assert_eq(offset.committed.leader_epoch, -1, "of whichever topic it was");
    }
    free(snapshot);
    consumer_table_destroy(t);
    consumer_table_destroy(restored);
}

Test(cluster_consumer_rule, keeps_the_epoch_of_an_offset_committed_again_without)
{
    struct consumer_table *t = table_at_1001();
    struct consumer_offset offset;
    struct byte_list body = commit_body("g", 1, "m0", "orders", 0, 1001);
    memset(body.data + body.size - (4 + 2 + 4), 0xff, 4); /* its epoch: none */
    cr_assert_eq(apply_error(t, &body, 2000), 0);
    cr_assert(
        consumer_table_offset(t, kafka_string_of("g"), kafka_string_of("orders"), 0, &offset));
    cr_assert_eq(offset.committed.leader_epoch, 3);
    consumer_table_destroy(t);
}

/* Under guard: the stored offset goes down only by its own member, never below the floor, which is
 * the highest that others had stored. A model that knows nothing of the table's fields. */
Test(cluster_consumer_rule, never_goes_below_what_others_stored_whatever_members_do)
{
    struct random r;
    random_init(&r, 21);
    struct consumer_table *t = table_at_1001();
    int64_t of_others[2] = {1001, 1001}; /* that somebody else stored last, or an earlier time */
    int32_t generation = 1;
    for (int i = 0; i < 20000; i++) {
        unsigned who = (unsigned)random_below(&r, 2);
        int64_t before = stored(t), asked = before - 40 + (int64_t)random_below(&r, 60);
        if (random_chance(&r, 0.02)) {
            rebalance(t, ++generation);
            of_others[0] = of_others[1] = before;
            continue;
        }
        enum commit_outcome outcome = commit(t, generation, who == 0 ? "m0" : "m1",
                                             asked < 0 ? 0 : asked);
        cr_assert_geq(stored(t), of_others[who], "after %d", i);
        if (outcome == COMMIT_STORED || outcome == COMMIT_REWIND)
            of_others[1 - who] = stored(t);
    }
    consumer_table_destroy(t);
}

/* The history of a group's offsets: what is a line, what goes on, and what goes first. */
#include "consumer_bodies.h"

static struct consumer_table *table(void)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    return t;
}

static void apply(struct consumer_table *t, struct byte_list body, int64_t wall_ms)
{
    cr_assert_eq(apply_error(t, &body, wall_ms), 0);
}

static void commit(struct consumer_table *t, int32_t generation, const char *member,
                   int32_t partition, int64_t offset, int64_t wall_ms)
{
    apply(t, commit_body("g", generation, member, "orders", partition, offset), wall_ms);
}

static void rebalance(struct consumer_table *t, int32_t generation, unsigned member_count)
{
    apply(t, generation_body("g", generation), 1);
    apply(t, membership_body("g", generation, member_count), 1);
}

struct lines {
    struct history_line lines[2 * CONSUMER_HISTORY_LINES_MAX + 10];
    unsigned count;
};

static void take(void *data, const struct history_line *line)
{
    struct lines *into = data;
    into->lines[into->count++] = *line;
}

static struct lines *lines_of(const struct consumer_table *t, const char *group)
{
    static struct lines lines;
    lines.count = 0;
    consumer_table_each_history(t, kafka_string_of(group), take, &lines);
    return &lines;
}

static void check_line(const struct history_line *line, enum history_kind kind, int64_t old_offset,
                       int64_t new_offset, uint32_t count)
{
    cr_assert_eq(line->kind, kind);
    cr_assert_eq(line->old_offset, old_offset);
    cr_assert_eq(line->new_offset, new_offset);
    cr_assert_eq(line->count, count);
}

Test(cluster_consumer_history, is_one_line_while_one_member_goes_forward)
{
    struct consumer_table *t = table();
    rebalance(t, 1, 2);
    for (int64_t i = 1; i <= 100; i++)
        commit(t, 1, "m0", 0, i * 10, 1000 + i);
    commit(t, 1, "m0", 0, 1000, 2000); /* changes nothing */
    struct lines *seen = lines_of(t, "g");
    cr_assert_eq(seen->count, 1);
    check_line(&seen->lines[0], HISTORY_COMMIT, -1, 1000, 100);
    cr_assert_eq(seen->lines[0].first_at_ms, 1001);
    cr_assert_eq(seen->lines[0].last_at_ms, 1100);
    cr_assert(kafka_string_is_text(seen->lines[0].member_id, "m0"));
    cr_assert(kafka_string_is_text(seen->lines[0].client_id, "client"));
    cr_assert(kafka_string_is_text(seen->lines[0].client_host, "/127.0.0.1"));
    cr_assert(kafka_string_is_text(seen->lines[0].topic, "orders"));
    commit(t, 1, "m1", 0, 1010, 2001);
    commit(t, 1, "m0", 0, 1020, 2002);
    cr_assert_eq(lines_of(t, "g")->count, 3, "another came between");
    consumer_table_destroy(t);
}

Test(cluster_consumer_history, tells_each_act_that_is_more_than_going_forward)
{
    struct consumer_table *t = table();
    commit(t, -1, "", 0, 900, 1);
    commit(t, -1, "", 0, 950, 2);
    commit(t, -1, "", 0, 100, 3);
    apply(t, policy_body("g", GROUP_POLICY_GUARD), 4);
    rebalance(t, 1, 1);
    commit(t, 1, "m0", 0, 50, 5);
    commit(t, 1, "m0", 0, 60, 6);
    commit(t, 1, "m0", 0, 300, 7);
    commit(t, 1, "m0", 0, 70, 8);
    commit(t, 1, "m0", 0, 200, 9);
    apply(t, policy_body("g", GROUP_POLICY_DENY), 10);
    struct byte_list denied = commit_body("g", 1, "m0", "orders", 0, 20);
    apply(t, denied, 11);
    apply(t, membership_body("g", 1, 0), 12);
    apply(t, removal_body("g", "orders", 0, GROUP_OFFSET_ASKED, INT64_MAX), 13);
    static const struct {
        enum history_kind kind;
        int64_t old_offset, new_offset;
        uint32_t count;
    } wanted[] = {
        {HISTORY_OUTSIDE, -1, 950, 2},
        {HISTORY_OUTSIDE, 950, 100, 1},
        {HISTORY_POLICY, GROUP_POLICY_DEFAULT, GROUP_POLICY_GUARD, 1},
        {HISTORY_KEPT, 300, 70, 3}, /* three times: what stayed, and was asked, last */
        {HISTORY_COMMIT, 100, 300, 1},
        {HISTORY_REWIND, 300, 200, 1},
        {HISTORY_POLICY, GROUP_POLICY_GUARD, GROUP_POLICY_DENY, 1},
        {HISTORY_DENIED, 200, 20, 1},
        {HISTORY_DELETED, 200, -1, 1},
    };
    struct lines *seen = lines_of(t, "g");
    cr_assert_eq(seen->count, sizeof wanted / sizeof wanted[0]);
    for (unsigned i = 0; i < seen->count; i++)
        check_line(&seen->lines[i], wanted[i].kind, wanted[i].old_offset, wanted[i].new_offset,
                   wanted[i].count);
    cr_assert(kafka_string_is_text(seen->lines[8].client_id, "tool"));
    consumer_table_destroy(t);
}

Test(cluster_consumer_history, outlives_its_group_until_its_time_is_over)
{
    struct consumer_table *t = table();
    commit(t, -1, "", 0, 900, 100);
    commit(t, -1, "", 1, 800, 200);
    apply(t, delete_body("g", false), 300);
    cr_assert_eq(lines_of(t, "g")->count, 4);
    cr_assert_eq(consumer_table_bytes(t), 0);
    cr_assert_gt(consumer_table_history_bytes(t), 0);
    cr_assert_eq(consumer_table_history_oldest_ms(t), 100);
    apply(t, forget_body(300), 400);
    cr_assert_eq(lines_of(t, "g")->count, 2, "the two deletions");
    apply(t, forget_body(301), 401);
    cr_assert_eq(lines_of(t, "g")->count, 0);
    cr_assert_eq(consumer_table_history_bytes(t), 0);
    cr_assert_eq(consumer_table_history_oldest_ms(t), INT64_MAX);
    consumer_table_destroy(t);
}

Test(cluster_consumer_history, forgets_a_line_that_goes_on_and_begins_another)
{
    struct consumer_table *t = table();
    rebalance(t, 1, 1);
    commit(t, 1, "m0", 0, 10, 100);
    apply(t, forget_body(101), 102);
    commit(t, 1, "m0", 0, 20, 103);
    commit(t, 1, "m0", 0, 30, 104);
    struct lines *seen = lines_of(t, "g");
    cr_assert_eq(seen->count, 1);
    check_line(&seen->lines[0], HISTORY_COMMIT, 10, 30, 2);
    consumer_table_destroy(t);
}

Test(cluster_consumer_history, lets_plain_commits_never_push_out_the_rest)
{
    struct consumer_table *t = table();
    commit(t, -1, "", 0, 900, 1);
    commit(t, -1, "", 0, 100, 2);
    for (int32_t i = 0; i < 3 * CONSUMER_HISTORY_LINES_MAX; i++)
        commit(t, -1, "", 1 + i, 5, 3 + i);
    struct lines *seen = lines_of(t, "g");
    cr_assert_eq(seen->count, CONSUMER_HISTORY_LINES_MAX + 1);
    check_line(&seen->lines[0], HISTORY_OUTSIDE, 900, 100, 1);
    for (int32_t i = 0; i < 3 * CONSUMER_HISTORY_LINES_MAX; i++) {
        commit(t, -1, "", 0, 200, 5000 + i);
        commit(t, -1, "", 0, i, 5000 + i);
    }
    cr_assert_eq(lines_of(t, "g")->count, 2 * CONSUMER_HISTORY_LINES_MAX);
    consumer_table_destroy(t);
}

Test(cluster_consumer_history, is_bounded_over_all_groups)
{
    struct consumer_table *t = table();
    char group[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(group, sizeof group, "group-%d", i);
        apply(t, commit_body(group, -1, "", "orders", 0, 9), i);
        apply(t, commit_body(group, -1, "", "orders", 0, 8), i);
    }
    cr_assert_leq(consumer_table_history_bytes(t), 2 * CONSUMER_HISTORY_BYTES_MAX);
    cr_assert_geq(consumer_table_history_bytes(t), CONSUMER_HISTORY_BYTES_MAX);
    cr_assert_eq(lines_of(t, "group-0")->count, 0, "the oldest went");
    cr_assert_eq(lines_of(t, "group-19999")->count, 2);
    consumer_table_destroy(t);
}

Test(cluster_consumer_history, goes_on_from_a_checkpoint_as_if_there_had_been_none)
{
    struct consumer_table *t = table(), *restored = table();
    uint8_t *snapshot, *again;
    size_t size, again_size;
    rebalance(t, 1, 1);
    commit(t, 1, "m0", 0, 10, 100);
    commit(t, 1, "m0", 0, 5, 101);
    commit(t, 1, "m0", 0, 20, 102);
    cr_assert_eq(consumer_table_encode(t, &snapshot, &size), 0);
    cr_assert_eq(consumer_table_decode(restored, bytes_of(snapshot, size)), 0);
    free(snapshot);
    commit(t, 1, "m0", 0, 30, 103);
    commit(restored, 1, "m0", 0, 30, 103);
    cr_assert_eq(lines_of(restored, "g")->count, 3, "the third goes on");
    cr_assert_eq(consumer_table_encode(t, &snapshot, &size), 0);
    cr_assert_eq(consumer_table_encode(restored, &again, &again_size), 0);
    cr_assert(bytes_is_equal(bytes_of(snapshot, size), bytes_of(again, again_size)));
    free(snapshot);
    free(again);
    consumer_table_destroy(t);
    consumer_table_destroy(restored);
}

static void commit_to_topic(struct consumer_table *t, uint8_t topic_id, const char *client,
                            int64_t offset)
{
    struct byte_list list = {0};
    struct group_commit commit = {
        .generation = -1,
        .member_id = kafka_string_of(""),
        .instance_id = KAFKA_STRING_NULL,
        .client_id = kafka_string_of(client),
        .client_host = kafka_string_of("/127.0.0.1"),
        .expire_at_ms = -1,
        .policy = GROUP_POLICY_GUARD,
        .offset_count = 1,
    };
    struct group_offset committed = {
        .topic_id = {topic_id},
        .topic = kafka_string_of("orders"),
        .offset = offset,
        .leader_epoch = -1,
        .metadata = kafka_string_of(""),
    };
    group_commit_put(&list, kafka_string_of("g"), &commit);
    group_offset_put(&list, &committed);
    apply(t, list, 1);
}

/* Else that line would tell of going forward to where it is behind: no checkpoint could be read. */
Test(cluster_consumer_history, begins_another_line_for_a_topic_that_was_made_again)
{
    struct consumer_table *t = table(), *restored = table();
    uint8_t *snapshot;
    size_t size;
    commit_to_topic(t, 1, "tool", 600);
    commit_to_topic(t, 1, "program", 1000);
    commit_to_topic(t, 2, "program", 5);
    commit_to_topic(t, 2, "program", 7);
    struct lines *seen = lines_of(t, "g");
    cr_assert_eq(seen->count, 3);
    check_line(&seen->lines[1], HISTORY_OUTSIDE, 600, 1000, 1);
    check_line(&seen->lines[2], HISTORY_OUTSIDE, -1, 7, 2);
    cr_assert_eq(consumer_table_encode(t, &snapshot, &size), 0);
    cr_assert_eq(consumer_table_decode(restored, bytes_of(snapshot, size)), 0);
    cr_assert_eq(lines_of(restored, "g")->count, 3);
    free(snapshot);
    consumer_table_destroy(t);
    consumer_table_destroy(restored);
}

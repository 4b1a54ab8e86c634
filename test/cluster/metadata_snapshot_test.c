/* Group 0's state as bytes, broken bytes of changes and snapshots, and a naive model. */
#include "metadata_bodies.h"

/* A state with something of everything. */
static struct meta furnished(void)
{
    struct meta t = meta_founded();
    struct metadata_config configs[] = {{"retention.ms", "1"}, {"segment.bytes", "2048"}};
    struct metadata_change node = {
        .kind = METADATA_NODE,
        .node = {.node_id = 2, .incarnation = 9, .site = "b", .host = "127.0.0.2", .port = 9092}};
    struct metadata_change config = topic_change(METADATA_TOPIC_CONFIG, 2);
    struct metadata_change ids = {.kind = METADATA_PRODUCER_IDS};
    config.configs = configs;
    config.config_count = 2;
    meta_topic_create(&t, 3, "zebra", 4);
    meta_topic_create(&t, 2, "orders", 30);
    meta_topic_create(&t, 1, "gone", 5);
    meta_topic_delete(&t, 1);
    meta_apply(&t, &node);
    meta_apply(&t, &config);
    meta_apply(&t, &ids);
    struct metadata_group async = {.group_id = 1 + BODY_DATA_GROUPS,
                                   .preferred_node_id = 2,
                                   .next_partition_number = 1,
                                   .node_count = 1,
                                   .node_ids = {2},
                                   .mode = METADATA_ASYNC,
                                   .home_site = "b"};
    struct metadata_change add = {.kind = METADATA_GROUP_ADD,
                                  .groups = &async,
                                  .group_count = 1,
                                  .placement_version = metadata_placement_version(t.m)};
    cr_assert_eq(meta_apply(&t, &add).error, 0);
    return t;
}

static void assert_same(const struct metadata *a, const struct metadata *b)
{
    struct bytes first = meta_bytes(a), second = meta_bytes(b);
    cr_assert(bytes_is_equal(first, second));
    free((void *)(uintptr_t)first.data);
    free((void *)(uintptr_t)second.data);
}

Test(cluster_metadata_snapshot, brings_back_the_same_state_byte_for_byte)
{
    struct meta t = furnished(), copy = meta_create();
    struct bytes bytes = meta_bytes(t.m);
    cr_assert_eq(metadata_decode(copy.m, bytes), 0);
    assert_same(t.m, copy.m);
    copy.index = t.index;
    for (uint32_t i = 10; i < 20; i++) { /* and both go on alike */
        char name[16];
        snprintf(name, sizeof name, "later%u", i);
        cr_assert_eq(meta_topic_create(&t, i, name, 7), 0);
        cr_assert_eq(meta_topic_create(&copy, i, name, 7), 0);
    }
    assert_same(t.m, copy.m);
    free((void *)(uintptr_t)bytes.data);
    metadata_destroy(t.m);
    metadata_destroy(copy.m);
}

Test(cluster_metadata_snapshot, of_nothing_is_an_empty_state)
{
    struct meta t = furnished(), empty = meta_create();
    cr_assert_eq(metadata_decode(t.m, (struct bytes){0}), 0);
    assert_same(t.m, empty.m);
    metadata_destroy(t.m);
    metadata_destroy(empty.m);
}

Test(cluster_metadata_snapshot, cut_anywhere_is_refused_and_leaves_an_empty_state)
{
    struct meta t = furnished(), into = meta_create(), empty = meta_create();
    struct bytes bytes = meta_bytes(t.m);
    for (size_t size = 1; size < bytes.size; size++) {
        cr_assert_neq(metadata_decode(into.m, bytes_of(bytes.data, size)), 0, "%zu bytes", size);
        assert_same(into.m, empty.m);
    }
    free((void *)(uintptr_t)bytes.data);
    metadata_destroy(t.m);
    metadata_destroy(into.m);
    metadata_destroy(empty.m);
}

#define CHANGES METADATA_PLACEMENT

/* Every kind of change, encoded. */
static unsigned all_changes(struct bytes changes[CHANGES])
{
    static struct metadata_group group = {.group_id = 1,
                                          .preferred_node_id = 3,
                                          .next_partition_number = 1,
                                          .node_count = 1,
                                          .node_ids = {1}};
    static struct metadata_config config = {"retention.ms", "5"};
    struct metadata_group two[2] = {group, group};
    two[0].group_id = 0;
    unsigned count = 0;
    for (int kind = METADATA_CLUSTER; kind <= METADATA_PLACEMENT; kind++, count++) {
        struct metadata_change c = topic_change((enum metadata_change_kind)kind, 2);
        uint8_t *body;
        size_t size;
        c.name = "fresh";
        c.partition_count = 50;
        c.configs = &config;
        c.config_count = 1;
        c.groups = kind == METADATA_CLUSTER ? two : &group;
        c.group_count = kind == METADATA_CLUSTER ? 2 : 1;
        c.node = (struct metadata_node){
            .node_id = 1, .incarnation = 4, .site = "a", .host = "h", .port = 1};
        c.nodes = &c.node;
        c.node_count = 1;
        if (kind == METADATA_TOPIC_CREATE)
            bytes_put_le32(c.id, 77);
        cr_assert_eq(metadata_change_encode(&c, &body, &size), 0);
        changes[count] = bytes_of(body, size);
    }
    return count;
}

/* The state without the index of its last change, which moves with every entry. */
static void assert_unchanged(struct meta *t, const struct meta *before)
{
    struct bytes now = meta_bytes(t->m), then = meta_bytes(before->m);
    cr_assert_eq(now.size, then.size);
    memcpy((uint8_t *)(uintptr_t)now.data + 19, then.data + 19, 8);
    cr_assert(bytes_is_equal(now, then));
    free((void *)(uintptr_t)now.data);
    free((void *)(uintptr_t)then.data);
}

Test(cluster_metadata, refuses_a_change_of_any_other_length_without_a_trace)
{
    struct meta t = furnished(), before = furnished();
    struct bytes changes[CHANGES];
    unsigned count = all_changes(changes);
    for (unsigned i = 0; i < count; i++) {
        uint8_t longer[1024] = {0};
        memcpy(longer, changes[i].data, changes[i].size);
        for (size_t size = 0; size <= changes[i].size + 1; size++) {
            if (size == changes[i].size)
                continue;
            struct metadata_result result = meta_apply_bytes(&t, bytes_of(longer, size));
            cr_assert_eq(result.error, ERR_MALFORMED, "kind %u, %zu bytes: %d", i + 1, size,
                         result.error);
        }
        assert_unchanged(&t, &before);
        free((void *)(uintptr_t)changes[i].data);
    }
    uint8_t unknown[] = {2, 0, 99, 0}, later[] = {4, 0, 7, 0};
    cr_assert_eq(meta_apply_bytes(&t, bytes_of(unknown, 4)).error, ERR_MALFORMED);
    cr_assert_eq(meta_apply_bytes(&t, bytes_of(later, 4)).error, ERR_MALFORMED);
    assert_unchanged(&t, &before);
    metadata_destroy(t.m);
    metadata_destroy(before.m);
}

/* ---- a naive model: an array of topics ---- */

#define MODEL_TOPICS 20

struct model {
    bool is_there[MODEL_TOPICS];
    int32_t partition_count[MODEL_TOPICS];
};

static void step(struct model *m, struct meta *t, struct random *random)
{
    uint32_t n = (uint32_t)random_below(random, MODEL_TOPICS);
    int32_t count = (int32_t)random_below(random, 20);
    char name[16];
    snprintf(name, sizeof name, "topic%u", n);
    switch (random_below(random, 3)) {
    case 0: {
        int expected = count == 0 ? ERR_INVALID : m->is_there[n] ? ERR_EXISTS : 0;
        cr_assert_eq(meta_topic_create(t, n + 1, name, count), expected);
        if (expected == 0) {
            m->is_there[n] = true;
            m->partition_count[n] = count;
        }
        break;
    }
    case 1:
        cr_assert_eq(meta_topic_delete(t, n + 1), m->is_there[n] ? 0 : ERR_NOT_FOUND);
        m->is_there[n] = false;
        break;
    default: {
        int expected = !m->is_there[n]                  ? ERR_NOT_FOUND
                       : count <= m->partition_count[n] ? ERR_INVALID
                                                        : 0;
        cr_assert_eq(meta_topic_partitions(t, n + 1, count), expected);
        if (expected == 0)
            m->partition_count[n] = count;
    }
    }
}

static void compare(const struct model *m, const struct meta *t)
{
    unsigned topics = 0, partitions = 0, carried = 0;
    for (uint32_t n = 0; n < MODEL_TOPICS; n++) {
        char name[16];
        snprintf(name, sizeof name, "topic%u", n);
        const struct metadata_topic *topic = meta_topic(t, name);
        cr_assert_eq(topic != NULL, m->is_there[n]);
        if (topic == NULL)
            continue;
        cr_assert_eq(topic->partition_count, m->partition_count[n]);
        topics++;
        partitions += (unsigned)topic->partition_count;
        for (int32_t i = 0; i < topic->partition_count; i++) {
            int32_t index;
            cr_assert_eq(metadata_topic_of(t->m, topic->partitions[i].group_id,
                                           topic->partitions[i].number, &index),
                         topic);
            cr_assert_eq(index, i);
        }
    }
    for (unsigned i = 0; i < metadata_group_count(t->m); i++)
        carried += metadata_group_at(t->m, i)->partition_count;
    cr_assert_eq(metadata_topic_count(t->m), topics);
    cr_assert_eq(carried, partitions);
}

Test(cluster_metadata, agrees_with_a_naive_model_also_after_restores)
{
    struct meta t = meta_founded();
    struct model model = {0};
    struct random random;
    random_init(&random, 17);
    for (int round = 0; round < 4000; round++) {
        step(&model, &t, &random);
        if (round % 50 != 0)
            continue;
        compare(&model, &t);
        struct meta copy = meta_create();
        struct bytes bytes = meta_bytes(t.m);
        cr_assert_eq(metadata_decode(copy.m, bytes), 0);
        free((void *)(uintptr_t)bytes.data);
        metadata_destroy(t.m);
        t.m = copy.m;
    }
    metadata_destroy(t.m);
}

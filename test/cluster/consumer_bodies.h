/* Entries of consumer groups for tests, and a table that applies them. */
#ifndef TEST_CLUSTER_CONSUMER_BODIES_H
#define TEST_CLUSTER_CONSUMER_BODIES_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "../cluster/state/byte_list.h"
#include "base/err.h"
#include "cluster/consumer_table.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"

/* What an apply gave; free it with verdict_free. */
struct verdict {
    int error;
    uint8_t *batch;
    size_t batch_size;
    uint8_t *detail;
    size_t detail_size;
};

static inline void verdict_free(struct verdict *v)
{
    free(v->batch);
    free(v->detail);
    v->batch = v->detail = NULL;
}

static inline struct verdict apply_bytes(struct consumer_table *t, struct bytes body,
                                         int64_t wall_ms)
{
    struct verdict v;
    cr_assert_eq(consumer_table_apply(t, body, wall_ms, &v.error, &v.batch, &v.batch_size,
                                      &v.detail, &v.detail_size),
                 0);
    return v;
}

/* Applies the body and frees it. */
static inline struct verdict apply_list(struct consumer_table *t, struct byte_list *body,
                                        int64_t wall_ms)
{
    struct verdict v = apply_bytes(t, bytes_of(body->data, body->size), wall_ms);
    free(body->data);
    *body = (struct byte_list){0};
    return v;
}

/* The verdict alone. */
static inline int apply_error(struct consumer_table *t, struct byte_list *body, int64_t wall_ms)
{
    struct verdict v = apply_list(t, body, wall_ms);
    verdict_free(&v);
    return v.error;
}

static inline struct byte_list commit_body_under(enum group_policy policy, const char *group,
                                                 int32_t generation, const char *member,
                                                 const char *topic, int32_t partition,
                                                 int64_t offset)
{
    struct byte_list list = {0};
    struct group_commit commit = {
        .generation = generation,
        .member_id = kafka_string_of(member),
        .instance_id = KAFKA_STRING_NULL,
        .client_id = kafka_string_of("client"),
        .client_host = kafka_string_of("/127.0.0.1"),
        .metadata_version = 7,
        .expire_at_ms = -1,
        .policy = policy,
        .offset_count = 1,
    };
    struct group_offset committed = {
        .topic_id = {1},
        .topic = kafka_string_of(topic),
        .partition = partition,
        .offset = offset,
        .leader_epoch = 3,
        .metadata = kafka_string_of("note"),
    };
    group_commit_put(&list, kafka_string_of(group), &commit);
    group_offset_put(&list, &committed);
    return list;
}

static inline struct byte_list commit_body(const char *group, int32_t generation,
                                           const char *member, const char *topic, int32_t partition,
                                           int64_t offset)
{
    return commit_body_under(GROUP_POLICY_GUARD, group, generation, member, topic, partition,
                             offset);
}

static inline struct byte_list generation_body(const char *group, int32_t generation)
{
    struct byte_list list = {0};
    group_generation_put(&list, kafka_string_of(group), generation);
    return list;
}

/* Members m0, m1, …, each with the protocol "range", and their assignments. */
static inline struct byte_list membership_body(const char *group, int32_t generation,
                                               unsigned member_count)
{
    struct byte_list list = {0};
    struct group_membership membership = {
        .generation = generation,
        .protocol_type = kafka_string_of("consumer"),
        .protocol_name = kafka_string_of(member_count == 0 ? NULL : "range"),
        .leader = kafka_string_of(member_count == 0 ? NULL : "m0"),
        .member_count = member_count,
    };
    group_membership_put(&list, kafka_string_of(group), &membership);
    for (unsigned i = 0; i < member_count; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        struct group_member member = {
            .member_id = kafka_string_of(id),
            .instance_id = KAFKA_STRING_NULL,
            .client_id = kafka_string_of("client"),
            .client_host = kafka_string_of("/127.0.0.1"),
            .session_timeout_ms = 10000,
            .rebalance_timeout_ms = 60000,
            .protocol_count = 1,
        };
        struct group_protocol protocol = {kafka_string_of("range"), bytes_of_text("sub")};
        group_member_put(&list, &member);
        group_protocol_put(&list, &protocol);
        byte_list_put_bytes(&list, bytes_of_text("part"));
    }
    return list;
}

static inline struct byte_list removal_body(const char *group, const char *topic, int32_t partition,
                                            enum group_offset_delete_reason reason,
                                            int64_t committed_at_ms_max)
{
    struct byte_list list = {0};
    struct group_actor actor = {kafka_string_of("tool"), kafka_string_of("/127.0.0.9")};
    struct group_removal removal = {.topic = kafka_string_of(topic),
                                    .partition = partition,
                                    .committed_at_ms_max = committed_at_ms_max};
    group_offsets_delete_put(&list, kafka_string_of(group), reason, &actor, 1);
    group_removal_put(&list, &removal);
    return list;
}

static inline struct byte_list delete_body(const char *group, bool is_only_when_bare)
{
    struct byte_list list = {0};
    struct group_deletion deletion = {
        .is_only_when_bare = is_only_when_bare,
        .actor = {kafka_string_of("tool"), kafka_string_of("/127.0.0.9")},
    };
    group_delete_put(&list, kafka_string_of(group), &deletion);
    return list;
}

static inline struct byte_list policy_body(const char *group, enum group_policy policy)
{
    struct byte_list list = {0};
    struct group_policy_change change = {
        .policy = policy, .actor = {kafka_string_of("operator"), kafka_string_of("/127.0.0.9")}};
    group_policy_put(&list, kafka_string_of(group), &change);
    return list;
}

static inline struct byte_list forget_body(int64_t before_ms)
{
    struct byte_list list = {0};
    group_forget_put(&list, before_ms);
    return list;
}

#endif

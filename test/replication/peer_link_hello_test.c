#include "../../replication/peer_link_hello.h"

#include <criterion/criterion.h>

#include "base/random.h"

static struct peer_hello hello_of_node_1_to_2(void)
{
    return (struct peer_hello){.version_min = PEER_VERSION_MIN,
                               .version_max = PEER_VERSION_MAX,
                               .identity = {.cluster_id = {7, 8},
                                            .node_id = 1,
                                            .incarnation = 0x1234567890,
                                            .site = "a",
                                            .client_host = "broker-1.example",
                                            .client_port = 9092,
                                            .has_data = true},
                               .to_node_id = 2,
                               .channel = NET_ENTRIES,
                               .lane = 3,
                               .shard_count = 4};
}

static int decode(const uint8_t *at, size_t size, struct peer_hello *hello)
{
    uint8_t *exact = malloc(size + (size == 0)); /* so that a read beyond the end is seen */
    memcpy(exact, at, size);
    int err = peer_hello_decode(bytes_of(exact, size), hello);
    free(exact);
    return err;
}

Test(peer_link_hello, gives_back_what_was_encoded)
{
    struct peer_hello hello = hello_of_node_1_to_2(), got;
    uint8_t bytes[PEER_HELLO_SIZE_MAX];
    size_t size = peer_hello_encode(&hello, bytes);
    cr_assert_eq(decode(bytes, size, &got), 0);
    cr_assert_eq(got.identity.cluster_id[0], 7);
    cr_assert_eq(got.identity.cluster_id[1], 8);
    cr_assert_eq(got.identity.node_id, 1);
    cr_assert_eq(got.identity.incarnation, 0x1234567890);
    cr_assert_str_eq(got.identity.site, "a");
    cr_assert_str_eq(got.identity.client_host, "broker-1.example");
    cr_assert_eq(got.identity.client_port, 9092);
    cr_assert(got.identity.has_data);
    cr_assert_eq(got.to_node_id, 2);
    cr_assert_eq(got.channel, NET_ENTRIES);
    cr_assert_eq(got.lane, 3);
    cr_assert_eq(got.shard_count, 4);
}

Test(peer_link_hello, holds_the_longest_texts)
{
    struct peer_hello hello = hello_of_node_1_to_2(), got;
    memset(hello.identity.site, 's', sizeof hello.identity.site - 1);
    memset(hello.identity.client_host, 'h', sizeof hello.identity.client_host - 1);
    memset(hello.identity.peer_host, 'p', sizeof hello.identity.peer_host - 1);
    uint8_t bytes[PEER_HELLO_SIZE_MAX];
    cr_assert_eq(peer_hello_encode(&hello, bytes), PEER_HELLO_SIZE_MAX);
    cr_assert_eq(decode(bytes, sizeof bytes, &got), 0);
    cr_assert_str_eq(got.identity.site, hello.identity.site);
    cr_assert_str_eq(got.identity.client_host, hello.identity.client_host);
    cr_assert_str_eq(got.identity.peer_host, hello.identity.peer_host);
}

Test(peer_link_hello, is_malformed_at_every_truncation_and_with_a_byte_too_many)
{
    struct peer_hello hello = hello_of_node_1_to_2(), got;
    uint8_t bytes[PEER_HELLO_SIZE_MAX + 1] = {0};
    size_t size = peer_hello_encode(&hello, bytes);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(decode(bytes, cut, &got), ERR_MALFORMED);
    cr_assert_eq(decode(bytes, size + 1, &got), ERR_MALFORMED);
}

Test(peer_link_hello, of_a_newer_release_may_be_longer)
{
    struct peer_hello hello = hello_of_node_1_to_2(), got;
    hello.version_max = PEER_VERSION_MAX + 1;
    uint8_t bytes[PEER_HELLO_SIZE_MAX + 1] = {0};
    size_t size = peer_hello_encode(&hello, bytes);
    cr_assert_eq(decode(bytes, size + 1, &got), 0);
}

/* Where a byte is set to a value that is not allowed there (docs/peer_format.md). */
struct damage {
    size_t at;
    uint8_t value;
};

Test(peer_link_hello, with_a_value_that_is_not_allowed_is_malformed)
{
    static const struct damage damages[] = {
        {0, 0},    /* version_min 0 */
        {0, 9},    /* version_min above version_max */
        {4, 0},    /* node id 0 */
        {38, 3},   /* no such channel */
        {38, 0},   /* a lane other than 0 on CONTROL */
        {39, 2},   /* unknown flag */
        {40, 64},  /* lane beyond the most */
        {42, 0},   /* no shards */
        {43, 1},   /* 260 shards */
        {44, 0},   /* no site */
        {44, 32},  /* site too long */
        {50, ' '}, /* a space in the site */
        {50, 0},   /* a NUL in the site */
        {49, 1},   /* a byte that is zero */
        {51, '\n'} /* a line end in the host */
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct peer_hello hello = hello_of_node_1_to_2(), got;
        uint8_t bytes[PEER_HELLO_SIZE_MAX];
        size_t size = peer_hello_encode(&hello, bytes);
        bytes[damages[i].at] = damages[i].value;
        cr_assert_eq(decode(bytes, size, &got), ERR_MALFORMED, "damage %zu", i);
    }
}

Test(peer_link_hello, of_random_bytes_is_refused_or_has_texts_with_an_end)
{
    struct random r;
    random_init(&r, 5);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[PEER_HELLO_SIZE_MAX];
        struct peer_hello hello = hello_of_node_1_to_2(), got;
        size_t size = peer_hello_encode(&hello, bytes);
        for (int flips = 0; flips < 3; flips++)
            bytes[random_below(&r, size)] = (uint8_t)random_u64(&r);
        if (decode(bytes, size, &got) == 0) {
            cr_assert_lt(strlen(got.identity.site), sizeof got.identity.site);
            cr_assert_lt(strlen(got.identity.client_host), sizeof got.identity.client_host);
        }
    }
}

static const struct peer_address node_1 = {.node_id = 1, .site = "a"};
static const struct peer_identity node_2 = {.cluster_id = {7, 8}, .node_id = 2, .site = "b"};

static enum peer_refusal judge(const struct peer_hello *hello)
{
    return peer_hello_judge(hello, &node_2, hello->identity.node_id == 1 ? &node_1 : NULL);
}

Test(peer_link_hello, is_accepted_when_all_is_as_configured)
{
    struct peer_hello hello = hello_of_node_1_to_2();
    cr_assert_eq(judge(&hello), PEER_ACCEPTED);
}

Test(peer_link_hello, is_refused_for_its_own_reason)
{
    struct peer_hello hello = hello_of_node_1_to_2();
    hello.version_min = hello.version_max = PEER_VERSION_MAX + 1;
    cr_assert_eq(judge(&hello), PEER_REFUSED_VERSION);
    hello = hello_of_node_1_to_2();
    hello.identity.cluster_id[1]++;
    cr_assert_eq(judge(&hello), PEER_REFUSED_OTHER_CLUSTER);
    hello = hello_of_node_1_to_2();
    hello.to_node_id = 3;
    cr_assert_eq(judge(&hello), PEER_REFUSED_OTHER_NODE);
    hello = hello_of_node_1_to_2();
    hello.identity.node_id = 2;
    cr_assert_eq(judge(&hello), PEER_REFUSED_OWN_NODE);
    hello.identity.node_id = 9;
    cr_assert_eq(judge(&hello), PEER_REFUSED_UNKNOWN_NODE);
    cr_assert_eq(peer_hello_judge(&hello, &node_2, &node_1), PEER_REFUSED_OTHER_NODE);
    hello = hello_of_node_1_to_2();
    hello.identity.site[0] = 'c';
    cr_assert_eq(judge(&hello), PEER_REFUSED_OTHER_SITE);
}

Test(peer_link_hello, of_a_node_without_a_cluster_is_good_for_control_only)
{
    struct peer_hello hello = hello_of_node_1_to_2();
    hello.identity.cluster_id[0] = hello.identity.cluster_id[1] = 0;
    cr_assert_eq(judge(&hello), PEER_REFUSED_NOT_FOUNDED);
    hello.channel = NET_CONTROL;
    cr_assert_eq(judge(&hello), PEER_ACCEPTED);
}

Test(peer_link_hello, refusal_gives_back_its_code_and_nothing_else_passes)
{
    uint8_t bytes[PEER_REFUSAL_SIZE + 1] = {0};
    unsigned refusal;
    uint32_t node_id;
    peer_refusal_encode(PEER_REFUSED_OTHER_SITE, 77, bytes);
    cr_assert_eq(peer_refusal_decode(bytes_of(bytes, PEER_REFUSAL_SIZE), &refusal, &node_id), 0);
    cr_assert_eq(refusal, PEER_REFUSED_OTHER_SITE);
    cr_assert_eq(node_id, 77);
    for (size_t size = 0; size <= sizeof bytes; size++)
        if (size != PEER_REFUSAL_SIZE)
            cr_assert_eq(peer_refusal_decode(bytes_of(bytes, size), &refusal, &node_id),
                         ERR_MALFORMED);
    bytes[0] = 0;
    cr_assert_eq(peer_refusal_decode(bytes_of(bytes, PEER_REFUSAL_SIZE), &refusal, &node_id),
                 ERR_MALFORMED);
    cr_assert_str_neq(peer_refusal_text(999), "");
}

/* What is read of a member's subscription (cluster/consumer/subscription.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "consumer/subscription.h"

/* Version 3: topic "t", no user data, owned partition 1 of "t", generation 7, rack "b". */
static const uint8_t whole[] = {0, 3,   0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 0, 0, 0, 0, 1,  0,
                                1, 't', 0, 0, 0, 1, 0, 0, 0,   1, 0, 0, 0, 7, 0, 1, 'b'};

Test(cluster_subscription, names_the_rack_from_version_three_on)
{
    struct kafka_string rack;
    uint8_t bytes[sizeof whole];
    memcpy(bytes, whole, sizeof whole);
    cr_assert(subscription_rack(bytes_of(bytes, sizeof bytes), &rack));
    cr_assert(rack.size == 1 && rack.data[0] == 'b');
    for (size_t size = 0; size < sizeof bytes; size++)
        cr_assert_not(subscription_rack(bytes_of(bytes, size), &rack), "cut at %zu", size);
    bytes[1] = 2; /* what follows the generation is not known to be a rack */
    cr_assert_not(subscription_rack(bytes_of(bytes, sizeof bytes), &rack));
    memcpy(bytes, whole, sizeof whole);
    bytes[5] = 200; /* more topics than there are bytes for */
    cr_assert_not(subscription_rack(bytes_of(bytes, sizeof bytes), &rack));
}

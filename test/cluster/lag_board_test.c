/* What leaders tell of lag, as it is kept on other nodes (cluster/membership/lag.c). */
#include <criterion/criterion.h>

#include "fake/fake_clock.h"
#include "membership/lag.h"
#include "state/byte_list.h"

static struct broker b;
static struct fake_clock fake;

static void open_board(void)
{
    fake_clock_init(&fake);
    b = (struct broker){.clock = fake.seam};
    cr_assert_eq(lag_board_create(&b.lag), 0);
}

/* One group with one replica that lacks 7 entries. */
static struct byte_list message_of(uint32_t group_id, uint8_t flags, uint8_t certainty)
{
    struct byte_list list = {0};
    byte_list_put_u8(&list, BROKER_MESSAGE_LAG);
    byte_list_put_u8(&list, 1);
    byte_list_put_u16(&list, 1);
    byte_list_put_u32(&list, group_id);
    byte_list_put_u64(&list, 100);
    byte_list_put_u8(&list, 1);
    byte_list_put_u32(&list, 3);
    byte_list_put_u8(&list, flags);
    byte_list_put_u8(&list, certainty);
    byte_list_put_u64(&list, 93);
    byte_list_put_u64(&list, 7);
    byte_list_put_u64(&list, 70);
    byte_list_put_u64(&list, 700);
    byte_list_put_u64(&list, 7000);
    return list;
}

Test(cluster_lag_board, keeps_what_was_told_last_and_says_how_old_it_is)
{
    struct lag_group lag;
    struct lag_view view;
    open_board();
    struct byte_list list = message_of(5, 1, LAG_AT_MOST);
    cr_assert_not(lag_of_group(&b, 5, &lag));
    lag_on_message(&b, 2, bytes_of(list.data, list.size));
    cr_assert(lag_of(&b, 5, 3, &view));
    cr_assert(view.is_voter && !view.is_level && view.certainty == LAG_AT_MOST);
    cr_assert(view.entries == 7 && view.records == 70 && view.bytes == 700 && view.ms == 7000);
    cr_assert_not(lag_of(&b, 5, 4, &view), "no such replica");
    fake_clock_advance_ms(&fake, 5000);
    cr_assert_not(lag_of(&b, 5, 3, &view), "nobody has confirmed it lately");
    cr_assert(lag_of_group(&b, 5, &lag));
    cr_assert(lag.is_told && !lag.is_confirmed && lag.told_ms == 5000 && lag.leader_node_id == 2);
    free(list.data);
    lag_board_destroy(b.lag);
}

Test(cluster_lag_board, ignores_what_is_no_message)
{
    struct lag_group lag;
    open_board();
    struct byte_list whole = message_of(5, 1, LAG_MEASURED);
    for (size_t size = 0; size < whole.size; size++)
        lag_on_message(&b, 2, bytes_of(whole.data, size));
    cr_assert_not(lag_of_group(&b, 5, &lag), "a part of it");
    struct byte_list wrong[] = {message_of(METADATA_GROUPS_MAX, 1, LAG_MEASURED),
                                message_of(5, 4, LAG_MEASURED), message_of(5, 1, 4)};
    for (unsigned i = 0; i < 3; i++) {
        lag_on_message(&b, 2, bytes_of(wrong[i].data, wrong[i].size));
        free(wrong[i].data);
    }
    whole.data[1] = 2; /* of a later version */
    lag_on_message(&b, 2, bytes_of(whole.data, whole.size));
    cr_assert_not(lag_of_group(&b, 5, &lag));
    cr_assert_not(lag_of_group(&b, METADATA_GROUPS_MAX, &lag));
    free(whole.data);
    lag_board_destroy(b.lag);
}

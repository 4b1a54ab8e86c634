#include "fake/fake_work.h"

#include <criterion/criterion.h>

#include "fake/fake_clock.h"

struct note {
    struct work_item item;
    struct fake_work *work; /* to submit itself once more; NULL: no */
    int number;
    int *order; /* where to write the number */
    int *count; /* how many have written */
};

static void run_note(struct work_item *item)
{
    struct note *n = item->data;
    n->order[(*n->count)++] = n->number;
    if (n->work != NULL) {
        struct fake_work *again = n->work;
        n->work = NULL;
        work_submit(&again->seam, item, run_note);
    }
}

static void submit_notes(struct fake_work *w, struct note *notes, int note_count, int *order,
                         int *count)
{
    for (int i = 0; i < note_count; i++) {
        notes[i] = (struct note){.number = i, .order = order, .count = count};
        notes[i].item.data = &notes[i];
        work_submit(&w->seam, &notes[i].item, run_note);
    }
}

Test(fake_work, runs_nothing_until_told_and_then_in_order)
{
    struct fake_work w;
    struct note notes[5];
    int order[5], count = 0;
    fake_work_init(&w);
    submit_notes(&w, notes, 5, order, &count);
    cr_assert_eq(count, 0);
    cr_assert(fake_work_run_one(&w));
    cr_assert_eq(count, 1);
    cr_assert_eq(fake_work_run_all(&w, NULL), 4);
    cr_assert_not(fake_work_run_one(&w));
    for (int i = 0; i < 5; i++)
        cr_assert_eq(order[i], i);
}

Test(fake_work, runs_in_any_order_and_each_item_once)
{
    struct random r;
    random_init(&r, 5);
    bool is_last_first_seen = false;
    for (int round = 0; round < 50; round++) {
        struct fake_work w;
        struct note notes[4];
        int order[4], count = 0;
        unsigned seen = 0;
        fake_work_init(&w);
        submit_notes(&w, notes, 4, order, &count);
        cr_assert_eq(fake_work_run_all(&w, &r), 4);
        for (int i = 0; i < 4; i++)
            seen |= 1u << order[i];
        cr_assert_eq(seen, 0xfu);
        is_last_first_seen |= order[0] == 3;
    }
    cr_assert(is_last_first_seen);
}

Test(fake_work, runs_what_an_item_submits_itself)
{
    struct fake_work w;
    struct note notes[2];
    int order[4], count = 0;
    fake_work_init(&w);
    submit_notes(&w, notes, 2, order, &count);
    notes[0].work = &w;
    cr_assert_eq(fake_work_run_all(&w, NULL), 3);
    cr_assert_eq(order[2], 0);
}

Test(fake_work, forgets_what_a_crash_drops)
{
    struct fake_work w;
    struct note notes[3];
    int order[3], count = 0;
    fake_work_init(&w);
    submit_notes(&w, notes, 3, order, &count);
    fake_work_drop(&w);
    cr_assert_eq(fake_work_run_all(&w, NULL), 0);
    submit_notes(&w, notes, 1, order, &count);
    cr_assert_eq(fake_work_run_all(&w, NULL), 1);
}

Test(fake_clock, moves_only_when_told_and_steps_its_wall_clock_alone)
{
    struct fake_clock c;
    fake_clock_init(&c);
    uint64_t now = clock_now_ns(&c.seam);
    int64_t wall = clock_wall_ms(&c.seam);
    cr_assert_eq(clock_now_ns(&c.seam), now);
    fake_clock_advance_ms(&c, 1500);
    fake_clock_advance_ns(&c, 7);
    cr_assert_eq(clock_now_ns(&c.seam), now + 1500000007);
    cr_assert_eq(clock_wall_ms(&c.seam), wall + 1500);
    fake_clock_step_wall_ms(&c, -3600000);
    cr_assert_eq(clock_now_ns(&c.seam), now + 1500000007);
    cr_assert_eq(clock_wall_ms(&c.seam), wall + 1500 - 3600000);
}

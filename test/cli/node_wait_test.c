#include "node_wait.h"

#include <criterion/criterion.h>
#include <string.h>

/* Progress by an answer whose nodes and moving groups are these. */
static struct node_progress progress_of(const char *nodes, int moving, int64_t enters,
                                        int64_t leaves)
{
    char text[1024];
    struct node_progress progress;
    struct node_goal goal = {.enters = enters, .leaves = leaves};
    snprintf(text, sizeof text, "{\"groups_moving\": %d, \"nodes\": [%s]}", moving, nodes);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json);
    node_progress_of(json, &goal, &progress);
    json_decref(json);
    return progress;
}

#define NODE_4(state, voting, level)                                                               \
    "{\"node_id\": 4, \"state\": \"" state "\", \"is_alive\": true, \"groups_wanted\": 6, "        \
    "\"groups_voting\": " voting ", \"groups_level\": " level "}"

Test(cli_node_wait, is_done_when_the_new_node_votes_level_in_all_its_groups)
{
    cr_assert(progress_of(NODE_4("active", "6", "6"), 0, 4, 0).is_done);
    cr_assert_not(progress_of(NODE_4("active", "6", "5"), 0, 4, 0).is_done);
    cr_assert_not(progress_of(NODE_4("active", "5", "5"), 1, 4, 0).is_done);
    cr_assert_not(progress_of(NODE_4("active", "6", "6"), 1, 4, 0).is_done);
    cr_assert_not(progress_of(NODE_4("joining", "0", "0"), 0, 4, 0).is_done);
    cr_assert_not(progress_of("", 0, 4, 0).is_done, "it is not listed at all");
}

Test(cli_node_wait, is_done_when_the_old_node_is_gone)
{
    cr_assert(progress_of(NODE_4("gone", "0", "0"), 0, 0, 4).is_done);
    cr_assert(progress_of("", 0, 0, 4).is_done);
    struct node_progress p = progress_of(NODE_4("leaving", "2", "2"), 2, 0, 4);
    cr_assert_not(p.is_done);
    cr_assert_str_eq(p.text, "node 4 still votes in 2 groups; 2 groups moving, 0 to follow");
}

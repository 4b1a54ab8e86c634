#include "node_wait.h"

#include <criterion/criterion.h>
#include <string.h>

/* Progress by an answer whose nodes and groups on their way are these. */
static struct node_progress progress_with(const char *nodes, int moving, const char *to_move,
                                          int64_t enters, int64_t leaves)
{
    char text[1024];
    struct node_progress progress;
    struct node_goal goal = {.enters = enters, .leaves = leaves};
    snprintf(text, sizeof text, "{\"groups_moving\": %d, \"groups_to_move\": %s, \"nodes\": [%s]}",
             moving, to_move, nodes);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json);
    node_progress_of(json, &goal, &progress);
    json_decref(json);
    return progress;
}

static struct node_progress progress_of(const char *nodes, int moving, int64_t enters,
                                        int64_t leaves)
{
    return progress_with(nodes, moving, "0", enters, leaves);
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

Test(cli_node_wait, is_not_done_while_groups_follow_or_have_no_place)
{
    cr_assert_not(progress_with(NODE_4("active", "6", "6"), 0, "2", 4, 0).is_done);
    struct node_progress p = progress_with(NODE_4("active", "0", "0"), 0, "null", 4, 0);
    cr_assert_not(p.is_done);
    cr_assert(strstr(p.text, "has no place") != NULL, "%s", p.text);
}

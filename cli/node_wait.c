/* When is a change of nodes done? By what any node tells of all of them. */
#include "node_wait.h"

#include <string.h>

static const json_t *find_node(const json_t *nodes, int64_t node_id)
{
    size_t position;
    json_t *node;
    json_array_foreach(json_object_get(nodes, "nodes"), position, node)
    {
        if (field_number(node, "node_id") == node_id)
            return node;
    }
    return NULL;
}

static bool has_entered(const json_t *node, char *text, size_t size)
{
    const char *state = field_text(node, "state");
    int64_t wanted = field_number(node, "groups_wanted"),
            level = field_number(node, "groups_level");
    int64_t voting = field_number(node, "groups_voting");
    if (strcmp(state, "joining") == 0 || !field_flag(node, "is_alive")) {
        snprintf(text, size, "node %lld is not heard yet: is it started? ",
                 (long long)field_number(node, "node_id"));
        return false;
    }
    snprintf(text, size, "node %lld votes in %lld of %lld groups, level in %lld; ",
             (long long)field_number(node, "node_id"), (long long)voting, (long long)wanted,
             (long long)level);
    return strcmp(state, "active") == 0 && voting >= wanted && level >= voting;
}

static bool has_left(const json_t *node, int64_t node_id, char *text, size_t size)
{
    if (node == NULL || strcmp(field_text(node, "state"), "gone") == 0)
        return true;
    snprintf(text, size, "node %lld still votes in %lld groups; ", (long long)node_id,
             (long long)field_number(node, "groups_voting"));
    return false;
}

void node_progress_of(const json_t *nodes, const struct node_goal *goal,
                      struct node_progress *progress)
{
    char entering[80] = "", leaving[80] = "";
    int64_t moving = field_number(nodes, "groups_moving");
    int64_t to_move = field_number(nodes, "groups_to_move");
    const json_t *node = goal->enters != 0 ? find_node(nodes, goal->enters) : NULL;
    bool is_in = goal->enters == 0;
    if (node != NULL)
        is_in = has_entered(node, entering, sizeof entering);
    bool is_out = goal->leaves == 0 ||
                  has_left(find_node(nodes, goal->leaves), goal->leaves, leaving, sizeof leaving);
    bool has_plan = !json_is_null(json_object_get(nodes, "groups_to_move"));
    progress->is_done = is_in && is_out && moving == 0 && to_move == 0 && has_plan;
    snprintf(progress->text, sizeof progress->text, "%s%s%lld groups moving, ", entering, leaving,
             (long long)moving);
    size_t used = strlen(progress->text), left = sizeof progress->text - used;
    if (has_plan)
        snprintf(progress->text + used, left, "%lld to follow", (long long)to_move);
    else
        snprintf(progress->text + used, left,
                 "what is to follow has no place (event placement_impossible)");
}

static bool look(struct session *s, void *data, char text[PROGRESS_TEXT_SIZE])
{
    struct http_answer answer;
    struct node_progress progress = {0};
    http_ask_any(&s->targets, "/v1/nodes", NULL, &answer);
    if (answer.outcome == HTTP_ANSWERED && http_error_code(&answer) == NULL) {
        node_progress_of(answer.json, data, &progress);
        snprintf(text, PROGRESS_TEXT_SIZE, "%s", progress.text);
    }
    http_answer_close(&answer);
    return progress.is_done;
}

int node_wait(struct session *s, const struct node_goal *goal)
{
    struct node_goal copy = *goal;
    return progress_wait(s, look, &copy, "trilog node list");
}

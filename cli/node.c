/* trilog node …: who is there, who comes, who goes. */
#include "change.h"
#include "node_wait.h"
#include "table.h"

/* ---- list ---- */

static void put_node(struct table *t, const json_t *node)
{
    char votes[48];
    snprintf(votes, sizeof votes, "%lld/%lld", (long long)field_number(node, "groups_voting"),
             (long long)field_number(node, "groups_wanted"));
    table_number(t, field_number(node, "node_id"));
    table_text(t, field_text(node, "site"));
    table_text(t, field_text(node, "state"));
    table_text(t, field_flag(node, "is_alive") ? "yes" : "no");
    table_text(t, votes);
    table_number(t, field_number(node, "groups_level"));
    table_number(t, field_number(node, "groups_led"));
    table_text(t, field_text(json_object_get(node, "disk"), "state"));
    table_text(t, field_text(node, "client_address"));
    table_text(t, field_text(node, "peer_address"));
}

int node_list(struct session *s)
{
    int status;
    json_t *json = session_get(s, "/v1/nodes", &status);
    if (json == NULL)
        return status;
    if (s->is_json) {
        session_print_json(s, json);
        json_decref(json);
        return EXIT_DONE;
    }
    field_print_rows(s->out, ">NODE|SITE|STATE|ALIVE|>VOTES|>LEVEL|>LEADS|DISK|CLIENTS|PEERS",
                     json_object_get(json, "nodes"), put_node);
    int64_t moving = field_number(json, "groups_moving");
    int64_t to_move = field_number(json, "groups_to_move");
    if (moving > 0 || to_move > 0)
        fprintf(s->out, "\n%lld of %lld raft groups are moving, %lld are to follow\n",
                (long long)moving, (long long)field_number(json, "groups"), (long long)to_move);
    json_decref(json);
    return EXIT_DONE;
}

/* ---- changes ---- */

static void put_move(struct table *t, const json_t *move)
{
    table_number(t, field_number(move, "group_id"));
    field_put_number(t, move, "leaves_node_id", "-");
    field_put_number(t, move, "enters_node_id", "-");
}

static void print_plan(const json_t *plan, FILE *into)
{
    const json_t *moves = json_object_get(plan, "moves");
    fprintf(into,
            "%zu replicas move, one raft group at a time; %lld groups get another preferred "
            "leader\n",
            json_array_size(moves), (long long)field_number(plan, "leader_changes"));
    field_print_rows(into, ">GROUP|>LEAVES|>ENTERS", moves, put_move);
}

static int wait_for(struct session *s, void *data)
{
    return node_wait(s, data);
}

/* Takes `body`. */
static int run_change(struct session *s, const char *path, json_t *body, struct node_goal *goal,
                      const char *what)
{
    struct change change = {.path = path,
                            .body = body,
                            .what = what,
                            .print_plan = print_plan,
                            .wait = wait_for,
                            .data = goal};
    return change_run(s, &change);
}

static bool read_node_id(struct session *s, const char *text, int64_t *id)
{
    if (text != NULL && arguments_number(text, 1, INT32_MAX, id))
        return true;
    fprintf(s->err, "trilog: a node id is a whole number above 0\n");
    return false;
}

static bool put_peer(struct session *s, json_t *body)
{
    const char *peer = s->arguments.values[OPTION_PEER];
    return peer == NULL || session_put_text(s, body, "peer_address", peer);
}

int node_add(struct session *s)
{
    char what[160];
    struct node_goal goal = {0};
    const char *site = s->arguments.values[OPTION_SITE];
    if (!read_node_id(s, s->arguments.operands[0], &goal.enters))
        return EXIT_USAGE;
    if (site == NULL) {
        fprintf(s->err, "trilog: --site is missing: the datacenter that the node stands in\n");
        return EXIT_USAGE;
    }
    snprintf(what, sizeof what, "Node %lld is added to site %.60s.", (long long)goal.enters, site);
    json_t *body = json_pack("{s:I}", "node_id", (json_int_t)goal.enters);
    if (!session_put_text(s, body, "site", site) || !put_peer(s, body)) {
        json_decref(body);
        return EXIT_USAGE;
    }
    return run_change(s, "/v1/nodes/add", body, &goal, what);
}

int node_remove(struct session *s)
{
    char what[160];
    struct node_goal goal = {0};
    if (!read_node_id(s, s->arguments.operands[0], &goal.leaves))
        return EXIT_USAGE;
    snprintf(what, sizeof what, "Node %lld is removed, and refused from then on.",
             (long long)goal.leaves);
    return run_change(s, "/v1/nodes/remove", json_pack("{s:I}", "node_id", (json_int_t)goal.leaves),
                      &goal, what);
}

int node_replace(struct session *s)
{
    char what[160];
    struct node_goal goal = {0};
    if (s->arguments.values[OPTION_BY] == NULL) {
        fprintf(s->err, "trilog: --by is missing: the node that takes its place\n");
        return EXIT_USAGE;
    }
    if (!read_node_id(s, s->arguments.operands[0], &goal.leaves) ||
        !read_node_id(s, s->arguments.values[OPTION_BY], &goal.enters))
        return EXIT_USAGE;
    snprintf(what, sizeof what, "Node %lld takes the place of node %lld, which is then refused.",
             (long long)goal.enters, (long long)goal.leaves);
    json_t *body = json_pack("{s:I, s:I}", "node_id", (json_int_t)goal.leaves, "new_node_id",
                             (json_int_t)goal.enters);
    if (!put_peer(s, body)) {
        json_decref(body);
        return EXIT_USAGE;
    }
    return run_change(s, "/v1/nodes/replace", body, &goal, what);
}

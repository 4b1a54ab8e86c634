/* Progress is the state of the cluster, which any node tells: so waiting survives the node that was
 * asked first, and ending it ends nothing else. */
#include "node_wait.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS        500
#define WAIT_S_DEFAULT 1800
#define WAIT_S_MAX     (7 * 24 * 3600)
#define STABLE_POLLS   2 /* the node asked may be a moment behind */

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

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
    progress->is_done = is_in && is_out && moving == 0 && to_move == 0;
    snprintf(progress->text, sizeof progress->text, "%s%s%lld groups moving, %lld to follow",
             entering, leaving, (long long)moving, (long long)to_move);
}

/* A line that is written over on a terminal, a new one where it differs elsewhere. */
static void show(struct session *s, const char *text, char *shown, size_t size)
{
    if (strcmp(text, shown) == 0)
        return;
    if (isatty(fileno(s->err)))
        fprintf(s->err, "\r\033[K%s", text);
    else
        fprintf(s->err, "%s\n", text);
    fflush(s->err);
    snprintf(shown, size, "%s", text);
}

static void end_line(struct session *s)
{
    if (isatty(fileno(s->err)))
        fputc('\n', s->err);
}

static bool is_done_now(struct session *s, const struct node_goal *goal, char *shown, size_t size)
{
    struct http_answer answer;
    struct node_progress progress = {.text = "no node answers; still waiting"};
    unsigned target;
    http_ask_any(&s->targets, "/v1/nodes", NULL, &answer, &target);
    if (answer.outcome == HTTP_ANSWERED && http_error_code(&answer) == NULL)
        node_progress_of(answer.json, goal, &progress);
    http_answer_close(&answer);
    show(s, progress.text, shown, size);
    return progress.is_done;
}

static void pause_between_polls(void)
{
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    nanosleep(&pause, NULL); /* ended by Ctrl-C */
}

static int wait_until(struct session *s, const struct node_goal *goal, int64_t wait_s)
{
    char shown[160] = "";
    unsigned done_count = 0;
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (;;) {
        done_count = is_done_now(s, goal, shown, sizeof shown) ? done_count + 1 : 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (done_count >= STABLE_POLLS || is_interrupted || now.tv_sec - begun.tv_sec >= wait_s)
            break;
        pause_between_polls();
    }
    end_line(s);
    if (done_count >= STABLE_POLLS)
        return EXIT_DONE;
    fprintf(s->err, "trilog: %s; the change goes on: `trilog node list` shows how far it is\n",
            is_interrupted ? "not waited for any longer" : "not done within --wait");
    return EXIT_PARTLY;
}

int node_wait(struct session *s, const struct node_goal *goal)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    const char *wait = s->arguments.values[OPTION_WAIT];
    int64_t wait_s = WAIT_S_DEFAULT;
    if (arguments_has(&s->arguments, OPTION_NO_WAIT))
        return EXIT_DONE;
    if (wait != NULL)
        arguments_number(wait, 0, WAIT_S_MAX, &wait_s); /* checked before the change was made */
    sigaction(SIGINT, &action, NULL);
    return wait_until(s, goal, wait_s);
}

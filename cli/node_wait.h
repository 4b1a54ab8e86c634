/* Watching a change of nodes until it is done. */
#ifndef CLI_NODE_WAIT_H
#define CLI_NODE_WAIT_H

#include "command.h"

/* What is to have come true. */
struct node_goal {
    int64_t enters; /* this node carries all that it is to; 0: nobody enters */
    int64_t leaves; /* this node is gone; 0: nobody leaves */
};

/* How far it is, by an answer of /v1/nodes. */
struct node_progress {
    bool is_done;
    char text[160]; /* for the operator */
};
void node_progress_of(const json_t *nodes, const struct node_goal *goal,
                      struct node_progress *progress);

/* Waits as --no-wait and --wait say, with progress on `err`. EXIT_DONE; EXIT_PARTLY when the time
 * is over, or the operator pressed Ctrl-C: the change goes on without us. */
int node_wait(struct session *s, const struct node_goal *goal);

#endif

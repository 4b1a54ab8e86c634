/* Watching a change of nodes until it is done. */
#ifndef CLI_NODE_WAIT_H
#define CLI_NODE_WAIT_H

#include "progress.h"

/* What is to have come true. */
struct node_goal {
    int64_t enters; /* this node carries all that it is to; 0: nobody enters */
    int64_t leaves; /* this node is gone; 0: nobody leaves */
};

/* How far it is, by an answer of /v1/nodes. */
struct node_progress {
    bool is_done;
    char text[PROGRESS_TEXT_SIZE]; /* for the operator */
};
void node_progress_of(const json_t *nodes, const struct node_goal *goal,
                      struct node_progress *progress);

/* progress_wait for that. */
int node_wait(struct session *s, const struct node_goal *goal);

#endif

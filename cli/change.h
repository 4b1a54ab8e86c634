/* A change of the cluster, as every command makes one: planned, shown, confirmed, begun, watched.
 */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include "command.h"

struct change {
    const char *path; /* of the POST */
    json_t *body;     /* taken */
    const char *what; /* a sentence, for who is asked to type yes */
    void (*print_plan)(const json_t *plan, FILE *into);
    /* EXIT_DONE, or EXIT_PARTLY when it is not known to be done. NULL: it is done when it is
     * answered. */
    int (*wait)(struct session *s, void *data);
    void *data;
};

/* An exit status. */
int change_run(struct session *s, const struct change *c);

#endif

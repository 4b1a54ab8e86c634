/* Commands: one row each of one table, and what they share while they run. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <jansson.h>

#include "arguments.h"
#include "exit_status.h"
#include "http.h"
#include "target.h"

struct session;

struct command {
    const char *noun, *verb;
    const char *operands; /* as they stand in help */
    unsigned operands_min, operands_max;
    unsigned options; /* OPTION_BITs beside the common ones */
    const char *summary;
    const char *details; /* whole sentences, or "" */
    const char *example;
    int (*run)(struct session *s);
};

struct session {
    struct arguments arguments;
    struct targets targets;
    bool is_json;     /* -o json */
    bool is_terminal; /* somebody can be asked */
    FILE *out, *err;
    FILE *in; /* where "yes" comes from */
};

/* command.c: finds, checks and runs what the command line names. Returns an exit status. */
int command_run(int count, char **texts, struct session *s);
/* The whole table, ending with a row without a noun. */
extern const struct command commands[];

/* session.c: */

/* GET of any node. NULL when it failed: it is told, and *status is the exit status. Returned owned
 * (json_decref). */
json_t *session_get(struct session *s, const char *path, int *status);
/* The same of one node, told as "HOST:PORT: …". */
json_t *session_get_of(struct session *s, unsigned target, const char *path, int *status);
/* POST to one node, of what may be done twice: the same. Takes `body`. */
json_t *session_post_of(struct session *s, unsigned target, const char *path, json_t *body,
                        int *status);
/* POST to any node: the same. Takes `body`. A fate that is not known is EXIT_PARTLY. */
json_t *session_post(struct session *s, const char *path, json_t *body, int *status);

/* Puts text of the command line into a body. False when it is not UTF-8, which is told: EXIT_USAGE.
 */
bool session_put_text(struct session *s, json_t *body, const char *name, const char *text);

/* What the node said, as it said it. */
void session_print_json(struct session *s, const json_t *json);
/* Asks for "yes" unless --yes was given. EXIT_DONE to go on; EXIT_USAGE when nobody can be asked,
 * EXIT_FAILED when the answer is another one. */
int session_confirm(struct session *s, const char *what);

/* Fields of an answer: 0, "" or false where there is none. */
int64_t field_number(const json_t *json, const char *name);
const char *field_text(const json_t *json, const char *name);
bool field_flag(const json_t *json, const char *name);
/* "1,2,3" of an array of numbers, into `text`, which is returned. */
const char *field_ids(const json_t *ids, char *text, size_t size);

/* The commands, one file a noun. */
int cluster_status(struct session *s);
int node_list(struct session *s);
int node_add(struct session *s);
int node_remove(struct session *s);
int node_replace(struct session *s);
int group_list(struct session *s);
int topic_move(struct session *s);
int topic_moves(struct session *s);
int disk_status(struct session *s);
int disk_scrub(struct session *s);

#endif

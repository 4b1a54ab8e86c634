/* Commands: one row each of one table, and what they share while they run. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <jansson.h>

#include "arguments.h"
#include "exit_status.h"
#include "field.h"
#include "http.h"
#include "table.h"
#include "target.h"

struct session;

struct command {
    const char *noun, *verb; /* verb "": the noun alone is the command */
    const char *operands;    /* as they stand in help */
    unsigned operands_min, operands_max;
    uint64_t options; /* OPTION_BITs beside the common ones */
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
/* OPTION_BITs of all that it takes: the common ones, without those of operators' ports where it
 * meets the cluster as clients do (--client-config). */
uint64_t command_options(const struct command *c);
/* The whole table, ending with a row without a noun. */
extern const struct command commands[];

/* session.c: */

/* GET of any node. NULL when it failed: it is told, and *status is the exit status. Returned owned
 * (json_decref). */
json_t *session_get(struct session *s, const char *path, int *status);
/* The same of one node, told as "HOST:PORT: …". */
json_t *session_get_of(struct session *s, unsigned target, const char *path, int *status);
/* The same of each node that is named: those that answered, in the order of asking. EXIT_PARTLY
 * when only some did. To be freed by session_answers_close(), whatever comes back. */
struct session_answers {
    json_t *of[ADMINS_MAX]; /* owned */
    unsigned count;
};
int session_get_each(struct session *s, const char *path, struct session_answers *answers);
void session_answers_close(struct session_answers *answers);
/* POST to one node, of what may be done twice: the same. Takes `body`. */
json_t *session_post_of(struct session *s, unsigned target, const char *path, json_t *body,
                        int *status);
/* POST to any node: the same. Takes `body`. A fate that is not known is EXIT_PARTLY. */
json_t *session_post(struct session *s, const char *path, json_t *body, int *status);

/* Puts text of the command line into a body. False when it is not UTF-8, which is told: EXIT_USAGE.
 */
bool session_put_text(struct session *s, json_t *body, const char *name, const char *text);

/* "PATH?NAME=TEXT", escaped, into `path`. False when the text is too long, which is told:
 * EXIT_USAGE. */
bool session_path(struct session *s, const char *path, const char *name, const char *text,
                  char into[HTTP_PATH_SIZE]);
/* GET of that of any node. */
json_t *session_get_named(struct session *s, const char *path, const char *name, const char *text,
                          int *status);

/* Who asks, as "by" of a body: it will stand in a group's history. */
void session_put_who(json_t *body);

/* GET of any node, shown: as it was said, or for people a table of the rows of one array in it. */
int session_list(struct session *s, const char *path, const char *array, const char *headings,
                 field_row_cb put);
/* What the node said, as it said it. */
void session_print_json(struct session *s, const json_t *json);
/* That, or for people the table made of it, which is closed. */
void session_show(struct session *s, const json_t *json, struct table *table);
/* Asks for "yes" unless --yes was given. EXIT_DONE to go on; EXIT_USAGE when nobody can be asked,
 * EXIT_FAILED when the answer is another one. */
int session_confirm(struct session *s, const char *what);

/* The commands, one file a noun. */
int cluster_status(struct session *s);
int cluster_health(struct session *s);
int site_list(struct session *s);
int site_drain(struct session *s);
int site_undrain(struct session *s);
int site_weight(struct session *s);
int node_list(struct session *s);
int node_add(struct session *s);
int node_remove(struct session *s);
int node_replace(struct session *s);
int raft_list(struct session *s);
int lag_show(struct session *s);
int what_if_show(struct session *s);
int group_list(struct session *s);
int group_describe(struct session *s);
int group_reset(struct session *s);
int group_history(struct session *s);
int group_policy(struct session *s);
int topic_list(struct session *s);
int topic_describe(struct session *s);
int topic_configs_print(struct session *s);
int topic_create(struct session *s);
int topic_delete(struct session *s);
int topic_config(struct session *s);
int topic_move(struct session *s);
int topic_moves(struct session *s);
int pages_write(struct session *s);
int recover_run(struct session *s);
int salvage_run(struct session *s);
int switch_run(struct session *s);
int disk_status(struct session *s);
int disk_scrub(struct session *s);
int produce_run(struct session *s);
int consume_run(struct session *s);
/* Why kcat's option of that letter is not there; NULL: kcat has none either, or it is. */
const char *consume_lacks(char letter);
int spool_list(struct session *s);
int spool_retry(struct session *s);
int spool_purge(struct session *s);

#endif

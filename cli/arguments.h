/* The command line, read. Knows which options there are, not what commands do with them. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ADMINS_MAX   16
#define OPERANDS_MAX 20
#define SITES_MAX    5
#define HEADERS_MAX  32

enum option_id {
    OPTION_ADMIN,
    OPTION_TOKEN_FILE,
    OPTION_OUTPUT,
    OPTION_HELP,
    OPTION_YES,
    OPTION_PLAN,
    OPTION_NO_WAIT,
    OPTION_WAIT,
    OPTION_SITE,
    OPTION_PEER,
    OPTION_BY,
    OPTION_GROUP,
    OPTION_PARTITIONS,
    OPTION_REPLICATION_FACTOR,
    OPTION_OFFSET,
    OPTION_WATCH,
    OPTION_LOSE,
    OPTION_SURVIVOR,
    OPTION_LOST,
    OPTION_SITES_OFF,
    OPTION_FROM,
    OPTION_TO,
    OPTION_MAX_LAG,
    OPTION_DEADLINE,
    OPTION_BACK,
    OPTION_HISTORY,
    OPTION_CLIENT_CONFIG,
    OPTION_BOOTSTRAP,
    OPTION_TOPIC,
    OPTION_KEY,
    OPTION_KEY_DELIMITER,
    OPTION_HEADER,
    OPTION_COUNT_MAX,
    OPTION_LINES_OF,
    OPTION_QUIET,
    OPTION_CONSUMER_GROUP,
    OPTION_BROADCAST,
    OPTION_START,
    OPTION_EXIT,
    OPTION_IDLE,
    OPTION_FORMAT,
    OPTION_DELIMITER,
    OPTION_NULLS,
    OPTION_JSON,
    OPTION_UNBUFFERED,
    OPTION_COUNT
};

#define OPTION_BIT(id) (UINT64_C(1) << (id))
/* What every command takes. */
#define OPTIONS_COMMON                                                                             \
    (OPTION_BIT(OPTION_ADMIN) | OPTION_BIT(OPTION_TOKEN_FILE) | OPTION_BIT(OPTION_OUTPUT) |        \
     OPTION_BIT(OPTION_HELP))
/* What every command that changes something takes. */
#define OPTIONS_CHANGE (OPTION_BIT(OPTION_YES) | OPTION_BIT(OPTION_PLAN))
#define OPTIONS_WAIT   (OPTION_BIT(OPTION_NO_WAIT) | OPTION_BIT(OPTION_WAIT))

struct option_row {
    const char *name;  /* without its dashes */
    char letter;       /* short form, or 0 */
    const char *value; /* what stands for its value in help, or NULL: it takes none */
    const char *meaning;
};
extern const struct option_row option_rows[OPTION_COUNT];

/* All texts are borrowed from the command line. */
struct arguments {
    const char *noun, *verb; /* NULL when there is none */
    const char *operands[OPERANDS_MAX];
    unsigned operand_count;
    const char *admins[ADMINS_MAX];
    unsigned admin_count;
    const char *lost[SITES_MAX]; /* of --lose */
    unsigned lost_count;
    const char *values[OPTION_COUNT]; /* the last one given */
    const char *headers[HEADERS_MAX]; /* of --header */
    unsigned header_count;
    uint64_t given;      /* OPTION_BITs */
    uint64_t by_letter;  /* of these, by their letter */
    const char *unknown; /* an option that there is not; NULL */
};

/* False with a sentence in `trouble` when it is no command line at all. `--` ends the options. */
bool arguments_read(int count, char **texts, struct arguments *arguments, char *trouble,
                    size_t trouble_size);

/* The command is its noun alone: a verb that was read is the first operand. */
void arguments_take_verb(struct arguments *a);

static inline bool arguments_has(const struct arguments *a, enum option_id id)
{
    return (a->given & OPTION_BIT(id)) != 0;
}

/* This command has that letter for another option than all others have: who gave `usual` by its
 * letter meant `own`. False when both were given. */
bool arguments_take_letter(struct arguments *a, enum option_id usual, enum option_id own);

/* A whole number within bounds. */
bool arguments_number(const char *text, int64_t least, int64_t most, int64_t *value);

/* A time with its unit: "500ms", "10s", "5m", "1h". */
bool arguments_duration(const char *text, int64_t *ms);

#endif

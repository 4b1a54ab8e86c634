/* Lines of the control socket, taken apart by two tables: verbs, and options. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 4096u

/* Which options a verb takes. */
enum option_bit {
    HAS_ERRNO = 1 << 0,
    HAS_PATH = 1 << 1,
    HAS_COUNT = 1 << 2,
    HAS_AFTER = 1 << 3,
    HAS_MS = 1 << 4,
    HAS_JITTER = 1 << 5,
    HAS_FREE = 1 << 6,
    HAS_KEEP = 1 << 7,
    HAS_SEED = 1 << 8,
    HAS_TORN = 1 << 9,
    HAS_OFFSET = 1 << 10,
};
#define IS_COUNTED (HAS_PATH | HAS_COUNT | HAS_AFTER)

enum call_bit { ON_READ = 1 << CALL_READ, ON_WRITE = 1 << CALL_WRITE, ON_FSYNC = 1 << CALL_FSYNC };

static const struct verb {
    const char *name;
    unsigned calls; /* the calls it may be about; 0: about none */
    unsigned options;
} verbs[] = {
    [COMMAND_FAIL] = {"fail", ON_READ | ON_WRITE | ON_FSYNC, HAS_ERRNO | IS_COUNTED},
    [COMMAND_SLOW] = {"slow", ON_READ | ON_WRITE | ON_FSYNC, HAS_MS | HAS_JITTER | IS_COUNTED},
    [COMMAND_LOSE] = {"lose", ON_WRITE | ON_FSYNC, IS_COUNTED},
    [COMMAND_MISDIRECT] = {"misdirect", ON_WRITE, IS_COUNTED},
    [COMMAND_FULL] = {"full", 0, HAS_FREE},
    [COMMAND_POWER_CUT] = {"power-cut", 0, HAS_KEEP | HAS_SEED | HAS_TORN},
    [COMMAND_POWER_ON] = {"power-on", 0, 0},
    [COMMAND_FLIP] = {"flip", 0, HAS_PATH | HAS_COUNT | HAS_OFFSET},
    [COMMAND_STALE] = {"stale", 0, HAS_PATH | HAS_COUNT | HAS_OFFSET},
    [COMMAND_HEAL] = {"heal", 0, 0},
    [COMMAND_STATUS] = {"status", 0, 0},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static const char *const calls[CALL_COUNT] = {"read", "write", "fsync"};

/* Options that are whole numbers. */
static const struct number_option {
    const char *name;
    unsigned bit;
    size_t at; /* of the int64_t in struct command */
    int64_t lowest;
    int64_t highest;
} number_options[] = {
    {"count", HAS_COUNT, offsetof(struct command, count), 1, COMMAND_COUNT_ALL},
    {"after", HAS_AFTER, offsetof(struct command, after), 0, INT64_MAX},
    {"ms", HAS_MS, offsetof(struct command, ms), 0, COMMAND_MS_MAX},
    {"jitter_ms", HAS_JITTER, offsetof(struct command, jitter_ms), 0, COMMAND_MS_MAX},
    {"free_bytes", HAS_FREE, offsetof(struct command, free_bytes), 0, INT64_MAX},
    {"offset", HAS_OFFSET, offsetof(struct command, offset), 0, INT64_MAX},
    {"seed", HAS_SEED, offsetof(struct command, seed), 0, INT64_MAX},
    {"torn", HAS_TORN, offsetof(struct command, torn), 0, 1},
};
#define NUMBER_OPTION_COUNT (sizeof number_options / sizeof number_options[0])

struct trouble {
    char *why;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct trouble trouble, const char *format,
                                                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trouble.why, trouble.size, format, arguments);
    va_end(arguments);
    return -1;
}

static int parse_errno(const char *value, struct command *command, struct trouble trouble)
{
    static const struct {
        const char *name;
        int err;
    } errors[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},
                  {"EROFS", EROFS}, {"ENOMEM", ENOMEM}, {"ETIMEDOUT", ETIMEDOUT},
                  {"EINTR", EINTR}, {"EAGAIN", EAGAIN}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(value, errors[i].name) == 0) {
            command->err = errors[i].err;
            return 0;
        }
    return refuse(trouble,
                  "unknown errno %s: EIO, ENOSPC, EDQUOT, EROFS, ENOMEM, ETIMEDOUT, "
                  "EINTR, EAGAIN",
                  value);
}

static int parse_keep(const char *value, struct command *command, struct trouble trouble)
{
    static const char *const names[] = {
        [UNDO_KEEP_NONE] = "none", [UNDO_KEEP_ALL] = "all", [UNDO_KEEP_RANDOM] = "random"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(value, names[i]) == 0) {
            command->keep = (enum undo_keep)i;
            return 0;
        }
    return refuse(trouble, "keep is none, all or random, not %s", value);
}

static int parse_path(const char *value, struct command *command, struct trouble trouble)
{
    if (strlen(value) == 0 || strlen(value) >= sizeof command->path)
        return refuse(trouble, "path needs 1 to %zu characters", sizeof command->path - 1);
    memcpy(command->path, value, strlen(value) + 1);
    return 0;
}

static int parse_number(const struct number_option *option, const char *value,
                        struct command *command, struct trouble trouble)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || number < option->lowest ||
        number > option->highest)
        return refuse(trouble, "%s needs a whole number from %lld to %lld, not %s", option->name,
                      (long long)option->lowest, (long long)option->highest, value);
    memcpy((char *)command + option->at, &(int64_t){number}, sizeof(int64_t));
    return 0;
}

static int parse_option(char *word, struct command *command, struct trouble trouble)
{
    static const struct {
        const char *name;
        unsigned bit;
        int (*parse)(const char *, struct command *, struct trouble);
    } named[] = {{"errno", HAS_ERRNO, parse_errno},
                 {"keep", HAS_KEEP, parse_keep},
                 {"path", HAS_PATH, parse_path}};
    unsigned allowed = verbs[command->verb].options;
    char *value = strchr(word, '=');
    if (value == NULL)
        return refuse(trouble, "OPTION=VALUE is expected, not %.100s", word);
    *value++ = '\0';
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if ((allowed & named[i].bit) && strcmp(word, named[i].name) == 0)
            return named[i].parse(value, command, trouble);
    for (size_t i = 0; i < NUMBER_OPTION_COUNT; i++)
        if ((allowed & number_options[i].bit) && strcmp(word, number_options[i].name) == 0)
            return parse_number(&number_options[i], value, command, trouble);
    return refuse(trouble, "%s has no option %.100s", verbs[command->verb].name, word);
}

static int parse_verb(const char *word, struct command *command, struct trouble trouble)
{
    for (unsigned i = 0; word != NULL && i < VERB_COUNT; i++)
        if (strcmp(word, verbs[i].name) == 0) {
            command->verb = (enum command_verb)i;
            return 0;
        }
    return refuse(trouble,
                  "unknown command %.100s: fail, slow, lose, misdirect, full, power-cut, "
                  "power-on, flip, stale, heal, status",
                  word == NULL ? "(none)" : word);
}

static int parse_call(const char *word, struct command *command, struct trouble trouble)
{
    for (unsigned i = 0; word != NULL && i < CALL_COUNT; i++)
        if (strcmp(word, calls[i]) == 0 && (verbs[command->verb].calls & (1u << i))) {
            command->call = (enum command_call)i;
            return 0;
        }
    return refuse(trouble, "%s does not go with %.100s", verbs[command->verb].name,
                  word == NULL ? "no call: name read, write or fsync" : word);
}

static int check_whole(const struct command *command, struct trouble trouble)
{
    if (command->verb == COMMAND_SLOW && command->ms + command->jitter_ms == 0)
        return refuse(trouble, "slow needs ms or jitter_ms");
    return 0;
}

int command_parse(const char *line, struct command *command, char *why, size_t why_size)
{
    struct trouble trouble = {why, why_size};
    char words[LINE_BYTES_MAX];
    if (strlen(line) >= sizeof words)
        return refuse(trouble, "a line of more than %zu characters", sizeof words - 1);
    memcpy(words, line, strlen(line) + 1);
    *command = (struct command){.err = EIO,
                                .offset = -1,
                                .seed = -1,
                                .path = "*",
                                .keep = UNDO_KEEP_RANDOM,
                                .count = COMMAND_COUNT_ALL};
    char *rest = NULL;
    int err = parse_verb(strtok_r(words, " \t\r", &rest), command, trouble);
    if (err == 0 && verbs[command->verb].calls != 0)
        err = parse_call(strtok_r(NULL, " \t\r", &rest), command, trouble);
    if (err == 0 && (command->verb == COMMAND_FLIP || command->verb == COMMAND_STALE))
        command->count = 1;
    char *word;
    while (err == 0 && (word = strtok_r(NULL, " \t\r", &rest)) != NULL)
        err = parse_option(word, command, trouble);
    return err == 0 ? check_whole(command, trouble) : err;
}

const char *command_call_name(enum command_call call)
{
    return calls[call];
}

const char *command_verb_name(enum command_verb verb)
{
    return verbs[verb].name;
}

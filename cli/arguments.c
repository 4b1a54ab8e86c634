/* Options by one table: "--name value", "--name=value", "-o value". */
#include "arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct option_row option_rows[OPTION_COUNT] = {
    [OPTION_ADMIN] = {"admin", 'a', "HOST:PORT",
                      "a node's operator's port; may be given for several nodes"},
    [OPTION_TOKEN_FILE] = {"token-file", 0, "FILE", "the token that the port wants"},
    [OPTION_OUTPUT] = {"output", 'o', "table|json", "for people, or what the node said"},
    [OPTION_HELP] = {"help", 'h', NULL, "this text"},
    [OPTION_YES] = {"yes", 'y', NULL, "does not ask before it changes something"},
    [OPTION_PLAN] = {"plan", 0, NULL, "says what would be done, and does nothing"},
    [OPTION_NO_WAIT] = {"no-wait", 0, NULL, "does not wait until it is done"},
    [OPTION_WAIT] = {"wait", 0, "SECONDS", "waits so long at most; 1800 when not given"},
    [OPTION_SITE] = {"site", 0, "SITE", "the datacenter that the node stands in"},
    [OPTION_PEER] = {"peer", 0, "HOST:PORT",
                     "where the other nodes reach it; when not given, it says so itself"},
    [OPTION_BY] = {"by", 0, "NODE_ID", "the node that takes its place"},
    [OPTION_GROUP] = {"group", 0, "GROUP_ID", "the raft group that it moves to"},
    [OPTION_PARTITIONS] = {"partitions", 0, "COUNT", "how many; else the node's num.partitions"},
    [OPTION_REPLICATION_FACTOR] = {"replication-factor", 0, "COUNT",
                                   "how many replicas; else the node's own default"},
    [OPTION_WATCH] = {"watch", 0, NULL, "shows it again every second, until Ctrl-C"},
    [OPTION_LOSE] = {"lose", 0, "SITE", "a site that is taken for lost; may be given for several"},
    [OPTION_OFFSET] = {"offset", 0, "WHERE", "earliest, latest, N, +N, -N, or a time (UTC)"},
    [OPTION_SURVIVOR] = {"survivor", 0, "SITE", "the datacenter that is left, and goes on"},
    [OPTION_LOST] = {"lost", 0, "RECORDS", "what is known to be lost, as the plan says it"},
    [OPTION_SITES_OFF] = {"sites-off", 0, NULL,
                          "your word that all nodes of the lost datacenters are off"},
    [OPTION_FROM] = {"from", 0, "SITE", "the site whose leaders go"},
    [OPTION_TO] = {"to", 0, "SITE", "where they go; when not given, to all other sites in turn"},
    [OPTION_MAX_LAG] = {"max-lag", 0, "TIME", "refuses a target that lags more; 10s if not given"},
    [OPTION_DEADLINE] = {"deadline", 0, "TIME",
                         "past it all is as before; 60s when not given (500ms, 10s, 5m, 1h)"},
    [OPTION_BACK] = {"back", 0, NULL, "takes the switch back that stands"},
    [OPTION_HISTORY] = {"history", 0, NULL, "shows the failover epochs and what they cost"},
    [OPTION_CLIENT_CONFIG] = {"client-config", 'F', "FILE",
                              "the settings of a client; else as applications have them"},
    [OPTION_BOOTSTRAP] = {"bootstrap", 'b', "HOST:PORT,...", "these addresses instead of a file"},
    [OPTION_TOPIC] = {"topic", 't', "TOPIC", "the topic"},
    [OPTION_KEY] = {"key", 'k', "KEY", "the key of all records"},
    [OPTION_KEY_DELIMITER] = {"key-delimiter", 'K', "TEXT",
                              "a line is a key, this, and a value; \\t is a tab"},
    [OPTION_HEADER] = {"header", 'H', "NAME=VALUE", "a header; may be given several times"},
    [OPTION_COUNT_MAX] = {"count", 'c', "COUNT", "ends after so many records"},
    [OPTION_LINES_OF] = {"lines-of", 'l', "FILE", "lines of this file instead of standard input"},
    [OPTION_QUIET] = {"quiet", 'q', NULL, "says nothing but errors"},
    [OPTION_CONSUMER_GROUP] = {"consumer-group", 'G', "GROUP",
                               "shares the topics with others of this group, and keeps its place"},
    [OPTION_BROADCAST] = {"broadcast", 0, "INSTANCE",
                          "all records for each instance of the group, which keeps its place"},
    [OPTION_START] = {"start", 'o', "WHERE",
                      "beginning, end, stored, N, -N, s@MS, or a time (UTC)"},
    [OPTION_EXIT] = {"exit", 'e', NULL, "ends when all that was there has been read"},
    [OPTION_IDLE] = {"idle", 0, "SECONDS", "ends when nothing has come for so long"},
    [OPTION_FORMAT] = {"format", 'f', "FORMAT", "how a record is written (below)"},
    [OPTION_DELIMITER] = {"delimiter", 'D', "TEXT", "behind each record; else the end of a line"},
    [OPTION_NULLS] = {"null", 'Z', NULL, "NULL where there is no key or value"},
    [OPTION_JSON] = {"json", 'J', NULL, "a line of JSON for each record"},
    [OPTION_UNBUFFERED] = {"unbuffered", 'u', NULL, "each record is written at once"},
};

static int find_long(const char *name, size_t length)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strlen(option_rows[i].name) == length &&
            strncmp(option_rows[i].name, name, length) == 0)
            return i;
    return -1;
}

static int find_short(const char *text)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (option_rows[i].letter != 0 && option_rows[i].letter == text[0] && text[1] == '\0')
            return i;
    return -1;
}

static bool note_option(struct arguments *a, int id, const char *value, char *trouble,
                        size_t trouble_size)
{
    bool is_again = arguments_has(a, (enum option_id)id);
    if (is_again && value != NULL && id != OPTION_ADMIN && id != OPTION_LOSE &&
        id != OPTION_HEADER) {
        snprintf(trouble, trouble_size, "--%s is given twice", option_rows[id].name);
        return false;
    }
    a->given |= OPTION_BIT(id);
    a->values[id] = value;
    if (id == OPTION_LOSE && a->lost_count == SITES_MAX) {
        snprintf(trouble, trouble_size, "--lose may be given %d times", SITES_MAX);
        return false;
    }
    if (id == OPTION_LOSE)
        a->lost[a->lost_count++] = value;
    if (id == OPTION_HEADER && a->header_count == HEADERS_MAX) {
        snprintf(trouble, trouble_size, "--header may be given %d times", HEADERS_MAX);
        return false;
    }
    if (id == OPTION_HEADER)
        a->headers[a->header_count++] = value;
    if (id != OPTION_ADMIN)
        return true;
    if (a->admin_count == ADMINS_MAX) {
        snprintf(trouble, trouble_size, "--admin may be given %d times", ADMINS_MAX);
        return false;
    }
    a->admins[a->admin_count++] = value;
    return true;
}

/* One option at `*at`, with its value when that is a text of its own. */
static bool read_option(int count, char **texts, int *at, struct arguments *a, char *trouble,
                        size_t trouble_size)
{
    const char *text = texts[*at];
    bool is_long = text[1] == '-';
    const char *equals = is_long ? strchr(text, '=') : NULL;
    size_t length = equals != NULL ? (size_t)(equals - text) - 2 : strlen(text + 1) - is_long;
    int id = is_long ? find_long(text + 2, length) : find_short(text + 1);
    if (id < 0) {
        a->unknown = text;
        snprintf(trouble, trouble_size, "there is no option %s", text);
        return false;
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (option_rows[id].value == NULL && value != NULL) {
        snprintf(trouble, trouble_size, "--%s takes no value", option_rows[id].name);
        return false;
    }
    if (option_rows[id].value != NULL && value == NULL)
        value = ++*at < count ? texts[*at] : NULL;
    if (option_rows[id].value != NULL && (value == NULL || value[0] == '\0')) {
        snprintf(trouble, trouble_size, "--%s wants %s", option_rows[id].name,
                 option_rows[id].value);
        return false;
    }
    if (!is_long)
        a->by_letter |= OPTION_BIT(id);
    return note_option(a, id, value, trouble, trouble_size);
}

static bool note_word(struct arguments *a, const char *text, char *trouble, size_t trouble_size)
{
    if (a->noun == NULL) {
        a->noun = text;
    } else if (a->verb == NULL) {
        a->verb = text;
    } else if (a->operand_count < OPERANDS_MAX) {
        a->operands[a->operand_count++] = text;
    } else {
        snprintf(trouble, trouble_size, "%s is one word too many", text);
        return false;
    }
    return true;
}

bool arguments_read(int count, char **texts, struct arguments *arguments, char *trouble,
                    size_t trouble_size)
{
    bool are_options_over = false;
    memset(arguments, 0, sizeof *arguments);
    for (int i = 1; i < count; i++) {
        const char *text = texts[i];
        if (!are_options_over && strcmp(text, "--") == 0) {
            are_options_over = true;
        } else if (!are_options_over && text[0] == '-' && text[1] != '\0') {
            if (!read_option(count, texts, &i, arguments, trouble, trouble_size))
                return false;
        } else if (!note_word(arguments, text, trouble, trouble_size)) {
            return false;
        }
    }
    return true;
}

bool arguments_number(const char *text, int64_t least, int64_t most, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least || number > most ||
        strspn(text, "-0123456789") != strlen(text))
        return false;
    *value = number;
    return true;
}

void arguments_take_verb(struct arguments *a)
{
    if (a->verb != NULL && a->verb[0] != '\0') {
        unsigned count = a->operand_count < OPERANDS_MAX ? a->operand_count : OPERANDS_MAX - 1;
        memmove(a->operands + 1, a->operands, count * sizeof a->operands[0]);
        a->operands[0] = a->verb;
        a->operand_count = count + 1;
    }
    a->verb = "";
}

bool arguments_take_letter(struct arguments *a, enum option_id usual, enum option_id own)
{
    if ((a->by_letter & OPTION_BIT(usual)) == 0)
        return true;
    if (arguments_has(a, own))
        return false;
    a->given = (a->given & ~OPTION_BIT(usual)) | OPTION_BIT(own);
    a->by_letter = (a->by_letter & ~OPTION_BIT(usual)) | OPTION_BIT(own);
    a->values[own] = a->values[usual];
    a->values[usual] = NULL;
    return true;
}

bool arguments_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char digits[12] = "";
    int64_t number;
    size_t count = strspn(text, "0123456789");
    if (count >= sizeof digits)
        return false;
    memcpy(digits, text, count);
    if (!arguments_number(digits, 0, INT32_MAX, &number))
        return false;
    for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(text + count, units[i].unit) == 0) {
            *ms = number * units[i].ms;
            return true;
        }
    return false;
}

/* One table: an option's name, where it goes, its range, its default, its meaning. */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOTH        (OPTIONS_LOAD | OPTIONS_READ)
#define MS_MAX      3600000
#define CLIENTS_MAX 1000
#define LANES_MAX   100

enum kind { TEXT, NUMBER, RANGE, NODE, CLIENT };

struct option {
    const char *name;
    int commands;
    enum kind kind;
    size_t place;
    int64_t min, max;
    const char *preset; /* NULL: must be given */
    const char *meaning;
};

#define AT(field) offsetof(struct options, field)

static const struct option table[] = {
    {"--site", BOTH, TEXT, AT(site), 0, 0, NULL, "the site this runs in; consumers' client.rack"},
    {"--bootstrap", BOTH, TEXT, AT(bootstrap), 0, 0, NULL, "HOST:PORT,… of some brokers"},
    {"--history", BOTH, TEXT, AT(history), 0, 0, NULL, "the file to write, which must not exist"},
    {"--seed", BOTH, NUMBER, AT(seed), 0, INT64_MAX, "1", "of what is drawn: keys, sizes, …"},
    {"--tag", BOTH, TEXT, AT(tag), 0, 0, "", "goes into names, where a site has several ledgers"},
    {"--topic", BOTH, TEXT, AT(topic), 0, 0, "ledger", "the topic"},
    {"--node", BOTH, NODE, 0, 0, 0, "", "ID=HOST:PORT, of each node by itself; again for each"},
    {"--client", BOTH, CLIENT, 0, 0, 0, "", "NAME=VALUE, a setting of librdkafka; again for each"},
    {"--group-prefix", BOTH, TEXT, AT(group_prefix), 0, 0, "g", "groups are named PREFIX0 and on"},
    {"--trilog", OPTIONS_LOAD, TEXT, AT(trilog), 0, 0, "",
     "libtrilog's settings file: producers and members are its, not librdkafka's"},
    {"--partitions", OPTIONS_LOAD, NUMBER, AT(partitions), 1, 10000, "12",
     "of the topic, where it has to be created"},
    {"--replication", OPTIONS_LOAD, NUMBER, AT(replication), 1, 7, "3", "likewise"},
    {"--producers", OPTIONS_LOAD, NUMBER, AT(producers), 0, CLIENTS_MAX, "2",
     "idempotent producers"},
    {"--plain-producers", OPTIONS_LOAD, NUMBER, AT(plain_producers), 0, CLIENTS_MAX, "1",
     "producers with acks=all, but not idempotent"},
    {"--rate", OPTIONS_LOAD, NUMBER, AT(rate), 0, 10000000, "0",
     "records a second of all producers here; 0: 300 of each"},
    {"--size", OPTIONS_LOAD, RANGE, AT(size_min), 1, 1000000, "100-1000",
     "MIN-MAX bytes of a value"},
    {"--keys", OPTIONS_LOAD, NUMBER, AT(keys), 1, 1000000000, "100", "different keys"},
    {"--groups", OPTIONS_LOAD, NUMBER, AT(groups), 0, CLIENTS_MAX, "2",
     "consumer groups, the same ones at every site"},
    {"--members", OPTIONS_LOAD, NUMBER, AT(members), 0, CLIENTS_MAX, "1", "of each group, here"},
    {"--assigned", OPTIONS_LOAD, NUMBER, AT(assigned), 0, CLIENTS_MAX, "2",
     "consumers by assignment: from the beginning, from the end, …"},
    {"--commit-ms", OPTIONS_LOAD, NUMBER, AT(commit_ms), 1, MS_MAX, "1000",
     "between a member's commits"},
    {"--rewind-percent", OPTIONS_LOAD, NUMBER, AT(rewind_percent), 0, 100, "0",
     "of a member's commits: back to the first record since its assignment"},
    {"--fetch-offsets-ms", OPTIONS_LOAD, NUMBER, AT(fetch_offsets_ms), 0, MS_MAX, "1000",
     "between audits of committed offsets, by each node; 0: none"},
    {"--admin-ms", OPTIONS_LOAD, NUMBER, AT(admin_ms), 0, MS_MAX, "5000",
     "between acts of small administration; 0: none"},
    {"--metadata-ms", OPTIONS_LOAD, NUMBER, AT(metadata_ms), 0, MS_MAX, "100",
     "between looks at each node's Metadata; 0: none"},
    {"--probe-ms", OPTIONS_LOAD, NUMBER, AT(probe_ms), 0, MS_MAX, "0",
     "between the probe's records to each partition; 0: none; needs --node and --metadata-ms"},
    {"--probe-lanes", OPTIONS_LOAD, NUMBER, AT(probe_lanes), 1, LANES_MAX, "4",
     "so many of them are under way to a node at once"},
    {"--probe-node", OPTIONS_LOAD, NUMBER, AT(probe_node), 0, INT32_MAX, "0",
     "the one node that is probed; 0: each --node"},
    {"--rebalance-ms", OPTIONS_LOAD, NUMBER, AT(rebalance_ms), 0, MS_MAX, "0",
     "between departures of a member, which a new one replaces; 0: none"},
    {"--seconds", OPTIONS_LOAD, NUMBER, AT(seconds), 0, 1000000, "0",
     "to send; 0: until SIGTERM or SIGINT"},
    {"--settle-seconds", OPTIONS_LOAD, NUMBER, AT(settle_seconds), 0, 1000000, "60",
     "to wait for outcomes then"},
    {"--timeout-seconds", OPTIONS_READ, NUMBER, AT(timeout_seconds), 1, 1000000, "120",
     "for reading everything"},
};

#define OPTION_COUNT (sizeof table / sizeof *table)

static bool read_number(const char *text, const char *end, int64_t min, int64_t max,
                        int64_t *number)
{
    char *stopped;
    errno = 0;
    long long value = strtoll(text, &stopped, 10);
    if (text == end || *text < '0' || *text > '9' || stopped != end || errno != 0 || value < min ||
        value > max)
        return false;
    *number = value;
    return true;
}

static bool read_range(const struct option *o, const char *text, int64_t *least, int64_t *most)
{
    const char *dash = strchr(text, '-');
    const char *end = text + strlen(text);
    return dash != NULL && read_number(text, dash, o->min, o->max, least) &&
           read_number(dash + 1, end, *least, o->max, most);
}

static bool read_node(struct options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    int64_t id;
    if (options->node_count == OPTIONS_NODES_MAX || equals == NULL ||
        !read_number(text, equals, 0, INT32_MAX, &id) || strrchr(equals, ':') == NULL ||
        strlen(equals + 1) >= OPTIONS_ADDRESS_BYTES)
        return false;
    struct options_node *node = &options->nodes[options->node_count++];
    node->id = (int32_t)id;
    strcpy(node->address, equals + 1);
    return true;
}

static bool read_client(struct options *options, const char *text)
{
    size_t size = strcspn(text, "=");
    if (options->client_count == OPTIONS_CLIENT_MAX || text[size] == '\0' || size == 0 ||
        size >= OPTIONS_ADDRESS_BYTES)
        return false;
    struct options_client *client = &options->client[options->client_count++];
    memcpy(client->name, text, size);
    client->name[size] = '\0';
    client->value = text + size + 1;
    return true;
}

static bool read_value(struct options *options, const struct option *o, const char *text)
{
    void *place = (char *)options + o->place;
    switch (o->kind) {
    case TEXT:
        *(const char **)place = text;
        return strlen(text) < 4096;
    case NUMBER:
        return read_number(text, text + strlen(text), o->min, o->max, place);
    case RANGE:
        return read_range(o, text, place, (int64_t *)place + 1);
    case NODE:
        return read_node(options, text);
    case CLIENT:
        return read_client(options, text);
    }
    return false;
}

_Static_assert(AT(size_max) == AT(size_min) + sizeof(int64_t), "a range is two numbers in a row");

static const struct option *find(enum options_command command, const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((table[i].commands & (int)command) != 0 && strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static void preset(struct options *options)
{
    memset(options, 0, sizeof *options);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (table[i].preset != NULL && table[i].kind != NODE && table[i].kind != CLIENT)
            read_value(options, &table[i], table[i].preset);
}

/* Names go into lines and into one another: each has room for the longest. */
static const char *find_wrong_name(const struct options *o)
{
    const char *const names[] = {o->site, o->tag, o->topic, o->group_prefix};
    const size_t sizes_max[] = {16, 16, 200, 100};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]);
        if (size > sizes_max[i] || size != strspn(names[i], "abcdefghijklmnopqrstuvwxyz"
                                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                            "0123456789._-"))
            return names[i];
    }
    return o->site[0] == '\0' || o->topic[0] == '\0' ? "the empty one" : NULL;
}

static enum options_answer check(const struct options *options, enum options_command command,
                                 char *why, int why_bytes)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &table[i];
        if ((o->commands & (int)command) != 0 && o->preset == NULL &&
            *(const char *const *)((const char *)options + o->place) == NULL) {
            snprintf(why, (size_t)why_bytes, "%s is needed", o->name);
            return OPTIONS_WRONG;
        }
    }
    const char *wrong = find_wrong_name(options);
    if (wrong == NULL)
        return OPTIONS_OK;
    snprintf(why, (size_t)why_bytes, "a name that can't be one: %.40s", wrong);
    return OPTIONS_WRONG;
}

enum options_answer options_read(struct options *options, enum options_command command, int count,
                                 char *const *arguments, char *why, int why_bytes)
{
    preset(options);
    for (int i = 0; i < count; i += 2) {
        const struct option *o = find(command, arguments[i]);
        if (strcmp(arguments[i], "--help") == 0)
            return OPTIONS_HELP;
        if (o == NULL || i + 1 == count) {
            snprintf(why, (size_t)why_bytes, o == NULL ? "unknown: %.40s" : "%.40s needs a value",
                     arguments[i]);
            return OPTIONS_WRONG;
        }
        if (!read_value(options, o, arguments[i + 1])) {
            snprintf(why, (size_t)why_bytes, "%s can't be %.60s", o->name, arguments[i + 1]);
            return OPTIONS_WRONG;
        }
    }
    return check(options, command, why, why_bytes);
}

void options_print_help(enum options_command command)
{
    printf(
        command == OPTIONS_LOAD
            ? "ledger load: a load of clients; the history of what they did and were told\n"
            : "ledger read: the final reads: all partitions through a consumer of this site, and\n"
              "from each node's own replica\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &table[i];
        if ((o->commands & (int)command) == 0)
            continue;
        printf("  %-20s %s", o->name, o->meaning);
        if (o->preset == NULL)
            printf(" (needed)\n");
        else
            printf(o->preset[0] != '\0' ? " (%s)\n" : "\n", o->preset);
    }
}

int options_nodes(const struct options *options, struct options_node nodes[OPTIONS_NODES_MAX])
{
    int count = options->node_count;
    memcpy(nodes, options->nodes, sizeof options->nodes);
    const char *from = options->bootstrap;
    while (options->node_count == 0 && *from != '\0' && count < OPTIONS_NODES_MAX) {
        size_t size = strcspn(from, ",");
        if (size > 0 && size < OPTIONS_ADDRESS_BYTES) {
            nodes[count].id = -1;
            memcpy(nodes[count].address, from, size);
            nodes[count++].address[size] = '\0';
        }
        from += size;
        from += *from == ',';
    }
    return count;
}

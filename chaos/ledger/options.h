/* What the command line may say; `ledger --help` prints the table that options.c holds. */
#ifndef LEDGER_OPTIONS_H
#define LEDGER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_NODES_MAX     32
#define OPTIONS_ADDRESS_BYTES 128
#define OPTIONS_CLIENT_MAX    16

struct options_node {
    int32_t id; /* -1: not known, an address of --bootstrap */
    char address[OPTIONS_ADDRESS_BYTES];
};

/* A setting of librdkafka's, as it is given to every client. */
struct options_client {
    char name[OPTIONS_ADDRESS_BYTES];
    const char *value; /* borrowed */
};

struct options {
    const char *site, *tag, *bootstrap, *history, *topic, *group_prefix, *trilog;
    int64_t seed, partitions, replication, producers, plain_producers, rate, keys, groups, members,
        assigned, rewind_percent, commit_ms, fetch_offsets_ms, admin_ms, metadata_ms, probe_ms,
        probe_lanes, probe_node, rebalance_ms, seconds, settle_seconds, timeout_seconds;
    int64_t size_min, size_max;
    struct options_node nodes[OPTIONS_NODES_MAX];
    int node_count;
    struct options_client client[OPTIONS_CLIENT_MAX];
    int client_count;
};

enum options_command { OPTIONS_LOAD = 1, OPTIONS_READ = 2 };
enum options_answer { OPTIONS_OK, OPTIONS_HELP, OPTIONS_WRONG };

/* Reads what follows the command's name. Texts are borrowed from `arguments`. When it is wrong,
 * `why` says so in words. */
enum options_answer options_read(struct options *options, enum options_command command, int count,
                                 char *const *arguments, char *why, int why_bytes);

void options_print_help(enum options_command command);

/* The nodes to ask one by one: those of --node, or else the addresses of --bootstrap. Returns how
 * many. */
int options_nodes(const struct options *options, struct options_node nodes[OPTIONS_NODES_MAX]);

#endif

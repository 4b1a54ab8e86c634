/* A router without a file for one more connection would refuse clients in the middle of a failover,
 * when all come at once: better it says so when it starts. */
#include "router/open_files.h"

#include <sys/resource.h>

#include "router/node_pool.h"

#define OWN_FILES 64 /* loops, sockets that listen, the operator's connections, standard ones */

static uint64_t files_of_node(const struct router_settings *settings)
{
    uint64_t questions = 2; /* probe, own */
    return NODE_PIPE_KINDS * (uint64_t)settings->pipes_per_node +
           (uint64_t)settings->lanes_per_node_max + questions;
}

/* One node coordinates a group: the others have few of these at the same time. */
static uint64_t files_of_groups(const struct router_settings *settings)
{
    return (uint64_t)settings->group_lanes_per_node_max;
}

uint64_t router_open_files(const struct router_settings *settings)
{
    uint64_t of_nodes = settings->nodes.count * files_of_node(settings) + files_of_groups(settings);
    if (of_nodes > NODE_CONNECTIONS_MAX)
        of_nodes = NODE_CONNECTIONS_MAX;
    return (uint64_t)settings->connections_max + (uint64_t)settings->shards * of_nodes + OWN_FILES;
}

static uint64_t raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return UINT64_MAX; /* nobody knows */
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max;
}

int router_open_files_check(const struct router_settings *settings, struct err_note *note)
{
    uint64_t needed = router_open_files(settings), allowed = raise_limit();
    if (needed <= allowed)
        return 0;
    return err_set(
        note, ERR_INVALID,
        "%s: max.connections, and %lld shards' connections to %u nodes, may need %llu open "
        "files, and this process may open %llu (ulimit -Hn, LimitNOFILE)",
        settings->source, (long long)settings->shards, settings->nodes.count,
        (unsigned long long)needed, (unsigned long long)allowed);
}

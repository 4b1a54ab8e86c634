/* What settings of a node mean to each other. */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "node.h"

#define refuse(c, note, ...) check_refuse(&node_table, c, note, __VA_ARGS__)

static const struct check_order orders[] = {
    {CONF_ID_gone_ms, CONF_ID_election_timeout_ms, 0,
     "Raft's fallback must not come before fast failover"},
    {CONF_ID_group_min_session_timeout_ms, CONF_ID_group_max_session_timeout_ms, 0,
     "no session timeout would be allowed"},
    {CONF_ID_max_message_bytes, CONF_ID_request_bytes_max, CONF_REQUEST_SLACK_BYTES,
     "a batch must fit a request, with 1 MiB around it"},
    {CONF_ID_request_bytes_max, CONF_ID_memory_bytes_max, 0,
     "a request must fit the memory for all of them"},
    {CONF_ID_max_message_bytes, CONF_ID_peer_window_bytes, CONF_REQUEST_SLACK_BYTES,
     "a batch must fit the window to a peer, with 1 MiB around it"},
    {CONF_ID_max_message_bytes, CONF_ID_wal_queue_bytes_max, CONF_REQUEST_SLACK_BYTES,
     "a batch must fit the queue of the WAL, with 1 MiB around it"},
    {CONF_ID_max_message_bytes, CONF_ID_wal_file_bytes, CONF_REQUEST_SLACK_BYTES,
     "a batch must fit a WAL file, with 1 MiB around it"},
    {CONF_ID_num_partitions, CONF_ID_topic_partitions_max, 0, "no topic would be accepted"},
};

static int check_heartbeat(const struct conf_settings *c, struct err_note *note)
{
    if (c->gone_ms / 3 < c->heartbeat_ms)
        return refuse(c, note, c->lines[CONF_ID_gone_ms] ? CONF_ID_gone_ms : CONF_ID_heartbeat_ms,
                      "gone_ms must be at least three times heartbeat_ms, or a late heartbeat "
                      "looks like a lost node");
    return 0;
}

/* Loops, peers, workers; and the WAL, whose files stay open. */
int64_t conf_own_files(const struct conf_settings *settings)
{
    return 128 + settings->wal_kept_bytes / settings->wal_file_bytes;
}

static int check_files(const struct conf_settings *c, struct err_note *note)
{
    static const enum conf_setting_id blamed[] = {CONF_ID_connections_max, CONF_ID_open_files_max,
                                                  CONF_ID_wal_kept_bytes};
    int64_t own = conf_own_files(c);
    unsigned i = 0;
    if (c->connections_max + own <= c->open_files_max)
        return 0;
    while (i < 2 && c->lines[blamed[i]] == 0)
        i++; /* what the operator wrote */
    return refuse(c, note, blamed[i],
                  "%" PRId64 " connections are open files too, and the node needs %" PRId64
                  " of its own, the WAL's included; open_files_max is %" PRId64,
                  c->connections_max, own, c->open_files_max);
}

static int check_nodes(const struct conf_settings *c, struct err_note *note)
{
    const struct conf_nodes *n = &c->nodes;
    unsigned site_count = 0;
    for (unsigned i = 0; i < n->count; i++) {
        bool is_new_site = true;
        for (unsigned k = 0; k < i; k++) {
            if (n->entries[k].id == n->entries[i].id)
                return refuse(c, note, CONF_ID_nodes, "two nodes have the id %u", n->entries[i].id);
            if (check_is_same_address(&n->entries[k].peer, &n->entries[i].peer))
                return refuse(c, note, CONF_ID_nodes, "nodes %u and %u have the same peer address",
                              n->entries[k].id, n->entries[i].id);
            is_new_site &= strcmp(n->entries[k].site, n->entries[i].site) != 0;
        }
        site_count += is_new_site;
    }
    if (c->raft_groups_per_node * n->count > CONF_RAFT_GROUPS_MAX)
        return refuse(c, note, CONF_ID_raft_groups_per_node,
                      "makes %" PRId64 " raft groups on %u nodes, at most %d are possible",
                      c->raft_groups_per_node * n->count, n->count, CONF_RAFT_GROUPS_MAX);
    if (site_count > CONF_SITES_MAX)
        return refuse(c, note, CONF_ID_nodes, "%u sites, at most %d are possible", site_count,
                      CONF_SITES_MAX);
    return 0;
}

static int check_own_node(const struct conf_settings *c, struct err_note *note)
{
    const struct conf_node *own = conf_own_node(c);
    if (own != NULL && strcmp(own->site, c->site) != 0)
        return refuse(c, note, CONF_ID_site, "is %s here, but %s for node %u among nodes", c->site,
                      own->site, own->id);
    if (c->peer_listen.port == 0)
        return refuse(c, note, CONF_ID_peer_listen,
                      "must be set, for node %" PRId64 " is not among nodes", c->node_id);
    if (c->advertised.port == 0)
        return refuse(c, note, CONF_ID_advertised,
                      "must be set, for listen is every interface, which no client can reach");
    if (check_is_same_address(&c->listen, &c->peer_listen))
        return refuse(c, note, CONF_ID_peer_listen, "is the same address as listen");
    return 0;
}

static int check_admin(const struct conf_settings *c, struct err_note *note)
{
    int err = check_admin_token(&node_table, c, CONF_ID_admin_listen, c->admin_token_file, note);
    if (err != 0 || c->admin_listen.port == 0)
        return err;
    if (c->lines[CONF_ID_admin_listen] != 0 &&
        (check_is_same_address(&c->admin_listen, &c->listen) ||
         check_is_same_address(&c->admin_listen, &c->peer_listen)))
        return refuse(c, note, CONF_ID_admin_listen,
                      "is the same address as listen or peer_listen");
    return 0; /* a default that is taken is told when the node starts, and it serves without */
}

int conf_check(const struct conf_settings *settings, struct err_note *note)
{
    int err = check_orders(&node_table, settings, orders, sizeof orders / sizeof orders[0], note);
    if (err == 0)
        err = check_heartbeat(settings, note);
    if (err == 0)
        err = check_files(settings, note);
    if (err == 0)
        err = check_nodes(settings, note);
    if (err == 0)
        err = check_own_node(settings, note);
    if (err == 0)
        err = check_admin(settings, note);
    return err;
}

const struct conf_node *conf_own_node(const struct conf_settings *settings)
{
    for (unsigned i = 0; i < settings->nodes.count; i++)
        if ((int64_t)settings->nodes.entries[i].id == settings->node_id)
            return &settings->nodes.entries[i];
    return NULL;
}

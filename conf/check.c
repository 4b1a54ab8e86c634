/* What settings mean to each other.
 *
 * Each rule names the setting at fault, so that the message leads to its line. Rules about
 * ranges are in the table. Only what can't work is refused; what is merely unwise is not. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "setting.h"

/* "file:line: name: …", or "file: name: …" for a default or one that is missing. */
__attribute__((format(printf, 4, 5))) static int refuse(const struct conf_settings *c,
                                                        struct err_note *note,
                                                        enum conf_setting_id id, const char *format,
                                                        ...)
{
    char text[ERR_NOTE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *name = conf_table[id].name;
    if (c->lines[id] == 0)
        return err_set(note, ERR_INVALID, "%s: %s: %s", c->source, name, text);
    return err_set(note, ERR_INVALID, "%s:%u: %s: %s", c->source, c->lines[id], name, text);
}

/* A pair of numbers of which the first must not be above the second. */
struct order {
    enum conf_setting_id low;  /* the setting to blame … */
    enum conf_setting_id high; /* … for passing this one */
    int64_t slack;             /* room wanted between them */
    const char *why;           /* for the operator */
};

static const struct order orders[] = {
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

static int64_t number_of(const struct conf_settings *c, enum conf_setting_id id)
{
    return *(const int64_t *)setting_value(c, &conf_table[id]);
}

static int check_orders(const struct conf_settings *c, struct err_note *note)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        const struct order *o = &orders[i];
        if (number_of(c, o->low) <= number_of(c, o->high) - o->slack)
            continue;
        /* Blame what the operator wrote, not a default. */
        if (c->lines[o->low] == 0 && c->lines[o->high] != 0)
            return refuse(c, note, o->high, "is too small for %s: %s", conf_table[o->low].name,
                          o->why);
        return refuse(c, note, o->low, "is too large for %s: %s", conf_table[o->high].name, o->why);
    }
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

static bool is_same_address(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
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
            if (is_same_address(&n->entries[k].peer, &n->entries[i].peer))
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
    if (is_same_address(&c->listen, &c->peer_listen))
        return refuse(c, note, CONF_ID_peer_listen, "is the same address as listen");
    return 0;
}

bool conf_is_loopback(const char *host)
{
    struct in_addr address;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static int check_admin(const struct conf_settings *c, struct err_note *note)
{
    if (c->admin_listen.port == 0)
        return 0;
    if (!conf_is_loopback(c->admin_listen.host) && c->admin_token_file[0] == '\0')
        return refuse(c, note, CONF_ID_admin_listen,
                      "is reached from other machines, so admin_token_file must be set");
    if (c->lines[CONF_ID_admin_listen] != 0 && (is_same_address(&c->admin_listen, &c->listen) ||
                                                is_same_address(&c->admin_listen, &c->peer_listen)))
        return refuse(c, note, CONF_ID_admin_listen,
                      "is the same address as listen or peer_listen");
    return 0; /* a default that is taken is told when the node starts, and it serves without */
}

int conf_check(const struct conf_settings *settings, struct err_note *note)
{
    int err = check_orders(settings, note);
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

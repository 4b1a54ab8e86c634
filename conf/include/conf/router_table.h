/* The table of a router's settings; rows and columns are those of conf/table.h. A name that a
 * node's table has too means the same here. */
#ifndef CONF_ROUTER_TABLE_H
#define CONF_ROUTER_TABLE_H

#include "conf/field.h"

/* clang-format off */
#define ROUTER_TABLE(X) \
X(HEADING, about_identity, "", "", "", 0, 0, "Who this router is") \
X(NUMBER,  router_id, "router_id", "", NULL, CONF_ROUTER_ID_LEAST, INT32_MAX, \
  "This router's id, unique among the routers: clients see it as a broker's. It begins far above the ids " \
  "that nodes are given, so that it is none of theirs") \
X(NAME,    site, "site", "", NULL, 1, 63, \
  "The datacenter this router stands in; clients see it as the rack") \
X(NAME,    environment, "environment", "", "production", 1, 63, \
  "The environment that this router and its clients belong to") \
\
X(HEADING, about_addresses, "", "", "", 0, 0, "Addresses") \
X(ADDRESS, listen, "listen", "", "0.0.0.0:9192", 0, 0, \
  "Where Kafka clients connect: 100 above a node's port, so that both may stand on one machine") \
X(ADDRESS, advertised, "advertised", "", "", 0, 0, \
  "The address that clients are told for this router; by default `listen`, unless that is every interface") \
X(ADDRESS, admin_listen, "admin_listen", "or none", "", 0, 0, \
  "Where the operator connects (HTTP); by default on loopback, 508 above the port of `listen`: " \
  "127.0.0.1:9700 beside 9192. Beyond loopback only with admin_token_file") \
X(PATH,    admin_token_file, "admin_token_file", "", "", 0, 1023, \
  "A file with the token that the operator's requests must carry; only its owner should read it") \
\
X(HEADING, about_others, "", "", "", 0, 0, "The cluster, and the other routers") \
X(ADDRESSES, nodes, "nodes", "", NULL, 1, CONF_ADDRESSES_MAX, \
  "Nodes of the cluster, each as the host:port where its Kafka clients connect, some of every site: any " \
  "one that answers tells of all the others") \
X(ROUTERS, routers, "routers", "", "[]", 0, CONF_ROUTERS_MAX, \
  "The other routers, of this site and the others: router_id, site, and address, at which clients reach " \
  "it. Those of this site share its clients") \
X(SITE_NETWORKS, site_networks, "site_networks", "", "[]", 0, CONF_RULES_MAX, \
  "Where each site's applications stand, each entry with site and addresses; the first that fits decides, and who " \
  "fits none belongs to this router's site. A client is told of the routers of its own site while one of them " \
  "answers, whichever router it asks: so a client that has picked another site's goes home") \
\
X(HEADING, about_rights, "", "", "", 0, 0, "Who may do what") \
X(ENVIRONMENTS, environments, "environments", "", "[]", 0, CONF_RULES_MAX, \
  "Clients of other environments, each entry with environment, and client_ids (names, or beginnings as test-*), " \
  "addresses or both; the first entry that fits decides, and who fits none is of this router's own. A client of " \
  "another environment is refused everything but the list of routers") \
X(PERMITS, allow, "allow", "", "[]", 0, CONF_RULES_MAX, \
  "With any entry here, clients may do only what some entry says: client_ids (default \"*\"), addresses (default " \
  "\"::/0\", everywhere), topics and groups (names, or beginnings as orders-*; default none), and admin (default " \
  "false): to change topics, configs and groups themselves") \
\
X(HEADING, about_backlog, "", "", "", 0, 0, "When consumers fall behind") \
X(BACKLOGS, backlog_limits, "backlog_limits", "", "[]", 0, CONF_RULES_MAX, \
  "Each with topic, group and a limit: records, the sum over all partitions that the group has not committed, or ms, " \
  "the age of the oldest of them, or both. Above it, records for the topic are not taken through this router, until " \
  "the group has come down to half of it: answer throttle (the default: THROTTLING_QUOTA_EXCEEDED, clients try again) or " \
  "refuse (POLICY_VIOLATION, they do not)") \
X(NUMBER,  backlog_check_ms, "backlog_check_ms", "ms", "5 s", 100, CONF_HOUR, \
  "How often each backlog is looked at") \
\
X(HEADING, about_threads, "", "", "", 0, 0, "Threads") \
X(NUMBER,  shards, "shards", "", "0", 0, 64, \
  "Threads with an event loop each, among which clients are spread; each has connections of its own to " \
  "the nodes; 0: one a core") \
\
X(HEADING, about_limits, "", "", "", 0, 0, "Limits") \
X(NUMBER,  connections_max, "max.connections", "", "12000", 1, 1000000, \
  "Client connections; one more is closed at once. Connections to nodes are not counted: they are open " \
  "files too") \
X(NUMBER,  connections_per_address_max, "max.connections.per.ip", "", "12000", 1, 1000000, \
  "Client connections from one address; one more is closed at once") \
X(NUMBER,  request_bytes_max, "socket.request.max.bytes", "bytes", "99 MiB", 64 * CONF_KIB, CONF_GIB, \
  "Largest request; a larger one closes its connection. Less than the nodes' own limit (100 MiB by " \
  "default), because it goes to them with the client's identity around it") \
X(NUMBER,  requests_in_flight_max, "requests_in_flight_max", "", "64", 1, 10000, \
  "Unanswered requests of one connection; at the limit it is not read from") \
X(NUMBER,  memory_bytes_max, "memory_bytes_max", "bytes", "512 MiB", CONF_MIB, 1 * CONF_TIB, \
  "Bytes of all requests on their way to nodes, those held included, and as much again of answers on " \
  "their way to clients; at the limit connections are not read from") \
\
X(HEADING, about_ways, "", "", "", 0, 0, "Connections to the nodes") \
X(NUMBER,  pipes_per_node, "pipes_per_node", "", "4", 1, 64, \
  "Connections of each shard to each node for requests that are answered soon, many under way on one") \
X(NUMBER,  lanes_per_node_max, "lanes_per_node_max", "", "256", 1, 10000, \
  "Connections of each shard to each node, at most, for requests that the node may keep waiting (a fetch), " \
  "one under way on each; beyond it they wait for one that is free") \
X(NUMBER,  group_lanes_per_node_max, "group_lanes_per_node_max", "", "1000", 1, 10000, \
  "The same for the joining of groups: so many members of one group can wait for each other through one " \
  "shard; with more, its rebalances end at their timeout. Opened as needed, closed when idle") \
X(NUMBER,  metadata_refresh_ms, "metadata_refresh_ms", "ms", "10 s", 100, CONF_HOUR, \
  "What the router knows of nodes, topics and leaders is asked for again after so long, even if nothing " \
  "has gone wrong") \
\
X(HEADING, about_failover, "", "", "", 0, 0, "When a node or a site goes away") \
X(NUMBER,  node_silent_ms, "node_silent_ms", "ms", "1 s", 50, CONF_MINUTE, \
  "A node that answers nothing for so long, though something is due, counts as gone") \
X(NUMBER,  hold_ms_max, "hold_ms_max", "ms", "30 s", 100, 10 * CONF_MINUTE, \
  "A produce request without a leader to go to is held for so long at most, and never beyond its own timeout") \
X(NUMBER,  drain_ms_max, "drain_ms_max", "ms", "10 s", 0, 10 * CONF_MINUTE, \
  "A router that is told to end answers what is under way first, for so long at most") \
\
X(HEADING, about_events, "", "", "", 0, 0, "Events") \
X(CHOICE,  event_level, "event_level", "debug|info|warn|error", "info", 0, 0, \
  "Least level that is written to standard error")
/* clang-format on */

#endif

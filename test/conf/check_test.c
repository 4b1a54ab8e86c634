#include "conf/conf.h"

#include <criterion/criterion.h>

static const char *const head = "cluster_name: trilog\n"
                                "node_id: 2\n"
                                "site: b\n"
                                "data_directory: /var/lib/trilog\n"
                                "nodes: [{id: 1, site: a, peer: '127.0.0.1:9093'},\n"
                                "        {id: 2, site: b, peer: '127.0.0.2:9093'}]\n"
                                "listen: 127.0.0.2:9092\n";

/* `rest` stands from line 8 on; the whole is refused with this message. */
static void assert_refused(const char *rest, const char *message)
{
    char text[4096];
    snprintf(text, sizeof text, "%s%s", head, rest);
    struct conf_settings settings;
    struct err_note note = {0};
    cr_assert_eq(conf_parse(bytes_of_text(text), "test.yaml", &settings, &note), ERR_INVALID);
    cr_assert_str_eq(note.text, message);
}

/* The whole file is refused with this message. */
static void assert_file_refused(const char *text, const char *message)
{
    struct conf_settings settings;
    struct err_note note = {0};
    cr_assert_eq(conf_parse(bytes_of_text(text), "test.yaml", &settings, &note), ERR_INVALID);
    cr_assert_str_eq(note.text, message);
}

/* `rest` stands from line 8 on. */
static void assert_sound(const char *rest)
{
    char text[4096];
    snprintf(text, sizeof text, "%s%s", head, rest);
    struct conf_settings settings;
    struct err_note note = {0};
    cr_assert_eq(conf_parse(bytes_of_text(text), "test.yaml", &settings, &note), 0, "%s",
                 note.text);
}

Test(conf_check, refuses_times_that_would_elect_without_need)
{
    assert_refused("gone_ms: 224\n", "test.yaml:8: gone_ms: gone_ms must be at least three times "
                                     "heartbeat_ms, or a late heartbeat looks like a lost node");
    assert_refused("heartbeat_ms: 101\n",
                   "test.yaml:8: heartbeat_ms: gone_ms must be at least three times heartbeat_ms, "
                   "or a late heartbeat looks like a lost node");
    assert_refused("gone_ms: 1001\n", "test.yaml:8: gone_ms: is too large for election_timeout_ms: "
                                      "Raft's fallback must not come before fast failover");
}

Test(conf_check, blames_the_setting_that_the_file_has)
{
    assert_refused("\nelection_timeout_ms: 250\n",
                   "test.yaml:9: election_timeout_ms: is too small for gone_ms: Raft's fallback "
                   "must not come before fast failover");
}

Test(conf_check, refuses_limits_that_contradict_each_other)
{
    assert_refused("group.min.session.timeout.ms: 31 min\n",
                   "test.yaml:8: group.min.session.timeout.ms: is too large for "
                   "group.max.session.timeout.ms: no session timeout would be allowed");
    assert_refused("open_files_max: 10135\n",
                   "test.yaml:8: open_files_max: 10000 connections are open files too, and the "
                   "node needs 136 of its own, the WAL's included; open_files_max is 10135");
    assert_refused("max.connections: 19865\n",
                   "test.yaml:8: max.connections: 19865 connections are open files too, and the "
                   "node needs 136 of its own, the WAL's included; open_files_max is 20000");
    assert_refused("wal_kept_bytes: 1 TiB\n",
                   "test.yaml:8: wal_kept_bytes: 10000 connections are open files too, and the "
                   "node needs 16512 of its own, the WAL's included; open_files_max is 20000");
    assert_refused("message.max.bytes: 32 MiB\nsocket.request.max.bytes: 32 MiB\n",
                   "test.yaml:8: message.max.bytes: is too large for socket.request.max.bytes: a "
                   "batch must fit a request, with 1 MiB around it");
    assert_refused("memory_bytes_max: 99 MiB\n",
                   "test.yaml:8: memory_bytes_max: is too small for socket.request.max.bytes: a "
                   "request must fit the memory for all of them");
    assert_refused("num.partitions: 10\ntopic_partitions_max: 9\n",
                   "test.yaml:8: num.partitions: is too large for topic_partitions_max: no topic "
                   "would be accepted");
}

Test(conf_check, refuses_more_raft_groups_than_a_cluster_can_have)
{
    assert_file_refused("cluster_name: t\nnode_id: 1\nsite: a\ndata_directory: /d\nlisten: h:1\n"
                        "raft_groups_per_node: 64\nnodes:\n"
                        "  - {id: 1, site: a, peer: 'h:2'}\n  - {id: 2, site: b, peer: 'h:3'}\n"
                        "  - {id: 3, site: c, peer: 'h:4'}\n  - {id: 4, site: d, peer: 'h:5'}\n",
                        "test.yaml:6: raft_groups_per_node: makes 256 raft groups on 4 nodes, at "
                        "most 255 are possible");
}

Test(conf_check, refuses_nodes_that_can_not_be_told_apart)
{
    assert_file_refused("cluster_name: t\nnode_id: 1\nsite: a\ndata_directory: /d\n"
                        "listen: h:1\nnodes:\n"
                        "  - {id: 1, site: a, peer: 'h:2'}\n  - {id: 1, site: b, peer: 'h:3'}\n",
                        "test.yaml:6: nodes: two nodes have the id 1");
    assert_file_refused("cluster_name: t\nnode_id: 1\nsite: a\ndata_directory: /d\n"
                        "listen: h:1\nnodes:\n"
                        "  - {id: 1, site: a, peer: 'h:2'}\n  - {id: 2, site: b, peer: 'h:2'}\n",
                        "test.yaml:6: nodes: nodes 1 and 2 have the same peer address");
}

Test(conf_check, refuses_more_sites_than_are_possible)
{
    assert_file_refused("cluster_name: t\nnode_id: 1\nsite: a\ndata_directory: /d\n"
                        "listen: h:1\nnodes:\n"
                        "  - {id: 1, site: a, peer: 'h:2'}\n  - {id: 2, site: b, peer: 'h:3'}\n"
                        "  - {id: 3, site: c, peer: 'h:4'}\n  - {id: 4, site: d, peer: 'h:5'}\n"
                        "  - {id: 5, site: e, peer: 'h:6'}\n  - {id: 6, site: f, peer: 'h:7'}\n",
                        "test.yaml:6: nodes: 6 sites, at most 5 are possible");
}

Test(conf_check, refuses_a_node_in_another_site_than_its_founders_say)
{
    assert_file_refused("cluster_name: t\nnode_id: 1\nsite: b\ndata_directory: /d\n"
                        "listen: h:1\nnodes: [{id: 1, site: a, peer: 'h:2'}]\n",
                        "test.yaml:3: site: is b here, but a for node 1 among nodes");
}

Test(conf_check, wants_addresses_that_do_not_follow_from_others)
{
    assert_file_refused("cluster_name: t\nnode_id: 4\nsite: b\ndata_directory: /d\n"
                        "listen: h:1\nnodes: [{id: 1, site: a, peer: 'h:2'}]\n",
                        "test.yaml: peer_listen: must be set, for node 4 is not among nodes");
    assert_file_refused("cluster_name: t\nnode_id: 1\nsite: a\ndata_directory: /d\n"
                        "nodes: [{id: 1, site: a, peer: 'h:2'}]\n",
                        "test.yaml: advertised: must be set, for listen is every interface, which "
                        "no client can reach");
    assert_refused("peer_listen: 127.0.0.2:9092\n",
                   "test.yaml:8: peer_listen: is the same address as listen");
}

Test(conf_check, wants_a_token_where_the_admin_port_is_reached_from_elsewhere)
{
    assert_refused("admin_listen: 10.0.0.1:9600\n",
                   "test.yaml:8: admin_listen: is reached from other machines, so "
                   "admin_token_file must be set");
    assert_refused("admin_listen: 0.0.0.0:9600\n",
                   "test.yaml:8: admin_listen: is reached from other machines, so "
                   "admin_token_file must be set");
    assert_refused("admin_listen: 127.0.0.2:9092\n",
                   "test.yaml:8: admin_listen: is the same address as listen or peer_listen");
    assert_sound("admin_listen: 0.0.0.0:9600\nadmin_token_file: /etc/trilog/token\n");
    assert_sound("admin_listen: localhost:9600\n");
    assert_sound("admin_listen: none\n");
}

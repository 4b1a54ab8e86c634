#include "conf/conf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Seven lines that any file needs; what a test adds stands from line 8 on. */
#define HEAD                                                                                       \
    "cluster_name: trilog\n"                                                                       \
    "node_id: 2\n"                                                                                 \
    "site: b\n"                                                                                    \
    "data_directory: /var/lib/trilog\n"                                                            \
    "listen: 127.0.0.2:9092\n"                                                                     \
    "nodes: [{id: 1, site: a, peer: '127.0.0.1:9093'},\n"                                          \
    "        {id: 2, site: b, peer: '127.0.0.2:9093'}]\n"

static struct conf_settings settings_of(const char *text)
{
    struct conf_settings settings;
    struct err_note note = {0};
    int err = conf_parse(bytes_of_text(text), "test.yaml", &settings, &note);
    cr_assert_eq(err, 0, "%s", note.text);
    return settings;
}

/* The text is refused with exactly this message, and the settings stay as they were. */
static void assert_refused(const char *text, const char *message)
{
    static struct conf_settings settings, before;
    memset(&settings, 0x5a, sizeof settings);
    before = settings;
    struct err_note note = {0};
    cr_assert_eq(conf_parse(bytes_of_text(text), "test.yaml", &settings, &note), ERR_INVALID, "%s",
                 text);
    cr_assert_str_eq(note.text, message);
    cr_assert_eq(memcmp(&settings, &before, sizeof settings), 0);
}

Test(conf_parse, takes_defaults_for_what_is_not_set)
{
    struct conf_settings c = settings_of(HEAD);
    cr_assert_eq(c.heartbeat_ms, 75);
    cr_assert_eq(c.gone_ms, 300);
    cr_assert_eq(c.wal_file_bytes, 64 * CONF_MIB);
    cr_assert_eq(c.log_retention_ms, 7 * CONF_DAY);
    cr_assert_eq(c.log_retention_bytes, -1);
    cr_assert_eq(c.max_message_bytes, 1048588);
    cr_assert_eq(c.offsets_retention_minutes, 7 * 24 * 60);
    cr_assert_eq(c.auto_create_topics_enable, true);
    cr_assert_eq(c.message_timestamp_type, CONF_TIMESTAMP_CREATE_TIME);
    cr_assert_eq(c.lines[CONF_ID_heartbeat_ms], 0);
}

Test(conf_parse, keeps_what_the_file_sets_and_where)
{
    struct conf_settings c = settings_of(HEAD "auto.create.topics.enable: false\n"
                                              "log.message.timestamp.type: LogAppendTime\n"
                                              "event_level: warn\n"
                                              "log.retention.ms: 604800001\n");
    cr_assert_str_eq(c.cluster_name, "trilog");
    cr_assert_eq(c.node_id, 2);
    cr_assert_str_eq(c.data_directory, "/var/lib/trilog");
    cr_assert_eq(c.auto_create_topics_enable, false);
    cr_assert_eq(c.message_timestamp_type, CONF_TIMESTAMP_LOG_APPEND_TIME);
    cr_assert_eq(c.event_level, 2);
    cr_assert_eq(c.log_retention_ms, 604800001);
    cr_assert_eq(c.lines[CONF_ID_log_retention_ms], 11);
    cr_assert_eq(c.nodes.count, 2);
    cr_assert_eq(c.nodes.entries[0].id, 1);
    cr_assert_str_eq(c.nodes.entries[0].site, "a");
    cr_assert_eq(c.nodes.entries[0].peer.port, 9093);
}

Test(conf_parse, takes_sizes_and_durations_with_suffixes)
{
    struct conf_settings c = settings_of(HEAD "tail_memory_bytes: 3 GiB\n"
                                              "wal_kept_bytes: 10MiB\n"
                                              "disk_reserve_bytes: 4096 B\n"
                                              "gone_ms: 2 s\n"
                                              "election_timeout_ms: 2500 ms\n"
                                              "log.retention.ms: 2 h\n"
                                              "log.roll.ms: 30 d\n"
                                              "offsets.retention.minutes: 1 d\n");
    cr_assert_eq(c.tail_memory_bytes, 3 * CONF_GIB);
    cr_assert_eq(c.wal_kept_bytes, 10 * CONF_MIB);
    cr_assert_eq(c.disk_reserve_bytes, 4096);
    cr_assert_eq(c.gone_ms, 2000);
    cr_assert_eq(c.election_timeout_ms, 2500);
    cr_assert_eq(c.log_retention_ms, 2 * CONF_HOUR);
    cr_assert_eq(c.log_roll_ms, 30 * CONF_DAY);
    cr_assert_eq(c.offsets_retention_minutes, 1440);
}

Test(conf_parse, takes_names_and_ipv6_addresses)
{
    struct conf_settings c = settings_of(HEAD "advertised: log-b.example:19092\n"
                                              "peer_listen: '[::1]:9093'\n");
    cr_assert_str_eq(c.advertised.host, "log-b.example");
    cr_assert_eq(c.advertised.port, 19092);
    cr_assert_str_eq(c.peer_listen.host, "::1");
    cr_assert_eq(c.peer_listen.port, 9093);
}

Test(conf_parse, completes_addresses_that_follow_from_others)
{
    struct conf_settings c = settings_of(HEAD);
    cr_assert_str_eq(c.advertised.host, "127.0.0.2");
    cr_assert_eq(c.advertised.port, 9092);
    cr_assert_str_eq(c.peer_listen.host, "127.0.0.2");
    cr_assert_eq(c.peer_listen.port, 9093);
}

Test(conf_parse, puts_the_admin_port_on_loopback_beside_the_clients)
{
    struct conf_settings c = settings_of(HEAD);
    cr_assert_str_eq(c.admin_listen.host, "127.0.0.2", "nodes on one machine differ already");
    cr_assert_eq(c.admin_listen.port, 9600);
    c = settings_of(HEAD "admin_listen: '[::1]:9000'\n");
    cr_assert_str_eq(c.admin_listen.host, "::1");
    cr_assert_eq(c.admin_listen.port, 9000);
    c = settings_of(HEAD "admin_listen: none\n");
    cr_assert_eq(c.admin_listen.port, 0);
}

Test(conf_parse, keeps_the_admin_port_within_what_ports_there_are)
{
    struct conf_settings c;
    const char *text = "cluster_name: t\nnode_id: 1\nsite: a\ndata_directory: /d\n"
                       "listen: 10.0.0.1:65500\nnodes: [{id: 1, site: a, peer: 'h:2'}]\n";
    cr_assert_eq(conf_parse(bytes_of_text(text), "t", &c, NULL), 0);
    cr_assert_str_eq(c.admin_listen.host, "127.0.0.1",
                     "never where others can reach it by default");
    cr_assert_eq(c.admin_listen.port, 65500 - 508);
}

Test(conf_parse, refuses_unknown_and_repeated_settings_with_their_line)
{
    assert_refused(HEAD "heartbeat_ms: 75\nheart_beat: 75\n",
                   "test.yaml:9: 'heart_beat' is not a setting");
    assert_refused(HEAD "about_limits: 1\n", "test.yaml:8: 'about_limits' is not a setting");
    assert_refused(HEAD "gone_ms: 300\n\ngone_ms: 300\n",
                   "test.yaml:10: gone_ms is set twice, first in line 8");
    assert_refused(HEAD "[a, b]: 1\n", "test.yaml:8: '' is not a setting");
    assert_refused(HEAD "'': 1\n", "test.yaml:8: '' is not a setting");
}

Test(conf_parse, refuses_numbers_that_are_none_or_out_of_range)
{
    assert_refused(HEAD "shards: many\n", "test.yaml:8: shards: 'many' is not a whole number");
    assert_refused(HEAD "shards: 4 s\n", "test.yaml:8: shards: '4 s' is not a whole number");
    assert_refused(HEAD "shards: 65\n", "test.yaml:8: shards: 65 is not between 0 and 64");
    assert_refused(HEAD "shards: -1\n", "test.yaml:8: shards: -1 is not between 0 and 64");
    assert_refused(HEAD "shards:\n", "test.yaml:8: shards: '' is not a whole number");
    assert_refused(HEAD "shards: '-'\n", "test.yaml:8: shards: '-' is not a whole number");
    assert_refused(HEAD "log.retention.bytes: 99999999999999999999\n",
                   "test.yaml:8: log.retention.bytes: 99999999999999999999 is too large a number");
    assert_refused(HEAD "log.retention.bytes: 9007199254740993 KiB\n",
                   "test.yaml:8: log.retention.bytes: 9007199254740993 KiB is too large a number");
    assert_refused(HEAD "\nlog.segment.bytes: 10 MB\n",
                   "test.yaml:9: log.segment.bytes: '10 MB' is not a whole number of bytes "
                   "(suffixes: B, KiB, MiB, GiB, TiB)");
    assert_refused(HEAD "gone_ms: 1.5 s\n",
                   "test.yaml:8: gone_ms: '1.5 s' is not a whole number of ms "
                   "(suffixes: ms, s, min, h, d)");
    assert_refused(HEAD "log.segment.bytes: 1 B\n",
                   "test.yaml:8: log.segment.bytes: 1 B is not between 1 KiB and 2147483647");
}

Test(conf_parse, refuses_values_of_another_type)
{
    assert_refused(HEAD "auto.create.topics.enable: yes\n",
                   "test.yaml:8: auto.create.topics.enable: 'yes' is neither true nor false");
    assert_refused(HEAD "event_level: inf\n",
                   "test.yaml:8: event_level: 'inf' is none of debug|info|warn|error");
    assert_refused(HEAD "event_level: debug|info\n",
                   "test.yaml:8: event_level: 'debug|info' is none of debug|info|warn|error");
    assert_refused(HEAD "gone_ms: [300]\n", "test.yaml:8: gone_ms: is not a single value");
    assert_refused(HEAD "gone_ms: {a: 300}\n", "test.yaml:8: gone_ms: is not a single value");
    assert_refused(HEAD "gone_ms: \"300\\0\"\n", "test.yaml:8: gone_ms: is not a single value");
    assert_refused("node_id: 1\nsite: 'a b'\n", "test.yaml:2: site: 'a b' may hold letters, "
                                                "digits, '.', '_' and '-' only");
    assert_refused("site: ''\n", "test.yaml:1: site: is empty");
    assert_refused("site: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234\n",
                   "test.yaml:1: site: is longer than 63 bytes");
    assert_refused("data_directory: \"/a\\nb\"\n",
                   "test.yaml:1: data_directory: holds a control character");
}

Test(conf_parse, refuses_what_is_no_address)
{
    static const char *const bad[] = {"9092",      "host",       "host:",       ":9092",
                                      "host:0",    "host:65536", "host:9092x",  "ho st:9092",
                                      "[::1]9092", "[::1:9092",  "[host]:9092", "host:99999999999",
                                      "a:b:9092"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512], message[256];
        snprintf(text, sizeof text, HEAD "advertised: '%s'\n", bad[i]);
        snprintf(message, sizeof message,
                 "test.yaml:8: advertised: '%s' is not host:port (a port from 1 to 65535; IPv6 as "
                 "[::1]:9092)",
                 bad[i]);
        assert_refused(text, message);
    }
}

Test(conf_parse, refuses_nodes_that_are_not_described_fully)
{
    assert_refused("nodes: 3\n", "test.yaml:1: nodes: is not a list of nodes");
    assert_refused("nodes: []\n", "test.yaml:1: nodes: is empty");
    assert_refused("nodes:\n  - a\n", "test.yaml:2: nodes: each node is 'id', 'site' and 'peer'");
    assert_refused("nodes:\n  - id: 1\n    peer: h:1\n", "test.yaml:2: nodes: a node has no site");
    assert_refused("nodes:\n  - site: a\n    peer: h:1\n", "test.yaml:2: nodes: a node has no id");
    assert_refused("nodes:\n  - site: a\n    id: 1\n", "test.yaml:2: nodes: a node has no peer");
    assert_refused("nodes:\n  - site: a\n    rack: 1\n",
                   "test.yaml:3: 'rack' is not a setting of a node (id, site, peer)");
    assert_refused("nodes:\n  - id: 0\n", "test.yaml:2: id: 0 is not between 1 and 2147483647");
    assert_refused("nodes:\n  - id: 1\n    id: 1\n",
                   "test.yaml:3: id is set twice for the same node");
    assert_refused("nodes:\n  - peer: h:1\n    peer: h:2\n",
                   "test.yaml:3: peer is set twice for the same node");
}

Test(conf_parse, refuses_more_nodes_than_it_can_hold)
{
    char text[8192];
    size_t length = (size_t)snprintf(text, sizeof text, "nodes:\n");
    for (int i = 1; i <= CONF_NODES_MAX + 1; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "  - {id: %d, site: a, peer: 'h:%d'}\n", i, i);
    assert_refused(text, "test.yaml:66: nodes: more than 64 nodes");
}

Test(conf_parse, names_what_must_be_set)
{
    assert_refused("node_id: 1\n", "test.yaml: cluster_name must be set (The cluster's id, the "
                                   "same on all its nodes; nodes of another one are refused)");
}

Test(conf_parse, refuses_what_is_not_one_mapping)
{
    assert_refused("", "test.yaml:1: the file is empty");
    assert_refused("# nothing\n", "test.yaml:1: the file is empty");
    assert_refused("\n- a\n", "test.yaml:2: the file is not a list of 'setting: value'");
    assert_refused(HEAD "---\nshards: 1\n", "test.yaml:9: a second document ('---')");
    assert_refused(HEAD "shards: [1\n", "test.yaml:9: not YAML: did not find expected ',' or ']'");
    assert_refused(HEAD "\tshards: 1\n",
                   "test.yaml:8: not YAML: found character that cannot start any token");
    assert_refused(HEAD "shards: *there\n", "test.yaml:8: not YAML: found undefined alias");
}

Test(conf_parse, survives_a_list_that_holds_itself)
{
    assert_refused("nodes: &a [*a]\n", "test.yaml:1: nodes: each node is 'id', 'site' and 'peer'");
}

Test(conf_parse, refuses_every_truncation_or_accepts_it_whole_without_harm)
{
    size_t length = strlen(HEAD);
    for (size_t size = 0; size < length; size++) {
        uint8_t *cut = malloc(size + 1); /* exact, so that the sanitizer sees a read beyond */
        memcpy(cut, HEAD, size);
        struct conf_settings settings;
        struct err_note note = {0};
        int err = conf_parse(bytes_of(cut, size), "test.yaml", &settings, &note);
        cr_assert(size == length - 1 ? err == 0 : err == ERR_INVALID, "%zu bytes: %s", size,
                  note.text);
        free(cut);
    }
}

Test(conf_parse, works_without_a_note)
{
    struct conf_settings settings;
    cr_assert_eq(conf_parse(bytes_of_text("a: 1\n"), "test.yaml", &settings, NULL), ERR_INVALID);
}

Test(conf_load, says_which_file_can_not_be_read)
{
    struct conf_settings settings;
    struct err_note note = {0};
    cr_assert_eq(conf_load("/nowhere/site.yaml", &settings, &note), UV_ENOENT);
    cr_assert_str_eq(note.text, "/nowhere/site.yaml: no such file or directory");
    cr_assert_eq(conf_load("conf", &settings, &note), UV_EISDIR);
}

Test(conf_load, refuses_a_file_beyond_its_limit)
{
    char path[] = "/tmp/trilog-conf-XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = fdopen(descriptor, "w");
    for (int64_t i = 0; i <= CONF_FILE_BYTES_MAX; i++)
        fputc('#', file);
    fclose(file);
    struct conf_settings settings;
    struct err_note note = {0};
    int err = conf_load(path, &settings, &note);
    remove(path);
    cr_assert_eq(err, ERR_TOO_LARGE, "%s", note.text);
}

Test(conf_load, accepts_the_sample_of_each_site)
{
    for (char site = 'a'; site <= 'c'; site++) {
        char path[64];
        snprintf(path, sizeof path, "conf/samples/site-%c.yaml", site);
        struct conf_settings c;
        struct err_note note = {0};
        cr_assert_eq(conf_load(path, &c, &note), 0, "%s", note.text);
        cr_assert_eq(c.site[0], site);
        cr_assert_eq(c.node_id, site - 'a' + 1);
        cr_assert_eq(c.nodes.count, 3);
        cr_assert_not_null(conf_own_node(&c));
    }
}

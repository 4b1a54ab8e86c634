/* The table of a node's settings: from it come the fields of struct conf_settings, the parser, the
 * checks and the printed description. A setting is a row here and nowhere else.
 *
 *   X(kind, field, name, unit, default, least, most, meaning)
 *
 *   kind     HEADING (text between settings), NUMBER, FLAG, CHOICE, NAME, PATH, ADDRESS, NETWORKS
 *            (addresses and networks, in one text), or a list: NODES, ADDRESSES, ROUTERS
 *   name     the key in the file. Kafka's own broker name where it means the same.
 *   unit     "bytes" and "ms" and "minutes" also take suffixes ("64 MiB", "10 s"); of a CHOICE
 *            its values, '|' between them, in the order of the enum; "or none" of an ADDRESS that
 *            may be none
 *   default  as it would stand in the file; NULL: must be set; "": follows from others; "[]":
 *            a list without entries
 *   least, most   inclusive; of a NUMBER its value, of a NAME or PATH its length,
 *            of a list its entries
 *   meaning  for the operator, who sees it in `trilogd --print-config` */
#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include "conf/field.h"

/* Raft groups of a whole cluster, the one of its metadata beside them. */
#define CONF_RAFT_GROUPS_MAX 255

/* The largest record batch that any part takes, and what its request needs around it. */
#define CONF_BATCH_BYTES_MAX     (32 * CONF_MIB)
#define CONF_REQUEST_SLACK_BYTES CONF_MIB

/* clang-format off */
#define CONF_TABLE(X) \
X(HEADING, about_identity, "", "", "", 0, 0, "Who this node is") \
X(NAME,    cluster_name, "cluster_name", "", NULL, 1, 63, \
  "The cluster's id, the same on all its nodes; nodes of another one are refused") \
X(NUMBER,  node_id, "node_id", "", NULL, 1, INT32_MAX, \
  "This node's id, unique in the cluster, kept in the data folder: an address may change, it may not") \
X(NAME,    site, "site", "", NULL, 1, 63, \
  "The datacenter this node stands in; clients see it as the rack") \
X(PATH,    data_directory, "data_directory", "", NULL, 1, 1023, \
  "Where this node keeps everything; made when it is missing") \
X(PATH,    wal_directory, "wal_directory", "", "", 0, 1023, \
  "Where the WAL is, if not in data_directory: a disk of its own, which nobody reads from") \
X(NODES,   nodes, "nodes", "", NULL, 1, CONF_NODES_MAX, \
  "The founding nodes: id, site, and peer, the address at which the others reach it") \
\
X(HEADING, about_addresses, "", "", "", 0, 0, "Addresses") \
X(ADDRESS, listen, "listen", "", "0.0.0.0:9092", 0, 0, \
  "Where Kafka clients connect") \
X(ADDRESS, advertised, "advertised", "", "", 0, 0, \
  "The address that clients are told; by default `listen`, unless that is every interface") \
X(ADDRESS, peer_listen, "peer_listen", "", "", 0, 0, \
  "Where other nodes connect; by default this node's own `peer` among `nodes`") \
X(ADDRESS, admin_listen, "admin_listen", "or none", "", 0, 0, \
  "Where the operator connects (HTTP: `trilog`, health, metrics); by default on loopback, 508 above " \
  "the port of `listen`: 127.0.0.1:9600 beside 9092. Beyond loopback only with admin_token_file") \
X(PATH,    admin_token_file, "admin_token_file", "", "", 0, 1023, \
  "A file with the token that the operator's requests must carry; only its owner should read it") \
\
X(ADDRESS, peer_advertised, "peer_advertised", "", "", 0, 0, \
  "Where other nodes reach this one, told to them and kept by the cluster: it may change; by default this " \
  "node's own `peer` among `nodes`, or `peer_listen`, unless that is every interface") \
X(NETWORKS, router_addresses, "router_addresses", "", "127.0.0.0/8, ::1", 0, 0, \
  "Who may pass requests on for others, as trilog-router does: addresses and networks. What they say of a " \
  "client (its address) is believed; whoever else passes something on is refused") \
\
X(HEADING, about_threads, "", "", "", 0, 0, "Threads") \
X(NUMBER,  shards, "shards", "", "0", 0, 64, \
  "Threads with an event loop each, among which raft groups and connections are spread; 0: one a core") \
X(NUMBER,  disk_threads, "disk_threads", "", "2", 1, 64, \
  "Threads for what may wait long for the disk: cold reads, shipping of segments") \
\
X(HEADING, about_replication, "", "", "", 0, 0, "Replication") \
X(NUMBER,  raft_groups_per_node, "raft_groups_per_node", "", "4", 1, 64, \
  "Raft groups per founding node, fixed when the cluster is founded; each carries many partitions") \
X(NUMBER,  heartbeat_ms, "heartbeat_ms", "ms", "75", 10, 10 * CONF_SECOND, \
  "Between two signs of life to each peer; one frame speaks for all raft groups") \
X(NUMBER,  gone_ms, "gone_ms", "ms", "300", 50, CONF_MINUTE, \
  "Silence after which a node counts as gone and its groups elect; at least three heartbeats") \
X(NUMBER,  election_timeout_ms, "election_timeout_ms", "ms", "1000", 100, 5 * CONF_MINUTE, \
  "Raft's own election timeout, the fallback when fast failover has not found a leader") \
X(NUMBER,  peer_inflight_entries_max, "peer_inflight_entries_max", "", "1024", 1, 65536, \
  "Entries a raft group sends to a peer ahead of its acknowledgement") \
X(NUMBER,  peer_window_bytes, "peer_window_bytes", "bytes", "64 MiB", CONF_MIB, 16 * CONF_GIB, \
  "Unacknowledged bytes to one peer, all raft groups together; at least bandwidth times round trip. " \
  "A raft group holds as many that are not applied yet; beyond it produce waits") \
X(NUMBER,  ship_bytes_per_second, "ship_bytes_per_second", "bytes", "64 MiB", 4 * CONF_MIB, 1 * CONF_TIB, \
  "Segments that this node fetches a second when it is too far behind to catch up by entries; counted " \
  "as in files, also when they come compressed") \
X(CHOICE,  ship_compression, "ship_compression", "auto|always|never", "auto", 0, 0, \
  "Segments between sites compressed (LZ4), where both nodes agree; auto: while the link is slower than " \
  "ship_bytes_per_second and it gains; always: whatever the link takes, if it gains") \
X(NUMBER,  node_dead_after_ms, "node_dead_after_ms", "ms", "30 min", 0, 365 * CONF_DAY, \
  "A node silent for so long counts as dead: its replicas are built on other nodes of its site, if there " \
  "are any; 0: never") \
X(NUMBER,  leader_return_quiet_ms, "leader_return_quiet_ms", "ms", "3 s", 0, CONF_HOUR, \
  "Leaders go home to a node that has been well, and level, for so long without a break") \
X(NUMBER,  leader_return_interval_ms, "leader_return_interval_ms", "ms", "100", 1, CONF_MINUTE, \
  "Between two leaders that a node gives back, or sends away in a planned switch") \
X(NUMBER,  leader_return_freeze_ms, "leader_return_freeze_ms", "ms", "5 min", 0, CONF_HOUR, \
  "A node that is lost again and again must be well twice as long each time from its fourth loss within " \
  "a minute on, up to this; 0: never longer") \
X(NUMBER,  site_canary_ms, "site_canary_ms", "ms", "500 ms", 0, CONF_SECOND, \
  "Where nodes are of several sites each tries the real path to each so often: a record produced and fetched, " \
  "an offset committed, in the topic __trilog_canary; at least 200 ms, and what was found counts for 1.5 s. " \
  "0: not at all, and nodes judge sites by each other's signs of life only") \
X(NUMBER,  catch_up_kept_bytes, "catch_up_kept_bytes", "bytes", "64 MiB", CONF_MIB, 64 * CONF_GIB, \
  "Newest entries kept in memory for peers that are behind; older ones come from the WAL") \
\
X(HEADING, about_wal, "", "", "", 0, 0, "Write-ahead log") \
X(NUMBER,  wal_file_bytes, "wal_file_bytes", "bytes", "64 MiB", CONF_MIB, 4 * CONF_GIB, \
  "Size of a WAL file; files are preallocated and recycled") \
X(NUMBER,  wal_kept_bytes, "wal_kept_bytes", "bytes", "512 MiB", 0, 16 * CONF_TIB, \
  "WAL kept beyond the checkpoint, so that a node that was away catches up without segments") \
X(NUMBER,  wal_queue_bytes_max, "wal_queue_bytes_max", "bytes", "128 MiB", CONF_MIB, 16 * CONF_GIB, \
  "Bytes that wait for the WAL; at the limit produce requests wait") \
\
X(HEADING, about_storage, "", "", "", 0, 0, "Storage") \
X(NUMBER,  tail_memory_bytes, "tail_memory_bytes", "bytes", "256 MiB", CONF_MIB, 1 * CONF_TIB, \
  "Newest batches in memory, all partitions together; beyond it the oldest go to segments") \
X(NUMBER,  checkpoint_interval_ms, "checkpoint_interval_ms", "ms", "10 s", 100, CONF_HOUR, \
  "Between two checkpoints of a raft group; bounds what a restart reads again") \
X(NUMBER,  scrub_interval_ms, "scrub_interval_ms", "ms", "7 d", 0, 3650 * CONF_DAY, \
  "All segments of the disk are read once in this time and damaged ones are mended; 0: only by command") \
X(NUMBER,  scrub_bytes_per_second, "scrub_bytes_per_second", "bytes", "32 MiB", CONF_MIB, 1 * CONF_TIB, \
  "At most so much is read for it in a second, also when it is hurried by command") \
X(NUMBER,  disk_reserve_percent, "disk_reserve_percent", "", "5", 0, 50, \
  "Free space, of the whole disk, left for metadata and offsets: below it leadership goes to nodes with " \
  "room, and produce is refused where a majority has none; reads go on") \
X(NUMBER,  disk_reserve_bytes, "disk_reserve_bytes", "bytes", "512 MiB", 0, 16 * CONF_TIB, \
  "The same in bytes: whichever is more counts. An eighth of it, at most 64 MiB, is held in a file of its own") \
X(NUMBER,  disk_slow_ms, "disk_slow_ms", "ms", "50", 1, CONF_HOUR, \
  "A disk whose writes take four times as long as its peers', and at least so long, is slow: others lead") \
X(NUMBER,  disk_hang_ms_max, "disk_hang_ms_max", "ms", "60 s", 0, CONF_HOUR, \
  "A write to the disk that does not come back for so long ends the process, whose groups others lead by " \
  "then; 0: it waits") \
\
X(HEADING, about_limits, "", "", "", 0, 0, "Limits") \
X(NUMBER,  connections_max, "max.connections", "", "10000", 1, 1000000, \
  "Client connections; one more is closed at once") \
X(NUMBER,  connections_per_address_max, "max.connections.per.ip", "", "10000", 1, 1000000, \
  "Client connections from one address; one more is closed at once") \
X(NUMBER,  connections_idle_ms_max, "connections.max.idle.ms", "ms", "10 min", CONF_SECOND, 365 * CONF_DAY, \
  "A connection without a whole request for so long is closed") \
X(NUMBER,  request_bytes_max, "socket.request.max.bytes", "bytes", "100 MiB", 64 * CONF_KIB, CONF_GIB, \
  "Largest request; a larger one closes its connection") \
X(NUMBER,  requests_in_flight_max, "requests_in_flight_max", "", "64", 1, 10000, \
  "Unanswered requests of one connection; at the limit it is not read from") \
X(NUMBER,  router_requests_in_flight_max, "router_requests_in_flight_max", "", "1024", 1, 10000, \
  "The same of a router's connection, which many clients share") \
X(NUMBER,  memory_bytes_max, "memory_bytes_max", "bytes", "512 MiB", CONF_MIB, 1 * CONF_TIB, \
  "Bytes of all requests being read or worked on, and as much again of answers that clients have not " \
  "taken, and of records read for them; at the limit connections are not read from") \
X(NUMBER,  fetch_bytes_max, "fetch.max.bytes", "bytes", "55 MiB", 1 * CONF_KIB, CONF_GIB, \
  "Largest answer to a fetch, whatever the client asks for; one batch always goes out") \
X(NUMBER,  open_files_max, "open_files_max", "", "20000", 256, 10000000, \
  "Open files and connections: segments are open while they are read or written only; connections " \
  "leave the node's own files room, also where the system allows less than this") \
X(NUMBER,  topic_partitions_max, "topic_partitions_max", "", "10000", 1, 1000000, \
  "Partitions of one topic; a topic with more is refused") \
X(NUMBER,  metrics_partitions_max, "metrics_partitions_max", "", "1000", 0, 100000, \
  "Partitions that /metrics has series of, and consumer groups, and committed offsets of theirs, each; " \
  "trilog_metrics_left_out counts those beyond") \
\
X(HEADING, about_topics, "", "", "", 0, 0, "Topics, where a topic has no setting of its own") \
X(NUMBER,  num_partitions, "num.partitions", "", "1", 1, 10000, \
  "Partitions of a topic that does not say how many") \
X(NUMBER,  default_replication_factor, "default.replication.factor", "", "3", 1, 7, \
  "Replicas of a topic that does not say how many") \
X(FLAG,    auto_create_topics_enable, "auto.create.topics.enable", "", "true", 0, 0, \
  "A client that asks for an unknown topic creates it") \
X(NUMBER,  min_insync_replicas, "min.insync.replicas", "", "1", 1, 7, \
  "Sites that must have a record before its acknowledgement, where that is more than the majority") \
X(NUMBER,  max_message_bytes, "message.max.bytes", "bytes", "1048588", 1, CONF_BATCH_BYTES_MAX, \
  "Largest record batch") \
X(CHOICE,  message_timestamp_type, "log.message.timestamp.type", "CreateTime|LogAppendTime", "CreateTime", 0, 0, \
  "Whose clock stamps records: the producer's or the broker's") \
X(NUMBER,  log_retention_ms, "log.retention.ms", "ms", "7 d", -1, INT64_MAX, \
  "Age at which a segment is deleted, the open one too; -1: never") \
X(NUMBER,  log_retention_bytes, "log.retention.bytes", "bytes", "-1", -1, INT64_MAX, \
  "Size of a partition beyond which its oldest segments are deleted; -1: no limit") \
X(NUMBER,  log_retention_check_interval_ms, "log.retention.check.interval.ms", "ms", "5 min", 1, INT64_MAX, \
  "How often retention looks at open segments; sealed ones and a full disk do not wait for it") \
X(NUMBER,  log_segment_bytes, "log.segment.bytes", "bytes", "1 GiB", CONF_KIB, INT32_MAX, \
  "Size at which a segment is sealed; smaller than Kafka allows is allowed") \
X(NUMBER,  log_roll_ms, "log.roll.ms", "ms", "7 d", 1, INT64_MAX, \
  "Age at which a segment is sealed even when it is not full") \
X(NUMBER,  log_cleaner_delete_retention_ms, "log.cleaner.delete.retention.ms", "ms", "1 d", 0, INT64_MAX, \
  "A compacted topic keeps a record without value for so long after it made older ones go") \
X(NUMBER,  log_cleaner_min_compaction_lag_ms, "log.cleaner.min.compaction.lag.ms", "ms", "0", 0, INT64_MAX, \
  "Every record of a compacted topic stays for so long at least") \
X(NUMBER,  log_cleaner_max_compaction_lag_ms, "log.cleaner.max.compaction.lag.ms", "ms", "9223372036854775807", 1, INT64_MAX, \
  "A record of a compacted topic waits for so long at most, whatever share is not compacted yet") \
X(NUMBER,  log_cleaner_dedupe_buffer_bytes, "log.cleaner.dedupe.buffer.size", "bytes", "32 MiB", CONF_KIB, 16 * CONF_GIB, \
  "Memory for the keys of one compaction step, 32 bytes a key; more keys take more passes. One step at a " \
  "time is planned, and one may be carried out on each disk thread") \
X(NUMBER,  compaction_step_bytes, "compaction_step_bytes", "bytes", "256 MiB", CONF_KIB, 16 * CONF_TIB, \
  "Old segments that one compaction step replaces, at least one: a checkpoint waits for a step") \
X(NUMBER,  log_cleaner_backoff_ms, "log.cleaner.backoff.ms", "ms", "15 s", 10, CONF_DAY, \
  "Between two looks for partitions to compact") \
\
X(HEADING, about_groups, "", "", "", 0, 0, "Consumer groups and producers") \
X(NUMBER,  offsets_topic_num_partitions, "offsets.topic.num.partitions", "", "12", 1, 10000, \
  "Partitions of __consumer_offsets, fixed when the first consumer group is looked for") \
X(NUMBER,  offsets_retention_minutes, "offsets.retention.minutes", "minutes", "7 d", 1, INT32_MAX, \
  "Committed offsets of a group without members are kept for so long") \
X(NUMBER,  offset_metadata_bytes_max, "offset.metadata.max.bytes", "bytes", "4096", 0, CONF_MIB, \
  "Largest text a consumer may keep with a committed offset") \
X(CHOICE,  commit_policy, "commit_policy", "guard|deny|allow", "guard", 0, 0, \
  "What a consumer's commit may lower, in groups without a policy of their own (`trilog group policy`): " \
  "guard: what the consumer itself has committed; deny: nothing, it is refused; allow: anything, as in " \
  "Kafka. The same on all nodes: the coordinator's counts") \
X(NUMBER,  commit_history_ms, "commit_history_ms", "ms", "7 d", CONF_SECOND, 3650 * CONF_DAY, \
  "How long it is remembered who moved a group's offsets (`trilog group history`); also bounded by number") \
X(NUMBER,  group_min_session_timeout_ms, "group.min.session.timeout.ms", "ms", "6 s", 1, INT32_MAX, \
  "Shortest session timeout a member may ask for") \
X(NUMBER,  group_max_session_timeout_ms, "group.max.session.timeout.ms", "ms", "30 min", 1, INT32_MAX, \
  "Longest session timeout a member may ask for") \
X(NUMBER,  group_initial_rebalance_delay_ms, "group.initial.rebalance.delay.ms", "ms", "0", 0, 5 * CONF_MINUTE, \
  "Wait of a new group for more members; 0: a lone consumer starts at once and rebalances are cheap") \
X(NUMBER,  group_max_size, "group.max.size", "", "10000", 1, 1000000, \
  "Members of a group; one more is refused") \
X(NUMBER,  partition_producers_max, "partition_producers_max", "", "10000", 1, 1000000, \
  "Idempotent producers remembered per partition; the one longest silent is forgotten first") \
\
X(HEADING, about_follower_fetch, "", "", "", 0, 0, "Fetching from the consumer's own site") \
X(NUMBER,  follower_fetch_lag_records_max, "follower_fetch_lag_records_max", "", "10000", 0, INT64_MAX, \
  "A replica lagging by more entries, of which each record batch is one, is not named to consumers " \
  "and sends them to the leader") \
X(NUMBER,  follower_fetch_lag_ms_max, "follower_fetch_lag_ms_max", "ms", "1 s", 0, CONF_HOUR, \
  "The same by time: milliseconds since the oldest entry it lacks") \
\
X(HEADING, about_events, "", "", "", 0, 0, "Events") \
X(CHOICE,  event_level, "event_level", "debug|info|warn|error", "info", 0, 0, \
  "Least level that is written to standard error")
/* clang-format on */

#endif

/* The table of a client's settings (libtrilog); rows and columns are those of conf/table.h. */
#ifndef CONF_CLIENT_TABLE_H
#define CONF_CLIENT_TABLE_H

#include "conf/field.h"

/* clang-format off */
#define CLIENT_TABLE(X) \
X(HEADING, about_identity, "", "", "", 0, 0, "Where applications stand") \
X(NAME,    site, "site", "", NULL, 1, 63, \
  "The datacenter of this machine; brokers see it as the rack") \
X(NAME,    environment, "environment", "", "production", 1, 63, \
  "The environment that applications here belong to; routers of another one refuse them. Another than production is " \
  "said behind the client id (docs/router.md, 4)") \
X(NAME,    client_id, "client.id", "", "trilog", 1, 63, \
  "What brokers and routers call the application") \
\
X(HEADING, about_addresses, "", "", "", 0, 0, "The cluster") \
X(ADDRESSES, bootstrap, "bootstrap", "", NULL, 1, CONF_ADDRESSES_MAX, \
  "Routers, or nodes where there are none, each as host:port, some of every site: any one that answers tells " \
  "of all the others") \
\
X(HEADING, about_sending, "", "", "", 0, 0, "Sending") \
X(NUMBER,  send_timeout_ms, "send_timeout_ms", "ms", "30 s", 100, 15 * CONF_MINUTE, \
  "What happened to a record is told after so long at most") \
X(NUMBER,  record_bytes_max, "record_bytes_max", "bytes", "1000000", 1000, 32 * CONF_MIB, \
  "Largest record: key, value and headers together") \
X(NUMBER,  queue_records_max, "queue_records_max", "", "100000", 1, 10000000, \
  "Records in memory, sent and not acknowledged yet") \
X(NUMBER,  queue_bytes_max, "queue_bytes_max", "bytes", "64 MiB", CONF_MIB, CONF_GIB, \
  "The same in bytes") \
\
X(HEADING, about_spool, "", "", "", 0, 0, "The spool: records that no site takes, on disk until one does") \
X(PATH,    spool_directory, "spool_directory", "", "", 0, 900, \
  "A folder of each application's own; without one there is no spool") \
X(NUMBER,  spool_bytes_max, "spool_bytes_max", "bytes", "256 MiB", CONF_MIB, CONF_TIB, \
  "Of its files; beyond it records are refused") \
X(NUMBER,  spool_records_max, "spool_records_max", "", "1000000", 1, 100000000, \
  "Of its records; each costs some 150 bytes of memory") \
X(FLAG,    spool_is_durable, "spool_is_durable", "", "true", 0, 0, \
  "A record that is said to be in the spool is there after a power cut too; else after the application's " \
  "own end only") \
\
X(HEADING, about_consuming, "", "", "", 0, 0, "Consuming") \
X(CHOICE,  group_start, "group_start", "beginning|end", "beginning", 0, 0, \
  "Where a group starts in a partition of which it has no position") \
X(CHOICE,  broadcast_start, "broadcast_start", "beginning|end", "end", 0, 0, \
  "The same for a new instance of broadcast consumption; a partition added later starts at its beginning") \
X(NUMBER,  consumer_records_max, "consumer_records_max", "", "10000", 1, 10000000, \
  "Records in memory, ready and in hand; beyond it no more are fetched") \
X(NUMBER,  consumer_bytes_max, "consumer_bytes_max", "bytes", "64 MiB", CONF_MIB, CONF_GIB, \
  "The same in bytes; librdkafka has half as much again beside it, and an answer of each node") \
X(NUMBER,  commit_ms, "commit_ms", "ms", "1 s", 10, CONF_MINUTE, \
  "What is done is committed so often; at a rebalance and at the end at once") \
X(NUMBER,  session_timeout_ms, "session_timeout_ms", "ms", "10 s", 6 * CONF_SECOND, 30 * CONF_MINUTE, \
  "After so long without a sign of life others get a consumer's partitions") \
X(NUMBER,  revoke_wait_ms, "revoke_wait_ms", "ms", "3 s", 0, 5 * CONF_MINUTE, \
  "A rebalance waits so long for what is in hand; what is not done by then comes again") \
X(NUMBER,  stuck_after_ms, "stuck_after_ms", "ms", "1 min", 100, CONF_DAY, \
  "A record so long in hand is named in an event, and again each time that its age has doubled") \
X(NUMBER,  near_return_ms, "near_return_ms", "ms", "1 min", CONF_SECOND, CONF_DAY, \
  "Where addresses are nodes: a consumer that had to leave its own site's reads from it again after so long, " \
  "longer each time that it left again") \
X(NUMBER,  repeat_window_records, "repeat_window_records", "", "100000", 0, 10000000, \
  "Repeats are known among so many records with an id, for repeat_window_ms; each costs some 60 bytes of memory. " \
  "0: repeats are handed out") \
X(NUMBER,  repeat_window_ms, "repeat_window_ms", "ms", "15 min", CONF_SECOND, CONF_DAY, \
  "The same in time") \
\
X(HEADING, about_failures, "", "", "", 0, 0, "Failure logs: what failed, on disk, tried again later and later") \
X(PATH,    failure_directory, "failure_directory", "", "", 0, 700, \
  "A folder of each application's own; without one there are no such logs") \
X(NUMBER,  failure_bytes_max, "failure_bytes_max", "bytes", "64 MiB", CONF_MIB, CONF_TIB, \
  "Of a log's files; beyond it failures are the application's own again") \
X(NUMBER,  failure_records_max, "failure_records_max", "", "10000", 1, 10000000, \
  "Of its records; each costs some 200 bytes of memory") \
X(NUMBER,  retry_wait_ms, "retry_wait_ms", "ms", "1 s", 10, CONF_DAY, \
  "A record is tried again so long after its first failure; the wait doubles with each one") \
X(NUMBER,  retry_wait_ms_max, "retry_wait_ms_max", "ms", "10 min", 10, CONF_DAY, \
  "The longest such wait") \
X(NUMBER,  retry_count_max, "retry_count_max", "", "10", 1, 1000000, \
  "After so many failures a record is not tried again by itself: it stays in the log, and is told")
/* clang-format on */

#endif

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
  "The environment that applications here belong to") \
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
  "own end only")
/* clang-format on */

#endif

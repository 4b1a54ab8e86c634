/* Kafka's topic configs that mean the same here: one table of names, types and ranges.
 *
 * A topic stores its overrides as text; what a topic does not say comes from the node's settings
 * of the same meaning. Unknown configs are refused. */
#ifndef CLUSTER_TOPIC_CONFIG_H
#define CLUSTER_TOPIC_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cluster/metadata.h"
#include "conf/conf.h"
#include "log/partition.h"

/* A topic's configs in effect. */
struct topic_settings {
    int64_t retention_ms;    /* -1: no limit */
    int64_t retention_bytes; /* -1: no limit */
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t index_interval_bytes;
    int32_t max_message_bytes;   /* of a batch */
    int16_t min_insync_replicas; /* counted in sites */
    bool is_log_append_time;
    bool is_deleted;        /* by age and size (cleanup.policy) */
    bool is_compacted;      /* by key; both may be */
    double dirty_ratio_min; /* share of the log that is not compacted at which it is */
    int64_t delete_retention_ms;
    int64_t compaction_lag_ms_min, compaction_lag_ms_max;
};

void topic_settings_of(const struct metadata_topic *topic, const struct conf_settings *conf,
                       struct topic_settings *settings);

/* What the group's log is told of it. */
struct log_partition_settings topic_log_settings(const struct topic_settings *settings,
                                                 const struct conf_settings *conf);

/* Checks one override. 0, or ERR_NOT_FOUND (no such config) or ERR_INVALID, with a sentence for
 * the client in the note. */
int topic_config_check(const char *name, const char *value, struct err_note *note);

enum topic_config_type {
    TOPIC_CONFIG_INT,
    TOPIC_CONFIG_LONG,
    TOPIC_CONFIG_STRING,
    TOPIC_CONFIG_LIST,
    TOPIC_CONFIG_BOOLEAN,
    TOPIC_CONFIG_DOUBLE
};

/* The table, for DescribeConfigs. */
struct topic_config_row {
    const char *name;
    enum topic_config_type type;
    const char *documentation;
    const char *broker_name; /* Kafka's name of what topics inherit */
};
unsigned topic_config_count(void);
const struct topic_config_row *topic_config_at(unsigned position);
/* Lists, whose items can be added and taken out; false for what is not known. */
bool topic_config_is_list(const char *name);
/* Writes the comma-separated `present` with the items of `operand` added where they are missing, or
 * without them; `into` has room for both texts and two bytes more. */
void topic_config_edit_list(const char *present, const char *operand, bool should_add, char *into);
/* As topic_config_default, by name; unchanged for what is not known. */
void topic_config_default_of(const char *name, const struct conf_settings *conf, char *into,
                             size_t size);
/* The value in effect without override, as text. */
void topic_config_default(unsigned position, const struct conf_settings *conf, char *into,
                          size_t size);
/* True when the node's file sets what topics inherit; else it is this release's default. */
bool topic_config_is_set(unsigned position, const struct conf_settings *conf);

#endif

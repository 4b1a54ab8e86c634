/* Topic configs: the table, checks, and what is in effect.
 *
 * A config that names something this system does in its own way (flushing, for one, is by WAL and
 * never up to a topic) is not in the table: it is refused rather than taken and ignored. */
#include "topic_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum config_id {
    CLEANUP_POLICY,
    COMPRESSION_TYPE,
    DELETE_RETENTION_MS,
    INDEX_INTERVAL_BYTES,
    MAX_COMPACTION_LAG_MS,
    MAX_MESSAGE_BYTES,
    MESSAGE_TIMESTAMP_TYPE,
    MIN_CLEANABLE_DIRTY_RATIO,
    MIN_COMPACTION_LAG_MS,
    MIN_INSYNC_REPLICAS,
    RETENTION_BYTES,
    RETENTION_MS,
    SEGMENT_BYTES,
    SEGMENT_MS,
    TRILOG_HOME_SITE,
    TRILOG_REPLICATION,
    CONFIG_COUNT
};

struct config {
    struct topic_config_row row;
    int64_t least, most;    /* numbers, inclusive */
    const char *choices[3]; /* texts that are allowed; of a list its items */
    bool is_text;           /* any; what it names is checked with the rest (topic_replication.h) */
};

#define INDEX_INTERVAL_DEFAULT 4096
#define DIRTY_RATIO_DEFAULT    0.5

static const struct config table[CONFIG_COUNT] = {
    [CLEANUP_POLICY] = {{"cleanup.policy", TOPIC_CONFIG_LIST,
                         "What happens to old records: they are deleted by age and size, or "
                         "compacted to the newest of each key, or both.",
                         "log.cleanup.policy"},
                        .choices = {"delete", "compact"}},
    [COMPRESSION_TYPE] = {{"compression.type", TOPIC_CONFIG_STRING,
                           "Batches stay as the producer compressed them.", "compression.type"},
                          .choices = {"producer"}},
    [DELETE_RETENTION_MS] = {{"delete.retention.ms", TOPIC_CONFIG_LONG,
                              "How long a compacted topic keeps a record without value after it "
                              "made what its key had before go.",
                              "log.cleaner.delete.retention.ms"},
                             .least = 0,
                             .most = INT64_MAX},
    [INDEX_INTERVAL_BYTES] = {{"index.interval.bytes", TOPIC_CONFIG_INT,
                               "Bytes of a segment between two entries of its offset index.",
                               "log.index.interval.bytes"},
                              .least = 1,
                              .most = INT32_MAX},
    [MAX_COMPACTION_LAG_MS] = {{"max.compaction.lag.ms", TOPIC_CONFIG_LONG,
                                "How long a record may wait for compaction, whatever share of the "
                                "log is not compacted yet.",
                                "log.cleaner.max.compaction.lag.ms"},
                               .least = 1,
                               .most = INT64_MAX},
    [MAX_MESSAGE_BYTES] = {{"max.message.bytes", TOPIC_CONFIG_INT,
                            "Largest record batch that is taken.", "message.max.bytes"},
                           .least = 0,
                           .most = CONF_BATCH_BYTES_MAX},
    [MESSAGE_TIMESTAMP_TYPE] = {{"message.timestamp.type", TOPIC_CONFIG_STRING,
                                 "Whose clock stamps records.", "log.message.timestamp.type"},
                                .choices = {"CreateTime", "LogAppendTime"}},
    [MIN_CLEANABLE_DIRTY_RATIO] = {{"min.cleanable.dirty.ratio", TOPIC_CONFIG_DOUBLE,
                                    "Share of the log that is not compacted yet at which it is.",
                                    "log.cleaner.min.cleanable.ratio"},
                                   .least = 0,
                                   .most = 1},
    [MIN_COMPACTION_LAG_MS] = {{"min.compaction.lag.ms", TOPIC_CONFIG_LONG,
                                "How long every record stays at least before it is compacted.",
                                "log.cleaner.min.compaction.lag.ms"},
                               .least = 0,
                               .most = INT64_MAX},
    [MIN_INSYNC_REPLICAS] = {{"min.insync.replicas", TOPIC_CONFIG_INT,
                              "Sites that must have a record before acks=all is answered.",
                              "min.insync.replicas"},
                             .least = 1,
                             .most = 7},
    [RETENTION_BYTES] = {{"retention.bytes", TOPIC_CONFIG_LONG,
                          "Size of a partition beyond which its oldest segments are deleted.",
                          "log.retention.bytes"},
                         .least = -1,
                         .most = INT64_MAX},
    [RETENTION_MS] = {{"retention.ms", TOPIC_CONFIG_LONG,
                       "Age of records at which their segment is deleted.", "log.retention.ms"},
                      .least = -1,
                      .most = INT64_MAX},
    [SEGMENT_BYTES] = {{"segment.bytes", TOPIC_CONFIG_INT, "Size at which a segment is sealed.",
                        "log.segment.bytes"},
                       .least = 1024,
                       .most = INT32_MAX},
    [SEGMENT_MS] = {{"segment.ms", TOPIC_CONFIG_LONG, "Age at which a segment is sealed.",
                     "log.roll.ms"},
                    .least = 1,
                    .most = INT64_MAX},
    [TRILOG_HOME_SITE] = {{METADATA_CONFIG_HOME_SITE, TOPIC_CONFIG_STRING,
                           "Site where the topic's partitions are led when all is well, and that "
                           "acknowledges alone where replication is asynchronous; empty: any.",
                           METADATA_CONFIG_HOME_SITE},
                          .is_text = true},
    [TRILOG_REPLICATION] = {{METADATA_CONFIG_REPLICATION, TOPIC_CONFIG_STRING,
                             "sync: what is acknowledged is in two sites. async: it is in the home "
                             "site, and the others follow; what they lack is lost with that site.",
                             METADATA_CONFIG_REPLICATION},
                            .choices = {"sync", "async"}},
};

static const struct config *find(const char *name)
{
    for (unsigned i = 0; i < CONFIG_COUNT; i++)
        if (strcmp(table[i].row.name, name) == 0)
            return &table[i];
    return NULL;
}

static bool parse_number(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_ratio(const char *text, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *value >= 0 && *value <= 1;
}

static bool is_choice(const struct config *c, struct bytes item)
{
    for (unsigned i = 0; i < 3 && c->choices[i] != NULL; i++)
        if (bytes_is_equal(bytes_of_text(c->choices[i]), item))
            return true;
    return false;
}

static struct bytes next_item(const char **at);
static bool has_item(const char *list, struct bytes item);

static int check_choice(const struct config *c, const char *value, struct err_note *note)
{
    bool is_allowed = is_choice(c, bytes_of_text(value));
    if (c->row.type == TOPIC_CONFIG_LIST) {
        const char *rest = value;
        is_allowed = true;
        while (rest != NULL)
            is_allowed &= is_choice(c, next_item(&rest));
    }
    if (is_allowed)
        return 0;
    return err_set(note, ERR_INVALID, "Invalid value %s for configuration %s", value, c->row.name);
}

int topic_config_check(const char *name, const char *value, struct err_note *note)
{
    const struct config *c = find(name);
    int64_t number;
    double ratio;
    if (c == NULL)
        return err_set(note, ERR_NOT_FOUND, "Unknown topic config name: %s", name);
    if (c->is_text)
        return 0;
    if (c->choices[0] != NULL)
        return check_choice(c, value, note);
    if (c->row.type == TOPIC_CONFIG_DOUBLE)
        return parse_ratio(value, &ratio)
                   ? 0
                   : err_set(note, ERR_INVALID,
                             "Invalid value %s for configuration %s: Value must be in [0, 1]",
                             value, name);
    if (!parse_number(value, &number))
        return err_set(note, ERR_INVALID,
                       "Invalid value %s for configuration %s: Not a number of type %s", value,
                       name, c->row.type == TOPIC_CONFIG_INT ? "INT" : "LONG");
    if (number < c->least || number > c->most)
        return err_set(note, ERR_INVALID,
                       "Invalid value %s for configuration %s: Value must be in [%" PRId64
                       ", %" PRId64 "]",
                       value, name, c->least, c->most);
    return 0;
}

static void default_settings(const struct conf_settings *conf, struct topic_settings *s)
{
    *s = (struct topic_settings){
        .retention_ms = conf->log_retention_ms,
        .retention_bytes = conf->log_retention_bytes,
        .segment_bytes = conf->log_segment_bytes,
        .segment_ms = conf->log_roll_ms,
        .index_interval_bytes = INDEX_INTERVAL_DEFAULT,
        .max_message_bytes = (int32_t)conf->max_message_bytes,
        .min_insync_replicas = (int16_t)conf->min_insync_replicas,
        .is_log_append_time = conf->message_timestamp_type == CONF_TIMESTAMP_LOG_APPEND_TIME,
        .is_deleted = true,
        .dirty_ratio_min = DIRTY_RATIO_DEFAULT,
        .delete_retention_ms = conf->log_cleaner_delete_retention_ms,
        .compaction_lag_ms_min = conf->log_cleaner_min_compaction_lag_ms,
        .compaction_lag_ms_max = conf->log_cleaner_max_compaction_lag_ms,
    };
}

/* An override was checked when it was proposed; one of a later release is left out. */
static void override(struct topic_settings *s, const struct metadata_config *config)
{
    const struct config *c = find(config->name);
    int64_t number = 0;
    if (c == NULL || topic_config_check(config->name, config->value, NULL) != 0)
        return;
    if (c->choices[0] == NULL && c->row.type != TOPIC_CONFIG_DOUBLE && !c->is_text)
        parse_number(config->value, &number);
    switch ((enum config_id)(c - table)) {
    case CLEANUP_POLICY:
        s->is_deleted = has_item(config->value, bytes_of_text("delete"));
        s->is_compacted = has_item(config->value, bytes_of_text("compact"));
        break;
    case DELETE_RETENTION_MS:
        s->delete_retention_ms = number;
        break;
    case INDEX_INTERVAL_BYTES:
        s->index_interval_bytes = number;
        break;
    case MAX_COMPACTION_LAG_MS:
        s->compaction_lag_ms_max = number;
        break;
    case MIN_CLEANABLE_DIRTY_RATIO:
        parse_ratio(config->value, &s->dirty_ratio_min);
        break;
    case MIN_COMPACTION_LAG_MS:
        s->compaction_lag_ms_min = number;
        break;
    case MAX_MESSAGE_BYTES:
        s->max_message_bytes = (int32_t)number;
        break;
    case MESSAGE_TIMESTAMP_TYPE:
        s->is_log_append_time = strcmp(config->value, "LogAppendTime") == 0;
        break;
    case MIN_INSYNC_REPLICAS:
        s->min_insync_replicas = (int16_t)number;
        break;
    case RETENTION_BYTES:
        s->retention_bytes = number;
        break;
    case RETENTION_MS:
        s->retention_ms = number;
        break;
    case SEGMENT_BYTES:
        s->segment_bytes = number;
        break;
    case SEGMENT_MS:
        s->segment_ms = number;
        break;
    case COMPRESSION_TYPE:
    case TRILOG_HOME_SITE: /* group 0 places by these two (metadata_topic_wish) */
    case TRILOG_REPLICATION:
    case CONFIG_COUNT:
        break;
    }
}

void topic_settings_of(const struct metadata_topic *topic, const struct conf_settings *conf,
                       struct topic_settings *settings)
{
    default_settings(conf, settings);
    if (topic->is_internal) {
        settings->is_compacted = true;
        settings->is_deleted = false;
    }
    for (unsigned i = 0; i < topic->config_count; i++)
        override(settings, &topic->configs[i]);
}

struct log_partition_settings topic_log_settings(const struct topic_settings *settings,
                                                 const struct conf_settings *conf)
{
    int64_t segment_ms = settings->segment_ms;
    if (settings->is_compacted && settings->compaction_lag_ms_max < segment_ms)
        segment_ms = settings->compaction_lag_ms_max; /* only what is sealed is compacted */
    return (struct log_partition_settings){
        .segment_bytes = settings->segment_bytes,
        .segment_ms = segment_ms,
        .index_interval_bytes = settings->index_interval_bytes,
        .producer_count_max = (unsigned)conf->partition_producers_max,
    };
}

unsigned topic_config_count(void)
{
    return CONFIG_COUNT;
}

const struct topic_config_row *topic_config_at(unsigned position)
{
    return position < CONFIG_COUNT ? &table[position].row : NULL;
}

static int64_t default_number(enum config_id id, const struct topic_settings *s)
{
    switch (id) {
    case DELETE_RETENTION_MS:
        return s->delete_retention_ms;
    case MAX_COMPACTION_LAG_MS:
        return s->compaction_lag_ms_max;
    case MIN_COMPACTION_LAG_MS:
        return s->compaction_lag_ms_min;
    case INDEX_INTERVAL_BYTES:
        return s->index_interval_bytes;
    case MAX_MESSAGE_BYTES:
        return s->max_message_bytes;
    case MIN_INSYNC_REPLICAS:
        return s->min_insync_replicas;
    case RETENTION_BYTES:
        return s->retention_bytes;
    case RETENTION_MS:
        return s->retention_ms;
    case SEGMENT_BYTES:
        return s->segment_bytes;
    case SEGMENT_MS:
        return s->segment_ms;
    case CLEANUP_POLICY:
    case COMPRESSION_TYPE:
    case MESSAGE_TIMESTAMP_TYPE:
    case MIN_CLEANABLE_DIRTY_RATIO:
    case TRILOG_HOME_SITE:
    case TRILOG_REPLICATION:
    case CONFIG_COUNT:
        break;
    }
    return 0;
}

void topic_config_default(unsigned position, const struct conf_settings *conf, char *into,
                          size_t size)
{
    struct topic_settings s;
    default_settings(conf, &s);
    if (position == MESSAGE_TIMESTAMP_TYPE)
        snprintf(into, size, "%s", s.is_log_append_time ? "LogAppendTime" : "CreateTime");
    else if (position == MIN_CLEANABLE_DIRTY_RATIO)
        snprintf(into, size, "%g", s.dirty_ratio_min);
    else if (table[position].is_text)
        snprintf(into, size, "%s", "");
    else if (table[position].choices[0] != NULL)
        snprintf(into, size, "%s", table[position].choices[0]);
    else
        snprintf(into, size, "%" PRId64, default_number((enum config_id)position, &s));
}

void topic_config_default_of(const char *name, const struct conf_settings *conf, char *into,
                             size_t size)
{
    const struct config *c = find(name);
    if (c != NULL)
        topic_config_default((unsigned)(c - table), conf, into, size);
}

bool topic_config_is_list(const char *name)
{
    const struct config *c = find(name);
    return c != NULL && c->row.type == TOPIC_CONFIG_LIST;
}

/* An item of a list, without the space around it; moves `*at` behind its comma, NULL at the end. */
static struct bytes next_item(const char **at)
{
    size_t size = strcspn(*at, ",");
    struct bytes item = bytes_of(*at, size);
    *at = (*at)[size] == ',' ? *at + size + 1 : NULL;
    while (item.size > 0 && item.data[0] == ' ')
        item = bytes_of(item.data + 1, item.size - 1);
    while (item.size > 0 && item.data[item.size - 1] == ' ')
        item.size--;
    return item;
}

static bool has_item(const char *list, struct bytes item)
{
    while (list != NULL)
        if (bytes_is_equal(next_item(&list), item))
            return true;
    return false;
}

/* Appends the items of `from` that are not in `but`. */
static void add_items(char *into, const char *from, const char *but)
{
    while (from != NULL) {
        struct bytes item = next_item(&from);
        size_t size = strlen(into);
        if (item.size == 0 || has_item(but, item))
            continue;
        if (size > 0)
            into[size++] = ',';
        memcpy(into + size, item.data, item.size);
        into[size + item.size] = '\0';
    }
}

void topic_config_edit_list(const char *present, const char *operand, bool should_add, char *into)
{
    into[0] = '\0';
    add_items(into, present, should_add ? NULL : operand);
    if (should_add)
        add_items(into, operand, present);
}

bool topic_config_is_set(unsigned position, const struct conf_settings *conf)
{
    static const int settings[CONFIG_COUNT] = {
        [CLEANUP_POLICY] = -1,
        [COMPRESSION_TYPE] = -1,
        [DELETE_RETENTION_MS] = CONF_ID_log_cleaner_delete_retention_ms,
        [INDEX_INTERVAL_BYTES] = -1,
        [MAX_COMPACTION_LAG_MS] = CONF_ID_log_cleaner_max_compaction_lag_ms,
        [MAX_MESSAGE_BYTES] = CONF_ID_max_message_bytes,
        [MESSAGE_TIMESTAMP_TYPE] = CONF_ID_message_timestamp_type,
        [MIN_CLEANABLE_DIRTY_RATIO] = -1,
        [MIN_COMPACTION_LAG_MS] = CONF_ID_log_cleaner_min_compaction_lag_ms,
        [MIN_INSYNC_REPLICAS] = CONF_ID_min_insync_replicas,
        [RETENTION_BYTES] = CONF_ID_log_retention_bytes,
        [RETENTION_MS] = CONF_ID_log_retention_ms,
        [SEGMENT_BYTES] = CONF_ID_log_segment_bytes,
        [SEGMENT_MS] = CONF_ID_log_roll_ms,
        [TRILOG_HOME_SITE] = -1,
        [TRILOG_REPLICATION] = -1,
    };
    return settings[position] >= 0 && conf->lines[settings[position]] != 0;
}

/* Topic configs: which are taken, what is in effect; and our codes as Kafka's. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../cluster/error_code.h"
#include "../cluster/topic_config.h"

static int check(const char *name, const char *value, struct err_note *note)
{
    *note = (struct err_note){0};
    return topic_config_check(name, value, note);
}

Test(cluster_topic_config, takes_kafkas_names_within_their_ranges)
{
    struct err_note note;
    static const char *const good[][2] = {
        {"cleanup.policy", "delete"},
        {"compression.type", "producer"},
        {"retention.ms", "-1"},
        {"retention.bytes", "-1"},
        {"segment.bytes", "1024"},
        {"segment.ms", "1"},
        {"max.message.bytes", "0"},
        {"min.insync.replicas", "7"},
        {"index.interval.bytes", "1"},
        {"retention.ms", "9223372036854775807"},
        {"message.timestamp.type", "CreateTime"},
        {"message.timestamp.type", "LogAppendTime"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert_eq(check(good[i][0], good[i][1], &note), 0, "%s=%s: %s", good[i][0], good[i][1],
                     note.text);
}

Test(cluster_topic_config, refuses_what_it_would_not_keep_to)
{
    struct err_note note;
    static const char *const bad[][2] = {
        {"retention.ms", "-2"},
        {"retention.ms", "soon"},
        {"retention.ms", ""},
        {"retention.ms", "1 "},
        {"segment.bytes", "1023"},
        {"segment.bytes", "2147483648"},
        {"retention.ms", "9223372036854775808"},
        {"min.insync.replicas", "0"},
        {"compression.type", "zstd"},
        {"message.timestamp.type", "createtime"},
        {"cleanup.policy", "compacted"},
        {"cleanup.policy", "compact,keep"},
        {"cleanup.policy", ""},
        {"min.cleanable.dirty.ratio", "1.01"},
        {"min.cleanable.dirty.ratio", "half"},
        {"max.compaction.lag.ms", "0"},
        {"delete.retention.ms", "-1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(check(bad[i][0], bad[i][1], &note), ERR_INVALID, "%s=%s", bad[i][0],
                     bad[i][1]);
        cr_assert_not_null(strstr(note.text, bad[i][0]), "the sentence names it: %s", note.text);
    }
    cr_assert_eq(check("flush.messages", "1", &note), ERR_NOT_FOUND);
    cr_assert_str_eq(note.text, "Unknown topic config name: flush.messages");
}

static struct topic_settings settings_with(struct metadata_config *configs, unsigned count)
{
    struct conf_settings *conf = calloc(1, sizeof *conf);
    struct metadata_topic topic = {.configs = configs, .config_count = count};
    struct topic_settings settings;
    conf_init(conf);
    topic_settings_of(&topic, conf, &settings);
    free(conf);
    return settings;
}

Test(cluster_topic_config, an_override_stands_before_the_nodes_setting)
{
    struct metadata_config configs[] = {
        {"max.message.bytes", "5000"}, {"message.timestamp.type", "LogAppendTime"},
        {"min.insync.replicas", "3"},  {"of.a.later.release", "x"},
        {"retention.ms", "-1"},        {"segment.bytes", "not a number"}};
    struct topic_settings plain = settings_with(NULL, 0), own = settings_with(configs, 6);
    cr_assert_eq(own.max_message_bytes, 5000);
    cr_assert_eq(own.min_insync_replicas, 3);
    cr_assert_eq(own.retention_ms, -1);
    cr_assert(own.is_log_append_time);
    cr_assert_not(plain.is_log_append_time);
    cr_assert_neq(plain.max_message_bytes, 5000);
    cr_assert_eq(own.segment_bytes, plain.segment_bytes, "what can't be read changes nothing");
    cr_assert_eq(own.retention_bytes, plain.retention_bytes);
}

Test(cluster_topic_config, shows_a_default_for_each_that_it_would_take)
{
    struct conf_settings *conf = calloc(1, sizeof *conf);
    struct err_note note;
    char value[64];
    conf_init(conf);
    cr_assert_gt(topic_config_count(), 0);
    for (unsigned i = 0; i < topic_config_count(); i++) {
        topic_config_default(i, conf, value, sizeof value);
        cr_assert_eq(check(topic_config_at(i)->name, value, &note), 0, "%s=%s",
                     topic_config_at(i)->name, value);
    }
    cr_assert_null(topic_config_at(topic_config_count()));
    free(conf);
}

Test(cluster_error_code, says_what_a_client_may_try_again)
{
    cr_assert_eq(error_code_of(0), KAFKA_ERROR_NONE);
    cr_assert_eq(error_code_of(ERR_NOT_LEADER), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(error_code_of(ERR_LEADERSHIP_LOST), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(error_code_of(ERR_TIMEOUT), KAFKA_ERROR_REQUEST_TIMED_OUT);
    cr_assert_eq(error_code_of(ERR_CORRUPT), KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    cr_assert_eq(error_code_of(ERR_EXISTS), KAFKA_ERROR_TOPIC_ALREADY_EXISTS);
    cr_assert_eq(error_code_of(UV_ENOMEM), KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    cr_assert_eq(error_code_of(-1), KAFKA_ERROR_UNKNOWN_SERVER_ERROR, "never a success");
}

Test(cluster_error_code, tells_a_producer_the_verdict_on_its_batch)
{
    cr_assert_eq(error_code_of_verdict(LOG_PRODUCER_NEW), KAFKA_ERROR_NONE);
    cr_assert_eq(error_code_of_verdict(LOG_PRODUCER_DUPLICATE), KAFKA_ERROR_NONE);
    cr_assert_eq(error_code_of_verdict(LOG_PRODUCER_OUT_OF_ORDER),
                 KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(error_code_of_verdict(LOG_PRODUCER_OLD_DUPLICATE),
                 KAFKA_ERROR_DUPLICATE_SEQUENCE_NUMBER);
    cr_assert_eq(error_code_of_verdict(LOG_PRODUCER_FENCED), KAFKA_ERROR_INVALID_PRODUCER_EPOCH);
    cr_assert_eq(error_code_of_verdict(LOG_PRODUCER_UNKNOWN), KAFKA_ERROR_UNKNOWN_PRODUCER_ID);
}

static void assert_edited(const char *present, const char *operand, bool should_add,
                          const char *wanted)
{
    char into[64];
    topic_config_edit_list(present, operand, should_add, into);
    cr_assert_str_eq(into, wanted);
}

Test(cluster_topic_config, edits_lists_item_by_item)
{
    assert_edited("delete", "compact", true, "delete,compact");
    assert_edited("delete", "delete", true, "delete");
    assert_edited("", "delete", true, "delete");
    assert_edited("delete, compact", " compact ,x", true, "delete,compact,x");
    assert_edited("delete,compact", "delete", false, "compact");
    assert_edited("delete", "delete", false, "");
    assert_edited("delete", "", false, "delete");
    assert_edited("delete", ",,", true, "delete");
}

Test(cluster_topic_config, knows_which_configs_are_lists)
{
    cr_assert(topic_config_is_list("cleanup.policy"));
    cr_assert_not(topic_config_is_list("retention.ms"));
    cr_assert_not(topic_config_is_list("nope"));
}

static struct topic_settings settings_of(bool is_internal, struct metadata_config *configs,
                                         unsigned count)
{
    struct metadata_topic topic = {
        .is_internal = is_internal, .configs = configs, .config_count = count};
    struct conf_settings conf = {.log_cleaner_delete_retention_ms = 5,
                                 .log_cleaner_max_compaction_lag_ms = INT64_MAX};
    struct topic_settings settings;
    topic_settings_of(&topic, &conf, &settings);
    return settings;
}

Test(cluster_topic_config, compacts_deletes_or_both_as_the_topic_says)
{
    char policy[] = "cleanup.policy", both[] = "compact, delete", compact[] = "compact";
    char ratio[] = "min.cleanable.dirty.ratio", value[] = "0.25";
    struct metadata_config configs[2] = {{policy, both}, {ratio, value}};
    struct topic_settings s = settings_of(false, NULL, 0);
    cr_assert(s.is_deleted && !s.is_compacted);
    s = settings_of(false, configs, 2);
    cr_assert(s.is_deleted && s.is_compacted);
    cr_assert_eq(s.dirty_ratio_min, 0.25);
    configs[0].value = compact;
    s = settings_of(false, configs, 1);
    cr_assert(!s.is_deleted && s.is_compacted);
    cr_assert_eq(s.delete_retention_ms, 5, "what a topic does not say is the node's");
    s = settings_of(true, NULL, 0);
    cr_assert(!s.is_deleted && s.is_compacted, "__consumer_offsets is compacted");
}

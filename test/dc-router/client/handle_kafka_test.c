/* Who a handle says it is; what is set only where the librdkafka that runs knows it: on
 * Debian's 2.0.2 nothing, on a later one (test/client/libtrilog_newer_test.py) what it has. */
#include "handle_kafka.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "trilog/trilog.h"

static const struct {
    const char *name, *value;
    int since; /* 0xMMmmrr: librdkafka's own form, without its last byte */
    bool is_consumers;
} known[] = {
    {"retry.backoff.max.ms", "250", 0x020300, false},
    {"enable.metrics.push", "false", 0x020500, false},
    {"fetch.queue.backoff.ms", "50", 0x020200, true},
    {"group.protocol", "classic", 0x020400, true},
};

static void assert_is_set(rd_kafka_conf_t *conf, unsigned at, bool is_consumer)
{
    char value[64] = "";
    size_t size = sizeof value;
    rd_kafka_conf_res_t result = rd_kafka_conf_get(conf, known[at].name, value, &size);
    if (rd_kafka_version() >> 8 < known[at].since)
        cr_assert_eq(result, RD_KAFKA_CONF_UNKNOWN, "%s", known[at].name);
    else
        cr_assert_eq(result, RD_KAFKA_CONF_OK, "%s", known[at].name);
    if (result == RD_KAFKA_CONF_OK && (is_consumer || !known[at].is_consumers))
        cr_assert_str_eq(value, known[at].value, "%s", known[at].name);
}

Test(client_handle_kafka, sets_what_the_running_librdkafka_knows_and_passes_over_the_rest)
{
    for (int is_consumer = 0; is_consumer < 2; is_consumer++) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        handle_set_newer(conf, is_consumer);
        for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
            assert_is_set(conf, i, is_consumer);
        rd_kafka_conf_destroy(conf);
    }
}

static void assert_id(const char *environment, const char *wanted)
{
    struct client_settings settings = {.client_id = "orders"};
    char id[200] = "", why[TRILOG_TEXT_SIZE];
    size_t size = sizeof id;
    snprintf(settings.environment, sizeof settings.environment, "%s", environment);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    cr_assert_eq(handle_set_identity(conf, &settings, why), 0);
    cr_assert_eq(rd_kafka_conf_get(conf, "client.id", id, &size), RD_KAFKA_CONF_OK);
    cr_assert_str_eq(id, wanted);
    rd_kafka_conf_destroy(conf);
}

Test(client_handle_kafka, says_its_environment_behind_its_client_id_where_that_is_not_production)
{
    assert_id("production", "orders");
    assert_id("test", "orders;environment=test");
}

#include "fake_cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_cluster_open(struct fake_cluster *c, int32_t broker_count)
{
    *c = (struct fake_cluster){.broker_count = broker_count};
    char count[8];
    snprintf(count, sizeof count, "%d", broker_count);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_conf_set(conf, "test.mock.num.brokers", count, NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "0", NULL, 0);
    c->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cr_assert_not_null(c->host);
    c->brokers = rd_kafka_handle_mock_cluster(c->host);
    rd_kafka_mock_topic_create(c->brokers, "t", 1, broker_count);
    const char *all = rd_kafka_mock_cluster_bootstraps(c->brokers);
    snprintf(c->address, sizeof c->address, "%.*s", (int)strcspn(all, ","), all);
    strcpy(c->folder, "/tmp/libtrilog-test-XXXXXX");
    cr_assert_not_null(mkdtemp(c->folder));
    snprintf(c->config, sizeof c->config, "%s/client.yaml", c->folder);
}

void fake_cluster_close(struct fake_cluster *c)
{
    rd_kafka_destroy(c->host);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", c->folder);
    cr_assert_eq(system(command), 0);
}

void fake_cluster_write(struct fake_cluster *c, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s.new", c->config);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(rename(path, c->config), 0);
}

void fake_cluster_configure(struct fake_cluster *c, const char *address, const char *settings)
{
    char text[1024];
    size_t size = (size_t)snprintf(text, sizeof text, "site: a\nbootstrap: ['%s']\n",
                                   address != NULL ? address : c->address);
    for (const char *at = settings; *at != '\0'; at++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%.*s", *at == '~' ? 64 : 1,
                                 *at == '~' ? c->folder : at);
        cr_assert_lt(size, sizeof text);
    }
    fake_cluster_write(c, text);
}

void fake_cluster_set_away(struct fake_cluster *c, bool are_away)
{
    for (int32_t id = 1; id <= c->broker_count; id++)
        if (are_away)
            rd_kafka_mock_broker_set_down(c->brokers, id);
        else
            rd_kafka_mock_broker_set_up(c->brokers, id);
}

void fake_cluster_delay(struct fake_cluster *c, int delay_ms)
{
    for (int32_t id = 1; id <= c->broker_count; id++)
        rd_kafka_mock_broker_set_rtt(c->brokers, id, delay_ms);
}

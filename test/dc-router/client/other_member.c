#include <criterion/criterion.h>
#include <time.h>

#include "other_member.h"

rd_kafka_t *other_open(struct scene *s, bool is_member)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers",
                      rd_kafka_mock_cluster_bootstraps(s->cluster.brokers), NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "g", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
    rd_kafka_t *other = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_poll_set_consumer(other);
    if (is_member) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, s->topic, RD_KAFKA_PARTITION_UA);
        cr_assert_eq(rd_kafka_subscribe(other, list), RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_topic_partition_list_destroy(list);
    }
    return other;
}

void other_close(rd_kafka_t *other)
{
    rd_kafka_consumer_close(other);
    rd_kafka_destroy(other);
}

int32_t other_take_over(rd_kafka_t *other)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(other, 100);
        if (m != NULL)
            rd_kafka_message_destroy(m);
        rd_kafka_topic_partition_list_t *list;
        rd_kafka_assignment(other, &list);
        int32_t partition = list->cnt == 1 ? list->elems[0].partition : -1;
        rd_kafka_topic_partition_list_destroy(list);
        if (partition >= 0)
            return partition;
        clock_gettime(CLOCK_MONOTONIC, &now);
        cr_assert_lt(now.tv_sec - begin.tv_sec, WAIT_MS / 1000);
    }
}

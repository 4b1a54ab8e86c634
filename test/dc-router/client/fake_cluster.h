/* librdkafka's own simulated brokers, which can be sent away and called back, and a folder for an
 * application with its settings. The brokers have the topic "t", of one partition. */
#ifndef TEST_CLIENT_FAKE_CLUSTER_H
#define TEST_CLIENT_FAKE_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>

struct fake_cluster {
    rd_kafka_t *host; /* a producer of librdkafka's own; it also sends for tests of consumers */
    rd_kafka_mock_cluster_t *brokers;
    int32_t broker_count;
    char folder[64];
    char config[96];   /* client.yaml in it; not there yet */
    char address[128]; /* of the first broker */
};

void fake_cluster_open(struct fake_cluster *c, int32_t broker_count);
/* The folder goes, with all that is in it. */
void fake_cluster_close(struct fake_cluster *c);

/* The settings' file, whole, then in place: site a, this address (NULL: the first broker's), and
 * these settings, in which ~ is the folder. */
void fake_cluster_configure(struct fake_cluster *c, const char *address, const char *settings);
/* The file as it is, with nothing but this text. */
void fake_cluster_write(struct fake_cluster *c, const char *text);

/* All brokers are away, or there. */
void fake_cluster_set_away(struct fake_cluster *c, bool are_away);
/* All of them answer so late. */
void fake_cluster_delay(struct fake_cluster *c, int delay_ms);

#endif

/* One kind of work on a cluster of Kafka's protocol, measured with a stock librdkafka client. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#define LOAD_PARTITIONS_MAX  16384
#define LOAD_WARM_UP_SECONDS 3 /* before the measured time; counted nowhere */

struct options {
    const char *mode;
    const char *brokers; /* bootstrap list */
    const char *topic;
    long partitions; /* of the topic */
    long size_bytes; /* of a value */
    long seconds;    /* measured, after the warm-up */
    long rate;       /* records a second; 0 for as many as go */
    long bytes_max;  /* of all values of `produce`; 0: as many as go within `seconds` */
    bool has_keys;   /* random keys spread over the partitions; else sticky */
    bool is_idempotent;
    long broker_count; /* for `up`: so many have to be there */
};

int64_t now_us(void);

/* A client with librdkafka's defaults and the pairs given; ends the program on a bad setting. */
rd_kafka_conf_t *load_conf(const struct options *options, const char *const pairs[][2],
                           int pair_count);
rd_kafka_t *load_client(rd_kafka_type_t type, rd_kafka_conf_t *conf);

/* Prints a sentence to stderr and ends the program with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void load_fail(const char *format, ...);

/* The modes. Each prints one line of key=value pairs when it is done. */
void load_up(const struct options *options);
void load_produce(const struct options *options);
void load_latency(const struct options *options);
void load_steady(const struct options *options);
void load_kill(const struct options *options);
void load_consume(const struct options *options);

#endif

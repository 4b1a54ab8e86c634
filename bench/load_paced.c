/* A steady rate: how long an acknowledgement takes, and how long a killed leader silences.
 *
 * One thread hands over records at fixed instants, whatever the answers do, so a slow answer
 * delays no later record and hides nothing (no coordinated omission). Another thread takes
 * the answers as they come. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

#define KILL_AT_SECONDS  3
#define KILL_SECONDS_MAX 60
#define AFTER_SECONDS    2 /* sent on after every partition is back */

struct paced {
    const struct options *options;
    rd_kafka_t *client;
    int64_t *handed_over_at_us; /* by record */
    int64_t *latency_us;        /* by record; 0 without an answer */
    uint64_t record_count_max, record_count;
    _Atomic int64_t killed_at_us; /* 0 before */
    _Atomic long back_count;      /* partitions with an answer to a record newer than the kill */
    atomic_bool is_over;
    uint64_t failed_count;
    int64_t gap_us, last_us;
    int64_t partition_gap_us, partition_last_us[LOAD_PARTITIONS_MAX];
    bool is_back[LOAD_PARTITIONS_MAX];
};

static void widen(int64_t *longest, int64_t *last, int64_t now)
{
    if (*last != 0 && now - *last > *longest)
        *longest = now - *last;
    *last = now;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *data)
{
    struct paced *p = data;
    uint64_t i = (uint64_t)(uintptr_t)message->_private;
    int64_t now = now_us();
    (void)client;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (p->failed_count++ == 0)
            fprintf(stderr, "load: %s\n", rd_kafka_err2str(message->err));
        return;
    }
    p->latency_us[i] = now - p->handed_over_at_us[i];
    widen(&p->gap_us, &p->last_us, now);
    if (message->partition < 0 || message->partition >= LOAD_PARTITIONS_MAX)
        return;
    widen(&p->partition_gap_us, &p->partition_last_us[message->partition], now);
    int64_t killed_at_us = atomic_load(&p->killed_at_us);
    if (killed_at_us != 0 && p->handed_over_at_us[i] > killed_at_us &&
        !p->is_back[message->partition]) {
        p->is_back[message->partition] = true;
        atomic_fetch_add(&p->back_count, 1);
    }
}

static void *take_answers(void *data)
{
    struct paced *p = data;
    while (!atomic_load(&p->is_over))
        rd_kafka_poll(p->client, 50);
    return NULL;
}

static void start(struct paced *p, const struct options *o, long seconds_max, const char *linger_ms)
{
    const char *const pairs[][2] = {{"acks", "all"},
                                    {"linger.ms", linger_ms},
                                    {"queue.buffering.max.messages", "1000000"},
                                    {"enable.idempotence", o->is_idempotent ? "true" : "false"}};
    memset(p, 0, sizeof *p);
    p->options = o;
    p->record_count_max = (uint64_t)(seconds_max * o->rate);
    p->handed_over_at_us = calloc(p->record_count_max, sizeof *p->handed_over_at_us);
    p->latency_us = calloc(p->record_count_max, sizeof *p->latency_us);
    if (p->handed_over_at_us == NULL || p->latency_us == NULL)
        load_fail("no memory");
    rd_kafka_conf_t *conf = load_conf(o, pairs, 4);
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    p->client = load_client(RD_KAFKA_PRODUCER, conf);
}

/* The port of the broker that leads most partitions of the topic. */
static int leading_port(const struct paced *p, rd_kafka_topic_t *topic)
{
    const rd_kafka_metadata_t *m;
    int most = 0, port = -1;
    if (rd_kafka_metadata(p->client, 0, topic, &m, 5000) || m->topic_cnt != 1)
        load_fail("no Metadata to choose a leader by");
    for (int b = 0; b < m->broker_cnt; b++) {
        int led_count = 0;
        for (int i = 0; i < m->topics[0].partition_cnt; i++)
            led_count += m->topics[0].partitions[i].leader == m->brokers[b].id;
        if (led_count > most) {
            most = led_count;
            port = m->brokers[b].port;
        }
    }
    rd_kafka_metadata_destroy(m);
    return port;
}

static void sleep_until(int64_t at_us)
{
    struct timespec t = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Asks the parent to kill, by a line on stdout, and waits for its line that it has. */
static void ask_for_kill(struct paced *p, rd_kafka_topic_t *topic)
{
    char line[16];
    printf("kill %d\n", leading_port(p, topic));
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        load_fail("nobody killed the leader");
    atomic_store(&p->killed_at_us, now_us());
}

struct killer {
    struct paced *paced;
    rd_kafka_topic_t *topic;
};

static void *kill_later(void *data)
{
    struct killer *killer = data;
    sleep_until(now_us() + KILL_AT_SECONDS * 1000000L);
    ask_for_kill(killer->paced, killer->topic);
    return NULL;
}

static bool is_enough(struct paced *p, int64_t *back_at_us)
{
    if (atomic_load(&p->back_count) < p->options->partitions)
        return false;
    if (*back_at_us == 0)
        *back_at_us = now_us();
    return now_us() - *back_at_us > AFTER_SECONDS * 1000000L;
}

static void send_steadily(struct paced *p, rd_kafka_topic_t *topic)
{
    const struct options *o = p->options;
    int64_t start_us = now_us(), back_at_us = 0;
    uint64_t key = 88172645463325252u;
    char *value = calloc(1, (size_t)o->size_bytes);
    if (value == NULL)
        load_fail("no memory");
    for (uint64_t i = 0; i < p->record_count_max && !is_enough(p, &back_at_us); i++) {
        sleep_until(start_us + (int64_t)(i * 1000000 / (uint64_t)o->rate));
        key = key * 6364136223846793005u + 1442695040888963407u;
        p->handed_over_at_us[i] = now_us();
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value,
                             (size_t)o->size_bytes, &key, sizeof key, (void *)(uintptr_t)i) != 0)
            load_fail("%s", rd_kafka_err2str(rd_kafka_last_error()));
        p->record_count = i + 1;
    }
    for (int i = 0; i < 600 && rd_kafka_outq_len(p->client) > 0; i++)
        sleep_until(now_us() + 100000);
    free(value);
}

static void run(struct paced *p, bool is_with_kill)
{
    pthread_t answers, killing;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(p->client, p->options->topic, NULL);
    struct killer killer = {p, topic};
    if (pthread_create(&answers, NULL, take_answers, p) != 0 ||
        (is_with_kill && pthread_create(&killing, NULL, kill_later, &killer) != 0))
        load_fail("no thread");
    send_steadily(p, topic);
    if (is_with_kill)
        pthread_join(killing, NULL);
    atomic_store(&p->is_over, true);
    pthread_join(answers, NULL);
    rd_kafka_topic_destroy(topic);
    if (p->failed_count > 0 || rd_kafka_outq_len(p->client) > 0)
        load_fail("%" PRIu64 " records failed, %d without an answer", p->failed_count,
                  rd_kafka_outq_len(p->client));
    rd_kafka_destroy(p->client);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void load_latency(const struct options *o)
{
    static struct paced p;
    start(&p, o, o->seconds + LOAD_WARM_UP_SECONDS, "0");
    run(&p, false);
    int64_t *measured = p.latency_us + LOAD_WARM_UP_SECONDS * o->rate;
    size_t count = (size_t)(o->seconds * o->rate);
    qsort(measured, count, sizeof *measured, compare);
    printf("p50_ms=%.3f p99_ms=%.3f p999_ms=%.3f max_ms=%.3f\n", (double)measured[count / 2] / 1e3,
           (double)measured[count * 99 / 100] / 1e3, (double)measured[count * 999 / 1000] / 1e3,
           (double)measured[count - 1] / 1e3);
}

/* Without warm-up: this runs again and again on nodes that are busy. */
void load_steady(const struct options *o)
{
    static struct paced p;
    start(&p, o, o->seconds, "5");
    int64_t since_us = now_us();
    run(&p, false);
    double seconds = (double)(p.last_us - since_us) / 1e6;
    size_t count = (size_t)p.record_count;
    qsort(p.latency_us, count, sizeof *p.latency_us, compare);
    printf("mb_per_s=%.2f p99_ms=%.3f max_ms=%.3f\n",
           (double)count * (double)o->size_bytes / 1e6 / seconds,
           (double)p.latency_us[count * 99 / 100] / 1e3, (double)p.latency_us[count - 1] / 1e3);
}

void load_kill(const struct options *o)
{
    static struct paced p;
    start(&p, o, KILL_SECONDS_MAX, "5");
    run(&p, true);
    if (atomic_load(&p.back_count) < o->partitions)
        load_fail("not all partitions came back");
    printf("gap_s=%.3f partition_gap_s=%.3f\n", (double)p.gap_us / 1e6,
           (double)p.partition_gap_us / 1e6);
}

/* Memory runs out at each place once: a consumer is opened or it is said why not, and nothing that
 * came is lost (the address sanitizer looks after what is left behind). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "consumer_parts.h"
#include "fake_cluster.h"
#include "memory_seam.h"

#define WAIT_MS   60000
#define AGAIN_MS  10
#define TURNS_MAX 500
#define RECORDS   12 /* more than a record's way has allocations */

#define SETTINGS                                                                                   \
    "failure_directory: ~/failures\nretry_wait_ms: 100 ms\nretry_wait_ms_max: 100 ms\n"            \
    "commit_ms: 50\n"

static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    (void)data, (void)kind, (void)text;
}

static int open_consumer(const struct fake_cluster *cluster, struct trilog_consumer **c)
{
    static const char *const topic = "t";
    char why[TRILOG_TEXT_SIZE];
    struct trilog_consumer_options options = {.config_path = cluster->config,
                                              .topics = &topic,
                                              .topic_count = 1,
                                              .group = "g",
                                              .on_event = on_event};
    *c = NULL;
    int result = trilog_consumer_open(c, &options, why);
    cr_assert(result == TRILOG_OK || result == TRILOG_ERR_MEMORY, "%d: %s", result, why);
    return result;
}

Test(client_consumer_memory, may_fail_at_any_place_while_it_is_opened, .timeout = 300)
{
    struct fake_cluster cluster;
    struct trilog_consumer *c;
    fake_cluster_open(&cluster, 1);
    fake_cluster_configure(&cluster, NULL, SETTINGS);
    int turns = 0, refused = 0;
    bool is_met = true;
    while (is_met && turns < TURNS_MAX) {
        memory_seam_fail(++turns);
        refused += open_consumer(&cluster, &c) != TRILOG_OK;
        is_met = memory_seam_end();
        trilog_consumer_destroy(c);
    }
    cr_assert(refused > 5 && turns < TURNS_MAX, "%d of %d", refused, turns);
    fake_cluster_close(&cluster);
}

static void send_number(const struct fake_cluster *cluster, int number)
{
    cr_assert_eq(rd_kafka_producev(cluster->host, RD_KAFKA_V_TOPIC("t"),
                                   RD_KAFKA_V_VALUE(&number, sizeof number),
                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                 RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(rd_kafka_flush(cluster->host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* The next one, though there may be no memory at first. */
static const struct trilog_message *take(struct trilog_consumer *c)
{
    const struct trilog_message *m = NULL;
    int result = TRILOG_ERR_MEMORY;
    for (int i = 0; i < WAIT_MS / AGAIN_MS && result == TRILOG_ERR_MEMORY; i++) {
        result = trilog_consumer_take(c, WAIT_MS, &m);
        if (result == TRILOG_ERR_MEMORY)
            usleep(AGAIN_MS * 1000);
    }
    cr_assert_eq(result, TRILOG_OK, "%s", trilog_error_text(result));
    return m;
}

/* One that did not fail yet, with what is due again before it worked on. */
static const struct trilog_message *take_new(struct trilog_consumer *c, int *again_count)
{
    const struct trilog_message *m;
    while ((m = take(c))->failure_count > 0) {
        cr_assert_eq(trilog_message_done(c, m), TRILOG_OK);
        ++*again_count;
    }
    return m;
}

static void fail(struct trilog_consumer *c, const struct trilog_message *m, int failing_allocation)
{
    memory_seam_fail(failing_allocation);
    int result = trilog_message_failed(c, m, "no");
    memory_seam_end();
    if (result == TRILOG_ERR_MEMORY)
        result = trilog_message_failed(c, m, "no");
    cr_assert_eq(result, TRILOG_OK, "%s", trilog_error_text(result));
}

Test(client_consumer_memory, may_fail_at_any_place_of_a_records_way, .timeout = 300)
{
    struct fake_cluster cluster;
    struct trilog_consumer *c;
    int again_count = 0;
    fake_cluster_open(&cluster, 1);
    fake_cluster_configure(&cluster, NULL, SETTINGS);
    cr_assert_eq(open_consumer(&cluster, &c), TRILOG_OK);
    for (int number = 1; number <= RECORDS; number++) {
        memory_seam_fail(number);
        send_number(&cluster, number);
        const struct trilog_message *m = take_new(c, &again_count);
        memory_seam_end();
        cr_assert_eq(memcmp(m->record.value, &number, sizeof number), 0, "each once, in order");
        fail(c, m, number);
    }
    while (again_count < RECORDS) {
        cr_assert_eq(trilog_message_done(c, take(c)), TRILOG_OK);
        again_count++;
    }
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(c, &state), TRILOG_OK);
    cr_assert_eq(state.failure_count, 0, "none came twice");
    cr_assert_eq(trilog_consumer_close(c, WAIT_MS), TRILOG_OK);
    trilog_consumer_destroy(c);
    fake_cluster_close(&cluster);
}

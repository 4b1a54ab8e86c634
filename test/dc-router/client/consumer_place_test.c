/* What a consumer makes of partitions that come, told of them as librdkafka tells it, on the
 * library's thread: where they are its own already, and where memory runs out. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

#include "consumer_parts.h"
#include "fake_cluster.h"
#include "memory_seam.h"

#define WAIT_MS    60000
#define LOOK_MS    10
#define PARTITIONS 16

struct stage {
    struct fake_cluster cluster;
    struct trilog_consumer *consumer;
    rd_kafka_topic_partition_list_t *assigned; /* what it is to be told of */
    int failing_allocation;
    atomic_bool is_to_be_told; /* by the next event's callback */
    atomic_bool is_told;
};

static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    struct stage *s = data;
    (void)kind, (void)text;
    if (!atomic_exchange(&s->is_to_be_told, false))
        return;
    memory_seam_fail(s->failing_allocation);
    consumer_on_rebalance(s->consumer->kafka, RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, s->assigned,
                          s->consumer);
    memory_seam_end();
    atomic_store(&s->is_told, true);
}

static unsigned count_placed(struct stage *s, const char *topic)
{
    unsigned count = 0;
    pthread_mutex_lock(&s->consumer->lock);
    for (const struct part *part = s->consumer->parts; part != NULL; part = part->hh.next)
        count += part->is_placed && strcmp(part->key.topic, topic) == 0;
    pthread_mutex_unlock(&s->consumer->lock);
    return count;
}

static void wait_until_placed(struct stage *s, const char *topic, unsigned count)
{
    for (int i = 0; i < WAIT_MS / LOOK_MS && count_placed(s, topic) < count; i++)
        usleep(LOOK_MS * 1000);
    cr_assert_eq(count_placed(s, topic), count);
}

/* A consumer of topic "t", which it has; "many" is there too. */
static void set_stage(struct stage *s)
{
    static const char *const topic = "t";
    *s = (struct stage){0};
    fake_cluster_open(&s->cluster, 1);
    rd_kafka_mock_topic_create(s->cluster.brokers, "many", PARTITIONS, 1);
    fake_cluster_configure(&s->cluster, NULL, "commit_ms: 50\n");
    struct trilog_consumer_options options = {.config_path = s->cluster.config,
                                              .topics = &topic,
                                              .topic_count = 1,
                                              .group = "g",
                                              .on_event = on_event,
                                              .data = s};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_consumer_open(&s->consumer, &options, why), TRILOG_OK, "%s", why);
    wait_until_placed(s, "t", 1);
}

static void clear_stage(struct stage *s)
{
    trilog_consumer_destroy(s->consumer);
    fake_cluster_close(&s->cluster);
}

static void assign(struct stage *s, const char *topic, int32_t partition, int failing_allocation)
{
    s->assigned = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(s->assigned, topic, partition);
    s->failing_allocation = failing_allocation;
    atomic_store(&s->is_told, false);
    atomic_store(&s->is_to_be_told, true);
    pthread_mutex_lock(&s->consumer->lock);
    consumer_event(s->consumer, TRILOG_CONSUMER_EVENT_PARTITIONS, "the test's");
    pthread_mutex_unlock(&s->consumer->lock);
    for (int i = 0; i < WAIT_MS / LOOK_MS && !atomic_load(&s->is_told); i++)
        usleep(LOOK_MS * 1000);
    cr_assert(atomic_load(&s->is_told));
    rd_kafka_topic_partition_list_destroy(s->assigned);
}

static void send_letter(struct stage *s, const char *letter)
{
    cr_assert_eq(rd_kafka_producev(s->cluster.host, RD_KAFKA_V_TOPIC("t"),
                                   RD_KAFKA_V_VALUE((void *)(uintptr_t)letter, 1),
                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                 RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(rd_kafka_flush(s->cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void take_letter(struct stage *s, char letter)
{
    const struct trilog_message *m;
    cr_assert_eq(trilog_consumer_take(s->consumer, WAIT_MS, &m), TRILOG_OK);
    cr_assert_eq(*(const char *)m->record.value, letter, "'%c' rather than '%c'",
                 *(const char *)m->record.value, letter);
    cr_assert_eq(trilog_message_done(s->consumer, m), TRILOG_OK);
}

static void wait_until_ready(struct stage *s, uint64_t count)
{
    struct trilog_consumer_state state = {0};
    for (int i = 0; i < WAIT_MS / LOOK_MS && state.ready_count < count; i++) {
        cr_assert_eq(trilog_consumer_state(s->consumer, &state), TRILOG_OK);
        usleep(LOOK_MS * 1000);
    }
    cr_assert_eq(state.ready_count, count);
}

Test(client_consumer_place, hands_out_once_what_was_ready_when_a_partition_comes_that_never_went)
{
    struct stage s;
    set_stage(&s);
    send_letter(&s, "a");
    send_letter(&s, "b");
    wait_until_ready(&s, 2);
    assign(&s, "t", 0, 0);
    send_letter(&s, "c");
    take_letter(&s, 'a');
    take_letter(&s, 'b');
    take_letter(&s, 'c');
    clear_stage(&s);
}

/* Other threads ask for memory now and then, too: a try meets the right one nearly always. */
Test(client_consumer_place, reads_later_a_partition_that_there_was_no_memory_for)
{
    struct stage s;
    set_stage(&s);
    unsigned late_count = 0;
    for (int32_t i = 0; i < PARTITIONS && late_count < 2; i++) {
        assign(&s, "many", i, 1);
        late_count += count_placed(&s, "many") <= (unsigned)i;
        wait_until_placed(&s, "many", (unsigned)i + 1);
    }
    cr_assert_eq(late_count, 2);
    clear_stage(&s);
}

/* Prints each record of a topic as a line: partition, offset, key and value, tabs between them.
 *
 *     TRILOG_CLIENT_CONFIG=client.yaml take_lines TOPIC GROUP [INSTANCE]
 *
 * With INSTANCE it is one of a broadcast's: it gets all records. It ends with SIGINT or SIGTERM;
 * then what it has printed is committed. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include <trilog/trilog.h>

static volatile sig_atomic_t is_told_to_end;

static void on_signal(int number)
{
    (void)number;
    is_told_to_end = 1;
}

/* A line on standard output, all of it, is what this program has to do for a record. */
static int print(const struct trilog_message *m)
{
    printf("%" PRId32 "\t%" PRId64 "\t", m->partition, m->offset);
    fwrite(m->record.key, 1, m->record.key_size, stdout);
    putchar('\t');
    fwrite(m->record.value, 1, m->record.value_size, stdout);
    putchar('\n');
    return fflush(stdout);
}

static int take_one(struct trilog_consumer *consumer)
{
    const struct trilog_message *message;
    int result = trilog_consumer_take(consumer, 200, &message);
    if (result == TRILOG_ERR_EMPTY || result == TRILOG_ERR_UNKNOWN_TOPIC)
        return 0; /* not yet */
    if (result != TRILOG_OK) {
        fprintf(stderr, "%s\n", trilog_error_text(result));
        return -1;
    }
    if (print(message) != 0)
        return -1; /* it is in hand still, so it comes again the next time */
    trilog_message_done(consumer, message);
    return 0;
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 3 && argument_count != 4) {
        fprintf(stderr, "usage: take_lines TOPIC GROUP [INSTANCE]\n");
        return 2;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    const char *topic = arguments[1];
    struct trilog_consumer_options options = {
        .topics = &topic,
        .topic_count = 1,
        .group = arguments[2],
        .broadcast_instance = argument_count == 4 ? arguments[3] : NULL};
    struct trilog_consumer *consumer;
    char why[TRILOG_TEXT_SIZE];
    if (trilog_consumer_open(&consumer, &options, why) != TRILOG_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int result = 0;
    while (!is_told_to_end && result == 0)
        result = take_one(consumer);
    trilog_consumer_close(consumer, 5000);
    trilog_consumer_destroy(consumer);
    return result == 0 ? 0 : 1;
}

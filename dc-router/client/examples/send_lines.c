/* Sends each line of standard input as a record, keyed by the text before its first tab:
 *
 *     TRILOG_CLIENT_CONFIG=client.yaml send_lines TOPIC < lines
 *
 * and says what became of them. The callback runs on the library's thread, hence the atomics. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trilog/trilog.h>

static atomic_ulong acknowledged, spooled, failed;

static void on_delivery(void *data, const struct trilog_delivery *d)
{
    (void)data;
    atomic_fetch_add(d->result == TRILOG_OK        ? &acknowledged
                     : d->result == TRILOG_SPOOLED ? &spooled
                                                   : &failed,
                     1);
    if (d->result < 0)
        fprintf(stderr, "%s\n", d->text);
}

static int send_line(struct trilog_producer *producer, const char *topic, const char *line)
{
    size_t key_size = strcspn(line, "\t");
    struct trilog_record record = {
        .topic = topic, .value = line, .value_size = strlen(line), .key_size = key_size};
    record.key = key_size < record.value_size ? line : NULL;
    record.key_size = record.key != NULL ? key_size : 0;
    int result;
    /* Too much is on its way: wait for some of it. */
    while ((result = trilog_send(producer, &record, NULL)) == TRILOG_ERR_QUEUE_FULL)
        trilog_flush(producer, 100);
    return result;
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2) {
        fprintf(stderr, "usage: send_lines TOPIC < lines\n");
        return 2;
    }
    struct trilog_producer_options options = {.on_delivery = on_delivery};
    struct trilog_producer *producer;
    char why[TRILOG_TEXT_SIZE];
    if (trilog_producer_open(&producer, &options, why) != TRILOG_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        int result = send_line(producer, arguments[1], line);
        if (result < 0) {
            fprintf(stderr, "%s\n", trilog_error_text(result));
            atomic_fetch_add(&failed, 1);
        }
    }
    free(line);
    trilog_producer_close(producer, 60000);
    trilog_producer_destroy(producer);
    printf("acknowledged %lu, spooled %lu, failed %lu\n", atomic_load(&acknowledged),
           atomic_load(&spooled), atomic_load(&failed));
    return atomic_load(&failed) == 0 ? 0 : 1;
}

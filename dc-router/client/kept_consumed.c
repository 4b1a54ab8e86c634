/* The failure logs that ended consumers have left: <failure_directory>/consumed-<group>.<number>.
 *
 * One that a running consumer has open is left alone, and said at the end; the others are gone over
 * all the same. It is a consumer without librdkafka that does so, by the same locks. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer_parts.h"
#include "kept.h"

struct consumed_walk {
    struct kept_walk *walk;
    struct trilog_consumer *consumer; /* of nothing but its log */
};

static void on_failure(void *data, const struct retry_entry *entry, int err)
{
    struct consumed_walk *w = data;
    struct trilog_kept_record kept = {.where = TRILOG_KEPT_CONSUMED, .log = w->consumer->folder};
    struct bytes record;
    if (err == 0 && consumer_held_split(entry->content, &kept.partition, &kept.offset, &record))
        kept_settle(w->walk, w->consumer->failures, &kept, entry, record);
}

static int walk_log(struct consumed_walk *w, const char *folder, char *why)
{
    struct trilog_consumer *c = w->consumer;
    int result = consumer_failures_look(c, folder, why);
    if (result == 0 && retry_log_list(c->failures, on_failure, w) != 0)
        result = TRILOG_ERR_LOG_DISK;
    consumer_failures_close(c);
    return result;
}

static int is_log(const struct dirent *entry)
{
    return strncmp(entry->d_name, CONSUMER_FAILURES_PREFIX, sizeof CONSUMER_FAILURES_PREFIX - 1) ==
           0;
}

static int walk_logs(struct consumed_walk *w, struct dirent **logs, int count, char *why)
{
    int result = 0;
    for (int i = 0; i < count; i++) {
        char unheard[TRILOG_TEXT_SIZE];
        int err = walk_log(w, logs[i]->d_name, result == 0 ? why : unheard);
        if (result == 0)
            result = err;
    }
    return result;
}

int kept_walk_consumed(struct kept_walk *walk, const struct client_settings *settings, char *why)
{
    if (settings->failure_directory[0] == '\0')
        return 0;
    struct dirent **logs;
    int count = scandir(settings->failure_directory, &logs, is_log, alphasort);
    if (count < 0) {
        snprintf(why, TRILOG_TEXT_SIZE, "%.400s: %s", settings->failure_directory, strerror(errno));
        return errno == ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_LOG_DISK;
    }
    struct trilog_consumer *c = calloc(1, sizeof *c);
    int result = c == NULL ? TRILOG_ERR_MEMORY : 0;
    if (result == 0) {
        c->settings = *settings;
        c->lock_file = -1;
        struct consumed_walk w = {.walk = walk, .consumer = c};
        result = walk_logs(&w, logs, count, why);
    }
    free(c);
    for (int i = 0; i < count; i++)
        free(logs[i]);
    free(logs);
    return result;
}

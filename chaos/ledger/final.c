/* What is there at the end.
 *
 * The end of each partition is asked for first, of whoever leads it. Up to there everything must
 * come back: through a consumer with this site's rack, as a user here would read it, and, where
 * nodes are named, from each node's own replica beside it. Then the committed offsets of all groups
 * are asked for through each node. What can't be read within the time has no line `read-end`. */
#include "final.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit.h"
#include "consume.h"
#include "wire_group.h"

#define ASK_MS_MAX   5000
#define ASK_MS_MIN   500
#define ASK_AGAIN_NS 200000000
#define POLL_MS      100
#define GROUPS_MAX   2000
#define NAME_BYTES   256

struct reader {
    struct process process; /* first: what the client's callbacks are given */
    struct final *final;
    rd_kafka_t *client;
    int64_t *positions; /* by partition: the next offset; -1 when it has been read to its end */
    int32_t left_count; /* partitions not at their end */
};

static bool is_time_up(const struct final *final)
{
    return now_us() >= final->until_us;
}

/* For one question: some of what is left, but enough for an answer that comes at once. */
static int ask_timeout_ms(const struct final *final)
{
    int64_t left_ms = (final->until_us - now_us()) / 1000;
    return left_ms > ASK_MS_MAX ? ASK_MS_MAX : left_ms < ASK_MS_MIN ? ASK_MS_MIN : (int)left_ms;
}

static void pause_shortly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_NS}, NULL);
}

void final_process_begin(const struct final *final, struct pen *pen, struct process *process,
                         const char *what, const char *role, const char *client)
{
    char name[PROCESS_NAME_BYTES];
    const struct options *o = final->options;
    const struct process_kind kind = {
        .role = role, .client = client, .idempotent = PROCESS_NO_PRODUCER};
    snprintf(name, sizeof name, "%s-%s%s%s", o->site, o->tag, o->tag[0] != '\0' ? "-" : "", what);
    process_begin(process, pen, name, o->site, &kind);
}

/* ---- what there is to read ---- */

static int find_ranges(struct reader *r)
{
    struct final *f = r->final;
    f->partition_count = offsets_find(&r->process, f->options, f->until_us, NULL, &f->ranges);
    r->positions = calloc((size_t)f->partition_count + 1, sizeof *r->positions);
    if (f->partition_count == 0)
        fprintf(stderr, "ledger: the topic %s is not there, or no node tells of it\n",
                f->options->topic);
    return f->partition_count == 0 || r->positions == NULL ? -1 : 0;
}

/* ---- through a consumer ---- */

static void end_if_read(struct reader *r, int32_t partition, int64_t position)
{
    struct final *f = r->final;
    int64_t next = f->ranges[partition].next;
    if (r->positions[partition] < 0 || position < next)
        return;
    note_read_end(&r->process, now_us(), (struct note_place){f->options->topic, partition}, next,
                  NOTE_NONE);
    r->positions[partition] = -1;
    r->left_count--;
}

static void on_record(void *data, const rd_kafka_message_t *message)
{
    struct reader *r = data;
    if (message->partition >= 0 && message->partition < r->final->partition_count)
        end_if_read(r, message->partition, message->offset + 1);
}

/* An end may lie behind offsets without records. */
static void on_trouble(void *data, const rd_kafka_message_t *message)
{
    struct reader *r = data;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && message->partition >= 0 &&
        message->partition < r->final->partition_count)
        end_if_read(r, message->partition, message->offset);
}

static void assign_all(struct reader *r)
{
    struct final *f = r->final;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(f->partition_count);
    for (int32_t p = 0; p < f->partition_count; p++) {
        struct note_place place = {f->options->topic, p};
        if (f->ranges[p].next < 0)
            continue; /* never to be read-end */
        note_assign(&r->process, now_us(), NULL, place, f->ranges[p].first);
        rd_kafka_topic_partition_list_add(list, place.topic, p)->offset = f->ranges[p].first;
    }
    rd_kafka_assign(r->client, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void read_through_consumer(struct reader *r)
{
    struct final *f = r->final;
    const struct consume consume = {.client = r->client,
                                    .process = &r->process,
                                    .stage = "final",
                                    .on_record = on_record,
                                    .on_trouble = on_trouble,
                                    .data = r};
    r->left_count = f->partition_count;
    for (int32_t p = 0; p < f->partition_count; p++) {
        r->positions[p] = f->ranges[p].first;
        if (f->ranges[p].next >= 0)
            end_if_read(r, p, f->ranges[p].first);
    }
    assign_all(r);
    while (r->left_count > 0 && !is_time_up(f))
        consume_poll(&consume, POLL_MS);
    atomic_fetch_add(&f->missing_count, r->left_count);
}

static int open_client(struct reader *r)
{
    const struct client_setting settings[] = {
        {"bootstrap.servers", r->final->options->bootstrap},
        {"group.id", "ledger-reader"}, /* librdkafka wants one; nothing is stored under it */
        {"client.rack", r->final->options->site},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "error"}, /* a throw-back must not pass for reading */
        {"enable.partition.eof", "true"},
        {NULL, NULL},
    };
    r->client = client_create(RD_KAFKA_CONSUMER, NULL, &r->process, settings);
    if (r->client == NULL)
        return -1;
    rd_kafka_poll_set_consumer(r->client);
    return 0;
}

/* ---- from each node ---- */

static void start_replicas(struct final *f, struct final_replica *replicas, pthread_t *threads,
                           int *count)
{
    for (int i = 0; i < f->options->node_count; i++) {
        replicas[*count] = (struct final_replica){f, f->options->nodes[i], history_pen(f->history)};
        if (replicas[*count].pen != NULL &&
            pthread_create(&threads[*count], NULL, final_replica_run, &replicas[*count]) == 0)
            (*count)++;
        else
            atomic_fetch_add(&f->missing_count, 1);
    }
}

/* ---- committed offsets ---- */

struct group_list {
    int count;
    char names[GROUPS_MAX][NAME_BYTES];
};

/* Of members that no history tells of: what they have committed can't be judged. */
static bool is_untold(struct wire_bytes group)
{
    static const char prefix[] = "untold-";
    return group.size >= sizeof prefix - 1 && memcmp(group.data, prefix, sizeof prefix - 1) == 0;
}

static void on_group(void *data, struct wire_bytes group)
{
    struct group_list *list = data;
    if (list->count == GROUPS_MAX || group.size == 0 || group.size >= NAME_BYTES ||
        is_untold(group))
        return;
    for (int i = 0; i < list->count; i++)
        if (wire_is_text(group, list->names[i]))
            return;
    memcpy(list->names[list->count], group.data, group.size);
    list->names[list->count++][group.size] = '\0';
}

/* Each node names the groups that it coordinates. */
static void list_groups(struct final *f, struct audit *audit, struct group_list *list)
{
    const char *error;
    while (wire_list_groups(&audit->asked, ask_timeout_ms(f), on_group, list, &error) < 0) {
        if (is_time_up(f)) {
            fprintf(stderr, "ledger: %s does not tell its groups: %s\n", audit->asked.address,
                    error);
            atomic_fetch_add(&f->missing_count, 1);
            return;
        }
        pause_shortly();
    }
}

static void audit_groups(struct final *f, struct audit *audit, const struct group_list *list)
{
    for (int i = 0; i < list->count; i++) {
        while (audit_group(audit, list->names[i], ask_timeout_ms(f)) < 0) {
            if (is_time_up(f)) {
                atomic_fetch_add(&f->missing_count, 1);
                break;
            }
            pause_shortly();
        }
    }
}

static void audit_all(struct final *f)
{
    struct process process;
    struct options_node nodes[OPTIONS_NODES_MAX];
    struct audit *audits[OPTIONS_NODES_MAX];
    struct pen *pen = history_pen(f->history);
    struct group_list *list = calloc(1, sizeof *list);
    int count = options_nodes(f->options, nodes);
    if (pen == NULL || list == NULL) {
        free(list);
        atomic_fetch_add(&f->missing_count, 1);
        return;
    }
    final_process_begin(f, pen, &process, "last-auditor", "observer", PROCESS_WIRE_CLIENT);
    for (int i = 0; i < count; i++) {
        audits[i] = audit_create(&process, &nodes[i], f->options->topic, f->partition_count);
        if (audits[i] != NULL)
            list_groups(f, audits[i], list);
    }
    for (int i = 0; i < count; i++) {
        if (audits[i] != NULL) {
            audit_groups(f, audits[i], list);
            audit_destroy(audits[i]);
        }
    }
    free(list);
}

/* ---- all of it ---- */

static int read_all(struct final *f, struct reader *r)
{
    pthread_t threads[OPTIONS_NODES_MAX];
    struct final_replica replicas[OPTIONS_NODES_MAX];
    int replica_count = 0;
    if (find_ranges(r) < 0)
        return -1;
    note_topic(&r->process, now_us(), f->options->topic, f->partition_count);
    start_replicas(f, replicas, threads, &replica_count);
    read_through_consumer(r);
    audit_all(f);
    for (int i = 0; i < replica_count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static void close_all(struct final *f, struct reader *r)
{
    rd_kafka_consumer_close(r->client);
    rd_kafka_destroy(r->client);
    free(f->ranges);
    free(r->positions);
}

int final_run(const struct options *options, struct history *history)
{
    static struct final f;
    struct reader r = {.final = &f};
    struct line last;
    struct pen *pen = history_pen(history);
    f.options = options;
    f.history = history;
    f.until_us = now_us() + options->timeout_seconds * 1000000;
    if (pen == NULL)
        return 1;
    final_process_begin(&f, pen, &r.process, "reader", "reader", NULL);
    note_stage(&r.process, now_us(), "final");
    if (open_client(&r) < 0)
        return 1;
    int err = read_all(&f, &r);
    close_all(&f, &r);
    process_line(&r.process, &last, now_us(), "stage");
    line_string(&last, "name", "end");
    history_close(history, &last);
    int missing_count = atomic_load(&f.missing_count);
    if (missing_count > 0)
        fprintf(stderr, "ledger: %d things could not be read in time\n", missing_count);
    return err == 0 && missing_count == 0 ? 0 : 1;
}

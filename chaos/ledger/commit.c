/* Commits on a queue of their own.
 *
 * One request of the client stores the progress of all partitions that have some; the history has
 * an operation for each. Synchronous and asynchronous commits differ only in whether the member
 * reads on meanwhile, so both go the same way, and the synchronous one has a bound, which
 * rd_kafka_commit() lacks. */
#include "commit.h"

#include <stdlib.h>
#include <string.h>

struct commit_part {
    int32_t partition;
    int64_t offset;
    uint64_t id;
    bool is_rewind, is_answered;
};

struct commit {
    struct commits *commits;
    int count;
    struct commit_part parts[];
};

int commits_open(struct commits *c, rd_kafka_t *client, struct process *process, const char *group,
                 const char *topic, int32_t partition_count)
{
    memset(c, 0, sizeof *c);
    c->process = process;
    c->client = client;
    c->group = group;
    c->topic = topic;
    c->partition_count = partition_count;
    c->places = calloc((size_t)partition_count, sizeof *c->places);
    c->answers = rd_kafka_queue_new(client);
    return c->places != NULL && c->answers != NULL ? 0 : -1;
}

void commits_close(struct commits *c)
{
    free(c->places);
    memset(c, 0, sizeof *c);
}

void commits_on_assigned(struct commits *c, int32_t partition, bool is_assigned)
{
    if (partition >= 0 && partition < c->partition_count)
        c->places[partition] = (struct commit_place){is_assigned, -1, -1, -1};
}

void commits_on_record(struct commits *c, int32_t partition, int64_t offset)
{
    if (partition < 0 || partition >= c->partition_count)
        return;
    struct commit_place *place = &c->places[partition];
    if (place->first < 0)
        place->first = offset;
    place->next = offset + 1;
}

static bool has_progress(const struct commit_place *place)
{
    return place->is_assigned && place->next >= 0 && place->next != place->committed;
}

static void answer_part(struct commit *commit, struct commit_part *part, rd_kafka_resp_err_t err)
{
    struct commits *c = commit->commits;
    struct note_end end = client_change_end(err, part->offset);
    if (part->is_rewind && err == RD_KAFKA_RESP_ERR_POLICY_VIOLATION)
        end.outcome = NOTE_FAIL; /* what is stored was higher before its first try */
    if (part->is_answered)
        return;
    part->is_answered = true;
    note_commit_end(c->process, now_us(), part->id, c->group,
                    (struct note_place){c->topic, part->partition}, &end);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && c->places[part->partition].committed == part->offset)
        c->places[part->partition].committed = -1; /* asked again next time */
}

static struct commit_part *find_part(struct commit *commit, int32_t partition)
{
    for (int i = 0; i < commit->count; i++)
        if (commit->parts[i].partition == partition)
            return &commit->parts[i];
    return NULL;
}

/* `offsets` is missing, or names fewer, when the client refused before it asked. */
static void on_answer(rd_kafka_t *client, rd_kafka_resp_err_t err,
                      rd_kafka_topic_partition_list_t *offsets, void *data)
{
    struct commit *commit = data;
    (void)client;
    for (int i = 0; offsets != NULL && i < offsets->cnt; i++) {
        struct commit_part *part = find_part(commit, offsets->elems[i].partition);
        if (part != NULL)
            answer_part(commit, part, err != 0 ? err : offsets->elems[i].err);
    }
    for (int i = 0; i < commit->count; i++)
        answer_part(commit, &commit->parts[i], err != 0 ? err : RD_KAFKA_RESP_ERR__FAIL);
    commit->commits->open_count--;
    free(commit);
}

static bool is_rewind(struct commits *c, const struct commit_place *place)
{
    return place->committed > place->first &&
           random_below(&c->chance, 100) < (uint64_t)c->rewind_percent;
}

static void take_part(struct commit *commit, int32_t partition,
                      rd_kafka_topic_partition_list_t *offsets)
{
    struct commits *c = commit->commits;
    struct commit_place *place = &c->places[partition];
    struct note_place where = {c->topic, partition};
    bool is_back = is_rewind(c, place);
    int64_t offset = is_back ? place->first : place->next;
    commit->parts[commit->count++] = (struct commit_part){
        .partition = partition,
        .offset = offset,
        .is_rewind = is_back,
        .id = note_commit(c->process, now_us(), c->group, where, offset),
    };
    rd_kafka_topic_partition_list_add(offsets, c->topic, partition)->offset = offset;
    place->committed = offset;
}

static int count_with_progress(const struct commits *c)
{
    int count = 0;
    for (int32_t p = 0; p < c->partition_count; p++)
        count += has_progress(&c->places[p]);
    return count;
}

void commits_send(struct commits *c)
{
    int count = count_with_progress(c);
    struct commit *commit = NULL;
    if (count > 0 && c->open_count < COMMITS_OPEN_MAX)
        commit = calloc(1, sizeof *commit + (size_t)count * sizeof commit->parts[0]);
    if (commit == NULL)
        return;
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(count);
    commit->commits = c;
    for (int32_t p = 0; p < c->partition_count; p++)
        if (has_progress(&c->places[p]))
            take_part(commit, p, offsets);
    c->open_count++;
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(c->client, offsets, c->answers, on_answer,
                                                    commit);
    rd_kafka_topic_partition_list_destroy(offsets);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        on_answer(c->client, err, NULL, commit);
}

void commits_serve(struct commits *c, int timeout_ms)
{
    if (c->open_count > 0)
        rd_kafka_queue_poll_callback(c->answers, timeout_ms);
}

void commits_send_and_wait(struct commits *c, int timeout_ms)
{
    int64_t until_us = now_us() + timeout_ms * INT64_C(1000);
    commits_send(c);
    while (c->open_count > 0 && now_us() < until_us)
        commits_serve(c, 50);
}

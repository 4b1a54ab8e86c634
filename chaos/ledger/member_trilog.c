/* A member of a consumer group on libtrilog, as an application has it: it takes records, is done
 * with them, and the library commits by itself.
 *
 *   taken ──▶ in hand ──a commit's time, or nothing more comes──▶ noted as a commit ──▶ done
 *
 * What the library may store is all that is done, so a commit is noted before, and the records of a
 * partition are done from the last to the first: nothing between two noted offsets is ever stored.
 * How commits end is heard of trilog_consumer_commit(), asked a moment long between two looks for
 * records, so that nobody's reading waits for a coordinator.
 *
 * Partitions come and go on the library's thread. The lock holds that up while a record that was
 * taken has no line yet: so lines of reads stand between those of their assignment. Records are
 * looked for now and then rather than waited for, because whoever waits would hold it all the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <trilog/trilog.h>

#include "consume.h"
#include "member.h"

#define NAP_US        20000  /* between two looks for records where there were none */
#define TURN_US       1000   /* likewise where there were some: events have their turn */
#define QUIET_US      100000 /* nothing more comes: partitions may be about to go */
#define LOOK_MS       50     /* for the end of commits */
#define CLOSE_MS      5000
#define COMMITS_ASKED 8 /* of a partition at once; at the bound records stay in hand */

struct asked_commit {
    uint64_t id;
    int32_t partition;
    int64_t offset;
};

struct trilog_member {
    struct process process;
    struct load *load;
    const char *group, *topic;
    pthread_mutex_t lock; /* over the process's lines, and from taking a record to its line */
    struct trilog_consumer *consumer;
    int32_t partition_count;
    int32_t *own; /* partitions that it has, as was noted */
    int own_count;
    int64_t *next; /* by partition: behind what is in hand; -1: nothing is */
    const struct trilog_message *hand[CONSUME_RECORDS_MAX];
    int hand_count;
    struct asked_commit *asked; /* COMMITS_ASKED for each partition */
    int asked_count;
    int64_t read_at_us; /* the last record */
};

/* ---- partitions, on the library's thread ---- */

static void note_own(struct trilog_member *m, bool is_assign)
{
    int64_t at_us = now_us();
    for (int i = 0; i < m->own_count; i++) {
        struct note_place place = {m->topic, m->own[i]};
        if (is_assign)
            note_assign(&m->process, at_us, m->group, place, -1);
        else
            note_revoke(&m->process, at_us, m->group, place);
    }
}

/* Whatever stays is assigned anew, too. */
static void on_partitions(struct trilog_member *m)
{
    pthread_mutex_lock(&m->lock);
    note_own(m, false);
    int count = trilog_consumer_partitions(m->consumer, m->topic, m->own, m->partition_count);
    m->own_count = count < 0 ? 0 : count < m->partition_count ? count : m->partition_count;
    note_own(m, true);
    pthread_mutex_unlock(&m->lock);
}

/* All else that it tells is for people. */
static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    struct trilog_member *m = data;
    if (kind == TRILOG_CONSUMER_EVENT_PARTITIONS)
        on_partitions(m);
    else
        fprintf(stderr, "ledger: %s: event %d: %s\n", m->process.name, (int)kind, text);
}

/* ---- records ---- */

static void note_record(struct trilog_member *m, uint64_t poll_id, const struct trilog_message *t)
{
    const struct note_read read = {
        .place = {m->topic, t->partition},
        .offset = t->offset,
        .key = t->record.key,
        .key_size = t->record.key_size,
        .value = t->record.value,
        .size = t->record.value_size,
        .group = m->group,
        .epoch = NOTE_NONE,
        .node = NOTE_NONE,
    };
    note_read(&m->process, now_us(), poll_id, &read);
    if (t->partition < m->partition_count)
        m->next[t->partition] = t->offset + 1;
    atomic_fetch_add_explicit(&m->load->read_count, 1, memory_order_relaxed);
}

/* As many as are there and as there is room for. Returns how many these were. */
static int64_t take_records(struct trilog_member *m)
{
    int64_t count = 0;
    uint64_t poll_id = 0;
    pthread_mutex_lock(&m->lock);
    while (m->hand_count < CONSUME_RECORDS_MAX) {
        const struct trilog_message *message;
        if (trilog_consumer_take(m->consumer, 0, &message) != TRILOG_OK)
            break;
        if (count++ == 0)
            poll_id = note_poll(&m->process, now_us());
        note_record(m, poll_id, message);
        m->hand[m->hand_count++] = message;
    }
    if (count > 0)
        note_poll_end(&m->process, m->read_at_us = now_us(), poll_id, count);
    pthread_mutex_unlock(&m->lock);
    return count;
}

/* ---- commits ---- */

static void ask_for_commits(struct trilog_member *m)
{
    pthread_mutex_lock(&m->lock);
    for (int32_t p = 0; p < m->partition_count; p++) {
        if (m->next[p] < 0)
            continue;
        struct note_place place = {m->topic, p};
        uint64_t id = note_commit(&m->process, now_us(), m->group, place, m->next[p]);
        m->asked[m->asked_count++] = (struct asked_commit){id, p, m->next[p]};
        m->next[p] = -1;
    }
    pthread_mutex_unlock(&m->lock);
}

static void end_commit(struct trilog_member *m, const struct asked_commit *asked, int result)
{
    const struct note_end end = {.outcome = result == TRILOG_OK ? NOTE_OK : NOTE_UNKNOWN,
                                 .error = trilog_error_text(result),
                                 .offset = asked->offset,
                                 .epoch = NOTE_NONE};
    note_commit_end(&m->process, now_us(), asked->id, m->group,
                    (struct note_place){m->topic, asked->partition}, &end);
}

static void end_commits(struct trilog_member *m, int result)
{
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->asked_count; i++)
        end_commit(m, &m->asked[i], result);
    m->asked_count = 0;
    pthread_mutex_unlock(&m->lock);
}

/* Of commits from `first` on: the partition went while its records were in hand. */
static void give_up_commit(struct trilog_member *m, int first, int32_t partition)
{
    for (int i = first; i < m->asked_count; i++) {
        if (m->asked[i].partition != partition)
            continue;
        pthread_mutex_lock(&m->lock);
        end_commit(m, &m->asked[i], TRILOG_ERR_NOT_ASSIGNED);
        pthread_mutex_unlock(&m->lock);
        m->asked[i] = m->asked[--m->asked_count];
        return;
    }
}

static void be_done(struct trilog_member *m)
{
    int first = m->asked_count;
    if (first > (COMMITS_ASKED - 1) * m->partition_count)
        return;
    ask_for_commits(m);
    while (m->hand_count > 0) {
        const struct trilog_message *message = m->hand[--m->hand_count];
        int32_t partition = message->partition;
        if (trilog_message_done(m->consumer, message) != TRILOG_OK)
            give_up_commit(m, first, partition);
    }
}

/* What stays unanswered has no end in the history. */
static void hear_of_commits(struct trilog_member *m)
{
    int result = trilog_consumer_commit(m->consumer, LOOK_MS);
    if (result == TRILOG_OK || result == TRILOG_ERR_NOT_ASSIGNED)
        end_commits(m, result);
}

/* ---- its life ---- */

static bool make_room(struct trilog_member *m)
{
    size_t count = (size_t)m->partition_count;
    m->own = calloc(count, sizeof *m->own);
    m->next = calloc(count, sizeof *m->next);
    m->asked = calloc(COMMITS_ASKED * count, sizeof *m->asked);
    for (size_t i = 0; m->next != NULL && i < count; i++)
        m->next[i] = -1;
    return m->own != NULL && m->next != NULL && m->asked != NULL;
}

/* With the lock, for its thread may tell of partitions before this returns. */
static bool open_consumer(struct trilog_member *m)
{
    const struct trilog_consumer_options options = {.config_path = m->load->options->trilog,
                                                    .topics = &m->topic,
                                                    .topic_count = 1,
                                                    .group = m->group,
                                                    .on_event = on_event,
                                                    .data = m};
    char why[TRILOG_TEXT_SIZE];
    pthread_mutex_lock(&m->lock);
    bool is_open = trilog_consumer_open(&m->consumer, &options, why) == TRILOG_OK;
    pthread_mutex_unlock(&m->lock);
    if (!is_open)
        fprintf(stderr, "ledger: %s can't be: %s\n", m->process.name, why);
    return is_open;
}

static void read_until_told(struct trilog_member *m, struct load_worker *worker)
{
    int64_t commit_every_us = m->load->options->commit_ms * 1000;
    int64_t commit_at_us = now_us() + commit_every_us;
    while (member_is_wanted(worker)) {
        int64_t count = take_records(m);
        if (m->asked_count > 0)
            hear_of_commits(m);
        else
            load_sleep_until(m->load, now_us() + (count > 0 ? TURN_US : NAP_US));
        if (m->hand_count == 0)
            continue;
        if (now_us() >= commit_at_us || now_us() - m->read_at_us >= QUIET_US) {
            be_done(m);
            commit_at_us = now_us() + commit_every_us;
        }
    }
}

/* With a last commit. */
static void leave(struct trilog_member *m)
{
    int64_t until_us = now_us() + MEMBER_COMMIT_WAIT_MS * INT64_C(1000);
    be_done(m);
    do
        hear_of_commits(m);
    while (m->asked_count > 0 && now_us() < until_us);
    trilog_consumer_close(m->consumer, CLOSE_MS);
    trilog_consumer_destroy(m->consumer);
}

static bool live(struct trilog_member *m, struct load_worker *worker)
{
    struct process_kind kind = {.role = "consumer",
                                .group = m->group,
                                .client = "libtrilog",
                                .idempotent = PROCESS_NO_PRODUCER};
    load_process_begin(worker, &m->process, "member", &kind);
    if (!open_consumer(m))
        return false;
    read_until_told(m, worker);
    leave(m);
    return true;
}

bool member_trilog_live(struct load_worker *worker, const char *group)
{
    struct trilog_member *m = calloc(1, sizeof *m);
    if (m == NULL)
        return false;
    m->load = worker->load;
    m->group = group;
    m->topic = m->load->options->topic;
    m->partition_count = m->load->partition_count;
    pthread_mutex_init(&m->lock, NULL);
    bool has_lived = make_room(m) && live(m, worker);
    pthread_mutex_destroy(&m->lock);
    free(m->own);
    free(m->next);
    free(m->asked);
    free(m);
    return has_lived;
}

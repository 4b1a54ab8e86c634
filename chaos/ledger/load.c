/* The load's life.
 *
 *   topic there? --> load --time is up, or a signal--> settle --outcomes known--> consumers leave
 *                                                                             --> end
 *
 * Producers are joined first and consumers go on meanwhile, so what is acknowledged late is still
 * read and committed. Every wait has a bound: a client that does not come back from its library is
 * left behind and named, and the exit status is 1. What it was asked and never answered is of
 * unknown outcome in the history, so the history is whole all the same. A second signal ends at
 * once, without the last line. */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "library_fault.h"
#include "probe.h"
#include "random.h"
#include "topic.h"

#define READY_US        INT64_C(60000000) /* for the topic to be there and led */
#define LOOK_TIMEOUT_MS 1000
#define ASK_TIMEOUT_MS  5000
#define STEP_US         20000
#define SETTLE_SLACK_US INT64_C(10000000) /* for what was given up to be told */
#define LEAVE_US        INT64_C(30000000) /* for consumers to commit and leave */

enum { KINDS_MAX = 7 };

struct crew {
    struct load_worker *workers;
    int count;
    void *(*run)(void *data);
};

struct driver {
    struct process process; /* first: what the client's callbacks are given */
    struct load load;
    struct crew crews[KINDS_MAX]; /* those that send are the first */
    int signal_count;
};

enum { PRODUCERS, PROBES, MEMBERS, ASSIGNED, AUDITORS, OBSERVERS, ADMINISTRATORS };

static void name_process(const struct options *o, char *name, size_t name_bytes, const char *what)
{
    snprintf(name, name_bytes, "%s-%s%s%s", o->site, o->tag, o->tag[0] != '\0' ? "-" : "", what);
}

void load_process_begin(struct load_worker *worker, struct process *process, const char *what,
                        const struct process_kind *kind)
{
    char suffix[48], name[PROCESS_NAME_BYTES];
    const struct options *o = worker->load->options;
    if (++worker->life == 1)
        snprintf(suffix, sizeof suffix, "%s-%d", what, worker->index);
    else
        snprintf(suffix, sizeof suffix, "%s-%d.%u", what, worker->index, worker->life);
    name_process(o, name, sizeof name, suffix);
    process_begin(process, worker->pen, name, o->site, kind);
}

void load_sleep_until(const struct load *load, int64_t at_us)
{
    int64_t left_us;
    while (!atomic_load(&load->is_over) && (left_us = at_us - now_us()) > 0) {
        int64_t step_us = left_us < STEP_US ? left_us : STEP_US;
        nanosleep(&(struct timespec){.tv_nsec = step_us * 1000}, NULL);
    }
}

/* ---- signals ---- */

/* Waits for one, at most `wait_us`; a second one ends the program at once. */
static void watch_signals(struct driver *d, int64_t wait_us)
{
    sigset_t signals;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigtimedwait(&signals, NULL, &wait) < 0)
        return;
    if (++d->signal_count < 2)
        return;
    history_close(d->load.history, NULL);
    _exit(1);
}

/* ---- the topic ---- */

static int find_topic(struct driver *d, rd_kafka_t *client)
{
    const struct options *o = d->load.options;
    int64_t until_us = now_us() + READY_US;
    bool is_asked_for = false;
    while (now_us() < until_us && d->signal_count == 0) {
        int count = topic_partition_count(client, o->topic, LOOK_TIMEOUT_MS);
        rd_kafka_poll(client, 0); /* its errors go into the history */
        if (count > 0)
            return count;
        if (count == 0 && !is_asked_for)
            is_asked_for = topic_create(client, &d->process, o->topic, (int)o->partitions,
                                        (int)o->replication, ASK_TIMEOUT_MS) == 0;
        watch_signals(d, STEP_US);
    }
    fprintf(stderr, "ledger: the topic %s is not there, or has no leaders\n", o->topic);
    return -1;
}

static int prepare_topic(struct driver *d)
{
    const struct client_setting settings[] = {{"bootstrap.servers", d->load.options->bootstrap},
                                              {NULL, NULL}};
    rd_kafka_t *client = client_create(RD_KAFKA_PRODUCER, NULL, &d->process, settings);
    if (client == NULL)
        return -1;
    d->load.partition_count = find_topic(d, client);
    client_end(client, true);
    if (d->load.partition_count <= 0)
        return -1;
    if (leaders_init(&d->load.leaders, d->load.partition_count) < 0)
        return -1;
    note_topic(&d->process, now_us(), d->load.options->topic, d->load.partition_count);
    return 0;
}

/* ---- workers ---- */

static int start_crew(struct driver *d, int kind, int64_t count, void *(*run)(void *data))
{
    struct crew *crew = &d->crews[kind];
    crew->workers = calloc((size_t)count + 1, sizeof *crew->workers);
    if (crew->workers == NULL)
        return -1;
    for (; crew->count < count; crew->count++) {
        struct load_worker *worker = &crew->workers[crew->count];
        worker->load = &d->load;
        worker->index = crew->count;
        worker->pen = history_pen(d->load.history);
        if (worker->pen == NULL || pthread_create(&worker->thread, NULL, run, worker) != 0)
            return -1;
    }
    return 0;
}

static int start_all(struct driver *d)
{
    const struct options *o = d->load.options;
    struct options_node nodes[OPTIONS_NODES_MAX];
    int node_count = options_nodes(o, nodes);
    int err = start_crew(d, MEMBERS, o->groups * o->members, member_run);
    err |= start_crew(d, ASSIGNED, o->assigned, assigned_run);
    err |= start_crew(d, PRODUCERS, o->producers + o->plain_producers, producer_run);
    err |= start_crew(d, PROBES, probe_worker_count(o), probe_run);
    err |= start_crew(d, AUDITORS, o->fetch_offsets_ms > 0 && o->groups > 0 ? node_count : 0,
                      auditor_run);
    err |= start_crew(d, OBSERVERS, o->metadata_ms > 0 ? o->node_count : 0, observer_run);
    err |= start_crew(d, ADMINISTRATORS, o->admin_ms > 0 ? 1 : 0, administrator_run);
    if (err != 0)
        fprintf(stderr, "ledger: no memory or no threads for all clients\n");
    return err;
}

static bool is_crew_done(const struct crew *crew)
{
    for (int i = 0; i < crew->count; i++)
        if (!atomic_load(&crew->workers[i].is_done))
            return false;
    return true;
}

/* Says who is left behind. */
static void name_missing(const struct driver *d)
{
    static const char *const names[KINDS_MAX] = {"producer", "probe",    "member", "assigned",
                                                 "auditor",  "observer", "admin"};
    for (int kind = 0; kind < KINDS_MAX; kind++)
        for (int i = 0; i < d->crews[kind].count; i++)
            if (!atomic_load(&d->crews[kind].workers[i].is_done))
                fprintf(stderr, "ledger: %s %d did not come to its end\n", names[kind], i);
}

/* Waits for crews [first, KINDS_MAX); returns false when it takes too long. */
static bool wait_for_crews(struct driver *d, int first, int count, int64_t until_us)
{
    bool is_done = false;
    while (!is_done && now_us() < until_us) {
        is_done = true;
        for (int kind = first; kind < first + count; kind++)
            is_done = is_done && is_crew_done(&d->crews[kind]);
        if (!is_done)
            watch_signals(d, STEP_US);
    }
    return is_done;
}

static void join_all(struct driver *d)
{
    for (int kind = 0; kind < KINDS_MAX; kind++) {
        for (int i = 0; i < d->crews[kind].count; i++)
            pthread_join(d->crews[kind].workers[i].thread, NULL);
        free(d->crews[kind].workers);
    }
    leaders_close(&d->load.leaders);
}

/* ---- the story ---- */

/* A member that has not left yet from the time before is not asked again. */
static void restart_member(struct driver *d, struct random *random)
{
    struct crew *members = &d->crews[MEMBERS];
    if (members->count > 0) {
        uint64_t index = random_below(random, (uint64_t)members->count);
        atomic_store(&members->workers[index].is_leaving_wanted, true);
    }
}

static void run_until_told(struct driver *d)
{
    const struct options *o = d->load.options;
    struct random random = random_of((uint64_t)o->seed, d->process.name);
    int64_t began_at_us = now_us();
    int64_t rebalance_at_us = began_at_us + o->rebalance_ms * 1000;
    while (d->signal_count == 0 &&
           (o->seconds == 0 || now_us() < began_at_us + o->seconds * 1000000)) {
        watch_signals(d, STEP_US);
        if (o->rebalance_ms > 0 && now_us() >= rebalance_at_us) {
            restart_member(d, &random);
            rebalance_at_us += o->rebalance_ms * 1000;
        }
    }
}

static bool settle(struct driver *d)
{
    int64_t until_us = now_us() + d->load.options->settle_seconds * 1000000;
    note_stage(&d->process, now_us(), "settle");
    atomic_store(&d->load.settle_until_us, until_us);
    atomic_store(&d->load.is_sending_over, true);
    bool is_settled = wait_for_crews(d, PRODUCERS, 2, until_us + SETTLE_SLACK_US);
    atomic_store(&d->load.is_over, true);
    return wait_for_crews(d, MEMBERS, KINDS_MAX - MEMBERS, now_us() + LEAVE_US) && is_settled;
}

static void print_counts(const struct load *load)
{
    printf("sent=%llu acknowledged=%llu failed=%llu unknown=%llu read=%llu\n",
           (unsigned long long)atomic_load(&load->sent_count),
           (unsigned long long)atomic_load(&load->acknowledged_count),
           (unsigned long long)atomic_load(&load->failed_count),
           (unsigned long long)atomic_load(&load->unknown_count),
           (unsigned long long)atomic_load(&load->read_count));
    fflush(stdout);
}

_Noreturn static void end(struct driver *d, bool is_clean, bool is_started)
{
    struct line last;
    if (is_clean)
        join_all(d);
    else
        name_missing(d);
    if (library_fault_count() > 0) /* whose client is missing then is no fault of ours */
        note_error(&d->process, now_us(), "library_assertion", (struct note_place){NULL, NOTE_NONE},
                   "a client's library stopped it");
    is_clean = is_clean || library_fault_count() > 0;
    process_line(&d->process, &last, now_us(), "stage");
    line_string(&last, "name", "end");
    history_close(d->load.history, &last);
    print_counts(&d->load);
    _exit(is_clean && is_started ? 0
                                 : 1); /* threads are still within the library: see client_end() */
}

int load_run(const struct options *options, struct history *history)
{
    static struct driver driver; /* threads may outlive the call */
    char name[PROCESS_NAME_BYTES];
    const struct process_kind kind = {.role = "driver", .idempotent = PROCESS_NO_PRODUCER};
    struct pen *pen = history_pen(history);
    driver.load.options = options;
    driver.load.history = history;
    if (pen == NULL)
        return 1;
    name_process(options, name, sizeof name, "driver");
    process_begin(&driver.process, pen, name, options->site, &kind);
    if (prepare_topic(&driver) < 0) {
        history_close(history, NULL);
        return 1;
    }
    note_stage(&driver.process, now_us(), "load");
    bool is_started = start_all(&driver) == 0;
    if (is_started)
        run_until_told(&driver);
    bool is_clean = settle(&driver);
    end(&driver, is_clean, is_started);
}
